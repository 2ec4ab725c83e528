//! Frames of an `entries` file: u16 length, entry, CRC-32 of both; all numbers big-endian. Zeros follow the last.
//!
//! The CRC tells whether a frame was written wholly. Whether it was altered is the tree's to tell.

use std::io;
use std::sync::Arc;

use crate::storage::StoredFile;

/// No entry is longer: an event with the longest texts has 1325 octets.
pub(crate) const MAXIMUM_ENTRY_BYTES: usize = 2048;

/// Octets of a frame beside the entry's.
pub(crate) const FRAME_OVERHEAD: usize = 6;

/// Octets that are written at once, at most: what a crash may leave half of.
pub(crate) const MAXIMUM_BATCH_BYTES: usize = 256 * 1024;

/// The frame of an entry that has at most [`MAXIMUM_ENTRY_BYTES`].
pub(crate) fn write_frame(entry: &[u8], frames: &mut Vec<u8>) {
    let length = u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&length);
    checksum.update(entry);
    frames.extend(length);
    frames.extend_from_slice(entry);
    frames.extend(checksum.finalize().to_be_bytes());
}

/// The entry in the frame that these octets begin with; `None` for zeros and for what is no whole frame.
pub(crate) fn read_frame(bytes: &[u8]) -> Option<&[u8]> {
    let (&length, rest) = bytes.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(length));
    if count == 0 || count > MAXIMUM_ENTRY_BYTES {
        return None;
    }
    let (entry, rest) = rest.split_at_checked(count)?;
    let (&checksum, _) = rest.split_first_chunk::<4>()?;
    let mut computed = crc32fast::Hasher::new();
    computed.update(&length);
    computed.update(entry);
    (computed.finalize() == u32::from_be_bytes(checksum)).then_some(entry)
}

/// Reads a file's frames one after the other.
#[derive(Debug)]
pub(crate) struct FrameReader {
    file: Arc<dyn StoredFile>,
    /// Where the buffer begins in the file.
    buffer_offset: u64,
    buffer: Vec<u8>,
    /// Where the next frame begins in the buffer.
    place: usize,
}

const BUFFER_BYTES: usize = 128 * 1024;

impl FrameReader {
    pub(crate) fn new(file: Arc<dyn StoredFile>, offset: u64) -> Self {
        Self { file, buffer_offset: offset, buffer: Vec::new(), place: 0 }
    }

    /// Where the next frame begins, or what is no frame.
    pub(crate) fn offset(&self) -> u64 {
        self.buffer_offset.saturating_add(u64::try_from(self.place).unwrap_or(u64::MAX))
    }

    /// The next entry; `None` if what follows is no frame.
    pub(crate) fn next_entry(&mut self) -> io::Result<Option<&[u8]>> {
        let longest = MAXIMUM_ENTRY_BYTES + FRAME_OVERHEAD;
        if self.buffer.len() < self.place.saturating_add(longest) {
            self.refill()?;
        }
        let Some(entry) = self.buffer.get(self.place..).and_then(read_frame) else { return Ok(None) };
        self.place = self.place.saturating_add(entry.len() + FRAME_OVERHEAD);
        Ok(Some(entry))
    }

    fn refill(&mut self) -> io::Result<()> {
        self.buffer_offset = self.offset();
        self.place = 0;
        self.buffer.resize(BUFFER_BYTES, 0);
        let filled = self.file.read_at(&mut self.buffer, self.buffer_offset)?;
        self.buffer.truncate(filled);
        Ok(())
    }
}

/// What follows the last frame of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remains {
    /// Zeros, or nothing.
    None,
    /// Parts of a batch: up to this offset, zeros after it.
    Torn {
        /// Where the last octet that is not zero ends.
        end: u64,
    },
    /// More than one batch can have left.
    Damage {
        /// An octet that is not zero.
        offset: u64,
    },
}

/// Looks at everything from `offset` to the file's end.
pub(crate) fn remains(file: &dyn StoredFile, offset: u64) -> io::Result<Remains> {
    let reach = offset.saturating_add(u64::try_from(MAXIMUM_BATCH_BYTES).unwrap_or(u64::MAX));
    let mut end = None;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut place = offset;
    loop {
        let filled = file.read_at(&mut buffer, place)?;
        let read = buffer.get(..filled).unwrap_or_default();
        if let Some(last) = read.iter().rposition(|&octet| octet != 0) {
            let last = place.saturating_add(u64::try_from(last).unwrap_or(u64::MAX));
            if last >= reach {
                return Ok(Remains::Damage { offset: last });
            }
            end = Some(last.saturating_add(1));
        }
        place = place.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        if filled < buffer.len() {
            return Ok(end.map_or(Remains::None, |end| Remains::Torn { end }));
        }
    }
}

#[cfg(test)]
mod tests;
