//! The running ledger: one process's, with a thread that commits.
//!
//! [`Ledger::record`] puts an entry into the batch that is being gathered; the thread writes a batch with one write and
//! one sync, and wakes all that wait for it. An entry has its place in the tree when its batch is durable, and a
//! checkpoint is never of more than what is durable (E2, E5).

mod batch;
mod committing;
mod error;
mod growing;
mod opening;
mod publishing;
mod recovery;
mod serving;
mod tail;

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::entry::{Entry, TokenEntry};
use crate::frame::{FRAME_OVERHEAD, write_frame};
use crate::hash::Hash;
use crate::note::VerifierKey;
use crate::place::Place;
use crate::proof::Proof;
use crate::reader::{LedgerReader, Verified, VerifyError};
use crate::storage::{Files, Storage};
use crate::tile::TilePath;

pub use batch::Recorded;
pub use error::{Damage, OpenError, PublishError, ReadError, RecordError};

use batch::Gathering;
use growing::{Durable, GrowingTree, Leaf};
use publishing::{Due, Published, Publishing};
use tail::storage_error;

pub(crate) use publishing::CHECKPOINT;
pub(crate) use serving::{TreeView, has_serial};

/// A batch that takes longer is on a disk that hangs.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// How a ledger is kept.
#[derive(Debug, Clone)]
pub struct LedgerConfig {
    /// Its identity: the checkpoints' origin.
    pub origin: Box<str>,
    /// The keys that may have signed its checkpoints.
    pub keys: Vec<VerifierKey>,
    /// Octets of entries after which a new segment begins.
    pub segment_bytes: u64,
    /// Whether a new month (UTC, by the entries' times) begins a new segment.
    pub segment_monthly: bool,
    /// How long to wait before trying again where writing fails.
    pub retry: Duration,
    /// Whether a ledger that is not there may be begun. Where one is expected it must not: an empty folder is a disk that is
    /// not mounted, and a second tree of the same name looks like a forgery.
    pub begin: bool,
    /// Told of each commit.
    pub observer: Arc<dyn CommitObserver>,
}

/// Told of what the committing thread does.
pub trait CommitObserver: fmt::Debug + Send + Sync {
    /// A batch is durable: its entries, its octets, and how long writing and syncing took.
    fn committed(&self, entries: usize, bytes: usize, duration: Duration);
    /// Writing failed.
    fn failed(&self, error: &RecordError);
    /// Writing works again.
    fn resumed(&self);
    /// What a failed write had left was set aside.
    fn repaired(&self, _torn: &TornTail) {}
}

/// A running ledger. Dropping it commits what waits and ends its thread.
#[derive(Debug)]
pub struct Ledger {
    core: Arc<Core>,
    thread: Option<JoinHandle<()>>,
    /// Locked while this lives.
    _lock: Option<File>,
}

/// What the committing thread and the ledger's users share.
#[derive(Debug)]
struct Core {
    place: Place,
    anchor: PathBuf,
    config: LedgerConfig,
    gathering: Gathering,
    /// What is durable.
    tree: Mutex<GrowingTree>,
    /// The same, for who must not wait. Its lock is taken after that of the tree, and is held for an assignment.
    durable: Mutex<Durable>,
    due: Mutex<Due>,
    /// Held while a checkpoint is published.
    publishing: Mutex<Publishing>,
    published: RwLock<Option<Arc<Published>>>,
    /// Leaves whose serial numbers the index was compared with.
    believed_leaves: Mutex<u64>,
}

/// What opening found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Leaves that are there.
    pub size: u64,
    /// Leaves after the last published checkpoint.
    pub after_checkpoint: u64,
    /// A torn end that was cut off and set aside.
    pub torn: Option<TornTail>,
}

/// A write that a crash interrupted; no token that was released is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub segment: u32,
    /// Octets that were set aside.
    pub bytes: u64,
    /// Where they are now.
    pub kept_in: Box<Path>,
}

/// Whether entries can be recorded.
#[derive(Debug, Clone)]
pub enum LedgerHealth {
    /// Yes.
    Good,
    /// Not since the last attempt.
    Failing(RecordError),
    /// The disk has not answered for some time: entries wait, and none is refused or durable.
    Stalled {
        /// For how long the batch in work has been writing or syncing.
        seconds: u64,
    },
}

