//! D11: `deviceSigned` is worth the evidence that the device itself signed, and that leads to a vendor's root.

use std::sync::LazyLock;

use attestamp_certs::HashAlgorithm;
use attestamp_certs::pem::certificates_from_pem;
use attestamp_strict_der::{Reader, tag};

use super::*;
use crate::claims::{EvidenceClaim, Platform};
use crate::oid;
use crate::test_bundle::pem;

/// A real YubiHSM 2's; see the README beside it.
const EVIDENCE: &[u8] = include_bytes!("../../evidence/yubihsm2/vectors/hsm-31650425-key-7e57.pem");
const VENDOR_ROOT: &str = include_str!("../../evidence/yubihsm2/vectors/yubico-yubihsm-root-ca.pem");
const PATH: &str = "evidence/default/2.25.195043139723147967458054985970204369001.4.1";

fn vendor_roots() -> Vec<CertificateDer<'static>> {
    certificates_from_pem(VENDOR_ROOT).unwrap()
}

/// SubjectPublicKeyInfo of the key that the evidence is of.
fn evidence_spki() -> Vec<u8> {
    let attestation = &certificates_from_pem(str::from_utf8(EVIDENCE).unwrap()).unwrap()[0];
    let mut fields =
        Reader::new(attestation).any().unwrap().reader().required(tag::SEQUENCE).unwrap().reader();
    // version, serial number, algorithm, issuer, validity, subject
    for _ in 0..6 {
        fields.any().unwrap();
    }
    fields.any().unwrap().der.to_vec()
}

/// The device as its PKCS#11 module names it.
fn yubihsm(serial_number: &str) -> Platform {
    Platform {
        manufacturer: "Yubico (www.yubico.com)".to_owned(),
        model: "YubiHSM".to_owned(),
        serial: serial_number.to_owned(),
        firmware: "2.40".to_owned(),
    }
}

/// A hierarchy of the device that made the evidence, and of the key that the evidence is of.
fn device_chain(serial_number: &str) -> TestChain {
    let keys = [TestKey::p384(11), TestKey::p384(12), TestKey::p384(13), TestKey::p256(14)];
    let mut made = TestChain::of(keys).of_token(&yubihsm(serial_number));
    made.attested_key.spki_der = evidence_spki();
    made
}

static DEVICE: LazyLock<TestChain> = LazyLock::new(|| device_chain("31650425"));

fn evidence_claims(assurance: Assurance, content: &[u8]) -> Claims {
    let mut claims = claims();
    claims.assurance = assurance;
    claims.platform = yubihsm("31650425");
    claims.key.id = vec![0x7e, 0x57];
    let sha512 = HashAlgorithm::Sha512.digest(content).as_ref().try_into().unwrap();
    claims.evidence = vec![EvidenceClaim { format: oid::YUBIHSM2_EVIDENCE.to_vec(), sha512 }];
    claims
}

fn bundle_of(claims: &Claims, evidence: Option<&[u8]>) -> TestBundle {
    let mut bundle = TestBundle::classical();
    bundle.remove("tsu/default.pem");
    bundle.put("chain.pem", &pem(&DEVICE.chain()));
    bundle.put_attestation("default", Classical, &DEVICE.attest(claims));
    if let Some(evidence) = evidence {
        bundle.put(PATH, evidence);
    }
    bundle
}

fn pinned() -> Question {
    Question { vendor_roots: vendor_roots(), ..question(&[Classical]) }
}

