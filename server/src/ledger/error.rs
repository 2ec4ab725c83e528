//! What can be wrong with a ledger when it is opened.

use std::path::PathBuf;

use attestamp_hsm::{HsmError, KeyAlgorithm};
use attestamp_ledger::ledger::{OpenError, RecordError};
use attestamp_ledger::note::VerifierKeyError;

use super::CheckpointFailed;
use crate::data_folder::DataFolderError;
use crate::hierarchy::HierarchyError;
use crate::tokens::TokenError;

/// Why a ledger is not opened, or has no keys.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The token with its keys cannot be opened.
    #[error("the token with the ledger's keys is out of reach")]
    Token(#[from] TokenError),
    /// The token refuses.
    #[error("the token refuses the ledger's key")]
    Hsm(#[from] HsmError),
    /// No key was made.
    #[error("no key for the ledger was made")]
    Hierarchy(#[from] HierarchyError),
    /// A key of the configuration is of another kind.
    #[error("ledger.{setting} in attestamp.toml names a key of {found}: it must be one of {required}")]
    Algorithm {
        /// `key` or `pq-key`.
        setting: &'static str,
        /// What it is.
        found: KeyAlgorithm,
        /// What it must be.
        required: KeyAlgorithm,
    },
    /// The token gives a public key in a form that is not the algorithm's.
    #[error("the token's public key for ledger.{setting} is not in the form of its algorithm")]
    PublicKey {
        /// `key` or `pq-key`.
        setting: &'static str,
    },
    /// No verifier key can be made of the origin and the key.
    #[error("ledger.origin and ledger.{setting} make no verifier key")]
    Verifier {
        /// `key` or `pq-key`.
        setting: &'static str,
        /// Why.
        #[source]
        source: VerifierKeyError,
    },
    /// The verifier keys cannot be read.
    #[error("cannot read the ledger's public keys {}: restore that file from a backup", path.display())]
    KeysUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not one of verifier keys.
    #[error("{} has more than {maximum} octets: verifier keys are lines of at most some 2000", path.display())]
    KeysTooLong {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        maximum: u64,
    },
    /// A line of the file is no verifier key.
    #[error("line {line} of {} is no verifier key", path.display())]
    KeyLine {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        #[source]
        source: VerifierKeyError,
    },
    /// The file lacks a key that signs.
    #[error("{} lacks the verifier key {key} of ledger.{setting}: auditors could not verify a checkpoint. Add it as a line", path.display())]
    KeyNotListed {
        /// The file.
        path: PathBuf,
        /// `key` or `pq-key`.
        setting: &'static str,
        /// The verifier key.
        key: Box<str>,
    },
    /// The verifier keys cannot be written.
    #[error("cannot write the ledger's public keys {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others may write to it.
    #[error(
        "{} can be written by other users of this machine (mode {mode:03o}), who could alter the record: run \
         `chmod go-w {}`, and verify the ledger",
        path.display(),
        path.display()
    )]
    OpenToOthers {
        /// The folder or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The ledger itself is refused.
    #[error("the ledger in {} cannot be gone on with, and nothing is issued without it (docs/ledger.md, \"A ledger that is refused\")", folder.display())]
    Open {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// The mark of a ledger that is switched off cannot be read or written.
    #[error(
        "cannot read or write {}, which says since when the ledger is off: nothing is issued without that; see to the file \
         system, and remove nothing there",
        path.display()
    )]
    OffMark {
        /// The mark.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The data folder cannot be had to record an event.
    #[error("the data folder cannot be locked, and so nothing is recorded")]
    DataFolder(#[source] DataFolderError),
    /// An event was not recorded.
    #[error("the ledger does not take the event")]
    Record(#[from] RecordError),
    /// No checkpoint was made.
    #[error("no checkpoint was made")]
    Checkpoint(#[from] CheckpointFailed),
    /// A reload cannot change how the ledger is kept.
    #[error("[ledger] in attestamp.toml has changed: restart the server for that")]
    NeedsRestart,
}
