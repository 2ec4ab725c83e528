//! What an attacker would hand over: each must be refused, on both chains.

use super::*;
use crate::claims::Nonce;
use crate::unsigned::signed;

/// The attestation with other claims of the same length under the old signature.
pub(super) fn rewritten(attestation: &Certificate, change: impl FnOnce(&mut Claims)) -> Certificate {
    let old = attestation.claims_der().unwrap();
    let mut claims = Claims::from_der(old).unwrap();
    change(&mut claims);
    let new = claims.to_der();
    assert_eq!(new.len(), old.len());
    let mut der = attestation.der().to_vec();
    let place = der.windows(old.len()).position(|window| window == old).unwrap();
    der[place..place + new.len()].copy_from_slice(&new);
    Certificate::parse(&der).unwrap()
}

fn assert_signature_fails(verdict: Result<Verified, NotVerified>, expected: Position) {
    assert!(
        matches!(verdict, Err(NotVerified::Signature { position, .. }) if position == expected),
        "{verdict:?}"
    );
    assert!(!verdict.unwrap_err().is_unjudgeable());
}

#[test]
fn a_flipped_bit_of_the_claims() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        let claims_der = attestation.claims_der().unwrap().to_vec();
        let der = attestation.der();
        let place = der.windows(claims_der.len()).position(|window| window == claims_der).unwrap();
        for octet in 0..claims_der.len() {
            let mut flipped = der.to_vec();
            flipped[place + octet] ^= 1 << (octet % 8);
            let flipped = Certificate::parse(&flipped).unwrap();
            // That the certificates above it hold is the same every time.
            assert!(flipped.verify_signature(&chain.attester).is_err(), "octet {octet}");
            if octet % 41 == 0 {
                let verdict = verify_at_now(&chain, &flipped, &chain.chain());
                assert_signature_fails(verdict, Position::Attestation);
            }
        }
    }
}

#[test]
fn another_root() {
    let [classical, post_quantum] = TestChain::both();
    for (chain, other) in [(&classical, &post_quantum), (&post_quantum, &classical)] {
        let attestation = chain.attest(&claims());
        assert!(verify(&attestation, &chain.chain(), &other.root, at(NOW)).is_err());
        assert!(verify(&attestation, &other.chain(), &chain.root, at(NOW)).is_err());
        // The same name and key identifier, another key.
        let mut forgery = Forgery::of(&chain.root);
        forgery.spki_der.clone_from(&TestKey::p384(98).spki_der);
        let impostor = forgery.sign(&TestKey::p384(98));
        let verdict = verify(&attestation, &chain.chain(), &impostor, at(NOW));
        assert!(
            matches!(verdict, Err(NotVerified::Signature { position: Position::Device, .. })),
            "{verdict:?}"
        );
    }
}

#[test]
fn an_attestation_key_that_is_no_ca() {
    for chain in TestChain::both() {
        // An attested key that attests another: its own attestation stands in for the attestation key's certificate.
        let middle = chain.attest(&claims());
        let mut forgery = Forgery::of(&middle);
        forgery.issuer_der = middle.subject_der().to_vec();
        forgery.subject_der = subject("Forged").der().to_vec();
        forgery.spki_der.clone_from(&TestKey::p256(55).spki_der);
        let forged = forgery.without(&crate::certificate::AUTHORITY_KEY_IDENTIFIER).sign(&chain.attested_key);
        let verdict = verify_at_now(&chain, &forged, &[middle, chain.attester.clone(), chain.device.clone()]);
        let position = Position::AttestationKey;
        assert_eq!(verdict, Err(NotVerified::NotAuthority { position }));
    }
}

#[test]
fn an_expired_one() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        for (years, position) in [(2, Position::Attestation), (11, Position::Attestation)] {
            let verdict = verify(&attestation, &chain.chain(), &chain.root, at(NOW + years * YEAR));
            assert!(
                matches!(verdict, Err(NotVerified::Expired { position: found, .. }) if found == position),
                "{verdict:?}"
            );
        }
    }
}

#[test]
fn duplicate_claims() {
    for chain in TestChain::both() {
        // The same flag twice, with the values that two readers would each believe.
        let der = claims().to_der();
        let (yes, no) =
            (hex_literal::hex!("3007 02020162 0101ff"), hex_literal::hex!("3007 02020162 010100"));
        let local = hex_literal::hex!("3007 02020163 0101ff");
        let place = der.windows(9).position(|window| window == local).unwrap();
        let mut twice = der.clone();
        twice[place..place + 9].copy_from_slice(&yes);
        assert!(der.windows(9).any(|window| window == no));
        let forgery = Forgery::of(&chain.attest(&claims())).with(extensions::key_attestation(&twice));
        let verdict = verify_at_now(&chain, &forgery.sign(&chain.attestation_key), &chain.chain());
        let source = match verdict {
            Err(NotVerified::Claims { source }) => source,
            other => panic!("{other:?}"),
        };
        assert!(matches!(source, crate::ClaimsInvalid::FlagOrder { attribute: 0x162, .. }), "{source:?}");
    }
}

