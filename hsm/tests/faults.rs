//! A module that fails on command, in front of SoftHSM2 and of the embedded token: after each fault the next good request
//! is served, and nothing leaks.
//!
//! The list is that of the hostile cases for an HSM: session lost in the middle of a signature, token removed, PIN
//! locked, key replaced under the same label, a signature of the wrong length, a stall, every CKR code in turn.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap is a failed test; the allowance in clippy.toml does not reach functions beside the tests"
)]

#[cfg(test)]
#[path = "suite/fixture.rs"]
mod fixture;

use std::time::{Duration, Instant};

use attestamp_faulty_control::FaultyModule;
use attestamp_hsm::{
    DispatchChoice, HsmError, KeyAlgorithm, KeyId, KeyInfo, PoolConfig, PoolCounters, PoolState, ReturnCode,
    SignError, Signature, SigningPool,
};
use fixture::{Fixture, Kind, PATIENCE, assert_openssl_verifies, openssl_verifies, quick, run_on};

/// One `#[test]` on each of the two modules for each name.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod softhsm {
            $(#[test]
            fn $name() {
                super::run_on(super::Kind::FaultySoftHsm, concat!("softhsm::", stringify!($name)), super::$name);
            })*
        }
        mod embedded {
            $(#[test]
            fn $name() {
                super::run_on(super::Kind::FaultyEmbedded, concat!("embedded::", stringify!($name)), super::$name);
            })*
        }
    };
}

on_both! {
    every_return_code_of_c_sign_is_survived,
    every_return_code_of_c_sign_init_is_survived,
    every_return_code_of_c_open_session_is_survived,
    every_return_code_of_c_login_is_survived,
    a_session_lost_in_the_middle_of_a_signature_is_opened_again,
    a_token_that_was_taken_out_signs_again_when_it_is_back,
    a_locked_pin_is_tried_once_and_the_pool_comes_back_when_a_person_says_so,
    a_key_replaced_under_the_same_label_never_signs,
    a_signature_of_the_wrong_length_is_not_given_out,
    a_wrong_signature_is_noticed_by_the_pools_own,
    the_first_signature_of_a_session_that_was_opened_again_says_so,
    another_faulty_module_in_the_same_process_is_not_touched,
    a_stalled_pool_refuses_at_once_and_disturbs_no_other,
    a_pool_that_is_dropped_in_a_stall_leaves_nothing_behind,
}

struct Pooled {
    key: KeyInfo,
    pool: SigningPool,
    faulty: FaultyModule,
    /// Open sessions when all is well.
    sessions: usize,
}

impl Pooled {
    fn new(fixture: &Fixture, config: PoolConfig) -> Self {
        let id = KeyId::random().unwrap();
        let key = fixture.token.generate(KeyAlgorithm::EcdsaP256, &id, "tsu").unwrap();
        let pool = fixture.token.signing_pool(&id, &key.spki_der, config).unwrap();
        let faulty = fixture.faulty();
        let sessions = faulty.sessions();
        Self { key, pool, faulty, sessions }
    }

    /// The pool is up, if need be after a person's wish; it signs, and has the sessions that it began with.
    fn is_well(&self, fixture: &Fixture, after: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.pool.wait_while_recovering(PATIENCE) {
                PoolState::Up => break,
                PoolState::Down { .. } => self.pool.retry(),
                state @ (PoolState::Stalled { .. } | PoolState::Recovering { .. }) => {
                    assert!(Instant::now() < deadline, "{after}: {state}");
                }
            }
        }
        let signature = self.pool.sign_now(b"after").unwrap_or_else(|error| panic!("{after}: {error}"));
        assert!(signature.len() > 64, "{after}");
        until(after, || self.faulty.sessions() == self.sessions);
        if after.is_empty() {
            assert_openssl_verifies(
                &fixture.folder,
                &self.key.spki_der,
                Some("sha256"),
                b"after",
                &signature,
            );
        }
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to be so: {what}");
        std::thread::yield_now();
    }
}

/// The threads of pools that there are.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // One that has ended meanwhile has no name any more.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("sign-")).count()
}

fn limits(sessions: usize, dispatch: DispatchChoice) -> PoolConfig {
    PoolConfig {
        sessions: sessions.try_into().unwrap(),
        dispatch,
        backoff_minimum: Duration::from_millis(1),
        backoff_maximum: Duration::from_millis(4),
        ..quick()
    }
}

