//! One sample and what all checks say of it together.
//!
//! Apart from the gate, which is about what a request may rely on: here samples are taken in their order and the
//! checks remember, there any thread reads the outcome.

use std::time::Duration;

use super::announce::Announcer;
use super::check::{Check, CheckHistory, CheckVerdict};
use super::ntp::Agreement;
use super::refusal::{ClockRefusal, ClockWarning};
use super::source::{ClockReadings, ClockSample};
use super::{DRIFT_DIVISOR, leap};

/// The checks, with what they remember.
#[derive(Debug)]
pub(super) struct Judge {
    checks: Vec<Box<dyn Check>>,
    announcer: Announcer,
    samples_total: u64,
}

/// The outcome of one sample.
#[derive(Debug)]
pub(super) struct Assessment {
    pub(super) sample: ClockSample,
    /// Why nothing is issued, in the order of the checks; empty if all of them agree to it.
    pub(super) refusals: Vec<ClockRefusal>,
    pub(super) warnings: Vec<ClockWarning>,
    /// The most that the sample may be wrong by: the largest that a check knows of.
    pub(super) error_bound: Option<Duration>,
    pub(super) leap_announced: bool,
    pub(super) history: CheckHistory,
    pub(super) samples_total: u64,
}

impl Judge {
    pub(super) fn new(checks: Vec<Box<dyn Check>>) -> Self {
        Self { checks, announcer: Announcer::default(), samples_total: 0 }
    }

    /// Asks every check about the next sample. All are asked, whatever the first says: each has to remember it.
    pub(super) fn assess(&mut self, sample: ClockSample) -> Assessment {
        self.samples_total = self.samples_total.saturating_add(1);
        let mut assessment = Assessment {
            sample,
            refusals: Vec::new(),
            warnings: Vec::new(),
            // Also where the check warns.
            error_bound: sample
                .network
                .and_then(|network| network.agreement)
                .map(|found| Agreement::error(&found)),
            leap_announced: leap::is_announced(&sample),
            history: CheckHistory::default(),
            samples_total: self.samples_total,
        };
        for check in &mut self.checks {
            match check.judge(&sample) {
                CheckVerdict::Passed { error_bound } => {
                    assessment.error_bound = assessment.error_bound.max(error_bound);
                }
                CheckVerdict::Warned(warning) => assessment.warnings.push(warning),
                CheckVerdict::Refused(refusal) => assessment.refusals.push(refusal),
            }
            assessment.history = assessment.history.merged(check.history());
        }
        assessment
    }

    /// Logs what is new since the last call.
    pub(super) fn announce(&mut self, refusals: &[ClockRefusal], warnings: &[ClockWarning]) {
        self.announcer.announce(refusals, warnings);
    }
}

impl Assessment {
    /// How old it is at these readings.
    pub(super) fn age_at(&self, clocks: ClockReadings) -> Duration {
        clocks.boottime.saturating_sub(self.sample.clocks.boottime)
    }

    /// The bound at the sample, and what the kernel would have added to it since, and a faster slew.
    pub(super) fn error_bound_at(&self, clocks: ClockReadings) -> Option<Duration> {
        let drift = self.age_at(clocks) / DRIFT_DIVISOR;
        let grown = drift.saturating_add(clocks.slewed_since(self.sample.clocks).unsigned_abs());
        self.error_bound.map(|bound| bound.saturating_add(grown))
    }
}
