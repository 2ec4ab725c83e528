//! The running authority: its TSUs, clock and serial numbers, as one value that requests and reloads share.
//!
//! What a request needs stands in [`Running`], which is never changed: a reload builds a new one and puts it in the old
//! one's place, so that a request sees one state from its beginning to its end and takes no lock.

mod attesting;
mod expiry;
mod ledger;
mod metrics;
mod readiness;
mod running;
mod summary;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use attestamp_certs::pem::{self, PemLabel};
use attestamp_hsm::SigningPool;
use bytes::Bytes;

use crate::attestation::AttestationError;
use crate::clock::ClockGate;
use crate::config::Config;
use crate::data_folder::Layout;
use crate::http::StampRequest;
use crate::issue::{self, StampOutcome};
use crate::ledger::{AuthorityLedger, LedgerError, PastLedger};
use crate::metrics::Metrics;
use crate::pki::{PkiError, PkiFiles};
use crate::serial::SerialSource;
use crate::tokens::Tokens;
use crate::tsu::{LifeOver, Tsu, TsuError};

pub use crate::pki::PkiFile;
pub use attesting::{AttestRefusal, AttestRequest, Attesting, Fresh};
pub use readiness::{LedgerState, Readiness, ReadinessNote};
pub use running::Running;
pub use summary::TsuSummary;

/// Why an authority does not start, or a reload is refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A TSU is not fit to issue.
    #[error("TSU `{name}` does not start")]
    Tsu {
        /// The TSU's name.
        name: Box<str>,
        /// Why.
        #[source]
        source: TsuError,
    },
    /// The certificates or CRLs to serve cannot be read.
    #[error("the certificates of the authority cannot be read")]
    Pki(#[from] PkiError),
    /// The keys that attest others are not what they should be.
    #[error("the attestation keys cannot be used: see [attestation] in attestamp.toml")]
    Attestation(#[from] AttestationError),
    /// The ledger cannot be kept.
    #[error("the ledger cannot be kept: see [ledger] in attestamp.toml")]
    Ledger(#[from] LedgerError),
    /// A token is in use by something that has not come back.
    #[error("a token has been in a call for {} s that has not come back: see to it, and try again", TOKENS_PATIENCE.as_secs())]
    TokensBusy,
    /// Nothing could ever be issued.
    #[error("no TSU can issue: all are retired, or there is none; `attestamp tsu new NAME` makes one")]
    NoTsu,
    /// There are keys, and no certificate for any of them.
    #[error(
        "no TSU can issue: there is no certificate {}; `attestamp tsu csr {tsu}` writes a request for your CA, and \
         `attestamp tsu import {tsu} chain.pem` takes what it answers",
        path.display()
    )]
    NoCertificate {
        /// The first TSU that waits for one.
        tsu: Box<str>,
        /// Where it is looked for.
        path: PathBuf,
    },
    /// Every TSU's time is over.
    #[error("no TSU can issue: of TSU `{tsu}`, {over}")]
    AllOver {
        /// The first of them.
        tsu: Box<str>,
        /// What is over.
        over: LifeOver,
    },
}

/// How long a reload waits for the tokens: somebody may be issuing CRLs.
const TOKENS_PATIENCE: Duration = Duration::from_secs(20);

/// The running authority. Shared by all connections; a reload swaps what is inside.
#[derive(Debug)]
pub struct Authority {
    layout: Layout,
    metrics: Arc<Metrics>,
    running: ArcSwap<Running>,
    /// What it was started with.
    beginning: Config,
    pki: ArcSwap<PkiFiles>,
    attesting: ArcSwap<Attesting>,
    clock: Arc<ClockGate>,
    serials: SerialSource,
    /// `None` where none is kept, and in a check.
    ledger: Option<Arc<AuthorityLedger>>,
    /// What was recorded before it was switched off.
    past: Option<Arc<PastLedger>>,
    /// Only for start, reload and CRLs: no request takes this lock.
    tokens: Mutex<Tokens>,
}

/// What starting a TSU needs of its surroundings.
#[derive(Debug, Clone, Copy)]
pub struct StartParts<'a> {
    /// Where certificates are.
    pub layout: &'a Layout,
    /// The clock that the accuracy is checked against.
    pub clock: &'a ClockGate,
    /// Where the TSU counts.
    pub metrics: &'a Metrics,
}

impl Authority {
    /// Starts every TSU of `config`: opens the tokens, checks keys and certificates, makes a token with each; and opens the
    /// ledger, if one is kept.
    ///
    /// # Errors
    /// [`AuthorityError`] with the first TSU that is not fit, or what is wrong with the ledger.
    pub fn start(
        layout: Layout,
        config: Config,
        clock: Arc<ClockGate>,
        serials: SerialSource,
        metrics: Arc<Metrics>,
    ) -> Result<Self, AuthorityError> {
        let mut authority = Self::rehearse(layout, config, clock, serials, metrics)?;
        authority.open_ledger()?;
        Ok(authority)
    }

