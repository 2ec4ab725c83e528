//! The pool on sessions that do what the test says: stalls, every return code, panics and refused PINs on command.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::{
    Dispatch, DispatchChoice, PoolConfig, PoolState, SessionSource, SignError, Signature, SigningPool,
    SigningSession,
};
use crate::error::{CFunction, CallFailed, HsmError, Remedy, ReturnCode};
use crate::loaded::lock;

/// Far longer than anything takes: a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(60);

type Step = Box<dyn FnOnce() -> Result<Vec<u8>, HsmError> + Send>;

/// What the next calls do; where nothing is planned they succeed.
#[derive(Default, Clone)]
struct Script {
    signs: Arc<Mutex<VecDeque<Step>>>,
    connects: Arc<Mutex<VecDeque<HsmError>>>,
    probes: Arc<Mutex<VecDeque<HsmError>>>,
    log: Arc<Mutex<Vec<&'static str>>>,
    logins: Arc<AtomicU64>,
}

impl Script {
    fn sign(&self, step: impl FnOnce() -> Result<Vec<u8>, HsmError> + Send + 'static) {
        lock(&self.signs).push_back(Box::new(step));
    }

    fn sign_fails(&self, code: u64) {
        self.sign(move || Err(failed(code, CFunction::SIGN)));
    }

    fn count(&self, what: &str) -> usize {
        lock(&self.log).iter().filter(|entry| **entry == what).count()
    }

    fn pool(&self, config: PoolConfig) -> SigningPool {
        SigningPool::with_source(self.clone(), config).unwrap()
    }
}

impl SessionSource for Script {
    fn connect(&self, count: NonZeroUsize) -> Result<Vec<Box<dyn SigningSession>>, HsmError> {
        lock(&self.log).push("connect");
        let planned = lock(&self.connects).pop_front();
        match planned {
            Some(error) => Err(error),
            None => {
                Ok((0..count.get()).map(|_| -> Box<dyn SigningSession> { Box::new(self.clone()) }).collect())
            }
        }
    }
}

impl SigningSession for Script {
    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        let planned = lock(&self.signs).pop_front();
        planned.map_or_else(|| Ok(message.to_vec()), |step| step())
    }

    fn probe(&mut self) -> Result<(), HsmError> {
        lock(&self.log).push("probe");
        lock(&self.probes).pop_front().map_or(Ok(()), Err)
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        lock(&self.log).push("reopen");
        Ok(())
    }

    fn login(&self) -> u64 {
        self.logins.load(Ordering::SeqCst)
    }
}

fn failed(code: u64, function: CFunction) -> HsmError {
    CallFailed { code: ReturnCode::from_number(code).unwrap(), function }.into()
}

fn config(sessions: usize, queue_length: usize, dispatch: DispatchChoice) -> PoolConfig {
    PoolConfig {
        sessions: sessions.try_into().unwrap(),
        queue_length,
        dispatch,
        deadline: PATIENCE,
        backoff_minimum: Duration::from_millis(1),
        backoff_maximum: Duration::from_millis(4),
        probe_interval: PATIENCE,
        signature_interval: None,
        session_copies: None,
        holds_module: true,
    }
}

/// A step that says that it has begun, and ends when it is told to.
fn stall(script: &Script) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((began, has_begun), (finish, may_finish)) = (mpsc::channel(), mpsc::channel());
    script.sign(move || {
        began.send(()).unwrap();
        let _ = may_finish.recv();
        Ok(b"late".to_vec())
    });
    (has_begun, finish)
}

fn submit(pool: &SigningPool, message: &[u8]) -> mpsc::Receiver<Result<Signature, SignError>> {
    let (answer, answered) = mpsc::channel();
    pool.submit(message.to_vec(), move |signed| answer.send(signed).unwrap()).unwrap();
    answered
}

#[test]
fn a_signature_that_is_work_is_made_inline_longer_than_one_that_is_waited_for() {
    let one_millisecond = Duration::from_millis(1);
    assert_eq!(super::suited_to(one_millisecond, true), Dispatch::Inline);
    assert_eq!(super::suited_to(one_millisecond, false), Dispatch::Threads);
    assert_eq!(super::suited_to(Duration::from_millis(20), true), Dispatch::Threads);
    assert_eq!(super::suited_to(Duration::from_micros(30), false), Dispatch::Inline);
}

#[test]
fn a_quick_signer_is_called_inline_and_a_slow_one_on_threads() {
    let script = Script::default();
    assert_eq!(script.pool(config(2, 2, DispatchChoice::Auto)).dispatch(), Dispatch::Inline);
    for _ in 0..super::MEASUREMENTS {
        script.sign(|| {
            std::thread::sleep(super::INLINE_LIMIT);
            Ok(Vec::new())
        });
    }
    let pool = script.pool(config(2, 2, DispatchChoice::Auto));
    assert_eq!(pool.dispatch(), Dispatch::Threads);
    assert_eq!(*pool.sign_now(b"message").unwrap(), *b"message");
}

