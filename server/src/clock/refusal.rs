//! Why no token is issued now, and what an operator should know although tokens are issued (F2).
//!
//! Values with the numbers inside: the log, `/readyz`, the metrics and the refusal itself are all made from them, so
//! they cannot tell different stories. A client learns `timeNotAvailable` of all of them and nothing else (A1.8).

use std::time::Duration;

use attestamp_tsa::UtcInstant;
use jiff::SignedDuration;
use thiserror::Error;

use super::ntp::offset_words;
use super::source::KernelUnreadable;

/// Why the clock is not trusted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockRefusal {
    /// F1: the checks have not spoken for too long.
    #[error(
        "the clock was last checked {:?} ago, at most {limit:?} is allowed; the machine was suspended or is overloaded",
        to_millis(*.age)
    )]
    Stale {
        /// Age of the latest verdict.
        age: Duration,
        /// The most it may be.
        limit: Duration,
    },
    /// F2: `adjtimex` cannot be called.
    #[error(
        "the kernel does not tell the state of its clock; allow adjtimex in the sandbox, or set `clock.mode = \"system\"` and go without assurance"
    )]
    KernelUnreadable {
        /// The system call's error.
        #[source]
        source: KernelUnreadable,
    },
    /// F2: `STA_CLOCKERR`.
    #[error("the kernel reports a fault of the clock hardware (status {status:#06x})")]
    ClockHardware {
        /// The status word.
        status: i32,
    },
    /// F2: `TIME_ERROR` or `STA_UNSYNC`.
    #[error(
        "the kernel's clock is not synchronised (status {status:#06x}, maxerror {maxerror_microseconds} µs); {}",
        advice(*.chrony_present)
    )]
    NotSynchronised {
        /// The status word.
        status: i32,
        /// The kernel's error bound.
        maxerror_microseconds: i64,
        /// Whether chronyd seems to run here: then it most likely lacks `rtcsync`.
        chrony_present: bool,
    },
    /// F2: `maxerror` above the budget.
    #[error(
        "the kernel's clock may be wrong by {found_microseconds} µs, at most {budget_microseconds} µs are allowed; check the time service's sources"
    )]
    ErrorBoundExceeded {
        /// The kernel's error bound, with what the clock was slewed by since it was told it.
        found_microseconds: i64,
        /// The budget.
        budget_microseconds: i64,
    },
    /// F5: nobody knows whether a leap second is coming.
    #[error(
        "the kernel returned the undocumented clock state {state}: whether a leap second is coming is not known"
    )]
    LeapStateUnknown {
        /// The value returned by `adjtimex`.
        state: i32,
    },
    /// F4: CLOCK_REALTIME was stepped.
    #[error(
        "the clock was stepped {}, more than {limit:?}; tokens are issued again once it has been steady",
        step_words(*.by)
    )]
    Jumped {
        /// The size of the step; positive if the clock was put forward.
        by: SignedDuration,
        /// The limit.
        limit: Duration,
    },
    /// F4: one of the clocks stands still.
    #[error("the clock stands still")]
    Frozen,
    /// F5, mode `pause`.
    #[error("paused around a leap second, from 23:59:59 to 00:00:01 UTC")]
    LeapSecondPause,
    /// F5, mode `stop`.
    #[error("stopped at a leap second; check the clock, then run `attestamp reload`")]
    LeapSecondStop,
    /// F4: an instant well before one that was issued.
    #[error(
        "the clock is {:?} behind the latest time that a token may state already, at most {tolerance:?} is allowed; wait, or set the clock right", to_millis(*.behind))]
    BehindHighWaterMark {
        /// How far behind.
        behind: Duration,
        /// The most it may be.
        tolerance: Duration,
    },
    /// F4: it cannot be written down how far time has come.
    #[error(
        "how far time has come is not recorded in the data folder; if this lasts, see the log for the reason"
    )]
    MarkNotStored,
    /// F3: a majority of the time servers shows that the clock may be wrong by more than the accuracy has room for.
    #[error(
        "{}, as the time servers agree, give or take {bound:?}: at most {limit:?} is allowed for the accuracy claimed; set the clock right",
        offset_words(*.offset_nanoseconds)
    )]
    NetworkOffset {
        /// Their time minus ours, nanoseconds.
        offset_nanoseconds: i64,
        /// The most by which that may be wrong.
        bound: Duration,
        /// The most that both together may be.
        limit: Duration,
    },
    /// F3: too few time servers answer to check the clock.
    #[error(
        "the clock is not checked: {answered} of {asked} time servers answer, {required} must agree; check the network, `clock.ntp-servers`, and that UDP port 123 is open"
    )]
    NetworkLost {
        /// Servers that have given the time.
        answered: u8,
        /// Servers that must agree.
        required: u8,
        /// Servers that are asked.
        asked: u8,
    },
    /// F3: the time servers contradict each other.
    #[error(
        "the clock is not checked: {answered} time servers answer and no {required} of them agree; find out which are wrong"
    )]
    NetworkDisagrees {
        /// Servers that agree.
        agreeing: u8,
        /// Servers that have given the time.
        answered: u8,
        /// Servers that must agree.
        required: u8,
    },
    /// The clock shows a year that no token can state.
    #[error("the clock is beyond the year 9999")]
    OutOfRange,
}

