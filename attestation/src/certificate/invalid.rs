//! Why a certificate was not read, and at which byte.

use std::fmt;

use attestamp_certs::{SerialInvalid, SignatureAlgorithmRefused, ValidityInvalid};
use attestamp_strict_der::Malformed;

use super::MAX_CERTIFICATE_OCTETS;
use super::extensions::MAX_PURPOSES;
use crate::claims::ClaimsInvalid;

/// An extension of this project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProjectExtension {
    /// A key's claims.
    Claims,
    /// The token's names.
    Platform,
}

impl fmt::Display for ProjectExtension {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Claims => "extension with the key's claims",
            Self::Platform => "extension with the token's names",
        })
    }
}

/// Why a certificate was not read. Offsets are counted from the start of the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateInvalid {
    /// Not DER, or not a certificate; or an extension twice.
    #[error("the certificate is malformed")]
    Malformed(#[from] Malformed),
    /// Longer than any honest one.
    #[error("{length} octets of a certificate, at most {MAX_CERTIFICATE_OCTETS} are read")]
    TooLong {
        /// Octets given.
        length: usize,
    },
    /// Another version of X.509.
    #[error("the certificate is not of X.509 version 3")]
    Version,
    /// A serial number that RFC 5280 §4.1.2.2 does not allow.
    #[error("byte {offset}: the serial number is not accepted")]
    Serial {
        /// Where.
        offset: usize,
        /// Why.
        source: SerialInvalid,
    },
    /// Two signature algorithms are named, of which one is not signed (RFC 5280 §4.1.1.2).
    #[error("byte {offset}: the signature algorithm is not the one that is signed")]
    AlgorithmsDiffer {
        /// Where the second is.
        offset: usize,
    },
    /// A signature algorithm that is not accepted.
    #[error("byte {offset}: the certificate's signature cannot be verified here")]
    SignatureAlgorithm {
        /// Where.
        offset: usize,
        /// Why.
        source: SignatureAlgorithmRefused,
    },
    /// A time in another form than RFC 5280 §4.1.2.5 has it, or before 1970.
    #[error("byte {offset}: a time is not in the form of RFC 5280, or before 1970")]
    Time {
        /// Where.
        offset: usize,
    },
    /// Two times that are no period.
    #[error("byte {offset}: the validity is not accepted")]
    Validity {
        /// Where.
        offset: usize,
        /// Why.
        source: ValidityInvalid,
    },
    /// A key or a signature that is empty or does not fill its last octet.
    #[error("byte {offset}: a BIT STRING is empty or has unused bits")]
    UnusedBits {
        /// Where.
        offset: usize,
    },
    /// keyUsage without a bit, with one that is not defined, or not in its shortest form (X.690 §11.2.2).
    #[error("byte {offset}: keyUsage is not the DER of RFC 5280 §4.2.1.3")]
    KeyUsage {
        /// Where.
        offset: usize,
    },
    /// pathLenConstraint of no CA, negative, or of more than 255.
    #[error("byte {offset}: pathLenConstraint is negative, above 255, or of no CA")]
    PathLength {
        /// Where.
        offset: usize,
    },
    /// extKeyUsage with more purposes than any honest certificate has.
    #[error("byte {offset}: more than {MAX_PURPOSES} purposes")]
    TooManyPurposes {
        /// Where the first is beyond the limit.
        offset: usize,
    },
    /// One of our extensions marked critical: whoever does not know it would refuse the certificate (D1).
    #[error(
        "byte {offset}: the {extension} is critical; it must not be, or openssl cannot verify the certificate"
    )]
    ExtensionCritical {
        /// Where.
        offset: usize,
        /// Which.
        extension: ProjectExtension,
    },
    /// The token's names do not read.
    #[error("byte {offset}: the extension with the token's names is not accepted")]
    Platform {
        /// Where the extension's value begins.
        offset: usize,
        /// Why; its offset is counted from there.
        source: ClaimsInvalid,
    },
}

impl CertificateInvalid {
    /// Whether a newer program could find it in order: the form holds, and the signature algorithm is not known here.
    #[must_use]
    pub const fn is_unjudgeable(&self) -> bool {
        matches!(self, Self::SignatureAlgorithm { source: SignatureAlgorithmRefused::Unknown, .. })
    }
}
