//! The validity of a certificate, and the times of X.509: whole seconds, UTCTime until 2049, GeneralizedTime after (RFC
//! 5280 §4.1.2.5).

use std::time::Duration;

use der::asn1::GeneralizedTime;
use der::{DateTime, Decode as _};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::Certificate;
use x509_cert::time::Time;

/// From when until when a certificate is valid, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    not_before: UnixTime,
    not_after: UnixTime,
}

impl Validity {
    /// A period of at least one second.
    ///
    /// # Errors
    /// An end that is not after the begin, or after the year 9999.
    pub fn new(not_before: UnixTime, not_after: UnixTime) -> Result<Self, ValidityInvalid> {
        if not_after <= not_before {
            return Err(ValidityInvalid::EndsBeforeItBegins {
                not_before_unix_seconds: not_before.as_secs(),
                not_after_unix_seconds: not_after.as_secs(),
            });
        }
        date_time(not_after).map_err(|source| ValidityInvalid::OutOfRange {
            not_after_unix_seconds: not_after.as_secs(),
            source,
        })?;
        Ok(Self { not_before, not_after })
    }

    /// The validity that stands in a certificate of any kind.
    ///
    /// # Errors
    /// It is no certificate, or ends before it begins.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, ValidityInvalid> {
        let decoded =
            Certificate::from_der(certificate).map_err(|source| ValidityInvalid::Unreadable { source })?;
        let validity = decoded.tbs_certificate().validity();
        Self::new(from_x509_time(validity.not_before), from_x509_time(validity.not_after))
    }

    /// The first second.
    #[must_use]
    pub const fn not_before(self) -> UnixTime {
        self.not_before
    }

    /// The last second.
    #[must_use]
    pub const fn not_after(self) -> UnixTime {
        self.not_after
    }

    pub(crate) fn to_x509(self) -> der::Result<x509_cert::time::Validity> {
        Ok(x509_cert::time::Validity::new(to_x509_time(self.not_before)?, to_x509_time(self.not_after)?))
    }
}

/// Why two times are no validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValidityInvalid {
    /// The end is not after the begin.
    #[error(
        "a validity that ends at {not_after_unix_seconds} does not begin before that, but at {not_before_unix_seconds}"
    )]
    EndsBeforeItBegins {
        /// Begin, in seconds since 1970.
        not_before_unix_seconds: u64,
        /// End, in seconds since 1970.
        not_after_unix_seconds: u64,
    },
    /// The certificate cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable {
        /// The decoder's reason.
        source: der::Error,
    },
    /// A time that has no four-digit year.
    #[error("a validity cannot end at {not_after_unix_seconds}, after the year 9999")]
    OutOfRange {
        /// End, in seconds since 1970.
        not_after_unix_seconds: u64,
        /// The encoder's reason.
        source: der::Error,
    },
}

/// The `Time` of certificates and CRLs, in the form that its year asks for.
pub(crate) fn to_x509_time(time: UnixTime) -> der::Result<Time> {
    Ok(Time::from(date_time(time)?))
}

/// The `GeneralizedTime` of extensions, whatever the year.
pub(crate) fn to_generalized_time(time: UnixTime) -> der::Result<GeneralizedTime> {
    Ok(GeneralizedTime::from_date_time(date_time(time)?))
}

pub(crate) fn from_x509_time(time: Time) -> UnixTime {
    UnixTime::since_unix_epoch(time.to_unix_duration())
}

fn date_time(time: UnixTime) -> der::Result<DateTime> {
    DateTime::from_unix_duration(Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::Encode;

    const END_OF_2049: u64 = 2_524_607_999;

    fn at(unix_seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds))
    }

    #[test]
    fn utc_time_until_2049_and_generalized_time_after() {
        assert_eq!(to_x509_time(at(END_OF_2049)).unwrap().to_der().unwrap(), b"\x17\x0d491231235959Z");
        assert_eq!(to_x509_time(at(END_OF_2049 + 1)).unwrap().to_der().unwrap(), b"\x18\x0f20500101000000Z");
        assert_eq!(from_x509_time(to_x509_time(at(END_OF_2049)).unwrap()), at(END_OF_2049));
        assert_eq!(to_generalized_time(at(0)).unwrap().to_der().unwrap(), b"\x18\x0f19700101000000Z");
    }

    #[test]
    fn a_validity_has_at_least_one_second_and_four_digit_years() {
        assert!(Validity::new(at(1), at(2)).is_ok());
        assert!(matches!(Validity::new(at(2), at(2)), Err(ValidityInvalid::EndsBeforeItBegins { .. })));
        assert!(Validity::new(at(2), at(253_402_300_799)).is_ok());
        assert!(matches!(
            Validity::new(at(2), at(253_402_300_800)),
            Err(ValidityInvalid::OutOfRange { not_after_unix_seconds: 253_402_300_800, .. })
        ));
    }
}