/// Those of PKCS#11 v3.2 that have a name, and a vendor's.
fn codes() -> impl Iterator<Item = u64> {
    let is_named =
        |code: &u64| ReturnCode::from_number(*code).is_some_and(|code| !code.to_string().contains(' '));
    (1..=0x300).filter(is_named).chain([0x8000_0001])
}

fn survives_every_code(fixture: &Fixture, function: &str, lose: bool) {
    let pooled = Pooled::new(fixture, limits(2, DispatchChoice::Inline));
    let mut count = 0;
    for code in codes() {
        let calls = pooled.faulty.calls(function);
        pooled.faulty.rule(&format!("{function} return={code:#x} count=1"));
        if lose {
            pooled.faulty.tell("lose");
        }
        let _ = pooled.pool.sign_now(b"during");
        pooled.is_well(fixture, &format!("{function} {code:#x}"));
        assert!(pooled.faulty.calls(function) > calls, "{function} {code:#x} was not called");
        pooled.faulty.clear();
        count += 1;
    }
    assert!(count > 90, "{count} codes have a name");
    pooled.is_well(fixture, "");
}

fn every_return_code_of_c_sign_is_survived(fixture: &Fixture) {
    survives_every_code(fixture, "C_Sign", false);
}

fn every_return_code_of_c_sign_init_is_survived(fixture: &Fixture) {
    survives_every_code(fixture, "C_SignInit", false);
}

fn every_return_code_of_c_open_session_is_survived(fixture: &Fixture) {
    survives_every_code(fixture, "C_OpenSession", true);
}

fn every_return_code_of_c_login_is_survived(fixture: &Fixture) {
    survives_every_code(fixture, "C_Login", true);
}

fn a_session_lost_in_the_middle_of_a_signature_is_opened_again(fixture: &Fixture) {
    const CKR_SESSION_CLOSED: u64 = 0xB0;
    let pooled = Pooled::new(fixture, limits(1, DispatchChoice::Threads));
    pooled.faulty.rule(&format!("C_Sign return={CKR_SESSION_CLOSED:#x} count=1"));
    pooled.pool.sign_now(b"during").unwrap();
    assert_eq!(pooled.pool.counters().reopened_sessions, 1);
    // All of them, and the login with them: a request may fail, and the next is served.
    pooled.faulty.tell("lose");
    let _ = pooled.pool.sign_now(b"during");
    pooled.is_well(fixture, "");
}

fn a_token_that_was_taken_out_signs_again_when_it_is_back(fixture: &Fixture) {
    let pooled = Pooled::new(fixture, limits(2, DispatchChoice::Threads));
    let slot = fixture.token.info().unwrap().slot;
    pooled.faulty.tell(&format!("remove slot={slot}"));
    pooled.pool.sign_now(b"away").unwrap_err();
    until("it has tried to recover", || {
        matches!(pooled.pool.state(), PoolState::Recovering { attempts: 2.., .. })
    });
    assert!(matches!(pooled.pool.sign_now(b"away"), Err(SignError::Unavailable { .. })));
    pooled.faulty.tell(&format!("insert slot={slot}"));
    pooled.is_well(fixture, "");
}

fn a_locked_pin_is_tried_once_and_the_pool_comes_back_when_a_person_says_so(fixture: &Fixture) {
    const CKR_PIN_LOCKED: u64 = 0xA4;
    let pooled = Pooled::new(fixture, limits(2, DispatchChoice::Threads));
    pooled.faulty.rule(&format!("C_Login return={CKR_PIN_LOCKED:#x}"));
    pooled.faulty.tell("lose");
    let logins = pooled.faulty.calls("C_Login");
    for _ in 0..5 {
        pooled.pool.sign_now(b"locked").unwrap_err();
        let state = pooled.pool.wait_while_recovering(PATIENCE);
        assert!(matches!(state, PoolState::Down { .. }), "{state}");
    }
    assert_eq!(pooled.faulty.calls("C_Login"), logins + 1);
    pooled.faulty.clear();
    pooled.is_well(fixture, "");
}

