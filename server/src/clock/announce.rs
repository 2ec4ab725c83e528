//! Log events where the verdict changes, and none where it stays: a clock that is refused for an hour makes two lines,
//! not one a sample or one a request.

use super::refusal::{ClockRefusal, ClockWarning};

/// What was last told.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    refusals: Vec<&'static str>,
    warnings: Vec<&'static str>,
}

impl Announcer {
    /// Logs what is new since the last call.
    pub(super) fn announce(&mut self, refusals: &[ClockRefusal], warnings: &[ClockWarning]) {
        for refusal in refusals {
            if !self.refusals.contains(&refusal.code()) {
                let source = std::error::Error::source(refusal).map(ToString::to_string);
                tracing::error!(code = refusal.code(), reason = %refusal, source, "no tokens are issued: clock");
            }
        }
        for warning in warnings {
            if !self.warnings.contains(&warning.code()) {
                tracing::warn!(code = warning.code(), reason = %warning, "clock warning");
            }
        }
        if refusals.is_empty() && !self.refusals.is_empty() {
            tracing::info!(after = ?self.refusals, "the clock is accepted again");
        }
        self.refusals = refusals.iter().map(ClockRefusal::code).collect();
        self.warnings = warnings.iter().map(ClockWarning::code).collect();
    }
}
