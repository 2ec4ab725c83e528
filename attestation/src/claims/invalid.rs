//! Why claims were not read, and at which byte. Nothing of the input is quoted: it may be anybody's.

use std::fmt;

use attestamp_strict_der::Malformed;

use super::{MAX_CLAIMS_OCTETS, MAX_ID_OCTETS, MAX_TEXT_OCTETS, NonceInvalid};

/// A field of the claims, for errors that name where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the fields of the structure")]
pub enum ClaimsField {
    Assurance,
    Clock,
    EndState,
    AllowedMechanisms,
    TsaPolicies,
    Evidence,
}

impl fmt::Display for ClaimsField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Assurance => "assurance",
            Self::Clock => "clock",
            Self::EndState => "end.state",
            Self::AllowedMechanisms => "allowedMechanisms",
            Self::TsaPolicies => "tsaPolicies",
            Self::Evidence => "evidence",
        })
    }
}

/// Claims, or a platform, that are not what this version writes. Offsets are counted from the start of the extension's
/// value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsInvalid {
    /// Not DER, or not this structure.
    #[error("not the DER of version 1 of this structure")]
    Malformed(#[from] Malformed),
    /// Longer than any honest ones.
    #[error("{length} octets of claims, at most {MAX_CLAIMS_OCTETS} are read")]
    TooLong {
        /// Octets given.
        length: usize,
    },
    /// Another version than 1.
    #[error("byte {offset}: the claims are not of version 1, which is the one that is known here")]
    Version {
        /// Where.
        offset: usize,
    },
    /// An ENUMERATED with a value that version 1 does not have.
    #[error("byte {offset}: {field} has a value that version 1 does not have")]
    UnknownValue {
        /// Where.
        offset: usize,
        /// Which field.
        field: ClaimsField,
    },
    /// A time in another form than `YYYYMMDDHHMMSSZ`, or before 1970.
    #[error("byte {offset}: a time is not of the form YYYYMMDDHHMMSSZ from 1970 on")]
    Time {
        /// Where.
        offset: usize,
    },
    /// A nonce of a wrong length.
    #[error("byte {offset}: the nonce is not accepted")]
    Nonce {
        /// Where.
        offset: usize,
        /// Its length.
        source: NonceInvalid,
    },
    /// A CKA_ID of a wrong length.
    #[error("byte {offset}: the key's id has {found} octets, 1 to {MAX_ID_OCTETS} are allowed")]
    IdLength {
        /// Where.
        offset: usize,
        /// Its octets.
        found: usize,
    },
    /// A text that is longer than any token's.
    #[error("byte {offset}: a text of {found} octets, at most {MAX_TEXT_OCTETS} are allowed")]
    TextTooLong {
        /// Where.
        offset: usize,
        /// Its octets.
        found: usize,
    },
    /// A text that is not UTF-8.
    #[error("byte {offset}: a text is not UTF-8")]
    TextNotUtf8 {
        /// The first octet that is not.
        offset: usize,
    },
    /// A date in another form than `YYYYMMDD`, or one that no calendar has.
    #[error("byte {offset}: a date is not of the form YYYYMMDD")]
    Date {
        /// Where.
        offset: usize,
    },
    /// A flag that version 1 does not have: what it says of the key would be passed over.
    #[error("byte {offset}: attribute {attribute:#x} is not one that version 1 of the claims has")]
    FlagUnknown {
        /// Where.
        offset: usize,
        /// The CKA_ number.
        attribute: u32,
    },
    /// An attribute that is no 32-bit number.
    #[error("byte {offset}: the number of an attribute is negative, or it has more than 32 bits")]
    FlagNumber {
        /// Where.
        offset: usize,
    },
    /// A flag that is stated twice, or that stands after a higher one.
    #[error("byte {offset}: attribute {attribute:#x} is repeated or not in ascending order")]
    FlagOrder {
        /// Where.
        offset: usize,
        /// The CKA_ number.
        attribute: u32,
    },
    /// A list with more members than any honest one.
    #[error("byte {offset}: {field} has more than {limit} members")]
    TooMany {
        /// The first member beyond the limit.
        offset: usize,
        /// Which list.
        field: ClaimsField,
        /// Members that are read.
        limit: usize,
    },
    /// A hash of evidence that is not one of SHA-512.
    #[error("byte {offset}: a hash of {found} octets where SHA-512 has 64")]
    HashLength {
        /// Where.
        offset: usize,
        /// Its octets.
        found: usize,
    },
}
