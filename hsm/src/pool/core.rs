//! The part of a pool that all its threads share: the sessions that are free, and how the pool is.
//!
//! A signature takes a session from a lock-free queue and puts it back. Sessions carry the number of the recovery that
//! made them; one that comes back from an earlier time is dropped and never signs again.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use crossbeam_queue::ArrayQueue;

use super::lease::{Lease, Signature};
use super::recovery::Signal;
use super::refusal::{PoolState, SignError};
use super::source::{SessionSource, SigningSession};
use super::{PoolConfig, PoolCounters};
use crate::error::{HsmError, Remedy};
use crate::loaded::lock;

/// What [`Core::taken`] holds for a session that is free.
const FREE: u64 = 0;

pub(crate) struct Core {
    pub(crate) source: Box<dyn SessionSource>,
    pub(crate) config: PoolConfig,
    pub(crate) counters: Counters,
    pub(crate) is_stopping: AtomicBool,
    is_up: AtomicBool,
    /// Which recovery made the sessions that may sign now.
    generation: AtomicU64,
    free: ArrayQueue<Lease>,
    /// For each session, since when it has been signing, in microseconds after `began`, and 1 at least.
    taken: Box<[AtomicU64]>,
    /// The same for each of the pool's threads; empty where there are none. After a recovery there may be sessions that
    /// are free, and no thread to use them.
    workers: Box<[AtomicU64]>,
    /// A signature was found wrong after it was given out: what was signed since says nothing good of the module.
    pub(crate) is_distrusted: AtomicBool,
    began: Instant,
    state: Mutex<PoolState>,
    state_changed: Condvar,
    signals: Sender<Signal>,
}

/// How a pool looks whether its key still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// By reading an attribute.
    Look,
    /// By a signature, which is verified.
    Sign,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    signatures: AtomicU64,
    failures: AtomicU64,
    busy: AtomicU64,
    stalled: AtomicU64,
    pub(crate) expired: AtomicU64,
    reopened_sessions: AtomicU64,
    recoveries: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> PoolCounters {
        PoolCounters {
            signatures: self.signatures.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            busy: self.busy.load(Ordering::Relaxed),
            stalled: self.stalled.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            reopened_sessions: self.reopened_sessions.load(Ordering::Relaxed),
            recoveries: self.recoveries.load(Ordering::Relaxed),
        }
    }
}

impl Core {
    pub(crate) fn new(
        source: Box<dyn SessionSource>,
        config: PoolConfig,
        signals: Sender<Signal>,
        workers: usize,
    ) -> Self {
        let sessions = config.sessions.get();
        let nobody = |count| (0..count).map(|_| AtomicU64::new(FREE)).collect();
        Self {
            source,
            counters: Counters::default(),
            is_stopping: AtomicBool::new(false),
            is_up: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            // Twice, so that one that is put back just when a recovery begins is in nobody's way.
            free: ArrayQueue::new(sessions.saturating_mul(2)),
            taken: nobody(sessions),
            workers: nobody(workers),
            is_distrusted: AtomicBool::new(false),
            began: Instant::now(),
            state: Mutex::new(PoolState::Up),
            state_changed: Condvar::new(),
            signals,
            config,
        }
    }

