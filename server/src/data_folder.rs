//! The data folder: everything one authority keeps on disk, and the lock that keeps a second process out.
//!
//! ```text
//! DIR/attestamp.toml       configuration, written last by `init`: a folder with it is complete
//! DIR/certs/ca/*.pem|.crl  certificates and revocation lists of our own CAs
//! DIR/certs/tsu/*.pem      one chain a TSU, leaf first
//! DIR/certs/attestation/   the chains of the attestation keys; in keys/ each key's last attestation, in evidence/ its vendor's
//! DIR/certs/ledger/        keys.txt: the public keys that sign the ledger's checkpoints
//! DIR/ledger/              the record of every token issued: only grows
//! DIR/token/token.sql      the embedded PKCS#11 token: the private keys
//! DIR/token/pin, so-pin    its PINs, where `init` made them
//! DIR/state/               the lock, the clock's high-water mark, the ledger's anchor: nothing that an operator edits
//! DIR/state/ledger-off     since when the ledger is switched off, until that is on record
//! DIR/state/initialising   there until `init` is done
//! ```
//!
//! Two values, because two kinds of command exist: [`Layout`] knows the paths and may be had beside a running server
//! (`status`, `check`); [`DataFolder`] also holds the lock, and only `init` and `serve` need it. What is inside the
//! files is the business of the modules that own them.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use attestamp_attestation::ChainKind;

mod atomic_file;
mod default_path;
mod error;

#[cfg(test)]
mod tests;

pub use atomic_file::{remove_leftovers, write_atomically};
pub use default_path::{NoDefaultPath, PathChoice};
pub use error::DataFolderError;

/// Permissions of every folder made here: the owner alone.
pub const FOLDER_MODE: u32 = 0o700;
/// Permissions of every file made here, unless its writer has a reason: the owner alone.
pub const FILE_MODE: u32 = 0o600;

const LOCK_RETRIES: u32 = 5;
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(20);
const CONFIG_FILE: &str = "attestamp.toml";
/// `state` first: the mark of an `init` at work is in it.
const SUBFOLDERS: [&str; 9] = [
    "state",
    "certs",
    "certs/ca",
    "certs/tsu",
    "certs/attestation",
    "certs/attestation/keys",
    "certs/attestation/evidence",
    "certs/ledger",
    "token",
];

/// Where things are in a data folder. Holds no lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

/// A data folder that this process alone uses, until the value is dropped.
#[derive(Debug)]
pub struct DataFolder {
    layout: Layout,
    // Held for its lock: the kernel gives it up when the file is closed, after `kill -9` as well.
    _lock: File,
}

/// Makes every file of this process the owner's alone, including those that libraries make (the token's database).
/// To be called once, before the first file is written.
pub fn restrict_file_permissions() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

