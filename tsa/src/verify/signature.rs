//! The signature alone: which key made it, before anybody asks whom that key belongs to.
//!
//! For a verifier who knows a key by other means than a chain to a timestamping root, as from a key's attestation. What
//! such a verifier does not learn here: that a root stands behind the certificate, that it was not revoked, and what was
//! stamped.

use attestamp_certs::{CertificateDer, HashAlgorithm, SignatureAlgorithm, TsuCertificate};

use super::tst_info::Claims;
use super::{TokenInvalid, UnverifiedToken, algorithm, attributes, signer};
use crate::gen_time::UtcInstant;
use crate::policy_oid::PolicyOid;

/// A token that was signed with the key of this certificate. Whose certificate it is was not asked.
#[derive(Debug, Clone)]
pub struct SignedToken {
    /// When, within the certificate's validity.
    pub gen_time: UtcInstant,
    /// Content octets of the serial number.
    pub serial: Vec<u8>,
    /// The policy that it was issued under.
    pub policy: PolicyOid,
    /// The hash of the data.
    pub hash: HashAlgorithm,
    /// The hash value of the data, which was not compared with anything.
    pub hashed_message: Vec<u8>,
    /// How it was signed.
    pub signature_algorithm: SignatureAlgorithm,
    /// The certificate that the signature binds (ESSCertID), whose key made it.
    pub certificate: TsuCertificate,
}

impl UnverifiedToken<'_> {
    /// Verifies the signature with the certificate that the token binds, out of those that it carries and those given;
    /// then the rules of RFC 3161 §2.3 for that certificate, and that genTime is within its periods.
    ///
    /// # Errors
    /// [`TokenInvalid`]: the first thing that is wrong.
    pub fn verify_signature(&self, certificates: &[CertificateDer<'_>]) -> Result<SignedToken, TokenInvalid> {
        let signer = &self.signed_data.signer;
        self.attributes.check_message_digest(signer, self.signed_data.content)?;
        let found = signer::find_certificate(&self.signed_data, &self.attributes, certificates)?;
        let certificate =
            TsuCertificate::parse(found.der).map_err(|source| TokenInvalid::Certificate { source })?;
        let signature_algorithm =
            algorithm::signature_algorithm(signer.signature_algorithm_der, signer.digest)?;
        signature_algorithm
            .verify(
                certificate.spki_der(),
                &attributes::signed_octets(&signer.signed_attributes),
                signer.signature,
            )
            .map_err(|source| TokenInvalid::Signature { source })?;
        check_times_and_names(&self.claims, &certificate)?;
        let claims = &self.claims;
        Ok(SignedToken {
            gen_time: claims.gen_time,
            serial: claims.serial.to_vec(),
            policy: claims.policy.clone(),
            hash: claims.hash,
            hashed_message: claims.hashed_message.to_vec(),
            signature_algorithm,
            certificate,
        })
    }
}

fn check_times_and_names(claims: &Claims<'_>, certificate: &TsuCertificate) -> Result<(), TokenInvalid> {
    if claims.tsa.is_some_and(|name| !certificate.has_name(name)) {
        return Err(TokenInvalid::TsaName);
    }
    let gen_time = claims.gen_time.unix_time();
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if gen_time < not_before || gen_time > not_after {
        return Err(TokenInvalid::OutsideValidity { gen_time, not_before, not_after });
    }
    let too_early = certificate.private_key_usage_not_before().is_some_and(|begin| gen_time < begin);
    let too_late = certificate.private_key_usage_not_after().is_some_and(|end| gen_time > end);
    if too_early || too_late {
        return Err(TokenInvalid::OutsidePrivateKeyUsagePeriod { gen_time });
    }
    Ok(())
}
