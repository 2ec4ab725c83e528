//! A PKCS#11 library in this process: loaded once, initialised once, shared by all that use it.
//!
//! C_Initialize and C_Finalize concern the whole process, so each library has one [`Loaded`] however often it is opened.
//! After the library was initialised again its session and object numbers begin anew, and an old number may by then
//! mean somebody else's session or key. Every call therefore carries the epoch in which its numbers were given out, and
//! holds the epoch's read lock while the module works; initialising takes the write lock, which it tries for instead of waiting. The
//! lock is taken for reading only, once for a signature, and costs about what one of the three C calls costs in locks
//! inside the module.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, TryLockError};
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error as CryptokiError, Result as CryptokiResult, Rv, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use crate::error::HsmError;
use crate::key::SlotId;

/// Libraries stay loaded until the process ends: unloading one that other code may hold pointers into is never safe.
static REGISTRY: Mutex<Vec<Arc<Loaded>>> = Mutex::new(Vec::new());

/// The epoch before the first C_Initialize, when no other function of the library may be called.
const NEVER_STARTED: u64 = 0;
/// For half a second, far longer than a healthy call takes.
const EXCLUSIVE_ATTEMPTS: usize = 500;
const EXCLUSIVE_PAUSE: Duration = Duration::from_millis(1);

/// Which library.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Embedded,
    Library(PathBuf),
}

/// One initialised library.
#[derive(Debug)]
pub(crate) struct Loaded {
    kind: Kind,
    pkcs11: Pkcs11,
    /// Counts the times that the library was found initialised by us.
    epoch: RwLock<u64>,
    /// The embedded token's databases; one slot each. Always empty for a library.
    databases: Mutex<Vec<Database>>,
    /// One key is generated at a time: two at once make kryoptic fail now and then with CKR_DEVICE_MEMORY.
    pub(crate) generating: Mutex<()>,
    /// How many signing pools are up, so that none of them is disturbed when another would like a restart.
    pub(crate) pools_up: AtomicUsize,
    /// Counts the times that a user was about to be logged in to any of its tokens.
    logins: AtomicU64,
}

