//! Checkpoints: the bytes that are signed, and what is accepted (E1, E3).

use super::*;
use crate::testing::{ORIGIN, TestKeys};

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: ORIGIN.into(), size: 20_852_163, root: Hash::of(b"root") }
}

#[test]
fn e1_the_text_is_of_three_lines() {
    let root = Base64::encode_string(&Hash::of(b"root").0);
    assert_eq!(checkpoint().text(), format!("tsa.example/ledger\n20852163\n{root}\n"));
    assert_eq!(checkpoint().bytes_to_sign(NoteAlgorithm::Ed25519, "name", 5), checkpoint().text().as_bytes());
}

/// C2SP tlog-cosignature, field by field.
#[test]
fn e3_the_message_that_ml_dsa_signs() {
    let mut expected = b"subtree/v1\n\0".to_vec();
    expected.push(4);
    expected.extend(b"name");
    expected.extend([0, 0, 0, 0, 0, 0, 1, 2]);
    expected.push(18);
    expected.extend(b"tsa.example/ledger");
    expected.extend([0; 8]);
    expected.extend([0, 0, 0, 0, 0x01, 0x3E, 0x2D, 0xC3]);
    expected.extend(Hash::of(b"root").0);
    assert_eq!(checkpoint().bytes_to_sign(NoteAlgorithm::MlDsa44, "name", 0x0102), expected);
}

#[test]
fn e3_a_note_of_both_keys_is_verified_with_each() {
    let keys = TestKeys::new(2);
    let signed = keys.sign(&checkpoint());
    for given in [&keys.verifiers[..], &keys.verifiers[..1], &keys.verifiers[1..]] {
        assert_eq!(SignedCheckpoint::verify(signed.note(), ORIGIN, given), Ok(signed.clone()));
    }
    let signers = signed.signers(&keys.verifiers);
    assert_eq!(signers, [(&keys.verifiers[0], None), (&keys.verifiers[1], Some(1_795_305_601))]);
    let others = TestKeys::new(3).verifiers;
    assert!(signed.signers(&others).is_empty());
    assert_eq!(
        SignedCheckpoint::verify(signed.note(), ORIGIN, &others),
        Err(CheckpointError::Unsigned { keys: 2 })
    );
}

#[test]
fn e3_no_other_note_verifies() {
    let keys = TestKeys::new(2);
    let note = keys.sign(&checkpoint()).note().to_owned();
    // Every octet of the text and the first line, and some of the second.
    let places = (0..note.len()).filter(|place| *place < 250 || place % 97 == 0);
    for place in places {
        for other in [b'A', b'1', b'\n'] {
            let mut altered = note.clone().into_bytes();
            altered[place] = other;
            let Ok(altered) = String::from_utf8(altered) else { continue };
            let with_both = SignedCheckpoint::verify(&altered, ORIGIN, &keys.verifiers);
            // A line of which the name or identifier is another is not the key's, and the other line is enough.
            let is_read = with_both.is_ok_and(|signed| *signed.checkpoint() != checkpoint());
            assert!(!is_read, "{altered}");
        }
    }
}

#[test]
fn a_wrong_signature_of_a_key_that_was_given_refuses_the_note() {
    let keys = TestKeys::new(2);
    let signed = keys.sign(&checkpoint());
    let (text, lines) = signed.note().split_once("\n\n").unwrap();
    let other = keys.sign(&Checkpoint { size: 5, ..checkpoint() });
    let other_lines = other.note().split_once("\n\n").unwrap().1;
    let (first, second) = lines.split_once('\n').unwrap();
    let (other_first, other_second) = other_lines.split_once('\n').unwrap();
    for lines in [format!("{other_first}\n{second}"), format!("{first}\n{other_second}")] {
        let note = format!("{text}\n\n{lines}");
        let refusal = SignedCheckpoint::verify(&note, ORIGIN, &keys.verifiers);
        assert!(matches!(refusal, Err(CheckpointError::Signature { .. })), "{refusal:?}");
    }
}

