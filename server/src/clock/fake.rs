//! A clock that a test moves. Production must not use it, and its name says so; it is public because the in-process
//! harness and the tests of other folders build a server on it.
//!
//! It moves by a nanosecond at each reading, as a real one would at least, unless it is frozen.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use attestamp_kernel_clock::{KernelClockReading, KernelClockState, StatusFlags};
use jiff::SignedDuration;

use super::source::{BootId, ClockReadings, KernelUnreadable, TimeSource};

const TICK: Duration = Duration::from_nanos(1);

/// A clock that tells whatever it was told to tell.
#[derive(Debug)]
pub struct DangerousFakeTime {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    clocks: ClockReadings,
    kernel: Result<KernelClockReading, KernelUnreadable>,
    boot: u64,
    realtime_frozen: bool,
    boottime_frozen: bool,
    slew_parts_per_million: i32,
}

impl DangerousFakeTime {
    /// A clock at this second, an hour after the boot, synchronised to within a millisecond.
    #[must_use]
    pub fn synchronised_at(unix_seconds: u64) -> Self {
        let clocks = ClockReadings {
            realtime: Duration::from_secs(unix_seconds),
            boottime: Duration::from_secs(3_600),
            slew: SignedDuration::ZERO,
            suspended: Duration::ZERO,
        };
        Self {
            state: Mutex::new(State {
                clocks,
                kernel: Ok(Self::synchronised_reading()),
                boot: 1,
                realtime_frozen: false,
                boottime_frozen: false,
                slew_parts_per_million: 0,
            }),
        }
    }

    /// What a synchronised kernel says: a bound of a millisecond, nothing announced.
    #[must_use]
    pub fn synchronised_reading() -> KernelClockReading {
        KernelClockReading {
            state: KernelClockState::Ok,
            status: StatusFlags::from_bits(StatusFlags::NANOSECONDS | 1),
            maxerror_microseconds: 1_000,
            esterror_microseconds: 100,
            offset_nanoseconds: 20_000,
            tai_offset_seconds: 37,
        }
    }

    /// Time passes while the machine runs: the clocks go on, except where frozen, with what a slew adds.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.pass(by);
    }

    /// The machine is suspended for as long, and comes back with both clocks as much later.
    pub fn suspend(&self, by: Duration) {
        let mut state = self.lock();
        state.clocks.realtime += by;
        state.clocks.boottime += by;
        state.clocks.suspended += by;
    }

    /// A time service slews the clock from now on: so much more (or less) passes on it than in truth.
    pub fn slew(&self, parts_per_million: i32) {
        self.lock().slew_parts_per_million = parts_per_million;
    }

    /// What slewing has added to the clock.
    #[must_use]
    pub fn slewed(&self) -> SignedDuration {
        self.lock().clocks.slew
    }

    /// Somebody sets the clock: CLOCK_REALTIME moves, CLOCK_BOOTTIME does not.
    pub fn step(&self, by: SignedDuration) {
        let mut state = self.lock();
        state.clocks.realtime = moved(state.clocks.realtime, by);
    }

    /// The machine starts anew: CLOCK_BOOTTIME counts from zero, in another boot.
    pub fn reboot(&self) {
        let mut state = self.lock();
        state.boot += 1;
        state.clocks.boottime = Duration::ZERO;
    }

    /// Lets CLOCK_REALTIME stand still, or go on.
    pub fn freeze_realtime(&self, frozen: bool) {
        self.lock().realtime_frozen = frozen;
    }

    /// Lets CLOCK_BOOTTIME stand still, or go on.
    pub fn freeze_boottime(&self, frozen: bool) {
        self.lock().boottime_frozen = frozen;
    }

    /// What the kernel says from now on.
    pub fn set_kernel(&self, kernel: Result<KernelClockReading, KernelUnreadable>) {
        self.lock().kernel = kernel;
    }

    /// Changes what the kernel says from now on, if it says anything.
    pub fn change_kernel(&self, change: impl FnOnce(&mut KernelClockReading)) {
        if let Ok(reading) = &mut self.lock().kernel {
            change(reading);
        }
    }

    /// The kernel loses its synchronisation: `TIME_ERROR`, `STA_UNSYNC`, the greatest bound.
    pub fn unsynchronise(&self) {
        self.change_kernel(|reading| {
            reading.state = KernelClockState::NotSynchronised;
            reading.status = StatusFlags::from_bits(reading.status.bits() | StatusFlags::UNSYNCHRONISED);
            reading.maxerror_microseconds = 16_000_000;
        });
    }

    /// CLOCK_REALTIME, without moving it.
    #[must_use]
    pub fn realtime(&self) -> Duration {
        self.lock().clocks.realtime
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimeSource for DangerousFakeTime {
    fn clocks(&self) -> ClockReadings {
        let mut state = self.lock();
        state.pass(TICK);
        state.clocks
    }

    fn kernel(&self) -> Result<KernelClockReading, KernelUnreadable> {
        self.lock().kernel
    }

    fn boot(&self) -> Option<BootId> {
        Some(BootId(self.lock().boot.to_string()))
    }
}

impl State {
    fn pass(&mut self, by: Duration) {
        let added =
            SignedDuration::try_from(by).unwrap_or_default() * self.slew_parts_per_million / 1_000_000;
        self.clocks.slew += added;
        let by = moved(by, added);
        if !self.realtime_frozen {
            self.clocks.realtime += by;
        }
        if !self.boottime_frozen {
            self.clocks.boottime += by;
        }
    }
}

fn moved(time: Duration, by: SignedDuration) -> Duration {
    if by.is_negative() {
        time.saturating_sub(by.unsigned_abs())
    } else {
        time.saturating_add(by.unsigned_abs())
    }
}
