//! One key of a TSU, in one token: its certificate, what is constant in its tokens, and the pool that signs with it.
//!
//! The certificate is a file and is there from the start. The key is in a token that may be away: a signer begins when its
//! token can be reached, after the same checks at whatever time that is, and a TSU with several begins with those that can.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use attestamp_attestation::Shortcoming;
use attestamp_certs::UnixTime;
use attestamp_hsm::{
    Dispatch, DispatchChoice, HsmError, KeyAlgorithm, ModuleSource, PoolConfig, Remedy, SignError, Signature,
    SigningPool, StoreHealth, Token,
};
use attestamp_ledger::Hash;
use attestamp_tsa::{Profile, TimeStampToken, TokenTemplate};
use tokio::sync::oneshot;

use super::choice::Record;
use super::self_check::{self, SelfCheckFailed};
use super::turns::{self, TooMany, Turns};
use super::{CertificateChain, SignFault, TsuError, check_certificate, check_life, self_test};
use crate::attestation::claims::key_claims;
use crate::clock::ClockGate;
use crate::config::signers::{SelfCheckMode, SignerConfig};
use crate::config::{Config, TsuConfig};
use crate::metrics::SignerMetrics;
use crate::tokens::Tokens;

/// A signer.
#[derive(Debug)]
pub struct Signer {
    config: SignerConfig,
    chain: CertificateChain,
    /// SHA-256 of the certificate, which the ledger has with each token.
    certificate_hash: Hash,
    self_check: SelfCheckMode,
    running: OnceLock<Signing>,
    /// Why it has not begun.
    waits: Mutex<Option<Waiting>>,
    pub(super) record: Record,
    metrics: Arc<SignerMetrics>,
    /// Whether one of its finished tokens was verified. Its certificate may be newer than the sessions of its pool.
    is_checked: AtomicBool,
}

/// Why a signer has not begun.
#[derive(Debug, Clone)]
struct Waiting {
    reason: String,
    /// Trying again by itself would lock a PIN.
    for_a_person: bool,
}

/// What there is once the token was reached.
#[derive(Debug, Clone)]
pub(super) struct Signing {
    pub(super) token: Arc<Token>,
    pub(super) algorithm: KeyAlgorithm,
    pub(super) template: TokenTemplate,
    pub(super) pool: Arc<SigningPool>,
    /// What the pool was configured as.
    limits: PoolConfig,
    /// How long the signature of the self-test took; zero where none was made.
    pub(super) duration: Duration,
    /// What the token does not say of the key; empty unless the operator accepts that.
    pub(super) shortcomings: Vec<Shortcoming>,
    /// Where signatures are made on the threads that serve requests: who waits for one.
    turns: Option<Arc<Turns>>,
}

/// What beginning needs of its surroundings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning<'a> {
    pub(super) name: &'a str,
    pub(super) config: &'a TsuConfig,
    pub(super) all: &'a Config,
    pub(super) clock: &'a ClockGate,
    pub(super) now: UnixTime,
}

impl Signer {
    pub(super) fn new(
        config: &SignerConfig,
        chain: CertificateChain,
        tsu: &TsuConfig,
        metrics: Arc<SignerMetrics>,
    ) -> Self {
        Self {
            config: config.clone(),
            certificate_hash: Hash::of(chain.leaf().der()),
            chain,
            self_check: tsu.signers.self_check,
            running: OnceLock::new(),
            waits: Mutex::new(None),
            record: Record::new(tsu.signers.return_after, Instant::now()),
            metrics,
            is_checked: AtomicBool::new(false),
        }
    }