#[test]
fn attach_refuses_what_does_not_verify() {
    let keys = TestKeys::new(2);
    let attach = |place: usize, time_seconds: u64, signature: Vec<u8>| {
        checkpoint().attach(&[CheckpointSignature { key: &keys.verifiers[place], time_seconds, signature }])
    };
    let refused = |place: usize| Err(CheckpointError::Signature { key: keys.verifiers[place].label() });
    let good = keys.signature(0, &checkpoint(), 0);
    assert!(attach(0, 0, good.clone()).is_ok());
    assert_eq!(attach(0, 0, good[1..].to_vec()), refused(0));
    assert_eq!(attach(0, 0, vec![0; 64]), refused(0));
    let good = keys.signature(1, &checkpoint(), 7);
    assert!(attach(1, 7, good.clone()).is_ok());
    assert_eq!(attach(1, 8, good), refused(1));
    let good = keys.signature(1, &checkpoint(), 1 << 63);
    assert_eq!(attach(1, 1 << 63, good), refused(1));
    assert_eq!(checkpoint().attach(&[]), Err(CheckpointError::Unsigned { keys: 0 }));
    let spaced = Checkpoint { origin: "a b".into(), ..checkpoint() };
    let signature = CheckpointSignature { key: &keys.verifiers[0], time_seconds: 0, signature: Vec::new() };
    assert_eq!(spaced.attach(&[signature]), Err(CheckpointError::Name));
}

/// C2SP signed-note: the signature of a known key must verify, wherever it stands. It counts once.
#[test]
fn e3_a_key_that_has_signed_twice_counts_once() {
    let keys = TestKeys::new(2);
    let signed = keys.sign(&checkpoint());
    let lines: Vec<&str> = signed.note().lines().rev().take(2).collect();
    let twice = format!("{}{}\n{}\n{}\n", signed.note(), lines[0], lines[1], lines[0]);
    let verified = SignedCheckpoint::verify(&twice, ORIGIN, &keys.verifiers).unwrap();
    let signers = verified.signers(&keys.verifiers);
    assert_eq!(signers, signed.signers(&keys.verifiers));
    assert_eq!(
        signers.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
        keys.verifiers.iter().collect::<Vec<_>>()
    );
    // A second one that is wrong is not passed over, whichever comes first.
    let wrong = SignatureLine { name: ORIGIN, id: keys.verifiers[0].id(), signature: vec![1; 64] }.to_text();
    let (text, signatures) = signed.note().split_at(checkpoint().text().len() + 1);
    for note in [format!("{}{wrong}", signed.note()), format!("{text}{wrong}{signatures}")] {
        let refused = SignedCheckpoint::verify(&note, ORIGIN, &keys.verifiers);
        assert_eq!(refused, Err(CheckpointError::Signature { key: keys.verifiers[0].label() }));
    }
}

#[test]
fn what_is_no_checkpoint_is_refused_with_its_line() {
    let keys = TestKeys::new(2);
    let root = Base64::encode_string(&Hash::of(b"root").0);
    let line_of = |text: &str| {
        let note = format!("{text}\n— {ORIGIN} AAAAAAE=\n");
        match SignedCheckpoint::verify(&note, ORIGIN, &keys.verifiers) {
            Err(CheckpointError::Malformed { line, .. }) => line,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(line_of(&format!("\n5\n{root}\n")), 1);
    assert_eq!(line_of(&format!("a b\n5\n{root}\n")), 1);
    assert_eq!(line_of(&format!("a\n05\n{root}\n")), 2);
    assert_eq!(line_of(&format!("a\n+5\n{root}\n")), 2);
    assert_eq!(line_of(&format!("a\n18446744073709551616\n{root}\n")), 2);
    assert_eq!(line_of("a\n5\nAAAA\n"), 3);
    assert_eq!(line_of(&format!("a\n5\n{}\n", root.replace('=', ""))), 3);
    assert_eq!(line_of("a\n5\n"), 3);
    assert_eq!(line_of(&format!("a\n5\n{root}\nmore\n")), 4);
}
