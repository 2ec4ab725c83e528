//! TBSCertificate and `SIGNED{…}` (RFC 5280 §4.1), written. What is in them is decided by who calls.

use attestamp_certs::{CertificateSerial, SignatureAlgorithm, Validity};
use attestamp_strict_der::{element, tag};

use super::AttachError;
use crate::time::x509_time;

/// `version [0] EXPLICIT`, v3.
const VERSION_3: [u8; 5] = hex_literal::hex!("a003020102");

/// Everything that a certificate says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'a> {
    pub(crate) issuer_der: &'a [u8],
    pub(crate) subject_der: &'a [u8],
    pub(crate) spki_der: &'a [u8],
    pub(crate) signature_algorithm: SignatureAlgorithm,
    pub(crate) serial: &'a CertificateSerial,
    pub(crate) validity: Validity,
    /// Whole extensions.
    pub(crate) extensions: &'a [Vec<u8>],
}

impl Body<'_> {
    /// The DER TBSCertificate.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let not_before = x509_time(self.validity.not_before());
        let not_after = x509_time(self.validity.not_after());
        let extensions = element(tag::SEQUENCE, &[&self.extensions.concat()]);
        element(
            tag::SEQUENCE,
            &[
                &VERSION_3,
                &element(tag::INTEGER, &[self.serial.content_octets()]),
                self.signature_algorithm.algorithm_identifier_der(),
                self.issuer_der,
                &element(tag::SEQUENCE, &[&not_before, &not_after]),
                self.subject_der,
                self.spki_der,
                &element(tag::CONTEXT_3, &[&extensions]),
            ],
        )
    }
}

/// What is signed, the algorithm and the signature.
pub(crate) fn signed(
    to_be_signed: &[u8],
    algorithm: SignatureAlgorithm,
    signature: &[u8],
) -> Result<Vec<u8>, AttachError> {
    if signature.is_empty() {
        return Err(AttachError::SignatureEmpty);
    }
    let signature = element(tag::BIT_STRING, &[&[0], signature]);
    Ok(element(tag::SEQUENCE, &[to_be_signed, algorithm.algorithm_identifier_der(), &signature]))
}
