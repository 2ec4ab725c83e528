//! What the committing thread tells: to the metrics, and to the log when writing begins to fail and when it works again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use attestamp_ledger::ledger::{CommitObserver, RecordError, TornTail};

use crate::metrics::Metrics;

/// Told of each commit.
#[derive(Debug)]
pub(super) struct Observer {
    metrics: Arc<Metrics>,
    is_failing: AtomicBool,
    /// What was set aside while running, until somebody records it.
    repairs: Mutex<Vec<TornTail>>,
}

impl Observer {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, is_failing: AtomicBool::new(false), repairs: Mutex::default() }
    }

    /// What was set aside since the last call.
    pub(super) fn take_repairs(&self) -> Vec<TornTail> {
        std::mem::take(&mut *self.repairs.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CommitObserver for Observer {
    fn committed(&self, entries: usize, _bytes: usize, duration: Duration) {
        let metrics = &self.metrics.ledger;
        metrics.commit_duration.observe(duration);
        metrics.commit_entries.add(u64::try_from(entries).unwrap_or(u64::MAX));
    }

    fn failed(&self, error: &RecordError) {
        self.metrics.ledger.commit_failures.increment();
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(
                error = crate::log::chain(error),
                "no tokens are issued: the ledger cannot be written"
            );
        }
    }

    fn repaired(&self, torn: &TornTail) {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner).push(torn.clone());
    }

    fn resumed(&self) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the ledger can be written again: tokens are issued");
        }
    }
}
