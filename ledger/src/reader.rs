//! A ledger's folder, read without the process that writes it: for `list`, `prove` and `verify`, also while the server runs.
//!
//! It reads what is there when it is asked. Half a batch at the end, which the server may be writing, is not read.

mod exporting;
mod listing;
mod still;
mod tiles;
mod verifying;

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::derived::{DerivedFiles, serial_key};
use crate::entry::Entry;
use crate::hash::Hash;
use crate::ledger::{CHECKPOINT, Damage, ProofOutcome, ReadError, TreeView, has_serial};
use crate::note::VerifierKey;
use crate::place::{EntryCursor, Place, SegmentRange};
use crate::segment::{END_CHECKPOINT, SEGMENTS, START, SegmentStart};
use crate::storage::{Files, Storage as _};
use crate::tile::TILE_WIDTH;

pub use listing::{Listed, Listing};
pub use still::StillLedger;

/// A ledger's folder, or an exported segment of one.
#[derive(Debug)]
pub struct LedgerReader {
    place: Place,
}

/// What a whole verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Leaves that are there; of an exported segment, those of the tree at its end.
    pub size: u64,
    /// Leaves after the last checkpoint: there, and not yet signed for.
    pub after_checkpoint: u64,
    /// Segments.
    pub segments: u32,
    /// The last checkpoint; `None` before the first.
    pub checkpoint: Option<SignedCheckpoint>,
}

/// Why a ledger does not verify.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// It could not be read.
    #[error("the ledger cannot be read")]
    Read(#[from] ReadError),
    /// It is not what was written.
    #[error("the ledger is damaged or was altered")]
    Damaged(#[from] Damage),
    /// A segment's end has no checkpoint, and there is one of more leaves.
    #[error("segment {segment} has no `end.checkpoint`, and a later checkpoint was published")]
    NoEndCheckpoint {
        /// Its number.
        segment: u32,
    },
    /// A segment that was exported begins with a tree that no checkpoint there has.
    #[error("segment {segment} has no `start.checkpoint`: what it continues cannot be checked")]
    NoStartCheckpoint {
        /// Its number.
        segment: u32,
    },
    /// It was told to stop.
    #[error("the verification was stopped")]
    Stopped,
    /// A checkpoint that was given to be compared is not a beginning of what is there.
    #[error(
        "the checkpoint of {size} leaves with root {root}, kept elsewhere, is not a beginning of the ledger, which has \
         {found} leaves: it was rolled back or altered, or is another"
    )]
    NotBeginning {
        /// Its leaves.
        size: u64,
        /// Its root.
        root: Hash,
        /// Leaves that are there.
        found: u64,
    },
    /// A checkpoint that was given to be compared ends before the exported segment begins, or after it ends.
    #[error("the checkpoint of {size} leaves is not of this segment: compare it with the whole ledger")]
    OtherSegment {
        /// Its leaves.
        size: u64,
    },
    /// A checkpoint has more leaves than there are.
    #[error("a checkpoint of {required} leaves was published, and the ledger has {found}")]
    Short {
        /// Leaves that are there.
        found: u64,
        /// Leaves of the checkpoint.
        required: u64,
    },
}

impl LedgerReader {
    /// Opens a ledger's folder, or that of an exported segment.
    ///
    /// # Errors
    /// [`ReadError`]: there is no ledger.
    pub fn open(folder: &Path) -> Result<Self, ReadError> {
        let mut place = Place::new(Arc::new(Files), folder);
        if let Some(start) = Files.read(&folder.join(START))? {
            let start = SegmentStart::parse(&start).ok_or(Damage::Start { segment: 0 })?;
            place.only = Some(start.number);
        } else if place.last_segment()? == 0 {
            let is_ledger = [CHECKPOINT, SEGMENTS].iter().any(|name| folder.join(name).exists());
            return Err(match is_ledger {
                true => Damage::Missing { segment: 1 }.into(),
                false => ReadError::Missing { folder: folder.into() },
            });
        }
        Ok(Self { place })
    }

    /// A ledger in any storage.
    pub(crate) fn of(place: Place) -> Self {
        Self { place }
    }