    /// One signature on this thread.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        self.check_up()?;
        let Some(mut lease) = self.take() else {
            self.check_up()?;
            self.check_moving()?;
            return Err(self.busy());
        };
        let mut signed = guarded(|| lease.sign(message));
        let mut is_open = true;
        if let Err(error) = &signed
            && error.remedy() == Remedy::ReopenSession
        {
            is_open = false;
            signed = guarded(|| {
                lease.reopen()?;
                is_open = true;
                self.counters.reopened_sessions.fetch_add(1, Ordering::Relaxed);
                lease.sign(message)
            });
        }
        match signed {
            Ok(signature) => {
                self.put_back(lease);
                self.counters.signatures.fetch_add(1, Ordering::Relaxed);
                Ok(signature)
            }
            Err(error) => {
                self.counters.failures.fetch_add(1, Ordering::Relaxed);
                let reason = Arc::new(error);
                if is_open && reason.remedy() == Remedy::FailRequest {
                    self.put_back(lease);
                } else {
                    self.fault(lease, &reason);
                }
                Err(SignError::Failed { reason })
            }
        }
    }

    /// Looks whether the key is still there, or signs with it, with a session that is free; takes the pool out of service
    /// if it does not do.
    pub(crate) fn probe(&self, probe: Probe) {
        if !self.is_up() {
            return;
        }
        let Some(mut lease) = self.take() else { return };
        let look = |session: &mut Box<dyn SigningSession>| match probe {
            Probe::Look => session.probe(),
            Probe::Sign => session.probe_signature(),
        };
        let mut probed = guarded(|| look(&mut lease.session));
        let mut is_open = true;
        if let Err(error) = &probed
            && error.remedy() == Remedy::ReopenSession
        {
            is_open = false;
            probed = guarded(|| {
                lease.reopen()?;
                is_open = true;
                self.counters.reopened_sessions.fetch_add(1, Ordering::Relaxed);
                look(&mut lease.session)
            });
        }
        match probed {
            Err(error) if !is_open || error.remedy() != Remedy::FailRequest => {
                self.fault(lease, &Arc::new(error))
            }
            Ok(()) | Err(_) => self.put_back(lease),
        }
    }

    /// Whether requests are taken at all.
    pub(crate) fn check_up(&self) -> Result<(), SignError> {
        if self.is_up() {
            return Ok(());
        }
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(SignError::Stopped);
        }
        match &*lock(&self.state) {
            PoolState::Up | PoolState::Stalled { .. } => Ok(()),
            PoolState::Recovering { reason, .. } | PoolState::Down { reason } => {
                Err(SignError::Unavailable { reason: Arc::clone(reason) })
            }
        }
    }

    /// Whether a request that is taken now could come to its turn.
    pub(crate) fn check_moving(&self) -> Result<(), SignError> {
        match self.stalled_for() {
            None => Ok(()),
            Some(since) => {
                self.counters.stalled.fetch_add(1, Ordering::Relaxed);
                Err(SignError::Stalled { since })
            }
        }
    }

    /// Whether all sessions hang.
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled_for().is_some()
    }

    /// A signature that this pool gave out does not verify: it is taken out of service and comes back by the same way as
    /// after any other loss.
    pub(crate) fn distrust(&self) {
        let mut state = lock(&self.state);
        if self.is_up() {
            self.is_distrusted.store(true, Ordering::SeqCst);
            self.take_down(&mut state, &Arc::new(HsmError::SignatureInvalid));
        }
    }

    /// Whether there is no session that could be taken.
    pub(crate) fn has_no_free_session(&self) -> bool {
        self.free.is_empty()
    }

    /// One of the pool's threads goes to work.
    pub(crate) fn worker_begins(&self, number: usize) {
        if let Some(worker) = self.workers.get(number) {
            worker.store(self.microseconds().max(1), Ordering::Relaxed);
        }
    }

    /// And is back.
    pub(crate) fn worker_ends(&self, number: usize) {
        if let Some(worker) = self.workers.get(number) {
            worker.store(FREE, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    pub(crate) fn busy(&self) -> SignError {
        self.counters.busy.fetch_add(1, Ordering::Relaxed);
        SignError::Busy { sessions: self.config.sessions.get(), queue_length: self.config.queue_length }
    }

    pub(crate) fn state(&self) -> PoolState {
        let state = lock(&self.state).clone();
        match (&state, self.stalled_for()) {
            (PoolState::Up, Some(since)) => PoolState::Stalled { since },
            _ => state,
        }
    }

    pub(crate) fn set_state(&self, state: PoolState) {
        *lock(&self.state) = state;
        self.state_changed.notify_all();
    }

    /// An attempt is about to be made that somebody asked for.
    pub(crate) fn leave_down(&self) {
        let mut state = lock(&self.state);
        if let PoolState::Down { reason } = &*state {
            *state = PoolState::Recovering { reason: Arc::clone(reason), attempts: 0 };
        }
    }

    pub(crate) fn wait_while_recovering(&self, at_most: Duration) -> PoolState {
        let state = lock(&self.state);
        let waited = self
            .state_changed
            .wait_timeout_while(state, at_most, |state| matches!(state, PoolState::Recovering { .. }));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.state()
    }

    /// Puts new sessions to work.
    pub(crate) fn install(&self, sessions: Vec<Box<dyn SigningSession>>, is_recovery: bool) {
        self.drop_sessions();
        let generation = self.generation.load(Ordering::SeqCst);
        for (number, session) in sessions.into_iter().enumerate().take(self.taken.len()) {
            // There is room: the queue is twice as long, and was emptied.
            drop(self.free.push(Lease::new(session, number, generation)));
        }
        if is_recovery {
            self.counters.recoveries.fetch_add(1, Ordering::Relaxed);
        }
        let mut state = lock(&self.state);
        *state = PoolState::Up;
        self.is_up.store(true, Ordering::Release);
        drop(state);
        self.state_changed.notify_all();
    }

    /// Closes the sessions that nobody is using.
    pub(crate) fn drop_sessions(&self) {
        while self.free.pop().is_some() {}
    }

    #[cfg(test)]
    pub(crate) fn free_sessions(&self) -> usize {
        self.free.len()
    }

    pub(crate) fn dangerous_lose_sessions(&self) {
        let leases: Vec<Lease> = std::iter::from_fn(|| self.free.pop()).collect();
        for mut lease in leases {
            lease.session.dangerous_lose();
            drop(self.free.push(lease));
        }
    }

    fn take(&self) -> Option<Lease> {
        loop {
            let lease = self.free.pop()?;
            if lease.generation == self.generation.load(Ordering::Acquire) {
                self.mark(lease.number, self.microseconds().max(1));
                return Some(lease);
            }
        }
    }

    fn put_back(&self, lease: Lease) {
        if lease.generation == self.generation.load(Ordering::Acquire) {
            self.mark(lease.number, FREE);
            drop(self.free.push(lease));
        }
    }

    /// Takes the pool out of service, once for each generation of sessions, and has it recovered.
    fn fault(&self, lease: Lease, reason: &Arc<HsmError>) {
        let mut state = lock(&self.state);
        if lease.generation == self.generation.load(Ordering::SeqCst) {
            self.take_down(&mut state, reason);
        }
        drop(state);
        drop_guarded(lease.session);
    }

    fn take_down(&self, state: &mut PoolState, reason: &Arc<HsmError>) {
        self.is_up.store(false, Ordering::Release);
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.taken.iter().for_each(|taken| taken.store(FREE, Ordering::Relaxed));
        *state = if reason.remedy() == Remedy::StayDown {
            PoolState::Down { reason: Arc::clone(reason) }
        } else {
            let _ = self.signals.try_send(Signal::Fault);
            PoolState::Recovering { reason: Arc::clone(reason), attempts: 0 }
        };
        self.state_changed.notify_all();
    }

    fn mark(&self, number: usize, since: u64) {
        if let Some(taken) = self.taken.get(number) {
            taken.store(since, Ordering::Relaxed);
        }
    }

    /// For how long no session, or no thread, has come back, if all are away and that is longer than the deadline.
    fn stalled_for(&self) -> Option<Duration> {
        let latest = latest_away(&self.taken).or_else(|| latest_away(&self.workers))?;
        let since = Duration::from_micros(self.microseconds().saturating_sub(latest));
        (since > self.config.deadline).then_some(since)
    }

    fn microseconds(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// When the last of them went away, if all are.
fn latest_away(since: &[AtomicU64]) -> Option<u64> {
    let away = since.iter().map(|since| since.load(Ordering::Relaxed));
    let latest =
        away.map(|since| (since != FREE).then_some(since)).reduce(|latest, since| Some(latest?.max(since?)));
    latest.flatten()
}

/// A panic in a session is an error like any other: nothing of ours is locked while it signs.
pub(crate) fn guarded<T>(action: impl FnOnce() -> Result<T, HsmError>) -> Result<T, HsmError> {
    catch_unwind(AssertUnwindSafe(action)).unwrap_or(Err(HsmError::Panicked))
}

fn drop_guarded(session: Box<dyn SigningSession>) {
    drop(catch_unwind(AssertUnwindSafe(|| drop(session))));
}

impl fmt::Debug for Core {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Core")
            .field("config", &self.config)
            .field("counters", &self.counters)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