    /// Reaches for the token and checks everything that the signer rests on; keeps the pool of `before` if key and pool are
    /// the same.
    pub(super) fn begin(
        &self,
        beginning: &Beginning<'_>,
        tokens: &mut Tokens,
        before: Option<&Self>,
    ) -> Result<(), TsuError> {
        let signing = self.prepare(beginning, tokens, before).inspect_err(|error| {
            let waiting =
                Waiting { reason: crate::log::chain(error), for_a_person: !is_worth_another_try(error) };
            *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = Some(waiting);
        })?;
        let _ = self.running.set(signing);
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn prepare(
        &self,
        beginning: &Beginning<'_>,
        tokens: &mut Tokens,
        before: Option<&Self>,
    ) -> Result<Signing, TsuError> {
        let Beginning { name, config, all, clock, now } = *beginning;
        let token = tokens.open(&all.tokens, &self.config.token)?;
        let known =
            before.filter(|before| before.config == self.config).and_then(Self::signing).filter(|known| {
                Arc::ptr_eq(&known.token, &token)
                    && before
                        .is_some_and(|before| before.chain.leaf().spki_der() == self.chain.leaf().spki_der())
            });
        let limits = pool_config(config, &self.config, all);
        let same = known.filter(|known| known.limits == limits);
        // A module that hangs would not say more of the key than it said before.
        if let Some(known) = same.filter(|known| known.pool.state().is_stalled()) {
            let template = TokenTemplate::new(
                &config.profile,
                self.chain.for_tokens(),
                super::signature_algorithm(known.algorithm.scheme()),
            )?;
            return Ok(Signing { template, ..known.clone() });
        }
        let key = {
            let (token, uri) = (Arc::clone(&token), self.config.key.clone());
            tokens.ask(&self.config.token, move || token.find_uri(&uri))??
        };
        if key.spki_der != self.chain.leaf().spki_der() {
            return Err(TsuError::KeyMismatch {
                name: name.into(),
                certificate_path: self.chain.path().display().to_string().into(),
                key: self.config.key.to_string().into(),
            });
        }
        let shortcomings = attestamp_attestation::shortcomings(&key_claims(&key));
        if !shortcomings.is_empty() && !config.accept_unattested {
            return Err(TsuError::Unattested { name: name.into(), shortcomings });
        }
        super::etsi::check(config.profile.config().etsi, self.chain.leaf(), all)?;
        let template = check_certificate(&self.chain, &config.profile, &key)?;
        let pool = match same {
            Some(known) => {
                if !known.pool.state().is_up() {
                    // Whoever reloads may have put the PIN right.
                    known.pool.retry();
                    let _ = known.pool.wait_while_recovering(known.pool.deadline());
                }
                Arc::clone(&known.pool)
            }
            None => {
                let (token, limits) = (Arc::clone(&token), limits.clone());
                let (id, spki_der) = (key.id.clone(), key.spki_der.clone());
                let open = move || token.signing_pool(&id, &spki_der, limits);
                Arc::new(tokens.ask(&self.config.token, open)??)
            }
        };
        let algorithm = key.algorithm;
        let duration = Duration::ZERO;
        let mut signing =
            Signing { token, algorithm, template, pool, limits, duration, shortcomings, turns: None };
        match check_life(&self.chain, now) {
            Ok(()) => {
                signing.duration = self_test::run(&signing, &self.chain, &config.profile, now)?;
                check_accuracy(&config.profile, clock, signing.duration)?;
            }
            // The server starts: its other TSUs issue, and `/readyz` says what is wrong with this one.
            Err(over) => {
                tracing::error!(tsu = name, signer = self.label(), reason = %over, "this signer issues nothing");
            }
        }
        if signing.pool.dispatch() == Dispatch::Inline {
            let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
            let limit = turns::limit(config.queue_length, signing.duration, processors);
            signing.turns = Some(Arc::new(Turns::new(limit)));
        }
        Ok(signing)
    }

    /// Waits until those that came before have been looked at; at once where the pool has a queue of its own.
    ///
    /// # Errors
    /// [`TooMany`] wait already.
    pub async fn take_turn(&self) -> Result<(), TooMany> {
        match self.signing().and_then(|signing| signing.turns.as_ref()) {
            Some(turns) => turns.wait().await,
            None => Ok(()),
        }
    }

    /// How many requests wait for a session or a processor.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.signing().map_or(0, |signing| {
            let turns = signing.turns.as_ref().map_or(0, |turns| turns.waiting());
            signing.pool.queued().saturating_add(turns)
        })
    }

    /// How many requests found too many others waiting for a processor.
    #[must_use]
    pub fn refused_turns(&self) -> u64 {
        self.signing().and_then(|signing| signing.turns.as_ref()).map_or(0, |turns| turns.refused())
    }

    /// Signs the signed attributes of a token, on this thread or on one of the pool's, and waits no longer than so.
    ///
    /// # Errors
    /// [`SignFault`].
    pub async fn sign(&self, message: &[u8], patience: Duration) -> Result<Signature, SignFault> {
        let Some(signing) = self.signing() else { return Err(SignFault::Waiting) };
        let began = Instant::now();
        let pool = &signing.pool;
        let answer = match pool.dispatch() {
            Dispatch::Inline => pool.sign_now(message),
            Dispatch::Threads => {
                let (sender, receiver) = oneshot::channel();
                let reply = move |answer| {
                    // The client may have left: its signature is dropped.
                    let _ = sender.send(answer);
                };
                match pool.submit(message.to_vec(), reply) {
                    Ok(()) => wait_for(receiver, patience.min(pool.deadline())).await,
                    Err(error) => Err(error),
                }
            }
        };
        if answer.is_ok() {
            self.metrics.duration.observe(began.elapsed());
        }
        answer.map_err(|error| match error {
            SignError::Busy { .. } => SignFault::Busy { retry_after_seconds: 1 },
            failed @ (SignError::Unavailable { .. }
            | SignError::Stalled { .. }
            | SignError::DeadlinePassed { .. }
            | SignError::Failed { .. }
            | SignError::Stopped) => SignFault::Failed(failed),
        })
    }

    /// Verifies a finished token where that is asked for, and always until one of the session that made its signature was
    /// verified. A token that is wrong takes the pool out of service, all its sessions with it.
    ///
    /// # Errors
    /// [`SelfCheckFailed`]; the token must not leave.
    pub fn check_finished(
        &self,
        token: &TimeStampToken,
        signature: &Signature,
    ) -> Result<(), SelfCheckFailed> {
        let Some(signing) = self.signing() else { return Ok(()) };
        let is_first = signature.is_first_of_session() || !self.is_checked.load(Ordering::Relaxed);
        if !is_first && self.self_check == SelfCheckMode::First {
            return Ok(());
        }
        self.metrics.self_checks.increment();
        self_check::run(token, self.chain.leaf().der()).inspect_err(|_| {
            self.metrics.self_check_failures.increment();
            signing.pool.distrust();
        })?;
        signature.was_verified();
        self.is_checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// What stops this signer, the clock aside: a word for programs and a sentence.
    #[must_use]
    pub fn trouble(&self, now: UnixTime) -> Option<(&'static str, String)> {
        use super::LifeOver;

        match check_life(&self.chain, now) {
            Err(over @ LifeOver::NotYetValid { .. }) => return Some(("not-yet-valid", over.to_string())),
            Err(over @ LifeOver::Expired { .. }) => return Some(("key-expired", over.to_string())),
            Ok(()) => {}
        }
        let Some(signing) = self.signing() else {
            let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
            let reason = waits.as_ref().map_or("its token was not reached yet", |waits| &waits.reason);
            return Some(("hsm-unavailable", format!("it has not begun: {reason}")));
        };
        let state = signing.pool.state();
        if !state.is_up() {
            return Some(("hsm-unavailable", format!("its signing pool is not up: {state}")));
        }
        let health = signing.token.store_health();
        (health != StoreHealth::Good).then(|| ("token-store", health.to_string()))
    }

    /// Whether it could sign now, as far as can be told without asking the token.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.signing().is_some_and(|signing| signing.pool.is_up())
    }

    /// Whether it should be begun by itself.
    #[must_use]
    pub fn waits_for_its_token(&self) -> bool {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        self.running.get().is_none() && waits.as_ref().is_none_or(|waits| !waits.for_a_person)
    }

    /// Its name in metrics and messages.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.config.label
    }

    /// What it was configured as.
    #[must_use]
    pub fn config(&self) -> &SignerConfig {
        &self.config
    }

    /// The algorithm of the key that its certificate is for.
    #[must_use]
    pub fn certified_algorithm(&self) -> Option<KeyAlgorithm> {
        KeyAlgorithm::of_public_key(self.chain.leaf().spki_der())
    }

    /// Its certificate and those above it.
    #[must_use]
    pub fn chain(&self) -> &CertificateChain {
        &self.chain
    }

    /// SHA-256 of its certificate in DER.
    #[must_use]
    pub fn certificate_hash(&self) -> Hash {
        self.certificate_hash
    }

    /// Where it counts.
    #[must_use]
    pub fn metrics(&self) -> &SignerMetrics {
        &self.metrics
    }

    /// What is constant in its tokens; `None` before it has begun.
    #[must_use]
    pub fn template(&self) -> Option<&TokenTemplate> {
        self.signing().map(|signing| &signing.template)
    }

    /// Its signing pool; `None` before it has begun.
    #[must_use]
    pub fn pool(&self) -> Option<&Arc<SigningPool>> {
        self.signing().map(|signing| &signing.pool)
    }

    pub(super) fn signing(&self) -> Option<&Signing> {
        self.running.get()
    }

    /// The same with another pool, for tests.
    pub(super) fn dangerous_with_pool(&self, pool: Arc<SigningPool>, tsu: &TsuConfig) -> Self {
        let other = Self::new(&self.config, self.chain.clone(), tsu, Arc::clone(&self.metrics));
        if let Some(signing) = self.signing() {
            let _ = other.running.set(Signing { pool, ..signing.clone() });
        }
        other
    }
}

