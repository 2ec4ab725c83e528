//! A storage in memory whose steps fail when a test wants it, and that can crash: what was not synced is there then, or
//! not, or in part.
//!
//! [`MemoryStorage::hang`] has every sync wait, as a disk does that does not answer.
//!
//! A sync that fails forgets what it should have written, as Linux does: it can be read until the crash, and a later sync
//! does not make it durable.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use super::{Storage, StoredFile};

/// What a disk writes wholly or not at all.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Nothing was done.
    Failed,
    /// It was done, and an error came back.
    FailedButPersisted,
    /// It can be read, is not durable, and an error came back.
    FailedButVisible,
    /// Nothing was done, and nothing will be until the crash.
    Stopped,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Counted from 0, of those that change something.
    pub(crate) operation: u64,
    /// How many, one after the other.
    pub(crate) count: u64,
    pub(crate) kind: FaultKind,
}

/// What a crash leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrashKind {
    Nothing,
    Everything,
    /// A prefix of each write, by a number.
    Prefix(u64),
    /// A subset of the sectors, by a number.
    Sectors(u64),
}

#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryStorage(Arc<Mutex<Disk>>, Arc<Hanging>);

/// Whether syncs wait, and how many do.
#[derive(Debug, Default)]
struct Hanging {
    state: Mutex<(bool, u64)>,
    changed: Condvar,
}

impl Hanging {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.changed.notify_all();
        let mut state = self.changed.wait_while(state, |(is_hanging, _)| *is_hanging).unwrap();
        state.1 -= 1;
    }
}

#[derive(Debug, Default)]
struct Disk {
    files: BTreeMap<PathBuf, Stored>,
    operations: u64,
    fault: Option<Fault>,
    is_stopped: bool,
}

#[derive(Debug, Clone, Default)]
struct Stored {
    durable: Option<Vec<u8>>,
    current: Option<Vec<u8>>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, content: Vec<u8> },
    Length(usize),
    Replace(Vec<u8>),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, content: written } => {
                let end = offset + written.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(written);
            }
            Self::Length(length) => content.resize(*length, 0),
            Self::Replace(new) => content.clone_from(new),
        }
    }
}

/// What a step shall do.
enum Step {
    Do,
    DoAndFail,
    ShowAndFail,
    Fail,
}

impl Disk {
    fn step(&mut self) -> Step {
        if self.is_stopped {
            return Step::Fail;
        }
        let operation = self.operations;
        self.operations += 1;
        match self
            .fault
            .filter(|fault| (fault.operation..fault.operation + fault.count).contains(&operation))
            .map(|fault| fault.kind)
        {
            None => Step::Do,
            Some(FaultKind::Failed) => Step::Fail,
            Some(FaultKind::FailedButPersisted) => Step::DoAndFail,
            Some(FaultKind::FailedButVisible) => Step::ShowAndFail,
            Some(FaultKind::Stopped) => {
                self.is_stopped = true;
                Step::Fail
            }
        }
    }
}

fn fault() -> io::Error {
    io::Error::other("injected")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl MemoryStorage {
    /// Syncs wait from now on, or no longer.
    pub(crate) fn hang(&self, is_hanging: bool) {
        self.1.state.lock().unwrap().0 = is_hanging;
        self.1.changed.notify_all();
    }

    /// Waits until a sync hangs.
    pub(crate) fn wait_until_it_hangs(&self) {
        let state = self.1.state.lock().unwrap();
        drop(self.1.changed.wait_while(state, |(_, waiting)| *waiting == 0).unwrap());
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        self.0.lock().unwrap().fault = fault;
    }

    pub(crate) fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.0.lock().unwrap().is_stopped
    }

    /// The storage after a crash.
    pub(crate) fn crash(&self, kind: CrashKind) -> Self {
        let disk = self.0.lock().unwrap();
        let mut random = match kind {
            CrashKind::Nothing | CrashKind::Everything => 0,
            CrashKind::Prefix(seed) | CrashKind::Sectors(seed) => seed,
        };
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).unwrap()
        };
        let mut files = BTreeMap::new();
        for (path, stored) in &disk.files {
            let mut content = stored.durable.clone();
            for change in &stored.pending {
                match (kind, change) {
                    (CrashKind::Nothing, _) => {}
                    (CrashKind::Everything, _) => change.apply(content.get_or_insert_default()),
                    (CrashKind::Prefix(_), Change::Write { offset, content: written }) => {
                        let kept = written[..next() % (written.len() + 1)].to_vec();
                        Change::Write { offset: *offset, content: kept }
                            .apply(content.get_or_insert_default());
                    }
                    (CrashKind::Sectors(_), Change::Write { offset, content: written }) => {
                        let end = offset + written.len();
                        let mut from = *offset;
                        while from < end {
                            let to = ((from / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
                            if next() % 2 == 0 {
                                let kept = written[from - offset..to - offset].to_vec();
                                Change::Write { offset: from, content: kept }
                                    .apply(content.get_or_insert_default());
                            }
                            from = to;
                        }
                    }
                    (
                        CrashKind::Prefix(_) | CrashKind::Sectors(_),
                        Change::Length(_) | Change::Replace(_),
                    ) => {
                        if next() % 2 == 0 {
                            change.apply(content.get_or_insert_default());
                        }
                    }
                }
            }
            if let Some(content) = content {
                let (durable, current) = (Some(content.clone()), Some(content));
                files.insert(path.clone(), Stored { durable, current, pending: Vec::new() });
            }
        }
        Self(Arc::new(Mutex::new(Disk { files, ..Disk::default() })), Arc::default())
    }

    /// Changes a file's content behind everybody's back.
    pub(crate) fn alter(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = self.0.lock().unwrap();
        let stored = disk.files.entry(path.into()).or_default();
        let mut content = stored.current.clone().unwrap_or_default();
        change(&mut content);
        *stored = Stored { durable: Some(content.clone()), current: Some(content), pending: Vec::new() };
    }

    /// Every file.
    pub(crate) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let disk = self.0.lock().unwrap();
        let current = |(path, stored): (&PathBuf, &Stored)| Some((path.clone(), stored.current.clone()?));
        disk.files.iter().filter_map(current).collect()
    }

    pub(crate) fn remove(&self, path: &Path) {
        self.0.lock().unwrap().files.remove(path).unwrap();
    }
}