#[test]
fn device_signed_holds_with_evidence_that_leads_to_a_pinned_vendors_root() {
    let claims = evidence_claims(Assurance::DeviceSigned, EVIDENCE);
    let judgement = holds(&bundle_of(&claims, Some(EVIDENCE)), &pinned());
    assert!(judgement.not_looked_at.is_empty());
    let finding = &judgement.keys[0].attestations[0];
    // What the evidence is about is the device's word; the rest stays the host's.
    for name in ["CKA_LOCAL", "CKA_NEVER_EXTRACTABLE", "CKA_SIGN"] {
        assert_eq!(value(finding, Asserter::Device, name), Some("TRUE"));
        assert_eq!(value(finding, Asserter::Host, name), None);
    }
    assert_eq!(value(finding, Asserter::Device, "CKA_EXTRACTABLE"), Some("FALSE"));
    assert_eq!(value(finding, Asserter::Device, "origin"), Some("generated"));
    assert_eq!(value(finding, Asserter::Device, "capabilities"), Some("sign-ecdsa"));
    assert_eq!(value(finding, Asserter::Device, "CKA_SENSITIVE"), None);
    assert_eq!(value(finding, Asserter::Host, "CKA_SENSITIVE"), Some("TRUE"));
    assert_eq!(value(finding, Asserter::Host, "time of attestation"), Some("2026-01-01T00:00:00Z"));
}

#[test]
fn device_signed_without_evidence_does_not_hold() {
    let missing = "default: classical: the attestation claims to be deviceSigned, and the bundle has no evidence that a \
                   device signed: the claims are the host's word";
    let mut claims = evidence_claims(Assurance::DeviceSigned, EVIDENCE);
    assert_eq!(does_not_hold(&bundle_of(&claims, None), &pinned()), [missing]);
    assert_eq!(does_not_hold(&bundle_of(&claims, None), &question(&[Classical])), [missing]);
    // In the bundle, and not what the attestation is about.
    claims.evidence.clear();
    let bundle = bundle_of(&claims, Some(EVIDENCE));
    assert_eq!(does_not_hold(&bundle, &pinned()), [missing]);
    assert_eq!(judge(&bundle.read(), &pinned()).not_looked_at, [PATH]);
}

#[test]
fn device_signed_without_a_pinned_vendors_root_is_not_judged() {
    let claims = evidence_claims(Assurance::DeviceSigned, EVIDENCE);
    let bundle = bundle_of(&claims, Some(EVIDENCE));
    assert_eq!(not_judged(&bundle, &question(&[Classical])).len(), 1);
    // Nothing is the device's word before it is verified.
    let judgement = judge(&bundle.read(), &question(&[Classical]));
    let finding = &judgement.keys[0].attestations[0];
    assert!(finding.statements.iter().all(|statement| statement.asserted_by != Asserter::Device));
    // A format of tomorrow.
    let mut unknown = claims.clone();
    unknown.evidence[0].format = hex_literal::hex!("2a03").to_vec();
    let mut bundle = bundle_of(&unknown, None);
    bundle.put("evidence/default/1.2.3", EVIDENCE);
    assert_eq!(not_judged(&bundle, &pinned()).len(), 1);
    // What is wrong besides is wrong.
    let mut bad = claims;
    bad.key.flags = bad.key.flags.with(KeyFlag::Decrypt, Some(true));
    assert_eq!(does_not_hold(&bundle_of(&bad, Some(EVIDENCE)), &question(&[Classical])).len(), 2);
}

#[test]
fn other_evidence_than_was_attested_does_not_hold_whatever_the_assurance() {
    let mut flipped = EVIDENCE.to_vec();
    flipped[100] ^= 1;
    for assurance in [Assurance::DeviceSigned, Assurance::HostAsserted] {
        let bundle = bundle_of(&evidence_claims(assurance, EVIDENCE), Some(&flipped));
        let reasons = does_not_hold(&bundle, &question(&[Classical]));
        assert!(reasons[0].ends_with("is not the one that was attested: its SHA-512 differs"), "{reasons:?}");
        assert_eq!(reasons.len(), 1);
    }
}

