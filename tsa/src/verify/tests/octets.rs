//! Any octet of a good token changed: never a panic, and never a token that holds and says something else.

use proptest::prelude::*;

use super::forgery::{Forgery, expectations};
use crate::verify::{ExpectedNonce, VerifiedToken, verify_token};

/// What a verifier tells its user.
fn statement(token: &VerifiedToken) -> impl PartialEq + std::fmt::Debug + use<> {
    let certificate = token.certificate.der().as_ref().to_vec();
    let accuracy = token.accuracy.map(|accuracy| accuracy.total_microseconds());
    (
        (token.gen_time, accuracy, token.ordering, token.serial.clone(), token.policy.to_string()),
        (token.hash, token.hashed_message.clone(), token.nonce.clone(), token.names_tsa, certificate),
    )
}

fn check(good: &[u8], changed: &[u8], forgery: &Forgery) {
    let mut expected = expectations(&forgery.anchors);
    expected.nonce = ExpectedNonce::Any;
    let told = statement(&verify_token(good, &expected).unwrap());
    if let Ok(token) = verify_token(changed, &expected) {
        assert_eq!(statement(&token), told);
    }
}

#[test]
fn no_flipped_octet_changes_what_is_told() {
    let forgery = Forgery::new();
    let good = forgery.token();
    let mut expected = expectations(&forgery.anchors);
    expected.nonce = ExpectedNonce::Any;
    let told = statement(&verify_token(&good, &expected).unwrap());
    let mut held = 0;
    for at in 0..good.len() {
        for flipped in [0x01, 0x20, 0x80, 0xff] {
            let mut changed = good.clone();
            changed[at] ^= flipped;
            if let Ok(token) = verify_token(&changed, &expected) {
                held += 1;
                assert_eq!(statement(&token), told, "octet {at}, bits {flipped:#04x}");
            }
        }
    }
    // Every octet of a token of this form counts: all is signed, compared or of one possible form.
    assert_eq!(held, 0);
}

#[test]
fn no_truncation_holds() {
    let forgery = Forgery::new();
    let good = forgery.token();
    for length in 0..good.len() {
        assert!(verify_token(&good[..length], &expectations(&forgery.anchors)).is_err(), "{length} octets");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn octets_written_over_change_nothing_that_is_told(at: prop::sample::Index, octets in prop::collection::vec(any::<u8>(), 1..8)) {
        let forgery = Forgery::new();
        let good = forgery.token();
        let mut changed = good.clone();
        let from = at.index(changed.len());
        for (place, octet) in changed[from..].iter_mut().zip(&octets) {
            *place = *octet;
        }
        check(&good, &changed, &forgery);
    }

    #[test]
    fn any_octets_are_an_error(octets in prop::collection::vec(any::<u8>(), 0..512)) {
        let forgery = Forgery::new();
        prop_assert!(verify_token(&octets, &expectations(&forgery.anchors)).is_err());
    }
}
