//! Who may write to a ledger: its owner alone. An entry that somebody else altered is found out, and ends issuing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::LedgerError;

/// Others than the owner.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Looks at the folder, at those in it, and at the anchor. What is not there is for others to say.
pub(super) fn check(folder: &Path, anchor: &Path) -> Result<(), LedgerError> {
    let inner = ["segments", "tiles", "index", "torn"].map(|name| folder.join(name));
    let paths = [folder, anchor].into_iter().chain(inner.iter().map(AsRef::as_ref));
    for path in paths {
        let Ok(metadata) = fs::metadata(path) else { continue };
        let mode = metadata.mode() & 0o7777;
        if mode & WRITABLE_BY_OTHERS != 0 {
            return Err(LedgerError::OpenToOthers { path: path.to_owned(), mode });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_owner_alone_may_write() {
        let root = tempfile::tempdir().unwrap();
        let (folder, anchor) = (root.path().join("ledger"), root.path().join("anchor"));
        check(&folder, &anchor).unwrap();
        fs::create_dir_all(folder.join("segments")).unwrap();
        fs::write(&anchor, "").unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for path in [folder.clone(), folder.join("segments"), anchor.clone()] {
            let good = if path.is_dir() { 0o755 } else { 0o644 };
            [&folder, &folder.join("segments")].iter().for_each(|folder| set(folder, 0o755));
            set(&anchor, 0o644);
            check(&folder, &anchor).unwrap();
            for bad in [0o020, 0o002] {
                set(&path, good | bad);
                let refused = check(&folder, &anchor).unwrap_err();
                assert!(refused.to_string().contains(&format!("chmod go-w {}", path.display())), "{refused}");
            }
        }
    }
}