#[test]
fn a_pool_that_nobody_uses_notices_that_its_key_is_gone() {
    const CKR_DEVICE_REMOVED: u64 = 0x32;
    for choice in [DispatchChoice::Inline, DispatchChoice::Threads] {
        let script = Script::default();
        lock(&script.probes).push_back(failed(CKR_DEVICE_REMOVED, CFunction::SIGN));
        let mut limits = config(2, 2, choice);
        limits.probe_interval = Duration::from_millis(1);
        let pool = script.pool(limits);
        let began = std::time::Instant::now();
        while script.count("connect") < 2 || !pool.state().is_up() {
            assert!(began.elapsed() < PATIENCE, "{}", pool.state());
            std::thread::yield_now();
        }
        assert_eq!(pool.counters().recoveries, 1);
        assert_eq!(*pool.sign_now(b"message").unwrap(), *b"message");
    }
}

#[test]
fn a_full_queue_is_refused_and_the_next_good_request_is_served() {
    let script = Script::default();
    let pool = script.pool(config(1, 2, DispatchChoice::Threads));
    let (has_begun, finish) = stall(&script);
    let stalled = submit(&pool, b"stalls");
    has_begun.recv_timeout(PATIENCE).unwrap();
    let queued = [submit(&pool, b"one"), submit(&pool, b"two")];
    assert_eq!(pool.queued(), 2);
    let full = pool.submit(b"three".to_vec(), |_| panic!("a refused request is not called back"));
    assert!(matches!(full, Err(SignError::Busy { sessions: 1, queue_length: 2 })));
    finish.send(()).unwrap();
    assert_eq!(*stalled.recv_timeout(PATIENCE).unwrap().unwrap(), *b"late");
    for (answered, message) in queued.iter().zip([b"one", b"two"]) {
        assert_eq!(*answered.recv_timeout(PATIENCE).unwrap().unwrap(), *message);
    }
    assert_eq!(*pool.sign_now(b"next").unwrap(), *b"next");
    assert_eq!(pool.counters().busy, 1);
}

#[test]
fn inline_nobody_waits_for_a_session() {
    let script = Script::default();
    let pool = script.pool(config(1, 9, DispatchChoice::Inline));
    let (has_begun, finish) = stall(&script);
    std::thread::scope(|scope| {
        let stalled = scope.spawn(|| pool.sign_now(b"stalls"));
        has_begun.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(pool.sign_now(b"second"), Err(SignError::Busy { .. })));
        finish.send(()).unwrap();
        assert_eq!(*stalled.join().unwrap().unwrap(), *b"late");
    });
    assert_eq!(*pool.sign_now(b"third").unwrap(), *b"third");
}

#[test]
fn a_request_that_waited_too_long_is_not_signed() {
    let script = Script::default();
    let mut limits = config(1, 2, DispatchChoice::Threads);
    limits.deadline = Duration::from_millis(1);
    let pool = script.pool(limits);
    let (has_begun, finish) = stall(&script);
    // On a busy machine a request may be too old before the thread has it; it is then not signed, and another is made.
    let stalled = loop {
        let answered = submit(&pool, b"stalls");
        if has_begun.recv_timeout(Duration::from_millis(200)).is_ok() {
            break answered;
        }
    };
    let late = submit(&pool, b"late");
    let (given_up, state) = (pool.sign_now(b"waits"), pool.state());
    assert!(matches!(given_up, Err(SignError::DeadlinePassed { .. })));
    assert!(matches!(state, PoolState::Stalled { .. }), "{state}");
    finish.send(()).unwrap();
    stalled.recv_timeout(PATIENCE).unwrap().unwrap();
    assert!(matches!(late.recv_timeout(PATIENCE).unwrap(), Err(SignError::DeadlinePassed { .. })));
    assert!(pool.counters().expired >= 1);
}

