//! The system's clock without a verdict on it: for certificates and measurements, never for a token.

use std::time::SystemTime;

use attestamp_certs::{UnixTime, Utc};

/// Now by the system's clock: seconds since 1970 and nanoseconds; zero for a clock that is before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub fn unix_time() -> (u64, u32) {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_nanos())
}

/// Now in whole seconds, by the system's clock.
#[must_use]
pub fn system_time() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(unix_time().0))
}

/// RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(time: UnixTime) -> String {
    Utc(time).to_string()
}
