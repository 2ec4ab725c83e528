//! F2: what the kernel's own account of its clock means for issuing tokens.
//!
//! In mode `kernel` a refusal of the kernel's is ours. In mode `system` the account is only shown, and the one thing
//! this check says is that nobody vouches for the time.

use std::path::Path;
use std::time::Duration;

use attestamp_kernel_clock::{KernelClockReading, KernelClockState};

use super::check::{Check, CheckVerdict};
use super::refusal::{ClockRefusal, ClockWarning};
use super::source::{ClockSample, KernelUnreadable};
use super::{ClockConfig, ClockMode};

/// Where a running chronyd shows.
pub(super) const CHRONY_PATHS: &[&str] =
    &["/run/chrony/chronyd.sock", "/var/run/chrony/chronyd.sock", "/run/chrony"];

/// The check.
#[derive(Debug)]
pub(super) struct KernelCheck {
    mode: ClockMode,
    error_budget: Duration,
}

impl KernelCheck {
    pub(super) fn new(config: &ClockConfig) -> Self {
        Self { mode: config.mode, error_budget: config.error_budget }
    }
}

impl Check for KernelCheck {
    fn judge(&mut self, sample: &ClockSample) -> CheckVerdict {
        match self.mode {
            ClockMode::System => CheckVerdict::Warned(ClockWarning::Unassured),
            ClockMode::Kernel => match refusal_of(&sample.kernel, self.error_budget, CHRONY_PATHS) {
                Some(refusal) => CheckVerdict::Refused(refusal),
                None => CheckVerdict::Passed { error_bound: error_bound(&sample.kernel) },
            },
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
