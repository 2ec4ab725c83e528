//! The whole ledger is read and hashed once after each start, beside the requests: the start itself does so with the last
//! segment alone, since a ledger may be many gibibytes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use super::AuthorityLedger;

/// The thread that reads. Dropping it breaks the reading off.
#[derive(Debug)]
pub struct LedgerVerification {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LedgerVerification {
    /// Begins to read.
    ///
    /// # Errors
    /// The system's, if no thread can be made.
    pub fn start(ledger: Arc<AuthorityLedger>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread =
            Builder::new().name("ledger-verify".to_owned()).spawn(move || ledger.verify(&stopped))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for LedgerVerification {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}
