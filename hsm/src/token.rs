//! A token that we are logged in to, and the keys in it.
//!
//! The login belongs to the process and lasts as long as one session is open, so one session is kept open for nothing
//! else. When it is found lost, the next operation logs in again; a PIN that was refused once is never tried again, for
//! tokens lock after a few wrong PINs, and a server that tries again by itself would lock its own.

use std::sync::{Arc, Mutex};

use cryptoki::error::RvError;
use cryptoki::session::SessionState;

use crate::algorithm::KeyAlgorithm;
use crate::error::{CallFailed, HsmError, KeyQuery};
use crate::key::{KeyId, KeyInfo, SlotId};
use crate::loaded::{OpenSession, lock};
use crate::module::{Module, StoreHealth, TokenInfo};
use crate::pin::{PinError, PinKeeper, PinTries};
use crate::pool::{DispatchChoice, PoolConfig, SigningPool, TokenSource};
use crate::signature::SigningPlan;
use crate::uri::Pkcs11Uri;

mod attributes;
mod generate;
mod objects;
mod utc_time;

pub use utc_time::TokenTime;

pub(crate) use objects::{FoundKey, copy_into_session};

/// A logged-in token. Clones share the login.
#[derive(Debug, Clone)]
pub struct Token {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    module: Module,
    /// What was asked for, and the label, serial number, manufacturer and model of what was found.
    wanted: Pkcs11Uri,
    label: String,
    pin: PinKeeper,
    login: Mutex<Login>,
}

#[derive(Debug, Default)]
struct Login {
    /// Held open so that the login lasts.
    session: Option<LoginSession>,
    refused: Option<(PinTries, CallFailed)>,
}

#[derive(Debug)]
struct LoginSession {
    session: OpenSession,
    slot: SlotId,
    is_login_required: bool,
}

impl Token {
    pub(crate) fn open(module: Module, wanted: &Pkcs11Uri, pin: PinKeeper) -> Result<Self, HsmError> {
        let found = module.find_token(wanted)?;
        let wanted = Pkcs11Uri { slot_id: wanted.slot_id, ..found.uri() };
        let shared = Shared { module, wanted, label: found.label, pin, login: Mutex::default() };
        let token = Self { shared: Arc::new(shared) };
        token.log_in()?;
        Ok(token)
    }

    /// What the token says of itself now.
    ///
    /// # Errors
    /// [`HsmError::TokenMissing`] if it has been removed, or the module's own.
    pub fn info(&self) -> Result<TokenInfo, HsmError> {
        self.shared.module.find_token(&self.shared.wanted)
    }

    /// See [`Module::store_health`].
    #[must_use]
    pub fn store_health(&self) -> StoreHealth {
        self.shared.module.store_health()
    }

    /// All private keys of the kinds that we sign with.
    ///
    /// # Errors
    /// The module's own.
    pub fn keys(&self) -> Result<Vec<KeyInfo>, HsmError> {
        let (session, _) = self.session(false)?;
        objects::all_keys(&session)
    }

    /// The one private key with this CKA_ID.
    ///
    /// # Errors
    /// [`HsmError::KeyMissing`], [`HsmError::KeyAmbiguous`], [`HsmError::KeyUnsupported`],
    /// [`HsmError::PublicKeyUnreadable`], or the module's own.
    pub fn find(&self, id: &KeyId) -> Result<KeyInfo, HsmError> {
        self.find_by(&KeyQuery::Id(id.clone()))
    }

    /// The one private key that matches the URI's `id` and `object`.
    ///
    /// # Errors
    /// As [`Token::find`].
    pub fn find_uri(&self, uri: &Pkcs11Uri) -> Result<KeyInfo, HsmError> {
        self.find_by(&KeyQuery::Uri(uri.clone()))
    }

    /// Whether the token can generate keys of this kind and sign with them.
    ///
    /// # Errors
    /// [`HsmError::MechanismMissing`] names what it lacks; or the module's own.
    pub fn check_mechanisms(&self, algorithm: KeyAlgorithm) -> Result<(), HsmError> {
        let (_session, slot) = self.session(false)?;
        let present = self.shared.module.mechanism_types(slot)?;
        let missing =
            |mechanism| HsmError::MechanismMissing { label: self.shared.label.clone(), mechanism, algorithm };
        let generation = &algorithm.row().generation;
        if !present.contains(&generation.kind) {
            return Err(missing(generation.name));
        }
        SigningPlan::choose(algorithm, &present).map(drop).map_err(missing)
    }

    /// Generates a key pair in the token: sensitive, not extractable, for signing only.
    ///
    /// # Errors
    /// [`HsmError::KeyExists`], [`HsmError::MechanismMissing`], [`HsmError::KeyUnprotected`] (the key is destroyed again),
    /// or the module's own.
    pub fn generate(&self, algorithm: KeyAlgorithm, id: &KeyId, label: &str) -> Result<KeyInfo, HsmError> {
        self.check_mechanisms(algorithm)?;
        let (session, _) = self.session(true)?;
        let _one_at_a_time = lock(&self.shared.module.loaded().generating);
        if objects::id_is_taken(&session, id)? {
            return Err(HsmError::KeyExists { label: self.shared.label.clone(), id: id.clone() });
        }
        generate::key_pair(&session, algorithm, id, label)?;
        let made =
            objects::find_one(&session, &self.shared.label, &KeyQuery::Id(id.clone()))?.info(&session)?;
        if made.attributes.is_for_signing_only() {
            Ok(made)
        } else {
            objects::destroy(&session, id)?;
            Err(HsmError::KeyUnprotected { label: self.shared.label.clone(), id: id.clone() })
        }
    }