/// What an operator should know although tokens are issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockWarning {
    /// F8: mode `system`.
    #[error("the time is not assured: `clock.mode = \"system\"` takes the system's clock as it is")]
    Unassured,
    /// F4: a step was accepted, in mode `system`, after the clock had been steady for a while.
    #[error(
        "the clock was stepped {} and has been steady since; tokens issued before may state the wrong time", step_words(*.by))]
    JumpAccepted {
        /// The size of the step; positive if the clock was put forward.
        by: SignedDuration,
    },
    /// F3: as [`ClockRefusal::NetworkOffset`], at half of its limit.
    #[error(
        "{}, as the time servers agree, give or take {bound:?}: more than {limit:?}, a quarter of the accuracy claimed or what is left of it; tokens stop at half",
        offset_words(*.offset_nanoseconds)
    )]
    NetworkOffset {
        /// Their time minus ours, nanoseconds.
        offset_nanoseconds: i64,
        /// The most by which that may be wrong.
        bound: Duration,
        /// From where on this warns.
        limit: Duration,
    },
    /// F3: as [`ClockRefusal::NetworkLost`], where tokens are issued all the same.
    #[error("the clock is not checked: {answered} of {asked} time servers answer, {required} must agree")]
    NetworkLost {
        /// Servers that have given the time.
        answered: u8,
        /// Servers that must agree.
        required: u8,
        /// Servers that are asked.
        asked: u8,
    },
    /// F3: as [`ClockRefusal::NetworkDisagrees`], in mode `system`.
    #[error("the clock is not checked: {answered} time servers answer and no {required} of them agree")]
    NetworkDisagrees {
        /// Servers that have given the time.
        answered: u8,
        /// Servers that must agree.
        required: u8,
    },
    /// F5: a leap second comes at the end of this UTC day.
    #[error("a leap second is announced for the end of this UTC day; no tokens are issued around it")]
    LeapSecondAnnounced,
}

/// A leap second that this process has seen pass (ETSI EN 319 421 7.7.2-09: the time of the change is recorded).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeapSecondRecord {
    /// The midnight that it came before.
    pub midnight: UtcInstant,
}

/// A step of the clock that this process has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JumpRecord {
    /// The size of the step; positive if the clock was put forward.
    pub by: SignedDuration,
    /// CLOCK_REALTIME after it.
    pub realtime: Duration,
}

impl ClockRefusal {
    /// A fixed word for programs: `/readyz`, log fields, metric labels. A closed set.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stale { .. } => "clock-verdict-stale",
            Self::KernelUnreadable { .. } => "clock-kernel-unreadable",
            Self::ClockHardware { .. } => "clock-hardware",
            Self::NotSynchronised { .. } => "clock-not-synchronised",
            Self::ErrorBoundExceeded { .. } => "clock-error-bound-exceeded",
            Self::LeapStateUnknown { .. } => "clock-leap-state-unknown",
            Self::Jumped { .. } => "clock-jumped",
            Self::Frozen => "clock-frozen",
            Self::LeapSecondPause => "leap-second-pause",
            Self::LeapSecondStop => "leap-second-stop",
            Self::BehindHighWaterMark { .. } => "clock-behind-issued-time",
            Self::MarkNotStored => "clock-mark-not-stored",
            Self::NetworkOffset { .. } => "clock-ntp-offset",
            Self::NetworkLost { .. } => "clock-ntp-lost",
            Self::NetworkDisagrees { .. } => "clock-ntp-disagreement",
            Self::OutOfRange => "clock-out-of-range",
        }
    }

    /// Whether it is about the time servers: who reads it will want to know each of them.
    #[must_use]
    pub fn is_about_servers(&self) -> bool {
        match self {
            Self::NetworkOffset { .. } | Self::NetworkLost { .. } | Self::NetworkDisagrees { .. } => true,
            Self::Stale { .. }
            | Self::KernelUnreadable { .. }
            | Self::ClockHardware { .. }
            | Self::NotSynchronised { .. }
            | Self::ErrorBoundExceeded { .. }
            | Self::LeapStateUnknown { .. }
            | Self::Jumped { .. }
            | Self::Frozen
            | Self::LeapSecondPause
            | Self::LeapSecondStop
            | Self::BehindHighWaterMark { .. }
            | Self::MarkNotStored
            | Self::OutOfRange => false,
        }
    }
}

impl ClockWarning {
    /// A fixed word for programs. A closed set.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unassured => "clock-unassured",
            Self::JumpAccepted { .. } => "clock-jump-accepted",
            Self::NetworkOffset { .. } => "clock-ntp-offset",
            Self::NetworkLost { .. } => "clock-ntp-lost",
            Self::NetworkDisagrees { .. } => "clock-ntp-disagreement",
            Self::LeapSecondAnnounced => "leap-second-announced",
        }
    }

    /// Whether it is about the time servers.
    #[must_use]
    pub fn is_about_servers(&self) -> bool {
        match self {
            Self::NetworkOffset { .. } | Self::NetworkLost { .. } | Self::NetworkDisagrees { .. } => true,
            Self::Unassured | Self::JumpAccepted { .. } | Self::LeapSecondAnnounced => false,
        }
    }
}

fn step_words(by: SignedDuration) -> String {
    let direction = if by.is_negative() { "back" } else { "forward" };
    format!("{:?} {direction}", to_millis(by.unsigned_abs()))
}

/// For people: the digits beyond say nothing.
fn to_millis(duration: Duration) -> Duration {
    Duration::new(duration.as_secs(), duration.subsec_millis() * 1_000_000)
}

fn advice(chrony_present: bool) -> &'static str {
    if chrony_present {
        "chronyd runs here: add `rtcsync` to chrony.conf, without it the kernel never learns that the clock is right"
    } else {
        "start a time service (chrony with `rtcsync`, systemd-timesyncd, ntpd), or set `clock.mode = \"system\"` and go \
         without assurance"
    }
}
