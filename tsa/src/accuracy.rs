//! The accuracy that a token claims (RFC 3161 §2.4.2).
//!
//! Whether the clock keeps it is not known here: the server compares it with the clock's bound before each token.

use attestamp_strict_der::{element, tag, unsigned_integer};

/// `Accuracy`: how far genTime may be from the truth, either way. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Accuracy {
    seconds: u32,
    millis: u16,
    micros: u16,
}

/// No `Accuracy` that RFC 3161 can state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccuracyError {
    /// Millis or micros above 999 (RFC 3161 §2.4.2: 1..999).
    #[error("accuracy component of {found}, at most 999 is possible; put the rest into the next larger unit")]
    ComponentTooLarge {
        /// The component given.
        found: u16,
    },
    /// All components are zero: there is no perfect clock, and an absent accuracy says nothing.
    #[error("an accuracy of zero; the smallest that can be stated is 1 microsecond")]
    Zero,
}

impl Accuracy {
    /// One second: with whole seconds in genTime the form that every client tried can read.
    pub const ONE_SECOND: Self = Self { seconds: 1, millis: 0, micros: 0 };

    /// The sum of these components.
    ///
    /// # Errors
    /// [`AccuracyError`] if millis or micros exceed 999, or the sum is zero.
    pub const fn new(seconds: u32, millis: u16, micros: u16) -> Result<Self, AccuracyError> {
        if millis > 999 {
            return Err(AccuracyError::ComponentTooLarge { found: millis });
        }
        if micros > 999 {
            return Err(AccuracyError::ComponentTooLarge { found: micros });
        }
        if seconds == 0 && millis == 0 && micros == 0 {
            return Err(AccuracyError::Zero);
        }
        Ok(Self { seconds, millis, micros })
    }

    /// The whole claim in microseconds.
    #[must_use]
    pub fn total_microseconds(self) -> u64 {
        u64::from(self.seconds) * 1_000_000 + u64::from(self.millis) * 1_000 + u64::from(self.micros)
    }

    /// The whole `Accuracy` SEQUENCE; zero components are left out.
    pub(crate) fn to_der(self) -> Vec<u8> {
        let part = |tag, value: u32| if value == 0 { Vec::new() } else { unsigned_integer(tag, value) };
        element(
            tag::SEQUENCE,
            &[
                &part(tag::INTEGER, self.seconds),
                &part(tag::CONTEXT_0_PRIMITIVE, u32::from(self.millis)),
                &part(tag::CONTEXT_1_PRIMITIVE, u32::from(self.micros)),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn accuracy_zero_components_are_omitted() {
        let der = |seconds, millis, micros| Accuracy::new(seconds, millis, micros).unwrap().to_der();
        assert_eq!(der(1, 0, 0), hex!("3003 020101"));
        assert_eq!(der(0, 500, 0), hex!("3004 800201f4"));
        assert_eq!(der(0, 0, 1), hex!("3003 810101"));
        assert_eq!(der(1, 2, 999), hex!("300a 020101 800102 810203e7"));
        assert_eq!(Accuracy::ONE_SECOND.to_der(), der(1, 0, 0));
    }

    #[test]
    fn accuracy_millis_and_micros_are_1_to_999() {
        assert_eq!(Accuracy::new(1, 1000, 0), Err(AccuracyError::ComponentTooLarge { found: 1000 }));
        assert_eq!(Accuracy::new(1, 0, 1000), Err(AccuracyError::ComponentTooLarge { found: 1000 }));
        assert_eq!(Accuracy::new(0, 0, 0), Err(AccuracyError::Zero));
        assert_eq!(Accuracy::new(2, 3, 4).unwrap().total_microseconds(), 2_003_004);
    }
}
