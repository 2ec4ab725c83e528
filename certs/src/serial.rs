//! The serial number of a certificate: positive and at most 20 octets (RFC 5280 §4.1.2.2).
//!
//! The random octets come from the caller. Serial numbers of tokens are another matter: the `tsa` crate makes those.

use std::fmt;

use x509_cert::serial_number::SerialNumber;

/// Content octets of the longest serial number (RFC 5280 §4.1.2.2).
const MAX_OCTETS: usize = 20;

/// A valid certificate serial number. It keeps the content octets of its DER INTEGER.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateSerial(Vec<u8>);

impl CertificateSerial {
    /// A serial of exactly 16 octets from 16 random ones. The first two bits become `01`, so that it is positive and of
    /// one length: 126 bits stay random, CAs of the web have to have 64.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        let [first, rest @ ..] = random;
        let mut content = vec![(first & 0x7f) | 0x40];
        content.extend_from_slice(&rest);
        Self(content)
    }

    /// A serial from an unsigned big-endian number; leading zeros are dropped.
    ///
    /// # Errors
    /// Zero, or more than 20 content octets.
    pub fn from_big_endian(number: &[u8]) -> Result<Self, SerialInvalid> {
        let start = number.iter().position(|octet| *octet != 0).ok_or(SerialInvalid::Zero)?;
        let magnitude = number.get(start..).unwrap_or_default();
        let sign = magnitude.first().is_some_and(|octet| octet & 0x80 != 0);
        let found = magnitude.len().saturating_add(usize::from(sign));
        if found > MAX_OCTETS {
            return Err(SerialInvalid::TooLong { found, allowed: MAX_OCTETS });
        }
        let mut content = Vec::with_capacity(found);
        if sign {
            content.push(0);
        }
        content.extend_from_slice(magnitude);
        Ok(Self(content))
    }

    /// A serial from the content octets of a DER INTEGER.
    ///
    /// # Errors
    /// Negative, zero, or more than 20 octets.
    pub fn from_content_octets(content: &[u8]) -> Result<Self, SerialInvalid> {
        match content.first() {
            Some(first) if first & 0x80 != 0 => Err(SerialInvalid::Negative),
            _ => Self::from_big_endian(content),
        }
    }

    /// The content octets of the DER INTEGER: a leading zero where the sign asks for one.
    #[must_use]
    pub fn content_octets(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn to_x509(&self) -> der::Result<SerialNumber> {
        SerialNumber::new(&self.0)
    }
}

impl fmt::Display for CertificateSerial {
    /// Lower-case hexadecimal without separators.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(formatter, "{octet:02x}"))
    }
}

impl fmt::Debug for CertificateSerial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CertificateSerial({self})")
    }
}

/// Why a number is no certificate serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SerialInvalid {
    /// It is zero.
    #[error("a certificate's serial number must be positive")]
    Zero,
    /// It is negative.
    #[error("a certificate's serial number must be positive, not negative")]
    Negative,
    /// It is too long.
    #[error("a certificate's serial number has {found} octets, {allowed} are allowed")]
    TooLong {
        /// Content octets needed.
        found: usize,
        /// Content octets allowed.
        allowed: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_random_serial_is_positive_and_of_one_length() {
        for octet in [0x00, 0x3f, 0x40, 0x80, 0xff] {
            let serial = CertificateSerial::from_random([octet; 16]);
            assert_eq!(serial.content_octets().len(), 16);
            assert!((0x40..0x80).contains(&serial.content_octets()[0]));
            assert_eq!(serial.content_octets()[1..], [octet; 15]);
        }
    }

    #[test]
    fn numbers_are_kept_minimal_and_positive() {
        for (number, content) in [(&[0, 0, 1][..], &[1][..]), (&[0x80], &[0, 0x80]), (&[0x7f, 0], &[0x7f, 0])]
        {
            assert_eq!(CertificateSerial::from_big_endian(number).unwrap().content_octets(), content);
        }
        assert_eq!(CertificateSerial::from_big_endian(&[0, 0]), Err(SerialInvalid::Zero));
        assert_eq!(CertificateSerial::from_big_endian(&[]), Err(SerialInvalid::Zero));
    }

    #[test]
    fn content_octets_lead_back_and_may_not_be_negative() {
        for number in [&[1][..], &[0x80, 1]] {
            let serial = CertificateSerial::from_big_endian(number).unwrap();
            assert_eq!(CertificateSerial::from_content_octets(serial.content_octets()), Ok(serial));
        }
        assert_eq!(CertificateSerial::from_content_octets(&[0x80]), Err(SerialInvalid::Negative));
    }

    #[test]
    fn twenty_octets_are_the_most() {
        assert!(CertificateSerial::from_big_endian(&[0x7f; 20]).is_ok());
        let too_long = SerialInvalid::TooLong { found: 21, allowed: 20 };
        assert_eq!(CertificateSerial::from_big_endian(&[0x80; 20]), Err(too_long));
        assert_eq!(CertificateSerial::from_big_endian(&[0x01; 21]), Err(too_long));
    }
}
