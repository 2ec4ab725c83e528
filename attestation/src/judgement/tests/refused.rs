//! What a verifier must refuse: the forgeries that attestations invite. Each is made with the true keys where a
//! signature is not the thing that is wrong.

use super::*;
use crate::test_bundle::pem;
use crate::test_chain::{Forgery, attester, device};
use crate::{BundleInvalid, Certificate};

fn not_verified(bundle: &TestBundle, kind: ChainKind) -> String {
    let reasons = does_not_hold(bundle, &question(&[kind]));
    let judgement = judge(&bundle.read(), &question(&[kind]));
    let finding = &judgement.keys[0].attestations[0];
    // Claims that are not verified are nobody's: they are not told.
    assert!(finding.statements.is_empty() && finding.verified().is_none());
    let [reason] = reasons.as_slice() else { panic!("{reasons:?}") };
    assert!(reason.ends_with("the attestation is not verified"), "{reason}");
    finding.verified.as_ref().unwrap().as_ref().unwrap_err().to_string()
}

/// The certificate with these octets in the place of those, which it has once.
fn replaced(certificate: &Certificate, from: &[u8], to: &[u8]) -> Certificate {
    let mut der = certificate.der().to_vec();
    let places: Vec<usize> =
        (0..der.len()).filter(|place| der.get(*place..*place + from.len()) == Some(from)).collect();
    let [place] = places.as_slice() else { panic!("{places:?}") };
    der[*place..place + to.len()].copy_from_slice(to);
    Certificate::parse(&der).unwrap()
}

const UNSIGNED: &str = "the attestation was not signed with the key of the attestation key's certificate";

#[test]
fn a_changed_claim() {
    for kind in BOTH {
        let mut bundle = TestBundle::new();
        let mut bad = claims();
        bad.key.flags = bad.key.flags.with(KeyFlag::Extractable, Some(true));
        // CKA_EXTRACTABLE, TRUE; made FALSE.
        let attestation =
            replaced(&chain(kind).attest(&bad), &[2, 2, 1, 0x62, 1, 1, 0xff], &[2, 2, 1, 0x62, 1, 1, 0]);
        bundle.put_attestation("default", kind, &attestation);
        assert_eq!(not_verified(&bundle, kind), UNSIGNED);
    }
}

#[test]
fn host_asserted_rewritten_as_device_signed() {
    for kind in BOTH {
        let mut bundle = TestBundle::new();
        // version 1, hostAsserted; made deviceSigned.
        let attestation =
            replaced(&chain(kind).attest(&claims()), &[2, 1, 1, 10, 1, 0], &[2, 1, 1, 10, 1, 1]);
        bundle.put_attestation("default", kind, &attestation);
        assert_eq!(not_verified(&bundle, kind), UNSIGNED);
    }
}

#[test]
fn an_old_attestation_with_a_new_nonce() {
    let asked = Question { nonce: Some(nonce(9)), ..question(&[Classical]) };
    let old = chain(Classical).attest(&Claims { nonce: Some(nonce(8)), ..claims() });
    let mut bundle = TestBundle::classical();
    bundle.put_attestation("default", Classical, &replaced(&old, &[8; 16], &[9; 16]));
    assert_eq!(does_not_hold(&bundle, &asked).len(), 1);
    assert_eq!(not_verified(&bundle, Classical), UNSIGNED);
}

/// The whole hierarchy made anew by somebody who knows every name.
#[test]
fn another_root_of_the_same_name() {
    let forged = TestChain::of([TestKey::p384(61), TestKey::p384(62), TestKey::p384(63), TestKey::p256(14)]);
    let mut bundle = TestBundle::classical();
    bundle.put("chain.pem", &pem(&forged.chain()));
    bundle.put_attestation("default", Classical, &forged.attest(&claims()));
    // The forger's root has a key identifier of its own.
    assert_eq!(
        not_verified(&bundle, Classical),
        "the device's certificate names another key than that of the pinned root as its issuer's"
    );
    // And with the forger's root in the bundle: it is not pinned there.
    bundle.put("chain.pem", &pem(&[&forged.chain()[..], &[forged.root]].concat()));
    assert_eq!(does_not_hold(&bundle, &question(&[Classical])).len(), 1);
}

