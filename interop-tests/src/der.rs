//! DER, only as far as the tests need it: writing any value (right or wrong), and reading a tree strictly.
//!
//! Deliberately independent of attestamp's codec and of the `der` crate. The reader takes single-byte tags and lengths of
//! at most four bytes; anything that X.690 §10 forbids (indefinite or padded lengths) is an error.

use anyhow::{Context, Result, bail, ensure};

/// BOOLEAN
pub const BOOLEAN: u8 = 0x01;
/// INTEGER
pub const INTEGER: u8 = 0x02;
/// BIT STRING
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING
pub const OCTET_STRING: u8 = 0x04;
/// NULL
pub const NULL: u8 = 0x05;
/// OBJECT IDENTIFIER
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// UTF8String
pub const UTF8_STRING: u8 = 0x0C;
/// GeneralizedTime
pub const GENERALIZED_TIME: u8 = 0x18;
/// SEQUENCE and SEQUENCE OF
pub const SEQUENCE: u8 = 0x30;
/// SET and SET OF
pub const SET: u8 = 0x31;
/// Constructed, context-specific 0
pub const CONTEXT_0: u8 = 0xA0;

/// A value with its tag and length, the length in its shortest form.
#[must_use]
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    match significant.as_slice() {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        long => {
            // At most eight bytes of length.
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(0x7F));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(&content);
    out
}

/// An OBJECT IDENTIFIER from its dotted form.
///
/// # Errors
/// When the text is not one.
pub fn oid(dotted: &str) -> Result<Vec<u8>> {
    let arcs: Vec<u64> = dotted.split('.').map(str::parse).collect::<Result<_, _>>().context("not an OID")?;
    let [first, second, rest @ ..] = arcs.as_slice() else { bail!("an OID has two arcs or more: {dotted}") };
    let mut content = base_128(first * 40 + second);
    for arc in rest {
        content.extend(base_128(*arc));
    }
    Ok(tlv(OBJECT_IDENTIFIER, &[&content]))
}

fn base_128(mut arc: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(arc & 0x7F).unwrap_or(0);
        out.insert(0, if out.is_empty() { low } else { low | 0x80 });
        arc >>= 7;
        if arc == 0 {
            return out;
        }
    }
}

/// One value: its tag, what it holds, and the bytes it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// The whole identifier byte.
    pub tag: u8,
    /// Without tag and length.
    pub content: &'a [u8],
    /// With tag and length.
    pub encoded: &'a [u8],
}

impl<'a> Value<'a> {
    /// Reads one value that takes up all of the bytes.
    ///
    /// # Errors
    /// When it is not DER or bytes are left.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let (value, rest) = Self::read_first(bytes)?;
        ensure!(rest.is_empty(), "{} bytes after the value", rest.len());
        Ok(value)
    }

    /// The values that a constructed one holds.
    ///
    /// # Errors
    /// When its content is not DER.
    pub fn children(self) -> Result<Vec<Self>> {
        ensure!(self.tag & 0x20 != 0, "tag {:02x} is primitive", self.tag);
        let mut rest = self.content;
        let mut children = Vec::new();
        while !rest.is_empty() {
            let (child, after) = Self::read_first(rest)?;
            children.push(child);
            rest = after;
        }
        Ok(children)
    }

    /// One of the values that a constructed one holds.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn child(self, index: usize) -> Result<Self> {
        let children = self.children()?;
        children.get(index).copied().with_context(|| format!("no child {index}, only {}", children.len()))
    }

    /// This value, if it has the tag.
    ///
    /// # Errors
    /// When it has another.
    pub fn expect_tag(self, tag: u8) -> Result<Self> {
        ensure!(self.tag == tag, "tag {:02x} where {tag:02x} should be", self.tag);
        Ok(self)
    }

    /// Checks the rules of DER that show in the bytes of any type: shortest INTEGER, BOOLEAN of 00 or FF, BIT STRING with
    /// zero padding, SET OF in order, and the same for all that it holds.
    ///
    /// # Errors
    /// Naming the first that is broken.
    pub fn check_canonical(self) -> Result<()> {
        match (self.tag, self.content) {
            (INTEGER, [0x00, next, ..]) if *next < 0x80 => bail!("INTEGER with a leading 00"),
            (INTEGER, [0xFF, next, ..]) if *next >= 0x80 => bail!("INTEGER with a leading FF"),
            (INTEGER, []) => bail!("empty INTEGER"),
            (BOOLEAN, content) => ensure!(matches!(content, [0xFF | 0x00]), "BOOLEAN {content:02x?}"),
            (BIT_STRING, [unused, .., last]) => {
                ensure!(*unused < 8 && last.trailing_zeros() >= u32::from(*unused), "BIT STRING padding");
            }
            _ => {}
        }
        if self.tag & 0x20 == 0 {
            return Ok(());
        }
        let children = self.children()?;
        if self.tag == SET {
            ensure!(children.is_sorted_by_key(|child| child.encoded), "SET not in DER order");
        }
        children.into_iter().try_for_each(Self::check_canonical)
    }

    fn read_first(bytes: &'a [u8]) -> Result<(Self, &'a [u8])> {
        let (&tag, after_tag) = bytes.split_first().context("no tag")?;
        ensure!(tag & 0x1F != 0x1F, "multi-byte tag");
        let (&first, after_first) = after_tag.split_first().context("no length")?;
        let (length, body) = if first < 0x80 {
            (usize::from(first), after_first)
        } else {
            let count = usize::from(first & 0x7F);
            ensure!((1..=4).contains(&count), "length in {count} bytes");
            let (digits, body) = after_first.split_at_checked(count).context("cut length")?;
            let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            ensure!(length >= 0x80 && digits.first() != Some(&0), "length {length} not in its shortest form");
            (length, body)
        };
        let (content, rest) = body.split_at_checked(length).context("content shorter than its length")?;
        let used = bytes.len() - rest.len();
        let encoded = bytes.get(..used).context("value")?;
        Ok((Self { tag, content, encoded }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads() {
        let long = vec![7; 300];
        let bytes = tlv(SEQUENCE, &[&tlv(INTEGER, &[&[1]]), &tlv(OCTET_STRING, &[&long])]);
        let value = Value::read(&bytes).unwrap();
        assert_eq!(value.child(0).unwrap().content, [1]);
        assert_eq!(value.child(1).unwrap().content, long);
        value.check_canonical().unwrap();
    }

    #[test]
    fn oid_of_sha_256() {
        let expected = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
        assert_eq!(oid("2.16.840.1.101.3.4.2.1").unwrap(), expected);
    }

    #[test]
    fn refuses_what_der_forbids() {
        assert!(Value::read(&[0x30, 0x81, 0x00]).is_err(), "padded length");
        assert!(Value::read(&[0x30, 0x80, 0x00, 0x00]).is_err(), "indefinite length");
        assert!(Value::read(&[0x30, 0x00, 0x00]).is_err(), "trailing byte");
        assert!(Value::read(&[0x02, 0x02, 0x00, 0x01]).unwrap().check_canonical().is_err(), "padded INTEGER");
        let unsorted = [0x31, 0x06, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01];
        assert!(Value::read(&unsorted).unwrap().check_canonical().is_err(), "unsorted SET");
    }
}
