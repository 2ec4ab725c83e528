//! Serial numbers that need no disk and no coordination (RFC 3161 §2.4.2: unique per TSA, also after a crash).
//!
//! Twenty octets, always: six random ones drawn at start (the first fixed so that the number is positive and never
//! shorter), a counter of eight, six random ones drawn for this token. Within one start the counter alone makes them
//! unique. Between starts and nodes the first six tell them apart; where those are the same, because a machine was
//! cloned or set back to a snapshot while running, counter and prefix repeat together and the last six tell them apart.
//! The random octets are arguments: this crate has no source of randomness.

use std::fmt;

/// Drawn once per start of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SerialPrefix([u8; 6]);

impl SerialPrefix {
    /// Takes six random octets; two of the 48 bits are overwritten (01).
    #[must_use]
    pub const fn from_random(random: [u8; 6]) -> Self {
        let [first, rest @ ..] = random;
        let [a, b, c, d, e] = rest;
        Self([(first & 0x3f) | 0x40, a, b, c, d, e])
    }
}

/// A token's serial number: positive, 20 octets without leading zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial([u8; Self::LENGTH]);

impl Serial {
    /// Content octets of the INTEGER; 20 is the most that RFC 5280 §4.1.2.2 lets others expect of a serial number.
    pub const LENGTH: usize = 20;

    /// The number of the `counter`-th token since the start that drew `prefix`.
    ///
    /// `random` must be drawn afresh for each token, and the same counter never be given twice with one prefix.
    #[must_use]
    pub fn new(prefix: SerialPrefix, counter: u64, random: [u8; 6]) -> Self {
        let mut octets = [0; Self::LENGTH];
        let parts = prefix.0.into_iter().chain(counter.to_be_bytes()).chain(random);
        for (place, octet) in octets.iter_mut().zip(parts) {
            *place = octet;
        }
        Self(octets)
    }

    /// The content octets of the INTEGER.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Display for Serial {
    /// Lower-case hexadecimal, 40 digits.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(out, "{octet:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Serial({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn serial_parts_lie_side_by_side() {
        let serial = Serial::new(SerialPrefix::from_random([0xff; 6]), 0x0102_0304_0506_0708, [0xee; 6]);
        assert_eq!(serial.to_string(), "7fffffffffff0102030405060708eeeeeeeeeeee");
        assert_eq!(
            Serial::new(SerialPrefix::from_random([0; 6]), 0, [0; 6]).to_string(),
            format!("40{}", "0".repeat(38))
        );
    }

    proptest! {
        #[test]
        fn serial_positive_minimal_and_at_most_20_octets(
            prefix: [u8; 6], counter: u64, random: [u8; 6],
        ) {
            let serial = Serial::new(SerialPrefix::from_random(prefix), counter, random);
            let first = serial.as_bytes()[0];
            prop_assert!((0x40..0x80).contains(&first));
        }

        /// Any part that differs makes the number differ: a new count, a new start, or a clone's own random octets.
        #[test]
        fn serial_unique_if_any_part_differs(
            a: ([u8; 6], u64, [u8; 6]), b: ([u8; 6], u64, [u8; 6]),
        ) {
            let prefixes = (SerialPrefix::from_random(a.0), SerialPrefix::from_random(b.0));
            let same_parts = prefixes.0 == prefixes.1 && a.1 == b.1 && a.2 == b.2;
            let same = Serial::new(prefixes.0, a.1, a.2) == Serial::new(prefixes.1, b.1, b.2);
            prop_assert_eq!(same, same_parts);
            prop_assert_ne!(Serial::new(prefixes.0, a.1, a.2), Serial::new(prefixes.0, a.1 ^ 1, a.2));
            prop_assert_ne!(
                Serial::new(prefixes.0, a.1, a.2),
                Serial::new(prefixes.0, a.1, a.2.map(|octet| octet ^ 1))
            );
        }
    }
}
