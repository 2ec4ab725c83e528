//! The gate before every token (F1): the time, if it may be relied upon now, else the reason why not.
//!
//! [`ClockGate::refresh`] takes a sample, asks every check and publishes the outcome; a ticker calls it twice a second.
//! [`ClockGate::now`] is the request path: it loads the outcome, reads the clocks and compares; no lock, no system
//! call beyond the vDSO. What may happen between two samples is looked at there once more: the outcome's age, a step of
//! the clock, and the beginning of a leap second's window.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use attestamp_certs::UnixTime;
use attestamp_kernel_clock::KernelClockReading;
use attestamp_tsa::UtcInstant;
use thiserror::Error;

use super::accuracy::{AccuracyBasis, AccuracyTooSmall, TooLate, check_accuracy, check_age};
use super::check::{Check, CheckHistory};
use super::high_water::HighWaterMark;
use super::judge::{Assessment, Judge};
use super::jump::{self, JumpCheck, JumpReports};
use super::kernel::{self, KernelCheck};
use super::leap::{self, LeapCheck};
use super::ntp::{AccuracyClaim, ErrorLimits, Network, NetworkCheck, NetworkReading};
use super::refusal::{ClockRefusal, ClockWarning};
use super::source::{ClockReadings, ClockSample, KernelUnreadable, TimeSource};
use super::token_clock::TokenClocks;
use super::{ClockConfig, ClockMode, LOG_TARGET, LeapSecondMode, VERDICT_MAX_AGE};

/// The gate. Shared by all requests.
#[derive(Debug)]
pub struct ClockGate {
    config: ClockConfig,
    source: Arc<dyn TimeSource>,
    mark: Arc<HighWaterMark>,
    network: Option<Arc<Network>>,
    token_clocks: TokenClocks,
    published: ArcSwap<Assessment>,
    sample_number: AtomicU64,
    judge: Mutex<Judge>,
    jump_reports: JumpReports,
    resume: Arc<AtomicBool>,
    staleness_told: AtomicBool,
    renewal_failed: AtomicBool,
    refusals_total: AtomicU64,
}

/// A time that a token may state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedTime {
    /// Now, in UTC.
    pub instant: UtcInstant,
    /// The most that it may be wrong by; `None` where nobody knows (mode `system`).
    pub error_bound: Option<Duration>,
    /// Whether somebody vouches for it.
    pub assured: bool,
}

/// The clock cannot be started as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClockStartError {
    /// F8: mode `kernel` without assurance. The source says what to do.
    #[error("`clock.mode = \"kernel\"` needs an assured clock")]
    NotAssured {
        /// Why it is not.
        #[source]
        refusal: ClockRefusal,
    },
}

/// The state of the clock for `/readyz`, `/metrics`, `status` and the log.
#[derive(Debug, Clone, PartialEq)]
pub struct ClockSnapshot {
    /// The mode configured.
    pub mode: ClockMode,
    /// Whether the time is assured *now*: an assuring mode, and no refusal.
    pub assured: bool,
    /// Why nothing would be issued now, the first being what a request would get; empty if a token would be issued.
    pub refusals: Vec<ClockRefusal>,
    /// What an operator should know.
    pub warnings: Vec<ClockWarning>,
    /// The most that the time may be wrong by, where known.
    pub error_bound: Option<Duration>,
    /// What the kernel said of its clock at the latest sample.
    pub kernel: Result<KernelClockReading, KernelUnreadable>,
    /// What the time servers said at it; `None` if none is configured.
    pub network: Option<NetworkReading>,
    /// The clocks at the latest sample.
    pub sample_clocks: ClockReadings,
    /// Age of the latest sample.
    pub sample_age: Duration,
    /// Samples taken since the start: the number of the one in force.
    pub samples_total: u64,
    /// Requests for the time that were refused since the start.
    pub refusals_total: u64,
    /// Latest step and leap second seen.
    pub history: CheckHistory,
    /// The latest instant issued, since 1970; zero if none ever was.
    pub latest_issued: Duration,
}

impl ClockGate {
    /// A gate with its first outcome.
    ///
    /// A clock that is merely behind the mark, or in the window of a leap second, does not keep the program from
    /// starting: it refuses until that has passed.
    ///
    /// # Errors
    /// [`ClockStartError::NotAssured`] in mode `kernel` if the kernel does not vouch for its clock.
    pub fn start(
        config: ClockConfig,
        source: Arc<dyn TimeSource>,
        mark: Arc<HighWaterMark>,
    ) -> Result<Self, ClockStartError> {
        let network = config.ntp.clone().map(|ntp| Arc::new(Network::new(ntp, Arc::clone(&source))));
        let sample = sample(source.as_ref(), network.as_deref());
        if config.mode == ClockMode::Kernel
            && let Some(refusal) =
                kernel::refusal_of(&sample.kernel, config.error_budget, kernel::CHRONY_PATHS)
        {
            return Err(ClockStartError::NotAssured { refusal });
        }
        let jump_reports = JumpReports::default();
        let resume = Arc::new(AtomicBool::new(false));
        let mut checks: Vec<Box<dyn Check>> = vec![
            Box::new(LeapCheck::new(config.leap_second, Arc::clone(&resume))),
            Box::new(KernelCheck::new(&config)),
            Box::new(JumpCheck::new(&config, jump_reports.clone())),
        ];
        if let Some(network) = &network {
            checks.push(Box::new(NetworkCheck::new(config.mode, Arc::clone(network))));
        }
        let mut judge = Judge::new(checks);
        let gate = Self {
            published: ArcSwap::from_pointee(judge.assess(sample)),
            sample_number: AtomicU64::new(1),
            network,
            token_clocks: TokenClocks::new(config.token_difference),
            judge: Mutex::new(judge),
            config,
            source,
            mark,
            jump_reports,
            resume,
            staleness_told: AtomicBool::new(false),
            renewal_failed: AtomicBool::new(false),
            refusals_total: AtomicU64::new(0),
        };
        gate.renew_mark();
        gate.announce();
        Ok(gate)
    }

