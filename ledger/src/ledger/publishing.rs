//! Checkpoints: which is to be signed next, and the steps by which a signed one becomes visible.
//!
//! The anchor comes first. Whatever fails after it, the next start knows that this tree was signed for (E2).

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Core, PublishError, lock};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::derived::DerivedFiles;
use crate::history::History;
use crate::place::{Place, SegmentRange};
use crate::proof::verify_consistency;
use crate::segment::{CHECKPOINTS, END_CHECKPOINT, START_CHECKPOINT};
use crate::tree::range_hash;

/// The last published checkpoint, in the ledger's folder: for readers, and to be copied.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The published tree.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) signed: Arc<SignedCheckpoint>,
    pub(super) files: DerivedFiles,
    pub(super) segments: Arc<Vec<SegmentRange>>,
}

/// Checkpoints that are to be signed.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Of segments' ends, with the segments' numbers.
    pub(super) ends: VecDeque<(u32, Checkpoint)>,
}

/// The history that checkpoints are added to, and its segment.
#[derive(Debug, Default)]
pub(super) struct OpenHistory(Option<(u32, History)>);

impl OpenHistory {
    fn of(&mut self, place: &Place, segment: u32) -> io::Result<&mut History> {
        let history = match self.0.take() {
            Some((number, history)) if number == segment => history,
            Some(_) | None => History::open(place.storage.as_ref(), &place.file(segment, CHECKPOINTS))?,
        };
        Ok(&mut self.0.insert((segment, history)).1)
    }
}

/// What whoever publishes holds.
#[derive(Debug)]
pub(super) struct Publishing {
    pub(super) history: OpenHistory,
    pub(super) anchor: WrittenAnchor,
}

/// What this process has put into the anchor: it finds out by it that another one writes the same ledger.
#[derive(Debug)]
pub(super) struct WrittenAnchor {
    /// What can be there; two where writing failed. `None` before the first checkpoint.
    notes: Vec<Option<Box<str>>>,
}

impl WrittenAnchor {
    pub(super) fn new(note: Option<&str>) -> Self {
        Self { notes: vec![note.map(Into::into)] }
    }

    /// Whether what is there is this process's.
    fn check(&mut self, place: &Place, anchor: &Path) -> Result<(), PublishError> {
        let found = place.storage.read(anchor)?;
        self.notes.retain(|note| note.as_deref().map(str::as_bytes) == found.as_deref());
        // It is not believed again once another was there.
        if self.notes.is_empty() {
            return Err(PublishError::AnotherWriter { anchor: anchor.into() });
        }
        Ok(())
    }

    fn write(&mut self, place: &Place, anchor: &Path, note: &str) -> io::Result<()> {
        self.notes.push(Some(note.into()));
        place.storage.replace(anchor, note.as_bytes())?;
        *self = Self::new(Some(note));
        Ok(())
    }
}

impl Core {
    pub(super) fn due_checkpoint(&self) -> Option<Checkpoint> {
        if let Some((_, end)) = lock(&self.due).ends.front() {
            return Some(end.clone());
        }
        let published_size = self.published_size();
        let durable = lock(&self.durable);
        let (size, root) = (durable.frontier.size(), || durable.frontier.root());
        (size != published_size).then(|| Checkpoint {
            origin: self.config.origin.clone(),
            size,
            root: root(),
        })
    }

    pub(super) fn has_due_checkpoint(&self) -> bool {
        let published_size = self.published_size();
        !lock(&self.due).ends.is_empty() || lock(&self.durable).frontier.size() != published_size
    }

    pub(super) fn published_size(&self) -> u64 {
        self.published().map_or(0, |published| published.signed.checkpoint().size)
    }

    /// Writes what is in memory of the derived files. The tree's lock is not held while the disk works.
    fn write_derived(&self) -> io::Result<()> {
        let unwritten = lock(&self.tree).derived.unwritten();
        for octets in unwritten {
            let written = octets.write(self.place.storage.as_ref())?;
            lock(&self.tree).derived.mark_written(&written);
        }
        Ok(())
    }

