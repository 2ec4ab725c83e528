//! Chains signed with ML-DSA and SLH-DSA, whole and mixed, and each way in which one must not look.
//!
//! The certificates are ours; one that our profiles would not make is put together from the pieces of one that they do,
//! and signed anew, so that nothing but the change can be what is refused.

use der::asn1::AnyRef;
use der::{Decode as _, Reader as _, SliceReader};
use hex_literal::hex;

use super::super::*;
use crate::test_keys::post_quantum::{element, spki};
use crate::test_keys::{Hierarchy, NOW, TestKey, YEAR, at, hierarchy, serial, tsu};
use crate::{
    CertificateSerial, CrlParameters, Issuer, MlDsa, RevocationReason as Reason, RevokedCertificate,
    SignatureAlgorithm, SlhDsa, UnsignedCrl,
};

const ROOT: SignatureAlgorithm = SignatureAlgorithm::MlDsa(MlDsa::MlDsa87);
const CA: SignatureAlgorithm = SignatureAlgorithm::MlDsa(MlDsa::MlDsa65);

fn root_key() -> TestKey {
    TestKey::post_quantum(ROOT, 1)
}

fn ca_key() -> TestKey {
    TestKey::post_quantum(CA, 2)
}

fn tsu_key() -> TestKey {
    TestKey::ml_dsa(MlDsa::MlDsa65, 3)
}

/// Root ML-DSA-87, sub-CA ML-DSA-65, TSU ML-DSA-65.
fn post_quantum() -> Hierarchy {
    hierarchy(&root_key(), &ca_key(), &tsu_key(), None)
}

fn verify_with(chain: &Hierarchy, crls: &[RevocationList]) -> Result<VerifiedChain, ChainError> {
    let anchors = TrustAnchors::from_certificates(vec![chain.root.clone()]).unwrap();
    verify_chain(&chain.tsu, std::slice::from_ref(&chain.intermediate), &anchors, at(NOW + 60), crls)
}

fn verify(chain: &Hierarchy) -> Result<VerifiedChain, ChainError> {
    verify_with(chain, &[])
}

/// The members of a SEQUENCE, each a whole element.
fn members(sequence: &[u8]) -> Vec<&[u8]> {
    let mut reader = SliceReader::new(AnyRef::from_der(sequence).unwrap().value()).unwrap();
    let mut members = Vec::new();
    while !reader.is_finished() {
        members.push(reader.tlv_bytes().unwrap());
    }
    members
}

fn signed(tbs: &[u8], identifier: &[u8], issuer: &TestKey) -> CertificateDer<'static> {
    let signature = element(0x03, &[&[0], &issuer.sign(tbs)]);
    CertificateDer::from(element(0x30, &[tbs, identifier, &signature]))
}

/// The certificate with this `AlgorithmIdentifier` in both places, signed anew.
fn with_signature_algorithm(der: &[u8], identifier: &[u8], issuer: &TestKey) -> CertificateDer<'static> {
    let mut tbs = members(members(der)[0]);
    // After version and serialNumber (RFC 5280 §4.1).
    tbs[2] = identifier;
    signed(&element(0x30, &tbs), identifier, issuer)
}

/// The certificate with octets replaced by as many others, signed anew.
fn with_octets(der: &[u8], from: &[u8], to: &[u8], issuer: &TestKey) -> CertificateDer<'static> {
    let (tbs, identifier) = (members(der)[0], members(der)[1]);
    let position = tbs.windows(from.len()).position(|window| window == from).unwrap();
    let mut changed = tbs.to_vec();
    changed[position..position + from.len()].copy_from_slice(to);
    signed(&changed, identifier, issuer)
}

/// An `AlgorithmIdentifier` that must be refused, and the rule that says so.
struct Refused {
    identifier: Vec<u8>,
    rule: fn(SignatureAlgorithm, &SignatureAlgorithmRefused) -> bool,
}

/// C1: with NULL. C4: the pre-hash form of the same set.
fn refused_forms(algorithm: SignatureAlgorithm) -> [Refused; 2] {
    let identifier = algorithm.algorithm_identifier_der();
    let mut prehash = identifier.to_vec();
    *prehash.last_mut().unwrap() += 15;
    [
        Refused {
            identifier: [&[0x30, 13], &identifier[2..], &[5, 0]].concat(),
            rule: |expected, found| *found == SignatureAlgorithmRefused::Parameters { algorithm: expected },
        },
        Refused {
            identifier: prehash,
            rule: |expected, found| {
                matches!(found, SignatureAlgorithmRefused::Prehash { prehash }
                    if prehash.name().starts_with(&format!("Hash{}", &expected.name()[..6])))
            },
        },
    ]
}

