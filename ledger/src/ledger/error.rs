//! What can go wrong with a ledger: with its files (faults), and with what is in them (damage).

use std::io;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::checkpoint::CheckpointError;
use crate::entry::EntryError;

/// Why a ledger cannot be opened. Nothing was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("another process has the ledger {}: only one may write to it; stop that one first", folder.display())]
    Locked {
        /// Its folder.
        folder: Box<Path>,
    },
    /// There is none, and none may be begun.
    #[error(
        "there is no ledger in {}: is its disk mounted? Else restore it from a back-up; if it is lost for good, \
         `attestamp ledger init --new` begins another one",
        folder.display()
    )]
    Missing {
        /// Where it should be.
        folder: Box<Path>,
    },
    /// The file system refused something.
    #[error("cannot {operation} {}", path.display())]
    Storage {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: Box<Path>,
        /// The system's error.
        source: io::Error,
    },
    /// The configured origin cannot be in a checkpoint.
    #[error("the ledger's origin is no origin")]
    Origin(#[source] CheckpointError),
    /// The anchor is no checkpoint of this ledger.
    #[error(
        "{} is not a checkpoint that a key of this ledger has signed: if a key was replaced, name the old one too; if not, \
         restore the file from a back-up",
        file.display()
    )]
    Anchor {
        /// The anchor's file.
        file: Box<Path>,
        /// Why not.
        source: CheckpointError,
    },
    /// The ledger has checkpoints or entries, and there is no anchor.
    #[error(
        "the ledger has {size} leaves, and {} is missing: compare the ledger with a checkpoint kept elsewhere, then copy the \
         ledger's file `checkpoint` there",
        file.display()
    )]
    AnchorMissing {
        /// The anchor's file.
        file: Box<Path>,
        /// Leaves of the ledger's last checkpoint, or that are there if that is missing too.
        size: u64,
    },
    /// The ledger has fewer leaves than its last checkpoint.
    #[error(
        "the ledger {} has {found} leaves, and a checkpoint of {required} was signed: it was rolled back, or is another; \
         restore the newer one",
        folder.display()
    )]
    RolledBack {
        /// The ledger's folder.
        folder: Box<Path>,
        /// Leaves that are there.
        found: u64,
        /// Leaves of the anchor.
        required: u64,
    },
    /// The tree at the anchor's size is another.
    #[error(
        "the first {size} leaves of the ledger {} are not those of its last checkpoint: it was altered, or is another; \
         restore it from a back-up",
        folder.display()
    )]
    Altered {
        /// The ledger's folder.
        folder: Box<Path>,
        /// Leaves of the anchor.
        size: u64,
    },
    /// What is in the files is not a ledger's.
    #[error("the ledger {} is damaged: restore it from a back-up that is not older than its anchor", folder.display())]
    Damaged {
        /// The ledger's folder.
        folder: Box<Path>,
        /// How.
        source: Damage,
    },
}

/// What in a ledger's files is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damage {
    /// There is no such segment.
    #[error("segment {segment} is missing")]
    Missing {
        /// Its number.
        segment: u32,
    },
    /// The file `start` of a segment is missing or is not in its form.
    #[error("the file `start` of segment {segment} is not in its form")]
    Start {
        /// Its number.
        segment: u32,
    },
    /// A segment's beginning is not the end of the one before it.
    #[error("segment {segment} does not continue the segment before it")]
    Continuation {
        /// Its number.
        segment: u32,
    },
    /// There is no whole entry where one must be.
    #[error("leaf {index} is not whole: segment {segment}, octet {offset}")]
    Frame {
        /// The segment.
        segment: u32,
        /// In its file `entries`.
        offset: u64,
        /// The leaf.
        index: u64,
    },
    /// A whole entry that says nothing.
    #[error("leaf {index} in segment {segment} is not an entry")]
    Entry {
        /// The segment.
        segment: u32,
        /// The leaf.
        index: u64,
        /// Why not.
        source: EntryError,
    },
    /// More follows the last entry than a crash can have left.
    #[error("segment {segment} ends at octet {end}, and has more at octet {offset}")]
    Beyond {
        /// The segment.
        segment: u32,
        /// Where its last entry ends.
        end: u64,
        /// Where something is that is not zero.
        offset: u64,
    },
    /// A segment has fewer or more leaves than the one after it says.
    #[error(
        "segment {segment} ends with a tree of {found} leaves, and the next begins with one of {required}"
    )]
    Length {
        /// The segment.
        segment: u32,
        /// Leaves of the tree at its end.
        found: u64,
        /// Leaves that the next segment continues.
        required: u64,
    },
    /// A checkpoint in a segment's folder is none.
    #[error("a checkpoint of segment {segment} does not hold")]
    Checkpoint {
        /// The segment.
        segment: u32,
        /// Why not.
        source: CheckpointError,
    },
    /// A checkpoint in a segment's folder is of another tree.
    #[error("the checkpoint of {size} leaves in segment {segment} is of another tree")]
    OtherTree {
        /// The segment.
        segment: u32,
        /// Leaves of the checkpoint.
        size: u64,
    },
    /// The entries are not those that a checkpoint was signed for.
    #[error(
        "the entries of segment {segment} are not those that were signed for: one of the leaves {} to {} was altered, and its \
         checksum put right; put back the segment's file `entries` from a back-up",
        from,
        size - 1
    )]
    Altered {
        /// The segment of the last of them.
        segment: u32,
        /// The first leaf after those that agree with a checkpoint.
        from: u64,
        /// Leaves of the checkpoint that they disagree with: more than `from`.
        size: u64,
    },
    /// A checkpoint was published that is not among those kept.
    #[error("the published checkpoint of {size} leaves is not among those that the segments keep")]
    NotKept {
        /// Leaves of the checkpoint.
        size: u64,
    },
    /// A tile or index is not what the entries make. They can be computed anew.
    #[error(
        "tiles or indexes are not those of the entries, which can make them anew: stop the server, delete the ledger's `index/derived`, and start it"
    )]
    Derived,
}

