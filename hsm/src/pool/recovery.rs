//! Bringing a pool back: one thread that sleeps until something is wrong, and looks itself where nothing is signed.
//!
//! The first attempt is made at once; then the pauses double, from the configured least to the configured most. They
//! shrink again only after a request has been signed: a token that passes the test signature and fails every other is
//! not opened anew for each of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use tracing::{info, warn};

use super::core::{Core, Probe, guarded};
use super::refusal::{PoolState, chain};
use crate::error::{HsmError, Remedy};

/// What wakes the thread.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signal {
    /// A signature failed, and the pool is out of service.
    Fault,
    /// A person asks for an attempt.
    Retry,
    /// The pool is being dropped.
    Stop,
}

pub(crate) fn start(core: Arc<Core>, signals: Receiver<Signal>, alive: Sender<()>) -> Result<(), HsmError> {
    let thread = std::thread::Builder::new().name("sign-recovery".to_owned());
    let body = move || {
        Recovery { core, signals, pause: Duration::ZERO, signatures_before: 0 }.run();
        drop(alive);
    };
    thread.spawn(body).map(drop).map_err(HsmError::Thread)
}

struct Recovery {
    core: Arc<Core>,
    signals: Receiver<Signal>,
    /// Before the next attempt.
    pause: Duration,
    /// How many signatures there were when the pool came up last.
    signatures_before: u64,
}

impl Recovery {
    fn run(mut self) {
        let mut signatures_seen = 0;
        let mut signed_at = Instant::now();
        loop {
            let signal = match self.signals.recv_timeout(self.core.config.probe_interval) {
                Ok(signal) => signal,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    let signatures = self.core.counters.read().signatures;
                    // What is wrong comes back as a signal.
                    if self.core.config.signature_interval.is_some_and(|least| signed_at.elapsed() >= least) {
                        self.core.probe(Probe::Sign);
                        signed_at = Instant::now();
                    } else if signatures == signatures_seen {
                        self.core.probe(Probe::Look);
                    }
                    signatures_seen = signatures;
                    continue;
                }
            };
            if self.core.is_stopping.load(Ordering::SeqCst) {
                return;
            }
            match signal {
                Signal::Stop => return,
                Signal::Fault => {
                    let is_distrusted = self.core.is_distrusted.swap(false, Ordering::SeqCst);
                    if !is_distrusted && self.core.counters.read().signatures != self.signatures_before {
                        self.pause = Duration::ZERO;
                    }
                    self.recover();
                }
                Signal::Retry => {
                    if !self.core.is_up() {
                        self.core.source.forgive();
                        self.pause = Duration::ZERO;
                        self.recover();
                    }
                }
            }
        }
    }

    fn recover(&mut self) {
        let mut attempts = 0_u32;
        loop {
            if !self.pause.is_zero() {
                match self.signals.recv_timeout(self.pause) {
                    Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                    Ok(Signal::Retry) => self.core.source.forgive(),
                    Ok(Signal::Fault) | Err(RecvTimeoutError::Timeout) => {}
                }
            }
            if self.core.is_stopping.load(Ordering::SeqCst) {
                return;
            }
            self.core.drop_sessions();
            self.pause =
                (self.pause * 2).clamp(self.core.config.backoff_minimum, self.core.config.backoff_maximum);
            match guarded(|| self.core.source.connect(self.core.config.sessions)) {
                Ok(sessions) => {
                    info!(attempts, "the signing pool is up again");
                    self.signatures_before = self.core.counters.read().signatures;
                    self.core.install(sessions, true);
                    return;
                }
                Err(error) if error.remedy() == Remedy::StayDown => {
                    warn!(error = chain(&error), "the signing pool stays down until somebody has looked");
                    self.core.set_state(PoolState::Down { reason: Arc::new(error) });
                    return;
                }
                Err(error) => {
                    attempts = attempts.saturating_add(1);
                    warn!(
                        error = chain(&error),
                        attempts,
                        pause_ms = self.pause.as_millis(),
                        "the signing pool cannot recover yet"
                    );
                    self.core.set_state(PoolState::Recovering { reason: Arc::new(error), attempts });
                }
            }
        }
    }
}
