//! Key attestation: what a token says of its keys, signed, and checked by somebody who trusts one pinned root.
//!
//! A device root signs a device certificate, which names the token; the device signs the certificate of an attestation
//! key; that key signs one certificate for each attested key, with the claims in an extension ([`Claims`]). Everything in
//! the chain is X.509, so that `openssl verify` alone checks it.
//!
//! The path through this crate: [`Claims`] are put together by the caller, [`UnsignedCertificate`] writes what is to be
//! signed, [`Bundle`] carries it to an auditor, [`verify`](verify::verify) holds it against the root, and
//! [`shortcomings`] says what the key lacks. Time, nonces, serial numbers and the root are arguments; nothing here calls a
//! signer or opens a file.
//!
//! What no signature here can show: that a host did not make its token sign a lie. [`Assurance`] says which claims rest
//! on the host's word.

pub mod acceptance;
pub mod bundle;
pub mod certificate;
pub mod chain_kind;
pub mod claims;
pub mod evidence;
#[cfg(test)]
mod fuzz_seeds;
pub mod judgement;
pub mod key_kind;
pub mod oid;
#[cfg(test)]
mod openssl_tests;
#[cfg(test)]
pub(crate) mod test_bundle;
#[cfg(test)]
pub(crate) mod test_chain;
mod time;
pub mod unsigned;
pub mod verify;

pub use acceptance::{Requirement, Shortcoming, shortcomings};
pub use bundle::{Bundle, BundleFile, BundleInvalid, BundlePath};
pub use certificate::{
    BasicConstraints, Certificate, CertificateInvalid, ExtendedKeyUsage, KeyUsage, ProjectExtension,
};
pub use chain_kind::ChainKind;
pub use claims::{
    Assurance, AttestationClock, Claims, ClaimsField, ClaimsInvalid, Date, EvidenceClaim, KeyClaims, KeyEnd,
    KeyEndState, KeyFlag, KeyFlags, KeyPolicy, Nonce, NonceInvalid, Platform,
};
pub use judgement::{
    Asserter, Finding, Freshness, Judgement, KeyFinding, Question, Reason, Statement, TokenSigner, Verdict,
    judge,
};
pub use key_kind::KeyKind;
pub use unsigned::{
    AttachError, AttestationKeyParameters, AttestationParameters, DeviceCsrParameters, DeviceParameters,
    DeviceRootParameters, UnsignedCertificate, UnsignedCsr, UnsignedInvalid,
};
pub use verify::{ChainVerifier, NotVerified, Position, Verified, verify};