/// Why an entry was not recorded: no token may be released for it.
#[derive(Debug, Clone, Error)]
pub enum RecordError {
    /// Writing or syncing failed.
    #[error("the ledger cannot be written: {operation} failed")]
    Write {
        /// Which call.
        operation: &'static str,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// After writing had failed, the ledger could not be opened again.
    #[error("the ledger cannot be opened again after writing failed")]
    Reopen(#[source] Arc<OpenError>),
    /// More waits already than will be kept in memory.
    #[error("{pending_bytes} octets wait for the ledger's disk already")]
    Stalled {
        /// Octets that wait.
        pending_bytes: usize,
    },
    /// The entry could not be read back.
    #[error("what is to be recorded is not an entry")]
    Entry(#[source] EntryError),
    /// The thread that writes has ended by a defect.
    #[error("the thread that writes the ledger has ended: restart the server, and report its last messages")]
    Panicked,
    /// The ledger is closed.
    #[error("the ledger is closed")]
    Closed,
}

/// Why something could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Nothing of a ledger is at the path.
    #[error(
        "there is no ledger in {}: is its disk mounted, and is this the folder of a ledger, or of a segment that was exported \
         and unpacked?",
        folder.display()
    )]
    Missing {
        /// Where it was looked for.
        folder: Box<Path>,
    },
    /// The system's error.
    #[error("the ledger cannot be read")]
    Storage(#[from] io::Error),
    /// What was read is not what was written.
    #[error("the ledger is damaged")]
    Damaged(#[from] Damage),
    /// There never was such a segment.
    #[error("there is no segment {segment} in the ledger: it has segments {first} to {last}")]
    NoSegment {
        /// The one that was asked for.
        segment: u32,
        /// The first that is there.
        first: u32,
        /// The last one.
        last: u32,
    },
    /// The tree has fewer leaves.
    #[error("the ledger has {found} leaves, not {required}")]
    Short {
        /// Leaves.
        found: u64,
        /// Leaves that were asked for.
        required: u64,
    },
}

/// Why a checkpoint was not published.
#[derive(Debug, Error)]
pub enum PublishError {
    /// It is not one that this ledger gave out, or no key of this ledger has signed it.
    #[error("the checkpoint of {size} leaves is not one of this ledger")]
    Foreign {
        /// Its leaves.
        size: u64,
    },
    /// It is not proved to be of the tree of the published one, which has as many leaves or more.
    #[error(
        "the checkpoint of {size} leaves is not proved to be of the same tree as the published one of {published}: stop the \
         server, and verify the whole ledger"
    )]
    Contradiction {
        /// Its leaves.
        size: u64,
        /// Leaves of the published one.
        published: u64,
    },
    /// The anchor is not what this process has put there.
    #[error(
        "{} is not as this process has written it: another process writes this ledger too, or somebody has altered the file; \
         stop all of them, verify the whole ledger, and start one",
        anchor.display()
    )]
    AnotherWriter {
        /// The anchor's file.
        anchor: Box<Path>,
    },
    /// It could not be made durable: it is not published.
    #[error("the checkpoint cannot be written")]
    Write(#[from] io::Error),
}
