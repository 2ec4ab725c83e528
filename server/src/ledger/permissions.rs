//! Who may write to a ledger: its owner alone. An entry that somebody else altered is found out, and ends issuing.
//!
//! The folders on the way to it are not looked at, but for the anchor's own: who may write there can put another file in its
//! place.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::LedgerError;

/// Others than the owner.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// A folder in which others replace nothing but what is theirs.
const STICKY: u32 = 0o1000;
/// Folders of a ledger.
const INNER: [&str; 4] = ["segments", "tiles", "index", "torn"];

/// Looks at the folder, at everything in it, and at the anchor with its folder. What is not there is for others to say.
pub(super) fn check(folder: &Path, anchor: &Path) -> Result<(), LedgerError> {
    let beside = anchor.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Some(mode) = mode(beside).filter(|mode| mode & WRITABLE_BY_OTHERS != 0 && mode & STICKY == 0) {
        return Err(LedgerError::OpenToOthers { path: beside.to_owned(), mode });
    }
    check_one(anchor)?;
    check_one(folder)?;
    files(folder).iter().try_for_each(|path| check_one(path))?;
    for inner in INNER.map(|name| folder.join(name)) {
        for path in files(&inner) {
            check_one(&path)?;
            // A segment's.
            files(&path).iter().try_for_each(|path| check_one(path))?;
        }
    }
    Ok(())
}

fn check_one(path: &Path) -> Result<(), LedgerError> {
    match mode(path) {
        Some(mode) if mode & WRITABLE_BY_OTHERS != 0 => {
            Err(LedgerError::OpenToOthers { path: path.to_owned(), mode })
        }
        Some(_) | None => Ok(()),
    }
}

fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.mode() & 0o7777)
}

/// What is in a folder; nothing if it is none.
fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_owner_alone_may_write() {
        let root = tempfile::tempdir().unwrap();
        let (folder, state) = (root.path().join("ledger"), root.path().join("state"));
        let (segment, anchor) = (folder.join("segments/00000001"), state.join("anchor"));
        check(&folder, &anchor).unwrap();
        for folder in [&segment, &folder.join("tiles"), &state] {
            fs::create_dir_all(folder).unwrap();
        }
        let paths = [
            folder.clone(),
            folder.join("segments"),
            folder.join("tiles"),
            segment.clone(),
            state.clone(),
            anchor.clone(),
            folder.join("checkpoint"),
            folder.join("tiles/0"),
            segment.join("entries"),
            segment.join("end.checkpoint"),
        ];
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let good = |path: &Path| if path.is_dir() { 0o755 } else { 0o644 };
        for path in paths.iter().filter(|path| !path.exists()) {
            fs::write(path, "").unwrap();
        }
        paths.iter().for_each(|path| set(path, good(path)));
        for path in &paths {
            check(&folder, &anchor).unwrap();
            for bad in [0o020, 0o002] {
                set(path, good(path) | bad);
                let refused = check(&folder, &anchor).unwrap_err();
                assert!(refused.to_string().contains(&format!("chmod go-w {}", path.display())), "{refused}");
            }
            set(path, good(path));
        }
        // As /tmp is: others replace nothing there that is not theirs.
        set(&state, 0o1777);
        check(&folder, &anchor).unwrap();
    }
}
