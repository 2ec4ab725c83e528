//! Replies as they stand on the wire, and broken ones.

use super::*;
use crate::client::test_server::{GrantedReply, granted, rejection};
use attestamp_tsa::PkiFailureInfo;

const GRANTED: GrantedReply<'static> = GrantedReply {
    policy: &[0x2a, 0x03, 0x04],
    hash: &[0x60, 0x86, 0x48],
    imprint: &[0xab; 32],
    nonce: Some(&[0x51, 0x02]),
    serial: &[0x40, 0x07],
    gen_time: "20261122124714.5Z",
};

#[test]
fn a_token_shows_what_it_claims() {
    let der = granted(&GRANTED);
    let Reply::Granted(claims) = read(&der).unwrap() else { panic!("not granted") };
    assert_eq!(claims.policy, GRANTED.policy);
    assert_eq!(claims.hash, GRANTED.hash);
    assert_eq!(claims.imprint, GRANTED.imprint);
    assert_eq!(claims.nonce, GRANTED.nonce);
    assert_eq!(claims.serial, GRANTED.serial);
    assert_eq!(claims.gen_time, GRANTED.gen_time);
}

#[test]
fn a_token_without_nonce_has_none() {
    let der = granted(&GrantedReply { nonce: None, ..GRANTED });
    let Reply::Granted(claims) = read(&der).unwrap() else { panic!("not granted") };
    assert_eq!(claims.nonce, None);
}

#[test]
fn a_rejection_names_bit_and_text() {
    for failure in PkiFailureInfo::ALL {
        let der = rejection(failure, "no luck");
        let Reply::Rejected(rejected) = read(&der).unwrap() else { panic!("granted") };
        assert_eq!(rejected.failure_info, Some(failure));
        assert_eq!(rejected.status_strings, ["no luck"]);
    }
}

#[test]
fn time_serial_and_policy_are_shown() {
    let der = granted(&GRANTED);
    let Reply::Granted(claims) = read(&der).unwrap() else { panic!("not granted") };
    assert_eq!(claims.rfc3339(), "2026-11-22T12:47:14.5Z");
    assert_eq!(claims.serial_hexadecimal(), "4007");
    assert_eq!(claims.policy_dotted(), "1.2.3.4");
    let example = Claims { policy: &[0x88, 0x37, 0x98, 0x59, 0x01], ..claims };
    assert_eq!(example.policy_dotted(), "2.999.3161.1");
    for unreadable in [&[][..], &[0x88], &[0xff; 12]] {
        assert_eq!(Claims { policy: unreadable, ..claims }.policy_dotted(), "an unreadable OID");
    }
    let hostile = Claims { gen_time: "\u{1b}[2J", ..claims };
    assert_eq!(hostile.rfc3339(), r"\u{1b}[2J");
}

#[test]
fn every_truncation_of_a_token_is_unreadable() {
    let der = granted(&GRANTED);
    for length in 0..der.len() {
        assert!(read(&der[..length]).is_err(), "{length} octets");
    }
}

#[test]
fn lengths_that_cannot_be_are_unreadable() {
    for der in
        [&[0x30, 0x80, 0, 0][..], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x85, 1, 1, 1, 1, 1], b"<!"]
    {
        assert!(read(der).is_err(), "{der:02x?}");
    }
}
