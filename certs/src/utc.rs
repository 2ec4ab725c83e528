//! How instants are written in messages: RFC 3339 in UTC, whole seconds, as `2026-02-03T04:05:06Z`.

use std::fmt;

use der::DateTime;
use rustls_pki_types::UnixTime;
use std::time::Duration;

/// An instant that displays itself as RFC 3339; `UnixTime` has no `Display` of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc(pub UnixTime);

impl fmt::Display for Utc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match DateTime::from_unix_duration(Duration::from_secs(seconds)) {
            Ok(instant) => write!(formatter, "{instant}"),
            // After the year 9999.
            Err(_) => write!(formatter, "{seconds} seconds after 1970"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_rfc_3339() {
        let at = |seconds| Utc(UnixTime::since_unix_epoch(Duration::from_secs(seconds))).to_string();
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(1_770_091_506), "2026-02-03T04:05:06Z");
        assert_eq!(at(u64::MAX), "18446744073709551615 seconds after 1970");
    }
}
