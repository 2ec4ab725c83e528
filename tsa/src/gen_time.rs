//! The instant that a token states, and its one encoding.
//!
//! RFC 3161 §2.4.2 narrows GeneralizedTime to what X.690 §11.7 allows in DER: UTC with seconds, `Z` at the end, a
//! fraction only after a dot and never with a trailing zero. The seconds are computed from a count that knows no leap
//! seconds, so `:60` cannot come out (requirement F5); stopping around a leap second is the clock's affair, not ours.

use std::time::Duration;

use attestamp_certs::UnixTime;

/// 9999-12-31T23:59:59Z, the last second that GeneralizedTime can state.
const LAST_SECOND: u64 = 253_402_300_799;
const NANOSECONDS_PER_SECOND: u32 = 1_000_000_000;

/// A moment in UTC, between 1970 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcInstant {
    unix_seconds: u64,
    nanoseconds: u32,
}

/// Seconds or nanoseconds beyond what [`UtcInstant`] can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no instant between 1970 and 9999: {unix_seconds} s and {nanoseconds} ns since 1970")]
pub struct InstantOutOfRange {
    /// Whole seconds given.
    pub unix_seconds: u64,
    /// Nanoseconds given.
    pub nanoseconds: u32,
}

impl UtcInstant {
    /// The instant this many seconds and nanoseconds after 1970-01-01T00:00:00Z, leap seconds not counted.
    ///
    /// # Errors
    /// [`InstantOutOfRange`] after the year 9999, or if there are 10⁹ nanoseconds or more.
    pub const fn new(unix_seconds: u64, nanoseconds: u32) -> Result<Self, InstantOutOfRange> {
        if unix_seconds > LAST_SECOND || nanoseconds >= NANOSECONDS_PER_SECOND {
            return Err(InstantOutOfRange { unix_seconds, nanoseconds });
        }
        Ok(Self { unix_seconds, nanoseconds })
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.unix_seconds
    }

    /// Nanoseconds within the second.
    #[must_use]
    pub const fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// Microseconds since 1970; finer digits are cut off, as GeneralizedTime does.
    #[must_use]
    pub fn unix_microseconds(self) -> u64 {
        // The last second has 12 digits, and six more fit.
        self.unix_seconds * 1_000_000 + u64::from(self.nanoseconds / 1_000)
    }

    /// The whole second, in the type that certificate checks take.
    #[must_use]
    pub const fn unix_time(self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(self.unix_seconds))
    }

    /// The latest instant at this precision that is not later: a token must not date anything into the future.
    #[must_use]
    pub const fn truncated(self, precision: GenTimePrecision) -> Self {
        let step = precision.step_nanoseconds();
        Self { nanoseconds: self.nanoseconds - self.nanoseconds % step, ..self }
    }
}

/// How finely genTime is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum GenTimePrecision {
    /// Whole seconds: what every client tried can read.
    #[default]
    Seconds,
    /// Up to three digits. Costs the clients that refuse fractions: Rust ones built on `x509-tsp` or
    /// `cryptographic-message-syntax`.
    Millis,
    /// Up to six digits, with the same cost.
    Micros,
}

impl GenTimePrecision {
    /// Distance of two neighbouring genTimes, which is also the most that truncation takes away.
    #[must_use]
    pub const fn step_microseconds(self) -> u64 {
        match self {
            Self::Seconds => 1_000_000,
            Self::Millis => 1_000,
            Self::Micros => 1,
        }
    }

    const fn step_nanoseconds(self) -> u32 {
        match self {
            Self::Seconds => NANOSECONDS_PER_SECOND,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
        }
    }
}

/// The content octets of a GeneralizedTime in DER, at most `YYYYMMDDhhmmss.ffffffZ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeneralizedTime {
    octets: [u8; 22],
    length: usize,
}

