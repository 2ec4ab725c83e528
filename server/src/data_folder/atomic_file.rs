//! Files that are either the old one or the new one, whatever happens in between: written beside their place, synced,
//! renamed over it, and the folder synced so that the rename itself survives a power cut.
//!
//! Does not lock: two writers of one path are kept apart by the data folder's lock, and the last rename wins.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the names of unfinished files end.
const UNFINISHED_SUFFIX: &str = ".attestamp-unfinished";

/// Writes `bytes` to `path` with permissions `mode`: afterwards `path` holds all of them, durably, or what it held.
///
/// # Errors
/// The first failing system call's; the unfinished file is removed again.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file")),
    };
    let unfinished = unfinished_name(folder, path)?;
    let written = write_new(&unfinished, bytes, mode).and_then(|()| fs::rename(&unfinished, path));
    if let Err(error) = written {
        // The write's own error is the one to report; what is left is removed at the next start at the latest.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// Removes unfinished files from a folder; one that does not exist has none. To be called under the lock.
///
/// # Errors
/// The first failing system call's.
pub fn remove_leftovers(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().ends_with(UNFINISHED_SUFFIX.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A name that no other write uses: the process and a counter are in it.
fn unfinished_name(folder: &Path, path: &Path) -> io::Result<PathBuf> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut unfinished = std::ffi::OsString::from(".");
    unfinished.push(name);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    unfinished.push(format!(".{}-{write}{UNFINISHED_SUFFIX}", std::process::id()));
    Ok(folder.join(unfinished))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // `mode` above is narrowed by the umask; this is what was asked for.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}