/// Figures for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerStatistics {
    /// Leaves that are durable.
    pub size: u64,
    /// Leaves of the published checkpoint.
    pub checkpoint_size: u64,
    /// Octets of all entries.
    pub bytes: u64,
    /// Segments.
    pub segments: u32,
    /// Entries that wait for their batch.
    pub pending: usize,
}

thread_local! {
    /// An entry's bytes and its frame, made before the batch is locked.
    static SCRATCH: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

impl Ledger {
    /// Opens the ledger in `folder`, or begins one there if the folder is empty or missing and the configuration allows it.
    /// `anchor` is a file outside of the folder that keeps the last checkpoint: a ledger that is shorter than it, or another,
    /// was rolled back or altered, and is refused.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(folder: &Path, anchor: &Path, config: LedgerConfig) -> Result<(Self, Recovery), OpenError> {
        if config.begin {
            Files.create_folder(folder).map_err(storage_error("make the folder", folder))?;
        }
        // The folder itself is locked: a file in it could be deleted and made anew under a running server.
        let lock = match File::open(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(OpenError::Missing { folder: folder.into() });
            }
            opened => opened.map_err(storage_error("open", folder))?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { folder: folder.into() });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(storage_error("lock", folder)(error)),
        }
        Self::open_in(Place::new(Arc::new(Files), folder), anchor, config, Some(lock))
    }

    /// Whether [`open`](Self::open) would open it, and how many leaves there are. Nothing is written or locked: also for a ledger
    /// that another process has, and adds to meanwhile.
    ///
    /// # Errors
    /// [`OpenError`], as opening would.
    pub fn rehearse(folder: &Path, anchor: &Path, config: &LedgerConfig) -> Result<u64, OpenError> {
        opening::rehearse(&Place::new(Arc::new(Files), folder), anchor, config)
    }

    /// As [`open`](Self::open), in any storage.
    pub(crate) fn open_in(
        place: Place,
        anchor: &Path,
        config: LedgerConfig,
        lock: Option<File>,
    ) -> Result<(Self, Recovery), OpenError> {
        let folder = place.folder.clone();
        // What is refused is left as it is: tiles that were cut off would hide what is wrong from whoever looks into it.
        opening::rehearse(&place, anchor, &config)?;
        let (core, tail, recovery) = opening::open(place, anchor, config)?;
        let core = Arc::new(core);
        let of_thread = Arc::clone(&core);
        let thread = std::thread::Builder::new().name("ledger".into());
        let thread = thread.spawn(move || committing::run(&of_thread, tail));
        let thread = thread.map_err(storage_error("start a thread for", &folder))?;
        Ok((Self { core, thread: Some(thread), _lock: lock }, recovery))
    }

    /// Records a token. Nothing may be released before the answer has come.
    #[must_use]
    pub fn record(&self, token: &TokenEntry) -> Recorded {
        if let Err(error) = token.check() {
            return Recorded::failed(RecordError::Entry(error));
        }
        SCRATCH.with_borrow_mut(|(bytes, frame)| {
            bytes.clear();
            frame.clear();
            token.encode_into(bytes);
            write_frame(bytes, frame);
            self.core.gathering.add(Leaf::of_token(token, bytes, frame.len()), frame)
        })
    }

    /// Records a state of the clock or an event, to be durable with what comes after it; its leaf hash. Use the
    /// `Recorded` to wait.
    pub fn record_entry(&self, entry: &Entry) -> (Hash, Recorded) {
        let bytes = entry.encode();
        let hash = Hash::of_leaf(&bytes);
        let recorded = match Leaf::read(&bytes, bytes.len() + FRAME_OVERHEAD) {
            Ok(leaf) => {
                let mut frame = Vec::with_capacity(bytes.len() + FRAME_OVERHEAD);
                write_frame(&bytes, &mut frame);
                self.core.gathering.add(leaf, &frame)
            }
            Err(error) => Recorded::failed(RecordError::Entry(error)),
        };
        (hash, recorded)
    }

    /// The checkpoint to sign next: that of a segment's end, if one was rotated, else of all that is durable; `None` if that
    /// is published already.
    #[must_use]
    pub fn due_checkpoint(&self) -> Option<Checkpoint> {
        self.core.due_checkpoint()
    }

    /// Whether there is one to sign. It changes nothing, and never waits for the disk.
    #[must_use]
    pub fn has_due_checkpoint(&self) -> bool {
        self.core.has_due_checkpoint()
    }

    /// Takes a signed checkpoint: durable first, then visible.
    ///
    /// # Errors
    /// [`PublishError`].
    pub fn publish(&self, signed: SignedCheckpoint) -> Result<(), PublishError> {
        self.core.publish(signed)
    }

    /// The published checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Arc<SignedCheckpoint>> {
        self.core.published().map(|published| Arc::clone(&published.signed))
    }

    /// A tile or entry bundle of the published tree; `None` if that has none such.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, ReadError> {
        self.core.tile(path)
    }

    /// The proof for the token with this serial number (content octets) under the published checkpoint.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn prove(&self, serial: &[u8]) -> Result<ProofOutcome, ReadError> {
        self.core.prove(serial)
    }

    /// The proof that the tree of `to` leaves continues that of `from` (RFC 6962 §2.1.2); both at most the published.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, ReadError> {
        self.core.consistency(from, to)
    }

    /// Reads everything again, as [`LedgerReader::verify`] does, while the ledger is used: for a thread after the start,
    /// which hashes the last segment alone. It ends with [`VerifyError::Stopped`] soon after `stop` is set.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify(&self, stop: &AtomicBool) -> Result<Verified, VerifyError> {
        let mut go_on = |_, _| !stop.load(Ordering::Relaxed);
        let reader = LedgerReader::of(self.core.place.clone());
        // What this process published, whatever the folder says by now.
        let required: Vec<Checkpoint> =
            self.checkpoint().iter().map(|signed| signed.checkpoint().clone()).collect();
        let LedgerConfig { origin, keys, .. } = &self.core.config;
        let verified = reader.verify_until(origin, keys, &required, &mut go_on)?;
        verified.ok_or(VerifyError::Stopped)
    }

    /// Whether entries can be recorded. It never waits for the disk.
    #[must_use]
    pub fn health(&self) -> LedgerHealth {
        self.health_at(Instant::now())
    }

    fn health_at(&self, now: Instant) -> LedgerHealth {
        if let Some(error) = self.core.gathering.failing() {
            return LedgerHealth::Failing(error);
        }
        match self.core.gathering.at_work(now).filter(|&duration| duration > STALLED_AFTER) {
            Some(duration) => LedgerHealth::Stalled { seconds: duration.as_secs() },
            None => LedgerHealth::Good,
        }
    }

    /// Holds up the batch in work until the value is dropped, as a disk does that hangs: nothing of it gets its place in the
    /// tree. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn dangerous_stall(&self) -> impl Drop + '_ {
        Stall { _tree: lock(&self.core.tree) }
    }

    /// Figures for metrics. It never waits for the disk.
    #[must_use]
    pub fn statistics(&self) -> LedgerStatistics {
        let checkpoint_size = self.checkpoint().map_or(0, |checkpoint| checkpoint.checkpoint().size);
        let pending = self.core.gathering.pending_entries();
        let durable = lock(&self.core.durable);
        let (size, bytes, segments) = (durable.frontier.size(), durable.bytes, durable.segments);
        LedgerStatistics { size, checkpoint_size, bytes, segments, pending }
    }
}

/// No batch is finished while this lives.
struct Stall<'a> {
    _tree: MutexGuard<'a, GrowingTree>,
}

impl Drop for Stall<'_> {
    fn drop(&mut self) {}
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.core.gathering.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What one thread left when it panicked is as good as before: every lock here is held for a few assignments that cannot
/// panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What [`Ledger::prove`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofOutcome {
    /// The proof.
    Proved(Proof),
    /// It is recorded; the next checkpoint includes it.
    Awaiting {
        /// Its index.
        index: u64,
    },
    /// No token has this serial number.
    Unknown,
}

#[cfg(test)]
mod tests;
