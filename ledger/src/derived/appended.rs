//! A file that grows, with what was not written yet in memory.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::storage::{Storage, StoredFile, read_exactly};

/// What is kept in memory before it is written.
const MUCH_BYTES: usize = 32 * 1024;

#[derive(Debug)]
pub(super) struct Appended {
    path: PathBuf,
    /// Opened with the first octet that is written.
    file: Option<Arc<dyn StoredFile>>,
    written: u64,
    pending: Vec<u8>,
}

/// Octets on the way into a file.
#[derive(Debug)]
pub(crate) struct Unwritten {
    path: PathBuf,
    file: Option<Arc<dyn StoredFile>>,
    offset: u64,
    octets: Vec<u8>,
}

/// How far a file was written.
#[derive(Debug)]
pub(crate) struct Written {
    path: PathBuf,
    file: Arc<dyn StoredFile>,
    end: u64,
}

impl Unwritten {
    pub(crate) fn write(self, storage: &dyn Storage) -> io::Result<Written> {
        let Self { path, file, offset, octets } = self;
        let file = match file {
            Some(file) => file,
            None => storage.open_or_create(&path)?,
        };
        file.write_at(&octets, offset)?;
        let end = offset.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        Ok(Written { path, file, end })
    }
}

impl Appended {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, written: 0, pending: Vec::new() }
    }

    /// An existing file, of which the first `length` octets are believed. A shorter one is not.
    pub(super) fn open(storage: &dyn Storage, path: PathBuf, length: u64) -> io::Result<Self> {
        let file = storage.open_or_create(&path)?;
        match file.length()? {
            found if found < length => return Err(io::ErrorKind::UnexpectedEof.into()),
            found if found > length => file.set_length(length)?,
            _ => {}
        }
        Ok(Self { path, file: Some(file), written: length, pending: Vec::new() })
    }

    pub(super) fn push(&mut self, octets: &[u8]) {
        self.pending.extend_from_slice(octets);
    }

    pub(super) fn is_much(&self) -> bool {
        self.pending.len() >= MUCH_BYTES
    }

    /// Octets, written or not.
    pub(super) fn length(&self) -> u64 {
        self.written.saturating_add(u64::try_from(self.pending.len()).unwrap_or(u64::MAX))
    }

    pub(super) fn write(&mut self, storage: &dyn Storage) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(storage.open_or_create(&self.path)?),
        };
        file.write_at(&self.pending, self.written)?;
        self.written = self.length();
        self.pending.clear();
        self.pending.shrink_to(2 * MUCH_BYTES);
        Ok(())
    }

    /// What is to be written, to be written without this.
    pub(super) fn unwritten(&self) -> Option<Unwritten> {
        let (path, file, octets) = (self.path.clone(), self.file.clone(), self.pending.clone());
        (!octets.is_empty()).then_some(Unwritten { path, file, offset: self.written, octets })
    }

    /// It was written, by another too perhaps: the same octets at the same place.
    pub(super) fn mark_written(&mut self, written: &Written) {
        if *written.path != self.path {
            return;
        }
        let count = usize::try_from(written.end.saturating_sub(self.written)).unwrap_or(usize::MAX);
        self.pending.drain(..count.min(self.pending.len()));
        self.written = self.written.max(written.end);
        self.file.get_or_insert_with(|| Arc::clone(&written.file));
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.sync())
    }

    /// Octets of which some may not be written yet.
    pub(super) fn read(&self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        let end = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        let of_file = end.min(self.written).saturating_sub(offset);
        let mut octets = match &self.file {
            Some(file) if of_file > 0 => {
                read_exactly(file.as_ref(), offset, usize::try_from(of_file).unwrap_or(usize::MAX))?
            }
            Some(_) | None => Vec::new(),
        };
        let skipped = usize::try_from(offset.saturating_sub(self.written)).unwrap_or(usize::MAX);
        let rest = count.saturating_sub(octets.len());
        octets.extend(self.pending.iter().skip(skipped).take(rest));
        if octets.len() == count { Ok(octets) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    pub(super) fn file(&self) -> Option<Arc<dyn StoredFile>> {
        self.file.clone()
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }
}
