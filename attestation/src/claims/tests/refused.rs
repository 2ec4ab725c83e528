//! One thing wrong at a time: what the strict reader says, and at which byte.

use super::*;

/// [`small_fields`] with the field at `index` replaced.
fn replaced(index: usize, field: &[u8]) -> Vec<u8> {
    let mut fields = small_fields();
    fields[index] = field.to_vec();
    assemble(&fields)
}

/// [`small_fields`] with these elements after them.
fn followed_by(elements: &[&[u8]]) -> Vec<u8> {
    let mut fields = small_fields();
    fields.extend(elements.iter().map(|element| element.to_vec()));
    assemble(&fields)
}

/// The small claims' key with other flags, or with further fields.
fn key_with(flags: &[u8], further: &[&[u8]]) -> Vec<u8> {
    let flags = element(tag::SEQUENCE, &[flags]);
    let fixed = b"\x04\x02\xab\xcd\x0c\x01k\x0c\x06CKK_EC\x0c\x05P-256";
    replaced(4, &element(tag::SEQUENCE, &[fixed, &flags, &further.concat()]))
}

fn refusal(der: &[u8]) -> ClaimsInvalid {
    Claims::from_der(der).unwrap_err()
}

fn malformed(offset: usize, reason: Reason) -> ClaimsInvalid {
    ClaimsInvalid::Malformed(Malformed { offset, reason })
}

/// Offset of the first octet of the key in the small claims, and of its flags.
const KEY: usize = 28;
const FLAGS: usize = KEY + 24;
const END: usize = 77;

#[test]
fn other_versions_are_refused_by_name() {
    for version in [&hex!("020100")[..], &hex!("020102"), &hex!("0201ff"), &hex!("02020101")] {
        assert_eq!(refusal(&replaced(0, version)), ClaimsInvalid::Version { offset: 2 });
    }
    assert_eq!(refusal(&replaced(0, &hex!("02020001"))), malformed(2, Reason::IntegerNotMinimal));
}

#[test]
fn enumerated_values_are_those_of_version_1() {
    for value in [&hex!("0a0102")[..], &hex!("0a01ff"), &hex!("0a020100")] {
        let field = ClaimsField::Assurance;
        assert_eq!(refusal(&replaced(1, value)), ClaimsInvalid::UnknownValue { offset: 5, field });
    }
    let field = ClaimsField::Clock;
    assert_eq!(refusal(&replaced(3, &hex!("0a0102"))), ClaimsInvalid::UnknownValue { offset: 25, field });
    assert_eq!(refusal(&replaced(1, &hex!("0a020000"))), malformed(5, Reason::IntegerNotMinimal));
    assert_eq!(refusal(&replaced(1, &hex!("0a00"))), malformed(5, Reason::IntegerEmpty));
    let end = b"\xa3\x14\x18\x0f20260101000005Z\x0a\x01\x02";
    let field = ClaimsField::EndState;
    assert_eq!(refusal(&followed_by(&[end])), ClaimsInvalid::UnknownValue { offset: END + 19, field });
}

#[test]
fn times_have_one_form() {
    for text in ["202602030405Z", "20260203040506.5Z", "20260203040506+0000", "20260230040506Z"] {
        let time = element(tag::GENERALIZED_TIME, &[text.as_bytes()]);
        assert_eq!(refusal(&replaced(2, &time)), ClaimsInvalid::Time { offset: 8 }, "{text}");
    }
    let (expected, found) = (tag::GENERALIZED_TIME, Some(tag::UTC_TIME));
    let utc_time = element(tag::UTC_TIME, &[b"260203040506Z"]);
    assert_eq!(refusal(&replaced(2, &utc_time)), malformed(8, Reason::UnexpectedTag { expected, found }));
}

#[test]
fn nonces_have_16_to_64_octets() {
    for found in [0, 1, 15, 65, 127] {
        let mut fields = small_fields();
        fields.insert(4, element(tag::CONTEXT_0_PRIMITIVE, &[&vec![7; found]]));
        let source = NonceInvalid { found };
        let offset = if assemble(&fields).len() > 129 { 29 } else { 28 };
        assert_eq!(refusal(&assemble(&fields)), ClaimsInvalid::Nonce { offset, source });
    }
}

