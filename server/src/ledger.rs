//! The ledger of a running authority: every token on record before it leaves, with the state of the clock that it rests on.
//!
//! ```text
//! recording    one token's entry, and waiting until it is durable (E4, E5)           the request path
//! clock_state  the state of the clock in force, recorded once a sample (F7)          the request path
//! events       starts, stops, keys, certificates, configuration (E8)
//! gap          times for which it was switched off, marked then and on record afterwards (E8)
//! signers      the keys that sign checkpoints, through `hsm` alone (E3)
//! checkpoints  when, and what happens where a key fails (E2)
//! keys         made by `init` and `ledger init`; the verifier keys on disk
//! offline      commands that change keys while no server runs
//! past         served as it was while it is switched off
//! permissions  nobody else may write to it
//! served       what is read under `/ledger/`
//! observer     metrics and the log
//! verification reads all of it once after the start
//! ```
//!
//! What a leaf is, how it reaches the disk and what a proof is, is the business of `attestamp_ledger`. A token that is not on
//! record is not released; an entry without its token may be there, where the server ended or the client left in between.

mod checkpoints;
mod clock_state;
mod error;
pub mod events;
pub mod gap;
pub mod keys;
mod observer;
pub mod offline;
mod past;
mod permissions;
mod recording;
pub mod served;
mod signers;
mod verification;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use attestamp_certs::UnixTime;
use attestamp_ledger::ledger::{LedgerHealth, LedgerStatistics, ReadError, RecordError, Recovery, TornTail};
use attestamp_ledger::reader::VerifyError;
use attestamp_ledger::{Entry, EventEntry, EventKind, Ledger, LedgerConfig as StoreConfig, VerifierKey};
use tokio::sync::Semaphore;

use crate::clock::ClockGate;
use crate::config::{Config, LedgerConfig};
use crate::data_folder::Layout;
use crate::metrics::Metrics;
use crate::tokens::Tokens;
use checkpoints::CheckpointWatch;
use clock_state::ClockStates;
use observer::Observer;
use signers::Signers;

pub use checkpoints::{CheckpointFailed, keep as keep_checkpoints};
pub use clock_state::ClockState;
pub use error::LedgerError;
pub use past::PastLedger;
pub use recording::{NotReleased, TokenRecord};
pub use verification::LedgerVerification;

/// Between two attempts to write where writing fails.
const RETRY: Duration = Duration::from_secs(1);
/// Files that are read for clients at the same time: the threads that may block have other work.
const READS_AT_ONCE: usize = 8;

/// Whether a ledger that is not there is begun. A server never does that: a disk that is not mounted, or a folder that was
/// removed, would become a second ledger under the name of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// By `init` and `ledger init`.
    Allowed,
    /// By everything else.
    Refused,
}

/// The ledger of a running authority.
#[derive(Debug)]
pub struct AuthorityLedger {
    ledger: Ledger,
    config: LedgerConfig,
    /// All that sign or have signed.
    keys: Vec<VerifierKey>,
    signers: Signers,
    clock_states: ClockStates,
    /// Events that could not be recorded yet.
    outbox: Mutex<Vec<EventEntry>>,
    /// The mark that is to be removed once the times for which the ledger was off are on record.
    off_mark: Mutex<Option<PathBuf>>,
    watch: CheckpointWatch,
    observer: Arc<Observer>,
    reads: Arc<Semaphore>,
    /// What a look at all of it found wrong: nothing is recorded or signed for any more.
    altered: OnceLock<String>,
}

