//! Verdicts on bundles that are right in all but one thing, by the rows of the table in [`super`].

mod consistency;
mod evidence;
mod flipped_bits;
mod refused;

use super::*;
use crate::chain_kind::ChainKind;
use crate::claims::{Assurance, Claims, KeyEnd, KeyEndState, KeyFlag, KeyFlags};
use crate::test_bundle::{Classical, PostQuantum, TestBundle, chain, question, tsu_certificate};
use crate::test_chain::{NOW, TestChain, TestKey, at, claims, claims_of};

pub(super) const BOTH: [ChainKind; 2] = [Classical, PostQuantum];

/// The reasons, each with its key and chain, as text.
pub(super) fn reasons(judgement: &Judgement) -> Vec<String> {
    let text = |located: Located<'_>| {
        let key = located.key.map(|key| format!("{}: ", key.key)).unwrap_or_default();
        let chain = located.finding.map(|finding| format!("{}: ", finding.chain)).unwrap_or_default();
        format!("{key}{chain}{}", located.reason)
    };
    judgement.located_reasons().map(text).collect()
}

pub(super) fn holds(bundle: &TestBundle, question: &Question) -> Judgement {
    let judgement = judge(&bundle.read(), question);
    assert_eq!((judgement.verdict, reasons(&judgement)), (Verdict::Holds, Vec::new()));
    judgement
}

pub(super) fn does_not_hold(bundle: &TestBundle, question: &Question) -> Vec<String> {
    let judgement = judge(&bundle.read(), question);
    assert_eq!(judgement.verdict, Verdict::DoesNotHold, "{:?}", reasons(&judgement));
    reasons(&judgement)
}

pub(super) fn not_judged(bundle: &TestBundle, question: &Question) -> Vec<String> {
    let judgement = judge(&bundle.read(), question);
    assert_eq!(judgement.verdict, Verdict::NotJudged, "{:?}", reasons(&judgement));
    reasons(&judgement)
}

fn nonce(octet: u8) -> Nonce {
    Nonce::new(vec![octet; 16]).unwrap()
}

fn value<'a>(finding: &'a Finding, asserted_by: Asserter, name: &str) -> Option<&'a str> {
    let found = |statement: &&Statement| statement.asserted_by == asserted_by && statement.name == name;
    finding.statements.iter().find(found).map(|statement| statement.value.as_str())
}

#[test]
fn a_good_bundle_holds_under_one_root_and_under_both() {
    let bundle = TestBundle::new();
    let judgement = holds(&bundle, &question(&BOTH));
    let chains: Vec<ChainKind> = judgement.keys[0].attestations.iter().map(|finding| finding.chain).collect();
    assert_eq!(chains, BOTH);
    assert_eq!(judgement.keys[0].tsu_certificate, TsuCertificateFinding::SameKey);
    for kind in BOTH {
        let judgement = holds(&bundle, &question(&[kind]));
        // What leads to no pinned root is named, and nothing of it is said (D9).
        let looked_at: Vec<bool> = judgement.chains.iter().map(|chain| chain.root.is_some()).collect();
        assert_eq!(looked_at, BOTH.map(|other| other == kind));
        assert_eq!(judgement.keys[0].attestations.len(), 1);
        assert_eq!(judgement.keys[0].attestations[0].chain, kind);
    }
}

#[test]
fn the_root_may_be_the_last_of_a_chain_and_is_trusted_only_where_it_is_pinned() {
    let mut bundle = TestBundle::new();
    let whole = [&chain(Classical).chain()[..], &[chain(Classical).root.clone()]].concat();
    bundle.put("chain.pem", &crate::test_bundle::pem(&whole));
    holds(&bundle, &question(&BOTH));
    let judgement = holds(&bundle, &question(&[PostQuantum]));
    assert!(judgement.chains[0].root.is_none());
    assert_eq!(judgement.chains[0].issuer_der, chain(Classical).root.subject_der());
}

