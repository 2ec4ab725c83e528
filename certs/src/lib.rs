//! X.509 for a timestamping authority: certificate profiles, CSRs, CRLs, and the checks that a chain must pass.
//!
//! Pure: time is an argument, nothing here has a clock, a random source, a socket or a key. What has to be signed leaves
//! as an `Unsigned…` value with the exact bytes; the caller signs them and gives the signature back.

pub mod algorithm;
pub mod certificate;
pub mod chain;
pub mod crl;
pub mod csr;
mod extensions;
pub mod hash;
pub mod issuer;
pub mod pem;
pub mod serial;
pub mod subject;
pub mod tsu_certificate;
mod unsigned;
pub mod url;
pub mod utc;
pub mod validity;
pub mod verify_signature;

#[cfg(test)]
mod openssl_tests;
#[cfg(test)]
mod test_keys;
#[cfg(test)]
pub(crate) mod test_pki;

pub use algorithm::post_quantum::{MlDsa, SlhDsa};
pub use algorithm::{SignatureAlgorithm, SignatureAlgorithmRefused, is_post_quantum_key};
pub use certificate::{
    CertificateInvalid, RootParameters, TimestampingCaParameters, TsuParameters, UnsignedCertificate,
};
pub use chain::{
    ChainError, RevocationList, TrustAnchors, TrustAnchorsInvalid, VerifiedChain, is_self_issued,
    verify_chain,
};
pub use crl::{Crl, CrlInvalid, CrlParameters, RevocationReason, RevokedCertificate, UnsignedCrl};
pub use csr::{CsrInvalid, CsrParameters, UnsignedCsr};
pub use hash::{Digest, HashAlgorithm, Hasher};
pub use issuer::{Issuer, IssuerExtension, IssuerInvalid, OrganizationNames};
pub use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, CertificateSigningRequestDer, UnixTime,
};
pub use serial::{CertificateSerial, SerialInvalid};
pub use subject::{Subject, SubjectAttribute, SubjectFields, SubjectInvalid};
pub use tsu_certificate::{TsuCertificate, TsuCertificateInvalid};
pub use unsigned::AttachError;
pub use url::{PublicUrl, UrlInvalid};
pub use utc::Utc;
pub use validity::{Validity, ValidityInvalid};
pub use verify_signature::SignatureInvalid;