impl Layout {
    /// The layout of a folder that `init` has completed.
    ///
    /// # Errors
    /// [`DataFolderError::NotInitialised`] and its kin, each naming what to do; [`DataFolderError::OpenToOthers`] if
    /// any local user could read the keys.
    pub fn existing(root: &Path) -> Result<Self, DataFolderError> {
        let metadata = match fs::metadata(root) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataFolderError::Absent { path: root.to_owned() });
            }
            Err(source) => return Err(DataFolderError::Unreadable { path: root.to_owned(), source }),
        };
        if !metadata.is_dir() {
            return Err(DataFolderError::NotAFolder { path: root.to_owned() });
        }
        let layout = Self { root: root.to_owned() };
        let complete = layout
            .config_file()
            .try_exists()
            .map_err(|source| DataFolderError::Unreadable { path: layout.config_file(), source })?;
        if !complete {
            return Err(layout.incomplete(|path| DataFolderError::NotInitialised { path }));
        }
        let mode = metadata.mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(DataFolderError::OpenToOthers { path: root.to_owned(), mode });
        }
        Ok(layout)
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.root.join(CONFIG_FILE)
    }

    /// Where our CAs' certificates and revocation lists are.
    #[must_use]
    pub fn ca_certificates(&self) -> PathBuf {
        self.root.join("certs/ca")
    }

    /// The certificate of one of our CAs. `name` is one of ours or has been validated: it is not checked here.
    #[must_use]
    pub fn ca_certificate(&self, name: &str) -> PathBuf {
        self.ca_certificates().join(format!("{name}.pem"))
    }

    /// The revocation list of one of our CAs, in DER. `name` as for [`Layout::ca_certificate`].
    #[must_use]
    pub fn ca_revocation_list(&self, name: &str) -> PathBuf {
        self.ca_certificates().join(format!("{name}.crl"))
    }

    /// Where the TSUs' certificate chains are.
    #[must_use]
    pub fn tsu_certificates(&self) -> PathBuf {
        self.root.join("certs/tsu")
    }

    /// The chain of a TSU, leaf first. `name` has been validated by the configuration: it is not checked here.
    #[must_use]
    pub fn tsu_chain(&self, name: &str) -> PathBuf {
        self.tsu_certificates().join(format!("{name}.pem"))
    }

    /// Where the chains of the attestation keys and the attestations are.
    #[must_use]
    pub fn attestation(&self) -> PathBuf {
        self.root.join("certs/attestation")
    }

    /// A file of a chain: its name with `pq-` before it for the post-quantum one.
    #[must_use]
    pub fn attestation_file(&self, kind: ChainKind, name: &str) -> PathBuf {
        match kind {
            ChainKind::Classical => self.attestation().join(name),
            ChainKind::PostQuantum => self.attestation().join(format!("pq-{name}")),
        }
    }

    /// The last stored attestation of a TSU's key. `name` as for [`Layout::tsu_chain`].
    #[must_use]
    pub fn stored_attestation(&self, kind: ChainKind, name: &str) -> PathBuf {
        self.attestation().join("keys").join(format!("{name}.{}", kind.attestation_ending()))
    }

    /// Where the vendor evidence of a TSU's key is. `name` as for [`Layout::tsu_chain`].
    #[must_use]
    pub fn evidence(&self, name: &str) -> PathBuf {
        self.attestation().join("evidence").join(name)
    }

    /// The ledger. Made by whoever opens it first.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// The public keys that sign, or have signed, the ledger's checkpoints: one verifier key a line.
    #[must_use]
    pub fn ledger_keys(&self) -> PathBuf {
        self.root.join("certs/ledger/keys.txt")
    }

    /// There while the ledger is switched off, and until that is on record: since when.
    #[must_use]
    pub fn ledger_off_file(&self) -> PathBuf {
        self.state().join("ledger-off")
    }

    /// The database of the embedded token.
    #[must_use]
    pub fn token_database(&self) -> PathBuf {
        self.root.join("token/token.sql")
    }

    /// The user PIN that `init` made for the embedded token.
    #[must_use]
    pub fn pin_file(&self) -> PathBuf {
        self.root.join("token/pin")
    }

    /// The security officer's PIN that `init` made for the embedded token.
    #[must_use]
    pub fn so_pin_file(&self) -> PathBuf {
        self.root.join("token/so-pin")
    }

    /// Where the program keeps what nobody edits.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The file whose lock stands for the whole folder. Holds the process id of whoever has it.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.state().join("lock")
    }

    /// The address that the server listens on, while it is ready.
    #[must_use]
    pub fn listening_file(&self) -> PathBuf {
        self.state().join("listening")
    }

    /// How the server's last reload went, for `attestamp reload`, which waits for it.
    #[must_use]
    pub fn reload_file(&self) -> PathBuf {
        self.state().join("reload")
    }

    /// The clock's high-water mark.
    #[must_use]
    pub fn clock_mark_file(&self) -> PathBuf {
        self.state().join("clock-mark.json")
    }

    /// There from the first moment of an `init` to its end. Without it, a folder that has no configuration has lost it:
    /// its keys may have been in use, and nobody is told to remove them.
    #[must_use]
    pub fn initialising_file(&self) -> PathBuf {
        self.state().join("initialising")
    }

    /// Why a folder without a configuration is of no use: an `init` at work, one that stopped, a lost file, or
    /// `otherwise`.
    fn incomplete(&self, otherwise: impl FnOnce(PathBuf) -> DataFolderError) -> DataFolderError {
        let path = self.root.clone();
        match self.holder() {
            Ok(Some(holder)) => DataFolderError::InUse { path, holder },
            Ok(None) if self.initialising_file().exists() => DataFolderError::Unfinished { path },
            Ok(None) if self.token_database().exists() || self.tsu_certificates().is_dir() => {
                DataFolderError::ConfigurationLost { path }
            }
            Ok(None) => otherwise(path),
            Err(error) => error,
        }
    }

    /// The process that holds the folder's lock, as it wrote itself into the lock file; `None` if nobody holds it.
    /// Another container's process has another container's number.
    ///
    /// # Errors
    /// [`DataFolderError::Unreadable`] if the lock cannot be tried.
    pub fn holder(&self) -> Result<Option<Holder>, DataFolderError> {
        let path = self.lock_file();
        let unreadable = |source| DataFolderError::Unreadable { path: path.clone(), source };
        let mut file = match OpenOptions::new().read(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(Holder { process_id: written_process_id(&mut file) })),
            Err(TryLockError::Error(source)) => Err(unreadable(source)),
        }
    }
}