#[derive(Debug)]
struct Database {
    path: PathBuf,
    slot: Option<SlotId>,
    /// Device and inode of the file that kryoptic has open.
    file: Option<(u64, u64)>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half-done by a panic under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Loaded {
    /// The embedded token with this database, which has to exist; the path has to be absolute and to end in `.sql`.
    pub(crate) fn embedded(database: &Path) -> Result<Arc<Self>, HsmError> {
        let mut registry = lock(&REGISTRY);
        let known = registry.iter().find(|loaded| loaded.kind == Kind::Embedded);
        let loaded = if let Some(known) = known {
            Arc::clone(known)
        } else {
            attestamp_token::keep_linked();
            let pkcs11 = Pkcs11::new_from_self()
                .map_err(|source| HsmError::LibraryUnusable { path: "the program itself".into(), source })?;
            let loaded = Arc::new(Self::new(Kind::Embedded, pkcs11));
            registry.push(Arc::clone(&loaded));
            loaded
        };
        drop(registry);
        loaded.add_database(database)?;
        Ok(loaded)
    }

    /// The library at this path, initialised.
    pub(crate) fn library(path: &Path) -> Result<Arc<Self>, HsmError> {
        let canonical =
            path.canonicalize().map_err(|_| HsmError::LibraryMissing { path: path.to_owned() })?;
        let kind = Kind::Library(canonical.clone());
        let mut registry = lock(&REGISTRY);
        let known = registry.iter().find(|loaded| loaded.kind == kind);
        let loaded = if let Some(known) = known {
            Arc::clone(known)
        } else {
            let unusable = |source| HsmError::LibraryUnusable { path: path.to_owned(), source };
            let loaded = Arc::new(Self::new(kind, Pkcs11::new(&canonical).map_err(unusable)?));
            registry.push(Arc::clone(&loaded));
            loaded
        };
        drop(registry);
        if loaded.is_down()? {
            loaded.revive()?;
        }
        Ok(loaded)
    }

    fn new(kind: Kind, pkcs11: Pkcs11) -> Self {
        Self {
            kind,
            pkcs11,
            epoch: RwLock::new(NEVER_STARTED),
            databases: Mutex::new(Vec::new()),
            generating: Mutex::new(()),
            pools_up: AtomicUsize::new(0),
            logins: AtomicU64::new(0),
        }
    }

    /// One call that needs no session.
    pub(crate) fn call<T>(&self, call: impl FnOnce(&Pkcs11) -> CryptokiResult<T>) -> Result<T, HsmError> {
        let _epoch = self.epoch.read().unwrap_or_else(PoisonError::into_inner);
        Ok(call(&self.pkcs11)?)
    }

    /// The slot of one of the embedded token's databases, which is attached again if it had gone and has come back.
    pub(crate) fn slot_of(&self, database: &Path) -> Result<SlotId, HsmError> {
        let find =
            || lock(&self.databases).iter().find(|known| known.path == database).and_then(|known| known.slot);
        if let Some(slot) = find() {
            return Ok(slot);
        }
        if database.exists() {
            self.add_database(database)?;
        }
        find().ok_or_else(|| HsmError::DatabaseMissing { path: database.to_owned() })
    }

    /// Device and inode of the database's file when it was opened.
    pub(crate) fn file_of(&self, database: &Path) -> Option<(u64, u64)> {
        lock(&self.databases).iter().find(|known| known.path == database).and_then(|known| known.file)
    }

    /// Opens a session, which is closed when it is dropped.
    pub(crate) fn open_session(
        self: &Arc<Self>,
        slot: SlotId,
        writable: bool,
    ) -> Result<OpenSession, HsmError> {
        let epoch = self.epoch.read().unwrap_or_else(PoisonError::into_inner);
        let slot = Slot::try_from(slot.0)?;
        let session = if writable {
            self.pkcs11.open_rw_session_no_drop(slot)?
        } else {
            self.pkcs11.open_ro_session_no_drop(slot)?
        };
        Ok(OpenSession { session: Some(session), epoch: *epoch, loaded: Arc::clone(self) })
    }

    /// Whether the library is not initialised.
    pub(crate) fn is_down(&self) -> Result<bool, HsmError> {
        if *self.epoch.read().unwrap_or_else(PoisonError::into_inner) == NEVER_STARTED {
            return Ok(true);
        }
        match self.call(Pkcs11::get_all_slots) {
            Ok(_) => Ok(false),
            Err(error) if error.is_not_initialised() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Initialises the library if it is not initialised, with all databases that still exist.
    ///
    /// Fails with [`HsmError::ModuleBusy`] while some call hangs inside the module.
    pub(crate) fn revive(&self) -> Result<(), HsmError> {
        self.start_anew(false)
    }

    /// C_Finalize and C_Initialize, if no pool is up: some network HSMs' libraries connect again in no other way.
    pub(crate) fn restart_if_idle(&self) -> Result<(), HsmError> {
        if self.pools_up.load(Ordering::SeqCst) == 0 { self.start_anew(true) } else { Ok(()) }
    }

    fn start_anew(&self, even_if_up: bool) -> Result<(), HsmError> {
        let mut databases = lock(&self.databases);
        let mut epoch = self.exclusive_epoch()?;
        if *epoch != NEVER_STARTED {
            match self.pkcs11.get_all_slots().map_err(HsmError::from) {
                Ok(_) if !even_if_up => return Ok(()),
                Err(error) if !even_if_up && !error.is_not_initialised() => return Err(error),
                // Also where it is down already: it makes kryoptic forget a database that could not be opened.
                Ok(_) | Err(_) => drop(self.pkcs11.clone().finalize()),
            }
        }
        // Also if what follows fails: the old numbers are void in any case.
        *epoch += 1;
        match &self.kind {
            Kind::Library(_) => {
                match self.pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
                    // Other code in this process uses the library too.
                    Err(CryptokiError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
                    result => Ok(result?),
                }
            }
            Kind::Embedded => databases.iter_mut().try_for_each(|database| {
                (database.slot, database.file) = (None, None);
                // A database that is gone would be made anew, empty, and the signing key with it seem to be lost.
                if database.path.exists() { self.attach(database) } else { Ok(()) }
            }),
        }
    }

    /// The write lock, as soon as no call is inside the module. It is tried for, not waited for: a thread that waits for
    /// it would make all others wait behind it, for as long as one call hangs.
    fn exclusive_epoch(&self) -> Result<RwLockWriteGuard<'_, u64>, HsmError> {
        for _ in 0..EXCLUSIVE_ATTEMPTS {
            match self.epoch.try_write() {
                Ok(epoch) => return Ok(epoch),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(EXCLUSIVE_PAUSE),
            }
        }
        Err(HsmError::ModuleBusy)
    }

    fn add_database(&self, path: &Path) -> Result<(), HsmError> {
        if self.is_down()? {
            self.revive()?;
        }
        let mut databases = lock(&self.databases);
        if databases.iter().any(|known| known.path == path && known.slot.is_some()) {
            return Ok(());
        }
        databases.retain(|known| known.path != path);
        let mut database = Database { path: path.to_owned(), slot: None, file: None };
        if let Err(error) = self.attach(&mut database) {
            if databases.is_empty() {
                drop(self.pkcs11.clone().finalize());
            }
            return Err(error);
        }
        databases.push(database);
        Ok(())
    }

    /// C_Initialize for one database, and the slot that it added.
    fn attach(&self, database: &mut Database) -> Result<(), HsmError> {
        let unusable = || HsmError::DatabaseName { path: database.path.clone() };
        let path = CString::new(database.path.as_os_str().as_bytes()).map_err(|_| unusable())?;
        let before = self.pkcs11.get_all_slots().unwrap_or_default();
        match Rv::from(attestamp_token::initialise(&path)) {
            Rv::Ok | Rv::Error(RvError::CryptokiAlreadyInitialized) => {}
            failed @ Rv::Error(_) => failed.into_result(Function::Initialize)?,
        }
        let after = self.pkcs11.get_all_slots()?;
        database.file = database.path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
        database.slot = after.into_iter().find(|slot| !before.contains(slot)).map(|slot| SlotId(slot.id()));
        Ok(())
    }

    /// C_Finalize under everybody's feet, to test that all recover from it.
    pub(crate) fn dangerous_finalise(&self) -> Result<(), HsmError> {
        Ok(self.pkcs11.clone().finalize()?)
    }
}

/// A session, valid in the epoch in which it was opened; closed when dropped, if that is still this epoch.
#[derive(Debug)]
pub(crate) struct OpenSession {
    session: Option<Session>,
    epoch: u64,
    loaded: Arc<Loaded>,
}

impl OpenSession {
    /// One or more calls on this session, none of which is made if the library was initialised again meanwhile.
    pub(crate) fn call<T>(&self, call: impl FnOnce(&Session) -> CryptokiResult<T>) -> Result<T, HsmError> {
        let epoch = self.loaded.epoch.read().unwrap_or_else(PoisonError::into_inner);
        if *epoch != self.epoch {
            return Err(HsmError::SessionStale);
        }
        match &self.session {
            Some(session) => Ok(call(session)?),
            None => Err(CryptokiError::Pkcs11(RvError::SessionHandleInvalid, Function::SignInit).into()),
        }
    }

    /// Logs the user in, of all sessions with this token.
    pub(crate) fn log_in(&self, pin: &AuthPin) -> Result<(), HsmError> {
        // Before the call: no signature that is made under the new login is taken for one of the old.
        self.loaded.logins.fetch_add(1, Ordering::SeqCst);
        self.call(|session| session.login(UserType::User, Some(pin)))
    }

    /// How often a user was logged in so far.
    pub(crate) fn logins(&self) -> u64 {
        self.loaded.logins.load(Ordering::SeqCst)
    }

    /// Closes the session under its user's feet, for tests; what is called on it then fails as the module would fail it.
    pub(crate) fn dangerous_close(&mut self) {
        if let Some(session) = self.session.take() {
            drop(session.close());
        }
    }

    /// Another session like this one; not if the library was initialised again meanwhile.
    pub(crate) fn another(&self, slot: SlotId) -> Result<Self, HsmError> {
        let session = self.loaded.open_session(slot, false)?;
        if session.epoch == self.epoch { Ok(session) } else { Err(HsmError::SessionStale) }
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        // Where the lock is not to be had the library is being initialised again, which ends all sessions.
        let Ok(epoch) = self.loaded.epoch.try_read() else { return };
        if let Some(session) = self.session.take()
            && *epoch == self.epoch
        {
            // A session that is gone already is as closed as it should be.
            drop(session.close());
        }
    }
}
