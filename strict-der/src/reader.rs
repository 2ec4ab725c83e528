//! Reads tag, length and value by the rules of DER (X.690 §10 and §11), one element at a time.
//!
//! The reader never looks ahead of what it is asked for, never allocates and knows no structure: who reads a SEQUENCE
//! asks for its members in order and calls [`Reader::finish`], so that no byte is left unread.

use crate::tag;
use crate::{Malformed, Reason};

/// Lengths come in at most this many octets after the first: 4 GiB is beyond every input limit here.
const MAX_LENGTH_OCTETS: u8 = 4;

/// What is left to read of an input, and where in it that is.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

/// One element: tag, length and content octets.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Tag octet.
    pub tag: u8,
    /// The whole encoding.
    pub der: &'a [u8],
    /// The content octets.
    pub content: &'a [u8],
    /// Offset of the tag in the input.
    pub offset: usize,
    /// Offset of the first content octet in the input.
    pub content_offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads `input` from its first octet.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { rest: input, offset: 0 }
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element's tag.
    pub fn peek_tag(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, Malformed> {
        if self.peek_tag() == Some(tag) { self.any().map(Some) } else { Ok(None) }
    }

    /// The next element, which must have this tag.
    pub fn required(&mut self, tag: u8) -> Result<Element<'a>, Malformed> {
        match self.peek_tag() {
            Some(found) if found == tag => self.any(),
            found => Err(self.malformed(Reason::UnexpectedTag { expected: tag, found })),
        }
    }

    /// The next element, whatever it is.
    pub fn any(&mut self) -> Result<Element<'a>, Malformed> {
        let (start, offset) = (self.rest, self.offset);
        let tag = self.octet()?;
        if tag & 0x1f == 0x1f {
            return Err(Malformed { offset, reason: Reason::HighTagNumber });
        }
        let length = self.length()?;
        let content_offset = self.offset;
        let Some((content, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.malformed(Reason::Truncated { needed: length, available: self.rest.len() }));
        };
        self.rest = rest;
        self.offset += length;
        let der = start.get(..self.offset - offset).unwrap_or_default();
        Ok(Element { tag, der, content, offset, content_offset })
    }

    /// Everything must have been read.
    pub fn finish(self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            octets => Err(self.malformed(Reason::TrailingData { octets })),
        }
    }

    fn octet(&mut self) -> Result<u8, Malformed> {
        let Some((&octet, rest)) = self.rest.split_first() else {
            return Err(self.malformed(Reason::Truncated { needed: 1, available: 0 }));
        };
        self.rest = rest;
        self.offset += 1;
        Ok(octet)
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        let offset = self.offset;
        let malformed = |reason| Malformed { offset, reason };
        let first = self.octet()?;
        if first < 0x80 {
            return Ok(usize::from(first));
        }
        let octets = first & 0x7f;
        if octets == 0 {
            return Err(malformed(Reason::IndefiniteLength));
        }
        if octets > MAX_LENGTH_OCTETS {
            return Err(malformed(Reason::LengthTooLong { octets }));
        }
        let mut length: u32 = 0;
        for position in 0..octets {
            let octet = self.octet()?;
            if position == 0 && octet == 0 {
                return Err(malformed(Reason::NonMinimalLength));
            }
            length = (length << 8) | u32::from(octet);
        }
        if length < 0x80 {
            return Err(malformed(Reason::NonMinimalLength));
        }
        // A length that no usize holds is longer than any input.
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }

    const fn malformed(&self, reason: Reason) -> Malformed {
        Malformed { offset: self.offset, reason }
    }
}

