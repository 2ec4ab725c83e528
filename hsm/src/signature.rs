//! Between a message and the module: what goes into C_Sign, and what X.509 and CMS call the signature that comes out.
//!
//! Also the check of a signature, for the test signature of a pool's start and recovery: a token whose public half was
//! exchanged can show the expected key and sign with another. Signatures of requests are checked for their form only.

use cryptoki::mechanism::MechanismType;
use der::asn1::UintRef;
use der::{Encode, Sequence};
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::algorithm::{Hash, KeyAlgorithm, SignatureScheme, Signing, Step};
use crate::error::HsmError;
use crate::spki;

/// How one key signs on one token: the row of the table, and which of its mechanisms the token has.
pub(crate) struct SigningPlan {
    algorithm: KeyAlgorithm,
    hash_in_token: bool,
}

impl SigningPlan {
    /// Chooses among the token's mechanisms; the name of the missing one if it has none that would do.
    pub(crate) fn choose(algorithm: KeyAlgorithm, present: &[MechanismType]) -> Result<Self, &'static str> {
        let has = |step: &Step| present.contains(&step.kind);
        let (possible, hash_in_token, name) = match &algorithm.row().signing {
            Signing::RsaPkcs1 { combined, raw, .. } => {
                (has(combined) || has(raw), has(combined), combined.name)
            }
            Signing::Ecdsa { step, .. } | Signing::Whole { step, .. } => (has(step), false, step.name),
        };
        if possible { Ok(Self { algorithm, hash_in_token }) } else { Err(name) }
    }

    /// Signs through `c_sign`, which is given the mechanism and the bytes that C_Sign is to take.
    pub(crate) fn sign(
        &self,
        message: &[u8],
        c_sign: impl FnOnce(&Step, &[u8]) -> Result<Vec<u8>, HsmError>,
    ) -> Result<Vec<u8>, HsmError> {
        match &self.algorithm.row().signing {
            Signing::RsaPkcs1 { combined, raw, hash, digest_info, signature_bytes } => {
                let signature = if self.hash_in_token {
                    c_sign(combined, message)
                } else {
                    c_sign(raw, &[*digest_info, hash.of(message).as_ref()].concat())
                };
                self.check_length(signature?, *signature_bytes)
            }
            Signing::Ecdsa { step, hash, half_bytes } => {
                let signature =
                    self.check_length(c_sign(step, hash.of(message).as_ref())?, half_bytes * 2)?;
                let (r, s) = signature.split_at_checked(*half_bytes).unwrap_or_default();
                ecdsa_der(r, s).ok_or(self.wrong_form(half_bytes * 2, signature.len()))
            }
            Signing::Whole { step, signature_bytes } => {
                self.check_length(c_sign(step, message)?, *signature_bytes)
            }
        }
    }

    fn check_length(&self, signature: Vec<u8>, expected: usize) -> Result<Vec<u8>, HsmError> {
        if signature.len() == expected && signature.iter().any(|byte| *byte != 0) {
            Ok(signature)
        } else {
            Err(self.wrong_form(expected, signature.len()))
        }
    }

    fn wrong_form(&self, expected: usize, found: usize) -> HsmError {
        HsmError::SignatureForm { algorithm: self.algorithm, expected, found }
    }
}

impl Hash {
    /// A digest on the stack, whatever its length.
    fn of(self, message: &[u8]) -> AnyDigest {
        match self {
            Self::Sha256 => AnyDigest::Sha256(Sha256::digest(message).into()),
            Self::Sha384 => AnyDigest::Sha384(Sha384::digest(message).into()),
            Self::Sha512 => AnyDigest::Sha512(Sha512::digest(message).into()),
        }
    }
}

enum AnyDigest {
    Sha256([u8; 32]),
    Sha384([u8; 48]),
    Sha512([u8; 64]),
}

impl AsRef<[u8]> for AnyDigest {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Sha256(digest) => digest,
            Self::Sha384(digest) => digest,
            Self::Sha512(digest) => digest,
        }
    }
}