    /// As [`Authority::start`], without the ledger, which is a running server's: for a check. It must not issue.
    ///
    /// # Errors
    /// As [`Authority::start`].
    pub fn rehearse(
        layout: Layout,
        config: Config,
        clock: Arc<ClockGate>,
        serials: SerialSource,
        metrics: Arc<Metrics>,
    ) -> Result<Self, AuthorityError> {
        let mut tokens = Tokens::default();
        let pki = PkiFiles::load(&layout, &config)?;
        let parts = StartParts { layout: &layout, clock: &clock, metrics: &metrics };
        let running = Running::start(&parts, config, &mut tokens, None)?;
        clock.hold_to(running.tsus.values().map(|tsu| tsu.accuracy_claim()));
        let attesting = Attesting::open(&layout, &running.config, &mut tokens, &clock)?;
        Ok(Self {
            layout,
            metrics,
            beginning: running.config.clone(),
            running: ArcSwap::from_pointee(running),
            pki: ArcSwap::from_pointee(pki),
            attesting: ArcSwap::from_pointee(attesting),
            clock,
            serials,
            ledger: None,
            past: None,
            tokens: Mutex::new(tokens),
        })
    }

    /// Reads the configuration and certificates again and takes them, if all of them are fit; otherwise all stays as
    /// it was. Requests in flight end with what they began with.
    ///
    /// # Errors
    /// [`AuthorityError`]; nothing has changed then.
    pub fn reload(&self, config: Config) -> Result<(), AuthorityError> {
        let mut tokens = self.lock_tokens()?;
        let pki = PkiFiles::load(&self.layout, &config)?;
        let parts = StartParts { layout: &self.layout, clock: &self.clock, metrics: &self.metrics };
        let before = self.running.load();
        ledger::check_reload(&before.config, &config)?;
        let started = Running::start(&parts, config, &mut tokens, Some(&before));
        let running =
            started.inspect_err(|_| self.metrics.retain_tsus(|name| before.tsus.contains_key(name)))?;
        let attesting = match &running.config.attestation {
            // A token that hangs would say nothing, and hold up the rest.
            Some(config) if running.hangs(&config.token) || tokens.hangs(&config.token) => {
                self.attesting.load_full()
            }
            Some(_) | None => {
                let mut attesting = Attesting::open(&self.layout, &running.config, &mut tokens, &self.clock)?;
                attesting.renew(&self.layout, &self.clock);
                Arc::new(attesting)
            }
        };
        self.clock.resume_after_leap_second();
        self.clock.hold_to(running.tsus.values().map(|tsu| tsu.accuracy_claim()));
        self.metrics.retain_tsus(|name| running.tsus.contains_key(name));
        self.record_reload(&before, &running, &attesting);
        self.running.store(Arc::new(running));
        self.pki.store(Arc::new(pki));
        self.attesting.store(attesting);
        Ok(())
    }

