//! The real clock, and the verdict on it that every token needs (requirements F1 to F8).
//!
//! ```text
//! source      reads the kernel's clocks and adjtimex                     the only place that does
//! check       one sample -> passed | warned | refused                    kernel (F2), network (F3), jump (F4), leap second (F5)
//! judge       one sample and what all checks say of it together
//! ntp         asks time servers, for the check against them           F3
//! gate        the checks' latest verdict; `now()` on the request path    F1: an old verdict is a refusal
//! high_water  no instant before one that was issued, across restarts     F4
//! token_clock the clocks of tokens, compared with ours                   F6
//! ticker      the thread that refreshes the gate
//! accuracy    may this accuracy be claimed on this clock?                at start
//! ```
//!
//! Two modes (F8). `kernel` is the production one: the kernel must hold its clock for synchronised, within a budget,
//! and the program refuses to start otherwise; with time servers configured, a majority of them must agree too. `system` takes the system's clock as it is, for a laptop or a container
//! without NTP: jumps, leap seconds and steps backwards are still refused, but nobody vouches for the time, and it is
//! called unassured wherever it is shown.
//!
//! Smeared leap seconds are not known as such: a source that smears is not UTC around a leap second, and shows as a
//! clock that goes wrong by up to half a second and comes back.

use std::time::Duration;

pub mod accuracy;
pub mod check;
pub mod fake;
pub mod fake_server;
pub mod gate;
pub mod high_water;
pub mod ntp;
pub mod refusal;
pub mod source;
pub mod ticker;
pub mod token_clock;
mod wall;

mod announce;
mod judge;
mod jump;
mod kernel;
mod leap;

#[cfg(test)]
mod tests;

pub use accuracy::{AccuracyBasis, AccuracyTooSmall, TooLate, check_accuracy, check_age};
pub use gate::{ClockGate, ClockSnapshot, ClockStartError, TrustedTime};
pub use high_water::{HighWaterError, HighWaterMark};
pub use ntp::{
    AccuracyClaim, Agreement, LostMode, Network, NetworkReading, NtpConfig, ServerName, ServerReport,
    Standing,
};
pub use refusal::{ClockRefusal, ClockWarning};
pub use source::{SystemTimeSource, TimeSource};
pub use ticker::ClockTicker;
pub use token_clock::{TokenClockWarning, TokenClocks};
pub use wall::{rfc3339, system_time, unix_time};

/// The age beyond which a verdict is a refusal (F1: 1 to 2 s).
pub const VERDICT_MAX_AGE: Duration = Duration::from_secs(2);
/// Time between two samples: three may fail to come before a verdict is too old.
pub const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// How much a clock may gain or lose between two corrections: 500 parts per million, one part in this many. It is what
/// the kernel lets `maxerror` grow by, and the most that its own discipline slews by.
const DRIFT_DIVISOR: u32 = 2_000;

/// The target of every log event about the clock, whichever file it comes from.
const LOG_TARGET: &str = "attestamp::clock";

/// Who vouches for the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClockMode {
    /// The kernel must hold its clock for synchronised, within [`ClockConfig::error_budget`].
    Kernel,
    /// Nobody: the system's clock as it is.
    System,
}

/// What to do around a leap second (F5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LeapSecondMode {
    /// No tokens from 23:59:59 to 00:00:01 UTC, the whole of both seconds.
    #[default]
    Pause,
    /// No tokens from 23:59:59 UTC until an operator resumes, reloads or restarts.
    Stop,
}

/// What the clock is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockConfig {
    /// Who vouches for the time.
    pub mode: ClockMode,
    /// What to do around a leap second.
    pub leap_second: LeapSecondMode,
    /// The most that the kernel's `maxerror` may be; also the error bound that an accuracy is checked against. Has no
    /// meaning in [`ClockMode::System`].
    pub error_budget: Duration,
    /// The most that CLOCK_REALTIME may be stepped against CLOCK_BOOTTIME within a minute.
    pub jump_limit: Duration,
    /// How far an instant may lie before the latest one issued. Not zero, since requests are served by several
    /// threads; with the step of genTime it must not exceed the smallest accuracy claimed.
    pub backward_tolerance: Duration,
    /// The time servers to check against (F3); `None` if there are none.
    pub ntp: Option<NtpConfig>,
    /// How far a token's own clock may differ before that is warned of (F6).
    pub token_difference: Duration,
}

impl ClockMode {
    /// The word for it in the configuration and wherever the mode is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::System => "system",
        }
    }

    /// Whether somebody vouches for the time.
    #[must_use]
    pub fn is_assured(self) -> bool {
        match self {
            Self::Kernel => true,
            Self::System => false,
        }
    }

    /// The mode that suits this machine now: `kernel` if it would start, else `system`. For `init`.
    #[must_use]
    pub fn suited_to(source: &dyn TimeSource) -> Self {
        let budget = ClockConfig::for_mode(Self::Kernel).error_budget;
        match kernel::refusal_of(&source.kernel(), budget, kernel::CHRONY_PATHS) {
            None => Self::Kernel,
            Some(_) => Self::System,
        }
    }
}

impl LeapSecondMode {
    /// The word for it in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Stop => "stop",
        }
    }
}

impl ClockConfig {
    /// Who vouches for the time, in words.
    #[must_use]
    pub fn assurance(&self) -> &'static str {
        match (self.mode, &self.ntp) {
            (ClockMode::Kernel, Some(_)) => "kernel and network",
            (ClockMode::Kernel, None) => "kernel",
            (ClockMode::System, _) => "system",
        }
    }

    /// The defaults of a mode, which suit an accuracy of 1 s.
    #[must_use]
    pub fn for_mode(mode: ClockMode) -> Self {
        Self {
            mode,
            leap_second: LeapSecondMode::default(),
            error_budget: Duration::from_millis(500),
            jump_limit: match mode {
                ClockMode::Kernel => Duration::from_millis(500),
                ClockMode::System => Duration::from_secs(1),
            },
            backward_tolerance: Duration::from_millis(250),
            ntp: None,
            token_difference: Duration::from_secs(5),
        }
    }
}
