//! Checkpoints: at an interval and at the end, signed by every key, on a thread that may wait for the token.
//!
//! Issuing does not wait for them. A key that fails is tried again at the next interval; the log says when it begins and
//! when it ends, and `/readyz` warns once a checkpoint is overdue.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use attestamp_certs::UnixTime;
use attestamp_hsm::SignError;
use attestamp_ledger::checkpoint::CheckpointError;
use attestamp_ledger::ledger::PublishError;
use tokio::time::{MissedTickBehavior, interval};

use super::AuthorityLedger;
use crate::clock::{ClockGate, SAMPLE_INTERVAL};

/// Intervals after which a checkpoint is overdue.
const OVERDUE_INTERVALS: u32 = 3;

/// Why there is no new checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointFailed {
    /// A key does not sign.
    #[error("ledger.{setting} does not sign the checkpoint")]
    Sign {
        /// `key` or `pq-key`.
        setting: &'static str,
        /// Why.
        #[source]
        source: SignError,
    },
    /// A signature does not verify.
    #[error("the signed checkpoint does not verify, and is not published")]
    Signature(#[from] CheckpointError),
    /// The ledger is not what was signed for.
    #[error("the ledger was altered: nothing is signed for it")]
    Altered,
    /// It could not be made durable.
    #[error("the checkpoint is not published")]
    Publish(#[from] PublishError),
}

/// When a checkpoint was last made, or none was due.
#[derive(Debug)]
pub(super) struct CheckpointWatch(Mutex<Watched>);

#[derive(Debug)]
struct Watched {
    last_good: Instant,
    is_failing: bool,
}

impl CheckpointWatch {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Watched { last_good: Instant::now(), is_failing: false }))
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuthorityLedger {
    /// Signs and publishes every checkpoint that is due, that of each finished segment among them. Waits for the token
    /// and the disk: not for a thread that serves connections. Returns how many there were.
    ///
    /// # Errors
    /// The first that failed; those before it are published.
    pub fn checkpoint(&self, now: UnixTime) -> Result<usize, CheckpointFailed> {
        if self.altered().is_some() {
            return Err(CheckpointFailed::Altered);
        }
        // Failing is told by `health`: what could not be recorded now waits for the next time.
        let _ = self.record_events(Vec::new());
        let made = self.publish_due(now);
        let mut watched = self.watch.lock();
        match &made {
            Ok(_) => {
                watched.last_good = Instant::now();
                if std::mem::take(&mut watched.is_failing) {
                    tracing::info!("the ledger's checkpoints are signed again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut watched.is_failing, true) {
                    let error = crate::log::chain(error);
                    tracing::error!(
                        error,
                        "no checkpoint of the ledger: tokens are issued, and their proofs wait"
                    );
                }
            }
        }
        made
    }

    /// For how long a checkpoint has been due, if that is too long.
    #[must_use]
    pub fn checkpoint_overdue(&self) -> Option<Duration> {
        let waited = self.watch.lock().last_good.elapsed();
        let limit = self.config.checkpoint_interval.saturating_mul(OVERDUE_INTERVALS);
        (waited > limit && self.ledger.has_due_checkpoint()).then_some(waited)
    }

    fn publish_due(&self, now: UnixTime) -> Result<usize, CheckpointFailed> {
        let mut published = 0;
        // What comes in meanwhile is the next call's: the first is that of a segment, or of all that there is now.
        let enough = self.ledger.statistics().size;
        while let Some(due) = self.ledger.due_checkpoint() {
            let size = due.size;
            self.ledger.publish(self.signers.sign(due, now)?)?;
            published += 1;
            if size >= enough {
                break;
            }
        }
        Ok(published)
    }
}

/// Makes checkpoints and watches the clock until it is dropped.
pub async fn keep(ledger: Arc<AuthorityLedger>, clock: Arc<ClockGate>) {
    let mut checkpoint = interval(ledger.config.checkpoint_interval);
    let mut look = interval(SAMPLE_INTERVAL);
    checkpoint.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => ledger.note_clock(&clock),
            _ = checkpoint.tick() => {
                let (ledger, now) = (Arc::clone(&ledger), clock.unverified_time());
                // A failure is logged where it happens.
                let _ = tokio::task::spawn_blocking(move || ledger.checkpoint(now)).await;
            }
        }
    }
}
