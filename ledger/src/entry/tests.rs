//! The bytes of an entry: one form each (E4, E8).

use super::*;
use crate::testing::{clock, token};

fn event() -> EventEntry {
    EventEntry {
        time_microseconds: 1_795_305_600_000_000,
        kind: EventKind::CertificateInstalled,
        subject: "tsu-1".into(),
        digest: Hash::of(b"certificate"),
        detail: "until 2031, é".into(),
    }
}

fn samples() -> Vec<Entry> {
    let short = ClockEntry { kernel: None, network: None, reason: "no sample".into(), ..clock(2) };
    vec![Entry::Token(token(1)), Entry::Clock(clock(1)), Entry::Clock(short), Entry::Event(event())]
}

#[test]
fn every_entry_is_read_as_it_was_written_and_in_no_other_form() {
    for entry in samples() {
        let bytes = entry.encode();
        assert_eq!(Entry::decode(&bytes), Ok(entry));
        for end in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(Entry::decode(&[&bytes[..], &[0]].concat()).is_err());
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut altered = bytes.clone();
                altered[place] ^= 1 << bit;
                if let Ok(read) = Entry::decode(&altered) {
                    assert_eq!(read.encode(), altered);
                }
            }
        }
    }
}

/// The layout in `docs/ledger-format.md`.
#[test]
fn e4_the_layout_of_a_token() {
    let token = TokenEntry {
        token_hash: Hash([1; 32]),
        serial: [0x11, 0x22, 0x33].into(),
        gen_time_microseconds: 0x0102_0304_0506_0708,
        certificate_hash: Hash([2; 32]),
        policy: [0x2A, 3, 4].into(),
        clock_state: Hash([3; 32]),
    };
    let mut expected = vec![1, 1];
    expected.extend([1; 32]);
    expected.extend([1, 2, 3, 4, 5, 6, 7, 8]);
    expected.extend([2; 32]);
    expected.extend([3; 32]);
    expected.extend([3, 0x11, 0x22, 0x33, 3, 0x2A, 3, 4]);
    let mut written = Vec::new();
    token.encode_into(&mut written);
    assert_eq!(written, expected);
    assert_eq!(Entry::Token(token).encode(), expected);
}

#[test]
fn e4_serial_numbers_are_1_to_20_octets_in_their_shortest_form() {
    let check = |serial: &[u8]| TokenEntry { serial: serial.into(), ..token(1) }.check().is_ok();
    assert!(check(&[0]) && check(&[0x7F; 20]) && check(&[0, 0x80]) && check(&[0xFF, 0x7F]));
    assert!(!check(&[]) && !check(&[1; 21]) && !check(&[0, 0x7F]) && !check(&[0xFF, 0x80]));
    let check = |policy: &[u8]| TokenEntry { policy: policy.into(), ..token(1) }.check().is_ok();
    assert!(check(&[1; 64]) && !check(&[1; 65]) && !check(&[]));
}

#[test]
fn e8_every_kind_of_event_and_every_state_of_the_clock_has_a_number() {
    let kinds = [
        EventKind::Started,
        EventKind::Stopped,
        EventKind::Configured,
        EventKind::TsuStarted,
        EventKind::TsuEnded,
        EventKind::KeyCreated,
        EventKind::KeyRetired,
        EventKind::CertificateInstalled,
        EventKind::Approved,
        EventKind::Repaired,
        EventKind::ClockChanged,
        EventKind::Interrupted,
    ];
    for (kind, number) in kinds.into_iter().zip(1_u8..) {
        let bytes = Entry::Event(EventEntry { kind, ..event() }).encode();
        assert_eq!(bytes[10], number);
        assert_eq!(Entry::decode(&bytes), Ok(Entry::Event(EventEntry { kind, ..event() })));
    }
    for verdict in [ClockVerdict::Passed, ClockVerdict::Warned, ClockVerdict::Refused] {
        for assurance in [ClockAssurance::Unassured, ClockAssurance::Kernel, ClockAssurance::KernelAndNetwork]
        {
            let entry = Entry::Clock(ClockEntry { verdict, assurance, ..clock(1) });
            assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_cut_at_a_character() {
    let long = EventEntry { subject: "é".repeat(200).into(), detail: "x".repeat(2000).into(), ..event() };
    let Ok(Entry::Event(read)) = Entry::decode(&Entry::Event(long).encode()) else { panic!() };
    assert_eq!((read.subject.len(), read.detail.len()), (254, 1024));
    let longest = Entry::Event(EventEntry {
        subject: "x".repeat(255).into(),
        detail: "y".repeat(1024).into(),
        ..event()
    });
    let length = longest.encode().len();
    assert_eq!(length, 1325);
    assert!(length <= crate::frame::MAXIMUM_ENTRY_BYTES);
}

#[test]
fn an_error_says_where() {
    let decode = |bytes: &[u8]| Entry::decode(bytes).unwrap_err().to_string();
    assert_eq!(decode(&[2]), "not a ledger entry: a version other than 1 at octet 0");
    assert_eq!(decode(&[1, 9]), "not a ledger entry: a kind that is not known at octet 1");
    assert_eq!(decode(&[1, 1, 7]), "not a ledger entry: the end, too early, at octet 2");
}