#[track_caller]
fn assert_refused(chain: &Hierarchy, expected: ChainRole, algorithm: SignatureAlgorithm, form: &Refused) {
    let error = verify(chain).unwrap_err();
    let ChainError::AlgorithmRefused { role, source } = error else { panic!("{error:?}") };
    assert_eq!(role, expected);
    assert!((form.rule)(algorithm, &source), "{source}");
}

#[test]
fn a_chain_of_ml_dsa_holds_and_is_post_quantum() {
    let verified = verify(&post_quantum()).unwrap();
    assert_eq!(verified.intermediates, 1);
    assert!(verified.is_post_quantum && !verified.leaf_revocation_checked);
}

#[test]
fn a_tsu_of_slh_dsa_stands_below_the_same_cas() {
    for set in [SlhDsa::Sha2_128f, SlhDsa::Shake128f] {
        let mut chain = post_quantum();
        let issuer = Issuer::from_certificate(&chain.intermediate).unwrap();
        chain.tsu = tsu(&issuer, &ca_key(), &TestKey::slh_dsa(set, 4), &[], None);
        assert!(verify(&chain).unwrap().is_post_quantum, "{set:?}");
    }
    let key = TestKey::slh_dsa(SlhDsa::Sha2_128f, 5);
    assert!(verify(&hierarchy(&key, &key, &key, None)).unwrap().is_post_quantum);
}

#[test]
fn one_classical_signature_makes_the_chain_classical() {
    for (root, ca) in [
        // A classical root above post-quantum keys, a classical CA below a post-quantum root, and none but classical CAs.
        (TestKey::p384(1), ca_key()),
        (root_key(), TestKey::p256(2)),
        (TestKey::p384(1), TestKey::p256(2)),
    ] {
        let chain = hierarchy(&root, &ca, &tsu_key(), None);
        assert!(!verify(&chain).unwrap().is_post_quantum, "{:?} {:?}", root.algorithm, ca.algorithm);
    }
    // The signatures of the chain alone: what the TSU's key signs is not on it.
    let classical_tsu = hierarchy(&root_key(), &ca_key(), &TestKey::p256(3), None);
    assert!(verify(&classical_tsu).unwrap().is_post_quantum);
}

#[test]
fn a_changed_certificate_has_a_bad_signature() {
    for place in ["leaf", "intermediate"] {
        let mut chain = post_quantum();
        let der = if place == "leaf" { &mut chain.tsu } else { &mut chain.intermediate };
        let mut changed = der.to_vec();
        let middle_of_signature = changed.len() - 2000;
        changed[middle_of_signature] ^= 1;
        *der = changed.into();
        let error = verify(&chain).unwrap_err();
        assert!(matches!(error, ChainError::BadSignature), "{place}: {error}");
    }
}

#[test]
fn c1_and_c4_identifiers_of_signatures_are_refused_by_name() {
    for form in refused_forms(CA) {
        let mut chain = post_quantum();
        chain.tsu = with_signature_algorithm(&chain.tsu, &form.identifier, &ca_key());
        assert_refused(&chain, ChainRole::Leaf, CA, &form);
    }
    for form in refused_forms(ROOT) {
        let mut chain = post_quantum();
        chain.intermediate = with_signature_algorithm(&chain.intermediate, &form.identifier, &root_key());
        assert_refused(&chain, ChainRole::Intermediate, ROOT, &form);
    }
    let slh_dsa = TestKey::slh_dsa(SlhDsa::Sha2_128f, 2);
    for form in refused_forms(slh_dsa.algorithm) {
        let mut chain = hierarchy(&root_key(), &slh_dsa, &tsu_key(), None);
        chain.tsu = with_signature_algorithm(&chain.tsu, &form.identifier, &slh_dsa);
        assert_refused(&chain, ChainRole::Leaf, slh_dsa.algorithm, &form);
    }
}

/// The key with another `AlgorithmIdentifier` in its SubjectPublicKeyInfo; it signs as before.
fn with_key_identifier(key: TestKey, identifier: &[u8]) -> TestKey {
    let bits = members(&key.spki_der)[1];
    // Without tag, length of the length, length and unused bits.
    let spki_der = spki(identifier, &bits[5..]);
    TestKey { spki_der, ..key }
}

#[test]
fn c1_and_c4_identifiers_of_keys_are_refused_by_name() {
    for form in refused_forms(CA) {
        let chain =
            hierarchy(&root_key(), &with_key_identifier(ca_key(), &form.identifier), &tsu_key(), None);
        assert_refused(&chain, ChainRole::Intermediate, CA, &form);
    }
    for form in refused_forms(tsu_key().algorithm) {
        let chain =
            hierarchy(&root_key(), &ca_key(), &with_key_identifier(tsu_key(), &form.identifier), None);
        assert_refused(&chain, ChainRole::Leaf, tsu_key().algorithm, &form);
    }
    for form in refused_forms(ROOT) {
        let chain =
            hierarchy(&with_key_identifier(root_key(), &form.identifier), &ca_key(), &tsu_key(), None);
        assert_refused(&chain, ChainRole::Anchor, ROOT, &form);
    }
}

