//! Writes a reply to its file: whole or not at all, and never over another one unasked.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The file is there already.
    #[error("{} exists already; --force overwrites it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Something is there that is no file, and would be replaced by one.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Refuses a path that [`write()`] would refuse, so that no authority is asked in vain.
///
/// # Errors
/// When something is there that must not be replaced.
pub fn check_free(path: &Path, overwrite: bool) -> Result<(), OutputError> {
    match path.symlink_metadata() {
        Ok(found) if overwrite && found.is_file() => Ok(()),
        Ok(_) if overwrite => Err(OutputError::NotAFile { path: path.to_owned() }),
        Ok(_) => Err(OutputError::Exists { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(OutputError::Io { path: path.to_owned(), source }),
    }
}

/// Writes `content` through a temporary file in the same folder, synced before it gets its name.
///
/// # Errors
/// When something is there that must not be replaced, also if it came there just now, or the file system refuses.
pub fn write(path: &Path, content: &[u8], overwrite: bool) -> Result<(), OutputError> {
    check_free(path, overwrite)?;
    let failed = |source| OutputError::Io { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".attestamp-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let persisted = if overwrite { file.persist(path) } else { file.persist_noclobber(path) };
    persisted.map(drop).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            OutputError::Exists { path: path.to_owned() }
        } else {
            failed(error.error)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn an_existing_file_stays_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsr");
        write(&path, b"first", false).unwrap();
        assert!(matches!(write(&path, b"second", false), Err(OutputError::Exists { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        write(&path, b"second", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["a.tsr"], "no temporary file is left");
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(matches!(write(&link, b"", true), Err(OutputError::NotAFile { .. })));
        assert!(matches!(write(folder.path(), b"", true), Err(OutputError::NotAFile { .. })));
        assert!(matches!(write(&link, b"", false), Err(OutputError::Exists { .. })));
    }

    #[test]
    fn a_missing_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/a.tsr");
        let error = write(&path, b"", false).unwrap_err();
        assert!(error.to_string().contains("missing/a.tsr"), "{error}");
    }

    #[test]
    fn others_may_read_it_as_the_umask_says() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("a.tsr"), folder.path().join("plain"));
        write(&ours, b"", false).unwrap();
        std::fs::write(&plain, b"").unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }
}
