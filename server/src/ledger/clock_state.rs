//! The state of the clock in force, on record before the first token that rests on it (F7).
//!
//! A state is recorded when the first token is asked for after a new sample, when the verdict changes, and once a minute
//! where nothing happens. On the request path this is one look at what is recorded already; the first request after a
//! sample records for all of them.
//!
//! A state that was lost with a write that failed must not be what a token refers to: once a token is durable, so must its
//! state be, which was put into the same batch or into one before.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use attestamp_kernel_clock::{KernelClockReading, KernelClockState};
use attestamp_ledger::entry::{ClockAssurance, ClockVerdict, KernelState, NetworkState};
use attestamp_ledger::{ClockEntry, Entry, EventEntry, EventKind, Hash, Ledger, Recorded};

use super::events;
use crate::clock::check::CheckHistory;
use crate::clock::{Agreement, ClockGate, ClockRefusal, ClockSnapshot, NetworkReading};

/// After which a state is recorded although nothing has changed.
const IDLE: Duration = Duration::from_secs(60);
/// Octets that a reason may have (`ClockEntry::reason`).
const MAX_REASON_OCTETS: usize = 255;

/// The state that a token refers to.
#[derive(Debug, Clone)]
pub struct ClockState(Arc<InForce>);

/// The states recorded by this process.
#[derive(Debug, Default)]
pub(super) struct ClockStates {
    in_force: ArcSwapOption<InForce>,
    /// What the clock had seen. Taken to record; not where the state in force is on record.
    turn: Mutex<CheckHistory>,
}

/// A state that was put on record.
#[derive(Debug)]
struct InForce {
    leaf: Hash,
    is_durable: AtomicBool,
    /// `None` once it is decided.
    waiting: Mutex<Option<Recorded>>,
    sample: u64,
    boottime: Duration,
    verdict: ClockVerdict,
    /// What spoke against the time, in fixed words.
    codes: Vec<&'static str>,
}

impl ClockStates {
    /// The state in force now, for a token.
    pub(super) fn for_token(&self, ledger: &Ledger, clock: &ClockGate) -> Result<ClockState, ClockRefusal> {
        let known = |sample: u64| {
            let in_force = self.in_force.load();
            let good = in_force.as_ref().filter(|known| {
                known.sample == sample && known.verdict != ClockVerdict::Refused && !known.is_lost()
            });
            good.map(|known| ClockState(Arc::clone(known)))
        };
        if let Some(state) = known(clock.samples_total()) {
            return Ok(state);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever had the turn before has recorded it.
        if let Some(state) = known(clock.samples_total()) {
            return Ok(state);
        }
        let snapshot = clock.snapshot();
        match snapshot.refusals.first() {
            Some(refusal) => Err(*refusal),
            None => Ok(self.record(ledger, &snapshot)),
        }
    }

    /// Records the state where its verdict has changed, or after a minute. Returns what the clock has seen since the last
    /// call.
    pub(super) fn note(&self, ledger: &Ledger, clock: &ClockGate) -> Vec<EventEntry> {
        let mut seen = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = clock.snapshot();
        let is_known = self.in_force.load().as_ref().is_some_and(|known| {
            let age = snapshot.sample_clocks.boottime.saturating_sub(known.boottime);
            known.verdict == verdict(&snapshot)
                && known.codes == codes(&snapshot)
                && age < IDLE
                && !known.is_lost()
        });
        if !is_known {
            self.record(ledger, &snapshot);
        }
        let before = std::mem::replace(&mut *seen, snapshot.history);
        changes(before, &snapshot)
    }

    fn record(&self, ledger: &Ledger, snapshot: &ClockSnapshot) -> ClockState {
        let (leaf, recorded) = ledger.record_entry(&Entry::Clock(entry(snapshot)));
        let in_force = Arc::new(InForce {
            leaf,
            is_durable: AtomicBool::new(false),
            waiting: Mutex::new(Some(recorded)),
            sample: snapshot.samples_total,
            boottime: snapshot.sample_clocks.boottime,
            verdict: verdict(snapshot),
            codes: codes(snapshot),
        });
        self.in_force.store(Some(Arc::clone(&in_force)));
        ClockState(in_force)
    }
}

impl ClockState {
    /// Its leaf's hash.
    pub(super) fn leaf(&self) -> Hash {
        self.0.leaf
    }

