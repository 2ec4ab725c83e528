//! Generating, finding, signing with and destroying keys.

use attestamp_hsm::{HsmError, KeyAlgorithm, KeyId, KeyInfo, Pkcs11Uri};

use super::fixture::{Fixture, assert_openssl_verifies, quick};

/// The algorithms that every token has, with the digest that OpenSSL is to be told.
pub(crate) const CLASSICAL: [(KeyAlgorithm, Option<&str>); 6] = [
    (KeyAlgorithm::Rsa2048, Some("sha256")),
    (KeyAlgorithm::Rsa3072, Some("sha256")),
    (KeyAlgorithm::Rsa4096, Some("sha512")),
    (KeyAlgorithm::EcdsaP256, Some("sha256")),
    (KeyAlgorithm::EcdsaP384, Some("sha384")),
    (KeyAlgorithm::Ed25519, None),
];

pub(crate) fn every_classical_algorithm_signs_and_openssl_agrees(fixture: &Fixture) {
    for (algorithm, digest) in CLASSICAL {
        let id = KeyId::random().unwrap();
        let key = fixture.token.generate(algorithm, &id, algorithm.name()).unwrap();
        assert_eq!((&key.id, key.label.as_str(), key.algorithm), (&id, algorithm.name(), algorithm));
        assert_eq!(fixture.token.find(&id).unwrap(), key);
        let signature = fixture.token.sign_once(&id, b"once").unwrap();
        assert_openssl_verifies(&fixture.folder, &key.spki_der, digest, b"once", &signature);
        for session_copies in [None, Some(false), Some(true)] {
            let config = attestamp_hsm::PoolConfig { session_copies, ..quick() };
            let pool = fixture.token.signing_pool(&id, &key.spki_der, config).unwrap();
            let signature = pool.sign_now(b"pooled").unwrap();
            assert_openssl_verifies(&fixture.folder, &key.spki_der, digest, b"pooled", &signature);
        }
    }
    assert_eq!(fixture.token.keys().unwrap().len(), CLASSICAL.len());
}

pub(crate) fn generated_keys_are_for_signing_only_and_stay_in_the_token(fixture: &Fixture) {
    for algorithm in
        [KeyAlgorithm::Rsa2048, KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519]
    {
        let id = KeyId::random().unwrap();
        assert_is_for_signing_only(&fixture.token.generate(algorithm, &id, "flags").unwrap());
    }
}

/// More than [`attestamp_hsm::KeyAttributes::is_for_signing_only`], which forgives flags that a token lacks.
#[track_caller]
pub(crate) fn assert_is_for_signing_only(key: &KeyInfo) {
    let (algorithm, flags) = (key.algorithm, &key.attributes);
    let must = [
        flags.token,
        flags.private,
        flags.sensitive,
        flags.always_sensitive,
        flags.never_extractable,
        flags.local,
        flags.sign,
    ];
    assert_eq!(must, [Some(true); 7], "{algorithm}: {flags:?}");
    assert_eq!(flags.extractable, Some(false), "{algorithm}");
    for may_not in [flags.decrypt, flags.unwrap, flags.derive, flags.sign_recover, flags.always_authenticate]
    {
        assert_ne!(may_not, Some(true), "{algorithm}: {flags:?}");
    }
    let made_by = flags.key_gen_mechanism.as_deref().unwrap();
    assert!(made_by.contains("KEY_PAIR_GEN"), "{made_by}");
}

pub(crate) fn an_id_is_used_once(fixture: &Fixture) {
    let id = KeyId::new(b"same".to_vec()).unwrap();
    let first = fixture.token.generate(KeyAlgorithm::EcdsaP256, &id, "first").unwrap();
    let again = fixture.token.generate(KeyAlgorithm::Ed25519, &id, "second").unwrap_err();
    assert!(matches!(&again, HsmError::KeyExists { id: taken, .. } if *taken == id), "{again}");
    assert_eq!(fixture.token.keys().unwrap(), [first]);
}

pub(crate) fn keys_are_found_by_id_and_label_and_never_guessed(fixture: &Fixture) {
    let ids = [KeyId::new(vec![1]).unwrap(), KeyId::new(vec![2]).unwrap()];
    for id in &ids {
        fixture.token.generate(KeyAlgorithm::EcdsaP256, id, "twin").unwrap();
    }
    let by = |uri: &str| fixture.token.find_uri(&uri.parse::<Pkcs11Uri>().unwrap());
    assert_eq!(by("pkcs11:object=twin;id=%02").unwrap().id, ids[1]);
    assert!(matches!(by("pkcs11:object=twin"), Err(HsmError::KeyAmbiguous { found: 2, .. })));
    assert!(matches!(by("pkcs11:object=other"), Err(HsmError::KeyMissing { .. })));
    assert!(matches!(by("pkcs11:object=other;id=%02"), Err(HsmError::KeyMissing { .. })));
    let missing = fixture.token.sign_once(&KeyId::new(vec![3]).unwrap(), b"").unwrap_err();
    assert_eq!(missing.to_string(), "the token suite has no private key with the id 03");
}

pub(crate) fn a_destroyed_key_is_gone(fixture: &Fixture) {
    let (kept, gone) = (KeyId::new(vec![1]).unwrap(), KeyId::new(vec![2]).unwrap());
    fixture.token.generate(KeyAlgorithm::EcdsaP256, &kept, "kept").unwrap();
    let key = fixture.token.generate(KeyAlgorithm::EcdsaP256, &gone, "gone").unwrap();
    let pool = fixture.token.signing_pool(&gone, &key.spki_der, quick()).unwrap();
    fixture.token.destroy(&gone).unwrap();
    // The pool's copy goes too.
    pool.sign_now(b"after").unwrap_err();
    drop(pool);
    assert!(matches!(fixture.token.find(&gone), Err(HsmError::KeyMissing { .. })));
    assert!(matches!(fixture.token.destroy(&gone), Err(HsmError::KeyMissing { .. })));
    fixture.token.find(&kept).unwrap();
    // Both halves are gone, so the id is free again.
    fixture.token.generate(KeyAlgorithm::EcdsaP256, &gone, "anew").unwrap();
}
