//! Signing with one key from many threads, as fast as the token can and no faster than it can.
//!
//! A software token signs in 30 µs and a network HSM in milliseconds. For the first, handing the message to another
//! thread and back would cost as much again, so the caller signs on its own thread with a session that it takes from a
//! queue ([`Dispatch::Inline`]). For the second, as many threads as there are sessions wait in the HSM's library, fed
//! from a bounded queue ([`Dispatch::Threads`]). Both refuse when they are full, so that waiting happens where a client
//! can be told of it.
//!
//! Recovery is in `recovery.rs`, what it recovers in `source.rs`; neither the pool nor its errors know PKCS#11 beyond
//! [`HsmError::remedy`]. The pool starts no runtime and knows none: a callback is called on one of its threads.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::error::HsmError;

mod core;
mod lease;
mod recovery;
mod refusal;
mod source;
mod workers;

pub use lease::Signature;
pub use refusal::{PoolState, SignError};
pub(crate) use source::TokenSource;
pub use source::{SessionSource, SigningSession};

use self::core::Core;
use recovery::Signal;
use workers::Job;

/// Signatures quicker than this are made on the caller's thread; a hand-over and back costs about a tenth of it.
const INLINE_LIMIT: Duration = Duration::from_micros(400);
/// Signatures quicker than this are so too where they keep the processor busy, as an ML-DSA signature of a software token
/// does: another thread would not make more of them, and waking it costs about a tenth.
const BUSY_INLINE_LIMIT: Duration = Duration::from_millis(2);
/// How long a pool that is dropped waits for its threads: far longer than a call that does not hang.
const DROP_PATIENCE: Duration = Duration::from_millis(250);
/// How often the test signature is made to measure it; the median counts.
const MEASUREMENTS: usize = 5;

/// How signatures are to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DispatchChoice {
    /// Measure the test signature: on the caller's thread below 400 µs, and below 2 ms where that is the processor's own
    /// work; else on threads.
    #[default]
    Auto,
    /// On the caller's thread.
    Inline,
    /// On one thread for each session.
    Threads,
}

/// How signatures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatch {
    /// On the caller's thread.
    Inline,
    /// On one thread for each session.
    Threads,
}

/// Limits of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// How many sessions sign at the same time. Inline, at least as many as there are threads that ask for signatures:
    /// one more thread than sessions is refused.
    pub sessions: NonZeroUsize,
    /// How many requests may wait for a session; of no effect inline, where nothing waits.
    pub queue_length: usize,
    /// Where signatures are made.
    pub dispatch: DispatchChoice,
    /// A request that has waited longer than this is not signed any more. Also how long [`SigningPool::sign_now`] waits
    /// for a thread's answer, and after how long a signature in the module counts as stalled.
    pub deadline: Duration,
    /// The first pause between two attempts at recovery; it doubles.
    pub backoff_minimum: Duration,
    /// The longest pause between two attempts at recovery.
    pub backoff_maximum: Duration,
    /// A pool that has signed nothing for so long looks whether its key is still there: a token that was taken out is
    /// noticed before a request needs it, and a module whose other pools are lost can be restarted.
    pub probe_interval: Duration,
    /// How often the pool signs something of its own and verifies it, whether or not it is idle; `None` for never. Looked
    /// at once in each `probe_interval`.
    pub signature_interval: Option<Duration>,
    /// Whether to sign with copies of the key in the sessions' memory; `None` decides by the module: on the embedded
    /// token, where they are several times as fast, and nowhere else, where a key may not be copied out of the device.
    pub session_copies: Option<bool>,
    /// Whether a restart of the module, which another pool may need to come back, waits while this one is up. A pool that
    /// seldom signs should not be waited for: it notices late that its token has gone, and it comes back by itself.
    pub holds_module: bool,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            sessions: NonZeroUsize::new(16).unwrap_or(NonZeroUsize::MIN),
            queue_length: 256,
            dispatch: DispatchChoice::Auto,
            deadline: Duration::from_secs(5),
            backoff_minimum: Duration::from_millis(100),
            backoff_maximum: Duration::from_secs(30),
            probe_interval: Duration::from_secs(5),
            signature_interval: Some(Duration::from_secs(60)),
            session_copies: None,
            holds_module: true,
        }
    }
}

