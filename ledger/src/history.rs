//! The checkpoints that were published, each kept: a file in the segment that has their last leaf. Frames of u32 length,
//! note, CRC-32 of both, big-endian.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::note::MAXIMUM_NOTE_BYTES;
use crate::storage::{Storage, StoredFile, read_exactly};

/// A segment's `checkpoints`.
#[derive(Debug)]
pub(crate) struct History {
    file: Arc<dyn StoredFile>,
    /// Octets of whole frames.
    length: u64,
    /// Where the last frame begins.
    last: Option<u64>,
}

impl History {
    /// Opens the file to add to it.
    pub(crate) fn open(storage: &dyn Storage, path: &Path) -> io::Result<Self> {
        let file = storage.open_or_create(path)?;
        let mut notes = Notes::new(Arc::clone(&file));
        let mut last = None;
        while let Some((offset, _)) = notes.next_note()? {
            last = Some(offset);
        }
        Ok(Self { file, length: notes.offset, last })
    }

    /// The note that was added last.
    pub(crate) fn last_note(&self) -> io::Result<Option<String>> {
        let Some(offset) = self.last else { return Ok(None) };
        let mut notes = Notes { file: Arc::clone(&self.file), offset, end: u64::MAX };
        Ok(notes.next_note()?.map(|(_, note)| note))
    }

    /// Writes the last note once more, durably: one that was found here at start can be what a failed sync left, readable
    /// now and lost with the next crash.
    pub(crate) fn confirm_last(&self) -> io::Result<()> {
        let Some(offset) = self.last else { return Ok(()) };
        let length = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let frame = read_exactly(self.file.as_ref(), offset, length)?;
        self.file.write_at(&frame, offset)?;
        self.file.sync()
    }

    /// Adds a note durably. After an error the file may have it, or a part of it that is not read.
    pub(crate) fn add(&mut self, note: &str) -> io::Result<()> {
        let length = u32::try_from(note.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut frame = [&length, note.as_bytes()].concat();
        frame.extend(crc32fast::hash(&frame).to_be_bytes());
        if self.file.length()? > self.length {
            // What a failed attempt left.
            self.file.set_length(self.length)?;
        }
        self.file.write_at(&frame, self.length)?;
        self.file.sync()?;
        self.last = Some(self.length);
        self.length = self.length.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

/// Reads notes one after the other.
#[derive(Debug)]
pub(crate) struct Notes {
    file: Arc<dyn StoredFile>,
    offset: u64,
    end: u64,
}

impl Notes {
    pub(crate) fn new(file: Arc<dyn StoredFile>) -> Self {
        Self { file, offset: 0, end: u64::MAX }
    }

    /// Those alone that are there now.
    pub(crate) fn up_to_now(file: Arc<dyn StoredFile>) -> io::Result<Self> {
        Ok(Self { end: file.length()?, ..Self::new(file) })
    }

    /// The next note and where it begins; `None` if what follows is no whole frame.
    pub(crate) fn next_note(&mut self) -> io::Result<Option<(u64, String)>> {
        let offset = self.offset;
        let mut length = [0; 4];
        if offset >= self.end {
            return Ok(None);
        }
        if self.file.read_at(&mut length, offset)? < length.len() {
            return Ok(None);
        }
        let count = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if count == 0 || count > MAXIMUM_NOTE_BYTES {
            return Ok(None);
        }
        let frame = match read_exactly(self.file.as_ref(), offset, count + 8) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            frame => frame?,
        };
        let Some((content, checksum)) = frame.split_last_chunk::<4>() else { return Ok(None) };
        if crc32fast::hash(content) != u32::from_be_bytes(*checksum) {
            return Ok(None);
        }
        let note = content.get(4..).and_then(|note| std::str::from_utf8(note).ok());
        let Some(note) = note else { return Ok(None) };
        self.offset = offset.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        Ok(Some((offset, note.into())))
    }
}