#[test]
fn evidence_that_is_wrong_fails_where_it_is_asked_for() {
    let garbage = b"no evidence";
    let device_signed = bundle_of(&evidence_claims(Assurance::DeviceSigned, garbage), Some(garbage));
    assert_eq!(does_not_hold(&device_signed, &question(&[Classical])).len(), 1);
    let host_asserted = bundle_of(&evidence_claims(Assurance::HostAsserted, garbage), Some(garbage));
    // Carried untouched: the claims do not rest on it.
    holds(&host_asserted, &question(&[Classical]));
    assert_eq!(does_not_hold(&host_asserted, &pinned()).len(), 1);
    // A pin that is no certificate is the auditor's mistake.
    let bad_pin =
        Question { vendor_roots: vec![CertificateDer::from(vec![0x30, 0])], ..question(&[Classical]) };
    let carried = bundle_of(&evidence_claims(Assurance::HostAsserted, EVIDENCE), Some(EVIDENCE));
    assert_eq!(not_judged(&carried, &bad_pin).len(), 1);
}

#[test]
fn host_asserted_claims_stay_the_hosts_beside_good_evidence() {
    let claims = evidence_claims(Assurance::HostAsserted, EVIDENCE);
    let judgement = holds(&bundle_of(&claims, Some(EVIDENCE)), &pinned());
    let finding = &judgement.keys[0].attestations[0];
    assert_eq!(value(finding, Asserter::Host, "CKA_LOCAL"), Some("TRUE"));
    assert_eq!(value(finding, Asserter::Device, "CKA_LOCAL"), None);
    assert_eq!(value(finding, Asserter::Device, "origin"), Some("generated"));
    // Named and not there: it decides nothing for who did not ask for it.
    holds(&bundle_of(&claims, None), &question(&[Classical]));
}

/// The auditor who pins a vendor's root asks for the vendor's word on every key.
#[test]
fn with_a_vendors_root_pinned_a_key_without_verified_evidence_does_not_hold() {
    let missing = "default: classical: a vendor's root is pinned, and the bundle has no evidence that a vendor's device has \
                   the key";
    let named = evidence_claims(Assurance::HostAsserted, EVIDENCE);
    let unnamed = Claims { evidence: Vec::new(), ..named.clone() };
    for claims in [&named, &unnamed] {
        assert_eq!(does_not_hold(&bundle_of(claims, None), &pinned()), [missing]);
    }
    assert_eq!(does_not_hold(&bundle_of(&unnamed, Some(EVIDENCE)), &pinned()), [missing]);
    // A format of tomorrow shows nothing today, and is not wrong.
    let mut unknown = named;
    unknown.evidence[0].format = hex_literal::hex!("2a03").to_vec();
    let mut bundle = bundle_of(&unknown, None);
    bundle.put("evidence/default/1.2.3", EVIDENCE);
    assert_eq!(not_judged(&bundle, &pinned()).len(), 1);
}

#[test]
fn where_device_signed_is_required_nothing_less_holds() {
    let required = Question { require_device_signed: true, ..pinned() };
    let device_signed = evidence_claims(Assurance::DeviceSigned, EVIDENCE);
    holds(&bundle_of(&device_signed, Some(EVIDENCE)), &required);
    // Good evidence beside claims that are not the device's.
    let host_asserted = evidence_claims(Assurance::HostAsserted, EVIDENCE);
    let reasons = does_not_hold(&bundle_of(&host_asserted, Some(EVIDENCE)), &required);
    assert!(matches!(&reasons[..], [one] if one.contains("not shown to be deviceSigned")), "{reasons:?}");
    assert_eq!(does_not_hold(&bundle_of(&device_signed, None), &required).len(), 2);
    let unpinned = Question { vendor_roots: Vec::new(), ..required };
    assert_eq!(does_not_hold(&bundle_of(&device_signed, Some(EVIDENCE)), &unpinned).len(), 2);
    assert_eq!(does_not_hold(&TestBundle::classical(), &unpinned).len(), 1);
}

