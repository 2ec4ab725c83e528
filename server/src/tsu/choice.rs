//! Which of a TSU's signers is asked, and for how long one that failed is asked after the others.
//!
//! A signer that failed is on probation: it is well again only after it has been so for a while, which doubles where it
//! fails soon after. A token that comes and goes is thus not preferred at each of its comings. While nobody else can sign,
//! probation means nothing.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Doublings of the probation, at the most.
const MOST_DOUBLINGS: u32 = 5;

/// How a signer has done lately.
#[derive(Debug)]
pub(super) struct Record {
    began: Instant,
    hold: Duration,
    /// The end of its probation, in milliseconds after `began`; 0 if it has none.
    until: AtomicU64,
    failures: AtomicU32,
}

impl Record {
    /// One of a signer whose probation lasts so long.
    pub(super) fn new(hold: Duration, now: Instant) -> Self {
        Self { began: now, hold, until: AtomicU64::new(0), failures: AtomicU32::new(0) }
    }

    /// It failed a request.
    pub(super) fn failed(&self, now: Instant) {
        let at = self.milliseconds(now);
        let hold = u64::try_from(self.hold.as_millis()).unwrap_or(u64::MAX);
        // Many requests fail at once: they are one failure.
        let until = self.until.load(Ordering::Relaxed);
        if until > at && self.failures.load(Ordering::Relaxed) > 0 {
            return;
        }
        let is_soon_after = until > 0 && at < until.saturating_add(hold);
        let failures = if is_soon_after { self.failures.load(Ordering::Relaxed) } else { 0 };
        let doublings = failures.min(MOST_DOUBLINGS);
        self.failures.store(failures.saturating_add(1), Ordering::Relaxed);
        self.until.store(at.saturating_add(hold << doublings).max(1), Ordering::Relaxed);
    }

    /// It cannot sign now: its probation begins when it can again.
    pub(super) fn seen_down(&self, now: Instant) {
        let hold = u64::try_from(self.hold.as_millis()).unwrap_or(u64::MAX);
        self.until.fetch_max(self.milliseconds(now).saturating_add(hold).max(1), Ordering::Relaxed);
    }

    /// Whether it is to be asked after the others.
    pub(super) fn is_on_probation(&self, now: Instant) -> bool {
        self.milliseconds(now) < self.until.load(Ordering::Relaxed)
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

/// What one request has tried so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    /// One bit for each signer.
    signers: u32,
    /// Where it begins to look.
    offset: Option<usize>,
}

impl Tried {
    pub(super) fn begins_at(&mut self, offset: impl FnOnce() -> usize) -> usize {
        *self.offset.get_or_insert_with(offset)
    }

    pub(super) fn has(self, signer: usize) -> bool {
        u32::try_from(signer).is_ok_and(|signer| self.signers & 1_u32.checked_shl(signer).unwrap_or(0) != 0)
    }

    pub(super) fn add(&mut self, signer: usize) {
        if let Ok(signer) = u32::try_from(signer) {
            self.signers |= 1_u32.checked_shl(signer).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(10);

    #[test]
    fn a_signer_that_failed_is_asked_after_the_others_for_a_while() {
        let began = Instant::now();
        let record = Record::new(HOLD, began);
        assert!(!record.is_on_probation(began));
        record.failed(began);
        assert!(record.is_on_probation(began + HOLD / 2));
        assert!(!record.is_on_probation(began + HOLD));
    }

    #[test]
    fn one_that_fails_again_soon_waits_twice_as_long_and_one_that_was_well_does_not() {
        let began = Instant::now();
        let record = Record::new(HOLD, began);
        record.failed(began);
        let again = began + HOLD + HOLD / 2;
        record.failed(again);
        assert!(record.is_on_probation(again + HOLD + HOLD / 2));
        assert!(!record.is_on_probation(again + 2 * HOLD));
        let later = again + 10 * HOLD;
        record.failed(later);
        assert!(!record.is_on_probation(later + HOLD));
    }

    #[test]
    fn requests_that_fail_together_are_one_failure() {
        let began = Instant::now();
        let record = Record::new(HOLD, began);
        for _ in 0..100 {
            record.failed(began);
        }
        assert!(!record.is_on_probation(began + HOLD));
    }

    #[test]
    fn the_probation_begins_when_it_is_up_again() {
        let began = Instant::now();
        let record = Record::new(HOLD, began);
        record.seen_down(began);
        record.seen_down(began + HOLD);
        assert!(record.is_on_probation(began + HOLD + HOLD / 2));
        assert!(!record.is_on_probation(began + 2 * HOLD));
    }

    #[test]
    fn without_a_hold_it_is_preferred_at_once() {
        let began = Instant::now();
        let record = Record::new(Duration::ZERO, began);
        record.failed(began);
        record.seen_down(began);
        assert!(!record.is_on_probation(began + Duration::from_millis(1)));
    }
}
