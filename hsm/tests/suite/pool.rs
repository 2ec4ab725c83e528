//! Pools on real tokens: many threads, and everything that can be lost under them.

use std::sync::mpsc;

use attestamp_hsm::{
    Dispatch, DispatchChoice, HsmError, KeyAlgorithm, KeyId, KeyInfo, Pkcs11Uri, PoolConfig, PoolState,
    SigningPool,
};

use super::fixture::{Fixture, LABEL, PATIENCE, assert_openssl_verifies, pin, quick};

fn key_and_pool(fixture: &Fixture, config: PoolConfig) -> (KeyInfo, SigningPool) {
    let id = KeyId::random().unwrap();
    let key = fixture.token.generate(KeyAlgorithm::EcdsaP256, &id, "tsu").unwrap();
    let pool = fixture.token.signing_pool(&id, &key.spki_der, config).unwrap();
    (key, pool)
}

fn eight_threads(fixture: &Fixture, choice: DispatchChoice, expected: Dispatch) {
    let config = PoolConfig { sessions: 8.try_into().unwrap(), dispatch: choice, ..quick() };
    let (key, pool) = key_and_pool(fixture, config);
    assert_eq!(pool.dispatch(), expected);
    let signed = std::thread::scope(|scope| {
        let pool = &pool;
        let threads: Vec<_> = (0..8_u8)
            .map(|thread| {
                scope.spawn(move || {
                    let message = |number: u8| vec![thread, number];
                    (0..25)
                        .map(|number| (message(number), pool.sign_now(&message(number)).unwrap()))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(pool.counters().signatures, 200);
    for (message, signature) in signed.iter().step_by(10) {
        assert_openssl_verifies(&fixture.folder, &key.spki_der, Some("sha256"), message, signature);
    }
}

pub(crate) fn eight_threads_get_valid_signatures_inline(fixture: &Fixture) {
    eight_threads(fixture, DispatchChoice::Inline, Dispatch::Inline);
}

pub(crate) fn eight_threads_get_valid_signatures_from_threads(fixture: &Fixture) {
    eight_threads(fixture, DispatchChoice::Threads, Dispatch::Threads);
}

pub(crate) fn a_pool_for_another_public_key_does_not_start(fixture: &Fixture) {
    let (key, _pool) = key_and_pool(fixture, quick());
    let (other, _pool) = key_and_pool(fixture, quick());
    let refused = fixture.token.signing_pool(&key.id, &other.spki_der, quick()).unwrap_err();
    assert!(matches!(&refused, HsmError::KeyReplaced { id } if *id == key.id), "{refused}");
}

pub(crate) fn lost_sessions_are_opened_again_within_the_request(fixture: &Fixture) {
    let (_key, pool) = key_and_pool(fixture, PoolConfig { sessions: 1.try_into().unwrap(), ..quick() });
    pool.sign_now(b"before").unwrap();
    pool.dangerous_lose_sessions();
    pool.sign_now(b"after").unwrap();
    assert!(pool.state().is_up());
    let counters = pool.counters();
    assert_eq!((counters.reopened_sessions, counters.failures, counters.recoveries), (1, 0, 0));
}

pub(crate) fn two_pools_come_back_after_the_module_was_finalised(fixture: &Fixture) {
    let pools = [key_and_pool(fixture, quick()), key_and_pool(fixture, quick())];
    for round in 1..=3 {
        fixture.module.dangerous_finalise().unwrap();
        for (key, pool) in &pools {
            pool.sign_now(b"during").unwrap_err();
            let state = pool.wait_while_recovering(PATIENCE);
            assert!(state.is_up(), "{state}");
            let signature = pool.sign_now(b"after").unwrap();
            assert_openssl_verifies(&fixture.folder, &key.spki_der, Some("sha256"), b"after", &signature);
            assert!(pool.counters().recoveries >= round);
        }
    }
}

pub(crate) fn the_token_works_on_after_the_module_was_finalised(fixture: &Fixture) {
    let (key, _pool) = key_and_pool(fixture, quick());
    fixture.module.dangerous_finalise().unwrap();
    let signature = fixture.token.sign_once(&key.id, b"once").unwrap();
    assert_openssl_verifies(&fixture.folder, &key.spki_der, Some("sha256"), b"once", &signature);
}

pub(crate) fn a_key_replaced_under_the_same_id_stays_down(fixture: &Fixture) {
    let (key, pool) = key_and_pool(fixture, quick());
    fixture.token.destroy(&key.id).unwrap();
    fixture.token.generate(KeyAlgorithm::EcdsaP256, &key.id, "tsu").unwrap();
    pool.sign_now(b"with which key?").unwrap_err();
    let state = pool.wait_while_recovering(PATIENCE);
    let PoolState::Down { reason } = &state else { panic!("{state}") };
    assert!(matches!(**reason, HsmError::KeyReplaced { .. }), "{reason}");
    pool.sign_now(b"still down").unwrap_err();
}

pub(crate) fn a_pool_with_a_wrong_pin_goes_down_and_locks_nothing(fixture: &Fixture) {
    let id = KeyId::random().unwrap();
    let key = fixture.token.generate(KeyAlgorithm::EcdsaP256, &id, "tsu").unwrap();
    // While somebody is logged in the PIN is not looked at; it will be at the recovery, as if it had been changed.
    let token = fixture.module.open_token(&Pkcs11Uri::for_token(LABEL), pin("no-longer-the-pin")).unwrap();
    let pool = token.signing_pool(&id, &key.spki_der, quick()).unwrap();
    fixture.module.dangerous_finalise().unwrap();
    // kryoptic locks at the 10th wrong PIN.
    for _ in 0..15 {
        pool.sign_now(b"refused").unwrap_err();
        let state = pool.wait_while_recovering(PATIENCE);
        let PoolState::Down { reason } = &state else { panic!("{state}") };
        assert!(matches!(**reason, HsmError::PinRefused { .. }), "{reason}");
        token.sign_once(&id, b"refused too").unwrap_err();
    }
    // Not locked, and with the user logged in a person's wish to try again is enough.
    fixture.token.sign_once(&id, b"with the right PIN").unwrap();
    pool.retry();
    while !pool.state().is_up() {
        std::thread::yield_now();
    }
    pool.sign_now(b"after").unwrap();
}

pub(crate) fn a_destroyed_key_leaves_the_pool_recovering(fixture: &Fixture) {
    let (key, pool) = key_and_pool(fixture, PoolConfig { dispatch: DispatchChoice::Threads, ..quick() });
    fixture.token.destroy(&key.id).unwrap();
    let (answer, answered) = mpsc::channel();
    pool.submit(b"gone".to_vec(), move |signed| answer.send(signed).unwrap()).unwrap();
    answered.recv_timeout(PATIENCE).unwrap().unwrap_err();
    let state = pool.state();
    assert!(matches!(&state, PoolState::Recovering { .. }), "{state}");
}
