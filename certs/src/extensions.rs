//! The X.509 extensions of our certificates, requests and CRLs, each with its criticality and its reason.
//!
//! Private to the crate. Which certificate has which of them is decided in `certificate.rs`, `csr.rs` and `crl.rs`. Nothing
//! here knows of an algorithm: a key is the octets of its BIT STRING.

use const_oid::db::rfc5280::{ANY_POLICY, ID_AD_CA_ISSUERS, ID_KP_TIME_STAMPING};
use const_oid::{AssociatedOid, ObjectIdentifier};
use der::asn1::{Ia5String, OctetString};
use der::{Decode, Encode, ErrorKind};
use rustls_pki_types::UnixTime;
use spki::SubjectPublicKeyInfoRef;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::certpolicy::PolicyInformation;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
    CertificatePolicies, CrlDistributionPoints, CrlNumber, ExtendedKeyUsage, KeyUsage, KeyUsages,
    PrivateKeyUsagePeriod, SubjectKeyIdentifier,
};

use crate::HashAlgorithm;
use crate::url::PublicUrl;
use crate::validity::to_generalized_time;

/// Octets of a key identifier (RFC 7093 §2 method 1).
const KEY_IDENTIFIER_OCTETS: usize = 20;

/// Octets of a key identifier: the leftmost 160 bits of the SHA-256 of the subjectPublicKey BIT STRING's value (RFC 7093
/// §2 method 1). No SHA-1 is needed for it.
///
/// # Errors
/// The key is not a DER SubjectPublicKeyInfo, or its BIT STRING has unused bits.
pub(crate) fn key_identifier(spki_der: &[u8]) -> der::Result<Vec<u8>> {
    let key = SubjectPublicKeyInfoRef::from_der(spki_der)?;
    let bits =
        key.subject_public_key.as_bytes().ok_or(ErrorKind::Noncanonical { tag: der::Tag::BitString })?;
    Ok(HashAlgorithm::Sha256.digest(bits).as_ref().iter().copied().take(KEY_IDENTIFIER_OCTETS).collect())
}

/// basicConstraints CA TRUE, critical (RFC 5280 §4.2.1.9). There is none for an end entity: absent says CA FALSE.
pub(crate) fn certificate_authority(path_length: Option<u8>) -> der::Result<Extension> {
    encode(true, &BasicConstraints { ca: true, path_len_constraint: path_length })
}

/// keyUsage keyCertSign and cRLSign, critical (RFC 5280 §4.2.1.3).
pub(crate) fn key_usage_of_ca() -> der::Result<Extension> {
    encode(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))
}

/// keyUsage digitalSignature alone, critical: the strictest that RFC 3161 verifiers take, and the one that RFC 9881 §5
/// allows for ML-DSA.
pub(crate) fn key_usage_of_tsu() -> der::Result<Extension> {
    encode(true, &KeyUsage(KeyUsages::DigitalSignature.into()))
}

/// extendedKeyUsage with timeStamping alone. RFC 3161 §2.3 makes it critical for a TSU; on a CA, where RFC 5280 §4.2.1.12
/// gives it no meaning but implementations do, it is not.
pub(crate) fn timestamping_only(critical: bool) -> der::Result<Extension> {
    encode(critical, &ExtendedKeyUsage(vec![ID_KP_TIME_STAMPING]))
}

/// privateKeyUsagePeriod with the end alone: the key starts with its certificate (ETSI EN 319 422 §6.4).
pub(crate) fn private_key_usage_until(not_after: UnixTime) -> der::Result<Extension> {
    let not_after = Some(to_generalized_time(not_after)?);
    encode(false, &PrivateKeyUsagePeriod { not_before: None, not_after })
}

/// certificatePolicies without qualifiers; none where there are no policies.
pub(crate) fn policies(policies: &[ObjectIdentifier]) -> der::Result<Option<Extension>> {
    let information =
        |oid: &ObjectIdentifier| PolicyInformation { policy_identifier: *oid, policy_qualifiers: None };
    let list: Vec<_> = policies.iter().map(information).collect();
    if list.is_empty() { Ok(None) } else { encode(false, &CertificatePolicies(list)).map(Some) }
}

