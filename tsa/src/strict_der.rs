//! The little DER that a timestamping authority needs, read strictly and written without allocations.
//!
//! Why not the `der` crate's types: a request must be echoed byte for byte, refused with the offset of its first
//! wrong byte, and never copied; and object identifiers come in with limits of ours. Everything that is built on whole
//! X.509 or CMS structures uses the crates for those.

mod oid;
mod reader;
mod writer;

pub use oid::Oid;
pub(crate) use oid::{MAX_OID_LENGTH, push_arc};
pub(crate) use reader::{Element, Reader};
pub(crate) use writer::{
    INTEGER_1, element, element_length, push_element, push_header, set_of, unsigned_integer,
};

/// Tag octets: class, constructed bit and number together.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    /// `[n]`, primitive: an IMPLICIT simple type.
    pub(crate) const CONTEXT_0_PRIMITIVE: u8 = 0x80;
    pub(crate) const CONTEXT_1_PRIMITIVE: u8 = 0x81;
    /// `[n]`, constructed: EXPLICIT, or an IMPLICIT structured type.
    pub(crate) const CONTEXT_0: u8 = 0xa0;
    pub(crate) const CONTEXT_1: u8 = 0xa1;
    pub(crate) const CONTEXT_4: u8 = 0xa4;
}
