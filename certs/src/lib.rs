//! X.509 for a timestamping authority: certificate profiles, CSRs, CRLs, and the checks that a chain must pass.
//!
//! Pure: time is an argument, nothing here has a clock, a random source, a socket or a key. What has to be signed leaves
//! as an `Unsigned…` value with the exact bytes; the caller signs them and gives the signature back.

pub mod algorithm;
pub mod certificate;
pub mod crl;
pub mod csr;
mod extensions;
pub mod hash;
pub mod issuer;
pub mod serial;
pub mod subject;
mod unsigned;
pub mod url;
pub mod validity;

#[cfg(test)]
mod openssl_tests;
#[cfg(test)]
mod test_keys;

pub use algorithm::SignatureAlgorithm;
pub use certificate::{
    CertificateInvalid, RootParameters, TimestampingCaParameters, TsuParameters, UnsignedCertificate,
};
pub use crl::{Crl, CrlInvalid, CrlParameters, RevocationReason, RevokedCertificate, UnsignedCrl};
pub use csr::{CsrInvalid, CsrParameters, UnsignedCsr};
pub use hash::{Digest, HashAlgorithm};
pub use issuer::{Issuer, IssuerExtension, IssuerInvalid};
pub use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, CertificateSigningRequestDer, UnixTime,
};
pub use serial::{CertificateSerial, SerialInvalid};
pub use subject::{Subject, SubjectAttribute, SubjectFields, SubjectInvalid};
pub use unsigned::AttachError;
pub use url::{PublicUrl, UrlInvalid};
pub use validity::{Validity, ValidityInvalid};