    /// The time for one token, if it may be relied upon now. Reading it makes it the latest issued.
    ///
    /// # Errors
    /// The first reason that speaks against it; all of them answer the client with timeNotAvailable (A1.8).
    pub fn now(&self) -> Result<TrustedTime, ClockRefusal> {
        let answer = match self.try_now() {
            // A thread that was preempted between reading the clock and saying so is no clock that went backwards.
            Err(ClockRefusal::BehindHighWaterMark { .. }) => self.try_now(),
            answer => answer,
        };
        if let Err(refusal) = &answer {
            self.refusals_total.fetch_add(1, Ordering::Relaxed);
            self.note_refusal(refusal);
        }
        answer
    }

    /// What the clock reads now, whether or not it may be relied upon: for the validity of certificates and for CRLs,
    /// never for a token.
    #[must_use]
    pub fn unverified_time(&self) -> UnixTime {
        UnixTime::since_unix_epoch(self.source.clocks().realtime)
    }

    /// As [`Self::unverified_time`], with its fraction: since 1970.
    #[must_use]
    pub fn unverified_reading(&self) -> Duration {
        self.source.clocks().realtime
    }

    /// Takes a sample, asks the checks and publishes what they say. For the ticker and for tests.
    pub fn refresh(&self) {
        {
            let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
            // Sampled under the lock: the checks see samples in the order of their taking.
            let assessment = judge.assess(sample(self.source.as_ref(), self.network.as_deref()));
            let number = assessment.samples_total;
            let clocks = assessment.sample.clocks;
            // After a pause of any kind the lease has run out; without one, `renew_mark` sees to it.
            if assessment.refusals.is_empty() && !self.mark.covers(clocks) {
                self.renew_mark_at(clocks);
            }
            self.published.store(Arc::new(assessment));
            self.sample_number.store(number, Ordering::Release);
        }
        if self.staleness_told.swap(false, Ordering::Relaxed) {
            tracing::info!(target: LOG_TARGET, "the clock is checked again");
        }
        self.announce();
    }

    /// Renews the mark's lease if tokens could be issued. May block on the disk, so not from where `refresh` is called.
    pub fn renew_mark(&self) {
        if self.published.load().refusals.is_empty() {
            self.renew_mark_at(self.source.clocks());
        }
    }

    /// Goes on after a leap second in mode `stop`, from the next sample on. Has no effect before it has passed.
    pub fn resume_after_leap_second(&self) {
        self.resume.store(true, Ordering::Relaxed);
    }

    /// The number of the sample in force, without looking at it: whoever has seen this number knows all there is.
    #[must_use]
    pub fn sample_number(&self) -> u64 {
        self.sample_number.load(Ordering::Acquire)
    }

    /// The time servers; `None` if none is configured.
    #[must_use]
    pub fn network(&self) -> Option<&Arc<Network>> {
        self.network.as_ref()
    }

    /// What the clocks of tokens show (F6).
    #[must_use]
    pub fn token_clocks(&self) -> &TokenClocks {
        &self.token_clocks
    }

    /// Holds the clock to what the TSUs that run claim (F3), in place of what was claimed before.
    pub fn hold_to(&self, claims: impl IntoIterator<Item = AccuracyClaim>) {
        if let Some(network) = &self.network {
            network.set_limits(ErrorLimits::for_claims(claims));
            self.refresh();
        }
    }

    /// Checks that an accuracy may be claimed on this clock: its budget, the truncation of genTime and the time that
    /// signing takes must fit into it.
    ///
    /// # Errors
    /// [`AccuracyTooSmall`] if they do not.
    pub fn check_accuracy(
        &self,
        claimed: Duration,
        truncation: Duration,
        signing: Duration,
    ) -> Result<AccuracyBasis, AccuracyTooSmall> {
        let bound = self.config.mode.is_assured().then_some(self.config.error_budget);
        check_accuracy(claimed, bound, truncation, signing)
    }

    /// Checks, once a token is signed, that its genTime is still within its accuracy.
    ///
    /// # Errors
    /// [`TooLate`] if the signature took too long.
    pub fn check_age(&self, gen_time: UtcInstant, accuracy: Duration) -> Result<(), TooLate> {
        let clocks = self.source.clocks();
        let stated = Duration::new(gen_time.unix_seconds(), gen_time.nanoseconds());
        check_age(stated, clocks.realtime, self.published.load().error_bound_at(clocks), accuracy)
    }