/// D9: the roots are the auditor's.
#[test]
fn each_pinned_root_must_be_the_top_of_at_least_one_chain() {
    // The two roots have one name in these tests: a chain is of the one whose key could have signed it.
    let bundle = TestBundle::new();
    assert_eq!(not_judged(&bundle, &question(&[])).len(), 1);
    holds(&bundle, &question(&[Classical, Classical]));

    let alone = TestBundle::classical();
    let expected = "no chain of the bundle leads to the pinned root CN=Device root,O=Example Oy,C=FI: it is another \
                    authority's bundle, or another root than the device's";
    let mut other = question(&[Classical]);
    other.roots.push(crate::test_chain::root("Another root", &TestKey::p384(99)));
    assert_eq!(does_not_hold(&alone, &other), [expected.replace("Device root", "Another root")]);
    assert_eq!(does_not_hold(&alone, &question(&BOTH)), [expected]);
    let mut without = TestBundle::new();
    without.remove("chain.pem");
    without.remove("pq-chain.pem");
    assert_eq!(does_not_hold(&without, &question(&[Classical])), [expected]);
}

/// An organisation's root above both devices: the other chain's attestation key and device are post-quantum below it.
fn below_one_root() -> (TestBundle, TestChain) {
    use attestamp_certs::MlDsa;

    let mut second = TestChain::of([
        TestKey::p384(11),
        TestKey::ml_dsa(MlDsa::MlDsa87, 52),
        TestKey::ml_dsa(MlDsa::MlDsa65, 53),
        TestKey::p256(14),
    ]);
    second.root = chain(Classical).root.clone();
    let mut bundle = TestBundle::classical();
    bundle.put("pq-chain.pem", &crate::test_bundle::pem(&second.chain()));
    bundle.put_attestation("default", PostQuantum, &second.attest(&claims()));
    (bundle, second)
}

#[test]
fn one_root_may_stand_above_both_chains_and_both_must_hold_then() {
    let (bundle, second) = below_one_root();
    let judgement = holds(&bundle, &question(&[Classical]));
    assert!(judgement.chains.iter().all(|chain| chain.root.is_some()));
    let findings = &judgement.keys[0].attestations;
    assert_eq!(findings.iter().map(|finding| finding.chain).collect::<Vec<_>>(), BOTH);
    // One that reaches a classical root is not post-quantum as a whole.
    assert!(findings.iter().all(|finding| !finding.verified().unwrap().is_post_quantum));

    let mut stripped = bundle.clone();
    stripped.remove("keys/default.pq.pem");
    assert_eq!(does_not_hold(&stripped, &question(&[Classical])).len(), 1);
    let mut other_nonce = bundle.clone();
    other_nonce.attest("default", Classical, &Claims { nonce: Some(nonce(7)), ..claims() });
    let asked = Question { nonce: Some(nonce(7)), ..question(&[Classical]) };
    assert_eq!(does_not_hold(&other_nonce, &asked).len(), 1);

    // A bit of the top's signature, or of what it is over, does not make it a chain that is not looked at.
    let device = second.device;
    let signature = device.der().len() - 3;
    for octet in [signature, device.der().len() / 2] {
        let mut der = device.der().to_vec();
        der[octet] ^= 1;
        let Ok(flipped) = Certificate::parse(&der) else { panic!("octet {octet}") };
        let mut changed = bundle.clone();
        changed.put("pq-chain.pem", &crate::test_bundle::pem(&[second.attester.clone(), flipped]));
        assert_eq!(does_not_hold(&changed, &question(&[Classical])).len(), 1, "octet {octet}");
    }
}

#[test]
fn a_chain_that_names_a_root_whose_key_cannot_have_signed_it_is_not_led_to_it() {
    let judgement = holds(&TestBundle::new(), &question(&[Classical]));
    let [classical, post_quantum] = judgement.chains.as_slice() else { panic!("{:?}", judgement.chains) };
    assert_eq!(classical.root.as_ref(), Some(&chain(Classical).root));
    assert_eq!(post_quantum.issuer_der, chain(Classical).root.subject_der());
    assert!(post_quantum.root.is_none());
}

