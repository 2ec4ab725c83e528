//! Where a pool's sessions come from: a token, or a test that stands in for one.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cryptoki::object::{AttributeType, ObjectHandle};
use tracing::warn;

use crate::algorithm::SignatureScheme;
use crate::error::{HsmError, Remedy};
use crate::key::{KeyId, SlotId};
use crate::loaded::OpenSession;
use crate::signature::{SigningPlan, verifies};
use crate::token::{Token, copy_into_session};

/// What the test signature signs. It begins with no tag that a certificate, a revocation list or CMS's signed
/// attributes begin with, so that it cannot be taken for any of them.
pub(crate) const TEST_MESSAGE: &[u8] = b"attestamp: test signature of a signing pool";
/// After this many failed attempts in a row the library is given a restart.
const ATTEMPTS_BEFORE_RESTART: u32 = 3;

/// Makes the sessions of a pool.
pub trait SessionSource: Send + Sync + 'static {
    /// Starts from the very beginning (module, login, key, checks) and opens this many sessions.
    ///
    /// # Errors
    /// Whatever is wrong; [`HsmError::remedy`] says whether it is worth another attempt.
    fn connect(&self, count: NonZeroUsize) -> Result<Vec<Box<dyn SigningSession>>, HsmError>;

    /// A person says that the cause of a failure was put right: a PIN that was refused may be tried once more.
    fn forgive(&self) {}
}

/// One session that signs with the pool's key.
pub trait SigningSession: Send {
    /// Signs the message; the signature is in the form that X.509 and CMS carry.
    ///
    /// # Errors
    /// Whatever is wrong; [`HsmError::remedy`] says what the pool does about it.
    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, HsmError>;

    /// Looks whether the key is still there, without signing; nothing where there is no such thing.
    ///
    /// # Errors
    /// Whatever is wrong.
    fn probe(&mut self) -> Result<(), HsmError> {
        Ok(())
    }

    /// Signs something of the pool's own and verifies it; nothing where there is no such thing.
    ///
    /// # Errors
    /// Whatever is wrong.
    fn probe_signature(&mut self) -> Result<(), HsmError> {
        Ok(())
    }

    /// Opens the session again after it was lost, with everything else as it was.
    ///
    /// # Errors
    /// Whatever is wrong; then the pool starts from the beginning.
    fn reopen(&mut self) -> Result<(), HsmError>;

    /// Counts the times that a user was logged in; another number says that it may be another login under which the session
    /// signs than before. Always the same where there is no such thing.
    fn login(&self) -> u64 {
        0
    }

    /// Closes the session without noting it, for tests of recovery; nothing where there is no such thing.
    #[doc(hidden)]
    fn dangerous_lose(&mut self) {}
}

/// Sessions of a token.
pub(crate) struct TokenSource {
    token: Token,
    id: KeyId,
    expected_spki_der: Vec<u8>,
    use_copies: bool,
    holds_module: bool,
    is_counted_up: AtomicBool,
    failed_attempts: AtomicU32,
}

impl TokenSource {
    pub(crate) fn new(
        token: Token,
        id: KeyId,
        expected_spki_der: Vec<u8>,
        use_copies: bool,
        holds_module: bool,
    ) -> Self {
        let (is_counted_up, failed_attempts) = (AtomicBool::new(false), AtomicU32::new(0));
        Self { token, id, expected_spki_der, use_copies, holds_module, is_counted_up, failed_attempts }
    }