    pub(super) fn publish(&self, signed: SignedCheckpoint) -> Result<(), PublishError> {
        let mut publishing = lock(&self.publishing);
        let Publishing { history, anchor } = &mut *publishing;
        let checkpoint = signed.checkpoint();
        let size = checkpoint.size;
        let is_durable = size <= lock(&self.durable).frontier.size();
        let is_ours = *checkpoint.origin == *self.config.origin;
        if !is_durable || !is_ours || signed.signers(&self.config.keys).is_empty() {
            return Err(PublishError::Foreign { size });
        }
        // A segment's end can be older than what is published, where its checkpoint was lost.
        let is_latest = size >= self.published_size();
        self.write_derived()?;
        let (files, segments) = {
            let tree = lock(&self.tree);
            (tree.derived.files(), Arc::clone(&tree.segments))
        };
        if let Some(published) = self.published() {
            check_agreement(&self.place, &published, checkpoint)?;
        }
        // Whichever was given out is of this tree, however many were asked for meanwhile; no other one is.
        let root = range_hash(0, size, &mut |height, index| files.node(height, index))?;
        if root != checkpoint.root {
            return Err(PublishError::Foreign { size });
        }
        anchor.check(&self.place, &self.anchor)?;
        if is_latest {
            anchor.write(&self.place, &self.anchor, signed.note())?;
        }
        keep(&self.place, &segments, &signed, history, is_latest)?;
        let mut due = lock(&self.due);
        due.ends.retain(|(_, end)| end.size != size);
        drop(due);
        if is_latest {
            let published = Published { signed: Arc::new(signed), files, segments };
            *self.published.write().unwrap_or_else(std::sync::PoisonError::into_inner) =
                Some(Arc::new(published));
        }
        Ok(())
    }

    pub(super) fn published(&self) -> Option<Arc<Published>> {
        self.published.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// One that is not larger than what is published must be of the same tree: proved by its hashes, and not taken from what
/// a segment's `start` says (E2).
fn check_agreement(
    place: &Place,
    published: &Published,
    checkpoint: &Checkpoint,
) -> Result<(), PublishError> {
    let of_published = published.signed.checkpoint();
    if checkpoint.size > of_published.size {
        return Ok(());
    }
    let contradiction = PublishError::Contradiction { size: checkpoint.size, published: of_published.size };
    let path = published.view(place).consistency(checkpoint.size, of_published.size);
    let proved = path.is_ok_and(|path| verify_consistency(checkpoint, of_published, &path).is_ok());
    if proved { Ok(()) } else { Err(contradiction) }
}

/// Puts a checkpoint where it belongs in the ledger's folder. What is there already stays.
pub(super) fn keep(
    place: &Place,
    segments: &[SegmentRange],
    signed: &SignedCheckpoint,
    open_history: &mut OpenHistory,
    is_latest: bool,
) -> io::Result<()> {
    let size = signed.checkpoint().size;
    // The segment that has its last leaf.
    let count = segments.partition_point(|segment| segment.first < size);
    let Some(segment) = segments.get(count.saturating_sub(1)) else { return Ok(()) };
    if is_latest {
        let history = open_history.of(place, segment.number)?;
        if history.last_note()?.as_deref() == Some(signed.note()) {
            history.confirm_last()?;
        } else {
            history.add(signed.note())?;
        }
    }
    if let Some(next) = segments.get(count).filter(|next| next.first == size) {
        put(place, &place.file(segment.number, END_CHECKPOINT), signed)?;
        put(place, &place.file(next.number, START_CHECKPOINT), signed)?;
    }
    if is_latest {
        put(place, &place.folder.join(CHECKPOINT), signed)?;
    }
    Ok(())
}

fn put(place: &Place, file: &Path, signed: &SignedCheckpoint) -> io::Result<()> {
    let note = signed.note().as_bytes();
    if place.storage.read(file)?.as_deref() == Some(note) {
        return Ok(());
    }
    place.storage.replace(file, note)
}
