//! Object identifiers as they came: content octets, checked, never copied and never expanded.
//!
//! An identifier of a stranger is compared and echoed, nothing else; so the octets are enough. The limits keep an
//! identifier of 100 KB (CVE-2025-66564, CVE-2025-8885) from costing anything.

use std::fmt;

use crate::{Element, tag};
use crate::{Malformed, Reason};

/// Longest OBJECT IDENTIFIER taken, in content octets: the identifiers in use have 10 to 20, UUID arcs (X.667) 20.
pub const MAX_OID_LENGTH: usize = 64;

/// An OBJECT IDENTIFIER within an input: at most 64 octets, arcs of at most 128 bits (X.690 §8.19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Oid<'a>(&'a [u8]);

impl<'a> Oid<'a> {
    /// Takes content octets, without tag and length; `offset` is where they stand, for the error.
    ///
    /// # Errors
    /// [`Malformed`] if they are no OBJECT IDENTIFIER, or one beyond the limits.
    pub fn from_content(content: &'a [u8], offset: usize) -> Result<Self, Malformed> {
        let malformed = |at: usize, reason| Malformed { offset: offset + at, reason };
        if content.is_empty() {
            return Err(malformed(0, Reason::OidEmpty));
        }
        if content.len() > MAX_OID_LENGTH {
            return Err(malformed(0, Reason::OidTooLong { length: content.len(), limit: MAX_OID_LENGTH }));
        }
        let mut arc: u128 = 0;
        let mut inside_arc = false;
        for (at, &octet) in content.iter().enumerate() {
            if !inside_arc && octet == 0x80 {
                return Err(malformed(at, Reason::OidArcNotMinimal));
            }
            if arc > u128::MAX >> 7 {
                return Err(malformed(at, Reason::OidArcTooLarge));
            }
            arc = (arc << 7) | u128::from(octet & 0x7f);
            inside_arc = octet & 0x80 != 0;
            if !inside_arc {
                arc = 0;
            }
        }
        if inside_arc {
            return Err(malformed(content.len() - 1, Reason::OidUnterminated));
        }
        Ok(Self(content))
    }

    /// Takes an element that must be an OBJECT IDENTIFIER.
    pub fn from_element(element: &Element<'a>) -> Result<Self, Malformed> {
        if element.tag != tag::OBJECT_IDENTIFIER {
            let (expected, found) = (tag::OBJECT_IDENTIFIER, Some(element.tag));
            return Err(element.malformed(Reason::UnexpectedTag { expected, found }));
        }
        Self::from_content(element.content, element.content_offset)
    }

    /// For octets that were checked when they were made.
    pub const fn from_checked(content: &'a [u8]) -> Self {
        Self(content)
    }

    /// The content octets, without tag and length.
    #[must_use]
    pub const fn content(&self) -> &'a [u8] {
        self.0
    }

    /// The subidentifiers (X.690 §8.19.3): the first stands for the first two arcs.
    fn subidentifiers(&self) -> impl Iterator<Item = u128> {
        self.0
            .split_inclusive(|octet| octet & 0x80 == 0)
            .map(|octets| octets.iter().fold(0, |arc: u128, octet| (arc << 7) | u128::from(octet & 0x7f)))
    }
}

impl fmt::Display for Oid<'_> {
    /// Dotted decimal.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, value) in self.subidentifiers().enumerate() {
            match (position, value) {
                (0, 0..40) => write!(out, "0.{value}")?,
                (0, 40..80) => write!(out, "1.{}", value - 40)?,
                (0, _) => write!(out, "2.{}", value - 80)?,
                _ => write!(out, ".{value}")?,
            }
        }
        Ok(())
    }
}

/// Appends a subidentifier: base 128, most significant first, all but the last octet with bit 8 (X.690 §8.19.2).
pub fn push_arc(out: &mut Vec<u8>, value: u128) {
    for group in (0..19_u32).rev() {
        let left = value >> (7 * group);
        if left > 0 || group == 0 {
            let [low, ..] = left.to_le_bytes();
            out.push(if group == 0 { low & 0x7f } else { low | 0x80 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    fn reason(content: &[u8]) -> (usize, Reason) {
        let malformed = Oid::from_content(content, 100).unwrap_err();
        (malformed.offset, malformed.reason)
    }

    #[test]
    fn x690_8_19_arcs_are_minimal_whole_and_of_128_bits() {
        assert_eq!(reason(&[]), (100, Reason::OidEmpty));
        assert_eq!(reason(&hex!("2a 80 01")), (101, Reason::OidArcNotMinimal));
        assert_eq!(reason(&hex!("80 01")), (100, Reason::OidArcNotMinimal));
        assert_eq!(reason(&hex!("2a 86")), (101, Reason::OidUnterminated));
        // 2^128 needs 19 octets starting with 84; 2^128 - 1 starts with 83.
        let beyond = hex!("2a 84 8080808080 8080808080 8080808080 8080 00");
        assert_eq!(reason(&beyond), (119, Reason::OidArcTooLarge));
        let largest = hex!("2a 83 ffffffffff ffffffffff ffffffffff ffff 7f");
        let dotted = format!("1.2.{}", u128::MAX);
        assert_eq!(Oid::from_content(&largest, 0).unwrap().to_string(), dotted);
        let mut written = vec![0x2a];
        push_arc(&mut written, u128::MAX);
        assert_eq!(written, largest);
        let long = [0x2a; 65];
        assert_eq!(reason(&long), (100, Reason::OidTooLong { length: 65, limit: 64 }));
        assert!(Oid::from_content(&[0x2a; 64], 0).is_ok());
        assert_eq!(reason(&[0xff; 65]), (100, Reason::OidTooLong { length: 65, limit: 64 }));
    }

    #[test]
    fn dotted_decimal() {
        for (content, dotted) in [
            (hex!("00").as_slice(), "0.0"),
            (&hex!("27"), "0.39"),
            (&hex!("28"), "1.0"),
            (&hex!("4f"), "1.39"),
            (&hex!("50"), "2.0"),
            (&hex!("88 37 03"), "2.999.3"),
            (&hex!("04 00 8f 67 01 01"), "0.4.0.2023.1.1"),
        ] {
            assert_eq!(Oid::from_content(content, 0).unwrap().to_string(), dotted);
        }
    }
}
