//! The ledger of the running authority: opened after the TSUs, told of every reload, read by clients.

use std::sync::{Arc, PoisonError};

use super::{Attesting, Authority, AuthorityError, Running};
use crate::config::{Config, LedgerSetting};
use crate::ledger::served::{LedgerAnswer, LedgerRequest};
use crate::ledger::{AuthorityLedger, Beginning, LedgerError, PastLedger, events, gap};

/// How a ledger is kept does not change while it runs.
pub(super) fn check_reload(before: &Config, after: &Config) -> Result<(), LedgerError> {
    if before.ledger == after.ledger { Ok(()) } else { Err(LedgerError::NeedsRestart) }
}

impl Authority {
    /// The ledger, if one is kept.
    #[must_use]
    pub fn ledger(&self) -> Option<&Arc<AuthorityLedger>> {
        self.ledger.as_ref()
    }

    /// What is asked for under `/ledger/`.
    pub async fn ledger_file(&self, request: LedgerRequest) -> LedgerAnswer {
        match (&self.ledger, &self.past) {
            (Some(ledger), _) => Arc::clone(ledger).answer(request).await,
            (None, Some(past)) => Arc::clone(past).answer(request).await,
            (None, None) => LedgerAnswer::NoLedger,
        }
    }

    /// Opens the ledger, and records the start and the first state of the clock; or leaves a mark that it is off.
    pub(super) fn open_ledger(&mut self) -> Result<(), AuthorityError> {
        let running = self.running.load_full();
        let now = self.clock.unverified_time();
        let LedgerSetting::Kept(kept) = &running.config.ledger else {
            gap::note_off(&self.layout, &running.config.ledger, now)?;
            self.past = PastLedger::open(&self.layout);
            return Ok(());
        };
        let tokens = self.tokens.get_mut().unwrap_or_else(PoisonError::into_inner);
        let ledger = AuthorityLedger::open(
            &self.layout,
            &running.config,
            kept,
            tokens,
            &self.metrics,
            now,
            Beginning::Refused,
        )?;
        // A disk that is full now is no reason not to start: nothing is issued meanwhile, and `/readyz` says so.
        let _ = ledger.record_events(events::started(&running.tsus, running.config.digest, now));
        ledger.note_clock(&self.clock);
        self.ledger = Some(Arc::new(ledger));
        Ok(())
    }

    /// Checks what [`Authority::rehearse`] leaves out: the ledger's keys and permissions.
    ///
    /// # Errors
    /// [`AuthorityError::Ledger`].
    pub fn check_ledger(&self) -> Result<(), AuthorityError> {
        let running = self.running.load_full();
        let LedgerSetting::Kept(kept) = &running.config.ledger else { return Ok(()) };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(AuthorityLedger::rehearse(&self.layout, &running.config, kept, &mut tokens)?)
    }

    /// Records what a reload changes, before a token is issued by what is new. What the disk does not take now is recorded
    /// before the next checkpoint.
    pub(super) fn record_reload(&self, before: &Running, after: &Running, attesting: &Attesting) {
        let Some(ledger) = &self.ledger else { return };
        let now = self.clock.unverified_time();
        let mut events = events::reloaded(&before.tsus, &after.tsus, after.config.digest, now);
        // A chain that is out of reach for a while has not been installed anew when it is back.
        if let (Some(before), Some(after)) = (self.attesting.load().attester(), attesting.attester()) {
            events.extend(events::chains_installed(Some(before), Some(after), now));
        }
        let _ = ledger.record_events(events);
    }
}
