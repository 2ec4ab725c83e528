//! What the kernel says of its own clock: `adjtimex(2)` with modes 0, which reads and changes nothing.
//!
//! A folder of its own because no maintained crate wraps this call, and because the call is `unsafe`: it is the only
//! one here, so that the folders which decide about time stay free of `unsafe`. What the numbers mean for a
//! timestamping authority is decided in `server/src/clock`, not here.
//!
//! Linux on 64-bit processors only: other kernels have another `struct timex`, and some have other flags.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("attestamp reads the clock discipline of 64-bit Linux; other systems are not supported");

use std::io;

mod status;

pub use status::StatusFlags;

/// The kernel's clock, as something that can be read.
#[derive(Debug, Clone, Copy, Default)]
pub struct KernelClock;

/// One reading of the kernel's clock discipline: `struct timex` of `adjtimex(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelClockReading {
    /// What the call returned: the leap-second state, or that the clock is not synchronised.
    pub state: KernelClockState,
    /// The status word.
    pub status: StatusFlags,
    /// Bound on the error, in microseconds. Grows by 500 parts per million between two corrections and stops at 16 s.
    pub maxerror_microseconds: i64,
    /// Estimate of the error, in microseconds.
    pub esterror_microseconds: i64,
    /// Correction still to be applied, in nanoseconds, whichever unit the kernel was set to.
    pub offset_nanoseconds: i64,
    /// TAI minus UTC in seconds; 0 where nothing told the kernel.
    pub tai_offset_seconds: i32,
}

/// What `adjtimex(2)` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelClockState {
    /// `TIME_OK`: synchronised, no leap second announced.
    Ok,
    /// `TIME_INS`: a second is inserted at the end of this UTC day.
    InsertAnnounced,
    /// `TIME_DEL`: the last second of this UTC day is left out.
    DeleteAnnounced,
    /// `TIME_OOP`: the inserted second is passing now; the clock repeats 23:59:59.
    InsertInProgress,
    /// `TIME_WAIT`: a leap second has happened and its announcement has not been cleared yet.
    LeapHappened,
    /// `TIME_ERROR`: not synchronised, or a fault of the clock. Hides the leap state; the status flags still tell it.
    NotSynchronised,
    /// A value that `adjtimex(2)` does not document.
    Unknown(i32),
}

impl KernelClock {
    /// Reads the state of the kernel's clock.
    ///
    /// # Errors
    /// The system call's error: `EPERM` or `ENOSYS` where a sandbox forbids it.
    pub fn read() -> io::Result<KernelClockReading> {
        let (returned, timex) = adjtimex_read_only()?;
        let status = StatusFlags::from_bits(timex.status);
        let nanoseconds_per_unit = if status.nanoseconds() { 1 } else { 1_000 };
        Ok(KernelClockReading {
            state: KernelClockState::from_return_value(returned),
            status,
            maxerror_microseconds: timex.maxerror,
            esterror_microseconds: timex.esterror,
            offset_nanoseconds: timex.offset.saturating_mul(nanoseconds_per_unit),
            tai_offset_seconds: timex.tai,
        })
    }
}

impl KernelClockState {
    /// The state for a value returned by `adjtimex(2)` that is not -1.
    #[must_use]
    pub fn from_return_value(returned: i32) -> Self {
        match returned {
            libc::TIME_OK => Self::Ok,
            libc::TIME_INS => Self::InsertAnnounced,
            libc::TIME_DEL => Self::DeleteAnnounced,
            libc::TIME_OOP => Self::InsertInProgress,
            libc::TIME_WAIT => Self::LeapHappened,
            libc::TIME_ERROR => Self::NotSynchronised,
            other => Self::Unknown(other),
        }
    }
}

/// Calls `adjtimex` with modes 0.
#[expect(unsafe_code, reason = "no maintained crate wraps adjtimex(2)")]
fn adjtimex_read_only() -> io::Result<(i32, libc::timex)> {
    let mut timex = std::mem::MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: `timex` is plain integers, so all zeroes is a valid value of it before the call and whatever the kernel
    // writes is one after it. The pointer is to a live, aligned, exclusively borrowed value of that very type, and the
    // kernel writes nothing beyond it. `modes` is 0, so the call changes nothing and needs no privilege.
    let (returned, timex) = unsafe {
        let returned = libc::adjtimex(timex.as_mut_ptr());
        (returned, timex.assume_init())
    };
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok((returned, timex)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_works_without_privilege_and_gives_plausible_numbers() {
        let reading = KernelClock::read().expect("adjtimex with modes 0");
        assert!(!matches!(reading.state, KernelClockState::Unknown(_)), "{reading:?}");
        // The kernel caps maxerror at NTP_PHASE_LIMIT, 16 s.
        assert!((0..=16_000_000).contains(&reading.maxerror_microseconds), "{reading:?}");
        assert!((0..=16_000_000).contains(&reading.esterror_microseconds), "{reading:?}");
        assert!((-1_000_000_000..=1_000_000_000).contains(&reading.offset_nanoseconds), "{reading:?}");
    }

    #[test]
    fn an_unsynchronised_clock_is_reported_by_state_and_flag_alike() {
        let reading = KernelClock::read().expect("adjtimex with modes 0");
        if reading.status.unsynchronised() || reading.status.clock_error() {
            assert_eq!(reading.state, KernelClockState::NotSynchronised);
        }
        if reading.state == KernelClockState::Ok {
            assert!(!reading.status.unsynchronised());
        }
    }

    #[test]
    fn every_documented_return_value_has_its_state() {
        let states: Vec<_> = (0..=6).map(KernelClockState::from_return_value).collect();
        assert_eq!(
            states,
            [
                KernelClockState::Ok,
                KernelClockState::InsertAnnounced,
                KernelClockState::DeleteAnnounced,
                KernelClockState::InsertInProgress,
                KernelClockState::LeapHappened,
                KernelClockState::NotSynchronised,
                KernelClockState::Unknown(6),
            ]
        );
    }
}
