//! The status word of `adjtimex(2)` with names for the flags that matter to somebody who only reads the clock.
//!
//! A newtype and not an enum: the kernel sets several flags at once, and newer kernels may add some. Unknown bits are
//! kept, so that a log line shows the word as the kernel gave it.

use std::fmt;

/// The status word (`STA_*`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StatusFlags(i32);

impl StatusFlags {
    /// A leap second is inserted at the end of this UTC day (`STA_INS`, 0x10).
    pub const INSERT_LEAP_SECOND: i32 = libc::STA_INS;
    /// The last second of this UTC day is left out (`STA_DEL`, 0x20).
    pub const DELETE_LEAP_SECOND: i32 = libc::STA_DEL;
    /// The clock is not synchronised (`STA_UNSYNC`, 0x40).
    pub const UNSYNCHRONISED: i32 = libc::STA_UNSYNC;
    /// The clock hardware is at fault (`STA_CLOCKERR`, 0x1000).
    pub const CLOCK_ERROR: i32 = libc::STA_CLOCKERR;
    /// Offsets are in nanoseconds (`STA_NANO`, 0x2000).
    pub const NANOSECONDS: i32 = libc::STA_NANO;

    /// The flags of a status word.
    #[must_use]
    pub fn from_bits(bits: i32) -> Self {
        Self(bits)
    }

    /// The status word.
    #[must_use]
    pub fn bits(self) -> i32 {
        self.0
    }

    /// Whether a leap second is inserted at the end of this UTC day (`STA_INS`).
    #[must_use]
    pub fn insert_leap_second(self) -> bool {
        self.has(Self::INSERT_LEAP_SECOND)
    }

    /// Whether the last second of this UTC day is left out (`STA_DEL`).
    #[must_use]
    pub fn delete_leap_second(self) -> bool {
        self.has(Self::DELETE_LEAP_SECOND)
    }

    /// Whether the kernel holds its clock for unsynchronised (`STA_UNSYNC`).
    #[must_use]
    pub fn unsynchronised(self) -> bool {
        self.has(Self::UNSYNCHRONISED)
    }

    /// Whether the clock hardware is at fault (`STA_CLOCKERR`).
    #[must_use]
    pub fn clock_error(self) -> bool {
        self.has(Self::CLOCK_ERROR)
    }

    /// Whether offsets are in nanoseconds rather than microseconds (`STA_NANO`).
    #[must_use]
    pub fn nanoseconds(self) -> bool {
        self.has(Self::NANOSECONDS)
    }

    fn has(self, flag: i32) -> bool {
        self.0 & flag != 0
    }
}

impl fmt::Debug for StatusFlags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StatusFlags({:#06x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of `linux/timex.h`, which is kernel ABI; F2 names two of them.
    #[test]
    fn the_flags_have_the_values_of_the_kernel_interface() {
        assert!(StatusFlags::from_bits(0x10).insert_leap_second());
        assert!(StatusFlags::from_bits(0x20).delete_leap_second());
        assert!(StatusFlags::from_bits(0x40).unsynchronised());
        assert!(StatusFlags::from_bits(0x1000).clock_error());
        assert!(StatusFlags::from_bits(0x2000).nanoseconds());
    }

    #[test]
    fn each_flag_is_its_own_bit() {
        let none = StatusFlags::from_bits(!(0x10 | 0x20 | 0x40 | 0x1000 | 0x2000));
        assert!(!none.insert_leap_second());
        assert!(!none.delete_leap_second());
        assert!(!none.unsynchronised());
        assert!(!none.clock_error());
        assert!(!none.nanoseconds());
    }
}
