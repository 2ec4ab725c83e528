//! The operating system's files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Storage, StoredFile};

/// Owner reads and writes, group reads: a ledger is no secret, and who may write it is the server.
const FILE_MODE: u32 = 0o640;

/// The operating system's files.
#[derive(Debug)]
pub(crate) struct Files;

impl Storage for Files {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let missing: Vec<&Path> =
            folder.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => sync_folder_of(folder)?,
            }
        }
        Ok(())
    }

    fn open(&self, file: &Path) -> io::Result<Arc<dyn StoredFile>> {
        Ok(Arc::new(File::open(file)?))
    }

    fn open_or_create(&self, file: &Path) -> io::Result<Arc<dyn StoredFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        match options.open(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return Ok(Arc::new(opened?)),
        }
        let created = options.create(true).truncate(false).mode(FILE_MODE).open(file)?;
        sync_folder_of(file)?;
        Ok(Arc::new(created))
    }

    fn read(&self, file: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    fn replace(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let mut name: OsString = file.as_os_str().into();
        name.push(".new");
        let new = PathBuf::from(name);
        let mut options = OpenOptions::new();
        let mut written = options.write(true).create(true).truncate(true).mode(FILE_MODE).open(&new)?;
        written.write_all(content)?;
        written.sync_all()?;
        fs::rename(&new, file)?;
        sync_folder_of(file)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}

/// The folder has the entry durably.
fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

impl StoredFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0_usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let place = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            match std::os::unix::fs::FileExt::read_at(self, rest, place) {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, content: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(content, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}
