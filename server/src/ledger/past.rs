//! A ledger that the operator has switched off, served as it was: what is on record stays provable.
//!
//! It is opened to be read and no more. No checkpoint comes while it is off.

use std::sync::Arc;

use attestamp_ledger::VerifierKey;
use attestamp_ledger::ledger::ReadError;
use attestamp_ledger::reader::StillLedger;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::served::{LedgerAnswer, LedgerRequest, answer_of, read_on_a_thread};
use super::{READS_AT_ONCE, keys};
use crate::data_folder::Layout;

/// What waits for a checkpoint is asked for again so much later, in seconds: somebody must switch the ledger on first.
const RETRY_SECONDS: u32 = 3600;

/// The ledger of a data folder, to be read.
#[derive(Debug)]
pub struct PastLedger {
    ledger: StillLedger,
    keys: Vec<VerifierKey>,
    reads: Arc<Semaphore>,
}

impl PastLedger {
    /// Opens it, if the data folder has one that can be read. What is wrong with it is logged: nothing depends on it.
    #[must_use]
    pub fn open(layout: &Layout) -> Option<Arc<Self>> {
        if !layout.ledger().exists() {
            return None;
        }
        let warn =
            |error: String| tracing::warn!(error, "what is on record is not served while the ledger is off");
        let keys = keys::read(layout).map_err(|error| warn(crate::log::chain(&error))).ok()?;
        let ledger =
            StillLedger::open(&layout.ledger()).map_err(|error| warn(crate::log::chain(&error))).ok()??;
        Some(Arc::new(Self { ledger, keys, reads: Arc::new(Semaphore::new(READS_AT_ONCE)) }))
    }

    /// Answers a client. Dropping the future is safe at any point.
    pub async fn answer(self: Arc<Self>, request: LedgerRequest) -> LedgerAnswer {
        match request {
            LedgerRequest::Checkpoint => {
                LedgerAnswer::Found(Bytes::copy_from_slice(self.ledger.checkpoint().note().as_bytes()))
            }
            LedgerRequest::Keys => LedgerAnswer::keys(&self.keys),
            LedgerRequest::Tile(path) => {
                self.read(move |past| {
                    Ok(past
                        .ledger
                        .tile(path)?
                        .map_or(LedgerAnswer::Unknown, |tile| LedgerAnswer::Found(tile.into())))
                })
                .await
            }
            LedgerRequest::Proof(serial) => {
                self.read(move |past| Ok(answer_of(past.ledger.prove(&serial)?, RETRY_SECONDS))).await
            }
        }
    }

    async fn read(
        self: Arc<Self>,
        read: impl FnOnce(&Self) -> Result<LedgerAnswer, ReadError> + Send + 'static,
    ) -> LedgerAnswer {
        let reads = Arc::clone(&self.reads);
        read_on_a_thread(reads, move || read(&self)).await
    }
}
