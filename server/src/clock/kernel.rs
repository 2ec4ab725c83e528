//! F2: what the kernel's own account of its clock means for issuing tokens.
//!
//! In mode `kernel` a refusal of the kernel's is ours. In mode `system` the account is only shown, and the one thing
//! this check says is that nobody vouches for the time.
//!
//! The kernel's bound is the time service's word, and grows by 500 parts per million until that speaks again. A faster
//! slew in between is added to it, except where time servers are asked: there it counts against their answers, which are
//! newer.

use std::path::Path;
use std::time::Duration;

use attestamp_kernel_clock::{KernelClockReading, KernelClockState};

use super::check::{Check, CheckVerdict};
use super::refusal::{ClockRefusal, ClockWarning};
use super::source::{ClockReadings, ClockSample, KernelUnreadable};
use super::{ClockConfig, ClockMode, DRIFT_DIVISOR};

/// Where a running chronyd shows.
pub(super) const CHRONY_PATHS: &[&str] =
    &["/run/chrony/chronyd.sock", "/var/run/chrony/chronyd.sock", "/run/chrony"];

/// The kernel's bound grows once a second, by 500 µs: between two samples there may be one time more than passes.
const TICKS_MICROSECONDS: i64 = 1_000;

/// The check.
#[derive(Debug)]
pub(super) struct KernelCheck {
    mode: ClockMode,
    error_budget: Duration,
    word: Option<Word>,
}

/// What the time service last told the kernel.
#[derive(Debug, Clone, Copy)]
struct Word {
    /// The first sample that showed it.
    since: ClockReadings,
    /// The latest one, and the bound that it had grown to.
    latest: ClockReadings,
    maxerror_microseconds: i64,
}

impl KernelCheck {
    pub(super) fn new(config: &ClockConfig) -> Self {
        Self { mode: config.mode, error_budget: config.error_budget, word: None }
    }

    /// The kernel's bound, and what the clock was slewed by since the time service's last word.
    fn judge_kernel(&mut self, sample: &ClockSample) -> CheckVerdict {
        if let Some(refusal) = refusal_of(&sample.kernel, self.error_budget, CHRONY_PATHS) {
            self.word = None;
            return CheckVerdict::Refused(refusal);
        }
        let Ok(reading) = sample.kernel else { return CheckVerdict::PASSED };
        let (latest, maxerror_microseconds) = (sample.clocks, reading.maxerror_microseconds);
        let is_told_by_servers = sample.network.is_some_and(|network| network.agreement.is_some());
        let since = match self.word {
            Some(word) if !is_told_by_servers && !word.is_replaced(latest, maxerror_microseconds) => {
                word.since
            }
            Some(_) | None => latest,
        };
        self.word = Some(Word { since, latest, maxerror_microseconds });
        let slewed = latest.slewed_since(since).unsigned_abs();
        let error_bound = error_bound(&sample.kernel).map(|bound| bound.saturating_add(slewed));
        if error_bound > Some(self.error_budget) {
            let microseconds = |bound: Duration| i64::try_from(bound.as_micros()).unwrap_or(i64::MAX);
            return CheckVerdict::Refused(ClockRefusal::ErrorBoundExceeded {
                found_microseconds: error_bound.map_or(i64::MAX, microseconds),
                budget_microseconds: microseconds(self.error_budget),
            });
        }
        CheckVerdict::Passed { error_bound }
    }
}

impl Word {
    /// Whether the bound has become another than this one has grown to.
    fn is_replaced(&self, now: ClockReadings, maxerror_microseconds: i64) -> bool {
        let grown = now.boottime.saturating_sub(self.latest.boottime) / DRIFT_DIVISOR;
        let most =
            self.maxerror_microseconds.saturating_add(i64::try_from(grown.as_micros()).unwrap_or(i64::MAX));
        !(self.maxerror_microseconds..=most.saturating_add(TICKS_MICROSECONDS))
            .contains(&maxerror_microseconds)
    }
}

impl Check for KernelCheck {
    fn judge(&mut self, sample: &ClockSample) -> CheckVerdict {
        match self.mode {
            ClockMode::System => CheckVerdict::Warned(ClockWarning::Unassured),
            ClockMode::Kernel => self.judge_kernel(sample),
        }
    }
}

/// Why the kernel's account forbids to issue; `None` if it does not.
pub(super) fn refusal_of(
    kernel: &Result<KernelClockReading, KernelUnreadable>,
    error_budget: Duration,
    chrony_paths: &[&str],
) -> Option<ClockRefusal> {
    let reading = match kernel {
        Ok(reading) => reading,
        Err(source) => return Some(ClockRefusal::KernelUnreadable { source: *source }),
    };
    let status = reading.status.bits();
    if reading.status.clock_error() {
        return Some(ClockRefusal::ClockHardware { status });
    }
    if reading.status.unsynchronised() || reading.state == KernelClockState::NotSynchronised {
        return Some(ClockRefusal::NotSynchronised {
            status,
            maxerror_microseconds: reading.maxerror_microseconds,
            chrony_present: chrony_paths.iter().any(|path| Path::new(path).exists()),
        });
    }
    if let KernelClockState::Unknown(state) = reading.state {
        return Some(ClockRefusal::LeapStateUnknown { state });
    }
    let budget_microseconds = i64::try_from(error_budget.as_micros()).unwrap_or(i64::MAX);
    let found_microseconds = reading.maxerror_microseconds;
    // A negative bound is nonsense, and nonsense is not within the budget.
    if !(0..=budget_microseconds).contains(&found_microseconds) {
        return Some(ClockRefusal::ErrorBoundExceeded { found_microseconds, budget_microseconds });
    }
    None
}

/// Whether the kernel holds its clock for synchronised.
pub(super) fn in_sync(sample: &ClockSample) -> bool {
    refusal_of(&sample.kernel, Duration::MAX, &[]).is_none()
}

fn error_bound(kernel: &Result<KernelClockReading, KernelUnreadable>) -> Option<Duration> {
    let microseconds = kernel.as_ref().ok()?.maxerror_microseconds;
    u64::try_from(microseconds).ok().map(Duration::from_micros)
}
