//! The little DER that timestamps and attestations need, read strictly and written without failure.
//!
//! Why not the `der` crate's types: a request must be echoed byte for byte, refused with the offset of its first
//! wrong byte, and never copied; and object identifiers come in with limits of ours, arcs of 128 bits among them, which
//! those made of UUIDs (X.667) need. Everything that is built on whole X.509 or CMS structures, and has no such
//! identifier in it, uses the crates for those. No structure is known here: who reads a SEQUENCE asks for its members.

mod malformed;
mod oid;
mod reader;
mod writer;

pub use malformed::{Malformed, Reason};
pub use oid::{MAX_OID_LENGTH, Oid, push_arc};
pub use reader::{Element, Reader};
pub use writer::{INTEGER_1, element, element_length, push_element, push_header, set_of, unsigned_integer};

/// Tag octets: class, constructed bit and number together.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING, primitive as DER has it.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING, primitive as DER has it.
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OBJECT_IDENTIFIER: u8 = 0x06;
    /// ENUMERATED.
    pub const ENUMERATED: u8 = 0x0a;
    /// UTF8String.
    pub const UTF8_STRING: u8 = 0x0c;
    /// UTCTime.
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// SEQUENCE and SEQUENCE OF.
    pub const SEQUENCE: u8 = 0x30;
    /// SET and SET OF.
    pub const SET: u8 = 0x31;
    /// `[0]`, primitive: an IMPLICIT simple type.
    pub const CONTEXT_0_PRIMITIVE: u8 = 0x80;
    /// `[1]`, primitive.
    pub const CONTEXT_1_PRIMITIVE: u8 = 0x81;
    /// `[0]`, constructed: EXPLICIT, or an IMPLICIT structured type.
    pub const CONTEXT_0: u8 = 0xa0;
    /// `[1]`, constructed.
    pub const CONTEXT_1: u8 = 0xa1;
    /// `[2]`, constructed.
    pub const CONTEXT_2: u8 = 0xa2;
    /// `[3]`, constructed.
    pub const CONTEXT_3: u8 = 0xa3;
    /// `[4]`, constructed.
    pub const CONTEXT_4: u8 = 0xa4;
}
