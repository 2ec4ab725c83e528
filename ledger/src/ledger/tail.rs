//! The last segment: the one that is written.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::growing::Leaf;
use super::growing::LeafKind;
use super::{LedgerConfig, OpenError};
use crate::frame::{FRAME_OVERHEAD, MAXIMUM_BATCH_BYTES, Remains, remains};
use crate::place::Place;
use crate::segment::{ENTRIES, KEPT_CLOCKS, START, SealedSegment, SegmentStart, month};
use crate::storage::StoredFile;

/// Zeros that are written ahead at once. Writing into what is there already costs half of what appending does.
/// Tests fill it sooner.
const PREALLOCATED_BYTES: u64 = if cfg!(test) { 16 * 1024 } else { 1024 * 1024 };

/// The last segment, up to what is durable.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) number: u32,
    pub(super) file: Arc<dyn StoredFile>,
    /// Octets of its frames.
    pub(super) length: u64,
    /// Octets of its file: zeros after the frames.
    pub(super) preallocated: u64,
    /// The earliest and the latest time of its entries.
    times: Option<(u64, u64)>,
    /// The month of its first entry.
    month: Option<u64>,
    clocks: VecDeque<(u64, Vec<u8>)>,
}

impl Tail {
    /// A segment that is there, before its first entry.
    pub(super) fn open(place: &Place, start: &SegmentStart) -> Result<Self, OpenError> {
        let path = place.file(start.number, ENTRIES);
        let opened = place.storage.open_or_create(&path).and_then(|file| Ok((file.length()?, file)));
        let (preallocated, file) = opened.map_err(storage_error("open", &path))?;
        let clocks = start.clocks.iter().cloned().collect();
        Ok(Self { number: start.number, file, length: 0, preallocated, times: None, month: None, clocks })
    }

    /// Makes a segment durably: it is one as soon as its `start` is there.
    pub(super) fn create(place: &Place, start: &SegmentStart) -> io::Result<Self> {
        let path = place.file(start.number, ENTRIES);
        place.storage.create_folder(path.parent().unwrap_or(Path::new(".")))?;
        let file = place.storage.open_or_create(&path)?;
        // A crash may have left something before there was a `start`; nothing of it was ever promised.
        if file.length()? > 0 {
            file.set_length(0)?;
        }
        let clocks = start.clocks.iter().cloned().collect();
        let mut tail =
            Self { number: start.number, file, length: 0, preallocated: 0, times: None, month: None, clocks };
        tail.preallocate()?;
        place.storage.replace(&place.file(start.number, START), start.to_text().as_bytes())?;
        Ok(tail)
    }

    /// Whether the entry at this time belongs into a new segment.
    pub(super) fn is_full(&self, config: &LedgerConfig, time_microseconds: u64) -> bool {
        let is_later_month = || self.month.is_some_and(|of_this| month(time_microseconds) > of_this);
        self.length > 0
            && (self.length >= config.segment_bytes || (config.segment_monthly && is_later_month()))
    }

    /// What the next segment's beginning says of this one.
    pub(super) fn sealed(&self) -> SealedSegment {
        SealedSegment { length: self.length, times: self.times.unwrap_or((0, 0)) }
    }

    pub(super) fn clocks(&self) -> Vec<(u64, Vec<u8>)> {
        self.clocks.iter().cloned().collect()
    }

    /// An entry is in the file.
    pub(super) fn add(&mut self, leaf: &Leaf, index: u64, entry: &[u8]) {
        let time = leaf.time_microseconds;
        self.times = Some(self.times.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
        self.month.get_or_insert_with(|| month(time));
        if leaf.kind == LeafKind::Clock {
            if self.clocks.len() == KEPT_CLOCKS {
                self.clocks.pop_front();
            }
            self.clocks.push_back((index, entry.into()));
        }
        self.length = self.length.saturating_add(leaf.frame_length.into());
    }

    /// Whether a batch can be written without making the file longer.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.length.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)) <= self.preallocated
    }

    /// Whether zeros should be written ahead.
    pub(super) fn is_short(&self) -> bool {
        self.preallocated.saturating_sub(self.length) < PREALLOCATED_BYTES / 2
    }

    /// Writes zeros ahead, durably.
    pub(super) fn preallocate(&mut self) -> io::Result<()> {
        let from = self.preallocated.max(self.length);
        let zeros = vec![0; usize::try_from(PREALLOCATED_BYTES).unwrap_or(MAXIMUM_BATCH_BYTES)];
        self.file.write_at(&zeros, from)?;
        self.file.sync()?;
        self.preallocated = from.saturating_add(PREALLOCATED_BYTES);
        Ok(())
    }

    /// What follows the frames.
    pub(super) fn remains(&self) -> io::Result<Remains> {
        remains(self.file.as_ref(), self.length)
    }

    /// Writes again what is read between two offsets, and syncs it. What was written before a failed sync or a crash can
    /// be read without being durable; after this it is.
    pub(super) fn settle(&self, from: u64, to: u64) -> io::Result<()> {
        let mut octets = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX)];
        let filled = self.file.read_at(&mut octets, from)?;
        octets.truncate(filled);
        self.file.write_at(&octets, from)?;
        self.file.sync()
    }
}

/// The entry in a frame of this length.
pub(super) fn entry_of(frames: &[u8], offset: usize, frame_length: usize) -> &[u8] {
    frames.get(offset + 2..offset + 2 + frame_length.saturating_sub(FRAME_OVERHEAD)).unwrap_or_default()
}

/// For `map_err`.
pub(super) fn storage_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Storage { operation, path: path.into(), source }
}
