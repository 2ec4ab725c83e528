//! The times of X.509 and of claims, in DER: whole seconds, UTC, nothing else (RFC 5280 §4.1.2.5).
//!
//! Private to the crate. X.680 allows fractions, offsets and missing seconds; none of them is read here.

use std::time::Duration;

use attestamp_certs::UnixTime;
use attestamp_strict_der::{Element, element, tag};
use der::DateTime;

/// The last second that a year of four digits has: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;
/// The first second that UTCTime cannot say: 2050-01-01T00:00:00Z.
const UTC_TIME_END: u64 = 2_524_608_000;

/// A whole GeneralizedTime. A time after the year 9999 is written as the last second of that year.
pub(crate) fn generalized_time(time: UnixTime) -> Vec<u8> {
    element(tag::GENERALIZED_TIME, &[digits(time).as_bytes()])
}

/// A whole `Time` of a certificate: UTCTime until 2049, GeneralizedTime after.
pub(crate) fn x509_time(time: UnixTime) -> Vec<u8> {
    if time.as_secs() >= UTC_TIME_END {
        return generalized_time(time);
    }
    let digits = digits(time);
    // Without the century.
    element(tag::UTC_TIME, &[digits.get(2..).unwrap_or_default().as_bytes()])
}

/// The content of a GeneralizedTime `YYYYMMDDHHMMSSZ` from 1970 on.
pub(crate) fn read_generalized_time(content: &[u8]) -> Option<UnixTime> {
    let digits = content.strip_suffix(b"Z").filter(|digits| digits.len() == 14)?;
    let (century, rest) = digits.split_at_checked(2)?;
    read_digits(number(century)?, rest)
}

/// The `Time` of a certificate, in the form that its year must have.
pub(crate) fn read_x509_time(time: &Element<'_>) -> Option<UnixTime> {
    if time.tag == tag::UTC_TIME {
        let rest = time.content.strip_suffix(b"Z").filter(|digits| digits.len() == 12)?;
        // RFC 5280 §4.1.2.5.1: years from 50 on are of the twentieth century.
        let century = if number(rest.get(..2)?)? >= 50 { 19 } else { 20 };
        return read_digits(century, rest);
    }
    read_generalized_time(time.content).filter(|time| time.as_secs() >= UTC_TIME_END)
}

fn digits(time: UnixTime) -> String {
    let seconds = Duration::from_secs(time.as_secs().min(LAST_SECOND));
    let Ok(time) = DateTime::from_unix_duration(seconds) else { return String::new() };
    let (year, month, day) = (time.year(), time.month(), time.day());
    let (hour, minute, second) = (time.hour(), time.minutes(), time.seconds());
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z")
}

/// The time that a century and twelve digits after it name.
fn read_digits(century: u8, digits: &[u8]) -> Option<UnixTime> {
    let two = |from: usize| number(digits.get(from..from + 2)?);
    let year = u16::from(century) * 100 + u16::from(two(0)?);
    let time = DateTime::new(year, two(2)?, two(4)?, two(6)?, two(8)?, two(10)?).ok()?;
    Some(UnixTime::since_unix_epoch(time.unix_duration()))
}

/// The value of two decimal digits.
fn number(digits: &[u8]) -> Option<u8> {
    let [tens, ones] = digits else { return None };
    let is_number = tens.is_ascii_digit() && ones.is_ascii_digit();
    is_number.then(|| (tens & 0x0f) * 10 + (ones & 0x0f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use attestamp_strict_der::Reader;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn read_x509(der: &[u8]) -> Option<u64> {
        read_x509_time(&Reader::new(der).any().unwrap()).map(|time| time.as_secs())
    }

    #[test]
    fn rfc_5280_4_1_2_5_utc_time_until_2049_and_generalized_time_after() {
        for (seconds, der) in [
            (0, b"\x17\x0d700101000000Z".as_slice()),
            (1_770_091_506, b"\x17\x0d260203040506Z"),
            (UTC_TIME_END - 1, b"\x17\x0d491231235959Z"),
            (UTC_TIME_END, b"\x18\x0f20500101000000Z"),
            (LAST_SECOND, b"\x18\x0f99991231235959Z"),
        ] {
            assert_eq!(x509_time(at(seconds)), der);
            assert_eq!(read_x509(der), Some(seconds));
        }
        // A GeneralizedTime of a year that UTCTime can say.
        assert_eq!(read_x509(b"\x18\x0f20491231235959Z"), None);
        assert_eq!(x509_time(at(u64::MAX)), x509_time(at(LAST_SECOND)));
    }

    #[test]
    fn other_forms_of_x_680_are_refused() {
        for text in [
            "20260203040506",
            "202602030405Z",
            "20260203040506.5Z",
            "20260203040506+0000",
            "20260203040506z",
            "20260203040560Z",
            "20260203240000Z",
            "20260230000000Z",
            "20261301000000Z",
            "2026020304050aZ",
            "19691231235959Z",
            " 0260203040506Z",
            "-0260203040506Z",
            "",
            "Z",
            "020260203040506Z",
        ] {
            assert_eq!(read_generalized_time(text.as_bytes()), None, "{text}");
        }
        for text in ["2602030405Z", "260203040506", "260203040506+0000", "690203040506Z", "260203040506ZZ"] {
            let der = element(tag::UTC_TIME, &[text.as_bytes()]);
            assert_eq!(read_x509(&der), None, "{text}");
        }
        assert_eq!(read_generalized_time(b"20260203040506Z"), Some(at(1_770_091_506)));
    }
}