#[test]
fn ids_have_1_to_64_octets() {
    for found in [0, 65] {
        let id = element(tag::OCTET_STRING, &[&vec![7; found]]);
        let rest = b"\x0c\x01k\x0c\x06CKK_EC\x0c\x05P-256\x30\x00";
        let der = replaced(4, &element(tag::SEQUENCE, &[&id, rest]));
        let offset = if der.len() > 129 { KEY + 3 } else { KEY + 2 };
        assert_eq!(refusal(&der), ClaimsInvalid::IdLength { offset, found });
    }
}

#[test]
fn texts_are_utf_8_of_255_octets_at_most() {
    let label = |text: &[u8]| {
        let label = element(tag::UTF8_STRING, &[text]);
        replaced(4, &element(tag::SEQUENCE, &[&hex!("0401ab"), &label, &hex!("0c00 0c00 3000")]))
    };
    assert!(Claims::from_der(&label(&[b'a'; 255])).is_ok());
    let too_long = ClaimsInvalid::TextTooLong { offset: KEY + 2 + 4 + 3, found: 256 };
    assert_eq!(refusal(&label(&[b'a'; 256])), too_long);
    for text in [&b"ab\xff"[..], b"ab\xc3", b"ab\xed\xa0\x80", b"ab\xc0\x80"] {
        let offset = KEY + 2 + 3 + 2 + 2;
        assert_eq!(refusal(&label(text)), ClaimsInvalid::TextNotUtf8 { offset }, "{text:02x?}");
    }
    let (expected, found) = (tag::UTF8_STRING, Some(0x13));
    let printable = replaced(5, b"\x30\x0c\x13\x01a\x0c\x01b\x0c\x01c\x0c\x011");
    assert_eq!(refusal(&printable), malformed(65, Reason::UnexpectedTag { expected, found }));
}

#[test]
fn d5_an_attribute_that_version_1_does_not_have_is_an_error_with_its_number() {
    let offset = FLAGS + 4;
    for (flag, attribute) in [
        (&hex!("3006 0201 03 0101ff")[..], 3),
        (&hex!("3007 0202 0104 0101ff"), 0x104),
        (&hex!("300a 0205 00 80000001 0101ff"), 0x8000_0001),
    ] {
        let refusal = refusal(&key_with(flag, &[]));
        assert_eq!(refusal, ClaimsInvalid::FlagUnknown { offset, attribute });
        assert!(refusal.to_string().contains(&format!("{attribute:#x}")), "{refusal}");
    }
    for flag in [&hex!("3006 0201 81 0101ff")[..], &hex!("300a 0205 01 00000001 0101ff")] {
        assert_eq!(refusal(&key_with(flag, &[])), ClaimsInvalid::FlagNumber { offset });
    }
}

#[test]
fn d4_flags_ascend_and_none_is_stated_twice() {
    let (token, sensitive) = (hex!("3006 020101 0101ff"), hex!("3007 02020103 0101ff"));
    assert!(Claims::from_der(&key_with(&[&token[..], &sensitive].concat(), &[])).is_ok());
    let down = key_with(&[&sensitive[..], &token].concat(), &[]);
    let offset = FLAGS + 2 + sensitive.len() + 2;
    assert_eq!(refusal(&down), ClaimsInvalid::FlagOrder { offset, attribute: 1 });
    for second in [hex!("3007 02020103 0101ff"), hex!("3007 02020103 010100")] {
        let twice = key_with(&[sensitive, second].concat(), &[]);
        assert_eq!(refusal(&twice), ClaimsInvalid::FlagOrder { offset, attribute: 0x103 });
    }
}

#[test]
fn booleans_are_those_of_der() {
    for value in [0x01, 0x7f, 0xfe] {
        let flag = [&hex!("3007 02020103 0101")[..], &[value]].concat();
        assert_eq!(refusal(&key_with(&flag, &[])), malformed(FLAGS + 8, Reason::Boolean));
    }
    let long = hex!("3008 02020103 0102ffff");
    assert!(Claims::from_der(&key_with(&long, &[])).is_err());
}

#[test]
fn dates_have_eight_digits_and_a_month_and_a_day() {
    let flag = hex!("3007 02020103 0101ff");
    let read = |text: &str| Claims::from_der(&key_with(&flag, &[&element(0x82, &[text.as_bytes()])]));
    let date = read("99991231").unwrap().key.start_date.unwrap();
    assert_eq!(date, Date { year: 9999, month: 12, day: 31 });
    for text in
        ["", "2026013", "202601311", "20260001", "20261301", "20260100", "20260132", "2026-1-1", "2026010a"]
    {
        assert_eq!(read(text), Err(ClaimsInvalid::Date { offset: FLAGS + 11 }), "{text}");
    }
}

