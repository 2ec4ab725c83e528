//! The suite on the embedded token, and what holds for that token alone.

#[cfg(test)]
#[path = "suite/post_quantum.rs"]
mod post_quantum;
#[cfg(test)]
#[path = "suite/every_token.rs"]
mod suite;

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use attestamp_hsm::{HsmError, KeyAlgorithm, KeyId, Module, ModuleSource, Pkcs11Uri, StoreHealth};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use suite::fixture::{Fixture, LABEL, PATIENCE, SO_PIN, USER_PIN, pin, quick};

suite::whole_suite!();

/// One `#[test]` for each of `suite/post_quantum.rs`.
macro_rules! post_quantum {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            suite::fixture::run(stringify!($name), post_quantum::$name);
        })*
    };
}

post_quantum! {
    every_post_quantum_algorithm_signs_and_another_implementation_agrees,
    post_quantum_keys_are_for_signing_only_and_stay_in_the_token,
    c6_signatures_are_hedged,
    c3_signatures_have_an_empty_context,
    a_post_quantum_pool_comes_back_after_the_module_was_finalised,
    lost_sessions_of_a_post_quantum_pool_are_opened_again_within_the_request,
}

#[test]
fn a_missing_database_is_not_an_empty_token() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("token.sql");
    let missing = Module::open(&ModuleSource::Embedded { database: database.clone() }).unwrap_err();
    assert!(
        matches!(&missing, HsmError::DatabaseMissing { path } if path.ends_with("token.sql")),
        "{missing}"
    );
    assert!(!database.exists(), "opening must not make it");
    let named = Module::open_or_create(&ModuleSource::Embedded { database: folder.path().join("token.db") });
    assert!(matches!(named, Err(HsmError::DatabaseName { .. })));
}

#[test]
fn the_database_is_its_owners_alone() {
    fn test(fixture: &Fixture) {
        let store = fixture.folder.join("store");
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&store), 0o700);
        for file in std::fs::read_dir(&store).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
    suite::fixture::run("the_database_is_its_owners_alone", test);
}

#[test]
fn a_store_that_is_gone_is_noticed() {
    fn test(fixture: &Fixture) {
        let database = fixture.folder.join("store/token.sql");
        let aside = fixture.folder.join("store/aside.sql");
        assert_eq!(fixture.token.store_health(), StoreHealth::Good);
        std::fs::rename(&database, &aside).unwrap();
        assert_eq!(fixture.token.store_health(), StoreHealth::Missing);
        std::fs::copy(&aside, &database).unwrap();
        assert_eq!(fixture.token.store_health(), StoreHealth::Exchanged);
        std::fs::rename(&aside, &database).unwrap();
        assert_eq!(fixture.token.store_health(), StoreHealth::Good);
        std::fs::File::create(&database).unwrap();
        assert_eq!(fixture.token.store_health(), StoreHealth::Empty);
    }
    suite::fixture::run("a_store_that_is_gone_is_noticed", test);
}

#[test]
fn a_deleted_database_is_named_at_the_next_start_and_used_again_when_it_is_back() {
    fn test(fixture: &Fixture) {
        let database = fixture.folder.join("store/token.sql");
        let aside = fixture.folder.join("store/aside.sql");
        let id = KeyId::random().unwrap();
        let key = fixture.token.generate(KeyAlgorithm::EcdsaP256, &id, "tsu").unwrap();
        let pool = fixture.token.signing_pool(&id, &key.spki_der, quick()).unwrap();
        std::fs::rename(&database, &aside).unwrap();
        fixture.module.dangerous_finalise().unwrap();
        pool.sign_now(b"gone").unwrap_err();
        let missing = fixture.token.find(&id).unwrap_err();
        assert!(matches!(missing, HsmError::DatabaseMissing { .. }), "{missing}");
        assert!(!database.exists(), "a new, empty database must not take its place");
        std::fs::rename(&aside, &database).unwrap();
        let state = pool.wait_while_recovering(PATIENCE);
        assert!(state.is_up(), "{state}");
        pool.sign_now(b"back").unwrap();
        assert_eq!(fixture.token.store_health(), StoreHealth::Good);
    }
    suite::fixture::run("a_deleted_database_is_named_at_the_next_start_and_used_again_when_it_is_back", test);
}

