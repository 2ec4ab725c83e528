//! What a ledger needs of a file system, as a trait: so that tests can let each step fail, persist or be torn.
//!
//! Only what is asked to be durable is: `sync` of a file, `replace` and `create_folder`. A file that is created is an entry
//! of its folder durably.

mod files;
#[cfg(test)]
pub(crate) mod memory;
mod unkept;

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub(crate) use files::Files;
pub(crate) use unkept::Unkept;

/// Folders and files.
pub(crate) trait Storage: Debug + Send + Sync {
    /// Makes a folder and those above it, durably. It may be there already.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;
    /// Opens a file to read.
    fn open(&self, file: &Path) -> io::Result<Arc<dyn StoredFile>>;
    /// Opens a file to read and write, and makes it if it is not there.
    fn open_or_create(&self, file: &Path) -> io::Result<Arc<dyn StoredFile>>;
    /// The whole of a small file; `None` if it is not there.
    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>>;
    /// Puts a file there with this content, durably and at once: whoever reads finds the old content or the new.
    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()>;
    /// The names in a folder, in any order; none if it is not there.
    fn names(&self, folder: &Path) -> io::Result<Vec<String>>;
}

/// An open file.
pub(crate) trait StoredFile: Debug + Send + Sync {
    /// Fills the buffer from `offset`; fewer octets at the file's end alone.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes everything.
    fn write_at(&self, content: &[u8], offset: u64) -> io::Result<()>;
    /// Makes content and length durable.
    fn sync(&self) -> io::Result<()>;
    /// Octets.
    fn length(&self) -> io::Result<u64>;
    /// Cuts the file, or lengthens it by zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
}

/// `count` octets from `offset`, all there.
pub(crate) fn read_exactly(file: &dyn StoredFile, offset: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; count];
    if file.read_at(&mut octets, offset)? == count {
        Ok(octets)
    } else {
        Err(io::Error::from(io::ErrorKind::UnexpectedEof))
    }
}
