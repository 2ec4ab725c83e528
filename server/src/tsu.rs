//! One running TSU: a key in a token, the certificate for it, the profile, and what is constant in its tokens.
//!
//! A [`Tsu`] exists only after all of these were found to fit each other: the key in the token is the certificate's, the
//! certificate is one for timestamping and nothing else, the chain builds, the accuracy can be kept, and a token made
//! with it passes the strict verifier. Nothing is looked up again for a request.

mod certificates;
mod error;
mod etsi;
mod self_test;

use std::sync::Arc;
use std::time::Duration;

use attestamp_attestation::Shortcoming;
use attestamp_certs::{CertificateDer, MlDsa, SignatureAlgorithm, SlhDsa, TsuCertificate, UnixTime};
use attestamp_hsm::{
    Dispatch, DispatchChoice, KeyAlgorithm, KeyInfo, ModuleSource, PoolConfig, SignError, SignatureScheme,
    SigningPool, StoreHealth, Token,
};
use attestamp_tsa::{Profile, TemplateError, TokenTemplate, UtcInstant};

use tokio::sync::oneshot;

use crate::attestation::claims::key_claims;
use crate::authority::StartParts;
use crate::clock::ClockGate;
use crate::config::{Config, TsuConfig};
use crate::metrics::TsuMetrics;
use crate::tokens::Tokens;

pub use certificates::{CertificateChain, CertificatesError};
pub use error::{LifeOver, SignFault, TsuError};

/// A TSU that may issue.
#[derive(Debug)]
pub struct Tsu {
    name: String,
    config: TsuConfig,
    token: Arc<Token>,
    algorithm: KeyAlgorithm,
    chain: CertificateChain,
    template: TokenTemplate,
    pool: Arc<SigningPool>,
    metrics: Arc<TsuMetrics>,
    /// How long the signature of the self-test took; zero where none was made.
    signing: Duration,
    /// What the token does not say of the key; empty unless the operator accepts that.
    shortcomings: Vec<Shortcoming>,
}

impl Tsu {
    /// Checks everything that the TSU rests on and starts its pool; keeps the pool of `before` if key and pool are the
    /// same.
    ///
    /// # Errors
    /// [`TsuError`] with the first thing that does not fit.
    pub fn start(
        name: &str,
        config: &TsuConfig,
        all: &Config,
        parts: &StartParts<'_>,
        tokens: &mut Tokens,
        before: Option<&Arc<Self>>,
    ) -> Result<Self, TsuError> {
        let now = parts.clock.unverified_time();
        let chain = CertificateChain::load(name, parts.layout, now)?;
        let token = tokens.open(&all.tokens, &config.token)?;
        let key = token.find_uri(&config.key)?;
        if key.spki_der != chain.leaf().spki_der() {
            return Err(TsuError::KeyMismatch {
                name: name.into(),
                certificate_path: parts.layout.tsu_chain(name).display().to_string().into(),
                key: config.key.to_string().into(),
            });
        }
        let shortcomings = attestamp_attestation::shortcomings(&key_claims(&key));
        if !shortcomings.is_empty() && !config.accept_unattested {
            return Err(TsuError::Unattested { name: name.into(), shortcomings });
        }
        etsi::check(config.profile.config().etsi, chain.leaf(), all)?;
        let template = check_certificate(&chain, &config.profile, &key)?;
        let same = before.filter(|tsu| {
            Arc::ptr_eq(&tsu.token, &token)
                && tsu.chain.leaf().spki_der() == key.spki_der
                && tsu.config.key == config.key
                && tsu.config.pool == config.pool
        });
        let pool = match same {
            Some(tsu) => {
                if !tsu.pool.state().is_up() {
                    // Whoever reloads may have put the PIN right.
                    tsu.pool.retry();
                    let _ = tsu.pool.wait_while_recovering(tsu.pool.deadline());
                }
                Arc::clone(&tsu.pool)
            }
            None => Arc::new(token.signing_pool(&key.id, &key.spki_der, pool_config(config, all))?),
        };
        let mut tsu = Self {
            name: name.to_owned(),
            config: config.clone(),
            token,
            algorithm: key.algorithm,
            chain,
            template,
            pool,
            metrics: parts.metrics.tsu(name),
            signing: Duration::ZERO,
            shortcomings,
        };
        match check_life(&tsu.chain, now) {
            Ok(()) => {
                tsu.signing = self_test::run(&tsu, now)?;
                tsu.check_accuracy(parts.clock, tsu.signing)?;
            }
            // The server starts: its other TSUs issue, and `/readyz` says what is wrong with this one.
            Err(over) => tracing::error!(tsu = name, reason = %over, "this TSU issues nothing"),
        }
        Ok(tsu)
    }

    /// Whether the accuracy can be kept where the signatures of a token take so long.
    fn check_accuracy(&self, clock: &ClockGate, signing: Duration) -> Result<(), TsuError> {
        let step = self.profile().config().gen_time_precision.step_microseconds();
        clock.check_accuracy(self.accuracy(), Duration::from_micros(step), signing)?;
        Ok(())
    }

