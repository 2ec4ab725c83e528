//! Writes DER: headers whose lengths the caller has added up, so that every buffer is allocated once and exactly.
//!
//! Nothing here can fail: a length has as many octets as it needs.

use crate::tag;

/// Octets of a whole element with this much content.
pub const fn element_length(content_length: usize) -> usize {
    1 + length_octets(content_length) + content_length
}

/// Appends tag and length; the caller appends the content.
pub fn push_header(out: &mut Vec<u8>, tag: u8, content_length: usize) {
    out.push(tag);
    let octets = content_length.to_be_bytes();
    let mut significant = octets.iter().skip_while(|octet| **octet == 0).copied();
    if content_length >= 0x80 {
        let count = length_octets(content_length) - 1;
        let [count, ..] = count.to_le_bytes();
        out.push(0x80 | count);
        out.extend(significant);
    } else {
        out.push(significant.next().unwrap_or(0));
    }
}

/// Appends a whole element.
pub fn push_element(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    push_header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// A whole element whose content is these parts, one after the other. Allocates: for what is made once.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content_length = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(element_length(content_length));
    push_header(&mut out, tag, content_length);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// The content of a SET OF with these members: in ascending order of their encodings (X.690 §11.6).
pub fn set_of<T: AsRef<[u8]>>(members: &[T]) -> Vec<u8> {
    let mut sorted: Vec<&[u8]> = members.iter().map(AsRef::as_ref).collect();
    sorted.sort_unstable();
    sorted.concat()
}

/// An unsigned INTEGER, or a `[n] IMPLICIT INTEGER`, in its shortest form.
pub fn unsigned_integer(tag: u8, value: u32) -> Vec<u8> {
    let [a, b, c, d] = value.to_be_bytes();
    // The leading zero keeps it positive; it goes with the rest where it is not needed.
    let octets = [0, a, b, c, d];
    let mut content: &[u8] = &octets;
    while let [0, next, ..] = content
        && next & 0x80 == 0
    {
        content = content.get(1..).unwrap_or_default();
    }
    element(tag, &[content])
}

const fn length_octets(content_length: usize) -> usize {
    if content_length < 0x80 {
        return 1;
    }
    let mut octets = 1;
    let mut left = content_length;
    while left > 0 {
        octets += 1;
        left >>= 8;
    }
    octets
}

/// INTEGER 1, the version of nearly everything.
pub const INTEGER_1: [u8; 3] = [tag::INTEGER, 1, 1];

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn headers_are_minimal_and_as_long_as_announced() {
        let cases: [(usize, &[u8]); 7] = [
            (0, &hex!("3000")),
            (0x7f, &hex!("307f")),
            (0x80, &hex!("308180")),
            (0xff, &hex!("3081ff")),
            (0x100, &hex!("30820100")),
            (0xffff, &hex!("3082ffff")),
            (0x1_0000, &hex!("3083010000")),
        ];
        for (length, expected) in cases {
            let mut out = Vec::new();
            push_header(&mut out, tag::SEQUENCE, length);
            assert_eq!(out, expected);
            assert_eq!(element_length(length), expected.len() + length);
        }
    }

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(unsigned_integer(tag::INTEGER, 0), hex!("020100"));
        assert_eq!(unsigned_integer(tag::INTEGER, 127), hex!("02017f"));
        assert_eq!(unsigned_integer(tag::INTEGER, 128), hex!("02020080"));
        assert_eq!(unsigned_integer(0x80, 999), hex!("800203e7"));
        assert_eq!(unsigned_integer(tag::INTEGER, u32::MAX), hex!("020500ffffffff"));
    }

    #[test]
    fn x690_11_6_the_shorter_member_comes_first_and_a_prefix_before_the_longer() {
        assert_eq!(
            set_of(&[hex!("0401ff").as_slice(), &hex!("040101"), &hex!("0202aaaa")]),
            hex!("0202aaaa 040101 0401ff")
        );
    }
}
