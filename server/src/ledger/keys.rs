//! The keys that sign checkpoints: made once, an Ed25519 key and, where the token has ML-DSA, an ML-DSA-44 key; and their
//! public halves on disk, as verifier keys of signed notes.
//!
//! The file only grows: a key that was replaced stays in it, so that the checkpoints which it signed still verify.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use attestamp_hsm::{HsmError, KeyAlgorithm, KeyInfo, Token};
use attestamp_ledger::{NoteAlgorithm, VerifierKey};
use hex_literal::hex;

use super::LedgerError;
use crate::config::template::LedgerTable;
use crate::data_folder::{FILE_MODE, Layout, write_atomically};
use crate::hierarchy::{HierarchyError, MadeKey, make_key};

/// Octets of a file of verifier keys: those of an ML-DSA-44 key have 1.8 KiB.
const MAX_KEYS_OCTETS: u64 = 1 << 20;
/// What comes before the 32 octets of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 §4).
const ED25519_SPKI: &[u8] = &hex!("302a300506032b6570032100");
/// What comes before the 1312 octets of an ML-DSA-44 key (RFC 9881 §4).
const ML_DSA_44_SPKI: &[u8] = &hex!("30820532300b06096086480165030403110382052100");

/// The keys of a new ledger.
#[derive(Debug)]
pub struct MadeLedger {
    /// The ledger's identity.
    pub origin: String,
    /// The Ed25519 key.
    pub key: MadeKey,
    /// The ML-DSA-44 key.
    pub pq_key: Option<MadeKey>,
    /// Why there is none, if there is none.
    pub post_quantum_missing: Option<HsmError>,
}

impl MadeLedger {
    /// Makes the keys; their verifier keys are not written yet.
    ///
    /// # Errors
    /// [`LedgerError::Hsm`] with [`HsmError::MechanismMissing`] where the token has no Ed25519.
    pub fn make(token: &Token, origin: &str) -> Result<Self, LedgerError> {
        token.check_mechanisms(KeyAlgorithm::Ed25519)?;
        let post_quantum_missing = match token.check_mechanisms(KeyAlgorithm::MlDsa44) {
            Ok(()) => None,
            Err(missing @ HsmError::MechanismMissing { .. }) => Some(missing),
            Err(error) => return Err(error.into()),
        };
        let key = make_key(token, KeyAlgorithm::Ed25519, "attestamp ledger")?;
        let pq_key = match post_quantum_missing {
            Some(_) => None,
            None => Some(make_key(token, KeyAlgorithm::MlDsa44, "attestamp pq-ledger")?),
        };
        Ok(Self { origin: origin.to_owned(), key, pq_key, post_quantum_missing })
    }

    /// The table for the configuration.
    #[must_use]
    pub fn table(&self, token: &str) -> String {
        let (key, pq_key) = (self.key.uri.to_string(), self.pq_key.as_ref().map(|key| key.uri.to_string()));
        LedgerTable { origin: &self.origin, token, key: &key, pq_key: pq_key.as_deref() }.to_toml()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &MadeKey> {
        std::iter::once(&self.key).chain(&self.pq_key)
    }

    /// Their public halves under the ledger's name.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn verifiers(&self) -> Result<Vec<VerifierKey>, LedgerError> {
        self.all().map(|key| verifier(&self.origin, &key.info)).collect()
    }
}

/// The identity of a new ledger: the host of the public address, if there is one, and a number of its own.
///
/// # Errors
/// [`HierarchyError::Random`].
pub fn new_origin(public_url: Option<&str>) -> Result<String, HierarchyError> {
    let mut number = [0; 4];
    getrandom::fill(&mut number).map_err(|source| HierarchyError::Random { source })?;
    let host = public_url
        .and_then(|url| url.split_once("://"))
        .and_then(|(_, rest)| rest.split(['/', ':', '?']).next())
        .filter(|host| crate::config::is_ledger_origin(host))
        .unwrap_or("attestamp");
    Ok(format!("{host}/ledger-{}", crate::hex::encode(&number)))
}

/// The verifier key of a key in a token, under the name of a ledger.
///
/// # Errors
/// [`LedgerError::Algorithm`], [`LedgerError::PublicKey`], [`LedgerError::Verifier`].
pub fn verifier(origin: &str, key: &KeyInfo) -> Result<VerifierKey, LedgerError> {
    let is_post_quantum = key.algorithm == KeyAlgorithm::MlDsa44;
    let (setting, algorithm, prefix) = if is_post_quantum {
        ("pq-key", NoteAlgorithm::MlDsa44, ML_DSA_44_SPKI)
    } else {
        ("key", NoteAlgorithm::Ed25519, ED25519_SPKI)
    };
    let octets = key.spki_der.strip_prefix(prefix).ok_or(LedgerError::PublicKey { setting })?;
    VerifierKey::new(origin, algorithm, octets).map_err(|source| LedgerError::Verifier { setting, source })
}

/// The keys that sign a data folder's checkpoints, and those that have.
///
/// # Errors
/// [`LedgerError::KeysUnreadable`], [`LedgerError::KeyLine`].
pub fn read(layout: &Layout) -> Result<Vec<VerifierKey>, LedgerError> {
    read_file(&layout.ledger_keys())
}

/// The verifier keys of a file, one a line; empty lines and those that begin with `#` are passed over.
///
/// # Errors
/// [`LedgerError::KeysUnreadable`], [`LedgerError::KeysTooLong`], [`LedgerError::KeyLine`].
pub fn read_file(path: &Path) -> Result<Vec<VerifierKey>, LedgerError> {
    let unreadable = |source| LedgerError::KeysUnreadable { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_KEYS_OCTETS + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).is_ok_and(|found| found > MAX_KEYS_OCTETS) {
        return Err(LedgerError::KeysTooLong { path: path.to_owned(), maximum: MAX_KEYS_OCTETS });
    }
    let lines = text.lines().zip(1_usize..).map(|(line, number)| (line.trim(), number));
    lines
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
        .map(|(key, line)| {
            VerifierKey::parse(key).map_err(|source| LedgerError::KeyLine {
                path: path.to_owned(),
                line,
                source,
            })
        })
        .collect()
}

/// Adds keys to the file; those that are in it stay.
///
/// # Errors
/// [`LedgerError`].
pub fn add(layout: &Layout, added: &[VerifierKey]) -> Result<(), LedgerError> {
    let path = layout.ledger_keys();
    let mut keys = if path.exists() { read(layout)? } else { Vec::new() };
    for key in added {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
    write_atomically(&path, text.as_bytes(), FILE_MODE)
        .map_err(|source| LedgerError::Unwritable { path, source })
}
