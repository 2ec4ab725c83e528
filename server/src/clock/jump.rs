//! F4: steps of the clock, seen as a change of CLOCK_REALTIME against CLOCK_BOOTTIME.
//!
//! Samples are compared with all of the last minute and not with the one before alone, so that many small steps count
//! as the large one that they add up to. After a step nothing is issued until the clock has settled: in mode `kernel`
//! a number of samples in a row without a step and with the kernel in sync; in mode `system`, where nobody can say
//! whether the step was right, a time without another step, and then a warning stays for a while.
//!
//! A step between two samples is seen at the request itself, by the gate, which reports it here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;

use super::LOG_TARGET;
use super::check::{Check, CheckHistory, CheckVerdict};
use super::refusal::{ClockRefusal, ClockWarning, JumpRecord};
use super::source::{ClockReadings, ClockSample};
use super::{ClockConfig, ClockMode, kernel, leap};

/// How long samples are remembered.
const WINDOW: Duration = Duration::from_secs(60);
/// How many at most, whatever the interval.
const REMEMBERED_SAMPLES: usize = 256;
/// Samples in a row that must be clean after a step, in mode `kernel`.
pub(super) const SETTLE_SAMPLES: u32 = 10;
/// How long the clock must be steady after a step, in mode `system`.
pub(super) const SETTLE_TIME: Duration = Duration::from_secs(10);
/// How long an accepted step is warned of, in mode `system`.
const WARNING_TIME: Duration = Duration::from_secs(3600);
/// A leap second moves the clock by a second, give or take what happens between two samples.
const LEAP_STEP_SLACK: Duration = Duration::from_millis(500);

/// The check.
#[derive(Debug)]
pub(super) struct JumpCheck {
    mode: ClockMode,
    limit: Duration,
    reports: JumpReports,
    recent: VecDeque<ClockReadings>,
    state: State,
    last: Option<JumpRecord>,
}

/// Steps that were seen at a request, on their way to the check.
#[derive(Debug, Clone, Default)]
pub(super) struct JumpReports(Arc<Mutex<Option<SignedDuration>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Steady,
    Settling { by: SignedDuration, since_boottime: Duration, clean_samples: u32 },
    Accepted { by: SignedDuration, at_boottime: Duration },
}

impl JumpReports {
    /// Reports a step. Not on the path of a request that is granted.
    pub(super) fn report(&self, by: SignedDuration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(by);
    }

    fn take(&self) -> Option<SignedDuration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl JumpCheck {
    pub(super) fn new(config: &ClockConfig, reports: JumpReports) -> Self {
        Self {
            mode: config.mode,
            limit: config.jump_limit,
            reports,
            recent: VecDeque::new(),
            state: State::Steady,
            last: None,
        }
    }

    /// The step that this sample shows against those remembered, if it is beyond the limit.
    fn step_shown_by(&mut self, sample: &ClockSample) -> Option<SignedDuration> {
        let now = sample.clocks;
        // The latest always stays: it may be hours old, after a suspension, and the clock set meanwhile.
        while self.recent.len() > 1
            && self.recent.front().is_some_and(|old| now.boottime.saturating_sub(old.boottime) > WINDOW)
        {
            self.recent.pop_front();
        }
        let largest = self
            .recent
            .iter()
            .map(|old| now.offset().saturating_sub(old.offset()))
            .max_by_key(|step| step.unsigned_abs())?;
        if leap::is_stepping(sample) && is_leap_step(largest) {
            self.recent.clear();
            return None;
        }
        (largest.unsigned_abs() > self.limit).then_some(largest)
    }

    fn stands_still(&self, now: ClockReadings) -> bool {
        self.recent
            .back()
            .is_some_and(|previous| now.boottime <= previous.boottime || now.realtime == previous.realtime)
    }

    /// What a sample without a step means for a clock that had one.
    fn settle(&mut self, sample: &ClockSample) -> CheckVerdict {
        let now = sample.clocks.boottime;
        match self.state {
            State::Steady => CheckVerdict::PASSED,
            State::Accepted { by, at_boottime } => {
                if now.saturating_sub(at_boottime) > WARNING_TIME {
                    self.state = State::Steady;
                    return CheckVerdict::PASSED;
                }
                CheckVerdict::Warned(ClockWarning::JumpAccepted { by })
            }
            State::Settling { by, since_boottime, clean_samples } => {
                let clean_samples = match self.mode {
                    ClockMode::Kernel if !kernel::in_sync(sample) => 0,
                    ClockMode::Kernel | ClockMode::System => clean_samples.saturating_add(1),
                };
                let settled = match self.mode {
                    ClockMode::Kernel => clean_samples >= SETTLE_SAMPLES,
                    ClockMode::System => now.saturating_sub(since_boottime) >= SETTLE_TIME,
                };
                if !settled {
                    self.state = State::Settling { by, since_boottime, clean_samples };
                    return CheckVerdict::Refused(ClockRefusal::Jumped { by, limit: self.limit });
                }
                match self.mode {
                    ClockMode::Kernel => {
                        self.state = State::Steady;
                        CheckVerdict::PASSED
                    }
                    ClockMode::System => {
                        self.state = State::Accepted { by, at_boottime: now };
                        CheckVerdict::Warned(ClockWarning::JumpAccepted { by })
                    }
                }
            }
        }
    }

    fn unsettle(&mut self, by: SignedDuration, now: ClockReadings) {
        self.recent.clear();
        self.state = State::Settling { by, since_boottime: now.boottime, clean_samples: 0 };
        self.last = Some(JumpRecord { by, realtime: now.realtime });
        tracing::error!(target: LOG_TARGET,
            step_seconds = by.as_secs_f64(),
            realtime_unix_seconds = now.realtime.as_secs_f64(),
            "the clock was stepped"
        );
    }
}

impl Check for JumpCheck {
    fn judge(&mut self, sample: &ClockSample) -> CheckVerdict {
        let now = sample.clocks;
        let reported = self.reports.take();
        let still = self.stands_still(now);
        let shown = self.step_shown_by(sample);
        let verdict = if let Some(by) = shown.or(reported) {
            self.unsettle(by, now);
            CheckVerdict::Refused(ClockRefusal::Jumped { by, limit: self.limit })
        } else if still {
            if let State::Settling { by, .. } = self.state {
                self.state = State::Settling { by, since_boottime: now.boottime, clean_samples: 0 };
            }
            CheckVerdict::Refused(ClockRefusal::Frozen)
        } else {
            self.settle(sample)
        };
        if self.recent.len() >= REMEMBERED_SAMPLES {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        verdict
    }

    fn history(&self) -> CheckHistory {
        CheckHistory { last_jump: self.last, ..CheckHistory::default() }
    }
}

/// The step between two readings, if it is beyond the limit.
pub(super) fn step_between(
    earlier: ClockReadings,
    later: ClockReadings,
    limit: Duration,
) -> Option<SignedDuration> {
    let step = later.offset().saturating_sub(earlier.offset());
    (step.unsigned_abs() > limit).then_some(step)
}

fn is_leap_step(step: SignedDuration) -> bool {
    step.unsigned_abs().abs_diff(Duration::from_secs(1)) <= LEAP_STEP_SLACK
}
