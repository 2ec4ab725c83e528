//! The signed attribute that names the certificate with which a token is verified (RFC 2634 §5.4, RFC 5035, RFC 5816).
//!
//! It is what stops another certificate of the bag from passing for the signer's (CVE-2025-52556, CVE-2026-33753).

use attestamp_certs::HashAlgorithm;
use hex_literal::hex;
use sha1::Digest as _;

use super::certificate::CertificateFields;
use crate::profile::EssHash;
use attestamp_strict_der::{element, tag};

/// id-aa-signingCertificate, the whole element.
const ID_AA_SIGNING_CERTIFICATE: [u8; 13] = hex!("060b 2a864886f70d010910020c");
/// id-aa-signingCertificateV2, the whole element.
const ID_AA_SIGNING_CERTIFICATE_V2: [u8; 13] = hex!("060b 2a864886f70d010910022f");

/// The whole `Attribute`, with one value that names one certificate.
pub(super) fn signing_certificate_attribute(
    ess: EssHash,
    certificate: &[u8],
    fields: &CertificateFields<'_>,
) -> Vec<u8> {
    let (identifier, hash_algorithm, hash) = match ess {
        // The hash of ESSCertID is SHA-1 without saying so.
        EssHash::CompatibilityV1Sha1 => {
            (ID_AA_SIGNING_CERTIFICATE, Vec::new(), sha1::Sha1::digest(certificate).to_vec())
        }
        // hashAlgorithm DEFAULT sha256 is not encoded (RFC 5035 §4).
        EssHash::V2Sha256 => {
            (ID_AA_SIGNING_CERTIFICATE_V2, Vec::new(), digest(HashAlgorithm::Sha256, certificate))
        }
        EssHash::V2Sha384 => v2(HashAlgorithm::Sha384, certificate),
        EssHash::V2Sha512 => v2(HashAlgorithm::Sha512, certificate),
    };
    let general_name = element(tag::CONTEXT_4, &[fields.issuer]);
    let general_names = element(tag::SEQUENCE, &[&general_name]);
    let issuer_serial = element(tag::SEQUENCE, &[&general_names, fields.serial_number]);
    let cert_hash = element(tag::OCTET_STRING, &[&hash]);
    let cert_id = element(tag::SEQUENCE, &[&hash_algorithm, &cert_hash, &issuer_serial]);
    let certs = element(tag::SEQUENCE, &[&cert_id]);
    let signing_certificate = element(tag::SEQUENCE, &[&certs]);
    let values = element(tag::SET, &[&signing_certificate]);
    element(tag::SEQUENCE, &[&identifier, &values])
}

/// The `AlgorithmIdentifier` of a hash; parameters are absent (RFC 5754 §2, RFC 8702 §3).
pub(super) fn hash_algorithm_identifier(hash: HashAlgorithm) -> Vec<u8> {
    let oid = element(tag::OBJECT_IDENTIFIER, &[hash.oid().as_bytes()]);
    element(tag::SEQUENCE, &[&oid])
}

fn v2(hash: HashAlgorithm, certificate: &[u8]) -> ([u8; 13], Vec<u8>, Vec<u8>) {
    (ID_AA_SIGNING_CERTIFICATE_V2, hash_algorithm_identifier(hash), digest(hash, certificate))
}

fn digest(hash: HashAlgorithm, certificate: &[u8]) -> Vec<u8> {
    hash.digest(certificate).as_ref().to_vec()
}