// The values of keyUsage: BIT STRING in OCTET STRING. Bit 0 is the highest.
const USAGE_OF_CAS: [u8; 6] = hex!("0404 0302 0106");
const USAGE_OF_TSUS: [u8; 6] = hex!("0404 0302 0780");
/// keyEncipherment, dataEncipherment, keyAgreement.
const ENCRYPTING: [u8; 3] = [0x20, 0x10, 0x08];

#[test]
fn c5_a_post_quantum_key_that_may_encrypt_is_refused() {
    for bit in ENCRYPTING {
        let mut chain = post_quantum();
        let usage = [&hex!("0404 0302 01")[..], &[0x06 | bit]].concat();
        chain.intermediate = with_octets(&chain.intermediate, &USAGE_OF_CAS, &usage, &root_key());
        let error = verify(&chain).unwrap_err();
        assert!(
            matches!(error, ChainError::KeyUsageOfSignatureKey { role: ChainRole::Intermediate }),
            "{bit:#x}: {error}"
        );
        let mut chain = post_quantum();
        let usage = [&hex!("0404 0302 03")[..], &[0x80 | bit]].concat();
        chain.tsu = with_octets(&chain.tsu, &USAGE_OF_TSUS, &usage, &ca_key());
        let error = verify(&chain).unwrap_err();
        assert!(
            matches!(error, ChainError::KeyUsageOfSignatureKey { role: ChainRole::Leaf }),
            "{bit:#x}: {error}"
        );
    }
    let mut chain = post_quantum();
    chain.root = with_octets(&chain.root, &USAGE_OF_CAS, &hex!("0404 0302 0126"), &root_key());
    let error = verify(&chain).unwrap_err();
    assert!(matches!(error, ChainError::KeyUsageOfSignatureKey { role: ChainRole::Anchor }), "{error}");
    // encipherOnly is the last bit of the first octet.
    let mut chain = post_quantum();
    let usage = hex!("0404 0302 0007");
    chain.intermediate = with_octets(&chain.intermediate, &USAGE_OF_CAS, &usage, &root_key());
    let error = verify(&chain).unwrap_err();
    assert!(matches!(error, ChainError::KeyUsageOfSignatureKey { .. }), "{error}");
}

#[test]
fn c5_is_a_rule_for_post_quantum_keys() {
    let rsa = TestKey::rsa2048(2);
    let mut chain = hierarchy(&root_key(), &rsa, &tsu_key(), None);
    let usage = hex!("0404 0302 0126");
    chain.intermediate = with_octets(&chain.intermediate, &USAGE_OF_CAS, &usage, &root_key());
    verify(&chain).unwrap();
}

fn crl_of(
    issuer: &CertificateDer<'_>,
    key: &TestKey,
    revoked: &[(CertificateSerial, Option<Reason>)],
) -> Vec<u8> {
    let revoked: Vec<_> = revoked
        .iter()
        .map(|(serial, reason)| RevokedCertificate {
            serial: serial.clone(),
            revoked_at: at(NOW),
            reason: *reason,
        })
        .collect();
    let unsigned = UnsignedCrl::build(CrlParameters {
        issuer: &Issuer::from_certificate(issuer).unwrap(),
        signature_algorithm: key.algorithm,
        this_update: at(NOW),
        next_update: at(NOW + YEAR),
        number: 1,
        revoked: &revoked,
    })
    .unwrap();
    let signature = key.sign(unsigned.to_be_signed());
    unsigned.attach(&signature).unwrap().to_vec()
}