    /// Checks the TSU whose tokens this one's are to carry: it must run, be worth more, and leave the time.
    ///
    /// # Errors
    /// [`TsuError`].
    pub fn check_nested(&self, nested: Option<&Self>, clock: &ClockGate) -> Result<(), TsuError> {
        let Some(name) = self.nested_name() else { return Ok(()) };
        let Some(nested) = nested else { return Err(TsuError::NestedWaiting { nested: name.into() }) };
        if !nested.is_post_quantum() {
            return Err(TsuError::NestedClassical { nested: name.into(), algorithm: nested.algorithm });
        }
        self.check_accuracy(clock, self.signing.saturating_add(nested.signing))
    }

    /// Signs the signed attributes of a token, on this thread or on one of the pool's.
    ///
    /// # Errors
    /// [`SignFault`].
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignFault> {
        let answer = match self.pool.dispatch() {
            Dispatch::Inline => self.pool.sign_now(message),
            Dispatch::Threads => {
                let (sender, receiver) = oneshot::channel();
                let reply = move |answer| {
                    // The client may have left: its signature is dropped.
                    let _ = sender.send(answer);
                };
                match self.pool.submit(message.to_vec(), reply) {
                    Ok(()) => self.wait_for(receiver).await,
                    Err(error) => Err(error),
                }
            }
        };
        answer.map_err(|error| match error {
            SignError::Busy { .. } => SignFault::Busy { retry_after_seconds: 1 },
            failed @ (SignError::Unavailable { .. }
            | SignError::DeadlinePassed { .. }
            | SignError::Failed { .. }
            | SignError::Stopped) => SignFault::Failed(failed),
        })
    }

    /// The pool drops what waits too long for a session; a session that hangs in the module is noticed only here.
    async fn wait_for(
        &self,
        answer: oneshot::Receiver<Result<Vec<u8>, SignError>>,
    ) -> Result<Vec<u8>, SignError> {
        let deadline = self.pool.deadline();
        match tokio::time::timeout(deadline, answer).await {
            Ok(answered) => answered.unwrap_or(Err(SignError::Stopped)),
            Err(_elapsed) => Err(SignError::DeadlinePassed { waited: deadline, deadline }),
        }
    }

    /// Whether the certificate and the key may be used at `now`.
    ///
    /// # Errors
    /// [`LifeOver`].
    pub fn check_life(&self, now: UtcInstant) -> Result<(), LifeOver> {
        check_life(&self.chain, now.unix_time())
    }

    /// As [`Tsu::check_life`], in whole seconds.
    ///
    /// # Errors
    /// [`LifeOver`].
    pub fn check_life_at(&self, now: UnixTime) -> Result<(), LifeOver> {
        check_life(&self.chain, now)
    }

