//! ML-DSA and SLH-DSA on a token that has them.
//!
//! The token signs with OpenSSL; `ml-dsa` and `slh-dsa`, which share nothing with it, verify (C8).

use attestamp_hsm::{DispatchChoice, KeyAlgorithm, KeyId, KeyInfo, PoolConfig, SigningPool};
use ml_dsa::KeyInit as _;

use crate::suite::fixture::{Fixture, PATIENCE, quick};
use crate::suite::keys::{CLASSICAL, assert_is_for_signing_only};

/// A parameter set as the standards give it: last arc of the object identifier, octets of public key and signature (FIPS
/// 204 table 2, FIPS 205 table 2, RFC 9881 §2, RFC 9909 §3).
struct Set {
    algorithm: KeyAlgorithm,
    arc: u8,
    key_octets: usize,
    signature_octets: usize,
}

const fn set(algorithm: KeyAlgorithm, arc: u8, key_octets: usize, signature_octets: usize) -> Set {
    Set { algorithm, arc, key_octets, signature_octets }
}

const SETS: [Set; 8] = [
    set(KeyAlgorithm::MlDsa44, 17, 1312, 2420),
    set(KeyAlgorithm::MlDsa65, 18, 1952, 3309),
    set(KeyAlgorithm::MlDsa87, 19, 2592, 4627),
    set(KeyAlgorithm::SlhDsaSha2_128s, 20, 32, 7856),
    set(KeyAlgorithm::SlhDsaSha2_128f, 21, 32, 17_088),
    set(KeyAlgorithm::SlhDsaSha2_192f, 23, 48, 35_664),
    set(KeyAlgorithm::SlhDsaSha2_256f, 25, 64, 49_856),
    set(KeyAlgorithm::SlhDsaShake128f, 27, 32, 17_088),
];

impl Set {
    fn generate(&self, fixture: &Fixture) -> KeyInfo {
        let id = KeyId::random().unwrap();
        fixture.token.generate(self.algorithm, &id, self.algorithm.name()).unwrap()
    }

    /// The contents of the BIT STRING; around them the SubjectPublicKeyInfo must be this one, without parameters (C1).
    fn public_key<'k>(&self, key: &'k KeyInfo) -> &'k [u8] {
        let identifier = [0x30, 11, 6, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, self.arc];
        let header = |tag: u8, length: usize| match u16::try_from(length).unwrap().to_be_bytes() {
            [0, short @ 0..0x80] => vec![tag, short],
            [high, low] => vec![tag, 0x82, high, low],
        };
        let bits = [header(3, 1 + self.key_octets), vec![0]].concat();
        let around =
            [header(0x30, identifier.len() + bits.len() + self.key_octets), identifier.to_vec(), bits];
        let public = key.spki_der.strip_prefix(around.concat().as_slice());
        let public = public.unwrap_or_else(|| panic!("{}: {:02x?}", self.algorithm, key.spki_der));
        assert_eq!(public.len(), self.key_octets, "{}", self.algorithm);
        public
    }

    #[track_caller]
    fn assert_verifies(&self, key: &KeyInfo, message: &[u8], signature: &[u8]) {
        assert_eq!(signature.len(), self.signature_octets, "{}", self.algorithm);
        assert!(self.holds(key, &[], message, signature), "{}", self.algorithm);
        assert!(!self.holds(key, &[], b"another message", signature), "{}", self.algorithm);
    }

    /// Whether the signature holds in pure mode with this context.
    fn holds(&self, key: &KeyInfo, context: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let public = self.public_key(key);
        let verify = match self.algorithm {
            KeyAlgorithm::MlDsa44 => ml_dsa_holds::<ml_dsa::MlDsa44>,
            KeyAlgorithm::MlDsa65 => ml_dsa_holds::<ml_dsa::MlDsa65>,
            KeyAlgorithm::MlDsa87 => ml_dsa_holds::<ml_dsa::MlDsa87>,
            KeyAlgorithm::SlhDsaSha2_128s => slh_dsa_holds::<slh_dsa::Sha2_128s>,
            KeyAlgorithm::SlhDsaSha2_128f => slh_dsa_holds::<slh_dsa::Sha2_128f>,
            KeyAlgorithm::SlhDsaSha2_192f => slh_dsa_holds::<slh_dsa::Sha2_192f>,
            KeyAlgorithm::SlhDsaSha2_256f => slh_dsa_holds::<slh_dsa::Sha2_256f>,
            KeyAlgorithm::SlhDsaShake128f => slh_dsa_holds::<slh_dsa::Shake128f>,
            KeyAlgorithm::Rsa2048
            | KeyAlgorithm::Rsa3072
            | KeyAlgorithm::Rsa4096
            | KeyAlgorithm::EcdsaP256
            | KeyAlgorithm::EcdsaP384
            | KeyAlgorithm::Ed25519 => panic!("{} is not post-quantum", self.algorithm),
        };
        verify(public, context, message, signature)
    }
}

fn ml_dsa_holds<P: ml_dsa::MlDsaParams>(
    key: &[u8],
    context: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let key = ml_dsa::VerifyingKey::<P>::new_from_slice(key).unwrap();
    key.verify_with_context(message, context, &ml_dsa::Signature::try_from(signature).unwrap())
}