/// The pool drops what waits too long for a session; a session that hangs in the module is noticed only here.
async fn wait_for(
    answer: oneshot::Receiver<Result<Signature, SignError>>,
    patience: Duration,
) -> Result<Signature, SignError> {
    match tokio::time::timeout(patience, answer).await {
        Ok(answered) => answered.unwrap_or(Err(SignError::Stopped)),
        Err(_elapsed) => Err(SignError::DeadlinePassed { waited: patience, deadline: patience }),
    }
}

/// Whether the accuracy can be kept where the signatures of a token take so long.
pub(super) fn check_accuracy(
    profile: &Profile,
    clock: &ClockGate,
    signing: Duration,
) -> Result<(), TsuError> {
    let step = profile.config().gen_time_precision.step_microseconds();
    let accuracy = Duration::from_micros(profile.config().accuracy.total_microseconds());
    clock.check_accuracy(accuracy, Duration::from_micros(step), signing)?;
    Ok(())
}

/// The embedded token signs on the threads that ask for signatures, and one that finds no session is told that the token
/// is busy. So each has one: those of the runtime, and that of a reload.
fn pool_config(config: &TsuConfig, signer: &SignerConfig, all: &Config) -> PoolConfig {
    let module = all.tokens.get(&signer.token).map(|token| &token.module);
    let mut pool = config.pool.clone();
    if let Some(ModuleSource::Embedded { .. }) = module
        && pool.dispatch != DispatchChoice::Threads
        && let Ok(threads) = std::thread::available_parallelism()
    {
        pool.sessions = pool.sessions.max(threads.saturating_add(1));
    }
    pool
}