impl<'a> Element<'a> {
    /// Reads what is inside.
    pub const fn reader(&self) -> Reader<'a> {
        Reader { rest: self.content, offset: self.content_offset }
    }

    /// The error that this element is at fault.
    pub const fn malformed(&self, reason: Reason) -> Malformed {
        Malformed { offset: self.offset, reason }
    }

    /// The content octets of an INTEGER, of any length and sign, in its shortest form (X.690 §8.3).
    pub fn integer(&self) -> Result<&'a [u8], Malformed> {
        match self.content {
            [] => Err(self.malformed(Reason::IntegerEmpty)),
            [0x00, second, ..] if second & 0x80 == 0 => Err(self.malformed(Reason::IntegerNotMinimal)),
            [0xff, second, ..] if second & 0x80 != 0 => Err(self.malformed(Reason::IntegerNotMinimal)),
            content => Ok(content),
        }
    }

    /// The value of a BOOLEAN (X.690 §11.1).
    pub const fn boolean(&self) -> Result<bool, Malformed> {
        match self.content {
            [0xff] => Ok(true),
            [0x00] => Ok(false),
            _ => Err(self.malformed(Reason::Boolean)),
        }
    }

    /// Checks that everything inside is in the form of DER, at most `limit` levels deep.
    ///
    /// For values that are refused whatever they say: the refusal must not hide that they are not DER at all.
    pub fn check_nested(&self, limit: usize) -> Result<(), Malformed> {
        self.check_levels(limit, limit)
    }

    fn check_levels(&self, left: usize, limit: usize) -> Result<(), Malformed> {
        if self.tag == tag::NULL && !self.content.is_empty() {
            return Err(self.malformed(Reason::NullNotEmpty));
        }
        if self.tag & 0x20 == 0 {
            return Ok(());
        }
        let Some(left) = left.checked_sub(1) else {
            return Err(self.malformed(Reason::NestingTooDeep { limit }));
        };
        let mut inside = self.reader();
        while !inside.is_empty() {
            inside.any()?.check_levels(left, limit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    fn reason(input: &[u8]) -> (usize, Reason) {
        let malformed = Reader::new(input).any().unwrap_err();
        (malformed.offset, malformed.reason)
    }

    #[test]
    fn x690_10_1_lengths_have_one_form() {
        assert_eq!(reason(&hex!("3080")), (1, Reason::IndefiniteLength));
        assert_eq!(reason(&hex!("30 81 7f")), (1, Reason::NonMinimalLength));
        assert_eq!(reason(&hex!("30 82 0080")), (1, Reason::NonMinimalLength));
        assert_eq!(reason(&hex!("30 89 010000000000000000")), (1, Reason::LengthTooLong { octets: 9 }));
        assert_eq!(reason(&hex!("30 ff")), (1, Reason::LengthTooLong { octets: 127 }));
        let available = 0;
        assert_eq!(
            reason(&hex!("30 84 ffffffff")),
            (6, Reason::Truncated { needed: 0xffff_ffff, available })
        );
        assert_eq!(reason(&hex!("30 82 01")), (3, Reason::Truncated { needed: 1, available }));
        assert_eq!(reason(&hex!("04 02 00")), (2, Reason::Truncated { needed: 2, available: 1 }));
        assert_eq!(reason(&hex!("1f 01 00")), (0, Reason::HighTagNumber));
        assert_eq!(reason(&[]), (0, Reason::Truncated { needed: 1, available }));
    }

    #[test]
    fn an_element_knows_its_place() {
        let mut reader = Reader::new(&hex!("3005 0203 010203 0500"));
        let outer = reader.required(tag::SEQUENCE).unwrap();
        let mut inside = outer.reader();
        let integer = inside.required(tag::INTEGER).unwrap();
        assert_eq!((integer.offset, integer.content_offset), (2, 4));
        assert_eq!(integer.der, hex!("0203 010203"));
        inside.finish().unwrap();
        let trailing = reader.finish().unwrap_err();
        assert_eq!(trailing, Malformed { offset: 7, reason: Reason::TrailingData { octets: 2 } });
    }

    #[test]
    fn nesting_is_followed_to_the_limit_and_no_further() {
        let nested = |levels: u8| {
            let mut der = Vec::new();
            for level in 0..levels {
                der.extend([tag::SEQUENCE, (levels - level - 1) * 2]);
            }
            der
        };
        let check = |der: &[u8]| Reader::new(der).any().unwrap().check_nested(16);
        check(&nested(16)).unwrap();
        let offset = 32;
        assert_eq!(
            check(&nested(17)),
            Err(Malformed { offset, reason: Reason::NestingTooDeep { limit: 16 } })
        );
    }
}