impl AuthorityLedger {
    /// Opens the ledger of a data folder and the keys that sign its checkpoints. `now` dates what opening repaired.
    ///
    /// # Errors
    /// [`LedgerError`]: a ledger that was altered, or set back to an older copy, is not gone on with.
    pub fn open(
        layout: &Layout,
        config: &Config,
        kept: &LedgerConfig,
        tokens: &mut Tokens,
        metrics: &Arc<Metrics>,
        now: UnixTime,
        beginning: Beginning,
    ) -> Result<Self, LedgerError> {
        permissions::check(&layout.ledger(), &kept.anchor_file)?;
        let signers = Signers::open(kept, &config.tokens, tokens)?;
        let keys = keys::read(layout)?;
        signers.check_listed(&keys, &layout.ledger_keys())?;
        let observer = Arc::new(Observer::new(Arc::clone(metrics)));
        let store = store_config(kept, keys.clone(), &observer, beginning);
        let folder = layout.ledger();
        let (ledger, recovery) = Ledger::open(&folder, &kept.anchor_file, store)
            .map_err(|source| LedgerError::Open { folder: folder.clone(), source })?;
        let opened = Self {
            ledger,
            config: kept.clone(),
            keys,
            signers,
            clock_states: ClockStates::default(),
            outbox: Mutex::default(),
            off_mark: Mutex::default(),
            watch: CheckpointWatch::new(),
            observer,
            reads: Arc::new(Semaphore::new(READS_AT_ONCE)),
            altered: OnceLock::new(),
        };
        opened.tell_recovery(&recovery, now);
        opened.tell_gaps(layout, now)?;
        Ok(opened)
    }