#[test]
fn every_return_code_is_survived() {
    // All of PKCS#11 v3.2, pkcs11t.h, their neighbours, and a vendor's.
    let codes = (1..=0x200).chain([0x8000_0000, 0x8000_0001]);
    for code in codes {
        let script = Script::default();
        let pool = script.pool(config(2, 2, DispatchChoice::Inline));
        let remedy = failed(code, CFunction::SIGN).remedy();
        script.sign_fails(code);
        let signed = pool.sign_now(b"first");
        let state = pool.wait_while_recovering(PATIENCE);
        match remedy {
            Remedy::ReopenSession => {
                assert_eq!(*signed.unwrap(), *b"first", "{code:#x}");
                assert_eq!((script.count("reopen"), script.count("connect")), (1, 1), "{code:#x}");
            }
            Remedy::FailRequest => {
                signed.unwrap_err();
                assert_eq!((script.count("reopen"), script.count("connect")), (0, 1), "{code:#x}");
            }
            Remedy::Recover => {
                signed.unwrap_err();
                assert_eq!(script.count("connect"), 2, "{code:#x}");
            }
            Remedy::StayDown => {
                signed.unwrap_err();
                assert!(matches!(state, PoolState::Down { .. }), "{code:#x}: {state}");
                assert_eq!(script.count("connect"), 1, "{code:#x}");
                assert!(matches!(pool.sign_now(b"second"), Err(SignError::Unavailable { .. })));
                continue;
            }
        }
        assert!(state.is_up(), "{code:#x}: {state}");
        assert_eq!(*pool.sign_now(b"second").unwrap(), *b"second", "{code:#x}");
    }
}

#[test]
fn a_session_that_is_lost_twice_is_not_opened_a_third_time() {
    let script = Script::default();
    let pool = script.pool(config(1, 1, DispatchChoice::Inline));
    script.sign_fails(0xB3);
    script.sign_fails(0xB3);
    assert!(matches!(pool.sign_now(b"first"), Err(SignError::Failed { .. })));
    assert!(pool.wait_while_recovering(PATIENCE).is_up());
    assert_eq!((script.count("reopen"), script.count("connect")), (1, 2));
}

#[test]
fn recovery_goes_on_until_it_succeeds_and_refuses_meanwhile() {
    let script = Script::default();
    let pool = script.pool(config(2, 2, DispatchChoice::Threads));
    for _ in 0..5 {
        lock(&script.connects).push_back(failed(0xE0, CFunction::LOGIN));
    }
    script.sign_fails(0x32);
    let Err(SignError::Failed { reason }) = pool.sign_now(b"first") else { panic!("it should have failed") };
    assert_eq!(reason.to_string(), "C_Sign returned CKR_DEVICE_REMOVED");
    assert!(pool.wait_while_recovering(PATIENCE).is_up());
    assert_eq!(script.count("connect"), 1 + 5 + 1);
    assert_eq!(pool.counters().recoveries, 1);
    assert_eq!(*pool.sign_now(b"second").unwrap(), *b"second");
}

#[test]
fn a_refused_pin_is_tried_once_and_again_only_when_a_person_asks() {
    let script = Script::default();
    let pool = script.pool(config(1, 1, DispatchChoice::Inline));
    lock(&script.connects).push_back(failed(0xA0, CFunction::LOGIN));
    script.sign_fails(0x101);
    pool.sign_now(b"first").unwrap_err();
    let state = pool.wait_while_recovering(PATIENCE);
    assert!(matches!(state, PoolState::Down { .. }), "{state}");
    assert!(state.to_string().contains("C_Login returned CKR_PIN_INCORRECT"), "{state}");
    assert!(matches!(pool.sign_now(b"second"), Err(SignError::Unavailable { .. })));
    assert_eq!(script.count("connect"), 2);
    pool.retry();
    let deadline = std::time::Instant::now() + PATIENCE;
    while !pool.state().is_up() {
        assert!(std::time::Instant::now() < deadline, "{}", pool.state());
        std::thread::yield_now();
    }
    assert_eq!(*pool.sign_now(b"third").unwrap(), *b"third");
}

#[test]
fn a_signature_of_the_wrong_length_takes_the_pool_through_recovery() {
    let script = Script::default();
    let pool = script.pool(config(1, 1, DispatchChoice::Inline));
    let algorithm = crate::KeyAlgorithm::EcdsaP256;
    script.sign(move || Err(HsmError::SignatureForm { algorithm, expected: 64, found: 3 }));
    pool.sign_now(b"first").unwrap_err();
    assert!(pool.wait_while_recovering(PATIENCE).is_up());
    assert_eq!(script.count("connect"), 2);
}

#[test]
fn panics_in_sessions_and_callbacks_poison_nothing() {
    for dispatch in [DispatchChoice::Inline, DispatchChoice::Threads] {
        let script = Script::default();
        let pool = script.pool(config(1, 4, dispatch));
        script.sign(|| panic!("a session's panic, wanted by this test"));
        let Err(SignError::Failed { reason }) = pool.sign_now(b"first") else {
            panic!("it should have failed")
        };
        assert!(matches!(*reason, HsmError::Panicked));
        assert!(pool.wait_while_recovering(PATIENCE).is_up());
        assert_eq!(*pool.sign_now(b"second").unwrap(), *b"second");
        if dispatch == DispatchChoice::Threads {
            pool.submit(Vec::new(), |_| panic!("a callback's panic, wanted by this test")).unwrap();
            assert_eq!(*pool.sign_now(b"third").unwrap(), *b"third");
        }
    }
}

