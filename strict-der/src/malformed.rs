//! Why a DER encoding was not accepted, and at which byte.
//!
//! One type for the request decoder and for the certificates that a template reads: whoever looks at a hex dump needs
//! the offset first. Nothing here quotes the input, so that a message can be shown to anybody.

/// The input is not the DER encoding that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {reason}")]
pub struct Malformed {
    /// Where, in octets from the start of the input: the tag, length or content octet at fault.
    pub offset: usize,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong at the offset of a [`Malformed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The whole input is longer than any honest one.
    #[error("{length} octets in all, at most {limit} are taken")]
    InputTooLong {
        /// Octets given.
        length: usize,
        /// Octets accepted.
        limit: usize,
    },
    /// The data ends inside a tag, a length or a value.
    #[error("the data ends too early: {needed} more octets needed, {available} there")]
    Truncated {
        /// Octets that the encoding announces from this offset.
        needed: usize,
        /// Octets that there are.
        available: usize,
    },
    /// Octets follow where the value must end.
    #[error("trailing data of length {octets}")]
    TrailingData {
        /// How many octets follow.
        octets: usize,
    },
    /// Another element stands here, or none.
    #[error("tag {expected:#04x} expected, {} found", FoundTag(*.found))]
    UnexpectedTag {
        /// The tag octet that belongs here.
        expected: u8,
        /// The tag octet that is here; `None` at the end of the data.
        found: Option<u8>,
    },
    /// A tag number above 30 (X.690 §8.1.2.4): no structure read here has one.
    #[error("tag number above 30")]
    HighTagNumber,
    /// The indefinite length form, which DER forbids (X.690 §10.1).
    #[error("indefinite length, which DER forbids")]
    IndefiniteLength,
    /// A length in more octets than it needs (X.690 §10.1).
    #[error("length not in its shortest form")]
    NonMinimalLength,
    /// A length in more than four octets.
    #[error("length field of {octets} octets, at most 4 are taken")]
    LengthTooLong {
        /// Octets of the length field after its first.
        octets: u8,
    },
    /// A BOOLEAN that is not one octet 00 or FF (X.690 §11.1).
    #[error("BOOLEAN that is neither 00 nor FF in one octet")]
    Boolean,
    /// A DEFAULT value that is encoded all the same (X.690 §11.5).
    #[error("a default value is encoded, which DER forbids")]
    EncodedDefault,
    /// An INTEGER without content (X.690 §8.3.1).
    #[error("INTEGER without content")]
    IntegerEmpty,
    /// An INTEGER in more octets than it needs (X.690 §8.3.2).
    #[error("INTEGER not in its shortest form")]
    IntegerNotMinimal,
    /// A NULL with content (X.690 §8.8.2).
    #[error("NULL with content")]
    NullNotEmpty,
    /// An OBJECT IDENTIFIER without content.
    #[error("OBJECT IDENTIFIER without content")]
    OidEmpty,
    /// An OBJECT IDENTIFIER that is longer than any in use.
    #[error("OBJECT IDENTIFIER of {length} octets, at most {limit} are taken")]
    OidTooLong {
        /// Content octets given.
        length: usize,
        /// Content octets accepted.
        limit: usize,
    },
    /// An arc that does not fit into 128 bits, the length of a UUID (X.667).
    #[error("OBJECT IDENTIFIER with an arc above 128 bits")]
    OidArcTooLarge,
    /// An arc that starts with 80 (X.690 §8.19.2).
    #[error("OBJECT IDENTIFIER arc not in its shortest form")]
    OidArcNotMinimal,
    /// The last arc has no last octet (X.690 §8.19.2).
    #[error("OBJECT IDENTIFIER ends inside an arc")]
    OidUnterminated,
    /// A list that must have at least one member has none.
    #[error("empty list where at least one member is required")]
    EmptyList,
    /// More extensions than any honest request has.
    #[error("more than {limit} extensions")]
    TooManyExtensions {
        /// Extensions accepted.
        limit: usize,
    },
    /// The same extension twice (RFC 5280 §4.2).
    #[error("an extension is repeated")]
    DuplicateExtension,
    /// Constructed values within constructed values beyond the limit.
    #[error("nested more than {limit} deep")]
    NestingTooDeep {
        /// Levels accepted.
        limit: usize,
    },
}

/// Writes a tag octet, or that there is none.
struct FoundTag(Option<u8>);

impl std::fmt::Display for FoundTag {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(tag) => write!(out, "{tag:#04x}"),
            None => out.write_str("end of data"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_starts_with_the_byte() {
        let missing = Malformed { offset: 7, reason: Reason::UnexpectedTag { expected: 0x30, found: None } };
        assert_eq!(missing.to_string(), "byte 7: tag 0x30 expected, end of data found");
        let other =
            Malformed { offset: 0, reason: Reason::UnexpectedTag { expected: 0x04, found: Some(0x24) } };
        assert_eq!(other.to_string(), "byte 0: tag 0x04 expected, 0x24 found");
    }
}
