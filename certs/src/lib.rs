//! X.509 for a timestamping authority: certificate profiles, CSRs, CRLs, and the checks that a chain must pass.
//!
//! Pure: time is an argument, nothing here has a clock, a random source, a socket or a key. What has to be signed leaves
//! as an `Unsigned…` value with the exact bytes; the caller signs them and gives the signature back.

pub mod algorithm;
pub mod chain;
pub mod hash;
pub mod pem;
#[cfg(test)]
pub(crate) mod test_pki;
pub mod tsu_certificate;
pub mod utc;
pub mod verify_signature;

pub use algorithm::SignatureAlgorithm;
pub use chain::{RevocationList, TrustAnchors, verify_chain};
pub use hash::{Digest, HashAlgorithm};
pub use rustls_pki_types::{CertificateDer, UnixTime};
pub use tsu_certificate::TsuCertificate;
