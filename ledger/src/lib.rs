//! The ledger: an append-only record of every token issued, which others can check (requirements E1 to E8).
//!
//! ```text
//! entry       what one leaf says: a token, a state of the clock, an event          bytes <-> Entry
//! hash, tree  RFC 6962 hashing, the frontier of a growing tree, proofs
//! note        signed notes (C2SP signed-note): verifier keys, signatures
//! checkpoint  a tree's head, and the exact bytes that a key signs for it
//! proof       a leaf's inclusion, as a file that is checked offline (C2SP tlog-proof)
//! tile        paths and contents of the tlog-tiles layout
//! ledger      the running ledger: records, commits in groups, rotates, publishes
//! reader      a ledger's folder read without its process: list, verify
//! ```
//!
//! This crate writes files and has a thread of its own, and knows nothing of sockets and PKCS#11: a checkpoint is given
//! out as the bytes to sign, and taken back signed.

pub mod checkpoint;
mod derived;
pub mod entry;
mod frame;
pub mod hash;
mod history;
pub mod ledger;
pub mod note;
mod place;
pub mod proof;
pub mod reader;
mod segment;
mod storage;
pub mod tile;
pub mod tree;

#[cfg(test)]
mod fuzz_seeds;
#[cfg(test)]
mod testing;

pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use entry::{ClockEntry, Entry, EventEntry, EventKind, TokenEntry};
pub use hash::Hash;
pub use ledger::{Damage, Ledger, LedgerConfig, Recorded, Recovery};
pub use note::{NoteAlgorithm, VerifierKey};
pub use proof::Proof;
pub use reader::LedgerReader;
pub use tile::TilePath;
