//! F5: no tokens around a leap second.
//!
//! Linux inserts one by repeating 23:59:59 and leaves one out by going from 23:59:58 to 00:00:00; it does so at the end
//! of any UTC day on which the announcement stands. Either way a count of seconds since 1970 cannot name the moment, so
//! for the whole of the seconds 23:59:59, 00:00:00 and 00:00:01 nothing is issued. `:60` can never come out: the count
//! has no such second.
//!
//! One is expected where the kernel announces it, and on the last day of a month also where the time servers do that
//! agree: a kernel that nobody told does not step, and the servers then find its clock wrong.
//!
//! After the leap second the kernel says `TIME_WAIT` until its announcement is cleared, which may take days: the
//! window is entered once, and not again at the next midnight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use attestamp_kernel_clock::{KernelClockReading, KernelClockState};
use attestamp_tsa::UtcInstant;

use super::LOG_TARGET;
use super::LeapSecondMode;
use super::check::{Check, CheckHistory, CheckVerdict};
use super::refusal::{ClockRefusal, ClockWarning, LeapSecondRecord};
use super::source::ClockSample;

const SECONDS_PER_DAY: u64 = 86_400;
/// The window opens at 23:59:59 ...
const WINDOW_OPENS: u64 = SECONDS_PER_DAY - 1;
/// ... and has closed at 00:00:02: the whole of 00:00:01 belongs to it.
const WINDOW_CLOSED: u64 = 2;

/// The check.
#[derive(Debug)]
pub(super) struct LeapCheck {
    mode: LeapSecondMode,
    phase: Phase,
    previous: Option<ClockSample>,
    stopped: bool,
    resume: Arc<AtomicBool>,
    last: Option<LeapSecondRecord>,
}

/// Where this process is in the course of a leap second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not in the window of one.
    Outside,
    /// In the window: nothing is issued.
    InWindow,
    /// The window is behind and the kernel still says `TIME_WAIT`.
    Behind,
}

impl LeapCheck {
    /// A check that leaves the stop of mode `stop` when `resume` is set.
    pub(super) fn new(mode: LeapSecondMode, resume: Arc<AtomicBool>) -> Self {
        Self { mode, phase: Phase::Outside, previous: None, stopped: false, resume, last: None }
    }

    /// Whether the sample is in the window of a leap second, given where the previous one was.
    fn next_phase(&self, sample: &ClockSample) -> Phase {
        let in_window = is_in_window(sample.clocks.realtime);
        match state_of(sample) {
            Some(KernelClockState::InsertInProgress) => Phase::InWindow,
            Some(KernelClockState::LeapHappened) => match self.phase {
                Phase::Behind => Phase::Behind,
                Phase::Outside | Phase::InWindow if in_window => Phase::InWindow,
                Phase::Outside | Phase::InWindow => Phase::Behind,
            },
            // A window once entered is stayed in to its end: the announcement may be cleared within it.
            _ if in_window && (is_announced(sample) || self.phase == Phase::InWindow) => Phase::InWindow,
            _ => Phase::Outside,
        }
    }

    /// The midnight of a leap second whose whole window lay between two samples: the machine stood still meanwhile.
    fn missed_midnight(&self, sample: &ClockSample) -> Option<u64> {
        let previous =
            self.previous.filter(|previous| self.phase == Phase::Outside && is_announced(previous))?;
        let midnight = (day_of(previous.clocks.realtime) + 1) * SECONDS_PER_DAY;
        (sample.clocks.realtime.as_secs() >= midnight + WINDOW_CLOSED).then_some(midnight)
    }

    fn record(&mut self, midnight: u64, sample: &ClockSample) {
        let Ok(midnight) = UtcInstant::new(midnight, 0) else { return };
        self.last = Some(LeapSecondRecord { midnight });
        tracing::warn!(target: LOG_TARGET,
            midnight_unix_seconds = midnight.unix_seconds(),
            realtime_unix_seconds = sample.clocks.realtime.as_secs_f64(),
            kernel = ?sample.kernel,
            mode = self.mode.name(),
            "leap second: no tokens are issued around it"
        );
    }
}