/// Who holds a folder's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its process id; `None` in the moment between taking the lock and writing the number.
    pub process_id: Option<u32>,
}

impl DataFolder {
    /// Makes a new data folder with its subfolders and locks it, for `init`. The folder may exist if it is empty.
    ///
    /// # Errors
    /// [`DataFolderError::AlreadyInitialised`], [`DataFolderError::Unfinished`] or [`DataFolderError::NotEmpty`]
    /// where something is there already: nothing is ever overwritten.
    pub fn create(root: &Path) -> Result<Self, DataFolderError> {
        let layout = Layout { root: root.to_owned() };
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |source| DataFolderError::Unwritable { path, source }
        };
        if root.exists() && !root.is_dir() {
            return Err(DataFolderError::NotAFolder { path: root.to_owned() });
        }
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(root).map_err(unwritable(root))?;
        let occupied = fs::read_dir(root).map_err(unwritable(root))?.next().is_some();
        if occupied {
            return Err(if layout.config_file().exists() {
                DataFolderError::AlreadyInitialised { path: root.to_owned() }
            } else {
                layout.incomplete(|path| DataFolderError::NotEmpty { path })
            });
        }
        fs::set_permissions(root, fs::Permissions::from_mode(FOLDER_MODE)).map_err(unwritable(root))?;
        for subfolder in SUBFOLDERS {
            let path = root.join(subfolder);
            DirBuilder::new().mode(FOLDER_MODE).create(&path).map_err(unwritable(&path))?;
            if path == layout.state() {
                let mark = layout.initialising_file();
                write_atomically(&mark, b"", FILE_MODE).map_err(unwritable(&mark))?;
            }
        }
        Self::lock(layout)
    }

    /// Says that an `init` has come to its end: to be called once its configuration is written.
    ///
    /// # Errors
    /// [`DataFolderError::Unwritable`].
    pub fn complete(&self) -> Result<(), DataFolderError> {
        let path = self.layout.initialising_file();
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(DataFolderError::Unwritable { path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Opens and locks a folder that `init` has completed, and removes what a crash in the middle of a write left.
    /// A subfolder that is missing is made again: a backup may have left out `state`, an older version knew fewer.
    ///
    /// # Errors
    /// As [`Layout::existing`]; [`DataFolderError::InUse`] with the holder's process id if a process has it already.
    pub fn open(root: &Path) -> Result<Self, DataFolderError> {
        let layout = Layout::existing(root)?;
        for subfolder in SUBFOLDERS {
            let path = root.join(subfolder);
            DirBuilder::new()
                .recursive(true)
                .mode(FOLDER_MODE)
                .create(&path)
                .map_err(|source| DataFolderError::Unwritable { path, source })?;
        }
        let folder = Self::lock(layout)?;
        folder.complete()?;
        for subfolder in std::iter::once("").chain(SUBFOLDERS) {
            let path = root.join(subfolder);
            remove_leftovers(&path).map_err(|source| DataFolderError::Unwritable { path, source })?;
        }
        Ok(folder)
    }

    /// Where things are in it.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn lock(layout: Layout) -> Result<Self, DataFolderError> {
        let path = layout.lock_file();
        let unwritable = |source| DataFolderError::Unwritable { path: path.clone(), source };
        // Not truncated before the lock is ours: the number in it is the holder's.
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(unwritable)?;
        match try_lock_for_a_moment(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = Holder { process_id: written_process_id(&mut lock) };
                return Err(DataFolderError::InUse { path: layout.root, holder });
            }
            Err(TryLockError::Error(source)) => return Err(unwritable(source)),
        }
        lock.set_len(0).map_err(unwritable)?;
        lock.seek(SeekFrom::Start(0)).map_err(unwritable)?;
        writeln!(lock, "{}", std::process::id()).map_err(unwritable)?;
        Ok(Self { layout, _lock: lock })
    }
}

/// Takes the lock, trying again a few times: a [`Layout::holder`] of another process has it for an instant, and must
/// not keep a server from starting.
fn try_lock_for_a_moment(lock: &File) -> Result<(), TryLockError> {
    for _ in 0..LOCK_RETRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_RETRY_INTERVAL),
            outcome => return outcome,
        }
    }
    lock.try_lock()
}

fn written_process_id(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
