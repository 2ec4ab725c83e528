//! Where a ledger's segments are, and its entries read in order.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::frame::FrameReader;
use crate::ledger::{Damage, ReadError};
use crate::segment::{ENTRIES, START, SegmentStart, segment_folder, segment_number, segments_folder};
use crate::storage::{Storage, StoredFile};

/// A ledger's folder, or that of one segment which was exported.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) folder: PathBuf,
    /// The folder is this segment's own.
    pub(crate) only: Option<u32>,
}

/// A segment and the index of its first leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentRange {
    pub(crate) number: u32,
    pub(crate) first: u64,
}

impl Place {
    pub(crate) fn new(storage: Arc<dyn Storage>, folder: &Path) -> Self {
        Self { storage, folder: folder.into(), only: None }
    }

    /// A file of a segment.
    pub(crate) fn file(&self, segment: u32, name: &str) -> PathBuf {
        match self.only {
            Some(_) => self.folder.join(name),
            None => segment_folder(&self.folder, segment).join(name),
        }
    }

    /// The number of the last segment; 0 if there is none. A folder without a `start` is none: a crash left it.
    pub(crate) fn last_segment(&self) -> io::Result<u32> {
        if let Some(only) = self.only {
            return Ok(only);
        }
        let names = self.storage.names(&segments_folder(&self.folder))?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment_number(name)).collect();
        numbers.sort_unstable();
        for number in numbers.into_iter().rev() {
            if self.storage.read(&self.file(number, START))?.is_some() {
                return Ok(number);
            }
        }
        Ok(0)
    }

    /// The beginning of a segment; `None` if it is not there.
    pub(crate) fn start(&self, segment: u32) -> Result<Option<SegmentStart>, ReadError> {
        let Some(text) = self.storage.read(&self.file(segment, START))? else { return Ok(None) };
        let start = SegmentStart::parse(&text).filter(|start| start.number == segment);
        start.map(Some).ok_or_else(|| Damage::Start { segment }.into())
    }

    /// The beginnings of all segments, each after the one before.
    pub(crate) fn starts(&self) -> Result<Vec<SegmentStart>, ReadError> {
        let last = self.last_segment()?;
        let first = self.only.unwrap_or(1);
        let mut starts: Vec<SegmentStart> = Vec::new();
        for segment in first..=last {
            let start = self.start(segment)?.ok_or(Damage::Missing { segment })?;
            let continues = match starts.last() {
                Some(before) => start.previous.is_some() && start.first_index() > before.first_index(),
                None => self.only.is_some() || (start.first_index() == 0 && start.previous.is_none()),
            };
            if !continues {
                return Err(Damage::Continuation { segment }.into());
            }
            starts.push(start);
        }
        Ok(starts)
    }

    pub(crate) fn entries(&self, segment: u32) -> io::Result<Arc<dyn StoredFile>> {
        self.storage.open(&self.file(segment, ENTRIES))
    }
}

/// Reads entries in order, from one segment to the next.
#[derive(Debug)]
pub(crate) struct EntryCursor {
    place: Place,
    /// Those that are still to be read, the next one last.
    segments: Vec<SegmentRange>,
    /// The segment that is being read.
    number: u32,
    reader: FrameReader,
    index: u64,
}

impl EntryCursor {
    /// From leaf `from` on, which is in `segments`. `known` is a leaf's index and where its frame begins, in `from`'s
    /// segment and not after `from`, so that less need be read.
    pub(crate) fn new(
        place: &Place,
        segments: &[SegmentRange],
        from: u64,
        known: Option<(u64, u64)>,
    ) -> Result<Self, ReadError> {
        let count = segments.partition_point(|segment| segment.first <= from).max(1);
        let Some(current) = segments.get(count - 1) else {
            return Err(ReadError::Short { found: 0, required: from });
        };
        let (index, offset) =
            known.filter(|&(index, _)| index >= current.first).unwrap_or((current.first, 0));
        let reader = FrameReader::new(place.entries(current.number)?, offset);
        let rest = segments.iter().skip(count).rev().copied().collect();
        let mut cursor = Self { place: place.clone(), segments: rest, number: current.number, reader, index };
        while cursor.index < from {
            if cursor.next_entry()?.is_none() {
                break;
            }
        }
        Ok(cursor)
    }

    /// The index of the next entry.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// The segment that the last entry was in.
    pub(crate) fn segment(&self) -> u32 {
        self.number
    }

    /// Octets of the segment's frames until here.
    pub(crate) fn offset(&self) -> u64 {
        self.reader.offset()
    }

    /// The next entry; `None` at the end of the last segment.
    pub(crate) fn next_entry(&mut self) -> Result<Option<&[u8]>, ReadError> {
        if let Some(next) = self.segments.pop_if(|next| next.first == self.index) {
            self.number = next.number;
            self.reader = FrameReader::new(self.place.entries(next.number)?, 0);
        }
        let offset = self.reader.offset();
        match self.reader.next_entry()? {
            Some(entry) => {
                self.index = self.index.saturating_add(1);
                Ok(Some(entry))
            }
            None if self.segments.is_empty() => Ok(None),
            None => Err(Damage::Frame { segment: self.number, offset, index: self.index }.into()),
        }
    }
}