fn slh_dsa_holds<P: slh_dsa::ParameterSet>(
    key: &[u8],
    context: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let key = slh_dsa::VerifyingKey::<P>::try_from(key).unwrap();
    let signature = slh_dsa::Signature::try_from(signature).unwrap();
    key.try_verify_with_context(message, context, &signature).is_ok()
}

fn of(algorithm: KeyAlgorithm) -> &'static Set {
    SETS.iter().find(|set| set.algorithm == algorithm).unwrap()
}

/// Not measured at the start, which takes signatures.
fn on_threads() -> PoolConfig {
    PoolConfig { dispatch: DispatchChoice::Threads, ..quick() }
}

pub(crate) fn every_post_quantum_algorithm_signs_and_another_implementation_agrees(fixture: &Fixture) {
    for algorithm in KeyAlgorithm::ALL {
        let classical = CLASSICAL.iter().any(|(classical, _)| *classical == algorithm);
        assert_eq!(SETS.iter().any(|set| set.algorithm == algorithm), !classical, "{algorithm}");
    }
    for set in &SETS {
        let key = set.generate(fixture);
        assert_eq!((key.label.as_str(), key.algorithm), (set.algorithm.name(), set.algorithm));
        assert_eq!(fixture.token.find(&key.id).unwrap(), key);
        set.assert_verifies(&key, b"once", &fixture.token.sign_once(&key.id, b"once").unwrap());
        // A signature of a slow set takes a third of a second, and each pool makes one to begin with.
        let ways: &[_] = if set.algorithm.is_slow() { &[None] } else { &[None, Some(false), Some(true)] };
        for session_copies in ways {
            let config = PoolConfig { session_copies: *session_copies, ..on_threads() };
            let pool = fixture.token.signing_pool(&key.id, &key.spki_der, config).unwrap();
            set.assert_verifies(&key, b"pooled", &pool.sign_now(b"pooled").unwrap());
        }
    }
    assert_eq!(fixture.token.keys().unwrap().len(), SETS.len());
}

pub(crate) fn post_quantum_keys_are_for_signing_only_and_stay_in_the_token(fixture: &Fixture) {
    for set in &SETS {
        let key = set.generate(fixture);
        assert_is_for_signing_only(&key);
        assert!(key.attributes.is_for_signing_only(), "{}", set.algorithm);
    }
}

pub(crate) fn c6_signatures_are_hedged(fixture: &Fixture) {
    for algorithm in [KeyAlgorithm::MlDsa65, KeyAlgorithm::SlhDsaSha2_128f] {
        let set = of(algorithm);
        let key = set.generate(fixture);
        let pool = fixture.token.signing_pool(&key.id, &key.spki_der, on_threads()).unwrap();
        let sign = || pool.sign_now(b"the same message").unwrap().into_octets();
        let once = || fixture.token.sign_once(&key.id, b"the same message").unwrap();
        let signatures = [sign(), sign(), once(), once()];
        for (place, signature) in signatures.iter().enumerate() {
            set.assert_verifies(&key, b"the same message", signature);
            assert!(!signatures[..place].contains(signature), "{algorithm}: a signature was made twice");
        }
    }
}

pub(crate) fn c3_signatures_have_an_empty_context(fixture: &Fixture) {
    for set in SETS.iter().filter(|set| !set.algorithm.is_slow()) {
        let key = set.generate(fixture);
        let signature = fixture.token.sign_once(&key.id, b"message").unwrap();
        assert!(set.holds(&key, &[], b"message", &signature), "{}", set.algorithm);
        for context in [&b"\0"[..], b"message", b"context"] {
            assert!(!set.holds(&key, context, b"message", &signature), "{}", set.algorithm);
            assert!(!set.holds(&key, context, b"", &signature), "{}", set.algorithm);
        }
    }
}

fn ml_dsa_pool(fixture: &Fixture, config: PoolConfig) -> (KeyInfo, SigningPool) {
    let key = of(KeyAlgorithm::MlDsa65).generate(fixture);
    let pool = fixture.token.signing_pool(&key.id, &key.spki_der, config).unwrap();
    (key, pool)
}

pub(crate) fn a_post_quantum_pool_comes_back_after_the_module_was_finalised(fixture: &Fixture) {
    for dispatch in [DispatchChoice::Inline, DispatchChoice::Threads] {
        let (key, pool) = ml_dsa_pool(fixture, PoolConfig { dispatch, ..quick() });
        let set = of(key.algorithm);
        set.assert_verifies(&key, b"before", &pool.sign_now(b"before").unwrap());
        fixture.module.dangerous_finalise().unwrap();
        pool.sign_now(b"during").unwrap_err();
        let state = pool.wait_while_recovering(PATIENCE);
        assert!(state.is_up(), "{state}");
        set.assert_verifies(&key, b"after", &pool.sign_now(b"after").unwrap());
        assert!(pool.counters().recoveries > 0);
    }
}

pub(crate) fn lost_sessions_of_a_post_quantum_pool_are_opened_again_within_the_request(fixture: &Fixture) {
    let (key, pool) = ml_dsa_pool(fixture, PoolConfig { sessions: 1.try_into().unwrap(), ..quick() });
    pool.dangerous_lose_sessions();
    of(key.algorithm).assert_verifies(&key, b"after", &pool.sign_now(b"after").unwrap());
    let counters = pool.counters();
    assert_eq!((counters.reopened_sessions, counters.failures, counters.recoveries), (1, 0, 0));
}