/// certificatePolicies anyPolicy: without it on every CA below the root, path validation (RFC 5280 §6.1.3) leaves a TSU
/// certificate's own policies without effect.
pub(crate) fn any_policy() -> der::Result<Extension> {
    let information = PolicyInformation { policy_identifier: ANY_POLICY, policy_qualifiers: None };
    encode(false, &CertificatePolicies(vec![information]))
}

pub(crate) fn subject_key_identifier(identifier: &[u8]) -> der::Result<Extension> {
    encode(false, &SubjectKeyIdentifier(OctetString::new(identifier)?))
}

pub(crate) fn authority_key_identifier(identifier: &[u8]) -> der::Result<Extension> {
    let key_identifier = Some(OctetString::new(identifier)?);
    encode(false, &AuthorityKeyIdentifier { key_identifier, ..Default::default() })
}

/// cRLDistributionPoints with one full name.
pub(crate) fn crl_distribution_point(url: PublicUrl<'_>) -> der::Result<Extension> {
    let point = DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![uri(url)?])),
        reasons: None,
        crl_issuer: None,
    };
    encode(false, &CrlDistributionPoints(vec![point]))
}

/// authorityInfoAccess with one caIssuers.
pub(crate) fn issuer_certificate_at(url: PublicUrl<'_>) -> der::Result<Extension> {
    let description = AccessDescription { access_method: ID_AD_CA_ISSUERS, access_location: uri(url)? };
    encode(false, &AuthorityInfoAccessSyntax(vec![description]))
}

/// cRLNumber (RFC 5280 §5.2.3).
pub(crate) fn crl_number(number: u64) -> der::Result<Extension> {
    encode(false, &CrlNumber::try_from(number)?)
}

pub(crate) fn encode<T: AssociatedOid + Encode>(critical: bool, value: &T) -> der::Result<Extension> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

fn uri(url: PublicUrl<'_>) -> der::Result<GeneralName> {
    Ia5String::new(url.as_str()).map(GeneralName::UniformResourceIdentifier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn key_identifier_is_rfc_7093_method_1() {
        // An Ed25519 key of 32 zero octets: the hash is over the key's octets, not over the SubjectPublicKeyInfo.
        let spki = [&hex!("302a 3005 0603 2b6570 0321 00")[..], &[0; 32]].concat();
        assert_eq!(key_identifier(&spki).unwrap(), hex!("66687aadf862bd776c8fc18b8e9f8e2008971485"));
        assert!(key_identifier(&spki[..40]).is_err());
    }

    #[test]
    fn encodings_are_those_of_rfc_5280() {
        for (extension, expected) in [
            (certificate_authority(Some(0)), &hex!("3012 0603551d13 0101ff 0408 3006 0101ff 020100")[..]),
            (key_usage_of_ca(), &hex!("300e 0603551d0f 0101ff 0404 03020106")),
            (key_usage_of_tsu(), &hex!("300e 0603551d0f 0101ff 0404 03020780")),
            (timestamping_only(true), &hex!("3016 0603551d25 0101ff 040c 300a 06082b06010505070308")),
            (timestamping_only(false), &hex!("3013 0603551d25 040c 300a 06082b06010505070308")),
            (any_policy(), &hex!("3011 0603551d20 040a 3008 3006 0604551d2000")),
            (crl_number(128), &hex!("300b 0603551d14 0404 02020080")),
            (
                private_key_usage_until(UnixTime::since_unix_epoch(std::time::Duration::ZERO)),
                &hex!("301a 0603551d10 0413 3011 810f 31393730303130313030303030305a"),
            ),
        ] {
            assert_eq!(extension.unwrap().to_der().unwrap(), expected);
        }
    }

    #[test]
    fn no_policies_no_extension() {
        assert!(policies(&[]).unwrap().is_none());
        assert!(policies(&[ANY_POLICY]).unwrap().is_some());
    }
}