fn a_key_replaced_under_the_same_label_never_signs(fixture: &Fixture) {
    let pooled = Pooled::new(fixture, limits(2, DispatchChoice::Threads));
    fixture.token.destroy(&pooled.key.id).unwrap();
    fixture.token.generate(KeyAlgorithm::EcdsaP256, &pooled.key.id, "tsu").unwrap();
    // Also a pool that would not have noticed by itself yet.
    pooled.faulty.tell("lose");
    let _ = pooled.pool.sign_now(b"with which key?");
    let state = pooled.pool.wait_while_recovering(PATIENCE);
    let PoolState::Down { reason } = &state else { panic!("{state}") };
    assert!(matches!(**reason, HsmError::KeyReplaced { .. }), "{reason}");
    assert!(matches!(pooled.pool.sign_now(b"still not"), Err(SignError::Unavailable { .. })));
}

fn a_signature_of_the_wrong_length_is_not_given_out(fixture: &Fixture) {
    let pooled = Pooled::new(fixture, limits(2, DispatchChoice::Threads));
    for form in ["short", "long", "empty", "zero"] {
        pooled.faulty.rule(&format!("C_Sign signature={form} count=1"));
        let Err(SignError::Failed { reason }) = pooled.pool.sign_now(b"during") else { panic!("{form}") };
        assert!(matches!(*reason, HsmError::SignatureForm { expected: 64, .. }), "{form}: {reason}");
        pooled.is_well(fixture, form);
    }
    pooled.is_well(fixture, "");
}

fn a_wrong_signature_is_noticed_by_the_pools_own(fixture: &Fixture) {
    let config = PoolConfig {
        probe_interval: Duration::from_millis(1),
        signature_interval: Some(Duration::ZERO),
        ..limits(2, DispatchChoice::Threads)
    };
    let pooled = Pooled::new(fixture, config);
    pooled.faulty.rule("C_Sign signature=garbage");
    until("the pool notices", || {
        matches!(pooled.pool.state(), PoolState::Recovering { reason, .. }
            if matches!(*reason, HsmError::TestSignatureInvalid { .. }))
    });
    pooled.faulty.clear();
    pooled.is_well(fixture, "");
    // What its user found out.
    let recoveries = pooled.pool.counters().recoveries;
    pooled.pool.distrust();
    pooled.is_well(fixture, "");
    assert!(pooled.pool.counters().recoveries > recoveries);
}

fn the_first_signature_of_a_session_that_was_opened_again_says_so(fixture: &Fixture) {
    const MESSAGE: &[u8] = b"whose is it?";
    for dispatch in [DispatchChoice::Inline, DispatchChoice::Threads] {
        // The pool's own looks would take a session out of its turn.
        let config = PoolConfig { probe_interval: PATIENCE, ..limits(3, dispatch) };
        let pooled = Pooled::new(fixture, config);
        let three = || -> Vec<_> { (0..3).map(|_| pooled.pool.sign_now(MESSAGE).unwrap()).collect() };
        let firsts = |signatures: &[Signature]| -> Vec<_> {
            signatures.iter().map(Signature::is_first_of_session).collect()
        };
        let begin = three();
        assert_eq!(firsts(&begin), [true; 3]);
        begin.iter().for_each(Signature::was_verified);
        assert_eq!(firsts(&three()), [false; 3]);
        pooled.faulty.rule("C_Sign signature=garbage first count=1");
        pooled.faulty.tell("lose count=1");
        let signatures = three();
        let wrong: Vec<_> = signatures
            .iter()
            .map(|signature| {
                let spki = &pooled.key.spki_der;
                !openssl_verifies(&fixture.folder, spki, Some("sha256"), MESSAGE, signature).0
            })
            .collect();
        assert_eq!(wrong.iter().filter(|is_wrong| **is_wrong).count(), 1);
        assert_eq!(firsts(&signatures), wrong);
        // Nobody has verified it, and the others were known to be good.
        signatures.iter().filter(|known| !known.is_first_of_session()).for_each(Signature::was_verified);
        assert_eq!(firsts(&three()), wrong);
        // Found out: every session is another one.
        pooled.pool.distrust();
        pooled.is_well(fixture, "");
        assert_eq!(firsts(&three()), [true; 3]);
        three().iter().for_each(Signature::was_verified);
        // All of them, and the login with them.
        pooled.faulty.tell("lose");
        let _ = pooled.pool.sign_now(b"during");
        pooled.is_well(fixture, "");
        assert_eq!(firsts(&three()), [true; 3]);
    }
}