impl Check for LeapCheck {
    fn judge(&mut self, sample: &ClockSample) -> CheckVerdict {
        let phase = self.next_phase(sample);
        let entered = phase == Phase::InWindow && self.phase != Phase::InWindow;
        let midnight = if entered {
            Some(nearest_midnight(sample.clocks.realtime))
        } else {
            self.missed_midnight(sample)
        };
        if let Some(midnight) = midnight {
            self.record(midnight, sample);
            self.stopped = self.mode == LeapSecondMode::Stop;
        }
        if self.phase == Phase::InWindow && phase != Phase::InWindow {
            tracing::info!(target: LOG_TARGET,
                realtime_unix_seconds = sample.clocks.realtime.as_secs_f64(),
                kernel = ?sample.kernel,
                "leap second: passed"
            );
        }
        self.phase = phase;
        self.previous = Some(*sample);
        if phase == Phase::InWindow {
            // An operator who resumes too early is asked again afterwards.
            self.resume.store(false, Ordering::Relaxed);
        } else if self.resume.swap(false, Ordering::Relaxed) {
            self.stopped = false;
        }
        if self.stopped {
            CheckVerdict::Refused(ClockRefusal::LeapSecondStop)
        } else if phase == Phase::InWindow {
            CheckVerdict::Refused(ClockRefusal::LeapSecondPause)
        } else if is_announced(sample) {
            CheckVerdict::Warned(ClockWarning::LeapSecondAnnounced)
        } else {
            CheckVerdict::PASSED
        }
    }

    fn history(&self) -> CheckHistory {
        CheckHistory { last_leap_second: self.last, ..CheckHistory::default() }
    }
}

/// Whether this time of day is one at which a leap second can be near.
pub(super) fn is_in_window(realtime: Duration) -> bool {
    let second_of_day = realtime.as_secs() % SECONDS_PER_DAY;
    !(WINDOW_CLOSED..WINDOW_OPENS).contains(&second_of_day)
}

/// Whether this UTC day is one at whose end leap seconds are announced by time servers.
pub(super) fn is_last_day_of_month(realtime: Duration) -> bool {
    let Ok(seconds) = i64::try_from(realtime.as_secs()) else { return false };
    let Ok(instant) = jiff::Timestamp::from_second(seconds) else { return false };
    let date = instant.to_zoned(jiff::tz::TimeZone::UTC).date();
    date == date.last_of_month()
}

/// Whether there is a leap second at the end of this UTC day, as the kernel or the time servers say.
pub(super) fn is_announced(sample: &ClockSample) -> bool {
    is_announced_by_kernel(sample) || sample.network.is_some_and(|network| network.leap_announced)
}

/// Where the kernel is not synchronised its state does not tell, but its flags do.
fn is_announced_by_kernel(sample: &ClockSample) -> bool {
    let Ok(reading) = sample.kernel else { return false };
    match reading.state {
        KernelClockState::InsertAnnounced
        | KernelClockState::DeleteAnnounced
        | KernelClockState::InsertInProgress => true,
        KernelClockState::LeapHappened => false,
        KernelClockState::Ok | KernelClockState::NotSynchronised | KernelClockState::Unknown(_) => {
            is_flagged(&reading)
        }
    }
}

/// Whether a step of one second is what a leap second does now.
pub(super) fn is_stepping(sample: &ClockSample) -> bool {
    is_in_window(sample.clocks.realtime)
        && (is_announced(sample) || state_of(sample) == Some(KernelClockState::LeapHappened))
}

fn is_flagged(reading: &KernelClockReading) -> bool {
    reading.status.insert_leap_second() || reading.status.delete_leap_second()
}

fn state_of(sample: &ClockSample) -> Option<KernelClockState> {
    sample.kernel.as_ref().ok().map(|reading| reading.state)
}

fn day_of(realtime: Duration) -> u64 {
    realtime.as_secs() / SECONDS_PER_DAY
}

fn nearest_midnight(realtime: Duration) -> u64 {
    (realtime.as_secs() + SECONDS_PER_DAY / 2) / SECONDS_PER_DAY * SECONDS_PER_DAY
}
