//! The suite on SoftHSM2 (Debian package `softhsm2`), which stands for every other module that is opened by its path.

#[cfg(test)]
#[path = "suite/every_token.rs"]
mod suite;

use std::time::{Duration, Instant};

use attestamp_hsm::{HsmError, KeyAlgorithm, KeyId, Module, ModuleSource, PoolConfig, PoolState};
use suite::fixture::{Fixture, LABEL, PATIENCE, quick};

suite::whole_suite!();

#[test]
fn a_missing_module_is_named() {
    let source = ModuleSource::Library { path: "/nonexistent/libtoken.so".into() };
    let missing = Module::open(&source).unwrap_err();
    assert!(matches!(missing, HsmError::LibraryMissing { .. }));
    assert!(missing.to_string().contains("/nonexistent/libtoken.so"), "{missing}");
}

#[test]
fn a_file_that_is_no_module_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let unusable = Module::open(&ModuleSource::Library { path: file.path().to_owned() }).unwrap_err();
    assert!(matches!(unusable, HsmError::LibraryUnusable { .. }), "{unusable}");
}

#[test]
fn a_token_that_is_taken_away_and_put_back_signs_again() {
    fn test(fixture: &Fixture) {
        let id = KeyId::random().unwrap();
        let key = fixture.token.generate(KeyAlgorithm::EcdsaP256, &id, "tsu").unwrap();
        let pool = fixture.token.signing_pool(&id, &key.spki_der, quick()).unwrap();
        pool.sign_now(b"before").unwrap();
        // Nobody asks the second pool. SoftHSM2 finds the token again only when the module is started anew, and that may
        // be done only once no pool thinks itself up.
        let idle_id = KeyId::random().unwrap();
        let idle_key = fixture.token.generate(KeyAlgorithm::EcdsaP256, &idle_id, "idle").unwrap();
        let often = PoolConfig { probe_interval: Duration::from_millis(20), ..quick() };
        let idle = fixture.token.signing_pool(&idle_id, &idle_key.spki_der, often).unwrap();
        // Nor a third, which is not waited for and which notices nothing.
        let seldom_id = KeyId::random().unwrap();
        let seldom_key = fixture.token.generate(KeyAlgorithm::EcdsaP256, &seldom_id, "seldom").unwrap();
        let config = PoolConfig { probe_interval: 2 * PATIENCE, holds_module: false, ..quick() };
        let seldom = fixture.token.signing_pool(&seldom_id, &seldom_key.spki_der, config).unwrap();

        let tokens = fixture.folder.join("tokens");
        let away = fixture.folder.join("away");
        std::fs::rename(&tokens, &away).unwrap();
        std::fs::create_dir(&tokens).unwrap();
        pool.sign_now(b"away").unwrap_err();
        assert!(matches!(pool.state(), PoolState::Recovering { .. }), "{}", pool.state());
        // Its probe must fall into the time that the token is away.
        let deadline = Instant::now() + PATIENCE;
        while idle.state().is_up() {
            assert!(Instant::now() < deadline, "the idle pool noticed nothing");
            std::thread::yield_now();
        }

        std::fs::remove_dir_all(&tokens).unwrap();
        std::fs::rename(&away, &tokens).unwrap();
        let state = pool.wait_while_recovering(PATIENCE);
        assert!(state.is_up(), "{state}");
        pool.sign_now(b"after").unwrap();
        let state = idle.wait_while_recovering(PATIENCE);
        assert!(state.is_up(), "{state}");
        idle.sign_now(b"after").unwrap();
        if seldom.sign_now(b"its sessions are gone").is_err() {
            let state = seldom.wait_while_recovering(PATIENCE);
            assert!(state.is_up(), "{state}");
            seldom.sign_now(b"after").unwrap();
        }
    }
    suite::fixture::run("a_token_that_is_taken_away_and_put_back_signs_again", test);
}

#[test]
fn a_token_without_post_quantum_mechanisms_says_which_it_lacks() {
    fn test(fixture: &Fixture) {
        for (algorithm, wanted) in [
            (KeyAlgorithm::MlDsa44, "CKM_ML_DSA_KEY_PAIR_GEN"),
            (KeyAlgorithm::MlDsa65, "CKM_ML_DSA_KEY_PAIR_GEN"),
            (KeyAlgorithm::MlDsa87, "CKM_ML_DSA_KEY_PAIR_GEN"),
            (KeyAlgorithm::SlhDsaSha2_128s, "CKM_SLH_DSA_KEY_PAIR_GEN"),
            (KeyAlgorithm::SlhDsaSha2_128f, "CKM_SLH_DSA_KEY_PAIR_GEN"),
            (KeyAlgorithm::SlhDsaSha2_192f, "CKM_SLH_DSA_KEY_PAIR_GEN"),
            (KeyAlgorithm::SlhDsaSha2_256f, "CKM_SLH_DSA_KEY_PAIR_GEN"),
            (KeyAlgorithm::SlhDsaShake128f, "CKM_SLH_DSA_KEY_PAIR_GEN"),
        ] {
            let id = KeyId::random().unwrap();
            let generated = fixture.token.generate(algorithm, &id, "tsu").map(drop);
            for refused in [generated, fixture.token.check_mechanisms(algorithm)] {
                let error = refused.unwrap_err();
                let HsmError::MechanismMissing { label, mechanism, algorithm: of } = &error else {
                    panic!("{algorithm}: {error}")
                };
                assert_eq!((label.as_str(), *mechanism, *of), (LABEL, wanted, algorithm));
                let said = error.to_string();
                assert!(said.contains(wanted) && said.contains(algorithm.name()), "{said}");
            }
        }
        assert_eq!(fixture.token.keys().unwrap(), []);
        fixture.token.check_mechanisms(KeyAlgorithm::EcdsaP256).unwrap();
    }
    suite::fixture::run("a_token_without_post_quantum_mechanisms_says_which_it_lacks", test);
}