    /// Whether the keys are there and sign, nobody else may write, and the ledger would be opened, without opening it: for a
    /// check, beside a server. Nothing is written.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn rehearse(
        layout: &Layout,
        config: &Config,
        kept: &LedgerConfig,
        tokens: &mut Tokens,
    ) -> Result<(), LedgerError> {
        permissions::check(&layout.ledger(), &kept.anchor_file)?;
        let signers = Signers::open(kept, &config.tokens, tokens)?;
        let keys = keys::read(layout)?;
        signers.check_listed(&keys, &layout.ledger_keys())?;
        let observer = Arc::new(Observer::new(Arc::default()));
        let store = store_config(kept, keys, &observer, Beginning::Refused);
        let folder = layout.ledger();
        match Ledger::rehearse(&folder, &kept.anchor_file, &store) {
            Ok(_) => Ok(()),
            Err(source) => Err(LedgerError::Open { folder, source }),
        }
    }

    /// Records events and waits for the disk. What cannot be recorded now is recorded before the next checkpoint.
    ///
    /// # Errors
    /// The first event's that was not recorded.
    pub fn record_events(&self, events: Vec<EventEntry>) -> Result<(), RecordError> {
        let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.extend(events);
        let now = crate::clock::system_time();
        outbox.extend(self.observer.take_repairs().iter().map(|torn| repaired(torn, now)));
        let waiting: Vec<_> = std::mem::take(&mut *outbox)
            .into_iter()
            .map(|event| {
                let entry = Entry::Event(event);
                let (_, recorded) = self.ledger.record_entry(&entry);
                (entry, recorded)
            })
            .collect();
        let mut first = Ok(());
        for (entry, recorded) in waiting {
            if let Err(error) = recorded.wait() {
                if let Entry::Event(event) = entry {
                    outbox.push(event);
                }
                first = first.and(Err(error));
            }
        }
        if !outbox.iter().any(|event| event.kind == EventKind::Interrupted) {
            self.remove_off_mark();
        }
        first
    }

    /// Looks at the clock and records its state where that has changed, or nothing was recorded for a minute; and the
    /// steps and leap seconds that it has seen.
    pub fn note_clock(&self, clock: &ClockGate) {
        let seen = self.clock_states.note(&self.ledger, clock);
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).extend(seen);
    }

    /// Ends it in order: the stop is recorded, and the last checkpoint covers everything. What fails is logged.
    pub fn close(&self, now: UnixTime) {
        if let Err(error) = self.record_events(vec![events::event(EventKind::Stopped, "attestamp", now)]) {
            tracing::error!(error = crate::log::chain(&error), "the stop is not on record");
        }
        if let Err(error) = self.checkpoint(now) {
            tracing::error!(
                error = crate::log::chain(&error),
                "the last checkpoint is missing: the next start makes it"
            );
        }
    }

    /// Reads and hashes all of it: the start has done so with the last segment alone. For a thread of its own; ends soon
    /// after `stop` is set. What does not hold is logged, and from then on nothing is recorded and no checkpoint signed.
    pub fn verify(&self, stop: &AtomicBool) {
        match self.ledger.verify(stop) {
            Ok(verified) => tracing::info!(entries = verified.size, "the whole ledger was verified"),
            Err(VerifyError::Stopped) => {}
            Err(VerifyError::Read(error @ ReadError::Storage(_))) => {
                let error = crate::log::chain(&error);
                tracing::warn!(error, "the ledger could not be read for its verification");
            }
            Err(error) => {
                let found = crate::log::chain(&error);
                tracing::error!(
                    error = found,
                    "THE LEDGER WAS ALTERED OR IS DAMAGED: nothing is recorded any more, and so no token is issued"
                );
                let _ = self.altered.set(found);
            }
        }
    }

    /// What the verification of the whole ledger found wrong.
    #[must_use]
    pub fn altered(&self) -> Option<&str> {
        self.altered.get().map(String::as_str)
    }

    /// Whether entries can be recorded.
    #[must_use]
    pub fn health(&self) -> LedgerHealth {
        self.ledger.health()
    }

    /// Figures for metrics.
    #[must_use]
    pub fn statistics(&self) -> LedgerStatistics {
        self.ledger.statistics()
    }

    /// How it is kept.
    #[must_use]
    pub fn config(&self) -> &LedgerConfig {
        &self.config
    }

    /// The keys that sign its checkpoints, and those that have.
    #[must_use]
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// Has the signing keys' sessions lost, as a module that restarts does. For tests.
    #[doc(hidden)]
    pub fn dangerous_lose_signers(&self) {
        self.signers.dangerous_lose_sessions();
    }

    /// Holds up what is being recorded until the value is dropped, as a disk does that hangs. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn dangerous_stall(&self) -> impl Drop + '_ {
        self.ledger.dangerous_stall()
    }

    fn tell_recovery(&self, recovery: &Recovery, now: UnixTime) {
        tracing::info!(
            origin = self.config.origin,
            entries = recovery.size,
            after_checkpoint = recovery.after_checkpoint,
            "ledger opened"
        );
        if let Some(torn) = &recovery.torn {
            self.outbox.lock().unwrap_or_else(PoisonError::into_inner).push(repaired(torn, now));
        }
    }

    /// Has the times recorded for which it was off.
    fn tell_gaps(&self, layout: &Layout, now: UnixTime) -> Result<(), LedgerError> {
        let gaps = gap::end(layout, &self.config.origin, now)?;
        for gap in &gaps {
            tracing::warn!(
                detail = &*gap.detail,
                "the ledger was switched off for a time: that goes on record"
            );
        }
        if !gaps.is_empty() {
            self.outbox.lock().unwrap_or_else(PoisonError::into_inner).extend(gaps);
            *self.off_mark.lock().unwrap_or_else(PoisonError::into_inner) = Some(layout.ledger_off_file());
        }
        Ok(())
    }

    /// Where it cannot be removed, it is tried again: the next start would record the same again.
    fn remove_off_mark(&self) {
        let mut mark = self.off_mark.lock().unwrap_or_else(PoisonError::into_inner);
        match mark.as_deref().map(gap::remove) {
            Some(Err(error)) => {
                tracing::warn!(%error, "the mark of the ledger that was off is not removed yet")
            }
            Some(Ok(())) | None => *mark = None,
        }
    }
}

fn store_config(
    kept: &LedgerConfig,
    keys: Vec<VerifierKey>,
    observer: &Arc<Observer>,
    beginning: Beginning,
) -> StoreConfig {
    StoreConfig {
        origin: kept.origin.as_str().into(),
        keys,
        segment_bytes: kept.segment_octets,
        segment_monthly: kept.segment_monthly,
        retry: RETRY,
        begin: beginning == Beginning::Allowed,
        observer: Arc::<Observer>::clone(observer),
    }
}

/// A torn end was set aside; told to the log too.
fn repaired(torn: &TornTail, now: UnixTime) -> EventEntry {
    let kept_in = torn.kept_in.display();
    let detail = format!("{} octets of an interrupted write were set aside in {kept_in}", torn.bytes);
    tracing::warn!(
        segment = torn.segment,
        detail,
        "the ledger's end was repaired: no released token is concerned"
    );
    EventEntry {
        detail: events::clipped(&detail, events::MAX_DETAIL_OCTETS),
        ..events::event(EventKind::Repaired, &format!("segment {}", torn.segment), now)
    }
}