#[test]
fn revocation_lists_signed_with_ml_dsa_count() {
    let chain = post_quantum();
    let list =
        |issuer, key: &TestKey, revoked: &[_]| RevocationList::parse(&crl_of(issuer, key, revoked)).unwrap();
    let others = list(&chain.intermediate, &ca_key(), &[(serial(77), Some(Reason::KeyCompromise))]);
    assert!(verify_with(&chain, &[others]).unwrap().leaf_revocation_checked);
    // The TSU's and the CA's serial numbers, as `test_keys` gives them.
    let of_tsu = list(&chain.intermediate, &ca_key(), &[(serial(3), Some(Reason::KeyCompromise))]);
    let error = verify_with(&chain, &[of_tsu]).unwrap_err();
    assert!(matches!(error, ChainError::Revoked { role: ChainRole::Leaf, .. }), "{error}");
    let of_ca = list(&chain.root, &root_key(), &[(serial(2), None)]);
    let error = verify_with(&chain, &[of_ca]).unwrap_err();
    assert!(matches!(error, ChainError::Revoked { role: ChainRole::Intermediate, .. }), "{error}");
    let false_list = list(&chain.intermediate, &TestKey::post_quantum(CA, 9), &[(serial(3), None)]);
    let error = verify_with(&chain, &[false_list]).unwrap_err();
    let does_not_verify = crate::SignatureInvalid::DoesNotVerify { algorithm: CA };
    assert!(
        matches!(error, ChainError::RevocationListNotSigned { source, .. } if source == does_not_verify),
        "{error}"
    );
}

#[test]
fn c1_and_c4_identifiers_of_revocation_lists_are_refused_by_name() {
    let chain = post_quantum();
    let list = crl_of(&chain.intermediate, &ca_key(), &[]);
    for form in refused_forms(CA) {
        let mut tbs = members(members(&list)[0]);
        // After version (RFC 5280 §5.1).
        tbs[1] = &form.identifier;
        let list = signed(&element(0x30, &tbs), &form.identifier, &ca_key());
        match RevocationList::parse(&list) {
            Err(RevocationListInvalid::UnsupportedAlgorithm { source }) => {
                assert!((form.rule)(CA, &source), "{source}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn c3_a_certificate_signed_with_a_context_has_a_bad_signature() {
    let mut chain = post_quantum();
    let key = crate::test_keys::post_quantum::PostQuantumKey::new(CA, 2);
    let with_context =
        TestKey { signer: Box::new(move |message| key.sign_with_context(b"context", message)), ..ca_key() };
    let issuer = Issuer::from_certificate(&chain.intermediate).unwrap();
    chain.tsu = tsu(&issuer, &with_context, &tsu_key(), &[], None);
    assert!(matches!(verify(&chain).unwrap_err(), ChainError::BadSignature));
    chain.tsu = tsu(&issuer, &ca_key(), &tsu_key(), &[], None);
    verify(&chain).unwrap();
}

/// The same sub-CA certified by a classical root too: an operator who moves, or a stranger who confuses.
#[test]
fn a_classical_cross_certificate_does_not_hide_the_post_quantum_path() {
    let chain = post_quantum();
    let classical_root = TestKey::p256(9);
    let cross = hierarchy(&classical_root, &ca_key(), &tsu_key(), None);
    let roots = [cross.root.clone(), chain.root.clone()];
    let intermediates = [cross.intermediate.clone(), chain.intermediate.clone()];
    for order in [[0, 1], [1, 0]] {
        let anchors =
            TrustAnchors::from_certificates(order.map(|place| roots[place].clone()).to_vec()).unwrap();
        let intermediates = order.map(|place| intermediates[place].clone());
        let verified = verify_chain(&chain.tsu, &intermediates, &anchors, at(NOW + 60), &[]).unwrap();
        assert!(verified.is_post_quantum);
    }
    // With the classical root alone the classical path is one.
    let anchors = TrustAnchors::from_certificates(vec![cross.root.clone()]).unwrap();
    let verified = verify_chain(&chain.tsu, &intermediates, &anchors, at(NOW + 60), &[]).unwrap();
    assert!(!verified.is_post_quantum);
}

/// Certificates that no trusted root stands above are not searched, however many lead to each other.
#[test]
fn strangers_certificates_are_not_searched() {
    let chain = post_quantum();
    let anchors = TrustAnchors::from_certificates(vec![chain.root.clone()]).unwrap();
    let strangers = |count: u8| -> Vec<CertificateDer<'static>> {
        (0..count)
            .map(|octet| {
                let (root, ca) = (TestKey::p256(100), TestKey::p256(octet + 1));
                hierarchy(&root, &ca, &TestKey::p256(99), None).intermediate
            })
            .collect()
    };
    let mut given = strangers(20);
    given.push(chain.intermediate.clone());
    assert!(verify_chain(&chain.tsu, &given, &anchors, at(NOW + 60), &[]).unwrap().is_post_quantum);
    given.pop();
    let error = verify_chain(&chain.tsu, &given, &anchors, at(NOW + 60), &[]).unwrap_err();
    // They bear the names of our profiles, and so of the trusted root.
    assert!(matches!(error, ChainError::BadSignature), "{error:?}");
    // What a trusted CA issued is found below what it issued, wherever it stands.
    let mut given = vec![chain.intermediate.clone()];
    given.extend(strangers(20));
    verify_chain(&chain.tsu, &given, &anchors, at(NOW + 60), &[]).unwrap();
}