impl Storage for MemoryStorage {
    fn create_folder(&self, _folder: &Path) -> io::Result<()> {
        match self.0.lock().unwrap().step() {
            Step::Do => Ok(()),
            Step::DoAndFail | Step::ShowAndFail | Step::Fail => Err(fault()),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn StoredFile>> {
        let is_there = self.0.lock().unwrap().files.get(path).is_some_and(|stored| stored.current.is_some());
        if !is_there {
            return Err(not_found());
        }
        Ok(Arc::new(MemoryFile {
            disk: Arc::clone(&self.0),
            hanging: Arc::clone(&self.1),
            path: path.into(),
        }))
    }

    fn open_or_create(&self, path: &Path) -> io::Result<Arc<dyn StoredFile>> {
        if let Ok(file) = self.open(path) {
            return Ok(file);
        }
        let mut disk = self.0.lock().unwrap();
        let step = disk.step();
        let stored = disk.files.entry(path.into()).or_default();
        match step {
            Step::Do | Step::DoAndFail => {
                (stored.durable, stored.current) = (Some(Vec::new()), Some(Vec::new()))
            }
            Step::ShowAndFail => stored.current = Some(Vec::new()),
            Step::Fail => {}
        }
        drop(disk);
        match step {
            Step::Do => self.open(path),
            Step::DoAndFail | Step::ShowAndFail | Step::Fail => Err(fault()),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().files.get(path).and_then(|stored| stored.current.clone()))
    }

    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let step = disk.step();
        let stored = disk.files.entry(path.into()).or_default();
        match step {
            Step::Do | Step::DoAndFail => {
                let (durable, current) = (Some(content.into()), Some(content.into()));
                *stored = Stored { durable, current, pending: Vec::new() };
            }
            Step::ShowAndFail => {
                stored.current = Some(content.into());
                stored.pending.push(Change::Replace(content.into()));
            }
            Step::Fail => {}
        }
        if matches!(step, Step::Do) { Ok(()) } else { Err(fault()) }
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let disk = self.0.lock().unwrap();
        let mut names: Vec<String> = disk
            .files
            .iter()
            .filter(|(_, stored)| stored.current.is_some())
            .filter_map(|(path, _)| path.strip_prefix(folder).ok()?.iter().next())
            .map(|name| name.to_str().unwrap().into())
            .collect();
        names.dedup();
        Ok(names)
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: Arc<Mutex<Disk>>,
    hanging: Arc<Hanging>,
    path: PathBuf,
}

impl MemoryFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut disk = self.disk.lock().unwrap();
        let step = disk.step();
        let stored = disk.files.get_mut(&self.path).ok_or_else(not_found)?;
        if !matches!(step, Step::Fail) {
            change.apply(stored.current.get_or_insert_default());
            stored.pending.push(change);
        }
        if matches!(step, Step::Do) { Ok(()) } else { Err(fault()) }
    }
}

impl StoredFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let disk = self.disk.lock().unwrap();
        let stored = disk.files.get(&self.path).ok_or_else(not_found)?;
        let content = stored.current.as_deref().unwrap_or_default();
        let rest = content.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, content: &[u8], offset: u64) -> io::Result<()> {
        self.change(Change::Write { offset: usize::try_from(offset).unwrap(), content: content.into() })
    }

    fn sync(&self) -> io::Result<()> {
        self.hanging.pass();
        let mut disk = self.disk.lock().unwrap();
        let step = disk.step();
        let is_stopped = disk.is_stopped;
        let stored = disk.files.get_mut(&self.path).ok_or_else(not_found)?;
        if is_stopped {
            // The crash decides about what is pending.
            return Err(fault());
        }
        let pending = std::mem::take(&mut stored.pending);
        if matches!(step, Step::Do | Step::DoAndFail) {
            pending.iter().for_each(|change| change.apply(stored.durable.get_or_insert_default()));
        }
        if matches!(step, Step::Do) { Ok(()) } else { Err(fault()) }
    }

    fn length(&self) -> io::Result<u64> {
        let disk = self.disk.lock().unwrap();
        let stored = disk.files.get(&self.path).ok_or_else(not_found)?;
        Ok(u64::try_from(stored.current.as_ref().map_or(0, Vec::len)).unwrap())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(usize::try_from(length).unwrap()))
    }
}
