//! What was found, as values: a report prints them and decides nothing.

use std::fmt;
use std::sync::Arc;

use attestamp_certs::UnixTime;
use attestamp_certs::utc::Utc;

use super::{Reason, Statement};
use crate::acceptance::Shortcoming;
use crate::certificate::Certificate;
use crate::chain_kind::ChainKind;
use crate::evidence::{DeviceStatement, EvidenceError};
use crate::verify::{NotVerified, Verified};

/// A chain of the bundle.
#[derive(Debug, Clone)]
pub struct ChainFinding {
    /// Which chain.
    pub kind: ChainKind,
    /// The pinned root that it leads to; `None` for a chain that was not looked into, because its root is not pinned.
    pub root: Option<Certificate>,
    /// The issuer that the chain's last certificate names: `Name`, DER. Not verified.
    pub issuer_der: Vec<u8>,
}

/// What was found of one key.
#[derive(Debug, Clone)]
pub struct KeyFinding {
    /// Its name in the bundle.
    pub key: String,
    /// One for each pinned root.
    pub attestations: Vec<Finding>,
    /// The TSU's certificate beside it.
    pub tsu_certificate: TsuCertificateFinding,
    /// What is against the key, beside what is against its attestations.
    pub reasons: Vec<Reason>,
}

/// What was found of one attestation.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The chain that it is under.
    pub chain: ChainKind,
    /// The claims, if the signatures hold up to the pinned root; `None` where there is no attestation.
    pub verified: Option<Result<Verified, NotVerified>>,
    /// What D6 misses.
    pub shortcomings: Vec<Shortcoming>,
    /// Whether it was made for the auditor.
    pub freshness: Option<Freshness>,
    /// The vendor evidence that it names.
    pub evidence: Vec<EvidenceFinding>,
    /// Everything that is said of the key under this chain, and by whom; empty where it is not verified.
    pub statements: Vec<Statement>,
    /// What is against it.
    pub reasons: Vec<Reason>,
}

impl Finding {
    /// The claims and the key, where they are verified.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref().and_then(|verified| verified.as_ref().ok())
    }
}

/// Whether an attestation was made after the auditor asked for it (D8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It carries the auditor's nonce.
    Fresh {
        /// When it says that it was made.
        attested_at: UnixTime,
    },
    /// The auditor asked with no nonce: it may be as old as its time says, and that time is the host's word.
    NotFresh {
        /// When it says that it was made.
        attested_at: UnixTime,
    },
    /// A nonce was asked for, and it carries none.
    NonceAbsent {
        /// When it says that it was made.
        attested_at: UnixTime,
    },
    /// A nonce was asked for, and the key's use has ended: it is not attested any more.
    Ended {
        /// When it says that it was made.
        attested_at: UnixTime,
    },
    /// A nonce was asked for, and it carries another.
    NonceDiffers {
        /// When it says that it was made.
        attested_at: UnixTime,
    },
}

impl fmt::Display for Freshness {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh { attested_at } => {
                write!(out, "fresh: it carries your nonce; by its own word it is of {}", Utc(*attested_at))
            }
            Self::NotFresh { attested_at } => {
                write!(
                    out,
                    "not fresh: no nonce was asked for; by its own word it is of {}",
                    Utc(*attested_at)
                )
            }
            Self::NonceAbsent { attested_at } => {
                write!(out, "not fresh: it carries no nonce; by its own word it is of {}", Utc(*attested_at))
            }
            Self::Ended { attested_at } => write!(
                out,
                "not fresh, and it cannot be: the use of the key has ended; by its own word it is of {}",
                Utc(*attested_at)
            ),
            Self::NonceDiffers { attested_at } => {
                write!(
                    out,
                    "not fresh: it carries another nonce; by its own word it is of {}",
                    Utc(*attested_at)
                )
            }
        }
    }
}

/// What was found of the TSU's certificate in the bundle (D7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TsuCertificateFinding {
    /// There is none.
    Absent,
    /// It was not compared: no attestation of the key is verified.
    NotCompared,
    /// Its key is the attested one.
    SameKey,
    /// Its key is another.
    OtherKey,
}

/// Vendor evidence that an attestation names.
#[derive(Debug, Clone)]
pub struct EvidenceFinding {
    /// Content octets of its format's object identifier.
    pub format: Vec<u8>,
    /// What became of it.
    pub outcome: EvidenceOutcome,
}

/// What became of vendor evidence.
#[derive(Debug, Clone)]
pub enum EvidenceOutcome {
    /// It is not in the bundle.
    Absent,
    /// What is in the bundle has another hash than the attestation says.
    Differs,
    /// It leads to a vendor's root that the auditor pinned.
    Verified(Box<DeviceStatement>),
    /// It is in the bundle, and nothing was learnt of it.
    NotVerified(Arc<EvidenceError>),
}
