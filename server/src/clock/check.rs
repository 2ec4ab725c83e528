//! What a check of the clock is: something that looks at each sample and passes, warns or refuses.
//!
//! A list of checks and not one function, so that comparing with NTP servers (F3) becomes one more entry. A check may
//! remember earlier samples; it reads no clock itself. The checks that exist are in `kernel`, `jump` and `leap`.

use std::fmt;
use std::time::Duration;

use super::refusal::{ClockRefusal, ClockWarning, JumpRecord, LeapSecondRecord};
use super::source::ClockSample;

/// A check of the clock. Samples come in the order in which they were taken, about twice a second.
pub trait Check: Send + fmt::Debug {
    /// Looks at the next sample.
    fn judge(&mut self, sample: &ClockSample) -> CheckVerdict;

    /// What this check has seen since it was made.
    fn history(&self) -> CheckHistory {
        CheckHistory::default()
    }
}

/// What a check says of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckVerdict {
    /// Nothing speaks against the time.
    Passed {
        /// How wrong it can be, if this check knows.
        error_bound: Option<Duration>,
    },
    /// Nothing forbids to issue, but somebody should know.
    Warned(ClockWarning),
    /// No token.
    Refused(ClockRefusal),
}

/// What a check has seen since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckHistory {
    /// The latest step of the clock.
    pub last_jump: Option<JumpRecord>,
    /// The latest leap second.
    pub last_leap_second: Option<LeapSecondRecord>,
}

impl CheckVerdict {
    /// Passed, with nothing known of the error.
    pub const PASSED: Self = Self::Passed { error_bound: None };
}

impl CheckHistory {
    /// Both histories as one; where both know of something, `other` is kept.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        Self {
            last_jump: other.last_jump.or(self.last_jump),
            last_leap_second: other.last_leap_second.or(self.last_leap_second),
        }
    }
}