    /// Attests every key whose stored attestation is missing or out of date: for the process that has the data folder to
    /// itself. What fails is logged and a warning of `/readyz`.
    ///
    /// # Errors
    /// [`AuthorityError::Attestation`] if keys that must differ are one.
    pub fn renew_attestations(&self) -> Result<(), AuthorityError> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let running = self.running.load();
        let mut attesting = Attesting::open(&self.layout, &running.config, &mut tokens, &self.clock)?;
        attesting.renew(&self.layout, &self.clock);
        self.attesting.store(Arc::new(attesting));
        Ok(())
    }

    /// Compares the clocks of the tokens that have one with ours (F6). Asks the tokens: not on a thread of the runtime.
    pub fn compare_token_clocks(&self) {
        let tokens: Vec<_> = {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.iter().map(|(name, token)| (name.to_owned(), Arc::clone(token))).collect()
        };
        for (name, token) in tokens {
            let before = self.clock.unverified_reading();
            match token.utc_time() {
                Ok(shown) => {
                    self.clock.token_clocks().note(&name, shown, before, self.clock.unverified_reading());
                }
                // The pools tell of a token that does not answer.
                Err(error) => tracing::debug!(token = name, %error, "a token's clock could not be read"),
            }
        }
    }

    /// Issues every CRL that is due, with the CA keys that are in reach, and serves the new ones.
    ///
    /// # Errors
    /// The first CA whose CRL could not be issued; those of the others are served.
    pub fn reissue_crls(&self) -> anyhow::Result<usize> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let running = self.running.load();
        let now = self.clock.unverified_time();
        let issued = crate::crl::reissue_due(&self.layout, &running.config, &mut tokens, now);
        self.pki.store(Arc::new(PkiFiles::load(&self.layout, &running.config)?));
        Ok(issued?)
    }

    /// Gives a running TSU another signer, which nothing was checked of. For tests, which need a signer that fails.
    #[doc(hidden)]
    pub fn dangerous_replace_signer(&self, tsu: &str, pool: Arc<SigningPool>) {
        self.running.rcu(|running| {
            let mut tsus = running.tsus.clone();
            if let Some(found) = tsus.get_mut(tsu) {
                *found = Arc::new(found.dangerous_with_pool(&pool));
            }
            let default = tsus.get(running.default.name()).unwrap_or(&running.default);
            Running {
                config: running.config.clone(),
                default: Arc::clone(default),
                waiting: running.waiting.clone(),
                compatibility: running.compatibility,
                tsus,
            }
        });
    }

    /// Begins with the signers whose tokens were away at the start and have come back. Blocks on tokens.
    pub fn begin_waiting_signers(&self) {
        let running = self.running.load_full();
        let waits = |tsu: &Arc<Tsu>| tsu.signers().iter().any(|signer| signer.waits_for_its_token());
        for tsu in running.tsus.values().filter(|tsu| waits(tsu)) {
            let Ok(mut tokens) = self.tokens.try_lock() else { return };
            tsu.begin_waiting(&running.config, &self.clock, &mut tokens);
        }
    }

    fn lock_tokens(&self) -> Result<MutexGuard<'_, Tokens>, AuthorityError> {
        let began = Instant::now();
        loop {
            match self.tokens.try_lock() {
                Ok(tokens) => return Ok(tokens),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if began.elapsed() > TOKENS_PATIENCE => {
                    return Err(AuthorityError::TokensBusy);
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Answers one request.
    pub async fn stamp(&self, request: &StampRequest<'_>) -> StampOutcome {
        let ledger = self.ledger.as_deref();
        issue::stamp(&self.running.load_full(), &self.clock, &self.serials, ledger, request).await
    }

    /// Brings the metrics of clock, keys and pools up to date.
    pub fn publish(&self, metrics: &Metrics) {
        metrics::publish(&self.running.load(), self.ledger.as_deref(), &self.clock, metrics);
        let readiness = self.readiness();
        let codes = |notes: &'_ [ReadinessNote]| notes.iter().map(|note| note.code).collect::<Vec<_>>();
        metrics.readiness.set(codes(&readiness.reasons).iter(), codes(&readiness.warnings).iter());
        metrics.process.refresh();
    }

    /// Reads again when certificates and CRLs end that are no TSU's, for the metrics.
    pub fn publish_expiries(&self, metrics: &Metrics) {
        metrics.set_expiries(expiry::expiries(&self.layout, &self.running.load().config));
    }

    /// What requests see now.
    #[must_use]
    pub fn running(&self) -> Arc<Running> {
        self.running.load_full()
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<ClockGate> {
        &self.clock
    }

    /// All TSUs, the default first.
    #[must_use]
    pub fn tsus(&self) -> Vec<TsuSummary> {
        let running = self.running.load();
        let now = self.clock.unverified_time();
        let mut summaries: Vec<_> = running
            .tsus
            .values()
            .map(|tsu| TsuSummary::of(tsu, tsu.name() == running.default.name(), now))
            .collect();
        summaries.sort_by_key(|summary| !summary.default);
        summaries
    }

    /// The TSU's certificate as PEM; `None` if no TSU has that name.
    #[must_use]
    pub fn certificate_pem(&self, tsu: &str) -> Option<Bytes> {
        let running = self.running.load();
        let tsu = running.tsus.get(tsu)?;
        Some(pem::to_pem(PemLabel::Certificate, tsu.certificate().der()).into())
    }

    /// The TSU's certificate and those above it as PEM, in that order; `None` if no TSU has that name.
    #[must_use]
    pub fn chain_pem(&self, tsu: &str) -> Option<Bytes> {
        let running = self.running.load();
        let chain = running.tsus.get(tsu)?.chain();
        let text: String =
            chain.iter().map(|certificate| pem::to_pem(PemLabel::Certificate, certificate)).collect();
        Some(text.into())
    }

    /// A file under `/pki/`: `root.pem`, `{ca}.pem`, `{ca}.crl`.
    #[must_use]
    pub fn pki_file(&self, name: &str) -> Option<PkiFile> {
        self.pki.load().file(name)
    }

    /// What is attested, and the keys that attest.
    #[must_use]
    pub fn attesting(&self) -> Arc<Attesting> {
        self.attesting.load_full()
    }

    /// Whether a token could be issued now, and why not.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let waiting = self.needing_restart();
        readiness::judge(
            &self.running.load(),
            &waiting,
            &self.attesting.load(),
            self.ledger.as_deref(),
            &self.clock,
        )
    }

    /// The settings that a reload has read and only a start will take.
    #[must_use]
    pub fn needing_restart(&self) -> Vec<&'static str> {
        self.beginning.needing_restart(&self.running.load().config)
    }
}