    /// Destroys both halves of a key pair, and what copies of it sessions of this process hold.
    ///
    /// # Errors
    /// [`HsmError::KeyMissing`], [`HsmError::KeyAmbiguous`], or the module's own.
    pub fn destroy(&self, id: &KeyId) -> Result<(), HsmError> {
        let (session, _) = self.session(true)?;
        objects::find_one(&session, &self.shared.label, &KeyQuery::Id(id.clone()))?;
        objects::destroy(&session, id)
    }

    /// One signature with the token object, without a pool: for certificates, requests and revocation lists.
    ///
    /// # Errors
    /// As [`Token::find`], and [`HsmError::SignatureForm`].
    pub fn sign_once(&self, id: &KeyId, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        let (session, slot) = self.session(false)?;
        let key = objects::find_one(&session, &self.shared.label, &KeyQuery::Id(id.clone()))?;
        let plan = self.signing_plan(slot, key.algorithm)?;
        plan.sign(message, |step, input| {
            session.call(|session| session.sign(&(step.mechanism)(), key.private, input))
        })
    }

    /// Opens a pool of sessions that sign with one key, after checking that it is the expected one.
    ///
    /// # Errors
    /// As [`Token::find`], [`HsmError::KeyReplaced`] if its public key is not `expected_spki_der`,
    /// [`HsmError::TestSignatureInvalid`], [`HsmError::Thread`].
    pub fn signing_pool(
        &self,
        id: &KeyId,
        expected_spki_der: &[u8],
        config: PoolConfig,
    ) -> Result<SigningPool, HsmError> {
        let is_embedded = self.shared.module.prefers_session_copies();
        let copies = config.session_copies.unwrap_or(is_embedded);
        let mut config = config;
        if config.dispatch == DispatchChoice::Auto && !is_embedded {
            // A device, or the network before it, may hang: then its own threads do, and nobody else's.
            config.dispatch = DispatchChoice::Threads;
        }
        let source = TokenSource::new(
            self.clone(),
            id.clone(),
            expected_spki_der.to_vec(),
            copies,
            config.holds_module,
        );
        SigningPool::with_source(source, config)
    }

    /// Lets a PIN that was refused be tried once more.
    pub(crate) fn forgive_pin(&self) {
        lock(&self.shared.login).refused = None;
    }

    pub(crate) fn module(&self) -> &Module {
        &self.shared.module
    }

    pub(crate) fn find_object(&self, session: &OpenSession, id: &KeyId) -> Result<FoundKey, HsmError> {
        objects::find_one(session, &self.shared.label, &KeyQuery::Id(id.clone()))
    }

    pub(crate) fn signing_plan(
        &self,
        slot: SlotId,
        algorithm: KeyAlgorithm,
    ) -> Result<SigningPlan, HsmError> {
        let present = self.shared.module.mechanism_types(slot)?;
        SigningPlan::choose(algorithm, &present).map_err(|mechanism| HsmError::MechanismMissing {
            label: self.shared.label.clone(),
            mechanism,
            algorithm,
        })
    }

    /// A session that is logged in, and its slot.
    pub(crate) fn session(&self, writable: bool) -> Result<(OpenSession, SlotId), HsmError> {
        let slot = self.log_in()?;
        Ok((self.shared.module.open_session(slot, writable)?, slot))
    }

    fn find_by(&self, query: &KeyQuery) -> Result<KeyInfo, HsmError> {
        let (session, _) = self.session(false)?;
        objects::find_one(&session, &self.shared.label, query)?.info(&session)
    }

    /// Makes sure that the module is initialised and the user logged in; where the token is now.
    fn log_in(&self) -> Result<SlotId, HsmError> {
        let mut login = lock(&self.shared.login);
        if let Some(held) = &login.session
            && let Ok(info) = held.session.call(|session| session.get_session_info())
            && (!held.is_login_required
                || matches!(info.session_state(), SessionState::RoUser | SessionState::RwUser))
        {
            return Ok(held.slot);
        }
        login.session = None;
        match self.open_login_session(&mut login) {
            Err(error) if error.is_not_initialised() => {
                self.shared.module.loaded().revive()?;
                self.open_login_session(&mut login)
            }
            result => result,
        }
    }

    fn open_login_session(&self, login: &mut Login) -> Result<SlotId, HsmError> {
        let refusal =
            |(tries, source)| HsmError::PinRefused { label: self.shared.label.clone(), tries, source };
        if let Some(refused) = login.refused {
            return Err(refusal(refused));
        }
        let info = self.info()?;
        let session = self.shared.module.open_session(info.slot, false)?;
        if info.is_login_required {
            let unreadable = |source: PinError| HsmError::PinUnreadable {
                label: self.shared.label.clone(),
                source: source.into(),
            };
            let pin = self.shared.pin.to_auth_pin().map_err(unreadable)?;
            match session.log_in(&pin) {
                Ok(()) => {}
                Err(HsmError::Call(call)) if call.is(RvError::UserAlreadyLoggedIn) => {}
                Err(HsmError::Call(call)) if call.is_about_the_pin() => {
                    let tries = self.tries_left(&call);
                    login.refused = Some((tries, call));
                    return Err(refusal((tries, call)));
                }
                Err(error) => return Err(error),
            }
        }
        login.session =
            Some(LoginSession { session, slot: info.slot, is_login_required: info.is_login_required });
        Ok(info.slot)
    }

    fn tries_left(&self, call: &CallFailed) -> PinTries {
        if call.is(RvError::PinLocked) {
            PinTries::Locked
        } else if call.is(RvError::PinExpired) || call.is(RvError::UserPinNotInitialized) {
            PinTries::NotSet
        } else {
            self.info().map_or(PinTries::Unknown, |info| info.pin_tries)
        }
    }
}
