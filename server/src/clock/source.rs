//! Where time is read: the only file that reads the system's clocks.
//!
//! CLOCK_BOOTTIME and not CLOCK_MONOTONIC beside CLOCK_REALTIME, because it goes on while the machine is suspended, as
//! REALTIME does: the difference of the two changes when somebody sets the clock, and at no other time. A virtual
//! machine restored from a snapshot comes back with both as they were; the step by which its time service then corrects
//! REALTIME shows.
//!
//! A time service slews both alike, so a slew is looked for between two others: CLOCK_MONOTONIC is slewed with them, and
//! CLOCK_MONOTONIC_RAW is the oscillator as it is. Neither counts while the machine is suspended, so that a suspension is
//! no slew.

use std::fmt;
use std::io;
use std::time::Duration;

use attestamp_kernel_clock::{KernelClock, KernelClockReading};
use jiff::SignedDuration;
use rustix::time::{ClockId, Timespec, clock_gettime};
use thiserror::Error;

use super::DRIFT_DIVISOR;
use super::ntp::NetworkReading;

/// Two readings of CLOCK_BOOTTIME this close together leave the REALTIME between them well placed.
const CLOSE_ENOUGH: Duration = Duration::from_micros(100);
/// How often to try for that: a thread that is preempted in between tries again.
const READ_ATTEMPTS: u32 = 8;
/// Less than this between CLOCK_BOOTTIME and CLOCK_MONOTONIC is what reading two clocks costs, and no suspension.
const SUSPENSION: Duration = Duration::from_millis(100);
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// A source of time. Another than the system's exists for tests alone.
pub trait TimeSource: Send + Sync + fmt::Debug {
    /// All clocks at one moment. Cheap: it is read for every token.
    fn clocks(&self) -> ClockReadings;

    /// What the kernel says of its clock.
    ///
    /// # Errors
    /// [`KernelUnreadable`] where a sandbox forbids the call.
    fn kernel(&self) -> Result<KernelClockReading, KernelUnreadable>;

    /// The boot in which CLOCK_BOOTTIME counts; `None` if the system does not tell.
    fn boot(&self) -> Option<BootId>;

    /// All that the checks look at.
    fn sample(&self) -> ClockSample {
        ClockSample { clocks: self.clocks(), kernel: self.kernel(), network: None }
    }
}

/// CLOCK_REALTIME and CLOCK_BOOTTIME at one moment, and what was done to them since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReadings {
    /// Since 1970-01-01T00:00:00Z, leap seconds not counted. A clock set before 1970 reads as zero.
    pub realtime: Duration,
    /// Since the machine started, suspended or not.
    pub boottime: Duration,
    /// What slewing has added to both: CLOCK_MONOTONIC minus CLOCK_MONOTONIC_RAW.
    pub slew: SignedDuration,
    /// For how long the machine was suspended: CLOCK_BOOTTIME minus CLOCK_MONOTONIC.
    pub suspended: Duration,
}

/// What one sample holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSample {
    /// The clocks.
    pub clocks: ClockReadings,
    /// What the kernel says of its clock.
    pub kernel: Result<KernelClockReading, KernelUnreadable>,
    /// What time servers say; `None` if none is configured.
    pub network: Option<NetworkReading>,
}

/// The kernel's clock discipline could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("adjtimex failed with errno {errno}")]
pub struct KernelUnreadable {
    /// The system call's error number; 0 if it gave none.
    pub errno: i32,
}

/// The kernel's random identifier of one boot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct BootId(pub String);

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTimeSource;

impl ClockReadings {
    /// CLOCK_REALTIME minus CLOCK_BOOTTIME: constant until somebody sets the clock.
    #[must_use]
    pub fn offset(self) -> SignedDuration {
        signed(self.realtime).saturating_sub(signed(self.boottime))
    }

    /// What slewing has added to the clock since an earlier reading, beyond the 500 parts per million that a bound grows
    /// by anyway: zero for the corrections of every day, and for an oscillator that needs them.
    #[must_use]
    pub fn slewed_since(self, earlier: Self) -> SignedDuration {
        let added = self.slew.saturating_sub(earlier.slew);
        let usual = signed(self.boottime.saturating_sub(earlier.boottime) / DRIFT_DIVISOR);
        let beyond = signed(added.unsigned_abs()).saturating_sub(usual).max(SignedDuration::ZERO);
        if added.is_negative() { -beyond } else { beyond }
    }