/// A host that runs another maker's token, or none, with the number of a YubiHSM.
#[test]
fn evidence_of_another_makers_device_does_not_hold() {
    for (manufacturer, model) in
        [("Thales", "Luna 7 FIPS 140-3 level 4"), ("Yubico (www.yubico.com)", "Luna"), ("Thales", "YubiHSM")]
    {
        for assurance in [Assurance::DeviceSigned, Assurance::HostAsserted] {
            let mut claims = evidence_claims(assurance, EVIDENCE);
            claims.platform.manufacturer = manufacturer.to_owned();
            claims.platform.model = model.to_owned();
            let chain = device_chain("31650425").of_token(&claims.platform);
            let mut bundle = bundle_of(&evidence_claims(assurance, EVIDENCE), Some(EVIDENCE));
            bundle.put("chain.pem", &pem(&chain.chain()));
            let mut attested = chain;
            attested.attested_key.spki_der = evidence_spki();
            bundle.put_attestation("default", Classical, &attested.attest(&claims));
            let reasons = does_not_hold(&bundle, &pinned());
            assert!(matches!(&reasons[..], [one] if one.contains("names itself")), "{reasons:?}");
        }
    }
}

#[test]
fn a_label_in_a_device_is_the_hosts_word_and_another_object_id_is_told() {
    let mut claims = evidence_claims(Assurance::DeviceSigned, EVIDENCE);
    let judgement = holds(&bundle_of(&claims, Some(EVIDENCE)), &pinned());
    let finding = &judgement.keys[0].attestations[0];
    assert_eq!(value(finding, Asserter::Device, "object id"), Some("7e57"));
    assert_eq!(value(finding, Asserter::Verifier, "CKA_ID"), None);
    let label = finding.statements.iter().find(|it| it.name == "label in the device").unwrap();
    assert_eq!((label.asserted_by, label.is_free_text), (Asserter::Host, true));
    assert!(finding.statements.iter().all(|it| it.asserted_by != Asserter::Device || !it.is_free_text));

    claims.key.id = vec![0xde, 0xad];
    let judgement = holds(&bundle_of(&claims, Some(EVIDENCE)), &pinned());
    assert_eq!(
        value(&judgement.keys[0].attestations[0], Asserter::Verifier, "CKA_ID"),
        Some("the device has the key as 7e57, and the claims as dead: the host may give it another id")
    );
}

#[test]
fn evidence_of_another_device_does_not_hold() {
    let other = device_chain("31650426");
    let mut claims = evidence_claims(Assurance::DeviceSigned, EVIDENCE);
    claims.platform = yubihsm("31650426");
    let mut bundle = bundle_of(&evidence_claims(Assurance::DeviceSigned, EVIDENCE), Some(EVIDENCE));
    bundle.put("chain.pem", &pem(&other.chain()));
    bundle.put_attestation("default", Classical, &other.attest(&claims));
    assert_eq!(
        does_not_hold(&bundle, &pinned()),
        [
            "default: classical: the evidence is of the YubiHSM 2 with the serial number 31650425, and the attestation of a \
             token that names itself \"Yubico (www.yubico.com)\" \"YubiHSM\" \"31650426\""
        ]
    );
    // Modules fill up with zeros.
    let padded = device_chain("0031650425");
    claims.platform = yubihsm("0031650425");
    bundle.put("chain.pem", &pem(&padded.chain()));
    bundle.put_attestation("default", Classical, &padded.attest(&claims));
    holds(&bundle, &pinned());
}

#[test]
fn evidence_of_another_key_does_not_hold() {
    let mut chain = device_chain("31650425");
    chain.attested_key = TestKey::p256(14);
    let claims = evidence_claims(Assurance::DeviceSigned, EVIDENCE);
    let mut bundle = bundle_of(&claims, Some(EVIDENCE));
    bundle.put_attestation("default", Classical, &chain.attest(&claims));
    assert_eq!(does_not_hold(&bundle, &pinned()).len(), 1);
}