/// D6: the default policy; the host's own acceptance of a key is not the auditor's.
#[test]
fn a_key_with_shortcomings_does_not_hold_whatever_its_host_accepts() {
    let mut bad = claims();
    bad.key.flags = bad.key.flags.with(KeyFlag::Extractable, Some(true)).with(KeyFlag::Local, Some(false));
    bad.policy.as_mut().unwrap().accept_unattested = true;
    let mut bundle = TestBundle::classical();
    bundle.attest("default", Classical, &bad);
    let reasons = does_not_hold(&bundle, &question(&[Classical]));
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].starts_with("default: classical: CKA_EXTRACTABLE is TRUE"), "{reasons:?}");
    // Attested truthfully: it is told all the same.
    let judgement = judge(&bundle.read(), &question(&[Classical]));
    let finding = &judgement.keys[0].attestations[0];
    assert_eq!(value(finding, Asserter::Host, "CKA_EXTRACTABLE"), Some("TRUE"));
    assert_eq!(
        value(finding, Asserter::Verifier, "default policy (D6)"),
        Some("the claims break it in 2 points")
    );
    // A token that states nothing.
    bad.key.flags = KeyFlags::default();
    bundle.attest("default", Classical, &bad);
    assert!(!does_not_hold(&bundle, &question(&[Classical])).is_empty());
}

/// D4, D8.
#[test]
fn a_nonce_makes_an_attestation_fresh_and_a_missing_or_other_one_fails_it() {
    let of = |nonce: Option<Nonce>| Claims { nonce, ..claims() };
    let at_now = at(NOW);
    let freshness = |bundle: &TestBundle, question: &Question| {
        judge(&bundle.read(), question).keys[0].attestations.iter().map(|it| it.freshness).collect::<Vec<_>>()
    };
    let mut bundle = TestBundle::new();
    let not_asked = question(&BOTH);
    let asked = Question { nonce: Some(nonce(7)), ..not_asked.clone() };
    holds(&bundle, &not_asked);
    assert_eq!(freshness(&bundle, &not_asked), [Some(Freshness::NotFresh { attested_at: at_now }); 2]);
    assert_eq!(does_not_hold(&bundle, &asked).len(), 2);
    assert_eq!(freshness(&bundle, &asked), [Some(Freshness::NonceAbsent { attested_at: at_now }); 2]);

    bundle.attest_both("default", &of(Some(nonce(7))));
    holds(&bundle, &asked);
    assert_eq!(freshness(&bundle, &asked), [Some(Freshness::Fresh { attested_at: at_now }); 2]);
    // A nonce that nobody compares makes nothing fresh.
    holds(&bundle, &not_asked);
    assert_eq!(freshness(&bundle, &not_asked), [Some(Freshness::NotFresh { attested_at: at_now }); 2]);

    // An old one replayed under one of the chains.
    bundle.attest("default", PostQuantum, &of(Some(nonce(8))));
    let found = "08".repeat(16);
    let expected =
        format!("default: post-quantum: the attestation carries the nonce {found}, not the one asked for");
    assert_eq!(does_not_hold(&bundle, &asked), [expected]);
}

/// D8: a key whose use has ended cannot be attested afresh, and keeps nobody from asking for the others with a nonce.
#[test]
fn a_key_whose_use_has_ended_needs_no_nonce_where_others_carry_it() {
    let end = KeyEnd { time: at(NOW - 10), state: KeyEndState::Retired };
    let mut bundle = TestBundle::new();
    bundle.attest_both("default", &Claims { nonce: Some(nonce(7)), ..claims() });
    let claims = || claims_of("old");
    bundle.attest_both("old", &Claims { end: Some(end), ..claims() });
    let asked = Question { nonce: Some(nonce(7)), ..question(&BOTH) };
    holds(&bundle, &asked);
    let judgement = judge(&bundle.read(), &asked);
    let old = judgement.keys.iter().find(|key| key.key == "old").unwrap();
    let ended = Some(Freshness::Ended { attested_at: at(NOW) });
    assert!(old.attestations.iter().all(|finding| finding.freshness == ended), "{old:?}");

    // With another nonce it is as wrong as any.
    bundle.attest("old", Classical, &Claims { end: Some(end), nonce: Some(nonce(8)), ..claims() });
    assert_eq!(does_not_hold(&bundle, &asked).len(), 1);
    // Alone they show nothing: a bundle of any age has them.
    bundle.attest("old", Classical, &Claims { end: Some(end), ..claims() });
    let alone = Question { key: Some("old".to_owned()), ..asked };
    let reasons = does_not_hold(&bundle, &alone);
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].contains("leave the nonce out"), "{reasons:?}");
    holds(&bundle, &Question { nonce: None, ..alone });
}

