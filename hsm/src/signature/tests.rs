//! Which mechanism is chosen, what it is given, and that what comes back is what was promised.

use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::mechanism::{Mechanism, MechanismType};

use super::SigningPlan;
use crate::algorithm::{KeyAlgorithm, Signing};
use crate::error::HsmError;

fn plan(algorithm: KeyAlgorithm, present: &[MechanismType]) -> SigningPlan {
    SigningPlan::choose(algorithm, present).ok().unwrap()
}

#[test]
fn the_missing_mechanism_is_named() {
    for (algorithm, name) in [
        (KeyAlgorithm::Rsa2048, "CKM_SHA256_RSA_PKCS"),
        (KeyAlgorithm::Rsa4096, "CKM_SHA512_RSA_PKCS"),
        (KeyAlgorithm::EcdsaP256, "CKM_ECDSA"),
        (KeyAlgorithm::Ed25519, "CKM_EDDSA"),
        (KeyAlgorithm::MlDsa65, "CKM_ML_DSA"),
        (KeyAlgorithm::SlhDsaSha2_128f, "CKM_SLH_DSA"),
    ] {
        assert_eq!(SigningPlan::choose(algorithm, &[MechanismType::AES_ECB]).err(), Some(name));
    }
}

#[test]
fn a_token_without_the_hashing_rsa_mechanism_is_given_a_digest_info() {
    let signature = plan(KeyAlgorithm::Rsa2048, &[MechanismType::RSA_PKCS]).sign(b"abc", |step, input| {
        assert_eq!(step.name, "CKM_RSA_PKCS");
        assert_eq!(input.len(), 19 + 32);
        assert_eq!(&input[..4], b"\x30\x31\x30\x0d");
        // SHA-256 of "abc", FIPS 180-4
        assert_eq!(&input[19..23], b"\xba\x78\x16\xbf");
        Ok(vec![1; 256])
    });
    assert_eq!(signature.unwrap(), vec![1; 256]);
    let both = plan(KeyAlgorithm::Rsa2048, &[MechanismType::RSA_PKCS, MechanismType::SHA256_RSA_PKCS]);
    let combined = both.sign(b"abc", |step, input| {
        assert_eq!((step.name, input), ("CKM_SHA256_RSA_PKCS", b"abc".as_slice()));
        Ok(vec![1; 256])
    });
    assert!(combined.is_ok());
}

#[test]
fn c3_and_c6_post_quantum_keys_sign_the_message_itself_without_a_context_and_hedged() {
    for (algorithm, kind, name) in [
        (KeyAlgorithm::MlDsa65, MechanismType::ML_DSA, "CKM_ML_DSA"),
        (KeyAlgorithm::SlhDsaShake128f, MechanismType::SLH_DSA, "CKM_SLH_DSA"),
    ] {
        // The pre-hash mechanisms are there too, and are not taken (C4).
        let present = [MechanismType::HASH_ML_DSA, MechanismType::HASH_SLH_DSA, kind];
        let Signing::Whole { signature_bytes, .. } = algorithm.row().signing else { panic!("{algorithm}") };
        let signature = plan(algorithm, &present).sign(b"message", |step, input| {
            assert_eq!((step.name, step.kind, input), (name, kind, b"message".as_slice()));
            let (Mechanism::MlDsa(parameters) | Mechanism::SlhDsa(parameters)) = (step.mechanism)() else {
                panic!("{name}")
            };
            let hedged = SignAdditionalContext::new(HedgeType::Preferred, None);
            assert_eq!(format!("{parameters:?}"), format!("{hedged:?}"));
            Ok(vec![1; signature_bytes])
        });
        assert!(signature.is_ok());
    }
}

#[test]
fn the_halves_of_an_ecdsa_signature_become_two_positive_integers() {
    let raw = [vec![0, 0, 0x80], vec![1; 29], vec![0x7F], vec![2; 31]].concat();
    let der = plan(KeyAlgorithm::EcdsaP256, &[MechanismType::ECDSA]).sign(b"", |_, _| Ok(raw)).unwrap();
    let r = [vec![0x02, 31, 0, 0x80], vec![1; 29]].concat();
    let s = [vec![0x02, 32, 0x7F], vec![2; 31]].concat();
    assert_eq!(der, [vec![0x30, 67], r, s].concat());
}

#[test]
fn a_signature_of_another_length_or_of_zeros_is_refused() {
    for (algorithm, mechanism, expected) in [
        (KeyAlgorithm::Rsa3072, MechanismType::SHA256_RSA_PKCS, 384),
        (KeyAlgorithm::EcdsaP384, MechanismType::ECDSA, 96),
        (KeyAlgorithm::Ed25519, MechanismType::EDDSA, 64),
        (KeyAlgorithm::MlDsa44, MechanismType::ML_DSA, 2420),
        (KeyAlgorithm::MlDsa65, MechanismType::ML_DSA, 3309),
        (KeyAlgorithm::MlDsa87, MechanismType::ML_DSA, 4627),
        (KeyAlgorithm::SlhDsaSha2_128s, MechanismType::SLH_DSA, 7856),
        (KeyAlgorithm::SlhDsaSha2_128f, MechanismType::SLH_DSA, 17_088),
        (KeyAlgorithm::SlhDsaSha2_192f, MechanismType::SLH_DSA, 35_664),
        (KeyAlgorithm::SlhDsaSha2_256f, MechanismType::SLH_DSA, 49_856),
        (KeyAlgorithm::SlhDsaShake128f, MechanismType::SLH_DSA, 17_088),
    ] {
        let plan = plan(algorithm, &[mechanism]);
        for wrong in [vec![], vec![1; expected - 1], vec![1; expected + 1], vec![0; expected]] {
            let length = wrong.len();
            let refused = plan.sign(b"", |_, _| Ok(wrong));
            assert!(
                matches!(refused, Err(HsmError::SignatureForm { found, expected: e, .. }) if found == length && e == expected),
                "{algorithm} {length}"
            );
        }
        assert!(plan.sign(b"", |_, _| Ok(vec![1; expected])).is_ok());
    }
    let half = [vec![1; 32], vec![0; 32]].concat();
    let plan = plan(KeyAlgorithm::EcdsaP256, &[MechanismType::ECDSA]);
    assert!(matches!(plan.sign(b"", |_, _| Ok(half)), Err(HsmError::SignatureForm { .. })));
}