impl GeneralizedTime {
    /// Writes the instant down to its microsecond; finer digits are cut off.
    #[must_use]
    pub fn from_instant(instant: UtcInstant) -> Self {
        let (year, month, day) = civil_from_days(instant.unix_seconds / 86_400);
        let second_of_day = instant.unix_seconds % 86_400;
        let microseconds = u64::from(instant.nanoseconds / 1_000);
        let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
        let mut text = Self { octets: [0; 22], length: 0 };
        for (value, divisor) in
            [(year, 1_000), (month, 10), (day, 10), (hour, 10), (minute, 10), (second, 10)]
        {
            text.push_digits(value, divisor);
        }
        if microseconds > 0 {
            text.push(b'.');
            let (mut fraction, mut divisor) = (microseconds, 100_000);
            while fraction % 10 == 0 {
                fraction /= 10;
                divisor /= 10;
            }
            text.push_digits(fraction, divisor);
        }
        text.push(b'Z');
        text
    }

    fn push_digits(&mut self, value: u64, mut divisor: u64) {
        while divisor > 0 {
            let [digit, ..] = (value / divisor % 10).to_le_bytes();
            self.push(b'0' + digit);
            divisor /= 10;
        }
    }

    fn push(&mut self, octet: u8) {
        if let Some(place) = self.octets.get_mut(self.length) {
            *place = octet;
            self.length += 1;
        }
    }
}

impl AsRef<[u8]> for GeneralizedTime {
    fn as_ref(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year; 400 years have 146 097 days, and 719 468
/// days lie between 0000-03-01 and 1970-01-01.
const fn civil_from_days(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, year_carry) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (era * 400 + year_of_era + year_carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(unix_seconds: u64, nanoseconds: u32) -> String {
        let time = GeneralizedTime::from_instant(UtcInstant::new(unix_seconds, nanoseconds).unwrap());
        String::from_utf8(time.as_ref().to_vec()).unwrap()
    }

    #[test]
    fn gen_time_has_no_trailing_zeros_and_no_empty_fraction() {
        // 2026-11-22T12:47:03Z
        let second = 1_795_351_623;
        assert_eq!(text(second, 0), "20261122124703Z");
        assert_eq!(text(second, 100_000_000), "20261122124703.1Z");
        assert_eq!(text(second, 120_000_000), "20261122124703.12Z");
        assert_eq!(text(second, 999_000_000), "20261122124703.999Z");
        assert_eq!(text(second, 1_000), "20261122124703.000001Z");
        assert_eq!(text(second, 999_999_999), "20261122124703.999999Z");
        assert_eq!(text(second, 999), "20261122124703Z", "at most six digits");
    }

    #[test]
    fn gen_time_midnight_is_all_zeros() {
        assert_eq!(text(1_795_305_600, 0), "20261122000000Z");
        assert_eq!(text(0, 0), "19700101000000Z");
    }

    #[test]
    fn f5_the_second_after_59_is_0() {
        // 2016-12-31T23:59:59Z, before the last leap second, and the next second of the count.
        assert_eq!(text(1_483_228_799, 999_999_999), "20161231235959.999999Z");
        assert_eq!(text(1_483_228_800, 0), "20170101000000Z");
    }

    #[test]
    fn leap_days_and_the_ends_of_the_range() {
        assert_eq!(text(951_782_400, 0), "20000229000000Z");
        assert_eq!(text(4_107_542_399, 0), "21000228235959Z");
        assert_eq!(text(4_107_542_400, 0), "21000301000000Z");
        assert_eq!(text(LAST_SECOND, 0), "99991231235959Z");
        assert!(UtcInstant::new(LAST_SECOND + 1, 0).is_err());
        assert!(UtcInstant::new(0, 1_000_000_000).is_err());
    }

    #[test]
    fn truncation_goes_down() {
        let instant = UtcInstant::new(7, 999_999_999).unwrap();
        for (precision, nanoseconds) in [
            (GenTimePrecision::Seconds, 0),
            (GenTimePrecision::Millis, 999_000_000),
            (GenTimePrecision::Micros, 999_999_000),
        ] {
            assert_eq!(instant.truncated(precision), UtcInstant::new(7, nanoseconds).unwrap());
        }
    }

    proptest! {
        #[test]
        fn every_second_is_the_one_that_another_calendar_names(unix_seconds in 0..=LAST_SECOND) {
            let theirs = der::DateTime::from_unix_duration(Duration::from_secs(unix_seconds)).unwrap();
            let digits: String =
                theirs.to_string().chars().filter(|character| character.is_ascii_digit()).collect();
            prop_assert_eq!(text(unix_seconds, 0), format!("{digits}Z"));
        }
    }
}