/// A second key, of another TSU, that breaks D6.
fn two_keys() -> (TestBundle, TestKey) {
    let other = TestChain::of([TestKey::p384(11), TestKey::p384(12), TestKey::p384(13), TestKey::p256(15)]);
    let mut bad = claims_of("second");
    bad.key.id = vec![1];
    bad.key.flags = bad.key.flags.with(KeyFlag::Decrypt, Some(true));
    let mut bundle = TestBundle::classical();
    bundle.put_attestation("second", Classical, &other.attest(&bad));
    bundle.put("tsu/second.pem", &tsu_certificate(&other.attested_key));
    (bundle, TestKey::p256(15))
}

#[test]
fn one_key_is_asked_for_by_name() {
    let (bundle, _) = two_keys();
    let all = question(&[Classical]);
    assert_eq!(
        does_not_hold(&bundle, &all),
        ["second: classical: CKA_DECRYPT is TRUE; the key may only sign"]
    );
    let named = |key: &str| Question { key: Some(key.to_owned()), ..all.clone() };
    let judgement = holds(&bundle, &named("default"));
    assert_eq!(judgement.keys.len(), 1);
    assert_eq!(does_not_hold(&bundle, &named("second")).len(), 1);
    assert_eq!(
        does_not_hold(&bundle, &named("third")),
        ["the bundle has no key `third`; it has `default`, `second`"]
    );
}

/// D7: the key of a TSU certificate or of a token decides, and only its attestations do.
#[test]
fn the_key_of_a_certificate_or_of_a_token_must_be_attested() {
    let (bundle, second_key) = two_keys();
    let first_key = &chain(Classical).attested_key;
    let all = question(&[Classical]);
    let signer = |key: &TestKey| TokenSigner { spki_der: key.spki_der.clone(), gen_time: at(NOW) };
    let of_certificate = |key: &TestKey| Question { tsu_spki_der: Some(key.spki_der.clone()), ..all.clone() };
    let of_token = |key: &TestKey| Question { token: Some(signer(key)), ..all.clone() };

    for question in [of_certificate(first_key), of_token(first_key)] {
        let judgement = holds(&bundle, &question);
        assert_eq!(judgement.keys.iter().map(|key| key.key.as_str()).collect::<Vec<_>>(), ["default"]);
    }
    assert_eq!(does_not_hold(&bundle, &of_certificate(&second_key)).len(), 1);
    assert_eq!(
        does_not_hold(&bundle, &of_certificate(&TestKey::p256(16))),
        ["the key of the given TSU certificate is not attested in the bundle under a pinned root"]
    );
    assert_eq!(
        does_not_hold(&bundle, &of_token(&TestKey::p256(16))),
        ["the key that signed the token is not attested in the bundle under a pinned root"]
    );
    let both = Question { token: Some(signer(first_key)), ..of_certificate(first_key) };
    holds(&bundle, &both);
    let different = Question { token: Some(signer(first_key)), ..of_certificate(&second_key) };
    assert_eq!(
        does_not_hold(&bundle, &different),
        [
            "the token was signed with another key than that of the given TSU certificate",
            "the key that signed the token is not attested in the bundle under a pinned root"
        ]
    );
    // The name and the key must fit.
    let other_name = Question { key: Some("second".to_owned()), ..of_certificate(first_key) };
    assert_eq!(does_not_hold(&bundle, &other_name).len(), 1);
}

/// D7: what hangs beside an attestation must be of its key.
#[test]
fn a_tsu_certificate_in_the_bundle_must_have_the_attested_key() {
    let mut bundle = TestBundle::classical();
    bundle.put("tsu/default.pem", &tsu_certificate(&TestKey::p256(16)));
    assert_eq!(
        does_not_hold(&bundle, &question(&[Classical])),
        ["default: the TSU's certificate in the bundle has another key than the attested one"]
    );
    bundle.remove("tsu/default.pem");
    let judgement = holds(&bundle, &question(&[Classical]));
    assert_eq!(judgement.keys[0].tsu_certificate, TsuCertificateFinding::Absent);
}

