use super::*;
use crate::certificate::{BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, KEY_USAGE};
use crate::oid::{ATTESTATION_ONLY, KEY_ATTESTATION};
use crate::test_chain::{Forgery, NOW, TestChain, TestKey, YEAR, at, claims, full_claims, platform, subject};
use crate::unsigned::extensions;

mod line;
mod refused;
mod requirements;

/// What stands above an attestation, signed anew by the chain's keys: for a chain in which one certificate differs.
fn verify_at_now(
    chain: &TestChain,
    attestation: &Certificate,
    above: &[Certificate],
) -> Result<Verified, NotVerified> {
    verify(attestation, above, &chain.root, at(NOW))
}

#[test]
fn both_chains_hold_with_the_root_among_them_or_not() {
    for (chain, is_post_quantum) in TestChain::both().into_iter().zip([false, true]) {
        for claims in [claims(), full_claims()] {
            let attestation = chain.attest(&claims);
            let spki_der = chain.attested_key.spki_der.clone();
            let expected = Verified { claims, spki_der, device: platform(), is_post_quantum };
            let mut above = chain.chain();
            assert_eq!(verify_at_now(&chain, &attestation, &above), Ok(expected.clone()));
            above.push(chain.root.clone());
            assert_eq!(verify_at_now(&chain, &attestation, &above), Ok(expected));
        }
    }
}

#[test]
fn no_single_changed_octet_of_an_attestation_holds() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        for place in 0..attestation.der().len() {
            let mut changed = attestation.der().to_vec();
            changed[place] ^= 1 << (place % 8);
            let Ok(changed) = Certificate::parse(&changed) else { continue };
            // That the certificates above it hold is the same every time.
            assert!(changed.verify_signature(&chain.attester).is_err(), "octet {place}");
            if place % 41 == 0 {
                assert!(verify_at_now(&chain, &changed, &chain.chain()).is_err(), "octet {place}");
            }
        }
    }
}

#[test]
fn no_single_changed_octet_of_the_chain_holds() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        for member in 0..2 {
            let original = chain.chain()[member].der().to_vec();
            // Of keys and signatures of thousands of octets every 41st is enough.
            for place in (0..original.len()).filter(|place| *place < 400 || place % 41 == 0) {
                let mut changed = original.clone();
                changed[place] ^= 1 << (place % 8);
                let Ok(changed) = Certificate::parse(&changed) else { continue };
                let mut above = chain.chain();
                above[member] = changed;
                assert!(verify_at_now(&chain, &attestation, &above).is_err(), "{member}: octet {place}");
            }
        }
    }
}
