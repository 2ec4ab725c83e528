//! Verifier keys and the form of notes (C2SP signed-note).

use super::*;
use crate::testing::{ORIGIN, TestKeys};

/// The key of the Go checksum database, as every Go tool has it.
const GOLANG: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

#[test]
fn e3_the_verifier_key_of_another_ledger_is_read() {
    let key = VerifierKey::parse(GOLANG).unwrap();
    assert_eq!(
        (key.name(), key.algorithm(), key.id()),
        ("sum.golang.org", NoteAlgorithm::Ed25519, 0x033d_e0ae)
    );
    assert_eq!(key.to_string(), GOLANG);
}

#[test]
fn e3_both_kinds_are_written_and_read_in_one_form() {
    for key in &TestKeys::new(1).verifiers {
        let text = key.to_string();
        assert!(text.starts_with(&format!("{ORIGIN}+{:08x}+", key.id())));
        assert_eq!(VerifierKey::parse(&text).as_ref(), Ok(key));
        for place in 0..text.len().min(80) {
            for other in [b'A', b'z', b'+', b'='] {
                let mut altered = text.clone().into_bytes();
                altered[place] = other;
                let altered = String::from_utf8(altered).unwrap();
                assert!(altered == text || VerifierKey::parse(&altered).is_err(), "{altered}");
            }
        }
    }
}

#[test]
fn what_is_no_verifier_key_is_refused() {
    let refusal = |text: &str| VerifierKey::parse(text).unwrap_err();
    assert_eq!(refusal("sum.golang.org"), VerifierKeyError::Form);
    assert_eq!(refusal("sum.golang.org+033de0ae"), VerifierKeyError::Form);
    assert_eq!(refusal(&GOLANG.replace("033de0ae", "033DE0AE")), VerifierKeyError::Identifier);
    assert_eq!(refusal(&GOLANG.replace("033de0ae", "033de0af")), VerifierKeyError::Identifier);
    assert_eq!(refusal(&GOLANG.replace("sum.golang", "sum golang")), VerifierKeyError::Name);
    assert_eq!(refusal("+00000000+AQ=="), VerifierKeyError::Name);
    assert_eq!(refusal("a+00000000+AQ=="), VerifierKeyError::Length { found: 0, required: 32 });
    assert_eq!(refusal("a+00000000+BA=="), VerifierKeyError::Algorithm { found: 4 });
    // Not canonical: the last four bits are not zero.
    assert_eq!(refusal("a+00000000+AR=="), VerifierKeyError::Form);
    assert_eq!(VerifierKey::new("a+b", NoteAlgorithm::Ed25519, &[0; 32]), Err(VerifierKeyError::Name));
    assert_eq!(
        VerifierKey::new(&"a".repeat(256), NoteAlgorithm::Ed25519, &[0; 32]),
        Err(VerifierKeyError::Name)
    );
    let key = [&[2], &[0xFF; 31][..]].concat();
    assert_eq!(VerifierKey::new("a", NoteAlgorithm::Ed25519, &key), Err(VerifierKeyError::Key));
}

#[test]
fn a_note_is_a_text_an_empty_line_and_signatures() {
    let note = "a\n\nb\n\n— k AAAAAAE=\n— l AAAAAAI=\n";
    let read = SignedNote::parse(note).unwrap();
    assert_eq!(read.text, "a\n\nb\n");
    let lines: String = read.signatures.iter().map(SignatureLine::to_text).collect();
    assert_eq!(lines, "— k AAAAAAE=\n— l AAAAAAI=\n");
    let fails_in = |note: &str| SignedNote::parse(note).unwrap_err().line;
    assert_eq!(fails_in(""), 1);
    assert_eq!(fails_in("a\n— k AAAAAAE=\n"), 1);
    assert_eq!(fails_in("a\n\n"), 3);
    assert_eq!(fails_in("a\n\n— k AAAAAAE="), 3);
    assert_eq!(fails_in("a\n\n- k AAAAAAE=\n"), 3);
    assert_eq!(fails_in("a\n\n— k AAAAAAE=\n— k AAAA\n"), 4);
    assert_eq!(fails_in("a\n\n— k+l AAAAAAE=\n"), 3);
    assert_eq!(fails_in("a\n\n—  AAAAAAE=\n"), 3);
    assert_eq!(fails_in("a\n\n— k AAAAAAE=\r\n"), 3);
    assert_eq!(fails_in("a\n\u{1}\n\n— k AAAAAAE=\n"), 2);
    // Not canonical: 4 octets and bits that are not zero.
    assert_eq!(fails_in("a\n\n— k AAAAAAF=\n"), 3);
}

#[test]
fn a_note_has_at_most_32_signatures_and_64_kib() {
    let signatures = |count: usize| format!("a\n\n{}", "— k AAAAAAE=\n".repeat(count));
    assert!(SignedNote::parse(&signatures(32)).is_ok());
    assert_eq!(SignedNote::parse(&signatures(33)).unwrap_err().line, 35);
    let long = format!("{}\n\n— k AAAAAAE=\n", "a".repeat(MAXIMUM_NOTE_BYTES));
    assert_eq!(SignedNote::parse(&long).unwrap_err().what, "more than 64 KiB");
}
