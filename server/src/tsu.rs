//! One running TSU: a key in a token, the certificate for it, the profile, and what is constant in its tokens.
//!
//! A [`Tsu`] exists only after all of these were found to fit each other: the key in the token is the certificate's, the
//! certificate is one for timestamping and nothing else, the chain builds, the accuracy can be kept, and a token made
//! with it passes the strict verifier. Nothing is looked up again for a request.

mod certificates;
mod self_test;

use std::sync::Arc;
use std::time::Duration;

use attestamp_certs::{CertificateDer, SignatureAlgorithm, TsuCertificate, UnixTime};
use attestamp_hsm::{
    Dispatch, HsmError, KeyAlgorithm, KeyInfo, SignError, SignatureScheme, SigningPool, StoreHealth, Token,
};
use attestamp_tsa::{Profile, TemplateError, TokenTemplate, UtcInstant};

use tokio::sync::oneshot;

use crate::authority::StartParts;
use crate::clock::{AccuracyTooSmall, rfc3339};
use crate::config::{Config, TsuConfig};
use crate::metrics::TsuMetrics;
use crate::tokens::{TokenError, Tokens};

pub use certificates::{CertificateChain, CertificatesError};

/// Why a TSU does not start.
#[derive(Debug, thiserror::Error)]
pub enum TsuError {
    /// The key has no certificate yet.
    #[error(
        "it has no certificate yet: `attestamp tsu csr {name}` writes a request for your CA, `attestamp tsu import {name} \
         chain.pem` takes what the CA answers"
    )]
    NoCertificate {
        /// The TSU's name.
        name: Box<str>,
    },
    /// The certificate or its chain is not fit.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// The token cannot be opened.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The key is not there, or the pool does not start.
    #[error("its key is not usable")]
    Key(#[from] HsmError),
    /// Certificate and key are of different algorithms, or the profile does not fit the certificate.
    #[error("its profile and its certificate do not fit each other")]
    Template(#[from] TemplateError),
    /// The certificate is for another key.
    #[error(
        "the certificate {certificate_path} is for another key than {key}: import the certificate that was issued for this \
         key (`attestamp tsu csr {name}` makes the request)"
    )]
    KeyMismatch {
        /// The TSU's name.
        name: Box<str>,
        /// The certificate's file.
        certificate_path: Box<str>,
        /// URI of the key.
        key: Box<str>,
    },
    /// EN 319 421 7.7.1: the tokens would claim what cannot be kept.
    #[error(transparent)]
    Accuracy(#[from] AccuracyTooSmall),
    /// A token made with the key does not verify.
    #[error("a token made for a test does not verify")]
    SelfTest(#[from] self_test::SelfTestError),
}

/// The TSU may not issue at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LifeOver {
    /// Before the certificate's notBefore.
    #[error("its certificate is not valid before {}", rfc3339(*.not_before))]
    NotYetValid {
        /// Start of the validity.
        not_before: UnixTime,
    },
    /// At or after the end of the key's usage period or of the certificate.
    #[error("its key may not be used after {}: make or import its successor", rfc3339(*.not_after))]
    Expired {
        /// End of the key's use.
        not_after: UnixTime,
    },
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignFault {
    /// The queue in front of the token is full.
    #[error("the queue in front of the token is full")]
    Busy {
        /// Seconds after which the client may try again.
        retry_after_seconds: u32,
    },
    /// The token did not sign.
    #[error(transparent)]
    Failed(#[from] SignError),
}

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
            None => Arc::new(token.signing_pool(&key.id, &key.spki_der, config.pool.clone())?),
        };
        let tsu = Self {
            name: name.to_owned(),
            config: config.clone(),
            token,
            algorithm: key.algorithm,
            chain,
            template,
            pool,
            metrics: parts.metrics.tsu(name),
        };
        match check_life(&tsu.chain, now) {
            Ok(()) => {
                let signing = self_test::run(&tsu, now)?;
                let profile = config.profile.config();
                let claimed = Duration::from_micros(profile.accuracy.total_microseconds());
                let truncation = Duration::from_micros(profile.gen_time_precision.step_microseconds());
                parts.clock.check_accuracy(claimed, truncation, signing)?;
            }
            // The server starts: its other TSUs issue, and `/readyz` says what is wrong with this one.
            Err(over) => tracing::error!(tsu = name, reason = %over, "this TSU issues nothing"),
        }
        Ok(tsu)
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

    /// What it grants.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.config.profile
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
        self.config.pool.sessions.get()
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
        }
    }

    /// Its signing pool.
    #[must_use]
    pub fn pool(&self) -> &Arc<SigningPool> {
        &self.pool
    }
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
fn check_life(chain: &CertificateChain, now: UnixTime) -> Result<(), LifeOver> {
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
    }
}
