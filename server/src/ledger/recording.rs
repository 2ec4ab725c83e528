//! One token's entry, and waiting until it is durable: nothing is released before (E4, E5).

use std::time::Duration;

use attestamp_ledger::ledger::{LedgerHealth, RecordError};
use attestamp_ledger::{Hash, TokenEntry};
use attestamp_tsa::{PolicyOid, Serial, TimeStampToken, UtcInstant};

use super::{AuthorityLedger, ClockState};
use crate::clock::{ClockGate, ClockRefusal, TooLate};

/// A token that is to go on record.
#[derive(Debug)]
pub struct TokenRecord {
    entry: TokenEntry,
    gen_time: UtcInstant,
    accuracy: Duration,
    clock: ClockState,
}

/// Why a token is not released.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotReleased {
    /// The ledger does not take it.
    #[error("the token is not on record")]
    Ledger(#[from] RecordError),
    /// The state of the clock that it refers to was lost with a write that failed.
    #[error("the clock's state that the token refers to is not on record")]
    ClockState,
    /// The disk took longer than the accuracy allows.
    #[error("the token is on record, and too old to be released")]
    Late(#[from] TooLate),
    /// The disk has not answered for so long that the token would be too old.
    #[error("the ledger has not taken the token for {} s: its disk does not answer", waited.as_secs())]
    Stalled {
        /// For how long.
        waited: Duration,
    },
    /// The ledger takes nothing at present, which was logged when it began.
    #[error("the ledger takes nothing at present")]
    Closed,
}

impl TokenRecord {
    /// What the ledger is told of a finished token, and the accuracy within which it must be released.
    #[must_use]
    pub fn new(
        token: &TimeStampToken,
        certificate_hash: Hash,
        serial: Serial,
        (gen_time, accuracy): (UtcInstant, Duration),
        policy: &PolicyOid,
        clock: ClockState,
    ) -> Self {
        let entry = TokenEntry {
            token_hash: Hash::of(token.as_der()),
            serial: serial.as_bytes().as_slice().into(),
            gen_time_microseconds: gen_time.unix_microseconds(),
            certificate_hash,
            policy: policy.oid().content().into(),
            clock_state: clock.leaf(),
        };
        Self { entry, gen_time, accuracy, clock }
    }

    /// Once it is durable: so must be what it refers to.
    fn check(&self, clock: &ClockGate) -> Result<(), NotReleased> {
        if !self.clock.is_durable() {
            return Err(NotReleased::ClockState);
        }
        Ok(clock.check_age(self.gen_time, self.accuracy)?)
    }
}

impl AuthorityLedger {
    /// The state of the clock that a token rests on which is issued now: on record before the token.
    ///
    /// # Errors
    /// Why there is no token now, if the clock has become untrusted since it was asked.
    pub fn clock_state(&self, clock: &ClockGate) -> Result<ClockState, ClockRefusal> {
        self.clock_states.for_token(&self.ledger, clock)
    }

    /// Puts a token on record, and the one nested in it, in one batch, and waits until both are durable; genTime must still be
    /// within the accuracy then.
    ///
    /// # Errors
    /// [`NotReleased`].
    pub async fn record(
        &self,
        token: &TokenRecord,
        nested: Option<&TokenRecord>,
        clock: &ClockGate,
    ) -> Result<(), NotReleased> {
        let waited = token.accuracy;
        let durable = async {
            let nested = nested.map(|nested| (nested, self.ledger.record(&nested.entry)));
            let recorded = self.ledger.record(&token.entry);
            if let Some((nested, recorded)) = nested {
                recorded.await?;
                nested.check(clock)?;
            }
            recorded.await?;
            token.check(clock)
        };
        tokio::time::timeout(waited, durable).await.unwrap_or(Err(NotReleased::Stalled { waited }))
    }

    /// Whether a token could go on record: before a signature is spent on it. Cheap.
    ///
    /// # Errors
    /// [`NotReleased::Closed`], which is not to be logged for each request.
    pub fn check_open(&self) -> Result<(), NotReleased> {
        let is_open = self.altered.get().is_none() && matches!(self.ledger.health(), LedgerHealth::Good);
        if is_open { Ok(()) } else { Err(NotReleased::Closed) }
    }
}