    /// The last checkpoint, without a look at who has signed it; `None` before the first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn checkpoint(&self) -> Result<Option<SignedCheckpoint>, ReadError> {
        let (name, segment) = match self.place.only {
            Some(segment) => (END_CHECKPOINT, segment),
            None => (CHECKPOINT, self.place.last_segment()?),
        };
        let Some(note) = self.place.storage.read(&self.place.folder.join(name))? else { return Ok(None) };
        let damage = |source: CheckpointError| Damage::Checkpoint { segment, source }.into();
        SignedCheckpoint::parse_unverified(&String::from_utf8_lossy(&note)).map(Some).map_err(damage)
    }

    /// Every entry with its index, in order, from `from` on.
    pub fn entries(&self, from: u64) -> Box<dyn Iterator<Item = Result<(u64, Entry), ReadError>> + '_> {
        match self.cursor(from) {
            Ok(entries) => Box::new(entries),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }

    /// The proof for the token with this serial number (content octets) under the last checkpoint.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn prove(&self, serial: &[u8]) -> Result<ProofOutcome, ReadError> {
        let files = DerivedFiles::open(self.place.storage.as_ref(), &self.place.folder)?;
        let segments = self.segments()?;
        let checkpoint = self.checkpoint()?;
        let mut found = None;
        for index in files.serials.candidates(serial_key(serial))? {
            let mut cursor = EntryCursor::new(&self.place, &segments, index, known(&files, index))?;
            if let Some(entry) = cursor.next_entry()?.filter(|entry| has_serial(entry, serial)) {
                found = Some((index, entry.to_vec()));
            }
        }
        if found.is_none() {
            let after_runs = files.serials.leaves();
            let recent = EntryCursor::new(&self.place, &segments, after_runs, known(&files, after_runs));
            if let Ok(recent) = recent {
                found = search(recent, serial)?;
            }
        }
        // The index may be altered: nothing is said to be missing for what it says.
        if found.is_none() {
            found = search(EntryCursor::new(&self.place, &segments, 0, None)?, serial)?;
        }
        let Some((index, entry)) = found else { return Ok(ProofOutcome::Unknown) };
        let Some(signed) = checkpoint.filter(|checkpoint| index < checkpoint.checkpoint().size) else {
            return Ok(ProofOutcome::Awaiting { index });
        };
        let tree = signed.checkpoint();
        let view = TreeView { place: &self.place, files: &files, segments: &segments, tree };
        view.proof(index, entry, signed.note()).map(ProofOutcome::Proved)
    }

    /// The proof that the tree of `to` leaves continues that of `from`; both at most those of the last checkpoint.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, ReadError> {
        let files = DerivedFiles::open(self.place.storage.as_ref(), &self.place.folder)?;
        let Some(signed) = self.checkpoint()? else {
            return Err(ReadError::Short { found: 0, required: to });
        };
        let tree = signed.checkpoint();
        TreeView { place: &self.place, files: &files, segments: &[], tree }.consistency(from, to)
    }

    /// Reads everything again: every frame, every hash, every tile, every segment's beginning and end, every checkpoint kept, and
    /// that each continues the one before. `required` are checkpoints that were kept elsewhere, such as the anchor's: each
    /// must be a beginning of the ledger. `progress` is told octets done and octets in all.
    ///
    /// # Errors
    /// [`VerifyError`] with the first thing that does not hold.
    pub fn verify(
        &self,
        origin: &str,
        keys: &[VerifierKey],
        required: &[Checkpoint],
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Verified, VerifyError> {
        let mut go_on = |done: u64, total: u64| {
            progress(done, total);
            true
        };
        let verified = self.verify_until(origin, keys, required, &mut go_on)?;
        // It is never told to stop.
        verified.ok_or(VerifyError::Stopped)
    }

    /// As [`verify`](Self::verify), as long as `progress` says to go on.
    pub(crate) fn verify_until(
        &self,
        origin: &str,
        keys: &[VerifierKey],
        required: &[Checkpoint],
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Verified>, VerifyError> {
        // Read first: what was published is among what was kept afterwards.
        let published = self.checkpoint()?;
        verifying::verify(&self.place, (origin, keys), published.as_ref(), required, progress)
    }

    /// Its segments, in order: their numbers and the indexes of their first leaves.
    fn segments(&self) -> Result<Vec<SegmentRange>, ReadError> {
        let starts = self.place.starts()?;
        Ok(starts
            .iter()
            .map(|start| SegmentRange { number: start.number, first: start.first_index() })
            .collect())
    }

    fn cursor(&self, from: u64) -> Result<Entries, ReadError> {
        // Read first: what it says is there is there afterwards.
        let required = self.checkpoint()?.map_or(0, |signed| signed.checkpoint().size);
        let cursor = EntryCursor::new(&self.place, &self.segments()?, from, None)?;
        Ok(Entries { cursor, required, is_ended: false })
    }
}

/// The entry of the token with this serial number, among those that follow.
fn search(mut cursor: EntryCursor, serial: &[u8]) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
    loop {
        let index = cursor.index();
        match cursor.next_entry()? {
            Some(entry) if has_serial(entry, serial) => return Ok(Some((index, entry.to_vec()))),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// Where a bundle begins, if the index has it.
fn known(files: &DerivedFiles, index: u64) -> Option<(u64, u64)> {
    let offset = files.bundle_offset(index / TILE_WIDTH).ok()?;
    Some((index / TILE_WIDTH * TILE_WIDTH, offset))
}

/// Entries in order.
#[derive(Debug)]
struct Entries {
    cursor: EntryCursor,
    /// Leaves of the last checkpoint: so many there must be.
    required: u64,
    is_ended: bool,
}

impl Iterator for Entries {
    type Item = Result<(u64, Entry), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_ended {
            return None;
        }
        let index = self.cursor.index();
        let item = match self.cursor.next_entry() {
            Ok(Some(entry)) => match Entry::decode(entry) {
                Ok(entry) => Some(Ok((index, entry))),
                Err(source) => {
                    Some(Err(Damage::Entry { segment: self.cursor.segment(), index, source }.into()))
                }
            },
            Ok(None) if index < self.required => {
                let (segment, offset) = (self.cursor.segment(), self.cursor.offset());
                Some(Err(Damage::Frame { segment, offset, index }.into()))
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        self.is_ended = !matches!(item, Some(Ok(_)));
        item
    }
}