    /// Whether it is on record, asked by who put something on record after it.
    pub(super) fn is_durable(&self) -> bool {
        !self.0.is_lost() && self.0.is_durable.load(Ordering::Acquire)
    }
}

impl InForce {
    /// Whether its write has failed. One that is still to be written is not lost.
    fn is_lost(&self) -> bool {
        if self.is_durable.load(Ordering::Acquire) {
            return false;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(recorded) = waiting.as_mut() else {
            // Decided by another thread, between the look above and the lock.
            return !self.is_durable.load(Ordering::Acquire);
        };
        match Pin::new(recorded).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => false,
            Poll::Ready(Ok(_)) => {
                *waiting = None;
                self.is_durable.store(true, Ordering::Release);
                false
            }
            Poll::Ready(Err(_)) => {
                *waiting = None;
                true
            }
        }
    }
}

fn verdict(snapshot: &ClockSnapshot) -> ClockVerdict {
    match (snapshot.refusals.is_empty(), snapshot.warnings.is_empty()) {
        (false, _) => ClockVerdict::Refused,
        (true, false) => ClockVerdict::Warned,
        (true, true) => ClockVerdict::Passed,
    }
}

fn codes(snapshot: &ClockSnapshot) -> Vec<&'static str> {
    let refusals = snapshot.refusals.iter().map(ClockRefusal::code);
    refusals.chain(snapshot.warnings.iter().map(|warning| warning.code())).collect()
}

fn entry(snapshot: &ClockSnapshot) -> ClockEntry {
    let refusals = snapshot.refusals.iter().map(ToString::to_string);
    let reasons: Vec<_> = refusals.chain(snapshot.warnings.iter().map(ToString::to_string)).collect();
    let network = snapshot.network.as_ref().map(network);
    let assurance = match (snapshot.mode.is_assured(), network) {
        (false, _) => ClockAssurance::Unassured,
        (true, None) => ClockAssurance::Kernel,
        (true, Some(_)) => ClockAssurance::KernelAndNetwork,
    };
    ClockEntry {
        time_microseconds: microseconds(snapshot.sample_clocks.realtime),
        boot_microseconds: microseconds(snapshot.sample_clocks.boottime),
        verdict: verdict(snapshot),
        assurance,
        kernel: snapshot.kernel.ok().map(kernel),
        network,
        reason: events::clipped(&reasons.join("; "), MAX_REASON_OCTETS),
    }
}

fn kernel(reading: KernelClockReading) -> KernelState {
    let state = match reading.state {
        KernelClockState::Ok => 0,
        KernelClockState::InsertAnnounced => 1,
        KernelClockState::DeleteAnnounced => 2,
        KernelClockState::InsertInProgress => 3,
        KernelClockState::LeapHappened => 4,
        KernelClockState::NotSynchronised | KernelClockState::Unknown(_) => 5,
    };
    KernelState {
        state,
        status: u32::from_ne_bytes(reading.status.bits().to_ne_bytes()),
        maximum_error_microseconds: u64::try_from(reading.maxerror_microseconds).unwrap_or_default(),
        estimated_error_microseconds: u64::try_from(reading.esterror_microseconds).unwrap_or_default(),
        offset_nanoseconds: reading.offset_nanoseconds,
    }
}

fn network(reading: &NetworkReading) -> NetworkState {
    let nothing = Agreement { offset_nanoseconds: 0, bound_nanoseconds: u64::MAX };
    let agreement = reading.agreement.unwrap_or(nothing);
    NetworkState {
        offset_nanoseconds: agreement.offset_nanoseconds,
        bound_nanoseconds: agreement.bound_nanoseconds,
        agreeing: reading.agreeing,
        answered: reading.answered,
        asked: reading.asked,
    }
}

fn changes(before: CheckHistory, snapshot: &ClockSnapshot) -> Vec<EventEntry> {
    let event = |subject: &str, detail: String| EventEntry {
        time_microseconds: microseconds(snapshot.sample_clocks.realtime),
        kind: EventKind::ClockChanged,
        subject: subject.into(),
        digest: events::NO_DIGEST,
        detail: detail.into(),
    };
    let mut events = Vec::new();
    let now = snapshot.history;
    if let Some(jump) = now.last_jump.filter(|_| now.last_jump != before.last_jump) {
        events.push(event("step", format!("the clock was set by {:#}", jump.by)));
    }
    if let Some(leap) = now.last_leap_second.filter(|_| now.last_leap_second != before.last_leap_second) {
        let midnight = crate::clock::rfc3339(leap.midnight.unix_time());
        events.push(event("leap second", format!("a leap second before {midnight}")));
    }
    events
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
