//! A storage that takes everything which is written and keeps nothing of it: an opening is tried in it first, so that one which
//! is refused has changed nothing, and so that it can be tried beside a server.
//!
//! What was written is not read again: an opening does not. What was cut off is no longer there.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Storage, StoredFile};

/// Another storage, as it is.
#[derive(Debug)]
pub(crate) struct Unkept(pub(crate) Arc<dyn Storage>);

impl Storage for Unkept {
    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open(&self, file: &Path) -> io::Result<Arc<dyn StoredFile>> {
        self.0.open(file)
    }

    fn open_or_create(&self, file: &Path) -> io::Result<Arc<dyn StoredFile>> {
        let file = match self.0.open(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(opened?),
        };
        let cut_at = Mutex::new(None);
        Ok(Arc::new(UnkeptFile { file, cut_at }))
    }

    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>> {
        self.0.read(file)
    }

    fn replace(&self, _file: &Path, _content: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.0.names(folder)
    }
}

#[derive(Debug)]
struct UnkeptFile {
    /// `None` if it would have been made.
    file: Option<Arc<dyn StoredFile>>,
    /// Its length, if it was set.
    cut_at: Mutex<Option<u64>>,
}

impl UnkeptFile {
    fn cut_at(&self) -> Option<u64> {
        *self.cut_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredFile for UnkeptFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(file) = &self.file else { return Ok(0) };
        let left = self.cut_at().map_or(u64::MAX, |length| length.saturating_sub(offset));
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        file.read_at(buffer.get_mut(..count).unwrap_or_default(), offset)
    }

    fn write_at(&self, _content: &[u8], _offset: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        match (self.cut_at(), &self.file) {
            (Some(length), _) => Ok(length),
            (None, Some(file)) => file.length(),
            (None, None) => Ok(0),
        }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        *self.cut_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(length);
        Ok(())
    }
}