#[test]
fn an_intermediate_that_was_signed_with_the_wrong_key() {
    let true_chain = chain(Classical);
    let wrong = TestKey::p384(64);
    let forged = device(&true_chain.root, &wrong, &true_chain.device_key);
    let mut bundle = TestBundle::classical();
    bundle.put("chain.pem", &pem(&[true_chain.attester.clone(), forged]));
    assert_eq!(
        not_verified(&bundle, Classical),
        "the device's certificate was not signed with the key of the pinned root"
    );
    let forged = attester(&true_chain.device, &wrong, &true_chain.attestation_key);
    bundle.put("chain.pem", &pem(&[forged, true_chain.device.clone()]));
    assert_eq!(
        not_verified(&bundle, Classical),
        "the attestation key's certificate was not signed with the key of the device's certificate"
    );
}

#[test]
fn an_attestation_key_that_is_no_ca_or_has_expired() {
    let true_chain = chain(Classical);
    let mut bundle = TestBundle::classical();
    let forgery = Forgery::of(&true_chain.attester).without(&crate::certificate::BASIC_CONSTRAINTS);
    bundle.put("chain.pem", &pem(&[forgery.sign(&true_chain.device_key), true_chain.device.clone()]));
    assert!(not_verified(&bundle, Classical).contains("is not that of a CA"));
    // The attestation key's certificate is valid for ten years, the attestation for one (D8).
    let bundle = TestBundle::classical();
    let later = Question { at: at(NOW + crate::test_chain::YEAR + 1), ..question(&[Classical]) };
    assert_eq!(does_not_hold(&bundle, &later).len(), 1);
    let earlier = Question { at: at(NOW - 1), ..question(&[Classical]) };
    assert_eq!(does_not_hold(&bundle, &earlier).len(), 1);
}

#[test]
fn an_attestation_for_another_key() {
    let other = TestChain::of([TestKey::p384(11), TestKey::p384(12), TestKey::p384(13), TestKey::p256(15)]);
    let mut bundle = TestBundle::classical();
    bundle.put_attestation("default", Classical, &other.attest(&claims()));
    assert_eq!(
        does_not_hold(&bundle, &question(&[Classical])),
        ["default: the TSU's certificate in the bundle has another key than the attested one"]
    );
}

#[test]
fn an_extra_certificate_in_front_of_the_chain_or_of_the_attestation() {
    let true_chain = chain(Classical);
    let forged = TestChain::of([TestKey::p384(61), TestKey::p384(62), TestKey::p384(63), TestKey::p256(14)]);
    let mut bundle = TestBundle::classical();
    bundle.put("chain.pem", &pem(&[&[forged.attester.clone()][..], &true_chain.chain()].concat()));
    not_verified(&bundle, Classical);
    let mut bundle = TestBundle::classical();
    let both = [forged.attest(&claims()), true_chain.attest(&claims())];
    bundle.put("keys/default.pem", &pem(&both));
    let error = bundle.try_read().unwrap_err();
    assert!(matches!(error, BundleInvalid::CertificateCount { found: 2, .. }), "{error}");
    assert!(!error.is_unjudgeable());
    // In a single file the first is the attestation, and every other must be a link of its chain.
    let good = [&[true_chain.attest(&claims())][..], &true_chain.chain()].concat();
    let with = |certificates: &[Certificate]| Bundle::read(&pem(certificates)).unwrap();
    let verdict = |bundle: &Bundle| judge(bundle, &question(&[Classical])).verdict;
    assert_eq!(verdict(&with(&good)), Verdict::Holds);
    assert_eq!(verdict(&with(&[&[forged.attest(&claims())][..], &good].concat())), Verdict::DoesNotHold);
    assert_eq!(verdict(&with(&[&good[..1], &[forged.attester], &good[1..]].concat())), Verdict::DoesNotHold);
}

/// A certificate of the TSA has no claims, and cannot be signed by an attestation key; the device's own key is no key that
/// is attested (D10).
#[test]
fn a_key_of_the_chain_is_no_attested_key() {
    let true_chain = chain(Classical);
    let own = TestChain {
        attested_key: TestKey::p384(12),
        ..TestChain::of([TestKey::p384(11), TestKey::p384(12), TestKey::p384(13), TestKey::p256(14)])
    };
    let mut forgery = Forgery::of(&true_chain.attest(&claims()));
    forgery.spki_der = own.attested_key.spki_der;
    let mut bundle = TestBundle::classical();
    bundle.remove("tsu/default.pem");
    bundle.put_attestation("default", Classical, &forgery.sign(&true_chain.attestation_key));
    assert!(not_verified(&bundle, Classical).contains("have the same key"));
}
