//! A session that is lent to a request, and what is known of it: whether one of its signatures was verified.
//!
//! A module that fails may return CKR_OK and rubbish, and most likely does where something has just changed: in the first
//! signatures of a session that was opened, or whose user was logged in, a moment ago. The pool cannot verify them, for what
//! is signed is a part of something that its caller alone knows. So it says of each signature whether one of its session's
//! was verified before, and is told when one was. What nobody speaks for stays unproved: a caller that went away in between
//! leaves the next signature of the session to be the first.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::source::SigningSession;
use crate::error::HsmError;

/// A signature, in the form that X.509 and CMS carry, and what is known of the session that made it.
pub struct Signature {
    octets: Vec<u8>,
    /// `None` if one of the session's was verified before this one was made.
    unproved: Option<Proof>,
}

impl Signature {
    /// Whether none of the session's signatures was known to be good when this one was made, since the session was opened and
    /// its user logged in. Several are first where several are made before one was verified.
    #[must_use]
    pub fn is_first_of_session(&self) -> bool {
        self.unproved.is_some()
    }

    /// The signature was verified and is good. Of one that is not, the pool is told by [`super::SigningPool::distrust`].
    pub fn was_verified(&self) {
        if let Some(proof) = &self.unproved {
            proof.give();
        }
    }

    /// Its octets alone.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        self.octets
    }
}

impl Deref for Signature {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.octets
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Signature")
            .field("length", &self.octets.len())
            .field("is_first_of_session", &self.is_first_of_session())
            .finish()
    }
}

/// Whether a signature of a session was verified.
#[derive(Debug, Clone, Default)]
struct Proof(Arc<AtomicBool>);

impl Proof {
    fn is_given(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn give(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A session, and what it belongs to.
pub(super) struct Lease {
    pub(super) session: Box<dyn SigningSession>,
    pub(super) number: usize,
    /// The recovery that made it.
    pub(super) generation: u64,
    /// The login under which `proof` was given or is to be.
    login: u64,
    proof: Proof,
}

impl Lease {
    /// A session that was opened a moment ago.
    pub(super) fn new(session: Box<dyn SigningSession>, number: usize, generation: u64) -> Self {
        let login = session.login();
        Self { session, number, generation, login, proof: Proof::default() }
    }

    pub(super) fn sign(&mut self, message: &[u8]) -> Result<Signature, HsmError> {
        self.notice_login();
        let is_proved = self.proof.is_given();
        let octets = self.session.sign(message)?;
        // Somebody logged in meanwhile: whether before or after the signature, nobody knows. It speaks for neither login.
        let unproved = if self.notice_login() {
            Some(Proof::default())
        } else {
            (!is_proved).then(|| self.proof.clone())
        };
        Ok(Signature { octets, unproved })
    }

    /// Opens the session again; nothing that was known of it holds any more.
    pub(super) fn reopen(&mut self) -> Result<(), HsmError> {
        self.proof = Proof::default();
        self.session.reopen()
    }

    /// Whether the user was logged in anew since it was last looked at; then the session has to prove itself again.
    fn notice_login(&mut self) -> bool {
        let login = self.session.login();
        let is_new = login != self.login;
        if is_new {
            self.login = login;
            self.proof = Proof::default();
        }
        is_new
    }
}
