//! Why a TSU does not start, does not issue, or has no signature.

use attestamp_attestation::Shortcoming;
use attestamp_certs::UnixTime;
use attestamp_hsm::{HsmError, KeyAlgorithm, SignError};
use attestamp_tsa::TemplateError;

use super::certificates::CertificatesError;
use super::etsi::EtsiNotKept;
use super::self_test::SelfTestError;
use crate::clock::{AccuracyTooSmall, rfc3339};
use crate::tokens::TokenError;

/// Why a TSU does not start.
#[derive(Debug, thiserror::Error)]
pub enum TsuError {
    /// The key has no certificate yet.
    #[error(
        "it has no certificate yet: `attestamp tsu csr {name}` writes a request for your CA, `attestamp tsu import {name} \
         chain.pem` takes what the CA answers"
    )]
    NoCertificate {
        /// The TSU's name.
        name: Box<str>,
    },
    /// The certificate or its chain is not fit.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// The token cannot be opened.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The key is not there, or the pool does not start.
    #[error("its key is not usable")]
    Key(#[from] HsmError),
    /// The keys of one TSU are of several algorithms.
    #[error(
        "its standby `{standby}` is of the algorithm {found}, its own key of {expected}: tokens of one TSU must verify with the \
         same tools, so make a standby of the same algorithm, or a TSU of its own"
    )]
    StandbyAlgorithm {
        /// The signer that differs.
        standby: Box<str>,
        /// Its algorithm.
        found: KeyAlgorithm,
        /// That of the first.
        expected: KeyAlgorithm,
    },
    /// The certificate file that a standby names is not there.
    #[error(
        "there is no certificate {} for its standby `{standby}`: put the chain of the standby's key there, or remove \
         `certificate` if it is the same key as the TSU's",
        path.display()
    )]
    StandbyCertificate {
        /// The signer.
        standby: Box<str>,
        /// The file.
        path: std::path::PathBuf,
    },
    /// Certificate and key are of different algorithms, or the profile does not fit the certificate.
    #[error("its profile and its certificate do not fit each other")]
    Template(#[from] TemplateError),
    /// The token does not say of the key what an auditor asks for (D6).
    #[error(
        "the token does not vouch for its key: {}. Make a TSU with a new key (`attestamp tsu new`), or set accept-unattested = \
         true in [tsu.{name}]: it issues then, and its attestation and /readyz say so",
        Listed(shortcomings)
    )]
    Unattested {
        /// The TSU's name.
        name: Box<str>,
        /// What is missing, one at least.
        shortcomings: Vec<Shortcoming>,
    },
    /// The certificate is for another key.
    #[error(
        "the certificate {certificate_path} is for another key than {key}: import the certificate that was issued for this \
         key (`attestamp tsu csr {name}` makes the request)"
    )]
    KeyMismatch {
        /// The TSU's name.
        name: Box<str>,
        /// The certificate's file.
        certificate_path: Box<str>,
        /// URI of the key.
        key: Box<str>,
    },
    /// EN 319 421 7.7.1: the tokens would claim what cannot be kept.
    #[error(transparent)]
    Accuracy(#[from] AccuracyTooSmall),
    /// A row of EN 319 421 or 319 422.
    #[error(transparent)]
    Etsi(#[from] EtsiNotKept),
    /// `nested-tsu` names one that does not run.
    #[error(
        "its nested-tsu `{nested}` has no certificate yet, and it issues nothing without it: import one (`attestamp tsu \
         import {nested} chain.pem`), or remove nested-tsu"
    )]
    NestedWaiting {
        /// The TSU that is named.
        nested: Box<str>,
    },
    /// `nested-tsu` names one whose tokens prove no more than those that carry them.
    #[error(
        "its nested-tsu `{nested}` is no post-quantum TSU: its key ({algorithm}) or a certificate above it is classical; name \
         another, or remove nested-tsu"
    )]
    NestedClassical {
        /// The TSU that is named.
        nested: Box<str>,
        /// The algorithm of its key.
        algorithm: KeyAlgorithm,
    },
    /// A token made with the key does not verify.
    #[error("a token made for a test does not verify")]
    SelfTest(#[from] SelfTestError),
}

/// The TSU may not issue at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LifeOver {
    /// Before the certificate's notBefore.
    #[error("its certificate is not valid before {}", rfc3339(*.not_before))]
    NotYetValid {
        /// Start of the validity.
        not_before: UnixTime,
    },
    /// At or after the end of the key's usage period or of the certificate.
    #[error("its key may not be used after {}: make or import its successor", rfc3339(*.not_after))]
    Expired {
        /// End of the key's use.
        not_after: UnixTime,
    },
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignFault {
    /// The queue in front of the token is full.
    #[error("the queue in front of the token is full")]
    Busy {
        /// Seconds after which the client may try again.
        retry_after_seconds: u32,
    },
    /// The signer's token was not reached yet.
    #[error("the signer's token was not reached yet")]
    Waiting,
    /// The token did not sign.
    #[error(transparent)]
    Failed(#[from] SignError),
}

/// Writes what a key lacks, one after the other.
#[derive(Debug)]
pub(crate) struct Listed<'a>(pub(crate) &'a [Shortcoming]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, shortcoming) in self.0.iter().enumerate() {
            write!(formatter, "{}{shortcoming}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}