/// Ecdsa-Sig-Value (RFC 5480 appendix A); `None` if r or s is zero, which no signature has.
fn ecdsa_der(r: &[u8], s: &[u8]) -> Option<Vec<u8>> {
    #[derive(Sequence)]
    struct EcdsaSigValue<'a> {
        r: UintRef<'a>,
        s: UintRef<'a>,
    }
    if [r, s].iter().any(|half| half.iter().all(|byte| *byte == 0)) {
        return None;
    }
    EcdsaSigValue { r: UintRef::new(r).ok()?, s: UintRef::new(s).ok()? }.to_der().ok()
}

/// Whether this is a signature of the message under the public key.
pub(crate) fn verifies(scheme: SignatureScheme, spki_der: &[u8], message: &[u8], signature: &[u8]) -> bool {
    verify(scheme, spki_der, message, signature).is_some()
}

fn verify(scheme: SignatureScheme, spki_der: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    use p256::ecdsa::signature::Verifier;

    let key = spki::key_bytes(spki_der)?;
    match scheme {
        SignatureScheme::RsaPkcs1Sha256 => verify_rsa::<Sha256>(key, message, signature),
        SignatureScheme::RsaPkcs1Sha384 => verify_rsa::<Sha384>(key, message, signature),
        SignatureScheme::RsaPkcs1Sha512 => verify_rsa::<Sha512>(key, message, signature),
        SignatureScheme::EcdsaP256Sha256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
            key.verify(message, &p256::ecdsa::Signature::from_der(signature).ok()?).ok()
        }
        SignatureScheme::EcdsaP384Sha384 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
            key.verify(message, &p384::ecdsa::Signature::from_der(signature).ok()?).ok()
        }
        SignatureScheme::Ed25519 => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
            key.verify_strict(message, &ed25519_dalek::Signature::from_slice(signature).ok()?).ok()
        }
        SignatureScheme::MlDsa44 => verify_ml_dsa::<ml_dsa::MlDsa44>(key, message, signature),
        SignatureScheme::MlDsa65 => verify_ml_dsa::<ml_dsa::MlDsa65>(key, message, signature),
        SignatureScheme::MlDsa87 => verify_ml_dsa::<ml_dsa::MlDsa87>(key, message, signature),
        SignatureScheme::SlhDsaSha2_128s => verify_slh_dsa::<slh_dsa::Sha2_128s>(key, message, signature),
        SignatureScheme::SlhDsaSha2_128f => verify_slh_dsa::<slh_dsa::Sha2_128f>(key, message, signature),
        SignatureScheme::SlhDsaSha2_192f => verify_slh_dsa::<slh_dsa::Sha2_192f>(key, message, signature),
        SignatureScheme::SlhDsaSha2_256f => verify_slh_dsa::<slh_dsa::Sha2_256f>(key, message, signature),
        SignatureScheme::SlhDsaShake128f => verify_slh_dsa::<slh_dsa::Shake128f>(key, message, signature),
    }
}

/// Pure mode, empty context (FIPS 204 algorithm 3).
fn verify_ml_dsa<P: ml_dsa::MlDsaParams>(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    use ml_dsa::KeyInit;

    let key = ml_dsa::VerifyingKey::<P>::new_from_slice(key).ok()?;
    let signature = ml_dsa::Signature::<P>::try_from(signature).ok()?;
    key.verify_with_context(message, &[], &signature).then_some(())
}

/// Pure mode, empty context (FIPS 205 algorithm 24).
fn verify_slh_dsa<P: slh_dsa::ParameterSet>(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = slh_dsa::VerifyingKey::<P>::try_from(key).ok()?;
    key.try_verify_with_context(message, &[], &slh_dsa::Signature::try_from(signature).ok()?).ok()
}

fn verify_rsa<D: Digest + rsa::pkcs8::AssociatedOid>(
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Option<()> {
    use rsa::pkcs1::DecodeRsaPublicKey;

    let key = rsa::RsaPublicKey::from_pkcs1_der(key).ok()?;
    key.verify(rsa::Pkcs1v15Sign::new::<D>(), &D::digest(message), signature).ok()
}

#[cfg(test)]
mod tests;
