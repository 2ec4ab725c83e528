//! What the servers' word means for issuing tokens.
//!
//! A clock that a majority shows to be wrong issues nothing, in every mode. Where nothing can be shown, because too few
//! servers answer or they contradict each other, mode `kernel` issues nothing either, unless the operator has said that
//! the kernel's word is enough for as long (`ntp-lost = "warn"`); mode `system` promises nothing and only warns.

use std::sync::Arc;
use std::time::Duration;

use super::LostMode;
use super::network::{Network, NetworkReading};
use crate::clock::ClockMode;
use crate::clock::check::{Check, CheckVerdict};
use crate::clock::refusal::{ClockRefusal, ClockWarning};
use crate::clock::source::ClockSample;

/// The check.
#[derive(Debug)]
pub(in crate::clock) struct NetworkCheck {
    mode: ClockMode,
    network: Arc<Network>,
}

impl NetworkCheck {
    pub(in crate::clock) fn new(mode: ClockMode, network: Arc<Network>) -> Self {
        Self { mode, network }
    }

    /// Nothing can be shown: who cares.
    fn unknown(&self, reading: NetworkReading) -> CheckVerdict {
        let NetworkReading { agreeing, answered, asked, required, .. } = reading;
        let is_lost = answered < required;
        let stops = match self.mode {
            ClockMode::System => false,
            ClockMode::Kernel => !is_lost || self.network.config.lost == LostMode::Stop,
        };
        match (stops, is_lost) {
            (true, true) => CheckVerdict::Refused(ClockRefusal::NetworkLost { answered, required, asked }),
            (true, false) => {
                CheckVerdict::Refused(ClockRefusal::NetworkDisagrees { agreeing, answered, required })
            }
            (false, true) => CheckVerdict::Warned(ClockWarning::NetworkLost { answered, required, asked }),
            (false, false) => CheckVerdict::Warned(ClockWarning::NetworkDisagrees { answered, required }),
        }
    }
}

impl Check for NetworkCheck {
    fn judge(&mut self, sample: &ClockSample) -> CheckVerdict {
        let Some(reading) = sample.network else { return CheckVerdict::PASSED };
        let Some(agreement) = reading.agreement else { return self.unknown(reading) };
        let (error, limits) = (agreement.error(), self.network.limits());
        let (offset_nanoseconds, bound) =
            (agreement.offset_nanoseconds, Duration::from_nanos(agreement.bound_nanoseconds));
        // Mode `system` refuses what is known to be wrong, and not what may be.
        let stops = match self.mode {
            ClockMode::Kernel => error > limits.stop,
            ClockMode::System => Duration::from_nanos(offset_nanoseconds.unsigned_abs()) > limits.stop,
        };
        if stops {
            let limit = limits.stop;
            return CheckVerdict::Refused(ClockRefusal::NetworkOffset { offset_nanoseconds, bound, limit });
        }
        if error > limits.warn {
            let limit = limits.warn;
            return CheckVerdict::Warned(ClockWarning::NetworkOffset { offset_nanoseconds, bound, limit });
        }
        CheckVerdict::Passed { error_bound: Some(error) }
    }
}

/// `our clock is 3.2s behind`.
pub(in crate::clock) fn offset_words(offset_nanoseconds: i64) -> String {
    let direction = if offset_nanoseconds < 0 { "ahead" } else { "behind" };
    let size = Duration::from_micros(offset_nanoseconds.unsigned_abs() / 1_000);
    format!("our clock is {size:?} {direction}")
}