#[test]
fn two_extensions_with_our_identifier() {
    for chain in TestChain::both() {
        let mut forgery = Forgery::of(&chain.attest(&claims()));
        forgery.extensions.push(extensions::key_attestation(&claims().to_der()));
        let refused = forgery.try_sign(&chain.attestation_key).unwrap_err();
        assert!(matches!(refused, crate::CertificateInvalid::Malformed(_)), "{refused:?}");
    }
}

#[test]
fn an_attestation_for_another_key() {
    for chain in TestChain::both() {
        // The claims of the one under the name and key of the other, signed by neither.
        let attestation = chain.attest(&claims());
        let mut forgery = Forgery::of(&attestation);
        forgery.spki_der.clone_from(&TestKey::p256(66).spki_der);
        let verdict = verify_at_now(&chain, &forgery.sign(&TestKey::p256(66)), &chain.chain());
        assert!(matches!(verdict, Err(NotVerified::Signature { .. })), "{verdict:?}");
        // A true one: it says which key it is of.
        let other = TestChain::of([TestKey::p384(1), TestKey::p384(2), TestKey::p384(3), TestKey::p256(66)]);
        let verified = verify_at_now(&other, &other.attest(&claims()), &other.chain()).unwrap();
        assert_ne!(verified.spki_der, attestation.spki_der());
    }
}

#[test]
fn an_old_one_replayed_with_a_new_nonce() {
    for chain in TestChain::both() {
        let mut old = claims();
        old.nonce = Some(Nonce::new(vec![1; 16]).unwrap());
        let attestation = chain.attest(&old);
        let replayed =
            rewritten(&attestation, |claims| claims.nonce = Some(Nonce::new(vec![2; 16]).unwrap()));
        assert_signature_fails(verify_at_now(&chain, &replayed, &chain.chain()), Position::Attestation);
    }
}

#[test]
fn host_asserted_rewritten_as_device_signed() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        let raised =
            rewritten(&attestation, |claims| claims.assurance = crate::claims::Assurance::DeviceSigned);
        assert_signature_fails(verify_at_now(&chain, &raised, &chain.chain()), Position::Attestation);
    }
}

#[test]
fn an_extra_forged_certificate_first() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        let forger = TestKey::p384(44);
        // In the attestation key's name and with its key identifier, of which only the signature tells.
        let mut forgery = Forgery::of(&chain.attester);
        forgery.spki_der.clone_from(&forger.spki_der);
        for signer in [&forger, &chain.attestation_key] {
            let extra = forgery.sign(signer);
            let above = [extra, chain.attester.clone(), chain.device.clone()];
            let verdict = verify_at_now(&chain, &attestation, &above);
            let expected =
                NotVerified::IssuerDiffers { position: Position::AttestationKey, issuer: Position::Device };
            assert_eq!(verdict, Err(expected));
        }
        // And in the place of the true one.
        let in_place = forgery.sign(&forger);
        let verdict = verify_at_now(&chain, &attestation, &[in_place, chain.device.clone()]);
        assert_signature_fails(verdict, Position::AttestationKey);
    }
}

#[test]
fn a_chain_whose_intermediate_is_signed_by_the_wrong_key() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        for wrong in [&chain.attestation_key, &chain.root_key, &chain.attested_key] {
            let attester = Forgery::of(&chain.attester).sign(wrong);
            let verdict = verify_at_now(&chain, &attestation, &[attester, chain.device.clone()]);
            assert_signature_fails(verdict, Position::AttestationKey);
        }
        let device = Forgery::of(&chain.device).sign(&chain.device_key);
        let verdict = verify_at_now(&chain, &attestation, &[chain.attester.clone(), device]);
        assert_signature_fails(verdict, Position::Device);
    }
}

#[test]
fn a_signature_of_another_algorithm_than_the_signed_one() {
    for chain in TestChain::both() {
        // The name of the algorithm is under the signature, and both places must agree.
        let attestation = chain.attest(&claims());
        let other = attestamp_certs::SignatureAlgorithm::Ed25519;
        let der = signed(attestation.to_be_signed(), other, attestation.signature()).unwrap();
        let refused = Certificate::parse(&der).unwrap_err();
        assert!(matches!(refused, crate::CertificateInvalid::AlgorithmsDiffer { .. }), "{refused:?}");
    }
}