/// What a pool has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolCounters {
    /// Signatures given to callers.
    pub signatures: u64,
    /// Requests that failed in the module.
    pub failures: u64,
    /// Requests refused because all sessions, or the queue, were taken.
    pub busy: u64,
    /// Requests refused because no session had come back from the module for longer than the deadline.
    pub stalled: u64,
    /// Requests dropped because they had waited too long.
    pub expired: u64,
    /// Sessions that were lost and opened again within a request.
    pub reopened_sessions: u64,
    /// Times that the pool came back up.
    pub recoveries: u64,
}

/// Sessions that sign with one key. Stops when dropped.
#[derive(Debug)]
pub struct SigningPool {
    core: Arc<Core>,
    dispatch: Dispatch,
    /// `None` inline.
    jobs: Option<Sender<Job>>,
    signals: Sender<Signal>,
    /// Disconnected when the last of the pool's threads has ended.
    ended: Receiver<()>,
}

impl SigningPool {
    /// Starts a pool on sessions of any kind, a token's or a test's.
    ///
    /// # Errors
    /// The first [`SessionSource::connect`]'s; [`HsmError::Thread`].
    pub fn with_source(source: impl SessionSource, config: PoolConfig) -> Result<Self, HsmError> {
        let mut sessions = source.connect(config.sessions)?;
        let dispatch = match config.dispatch {
            DispatchChoice::Inline => Dispatch::Inline,
            DispatchChoice::Threads => Dispatch::Threads,
            DispatchChoice::Auto => measure(&mut sessions)?,
        };
        let (signals, signals_out) = bounded(4);
        let (alive, ended) = bounded(0);
        let count = config.sessions.get();
        let queue_length = config.queue_length;
        let workers = if dispatch == Dispatch::Threads { count } else { 0 };
        let core = Arc::new(Core::new(Box::new(source), config, signals.clone(), workers));
        core.install(sessions, false);
        let mut pool = Self { core: Arc::clone(&core), dispatch, jobs: None, signals, ended };
        recovery::start(Arc::clone(&core), signals_out, alive.clone())?;
        if dispatch == Dispatch::Threads {
            let (jobs, jobs_out) = bounded(queue_length);
            pool.jobs = Some(jobs);
            for number in 0..workers {
                workers::start(number, Arc::clone(&core), jobs_out.clone(), alive.clone())?;
            }
        }
        Ok(pool)
    }

    /// Where signatures are made.
    #[must_use]
    pub fn dispatch(&self) -> Dispatch {
        self.dispatch
    }

