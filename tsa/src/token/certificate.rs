//! The fields of a certificate that a token repeats, as slices of the certificate itself.
//!
//! Sliced, because `issuerAndSerialNumber` must equal the certificate's octets, whatever string types its names use.
//! Nothing is validated here: whether the certificate is fit for a TSU is for the `certs` crate to say.

use attestamp_strict_der::Malformed;
use attestamp_strict_der::{Reader, tag};

/// No X.509 certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a DER certificate")]
pub struct CertificateError {
    /// Where, and why.
    #[source]
    pub malformed: Malformed,
}

/// Whole elements within a certificate (RFC 5280 §4.1).
#[derive(Debug, Clone, Copy)]
pub(super) struct CertificateFields<'a> {
    /// `serialNumber`.
    pub(super) serial_number: &'a [u8],
    /// `issuer`.
    pub(super) issuer: &'a [u8],
    /// `subject`.
    pub(super) subject: &'a [u8],
    /// The public key's `AlgorithmIdentifier`.
    pub(super) key_algorithm: &'a [u8],
}

impl<'a> CertificateFields<'a> {
    pub(super) fn read(certificate: &'a [u8]) -> Result<Self, CertificateError> {
        Self::read_der(certificate).map_err(|malformed| CertificateError { malformed })
    }

    fn read_der(certificate: &'a [u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(certificate);
        let mut parts = input.required(tag::SEQUENCE)?.reader();
        input.finish()?;
        let mut tbs = parts.required(tag::SEQUENCE)?.reader();
        parts.required(tag::SEQUENCE)?; // signatureAlgorithm
        parts.required(tag::BIT_STRING)?;
        parts.finish()?;

        tbs.optional(tag::CONTEXT_0)?; // version
        let serial_number = tbs.required(tag::INTEGER)?;
        serial_number.integer()?;
        tbs.required(tag::SEQUENCE)?; // signature
        let issuer = tbs.required(tag::SEQUENCE)?.der;
        tbs.required(tag::SEQUENCE)?; // validity
        let subject = tbs.required(tag::SEQUENCE)?.der;
        let mut key_info = tbs.required(tag::SEQUENCE)?.reader();
        let key_algorithm = key_info.required(tag::SEQUENCE)?.der;
        Ok(Self { serial_number: serial_number.der, issuer, subject, key_algorithm })
    }

    /// Whether the certificate names itself as its issuer: a root.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }
}