    /// Whether the machine was suspended since an earlier reading. What the clock then says is a guess of the firmware's.
    #[must_use]
    pub fn was_suspended_since(self, earlier: Self) -> bool {
        self.suspended.saturating_sub(earlier.suspended) > SUSPENSION
    }
}

impl TimeSource for SystemTimeSource {
    fn clocks(&self) -> ClockReadings {
        let mut best = bracketed_reading();
        for _ in 1..READ_ATTEMPTS {
            if best.1 <= CLOSE_ENOUGH {
                break;
            }
            let again = bracketed_reading();
            if again.1 < best.1 {
                best = again;
            }
        }
        best.0
    }

    fn kernel(&self) -> Result<KernelClockReading, KernelUnreadable> {
        KernelClock::read()
            .map_err(|error: io::Error| KernelUnreadable { errno: error.raw_os_error().unwrap_or(0) })
    }

    fn boot(&self) -> Option<BootId> {
        let text = std::fs::read_to_string(BOOT_ID_FILE).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| BootId(text.to_owned()))
    }
}

/// A duration with a sign; the longest stands for what does not fit.
pub(super) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// The clocks, and the time that passed between the two readings of CLOCK_BOOTTIME around the others.
fn bracketed_reading() -> (ClockReadings, Duration) {
    let before = duration_of(clock_gettime(ClockId::Boottime));
    let realtime = duration_of(clock_gettime(ClockId::Realtime));
    let monotonic = duration_of(clock_gettime(ClockId::Monotonic));
    let raw = duration_of(clock_gettime(ClockId::MonotonicRaw));
    let after = duration_of(clock_gettime(ClockId::Boottime));
    let readings = ClockReadings {
        realtime,
        boottime: before,
        slew: signed(monotonic).saturating_sub(signed(raw)),
        suspended: before.saturating_sub(monotonic),
    };
    (readings, after.saturating_sub(before))
}

fn duration_of(timespec: Timespec) -> Duration {
    Duration::try_from(timespec).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_clocks_move_and_keep_their_distance() {
        let first = SystemTimeSource.clocks();
        let mut second = SystemTimeSource.clocks();
        while second.boottime == first.boottime {
            second = SystemTimeSource.clocks();
        }
        assert!(second.boottime > first.boottime);
        // 2026-01-01: an earlier reading means that seconds and nanoseconds were mixed up, or the clocks swapped.
        assert!(first.realtime > Duration::from_secs(1_767_225_600), "{first:?}");
        assert!(first.realtime > first.boottime);
    }

    #[test]
    fn a_boot_has_one_identifier() {
        let boot = SystemTimeSource.boot();
        assert!(boot.as_ref().is_some_and(|boot| boot.0.len() >= 32), "{boot:?}");
        assert_eq!(boot, SystemTimeSource.boot());
    }

    #[test]
    fn a_clock_before_1970_reads_as_zero() {
        assert_eq!(duration_of(Timespec { tv_sec: -5, tv_nsec: 0 }), Duration::ZERO);
    }

    #[test]
    fn the_offset_may_be_negative() {
        assert_eq!(readings(1, 3, 0).offset(), SignedDuration::from_secs(-2));
    }

    fn readings(realtime_seconds: u64, boottime_seconds: u64, slew_microseconds: i64) -> ClockReadings {
        ClockReadings {
            realtime: Duration::from_secs(realtime_seconds),
            boottime: Duration::from_secs(boottime_seconds),
            slew: SignedDuration::from_micros(slew_microseconds),
            suspended: Duration::ZERO,
        }
    }

    #[test]
    fn of_a_slew_only_what_500_parts_per_million_do_not_explain_counts() {
        // Ten seconds: 5 ms are usual.
        for (slew, beyond) in [(0, 0), (5_000, 0), (-5_000, 0), (5_001, 1), (-5_001, -1), (830_000, 825_000)]
        {
            let found = readings(20, 20, 7 + slew).slewed_since(readings(10, 10, 7));
            assert_eq!(found, SignedDuration::from_micros(beyond), "{slew}");
        }
    }

    #[test]
    fn a_suspension_is_none_of_the_slew() {
        let before = SystemTimeSource.clocks();
        let after = ClockReadings {
            boottime: before.boottime + Duration::from_secs(3_600),
            suspended: before.suspended + Duration::from_secs(3_600),
            ..before
        };
        assert!(after.was_suspended_since(before) && !SystemTimeSource.clocks().was_suspended_since(before));
        assert_eq!(after.slewed_since(before), SignedDuration::ZERO);
    }
}