    /// What the clock is held to.
    #[must_use]
    pub fn config(&self) -> &ClockConfig {
        &self.config
    }

    /// Samples taken since the start: a name for the latest one.
    #[must_use]
    pub fn samples_total(&self) -> u64 {
        self.published.load().samples_total
    }

    /// The state of the clock now. Issues nothing.
    #[must_use]
    pub fn snapshot(&self) -> ClockSnapshot {
        let assessment = self.published.load();
        let clocks = self.source.clocks();
        let refusals = self.refusals_of(&assessment, clocks);
        ClockSnapshot {
            mode: self.config.mode,
            assured: self.config.mode.is_assured() && refusals.is_empty(),
            refusals,
            warnings: assessment.warnings.clone(),
            error_bound: assessment.error_bound_at(clocks),
            kernel: assessment.sample.kernel,
            network: assessment.sample.network,
            sample_clocks: assessment.sample.clocks,
            sample_age: assessment.age_at(clocks),
            samples_total: assessment.samples_total,
            refusals_total: self.refusals_total.load(Ordering::Relaxed),
            history: assessment.history,
            latest_issued: self.mark.latest(),
        }
    }

    fn renew_mark_at(&self, clocks: ClockReadings) {
        match self.mark.renew(clocks) {
            Ok(()) => self.renewal_failed.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.renewal_failed.swap(true, Ordering::Relaxed) {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(target: LOG_TARGET, %error, source, "issuance stops within seconds: the latest time cannot be recorded");
                }
            }
        }
    }

    fn try_now(&self) -> Result<TrustedTime, ClockRefusal> {
        let assessment = self.published.load();
        let clocks = self.source.clocks();
        self.examine(&assessment, clocks)?;
        let instant = UtcInstant::new(clocks.realtime.as_secs(), clocks.realtime.subsec_nanos())
            .map_err(|_| ClockRefusal::OutOfRange)?;
        self.mark.admit(clocks, self.config.backward_tolerance)?;
        Ok(TrustedTime {
            instant,
            error_bound: assessment.error_bound_at(clocks),
            assured: self.config.mode.is_assured(),
        })
    }

    /// Whether an outcome still holds at these readings.
    fn examine(&self, assessment: &Assessment, clocks: ClockReadings) -> Result<(), ClockRefusal> {
        let age = assessment.age_at(clocks);
        if age > VERDICT_MAX_AGE {
            return Err(ClockRefusal::Stale { age, limit: VERDICT_MAX_AGE });
        }
        if let Some(refusal) = assessment.refusals.first() {
            return Err(*refusal);
        }
        if assessment.leap_announced && leap::is_in_window(clocks.realtime) {
            return Err(match self.config.leap_second {
                LeapSecondMode::Pause => ClockRefusal::LeapSecondPause,
                LeapSecondMode::Stop => ClockRefusal::LeapSecondStop,
            });
        }
        let limit = self.config.jump_limit;
        match jump::step_between(assessment.sample.clocks, clocks, limit) {
            Some(by) => Err(ClockRefusal::Jumped { by, limit }),
            None => Ok(()),
        }
    }

    /// All reasons against a token now, that of a request first.
    fn refusals_of(&self, assessment: &Assessment, clocks: ClockReadings) -> Vec<ClockRefusal> {
        let mut refusals = Vec::new();
        let examined = self.examine(assessment, clocks).err();
        let marked = self.mark.peek(clocks, self.config.backward_tolerance).err();
        // A lease is not renewed while something else refuses: that it has run out is then no news.
        let marked = marked.filter(|refusal| examined.is_none() || *refusal != ClockRefusal::MarkNotStored);
        for refusal in examined.into_iter().chain(assessment.refusals.iter().copied()).chain(marked) {
            if !refusals.contains(&refusal) {
                refusals.push(refusal);
            }
        }
        refusals
    }

    /// What a refusal at a request has to tell others.
    fn note_refusal(&self, refusal: &ClockRefusal) {
        if let ClockRefusal::Jumped { by, .. } = refusal
            && self.published.load().refusals.is_empty()
        {
            self.jump_reports.report(*by);
        }
        // The ticker logs every other refusal; where this one comes from, the ticker has stopped.
        if let ClockRefusal::Stale { .. } = refusal
            && !self.staleness_told.swap(true, Ordering::Relaxed)
        {
            tracing::error!(target: LOG_TARGET, code = refusal.code(), reason = %refusal, "no tokens are issued: clock");
        }
    }

    fn announce(&self) {
        let assessment = self.published.load();
        let refusals = self.refusals_of(&assessment, self.source.clocks());
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        judge.announce(&refusals, &assessment.warnings);
    }
}

/// All that the checks look at.
fn sample(source: &dyn TimeSource, network: Option<&Network>) -> ClockSample {
    let mut sample = source.sample();
    sample.network = network.map(|network| network.read(&sample));
    sample
}
