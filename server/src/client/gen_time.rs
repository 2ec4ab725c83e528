//! The time of a token as a number.

/// A `GeneralizedTime` of RFC 3161 §2.4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenTime {
    /// Whole seconds since 1970, UTC.
    pub unix_seconds: u64,
    /// Nanoseconds within the second.
    pub nanoseconds: u32,
    /// What one step of its last digit is: 1 000 000 000 where there is no fraction.
    pub resolution_nanoseconds: u32,
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
        let resolution_nanoseconds = 10_u32.checked_pow(9_u32.checked_sub(digits)?)?;
        let fraction: u32 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        Some(Self {
            unix_seconds: u64::try_from(seconds).ok()?,
            nanoseconds: fraction.checked_mul(resolution_nanoseconds)?,
            resolution_nanoseconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_and_without_fraction() {
        let whole = GenTime::parse("20261122124714Z").unwrap();
        assert_eq!(whole.unix_seconds, 1_795_351_634);
        assert_eq!((whole.nanoseconds, whole.resolution_nanoseconds), (0, 1_000_000_000));
        let fine = GenTime::parse("19700101000001.25Z").unwrap();
        assert_eq!(
            (fine.unix_seconds, fine.nanoseconds, fine.resolution_nanoseconds),
            (1, 250_000_000, 10_000_000)
        );
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