#[test]
fn lists_are_bounded() {
    let flag = hex!("3007 02020103 0101ff");
    let mechanisms = element(tag::CONTEXT_1, &[&[0x0c, 0].repeat(MAX_MECHANISMS + 1)]);
    let refused = refusal(&key_with(&flag, &[&mechanisms]));
    assert!(
        matches!(refused, ClaimsInvalid::TooMany { field: ClaimsField::AllowedMechanisms, limit: 64, .. }),
        "{refused:?}"
    );
    let policies = element(tag::SEQUENCE, &[&hex!("06012a").repeat(MAX_TSA_POLICIES + 1)]);
    let policy = element(
        tag::CONTEXT_1,
        &[&hex!("0c00 0c00"), &policies, b"\x18\x0f20260101000005Z", &hex!("010100")],
    );
    let refused = refusal(&followed_by(&[&policy]));
    let field = ClaimsField::TsaPolicies;
    // The length of the claims now takes two octets.
    let offset = END + 1 + 2 + 4 + 2 + 3 * MAX_TSA_POLICIES;
    assert_eq!(refused, ClaimsInvalid::TooMany { offset, field, limit: 32 });
    let evidence = element(tag::SEQUENCE, &[&hex!("06012a 0440"), &[1; 64]]).repeat(MAX_EVIDENCE + 1);
    let refused = refusal(&followed_by(&[&element(tag::CONTEXT_2, &[&evidence])]));
    assert!(
        matches!(refused, ClaimsInvalid::TooMany { field: ClaimsField::Evidence, limit: 8, .. }),
        "{refused:?}"
    );
    let length = MAX_CLAIMS_OCTETS + 1;
    assert_eq!(refusal(&vec![0x30; length]), ClaimsInvalid::TooLong { length });
}

#[test]
fn evidence_is_at_least_one_hash_of_sha_512() {
    assert_eq!(refusal(&followed_by(&[&hex!("a200")])), malformed(END, Reason::EmptyList));
    let short = element(tag::CONTEXT_2, &[&hex!("3009 06012a 0404 01020304")]);
    assert_eq!(refusal(&followed_by(&[&short])), ClaimsInvalid::HashLength { offset: END + 7, found: 4 });
}

#[test]
fn no_field_is_there_twice_or_out_of_order_or_unknown() {
    let end = b"\xa3\x14\x18\x0f20260101000005Z\x0a\x01\x01";
    let evidence = element(tag::CONTEXT_2, &[&hex!("3045 06012a 0440"), &[1; 64]]);
    let trailing = |octets: usize| Reason::TrailingData { octets };
    assert_eq!(refusal(&followed_by(&[end, end])), malformed(END + end.len(), trailing(end.len())));
    let swapped = refusal(&followed_by(&[end, &evidence]));
    // The length of the claims now takes two octets.
    assert_eq!(swapped, malformed(END + 1 + end.len(), trailing(evidence.len())));
    assert_eq!(refusal(&followed_by(&[&hex!("a400")])), malformed(END, trailing(2)));
    let nonce = element(tag::CONTEXT_0_PRIMITIVE, &[&[7; 16]]);
    let mut fields = small_fields();
    fields.splice(4..4, [nonce.clone(), nonce]);
    let (expected, found) = (tag::SEQUENCE, Some(tag::CONTEXT_0_PRIMITIVE));
    assert_eq!(refusal(&assemble(&fields)), malformed(46, Reason::UnexpectedTag { expected, found }));
}

#[test]
fn every_octet_is_read() {
    let der = small().to_der();
    let trailing = [der.clone(), vec![0]].concat();
    assert_eq!(refusal(&trailing), malformed(END, Reason::TrailingData { octets: 1 }));
    for length in 0..der.len() {
        assert!(Claims::from_der(&der[..length]).is_err(), "{length}");
    }
    let flag_with_more = hex!("3009 02020103 0101ff 0500");
    let octets = 2;
    assert_eq!(
        refusal(&key_with(&flag_with_more, &[])),
        malformed(FLAGS + 11, Reason::TrailingData { octets })
    );
}
