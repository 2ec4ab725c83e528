//! A signer that counts its calls and fails as it is told to, and else signs with the TSU's own key.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use attestamp::tokens::log_in;
use attestamp_hsm::{
    CFunction, CallFailed, DispatchChoice, HsmError, KeyId, PoolConfig, ReturnCode, SessionSource,
    SigningPool, SigningSession, Token,
};

use crate::harness::{Fixture, PATIENCE};

type Step = Box<dyn FnOnce() -> Result<(), HsmError> + Send>;

/// The signer. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Signer {
    token: Arc<Token>,
    key: KeyId,
    calls: Arc<AtomicUsize>,
    steps: Arc<Mutex<VecDeque<Step>>>,
    connections: Arc<Mutex<VecDeque<HsmError>>>,
}

impl Signer {
    /// Puts such a signer in the place of the TSU's.
    pub(crate) fn of(fixture: &Fixture, tsu: &str, config: PoolConfig) -> (Self, Arc<SigningPool>) {
        let all = fixture.place.config();
        let token = Arc::new(log_in("main", &all.tokens["main"]).unwrap());
        let key = token.find_uri(&all.tsus[tsu].key).unwrap().id;
        let signer =
            Self { token, key, calls: Arc::default(), steps: Arc::default(), connections: Arc::default() };
        let pool = Arc::new(SigningPool::with_source(signer.clone(), config).unwrap());
        fixture.authority.dangerous_replace_signer(tsu, Arc::clone(&pool));
        signer.calls.store(0, Ordering::SeqCst);
        (signer, pool)
    }

    /// How often it was called since its start, to connect or to sign.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The next signature fails so.
    pub(crate) fn fails(&self, error: HsmError) {
        self.step(move || Err(error));
    }

    /// The next connection fails so.
    pub(crate) fn refuses_to_connect(&self, error: HsmError) {
        self.connections.lock().unwrap().push_back(error);
    }

    /// The next signature says that it has begun, and waits until it may go on or nobody can say so any more.
    pub(crate) fn stalls(&self) -> Stall {
        let ((began, begun), (release, released)) = (mpsc::channel(), mpsc::channel());
        self.step(move || {
            began.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        });
        Stall { begun, _release: release }
    }

    /// The next signature takes so long by the fixture's clock.
    pub(crate) fn takes(&self, fixture: &Fixture, duration: Duration) {
        let time = Arc::clone(&fixture.time);
        self.step(move || {
            time.advance(duration);
            Ok(())
        });
    }

    fn step(&self, step: impl FnOnce() -> Result<(), HsmError> + Send + 'static) {
        self.steps.lock().unwrap().push_back(Box::new(step));
    }
}

/// A signature that waits until this is dropped.
pub(crate) struct Stall {
    begun: mpsc::Receiver<()>,
    _release: mpsc::Sender<()>,
}

impl Stall {
    /// Waits until the signature has begun.
    pub(crate) fn begun(&self) {
        self.begun.recv_timeout(PATIENCE).unwrap();
    }
}

impl SessionSource for Signer {
    fn connect(&self, count: NonZeroUsize) -> Result<Vec<Box<dyn SigningSession>>, HsmError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let refusal = self.connections.lock().unwrap().pop_front();
        refusal.map_or_else(
            || Ok((0..count.get()).map(|_| -> Box<dyn SigningSession> { Box::new(self.clone()) }).collect()),
            Err,
        )
    }
}

impl SigningSession for Signer {
    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let step = self.steps.lock().unwrap().pop_front();
        step.map_or(Ok(()), |step| step())?;
        self.token.sign_once(&self.key, message)
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// What `C_Sign` returned (PKCS#11's number).
pub(crate) fn ckr(number: u64) -> HsmError {
    CallFailed { code: ReturnCode::from_number(number).unwrap(), function: CFunction::SIGN }.into()
}

/// On the caller's thread.
pub(crate) fn inline() -> PoolConfig {
    config(DispatchChoice::Inline, PATIENCE)
}

/// On one thread, with room for one more to wait.
pub(crate) fn one_thread(deadline: Duration) -> PoolConfig {
    config(DispatchChoice::Threads, deadline)
}

fn config(dispatch: DispatchChoice, deadline: Duration) -> PoolConfig {
    PoolConfig {
        sessions: NonZeroUsize::MIN,
        queue_length: 1,
        dispatch,
        deadline,
        backoff_minimum: Duration::from_millis(1),
        backoff_maximum: Duration::from_millis(4),
        ..PoolConfig::default()
    }
}
