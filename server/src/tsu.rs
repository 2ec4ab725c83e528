//! One running TSU: a key in a token, the certificate for it, the profile, and what is constant in its tokens.
//!
//! A [`Tsu`] exists only after all of these were found to fit each other: the key in the token is the certificate's, the
//! certificate is one for timestamping and nothing else, the chain builds, the accuracy can be kept, and a token made
//! with it passes the strict verifier. Nothing is looked up again for a request.

mod certificates;
mod choice;
mod error;
mod etsi;
mod self_check;
mod self_test;
mod signer;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use attestamp_certs::{CertificateDer, MlDsa, SignatureAlgorithm, SlhDsa, TsuCertificate, UnixTime};
use attestamp_hsm::{KeyAlgorithm, KeyInfo, SignatureScheme, SigningPool};
use attestamp_tsa::{Profile, TemplateError, TokenTemplate, UtcInstant};

use crate::authority::StartParts;
use crate::clock::{AccuracyClaim, ClockGate};
use crate::config::signers::SignerUse;
use crate::config::{Config, TsuConfig};
use crate::metrics::TsuMetrics;
use crate::tokens::Tokens;
use signer::Beginning;

pub use certificates::{CertificateChain, CertificatesError};
pub use choice::Tried;
pub use error::{LifeOver, SignFault, TsuError};
pub use self_check::SelfCheckFailed;
pub use signer::Signer;
pub use turns::TooMany;

/// A TSU that may issue.
#[derive(Debug)]
pub struct Tsu {
    name: String,
    config: TsuConfig,
    /// The TSU's own key first; never empty.
    signers: Vec<Arc<Signer>>,
    algorithm: KeyAlgorithm,
    /// Counts requests, where signers are asked in turn.
    turn: AtomicUsize,
    metrics: Arc<TsuMetrics>,
}

/// What came of starting a TSU.
#[derive(Debug)]
pub struct Started {
    /// The TSU.
    pub tsu: Tsu,
    /// Why none of its signers has begun, if so: their tokens are away, and it issues when one is back.
    pub outage: Option<TsuError>,
}