/// Whether a signer that did not begin is a matter of its token, which may come back, and not of the configuration.
pub(super) fn is_outage(error: &TsuError) -> bool {
    use super::self_test::SelfTestError;
    use crate::tokens::TokenError;

    hsm_error(error).is_some()
        || matches!(
            error,
            TsuError::Token(TokenError::Silent { .. } | TokenError::DatabaseMissing { .. })
                | TsuError::SelfTest(SelfTestError::Sign(_))
        )
}

/// Whether a token does not answer, or says that it cannot, so that only time or somebody at the HSM can help; whatever the
/// configuration could have got wrong, a key's name or a PIN or a path, is not that.
pub(super) fn is_away(error: &TsuError) -> bool {
    use super::self_test::SelfTestError;
    use crate::tokens::TokenError;

    match hsm_error(error) {
        Some(HsmError::TokenMissing { .. } | HsmError::ModuleBusy | HsmError::SessionStale) => true,
        Some(error @ HsmError::Call(_)) => matches!(error.remedy(), Remedy::Recover | Remedy::ReopenSession),
        Some(_) => false,
        None => matches!(
            error,
            TsuError::Token(TokenError::Silent { .. }) | TsuError::SelfTest(SelfTestError::Sign(_))
        ),
    }
}

fn is_worth_another_try(error: &TsuError) -> bool {
    hsm_error(error).is_none_or(|error| error.remedy() != Remedy::StayDown)
}

fn hsm_error(error: &TsuError) -> Option<&HsmError> {
    let error: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

/// The path of a signer's certificates: its own file, or the TSU's.
pub(super) fn certificate_path(config: &SignerConfig, of_tsu: PathBuf) -> PathBuf {
    config.certificate.clone().unwrap_or(of_tsu)
}
