//! The time of a token as a number, and how finely it is stated.

use std::time::Duration;

/// A `GeneralizedTime` of RFC 3161 §2.4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenTime {
    /// Since 1970-01-01T00:00:00Z, leap seconds not counted.
    pub since_1970: Duration,
    /// What one step of its last digit is in nanoseconds: 1 000 000 000 where there is no fraction.
    pub step_nanoseconds: u32,
}

impl GenTime {
    /// Reads `YYYYMMDDhhmmss[.f…]Z`; `None` if it is anything else, or no date.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z')?;
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if whole.len() != 14
            || fraction.len() > 9
            || !whole.bytes().chain(fraction.bytes()).all(|o| o.is_ascii_digit())
        {
            return None;
        }
        let two = |at: usize| whole.get(at..at.checked_add(2)?)?.parse::<i8>().ok();
        let year = whole.get(..4)?.parse().ok()?;
        let civil =
            jiff::civil::DateTime::new(year, two(4)?, two(6)?, two(8)?, two(10)?, two(12)?, 0).ok()?;
        let seconds = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
        let digits = u32::try_from(fraction.len()).ok()?;
        let step_nanoseconds = 10_u32.checked_pow(9_u32.checked_sub(digits)?)?;
        let fraction: u32 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        let nanoseconds = fraction.checked_mul(step_nanoseconds)?;
        Some(Self { since_1970: Duration::new(u64::try_from(seconds).ok()?, nanoseconds), step_nanoseconds })
    }

    /// Whether the time can have been taken between these two moments. It is cut off after its last digit, not
    /// rounded: so is the moment before which it cannot be.
    #[must_use]
    pub fn is_between(&self, from: Duration, to: Duration) -> bool {
        let step = self.step_nanoseconds.max(1);
        let earliest = from.saturating_sub(Duration::from_nanos(u64::from(from.subsec_nanos() % step)));
        (earliest..=to).contains(&self.since_1970)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_and_without_fraction() {
        let whole = GenTime::parse("20261122124714Z").unwrap();
        assert_eq!(whole.since_1970, Duration::from_secs(1_795_351_634));
        assert_eq!(whole.step_nanoseconds, 1_000_000_000);
        let fine = GenTime::parse("19700101000001.25Z").unwrap();
        assert_eq!((fine.since_1970, fine.step_nanoseconds), (Duration::from_millis(1_250), 10_000_000));
    }

    #[test]
    fn a_time_is_between_two_moments_that_surround_it_once_cut_off_alike() {
        let [second, fine] =
            ["19700101000005Z", "19700101000005.2Z"].map(|text| GenTime::parse(text).unwrap());
        let milliseconds = Duration::from_millis;
        assert!(second.is_between(milliseconds(5_900), milliseconds(5_901)));
        assert!(!second.is_between(milliseconds(6_000), milliseconds(6_100)));
        assert!(!second.is_between(milliseconds(4_000), milliseconds(4_999)));
        assert!(fine.is_between(milliseconds(5_290), milliseconds(5_291)));
        assert!(!fine.is_between(milliseconds(5_300), milliseconds(5_301)));
        assert!(!fine.is_between(milliseconds(5_000), milliseconds(5_199)));
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        for text in [
            "",
            "Z",
            "20261122124714",
            "202611221247Z",
            "20261322124714Z",
            "+0261122124714Z",
            "20261122124714.é Z",
        ] {
            assert_eq!(GenTime::parse(text), None, "{text}");
        }
    }
}