    /// How many sessions sign.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.core.config.sessions.get()
    }

    /// Whether the pool signs now, as [`PoolState::is_up`], for who asks at each request.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.core.is_up() && !(self.core.has_no_free_session() && self.core.is_stalled())
    }

    /// How long a request may take: see [`PoolConfig::deadline`].
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.core.config.deadline
    }

    /// Signs and waits: inline for the signature itself, with threads at most for the deadline.
    ///
    /// The signature is in the form that X.509 and CMS carry, for ECDSA a DER `Ecdsa-Sig-Value`. Whoever gives it away should
    /// look at [`Signature::is_first_of_session`] before.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign_now(&self, message: &[u8]) -> Result<Signature, SignError> {
        if self.jobs.is_none() {
            return self.core.sign(message);
        }
        let (answer, answered) = bounded(1);
        let asked = Instant::now();
        self.submit(message.to_vec(), move |signed| drop(answer.send(signed)))?;
        let deadline = self.core.config.deadline;
        match answered.recv_timeout(deadline) {
            Ok(signed) => signed,
            Err(_) => Err(SignError::DeadlinePassed { waited: asked.elapsed(), deadline }),
        }
    }

    /// Signs and calls back: with threads from one of them, inline from this call itself.
    ///
    /// The callback is called once if this gives `Ok`, and not at all otherwise. It should hand its argument on and
    /// return: the session's thread waits for it.
    ///
    /// # Errors
    /// [`SignError::Busy`], [`SignError::Stalled`], [`SignError::Unavailable`] and [`SignError::Stopped`]; all else goes to
    /// the callback.
    pub fn submit(
        &self,
        message: Vec<u8>,
        done: impl FnOnce(Result<Signature, SignError>) + Send + 'static,
    ) -> Result<(), SignError> {
        let Some(jobs) = &self.jobs else {
            match self.core.sign(&message) {
                Err(
                    refused @ (SignError::Busy { .. }
                    | SignError::Stalled { .. }
                    | SignError::Unavailable { .. }
                    | SignError::Stopped),
                ) => return Err(refused),
                signed => done(signed),
            }
            return Ok(());
        };
        self.core.check_up()?;
        if self.core.has_no_free_session() || !jobs.is_empty() {
            self.core.check_moving()?;
        }
        match jobs.try_send(Job { message, asked: Instant::now(), done: Box::new(done) }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(self.core.busy()),
            Err(TrySendError::Disconnected(_)) => Err(SignError::Stopped),
        }
    }

    /// How the pool is.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.core.state()
    }

    /// What the pool has done so far.
    #[must_use]
    pub fn counters(&self) -> PoolCounters {
        self.core.counters.read()
    }

    /// Takes the pool out of service, because a signature that it gave does not verify. It comes back by itself, through a
    /// new login and a test signature, with new sessions; if such a thing happens again, after pauses that double.
    pub fn distrust(&self) {
        self.core.distrust();
    }

    /// How many requests wait for a session now; 0 inline.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.jobs.as_ref().map_or(0, Sender::len)
    }

    /// Tries to recover at once: a pool that is down, because its PIN was refused or its key replaced, and one that
    /// would have waited. For a person who has put the cause right. [`SigningPool::wait_while_recovering`] waits for how
    /// it went.
    pub fn retry(&self) {
        self.core.leave_down();
        // Where the channel is full, an attempt is about to be made.
        let _ = self.signals.try_send(Signal::Retry);
    }

    /// Closes the free sessions under the pool's feet, as a network HSM does after a while. For tests.
    #[doc(hidden)]
    pub fn dangerous_lose_sessions(&self) {
        self.core.dangerous_lose_sessions();
    }

    /// Waits while the pool is recovering, but no longer than this; how it is then.
    #[must_use]
    pub fn wait_while_recovering(&self, at_most: Duration) -> PoolState {
        self.core.wait_while_recovering(at_most)
    }
}

impl Drop for SigningPool {
    /// Requests that wait get [`SignError::Stopped`]. Threads that are stuck in the module are not waited for; the last of
    /// them closes the sessions, when it comes back.
    fn drop(&mut self) {
        self.core.is_stopping.store(true, Ordering::SeqCst);
        self.jobs = None;
        let _ = self.signals.try_send(Signal::Stop);
        let ended = self.ended.recv_timeout(DROP_PATIENCE);
        if ended == Err(crossbeam_channel::RecvTimeoutError::Disconnected) {
            self.core.drop_sessions();
        }
    }
}

/// By the median: an ML-DSA signature takes a random number of attempts, so that the quickest says little.
fn measure(sessions: &mut [Box<dyn SigningSession>]) -> Result<Dispatch, HsmError> {
    // Whoever signs inline finds a session only if there is one for each thread that may.
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let has_one_for_each = sessions.len() > threads;
    let Some(session) = sessions.first_mut() else { return Ok(Dispatch::Inline) };
    let mut times = [Duration::ZERO; MEASUREMENTS];
    let (began, began_cpu) = (Instant::now(), thread_cpu_time());
    for time in &mut times {
        let began = Instant::now();
        session.sign(source::TEST_MESSAGE)?;
        *time = began.elapsed();
    }
    let (elapsed, cpu) = (began.elapsed(), thread_cpu_time().saturating_sub(began_cpu));
    times.sort_unstable();
    let median = times.get(MEASUREMENTS / 2).copied().unwrap_or_default();
    // Three quarters: the rest may be another process's, on a busy machine.
    let is_busy = cpu.saturating_mul(4) > elapsed.saturating_mul(3);
    Ok(suited_to(median, is_busy && has_one_for_each))
}

/// How signatures that take so long are best made; `keeps_busy` where it is the processor that takes it.
fn suited_to(signature: Duration, keeps_busy: bool) -> Dispatch {
    let limit = if keeps_busy { BUSY_INLINE_LIMIT } else { INLINE_LIMIT };
    if signature < limit { Dispatch::Inline } else { Dispatch::Threads }
}

/// Processor time of this thread.
fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds)
        .saturating_add(Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