#[test]
fn what_was_taken_out_is_missed_under_every_pinned_root() {
    let mut stripped = TestBundle::new();
    stripped.remove("keys/default.pq.pem");
    holds(&stripped, &question(&[Classical]));
    let missing = "there is no attestation of the key under this chain: it was not attested, or the attestation was \
                   taken out";
    assert_eq!(does_not_hold(&stripped, &question(&BOTH)), [format!("default: post-quantum: {missing}")]);
    // A TSU whose key is not attested at all.
    let mut unattested = TestBundle::classical();
    unattested.put("tsu/second.pem", &tsu_certificate(&TestKey::p256(15)));
    assert_eq!(
        does_not_hold(&unattested, &question(&[Classical])),
        [format!("second: classical: {missing}")]
    );
    let mut empty = TestBundle::classical();
    empty.remove("keys/default.pem");
    empty.remove("tsu/default.pem");
    assert_eq!(does_not_hold(&empty, &question(&[Classical])), ["the bundle has no attestation of any key"]);
}

#[test]
fn both_chains_must_say_the_same_of_a_key() {
    type Change = (&'static str, fn(&mut Claims));
    let changes: [Change; 14] = [
        ("CKA_ID", |claims| claims.key.id = vec![9]),
        ("CKA_LABEL", |claims| claims.key.label = "other".to_owned()),
        ("flags", |claims| {
            claims.key.flags = claims.key.flags.clone().with(KeyFlag::Modifiable, Some(false));
        }),
        ("flags", |claims| {
            claims.key.flags = claims.key.flags.clone().with(KeyFlag::Copyable, Some(false));
        }),
        ("CKA_KEY_GEN_MECHANISM", |claims| claims.key.key_gen_mechanism = None),
        ("CKA_ALLOWED_MECHANISMS", |claims| {
            claims.key.allowed_mechanisms = Some(vec!["CKM_ECDSA".to_owned()]);
        }),
        ("CKA_START_DATE or CKA_END_DATE", |claims| {
            claims.key.end_date = Some(crate::Date { year: 2030, month: 1, day: 1 });
        }),
        ("CKA_UNIQUE_ID", |claims| claims.key.unique_id = Some("1".to_owned())),
        ("policy", |claims| claims.policy.as_mut().unwrap().accept_unattested = true),
        ("policy", |claims| claims.policy.as_mut().unwrap().tsa_policies.clear()),
        ("policy", |claims| claims.policy.as_mut().unwrap().not_after = at(NOW + 5)),
        ("policy", |claims| claims.policy = None),
        ("vendor evidence", |claims| {
            claims.evidence = vec![crate::EvidenceClaim { format: vec![0x2a, 3], sha512: [0; 64] }];
        }),
        ("end of use", |claims| {
            claims.end = Some(KeyEnd { time: at(NOW), state: KeyEndState::Retired });
        }),
    ];
    for (difference, change) in changes {
        let mut bundle = TestBundle::new();
        let mut changed = claims();
        change(&mut changed);
        bundle.attest("default", PostQuantum, &changed);
        let expected =
            format!("default: the attestations under the two chains differ in the key's {difference}");
        assert_eq!(does_not_hold(&bundle, &question(&BOTH)), [expected]);
        holds(&bundle, &question(&[PostQuantum]));
    }
    let other_key = TestChain {
        attested_key: TestKey::p256(15),
        ..TestChain::of([TestKey::p384(11), TestKey::p384(12), TestKey::p384(13), TestKey::p256(14)])
    };
    let mut bundle = TestBundle::new();
    bundle.remove("tsu/default.pem");
    bundle.put_attestation("default", Classical, &other_key.attest(&claims()));
    assert_eq!(
        does_not_hold(&bundle, &question(&BOTH)),
        ["default: the attestations under the two chains differ in the key's public key"]
    );
    // Made one after the other, with an upgrade between them.
    let mut later = claims();
    later.attested_at = at(NOW + 1);
    later.clock = crate::AttestationClock::HostUnassured;
    later.nonce = Some(nonce(7));
    later.platform.firmware = "2.11".to_owned();
    let mut bundle = TestBundle::new();
    bundle.attest("default", PostQuantum, &later);
    holds(&bundle, &question(&BOTH));
}

#[test]
fn both_chains_must_be_of_one_token() {
    type Change = fn(&mut crate::Platform);
    let changes: [Change; 3] = [
        |platform| platform.manufacturer = "Another".to_owned(),
        |platform| platform.model = "Another".to_owned(),
        |platform| platform.serial = "0".to_owned(),
    ];
    for change in changes {
        let mut claims = claims();
        change(&mut claims.platform);
        let other = TestChain::post_quantum().of_token(&claims.platform);
        let mut bundle = TestBundle::new();
        bundle.put("pq-chain.pem", &crate::test_bundle::pem(&other.chain()));
        bundle.put_attestation("default", PostQuantum, &other.attest(&claims));
        assert_eq!(
            does_not_hold(&bundle, &question(&BOTH)),
            ["default: the attestations under the two chains differ in the key's token"]
        );
    }
}

/// A retired key keeps its last attestation, so that old tokens stay auditable; younger ones are none of its.
#[test]
fn a_key_that_ended_holds_for_tokens_from_before_its_end() {
    let mut ended = claims();
    ended.end = Some(KeyEnd { time: at(NOW - 100), state: KeyEndState::Destroyed });
    let mut bundle = TestBundle::new();
    bundle.attest_both("default", &ended);
    let judgement = holds(&bundle, &question(&BOTH));
    assert_eq!(
        value(&judgement.keys[0].attestations[0], Asserter::Host, "end of use"),
        Some("2025-12-31T23:58:20Z, destroyed right after this attestation")
    );
    holds(&bundle, &of_token(at(NOW - 100)));
    assert_eq!(
        does_not_hold(&bundle, &of_token(at(NOW - 99))),
        ["default: classical: the token is of 2025-12-31T23:58:21Z, after the end of the key's use at \
          2025-12-31T23:58:20Z"]
    );
}

/// The question about a token of the attested key, of this time.
pub(super) fn of_token(gen_time: UnixTime) -> Question {
    let spki_der = chain(Classical).attested_key.spki_der.clone();
    Question { token: Some(TokenSigner { spki_der, gen_time }), ..question(&[Classical]) }
}

/// D11: every word is somebody's.
#[test]
fn every_claim_of_a_host_asserted_attestation_is_the_hosts_word() {
    let judgement = holds(&TestBundle::new(), &question(&BOTH));
    for finding in &judgement.keys[0].attestations {
        let claims = &finding.verified().unwrap().claims;
        assert_eq!(claims.assurance, Assurance::HostAsserted);
        assert_eq!(value(finding, Asserter::Host, "assurance"), Some("hostAsserted"));
        for (flag, _) in claims.key.flags.iter() {
            assert!(value(finding, Asserter::Host, flag.name()).is_some());
        }
        assert!(finding.statements.iter().all(|statement| statement.asserted_by != Asserter::Device));
        for name in ["manufacturer", "model", "serial number", "firmware"] {
            let by = |asserter| value(finding, asserter, name);
            assert!(by(Asserter::Host).is_some());
            assert_eq!(by(Asserter::Host), by(Asserter::DeviceCertificateIssuer), "{name}");
        }
        let kind = if finding.chain == PostQuantum { "(post-quantum)" } else { "(not post-quantum)" };
        assert!(value(finding, Asserter::Verifier, "signatures").unwrap().ends_with(kind));
        assert!(value(finding, Asserter::Verifier, "freshness").unwrap().starts_with("not fresh"));
    }
    // Flags that the token lacks are absent, never FALSE (D4).
    assert_eq!(value(&judgement.keys[0].attestations[0], Asserter::Host, "CKA_WRAP_WITH_TRUSTED"), None);
}

#[test]
fn files_that_decide_nothing_are_named() {
    let mut files = TestBundle::classical();
    files.put("notes.txt", b"");
    files.put("evidence/default/1.2.3", b"");
    let bundle = Bundle::from_files(files.files()).unwrap();
    let judgement = judge(&bundle, &question(&[Classical]));
    assert_eq!(judgement.verdict, Verdict::Holds);
    assert_eq!(judgement.not_looked_at, ["notes.txt", "evidence/default/1.2.3"]);
}