impl Tsu {
    /// Checks everything that the TSU rests on and starts its pools; keeps the pools of `before` if key and pool are the
    /// same. Signers whose tokens are away begin later.
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
    ) -> Result<Started, TsuError> {
        let now = parts.clock.unverified_time();
        let metrics = parts.metrics.tsu(name);
        let beginning = Beginning { name, config, all, clock: parts.clock, now };
        let (mut signers, mut outage) = (Vec::new(), None);
        let is_survivable = |error: &TsuError| match config.signers.all.as_slice() {
            [_, _, ..] => signer::is_outage(error),
            _ => signer::is_away(error),
        };
        for signer in &config.signers.all {
            let path = signer::certificate_path(signer, parts.layout.tsu_chain(name));
            let chain = CertificateChain::load_from(&path, name, now).map_err(|error| {
                if signer.certificate.is_some() && matches!(error, TsuError::NoCertificate { .. }) {
                    TsuError::StandbyCertificate { standby: signer.label.as_str().into(), path }
                } else {
                    error
                }
            })?;
            let made = Signer::new(signer, chain, config, metrics.signer(&signer.label));
            let before = before.and_then(|tsu| tsu.signers.iter().find(|known| known.config() == signer));
            match made.begin(&beginning, tokens, before.map(Arc::as_ref)) {
                Ok(()) => {}
                Err(error) if is_survivable(&error) => {
                    let error_text = crate::log::chain(&error);
                    tracing::warn!(
                        tsu = name,
                        signer = signer.label,
                        error = error_text,
                        "a signer waits for its token"
                    );
                    outage.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
            signers.push(Arc::new(made));
        }
        let begun = signers.iter().find_map(|signer| signer.signing()).map(|signing| signing.algorithm);
        let outage = match outage {
            Some(error) if begun.is_none() && !signer::is_away(&error) => return Err(error),
            outage => outage.filter(|_| begun.is_none()),
        };
        let certified = || signers.iter().find_map(|signer| signer.certified_algorithm());
        let Some(algorithm) = begun.or_else(certified) else {
            return Err(outage.unwrap_or_else(|| TsuError::NoCertificate { name: name.into() }));
        };
        metrics.retain_signers(|label| signers.iter().any(|signer| signer.label() == label));
        let (name, config, turn) = (name.to_owned(), config.clone(), AtomicUsize::new(0));
        let tsu = Self { name, config, signers, algorithm, turn, metrics };
        tsu.signers.iter().try_for_each(|signer| tsu.check_algorithm(signer))?;
        Ok(Started { tsu, outage })
    }

    /// Waits for the request's turn, before anything is spent on it.
    ///
    /// # Errors
    /// [`TooMany`] wait already.
    pub async fn take_turn(&self) -> Result<(), TooMany> {
        match self.signers.iter().find(|signer| signer.is_up()) {
            Some(signer) => signer.take_turn().await,
            None => Ok(()),
        }
    }

    /// Whether one of its signers has begun: without any it issues nothing.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.signers.iter().any(|signer| signer.signing().is_some())
    }

    /// Begins with the signers whose tokens were away, if they have come back. True if one did.
    pub fn begin_waiting(&self, all: &Config, clock: &ClockGate, tokens: &mut Tokens) -> bool {
        let now = clock.unverified_time();
        let beginning = Beginning { name: &self.name, config: &self.config, all, clock, now };
        let mut has_begun = false;
        for signer in self.signers.iter().filter(|signer| signer.waits_for_its_token()) {
            let begun = signer.begin(&beginning, tokens, None).and_then(|()| self.check_algorithm(signer));
            match begun {
                Ok(()) => {
                    tracing::info!(tsu = self.name, signer = signer.label(), "a signer has begun");
                    has_begun = true;
                }
                Err(error) => {
                    let error = crate::log::chain(&error);
                    tracing::debug!(
                        tsu = self.name,
                        signer = signer.label(),
                        error,
                        "a signer waits for its token"
                    );
                }
            }
        }
        has_begun
    }

    fn check_algorithm(&self, signer: &Signer) -> Result<(), TsuError> {
        match signer.signing() {
            Some(signing) if signing.algorithm != self.algorithm => Err(TsuError::StandbyAlgorithm {
                standby: signer.label().into(),
                found: signing.algorithm,
                expected: self.algorithm,
            }),
            Some(_) | None => Ok(()),
        }
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
        signer::check_accuracy(
            self.profile(),
            clock,
            self.signing_time().saturating_add(nested.signing_time()),
        )
    }

    /// How long the slowest signer's self-test took.
    fn signing_time(&self) -> Duration {
        let times = self.signers.iter().filter_map(|signer| signer.signing()).map(|signing| signing.duration);
        times.max().unwrap_or_default()
    }

    /// The signer to ask next, and how long to wait for it; `None` when all were tried.
    ///
    /// Those that are healthy come first, then those that failed a short while ago, then those that are known not to sign,
    /// which say at once why.
    pub fn next_signer(&self, tried: &mut Tried, now: UtcInstant) -> Option<(&Signer, Duration)> {
        if let [only] = self.signers.as_slice() {
            let is_new = !tried.has(0);
            tried.add(0);
            return is_new.then(|| (&**only, self.config.pool.deadline));
        }
        let (instant, unix) = (Instant::now(), now.unix_time());
        let offset = tried.begins_at(|| match self.config.signers.choice {
            SignerUse::Failover => 0,
            SignerUse::Balance => self.turn.fetch_add(1, Ordering::Relaxed),
        });
        let mut best = None;
        for step in 0..self.signers.len() {
            let number = offset.wrapping_add(step) % self.signers.len();
            let Some(signer) = self.signers.get(number).filter(|_| !tried.has(number)) else { continue };
            if check_life(signer.chain(), unix).is_err() {
                continue;
            }
            let rank = if !signer.is_up() {
                signer.record.seen_down(instant);
                2
            } else {
                u8::from(signer.record.is_on_probation(instant))
            };
            if best.is_none_or(|(known, _)| rank < known) {
                best = Some((rank, number));
            }
        }
        let (_, number) = best?;
        tried.add(number);
        let is_another_up = |(at, signer): (usize, &Arc<Signer>)| !tried.has(at) && signer.is_up();
        let patience = if self.signers.iter().enumerate().any(is_another_up) {
            self.config.signers.failover.min(self.config.pool.deadline)
        } else {
            self.config.pool.deadline
        };
        self.signers.get(number).map(|signer| (&**signer, patience))
    }

    /// A signer failed a request, which goes on to another one if there is one.
    pub fn note_failure(&self, signer: &Signer) {
        signer.record.failed(Instant::now());
        if self.signers.len() > 1 {
            signer.metrics().failovers.increment();
        }
    }

    /// Whether a certificate and its key may be used at `now`.
    ///
    /// # Errors
    /// [`LifeOver`], of the first signer.
    pub fn check_life(&self, now: UtcInstant) -> Result<(), LifeOver> {
        self.check_life_at(now.unix_time())
    }

    /// As [`Tsu::check_life`], in whole seconds.
    ///
    /// # Errors
    /// [`LifeOver`].
    pub fn check_life_at(&self, now: UnixTime) -> Result<(), LifeOver> {
        let first = check_life(self.first_chain(), now);
        let others = self.signers.get(1..).unwrap_or_default();
        if first.is_err() && others.iter().any(|signer| check_life(signer.chain(), now).is_ok()) {
            return Ok(());
        }
        first
    }

    /// What stops this TSU from issuing, the clock aside: a word for programs and a sentence.
    #[must_use]
    pub fn trouble(&self, now: UnixTime) -> Option<(&'static str, String)> {
        let troubles: Option<Vec<_>> = self.signers.iter().map(|signer| signer.trouble(now)).collect();
        let mut troubles = troubles?.into_iter().zip(&self.signers);
        if self.signers.len() == 1 {
            return troubles.next().map(|(trouble, _)| trouble);
        }
        let texts =
            troubles.map(|((code, text), signer)| (code, format!("signer `{}`: {text}", signer.label())));
        texts.reduce(|(code, text), (_, next)| (code, format!("{text}; {next}")))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its keys, the TSU's own first.
    #[must_use]
    pub fn signers(&self) -> &[Arc<Signer>] {
        &self.signers
    }

    /// Why an auditor would not accept its key, if it has `accept-unattested`: a sentence.
    #[must_use]
    pub fn unattested(&self) -> Option<String> {
        let lacking =
            self.signers.iter().filter_map(|signer| signer.signing()).map(|signing| &signing.shortcomings);
        lacking
            .into_iter()
            .find(|lacking| !lacking.is_empty())
            .map(|lacking| error::Listed(lacking).to_string())
    }

    /// The TSU whose token over the signature each of its tokens carries.
    #[must_use]
    pub fn nested_name(&self) -> Option<&str> {
        self.config.nested.as_deref()
    }

    /// Whether key and certificates are post-quantum up to the root, of all signers.
    #[must_use]
    pub fn is_post_quantum(&self) -> bool {
        signature_algorithm(self.algorithm.scheme()).is_post_quantum()
            && self.signers.iter().all(|signer| signer.chain().is_post_quantum())
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

    /// What its tokens claim of the time, for the clock to be held to.
    #[must_use]
    pub fn accuracy_claim(&self) -> AccuracyClaim {
        let step = self.profile().config().gen_time_precision.step_microseconds();
        AccuracyClaim {
            accuracy: self.accuracy(),
            truncation: Duration::from_micros(step),
            signing: self.signing_time(),
        }
    }

    /// Its own certificate: that of the first signer.
    #[must_use]
    pub fn certificate(&self) -> &TsuCertificate {
        self.first_chain().leaf()
    }

    /// Its own certificate and those above it, in that order.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        self.first_chain().all()
    }

    /// The algorithm of its keys.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// When issuance stops: when the last of its keys does.
    #[must_use]
    pub fn key_not_after(&self) -> UnixTime {
        let ends = self.signers.iter().map(|signer| key_not_after(signer.chain().leaf()));
        ends.max().unwrap_or(UnixTime::since_unix_epoch(Duration::ZERO))
    }

    /// Sessions open for signing.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.signers.iter().filter_map(|signer| signer.pool()).map(|pool| pool.sessions()).sum()
    }

    /// Where its answers are counted.
    #[must_use]
    pub fn metrics(&self) -> &TsuMetrics {
        &self.metrics
    }

    /// The same TSU with another pool for its own key, which nothing was checked of. For tests, which need a signer that fails.
    #[doc(hidden)]
    #[must_use]
    pub fn dangerous_with_pool(&self, pool: &Arc<SigningPool>) -> Self {
        let with_pool = |(number, signer): (usize, &Arc<Signer>)| match number {
            0 => Arc::new(signer.dangerous_with_pool(Arc::clone(pool), &self.config)),
            _ => Arc::clone(signer),
        };
        Self {
            name: self.name.clone(),
            config: self.config.clone(),
            signers: self.signers.iter().enumerate().map(with_pool).collect(),
            algorithm: self.algorithm,
            turn: AtomicUsize::new(0),
            metrics: Arc::clone(&self.metrics),
        }
    }

    /// The signing pool of its own key, if that has begun.
    #[must_use]
    pub fn pool(&self) -> Option<&Arc<SigningPool>> {
        self.signers.first().and_then(|signer| signer.pool())
    }

    fn first_chain(&self) -> &CertificateChain {
        // Never empty: `start` makes one for each configured signer, of which the first is the TSU's own key.
        #[expect(clippy::indexing_slicing, reason = "the first signer is the TSU's own key")]
        self.signers[0].chain()
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