/// A test whose one thread fails must not wait for the others for ever.
struct EndsWithMe<'a>(&'a AtomicBool);

impl Drop for EndsWithMe<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_signature_is_made_with_another_pools_key_while_the_module_is_finalised_again_and_again() {
    fn test(fixture: &Fixture) {
        // Session and object numbers begin anew each time, so that those of one pool are then the other's.
        let pools = ["one", "other"].map(|label| {
            let id = KeyId::random().unwrap();
            let key = fixture.token.generate(KeyAlgorithm::EcdsaP256, &id, label).unwrap();
            (fixture.token.signing_pool(&id, &key.spki_der, quick()).unwrap(), key.spki_der)
        });
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (pool, spki_der) in &pools {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let _all_stop_with_me = EndsWithMe(&is_over);
                        let key =
                            VerifyingKey::from_sec1_bytes(spki_der.last_chunk::<65>().unwrap()).unwrap();
                        while !is_over.load(Ordering::Relaxed) {
                            if let Ok(signature) = pool.sign_now(b"whose?") {
                                key.verify(b"whose?", &Signature::from_der(&signature).unwrap()).unwrap();
                            }
                        }
                    });
                }
            }
            let _all_stop_with_me = EndsWithMe(&is_over);
            for _ in 0..40 {
                fixture.module.dangerous_finalise().unwrap();
                // Counted from here: signatures made before would not show that the module is up again.
                let (first, second) = (pools[0].0.counters(), pools[1].0.counters());
                let deadline = Instant::now() + PATIENCE;
                // Until both have signed again; fewer than 20 calls can have been under way.
                while pools[0].0.counters().signatures < first.signatures + 20
                    || pools[1].0.counters().signatures < second.signatures + 20
                {
                    assert!(!is_over.load(Ordering::Relaxed), "a thread has failed");
                    assert!(Instant::now() < deadline, "{} {}", pools[0].0.state(), pools[1].0.state());
                    std::thread::yield_now();
                }
            }
        });
        assert!(pools.iter().all(|(pool, _)| pool.counters().recoveries > 0));
    }
    suite::fixture::run(
        "no_signature_is_made_with_another_pools_key_while_the_module_is_finalised_again_and_again",
        test,
    );
}

#[test]
fn two_databases_in_one_process_are_two_tokens() {
    fn test(fixture: &Fixture) {
        let source = ModuleSource::Embedded { database: fixture.folder.join("other/token.sql") };
        let other = Module::open_or_create(&source).unwrap();
        other.initialise_token("other", &pin(SO_PIN), &pin(USER_PIN)).unwrap();
        let labels = |module: &Module| {
            module.tokens().unwrap().into_iter().map(|token| token.label).collect::<Vec<_>>()
        };
        assert_eq!(labels(&fixture.module), [LABEL]);
        assert_eq!(labels(&other), ["other"]);
        let crossed = other.open_token(&Pkcs11Uri::for_token(LABEL), pin(USER_PIN)).unwrap_err();
        assert!(
            matches!(&crossed, HsmError::TokenMissing { present, .. } if present == &["other"]),
            "{crossed}"
        );
        // Both are found again after a restart of the one library that they share.
        fixture.module.dangerous_finalise().unwrap();
        let again = Module::open(&source).unwrap();
        assert_eq!(labels(&again), ["other"]);
        assert_eq!(labels(&fixture.module), [LABEL]);
    }
    suite::fixture::run("two_databases_in_one_process_are_two_tokens", test);
}