    fn count_up(&self, is_up: bool) {
        if self.holds_module && self.is_counted_up.swap(is_up, Ordering::SeqCst) != is_up {
            let pools_up = &self.token.module().loaded().pools_up;
            if is_up {
                pools_up.fetch_add(1, Ordering::SeqCst);
            } else {
                pools_up.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    fn open(&self, count: NonZeroUsize) -> Result<Vec<Box<dyn SigningSession>>, HsmError> {
        let (owner, slot) = self.token.session(false)?;
        let found = self.token.find_object(&owner, &self.id)?;
        if found.spki_der(&owner)? != self.expected_spki_der {
            return Err(HsmError::KeyReplaced { id: self.id.clone() });
        }
        let key = if self.use_copies { copy_into_session(&owner, found.private)? } else { found.private };
        let plan = self.token.signing_plan(slot, found.algorithm)?;
        let key_in_use = Arc::new(KeyInUse {
            id: self.id.clone(),
            spki_der: self.expected_spki_der.clone(),
            scheme: found.algorithm.scheme(),
            plan,
        });
        // The copy lives as long as the session that made it, so that session is the first of the pool's no matter
        // which of them is closed last.
        let owner = Arc::new(std::sync::Mutex::new(owner));
        let mut sessions: Vec<Box<dyn SigningSession>> = Vec::with_capacity(count.get());
        for _ in 0..count.get() {
            let (session, slot) = self.token.session(false)?;
            let (in_use, owner) = (Arc::clone(&key_in_use), Arc::clone(&owner));
            sessions.push(Box::new(TokenSession { session, slot, key, in_use, _owner: owner }));
        }
        if let Some(first) = sessions.first_mut() {
            first.probe_signature()?;
        }
        Ok(sessions)
    }
}

impl SessionSource for TokenSource {
    fn connect(&self, count: NonZeroUsize) -> Result<Vec<Box<dyn SigningSession>>, HsmError> {
        self.count_up(false);
        let opened = self.open(count);
        match &opened {
            Ok(_) => {
                self.failed_attempts.store(0, Ordering::Relaxed);
                self.count_up(true);
            }
            Err(error) if error.remedy() == Remedy::StayDown => {}
            Err(_) => {
                let failed = self.failed_attempts.fetch_add(1, Ordering::Relaxed) + 1;
                if failed.is_multiple_of(ATTEMPTS_BEFORE_RESTART) {
                    let restarted = self.token.module().loaded().restart_if_idle();
                    if let Err(error) = restarted {
                        warn!(%error, "the PKCS#11 module cannot be started again");
                    }
                }
            }
        }
        opened
    }

    fn forgive(&self) {
        self.token.forgive_pin();
    }
}

impl Drop for TokenSource {
    fn drop(&mut self) {
        self.count_up(false);
    }
}

/// What all sessions of a pool know of its key.
struct KeyInUse {
    id: KeyId,
    spki_der: Vec<u8>,
    scheme: SignatureScheme,
    plan: SigningPlan,
}

struct TokenSession {
    session: OpenSession,
    slot: SlotId,
    key: ObjectHandle,
    in_use: Arc<KeyInUse>,
    /// Keeps the copy of the key, if it is one.
    _owner: Arc<std::sync::Mutex<OpenSession>>,
}

impl SigningSession for TokenSession {
    fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        let Self { session, key, in_use, .. } = self;
        in_use.plan.sign(message, |step, input| {
            session.call(|session| session.sign(&(step.mechanism)(), *key, input))
        })
    }

    fn probe(&mut self) -> Result<(), HsmError> {
        let key = self.key;
        let read = self.session.call(|session| session.get_attributes(key, &[AttributeType::Id]));
        read.map(drop)
    }

    fn probe_signature(&mut self) -> Result<(), HsmError> {
        let signature = self.sign(TEST_MESSAGE)?;
        let KeyInUse { id, spki_der, scheme, .. } = &*self.in_use;
        if verifies(*scheme, spki_der, TEST_MESSAGE, &signature) {
            Ok(())
        } else {
            Err(HsmError::TestSignatureInvalid { id: id.clone() })
        }
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        self.session = self.session.another(self.slot)?;
        Ok(())
    }

    fn login(&self) -> u64 {
        self.session.logins()
    }

    fn dangerous_lose(&mut self) {
        self.session.dangerous_close();
    }
}