#[test]
fn a_session_from_before_a_recovery_never_signs_again() {
    let script = Script::default();
    let pool = script.pool(config(2, 2, DispatchChoice::Threads));
    let (has_begun, finish) = stall(&script);
    let stalled = submit(&pool, b"stalls");
    has_begun.recv_timeout(PATIENCE).unwrap();
    script.sign_fails(0x30);
    submit(&pool, b"fails").recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(pool.wait_while_recovering(PATIENCE).is_up());
    finish.send(()).unwrap();
    // Its signature is good; the session is not put back.
    stalled.recv_timeout(PATIENCE).unwrap().unwrap();
    for _ in 0..20 {
        pool.sign_now(b"next").unwrap();
    }
    assert_eq!(pool.core.free_sessions(), 2);
}

#[test]
fn requests_that_wait_when_the_pool_is_dropped_are_answered() {
    let script = Script::default();
    let mut limits = config(1, 2, DispatchChoice::Threads);
    limits.deadline = PATIENCE;
    let pool = script.pool(limits);
    let (has_begun, finish) = stall(&script);
    let stalled = submit(&pool, b"stalls");
    has_begun.recv_timeout(PATIENCE).unwrap();
    let waiting = submit(&pool, b"waits");
    std::thread::scope(|scope| {
        let core = Arc::clone(&pool.core);
        scope.spawn(move || drop(pool));
        while !core.is_stopping.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        finish.send(()).unwrap();
    });
    stalled.recv_timeout(PATIENCE).unwrap().unwrap();
    assert!(matches!(waiting.recv_timeout(PATIENCE).unwrap(), Err(SignError::Stopped)));
}

/// One of each of three sessions, which are taken in turn.
fn three(pool: &SigningPool) -> Vec<Signature> {
    (0..3).map(|_| pool.sign_now(b"message").unwrap()).collect()
}

fn firsts(signatures: &[Signature]) -> usize {
    signatures.iter().filter(|signature| signature.is_first_of_session()).count()
}

fn verified(signatures: &[Signature]) {
    signatures.iter().for_each(Signature::was_verified);
}

#[test]
fn a_signature_is_first_until_one_of_its_session_was_verified() {
    const CKR_SESSION_HANDLE_INVALID: u64 = 0xB3;
    for choice in [DispatchChoice::Inline, DispatchChoice::Threads] {
        let script = Script::default();
        let pool = script.pool(config(3, 2, choice));
        // Whoever asked for them went away.
        assert_eq!(firsts(&three(&pool)), 3);
        let (before, beside) = (three(&pool), three(&pool));
        verified(&before);
        assert_eq!(firsts(&beside), 3, "made before it was known that the session is good");
        assert_eq!(firsts(&three(&pool)), 0);
        // One session of three is lost: it alone has to prove itself, and no other can for it.
        script.sign_fails(CKR_SESSION_HANDLE_INVALID);
        let signatures = three(&pool);
        assert_eq!(firsts(&signatures), 1);
        signatures
            .iter()
            .filter(|signature| !signature.is_first_of_session())
            .for_each(Signature::was_verified);
        let signatures = three(&pool);
        assert_eq!(firsts(&signatures), 1);
        verified(&signatures);
        assert_eq!(firsts(&three(&pool)), 0);
        // It is the pool's own look that finds it lost.
        lock(&script.probes).push_back(failed(CKR_SESSION_HANDLE_INVALID, CFunction::SIGN));
        pool.core.probe(super::core::Probe::Look);
        let signatures = three(&pool);
        assert_eq!(firsts(&signatures), 1);
        verified(&signatures);
        // One that does not verify.
        pool.distrust();
        assert!(pool.wait_while_recovering(PATIENCE).is_up());
        assert_eq!(firsts(&three(&pool)), 3);
    }
}

#[test]
fn signatures_are_first_again_after_a_login() {
    for choice in [DispatchChoice::Inline, DispatchChoice::Threads] {
        let script = Script::default();
        let pool = script.pool(config(3, 2, choice));
        verified(&three(&pool));
        script.logins.fetch_add(1, Ordering::SeqCst);
        let signatures = three(&pool);
        assert_eq!(firsts(&signatures), 3);
        verified(&signatures);
        // In the middle of a signature, which nobody can tell the login of.
        let logins = Arc::clone(&script.logins);
        script.sign(move || {
            logins.fetch_add(1, Ordering::SeqCst);
            Ok(Vec::new())
        });
        let signatures = three(&pool);
        assert_eq!(firsts(&signatures), 3);
        verified(&signatures);
        assert_eq!(firsts(&three(&pool)), 1, "it spoke for neither");
    }
}
