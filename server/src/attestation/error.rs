//! What can go wrong when keys are attested.

use std::path::PathBuf;

use attestamp_attestation::{AttachError, CertificateInvalid, ChainKind, NotVerified, UnsignedInvalid};
use attestamp_certs::{IssuerInvalid, SignatureInvalid, SubjectInvalid, ValidityInvalid};
use attestamp_hsm::{HsmError, SignError};

use crate::hierarchy::HierarchyError;
use crate::tokens::TokenError;

/// Why a key is not attested.
#[derive(Debug, thiserror::Error)]
pub enum AttestationError {
    /// The token with the attestation keys cannot be opened.
    #[error("the token with the attestation keys is out of reach")]
    Token(#[from] TokenError),
    /// The token refuses.
    #[error("the token refuses")]
    Hsm(#[from] HsmError),
    /// The attestation key's session gives no signature.
    #[error("the attestation key does not sign")]
    Sign(#[from] SignError),
    /// A file of a chain cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not the PEM of certificates.
    #[error("{} does not hold certificates in PEM", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate of a chain is not one that can stand there.
    #[error("a certificate in {} is not usable", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: CertificateInvalid,
    },
    /// The chain's first certificate is for another key.
    #[error("the first certificate in {} is for another key than the attestation key in the token", path.display())]
    KeyMismatch {
        /// The chain's file.
        path: PathBuf,
    },
    /// The chain to import ends before its root.
    #[error(
        "{} does not end with a root, a certificate that signed itself: put those above the device's behind it, up to the root",
        path.display()
    )]
    NoRoot {
        /// The file.
        path: PathBuf,
    },
    /// The configuration has no such chain.
    #[error("[attestation] in attestamp.toml has no keys of the {kind} chain")]
    NoChain {
        /// Which one.
        kind: ChainKind,
    },
    /// The device's certificate is for another key.
    #[error(
        "the first certificate in {} is for another key than the device key in the token: it must be issued for the request \
         that `init --device-root-csr` wrote",
        path.display()
    )]
    DeviceKeyMismatch {
        /// The chain's file.
        path: PathBuf,
    },
    /// The CA left out what the request asked for, or the token is another one.
    #[error(
        "the first certificate in {} does not name this token: the CA must copy the extensions of the request (`openssl ca` \
         with copy_extensions = copy)",
        path.display()
    )]
    PlatformMissing {
        /// The chain's file.
        path: PathBuf,
    },
    /// The chain does not hold.
    #[error("the chain in {} does not hold", path.display())]
    ChainInvalid {
        /// The chain's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NotVerified,
    },
    /// What was just made cannot be read.
    #[error("the certificate that was made does not read back")]
    Unreadback {
        /// Why.
        #[source]
        source: CertificateInvalid,
    },
    /// The names in the attestation key's certificate.
    #[error("the name in the attestation key's certificate cannot be read")]
    Names(#[from] IssuerInvalid),
    /// A name breaks a rule.
    #[error("the name in the certificate is not allowed")]
    Subject(#[from] SubjectInvalid),
    /// The attestation key's certificate has ended.
    #[error("the certificate of the attestation key is not valid now")]
    Validity(#[from] ValidityInvalid),
    /// The certificate cannot be built.
    #[error("the attestation cannot be built")]
    Unsigned(#[from] UnsignedInvalid),
    /// The signature cannot be attached.
    #[error("the signature cannot be attached")]
    Attach(#[from] AttachError),
    /// The token's signature does not verify with its own public key.
    #[error("the token's signature does not verify with its public key: nothing was attested")]
    Signature(#[from] SignatureInvalid),
    /// Keys or certificates of a chain cannot be made.
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
    /// The key is in another token than the attestation keys.
    #[error(
        "the key of TSU `{tsu}` is in token `{token}`, and the attestation keys are in token `{device}`: a device attests \
         its own keys alone"
    )]
    OtherToken {
        /// The TSU.
        tsu: Box<str>,
        /// Its token.
        token: Box<str>,
        /// The token with the attestation keys.
        device: Box<str>,
    },
    /// D10: one key has two offices.
    #[error("{first} and {second} are one key: each needs a key of its own")]
    SharedKey {
        /// What the key is for.
        first: Box<str>,
        /// What else it is for.
        second: Box<str>,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