/// The other is in front of the other kind of module, with a token of its own.
fn another_faulty_module_in_the_same_process_is_not_touched(fixture: &Fixture) {
    let other = fixture.beside();
    let pools = [fixture, &other].map(|of| Pooled::new(of, limits(2, DispatchChoice::Threads)));
    for (failing, well, of) in [(&pools[0], &pools[1], fixture), (&pools[1], &pools[0], &other)] {
        let (calls, counters) = (well.faulty.calls("C_OpenSession"), well.pool.counters());
        failing.faulty.rule("* return=0x32");
        failing.faulty.tell("lose");
        failing.pool.sign_now(b"away").unwrap_err();
        for _ in 0..20 {
            well.pool.sign_now(b"not touched").unwrap();
        }
        failing.faulty.clear();
        failing.is_well(of, "");
        failing.faulty.rule("C_Sign stall count=2");
        for message in [b"first", b"other"] {
            failing.pool.submit(message.to_vec(), |_| {}).unwrap();
        }
        failing.faulty.wait_stalled(2);
        for _ in 0..20 {
            well.pool.sign_now(b"not touched").unwrap();
        }
        failing.faulty.clear();
        failing.is_well(of, "");
        let after = well.pool.counters();
        let of_faults = |counters: PoolCounters| {
            (counters.failures, counters.stalled, counters.recoveries, counters.reopened_sessions)
        };
        assert_eq!(of_faults(after), of_faults(counters));
        assert_eq!(well.faulty.calls("C_OpenSession"), calls);
        assert_eq!(well.faulty.stalled(), 0);
    }
}

fn a_stalled_pool_refuses_at_once_and_disturbs_no_other(fixture: &Fixture) {
    let config = PoolConfig { deadline: Duration::from_millis(100), ..limits(2, DispatchChoice::Threads) };
    let other = Pooled::new(fixture, limits(2, DispatchChoice::Threads));
    let stalled = Pooled::new(fixture, config);
    let before = threads();
    stalled.faulty.rule("C_Sign stall count=2");
    // The first of them wait for their deadline, and on a slow machine a good one may too.
    for message in [b"first", b"other"] {
        stalled.pool.submit(message.to_vec(), |_| {}).unwrap();
    }
    stalled.faulty.wait_stalled(2);
    until("refused at once", || matches!(stalled.pool.sign_now(b"third"), Err(SignError::Stalled { .. })));
    assert!(matches!(stalled.pool.state(), PoolState::Stalled { .. }), "{}", stalled.pool.state());
    assert!(stalled.pool.counters().stalled > 0);
    // Another key in the same module.
    for _ in 0..50 {
        other.pool.sign_now(b"not disturbed").unwrap();
    }
    stalled.faulty.clear();
    until("it signs again", || stalled.pool.sign_now(b"after").is_ok());
    assert!(stalled.pool.state().is_up(), "{}", stalled.pool.state());
    assert_eq!(stalled.pool.counters().recoveries, 0);
    assert_eq!(threads(), before);
    assert_eq!(stalled.faulty.sessions(), stalled.sessions);
}

fn a_pool_that_is_dropped_in_a_stall_leaves_nothing_behind(fixture: &Fixture) {
    let (threads_before, kept) = (threads(), Pooled::new(fixture, limits(1, DispatchChoice::Inline)));
    let sessions = kept.sessions;
    let threads_kept = threads();
    assert!(threads_kept > threads_before);
    let Pooled { pool, faulty, .. } = Pooled::new(fixture, limits(2, DispatchChoice::Threads));
    faulty.rule("C_Sign stall count=2");
    for message in [b"first", b"other"] {
        pool.submit(message.to_vec(), |_| {}).unwrap();
    }
    faulty.wait_stalled(2);
    drop(pool);
    assert!(faulty.sessions() > sessions, "the stalled calls have their sessions still");
    faulty.clear();
    until("the sessions are closed", || faulty.sessions() == sessions);
    until("the threads have ended", || threads() == threads_kept);
    kept.pool.sign_now(b"after").unwrap();
}
