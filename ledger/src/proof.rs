//! Proofs: that a leaf is in a tree (RFC 6962 §2.1.1), that one tree continues another (§2.1.2), and the file that
//! carries the first with its checkpoint (C2SP tlog-proof).

mod path;

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, parse_hash};
use crate::entry::{Entry, EntryError};
use crate::hash::Hash;
use crate::note::{MAXIMUM_NOTE_BYTES, VerifierKey};
use crate::tile::decimal;

/// The first line of a file (C2SP tlog-proof).
const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// Hashes in a path: a tree of 2^64 leaves has no more.
const MAXIMUM_PATH: usize = 64;

/// A note, an entry, and 64 hashes.
const MAXIMUM_PROOF_BYTES: usize = MAXIMUM_NOTE_BYTES + 16 * 1024;

/// That an entry is in the ledger: the content of a `.tlog-proof` file. `extra` of the file is the entry's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The entry's bytes.
    pub entry: Vec<u8>,
    /// The leaf's index, from 0.
    pub index: u64,
    /// From the leaf's sibling to the root's child.
    pub path: Vec<Hash>,
    /// The checkpoint's note.
    pub checkpoint: Box<str>,
}

/// A proof that held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// What the leaf says.
    pub entry: Entry,
    /// Its index.
    pub index: u64,
    /// The checkpoint that includes it.
    pub checkpoint: SignedCheckpoint,
}

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The form is another.
    #[error("not a proof: {what} in line {line}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What is wrong: a closed set.
        what: &'static str,
    },
    /// The checkpoint does not hold.
    #[error("the checkpoint in the proof does not hold")]
    Checkpoint(#[from] CheckpointError),
    /// The extra data is no entry.
    #[error("the proof carries no ledger entry")]
    Entry(#[from] EntryError),
    /// The path does not lead from the entry to the root.
    #[error("the path of {hashes} hashes does not lead from leaf {index} to the root of {size} leaves")]
    Inclusion {
        /// The leaf's index.
        index: u64,
        /// The tree's size.
        size: u64,
        /// Hashes in the path.
        hashes: usize,
    },
    /// The one tree is no beginning of the other.
    #[error("the tree of {to} leaves does not continue the tree of {from} leaves")]
    Consistency {
        /// The smaller tree's leaves.
        from: u64,
        /// The larger tree's.
        to: u64,
    },
}

impl Proof {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let fail = |line, what| Err(ProofError::Malformed { line, what });
        if text.len() > MAXIMUM_PROOF_BYTES {
            return fail(1, "more than 80 KiB");
        }
        let mut rest = text;
        let mut line = || {
            let (line, after) = rest.split_once('\n')?;
            rest = after;
            Some(line)
        };
        if line() != Some(FIRST_LINE) {
            return fail(1, "another first line than that of C2SP tlog-proof");
        }
        let entry = line().and_then(|line| line.strip_prefix("extra "));
        let Some(entry) = entry.and_then(|entry| Base64::decode_vec(entry).ok()).filter(|it| !it.is_empty())
        else {
            return fail(2, "no extra data with the entry in base64");
        };
        let Some(index) = line().and_then(|line| line.strip_prefix("index ")).and_then(decimal) else {
            return fail(3, "no index");
        };
        let mut path = Vec::new();
        loop {
            let number = path.len() + 4;
            match line() {
                Some("") => break,
                Some(_) if path.len() == MAXIMUM_PATH => return fail(number, "more than 64 hashes"),
                Some(hash) => match parse_hash(hash) {
                    Some(hash) => path.push(hash),
                    None => return fail(number, "a hash that is not 32 octets in base64"),
                },
                None => return fail(number, "no empty line before the checkpoint"),
            }
        }
        Ok(Self { entry, index, path, checkpoint: rest.into() })
    }

    /// The file's content.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text =
            format!("{FIRST_LINE}\nextra {}\nindex {}\n", Base64::encode_string(&self.entry), self.index);
        for hash in &self.path {
            text.push_str(&Base64::encode_string(&hash.0));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Checks everything, offline.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, origin: &str, keys: &[VerifierKey]) -> Result<Proved, ProofError> {
        let checkpoint = SignedCheckpoint::verify(&self.checkpoint, origin, keys)?;
        verify_inclusion(Hash::of_leaf(&self.entry), self.index, &self.path, checkpoint.checkpoint())?;
        let entry = Entry::decode(&self.entry)?;
        Ok(Proved { entry, index: self.index, checkpoint })
    }
}

/// Checks that a leaf is in a tree.
///
/// # Errors
/// [`ProofError::Inclusion`].
pub fn verify_inclusion(leaf: Hash, index: u64, path: &[Hash], tree: &Checkpoint) -> Result<(), ProofError> {
    if path::inclusion_root(leaf, index, tree.size, path) == Some(tree.root) {
        Ok(())
    } else {
        Err(ProofError::Inclusion { index, size: tree.size, hashes: path.len() })
    }
}

/// Checks that `to` continues `from`.
///
/// # Errors
/// [`ProofError::Consistency`].
pub fn verify_consistency(from: &Checkpoint, to: &Checkpoint, path: &[Hash]) -> Result<(), ProofError> {
    if from.origin == to.origin && path::is_consistent((from.size, from.root), (to.size, to.root), path) {
        Ok(())
    } else {
        Err(ProofError::Consistency { from: from.size, to: to.size })
    }
}

#[cfg(test)]
mod tests;
