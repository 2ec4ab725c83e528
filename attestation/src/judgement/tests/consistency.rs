//! Claims that no honest host writes, well signed.

use super::*;
use crate::test_bundle::pem;
use crate::test_chain::YEAR;

fn reason(claims: &Claims) -> String {
    let mut bundle = TestBundle::classical();
    bundle.attest("default", Classical, claims);
    let reasons = does_not_hold(&bundle, &question(&[Classical]));
    let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
    reason.strip_prefix("default: classical: ").unwrap().to_owned()
}

#[test]
fn a_key_is_of_the_type_and_parameter_set_that_the_claims_say() {
    for (key_type, parameter_set) in [
        ("CKK_ML_DSA", "ML-DSA-87"),
        ("CKK_EC", "P-384"),
        ("CKK_RSA", "P-256"),
        ("", ""),
        ("CKK_EC", " P-256"),
    ] {
        let mut changed = claims();
        changed.key.key_type = key_type.to_owned();
        changed.key.parameter_set = parameter_set.to_owned();
        assert_eq!(
            reason(&changed),
            format!(
                "the claims name a key of the type {key_type:?} and the parameter set {parameter_set:?}, and the attested \
                 key is a CKK_EC of P-256"
            )
        );
    }
    let judgement = holds(&TestBundle::classical(), &question(&[Classical]));
    let finding = &judgement.keys[0].attestations[0];
    assert_eq!(value(finding, Asserter::Verifier, "CKA_KEY_TYPE"), Some("CKK_EC"));
    assert_eq!(value(finding, Asserter::Verifier, "parameter set"), Some("P-256"));
}

#[test]
fn a_key_of_an_unknown_kind_is_not_judged() {
    let chain = chain(Classical);
    let mut forgery = crate::test_chain::Forgery::of(&chain.attest(&claims()));
    // id-ecPublicKey on P-521.
    forgery.spki_der = hex_literal::hex!("3017 3010 06072a8648ce3d0201 06052b81040023 03030004 01").to_vec();
    let mut bundle = TestBundle::classical();
    bundle.remove("tsu/default.pem");
    bundle.put_attestation("default", Classical, &forgery.sign(&chain.attestation_key));
    assert_eq!(not_judged(&bundle, &question(&[Classical])).len(), 1);
}

/// Whoever carries the bundle may name its files as they like.
#[test]
fn a_key_under_another_name_than_that_of_its_tsu_does_not_hold() {
    let under = |name: &str, claims: &Claims| {
        let mut bundle = TestBundle::classical();
        bundle.remove("keys/default.pem");
        bundle.remove("tsu/default.pem");
        bundle.attest(name, Classical, claims);
        bundle
    };
    let asked = |name: &str| Question { key: Some(name.to_owned()), ..question(&[Classical]) };
    for name in ["test", "default-", "default-a1b2c3d", "default-a1b2c3d4e5", "default-b1b2c3d4", "efault"] {
        assert_eq!(
            does_not_hold(&under(name.trim_end_matches('-'), &claims_of("other")), &question(&[Classical]))
                .len(),
            1
        );
        assert_eq!(
            does_not_hold(&under(name, &claims()), &asked(name)),
            [format!(
                "{name}: classical: by the claims the key is that of \"tsu default\", which is not the name of its file in \
                 the bundle"
            )]
        );
    }
    // The key that the TSU had before: with the beginning of its id.
    holds(&under("default", &claims()), &asked("default"));
    holds(&under("default-a1b2c3d4", &claims()), &asked("default-a1b2c3d4"));
    let mut short = claims();
    short.key.id = vec![0xab];
    holds(&under("default-ab", &short), &asked("default-ab"));
    // Users that are no TSU.
    for user in ["default", "ca default", "tsu  default", ""] {
        let mut other = claims();
        other.policy.as_mut().unwrap().user = user.to_owned();
        assert!(reason(&other).contains(&format!("that of {user:?}")));
    }
    // Claims without a policy say no name, and a single file has none.
    let unnamed = Claims { policy: None, ..claims() };
    let judgement = holds(&under("anything", &unnamed), &question(&[Classical]));
    assert!(value(&judgement.keys[0].attestations[0], Asserter::Verifier, "name of the key").is_some());
    let certificates =
        [&[chain(Classical).attest(&claims_of("other"))][..], &chain(Classical).chain()].concat();
    let single = Bundle::read(&pem(&certificates)).unwrap();
    assert_eq!(judge(&single, &question(&[Classical])).verdict, Verdict::Holds);
}

#[test]
fn a_key_for_another_purpose_than_timestamping_does_not_hold() {
    for purpose in ["code signing", "", "Timestamping"] {
        let mut other = claims();
        other.policy.as_mut().unwrap().purpose = purpose.to_owned();
        assert_eq!(
            reason(&other),
            format!("by the claims the key is for {purpose:?}, and not for timestamping")
        );
    }
}

#[test]
fn one_key_in_use_under_two_names_does_not_hold() {
    let mut bundle = TestBundle::classical();
    bundle.attest("other", Classical, &claims_of("other"));
    assert_eq!(
        does_not_hold(&bundle, &question(&[Classical])),
        ["`default` and `other` are the same key, in use under both names: one of them is not its own"]
    );
    // A use that has ended is another matter.
    let end = KeyEnd { time: at(NOW), state: KeyEndState::Retired };
    bundle.attest("other", Classical, &Claims { end: Some(end), ..claims_of("other") });
    holds(&bundle, &question(&[Classical]));
}

#[test]
fn a_token_from_after_the_last_use_of_its_key_does_not_hold() {
    let bundle = TestBundle::classical();
    holds(&bundle, &of_token(at(NOW + YEAR)));
    assert_eq!(
        does_not_hold(&bundle, &of_token(at(NOW + YEAR + 1))),
        ["default: classical: the token is of 2027-01-01T00:00:01Z, after the last use of the key at \
          2027-01-01T00:00:00Z"]
    );
}

/// D8: the auditor's clock decides, with the allowance that the server gives its own.
#[test]
fn an_attestation_from_the_future_does_not_hold() {
    let attested = |seconds| {
        let mut bundle = TestBundle::classical();
        bundle.attest("default", Classical, &Claims { attested_at: at(seconds), ..claims() });
        bundle
    };
    let question = question(&[Classical]);
    let now = question.at.as_secs();
    holds(&attested(now + 300), &question);
    assert_eq!(
        does_not_hold(&attested(now + 301), &question),
        [
            "default: classical: the attestation says that it is of 2026-01-02T00:05:01Z, which is yet to come: validity is \
          judged at 2026-01-02T00:00:00Z"
        ]
    );
}

#[test]
fn an_end_of_use_after_the_attestation_that_tells_it_does_not_hold() {
    let ended = |seconds| {
        let end = KeyEnd { time: at(seconds), state: KeyEndState::Destroyed };
        let mut bundle = TestBundle::classical();
        bundle.attest("default", Classical, &Claims { end: Some(end), ..claims() });
        bundle
    };
    holds(&ended(NOW), &question(&[Classical]));
    assert_eq!(
        does_not_hold(&ended(NOW + 1), &question(&[Classical])),
        [
            "default: classical: the attestation of 2026-01-01T00:00:00Z says that the use of the key ended at \
          2026-01-01T00:00:01Z, which was yet to come"
        ]
    );
}