    /// What stops this TSU from issuing, the clock aside: a word for programs and a sentence.
    #[must_use]
    pub fn trouble(&self, now: UnixTime) -> Option<(&'static str, String)> {
        match check_life(&self.chain, now) {
            Err(over @ LifeOver::NotYetValid { .. }) => return Some(("not-yet-valid", over.to_string())),
            Err(over @ LifeOver::Expired { .. }) => return Some(("key-expired", over.to_string())),
            Ok(()) => {}
        }
        let state = self.pool.state();
        if !state.is_up() {
            return Some(("hsm-unavailable", format!("its signing pool is not up: {state}")));
        }
        let health = self.token.store_health();
        (health != StoreHealth::Good).then(|| ("token-store", health.to_string()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why an auditor would not accept its key, if it has `accept-unattested`: a sentence.
    #[must_use]
    pub fn unattested(&self) -> Option<String> {
        (!self.shortcomings.is_empty()).then(|| error::Listed(&self.shortcomings).to_string())
    }

    /// The TSU whose token over the signature each of its tokens carries.
    #[must_use]
    pub fn nested_name(&self) -> Option<&str> {
        self.config.nested.as_deref()
    }

    /// Whether key and certificates are post-quantum up to the root.
    #[must_use]
    pub fn is_post_quantum(&self) -> bool {
        signature_algorithm(self.algorithm.scheme()).is_post_quantum() && self.chain.is_post_quantum()
    }

    /// What it grants.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.config.profile
    }

    /// The accuracy that its tokens claim.
    #[must_use]
    pub fn accuracy(&self) -> Duration {
        Duration::from_micros(self.profile().config().accuracy.total_microseconds())
    }

    /// What is constant in its tokens.
    #[must_use]
    pub fn template(&self) -> &TokenTemplate {
        &self.template
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &TsuCertificate {
        self.chain.leaf()
    }

    /// Its certificate and those above it, in that order.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        self.chain.all()
    }

    /// The algorithm of its key.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// When issuance stops.
    #[must_use]
    pub fn key_not_after(&self) -> UnixTime {
        key_not_after(self.chain.leaf())
    }

    /// Sessions open for signing.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.pool.sessions()
    }

    /// Where its answers are counted.
    #[must_use]
    pub fn metrics(&self) -> &TsuMetrics {
        &self.metrics
    }

    /// The same TSU with another signer, which nothing was checked of. For tests, which need a signer that fails.
    #[doc(hidden)]
    #[must_use]
    pub fn dangerous_with_pool(&self, pool: Arc<SigningPool>) -> Self {
        Self {
            name: self.name.clone(),
            config: self.config.clone(),
            token: Arc::clone(&self.token),
            algorithm: self.algorithm,
            chain: self.chain.clone(),
            template: self.template.clone(),
            pool,
            metrics: Arc::clone(&self.metrics),
            signing: self.signing,
            shortcomings: self.shortcomings.clone(),
        }
    }

    /// Its signing pool.
    #[must_use]
    pub fn pool(&self) -> &Arc<SigningPool> {
        &self.pool
    }
}

/// The embedded token signs on the threads that ask for signatures, and one that finds no session is told that the token
/// is busy. So each has one: those of the runtime, and that of a reload.
fn pool_config(config: &TsuConfig, all: &Config) -> PoolConfig {
    let module = all.tokens.get(&config.token).map(|token| &token.module);
    let mut pool = config.pool.clone();
    if let Some(ModuleSource::Embedded { .. }) = module
        && pool.dispatch != DispatchChoice::Threads
        && let Ok(threads) = std::thread::available_parallelism()
    {
        pool.sessions = pool.sessions.max(threads.saturating_add(1));
    }
    pool
}

/// Whether a profile and a key can issue with a certificate: what is constant in their tokens.
///
/// # Errors
/// [`TemplateError`].
pub fn check_certificate(
    chain: &CertificateChain,
    profile: &Profile,
    key: &KeyInfo,
) -> Result<TokenTemplate, TemplateError> {
    TokenTemplate::new(profile, chain.for_tokens(), signature_algorithm(key.algorithm.scheme()))
}

/// When a certificate's key stops issuing: the end of its usage period, or of the certificate.
#[must_use]
pub fn key_not_after(certificate: &TsuCertificate) -> UnixTime {
    match certificate.private_key_usage_not_after() {
        Some(end) if end < certificate.not_after() => end,
        _ => certificate.not_after(),
    }
}

/// EN 319 421 7.7.1-09: no token after the key's expiry; the HSM is not asked.
///
/// # Errors
/// [`LifeOver`].
pub fn check_life(chain: &CertificateChain, now: UnixTime) -> Result<(), LifeOver> {
    let certificate = chain.leaf();
    let not_after = key_not_after(certificate);
    if now < certificate.not_before() {
        return Err(LifeOver::NotYetValid { not_before: certificate.not_before() });
    }
    if now > not_after {
        return Err(LifeOver::Expired { not_after });
    }
    Ok(())
}

/// The name that certificates and tokens have for what the token does.
#[must_use]
pub fn signature_algorithm(scheme: SignatureScheme) -> SignatureAlgorithm {
    match scheme {
        SignatureScheme::RsaPkcs1Sha256 => SignatureAlgorithm::RsaPkcs1Sha256,
        SignatureScheme::RsaPkcs1Sha384 => SignatureAlgorithm::RsaPkcs1Sha384,
        SignatureScheme::RsaPkcs1Sha512 => SignatureAlgorithm::RsaPkcs1Sha512,
        SignatureScheme::EcdsaP256Sha256 => SignatureAlgorithm::EcdsaP256Sha256,
        SignatureScheme::EcdsaP384Sha384 => SignatureAlgorithm::EcdsaP384Sha384,
        SignatureScheme::Ed25519 => SignatureAlgorithm::Ed25519,
        SignatureScheme::MlDsa44 => SignatureAlgorithm::MlDsa(MlDsa::MlDsa44),
        SignatureScheme::MlDsa65 => SignatureAlgorithm::MlDsa(MlDsa::MlDsa65),
        SignatureScheme::MlDsa87 => SignatureAlgorithm::MlDsa(MlDsa::MlDsa87),
        SignatureScheme::SlhDsaSha2_128s => SignatureAlgorithm::SlhDsa(SlhDsa::Sha2_128s),
        SignatureScheme::SlhDsaSha2_128f => SignatureAlgorithm::SlhDsa(SlhDsa::Sha2_128f),
        SignatureScheme::SlhDsaSha2_192f => SignatureAlgorithm::SlhDsa(SlhDsa::Sha2_192f),
        SignatureScheme::SlhDsaSha2_256f => SignatureAlgorithm::SlhDsa(SlhDsa::Sha2_256f),
        SignatureScheme::SlhDsaShake128f => SignatureAlgorithm::SlhDsa(SlhDsa::Shake128f),
    }
}
