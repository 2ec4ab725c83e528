//! What the running authority attests, and how it answers who asks for a fresh attestation.
//!
//! Stored attestations are brought up to date when the server starts or reloads, and are served from memory. A fresh one
//! costs a look at the key and a signature: it is made on a thread that may block, one at a time, within a budget that all
//! clients share. No TSU waits for any of it, and none fails to start because of it, unless keys that must differ are one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use attestamp_attestation::{AttestationClock, ChainKind, Nonce};
use attestamp_certs::CertificateDer;

use super::ReadinessNote;
use crate::attestation::served::AttestationFiles;
use crate::attestation::{AttestationError, AttestedKey, Attester, Moment, Occasion, attested_keys, stored};
use crate::clock::ClockGate;
use crate::config::Config;
use crate::data_folder::Layout;
use crate::tokens::Tokens;

/// Fresh attestations, by TSU and chain.
pub type Fresh = BTreeMap<(String, ChainKind), CertificateDer<'static>>;

/// Who asks for what.
#[derive(Debug, Clone)]
pub struct AttestRequest {
    /// The TSU whose key it is; `None` for all.
    pub tsu: Option<String>,
    /// Under which chain; `None` for all.
    pub chain: Option<ChainKind>,
    /// The auditor's nonce.
    pub nonce: Nonce,
}

/// Why there is no fresh attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestRefusal {
    /// There are no attestation keys, or none of the chain asked for.
    NoChain,
    /// The TSU's key is in no token that is attested, or it is retired.
    NotAttested,
    /// The operator allows none.
    Disabled,
    /// The budget of all clients is spent.
    Limited {
        /// When there will be room.
        retry_after_seconds: u32,
    },
    /// The token, or a certificate, did not do. The log has the cause.
    Failed,
}

/// The keys that attest, those that are attested, and what is stored of that.
#[derive(Debug)]
pub struct Attesting {
    attester: Option<Attester>,
    keys: Vec<AttestedKey>,
    files: Arc<AttestationFiles>,
    warnings: Vec<ReadinessNote>,
    budget: Option<Budget>,
    /// One attestation is made at a time: the token has better things to do.
    turn: Mutex<()>,
}

impl Attesting {
    /// Opens the attestation keys and reads what is stored.
    ///
    /// # Errors
    /// [`AttestationError::SharedKey`]; whatever else is wrong is logged, and a warning of `/readyz`.
    pub(super) fn open(
        layout: &Layout,
        config: &Config,
        tokens: &mut Tokens,
        clock: &ClockGate,
    ) -> Result<Self, AttestationError> {
        let mut warnings = Vec::new();
        let opened = Attester::open(layout, config, tokens)
            .and_then(|attester| attester.map(|attester| attester.with_pools(tokens)).transpose());
        let attester = match opened {
            Ok(attester) => attester,
            Err(shared @ AttestationError::SharedKey { .. }) => return Err(shared),
            Err(error) => {
                tracing::error!(error = %format!("{:#}", anyhow::Error::from(error)), "no key is attested");
                let detail = "the attestation keys are out of reach: the log says why";
                warnings.push(warning(None, "attestation-unavailable", detail));
                None
            }
        };
        for kind in attester.iter().flat_map(|attester| attester.waiting()) {
            let detail = format!(
                "the {kind} attestation chain waits for the device's certificate: `attestamp attest import CHAIN.pem`, then \
                 `attestamp reload`"
            );
            warnings.push(warning(None, "no-device-certificate", &detail));
        }
        if attester.as_ref().is_some_and(Attester::lacks_vendor_roots) {
            let detail =
                "a file of vendor-roots cannot be read: the claims stay the host's word, the log says why";
            warnings.push(warning(None, "vendor-roots", detail));
        }
        if config.attestation.is_none() {
            let detail = "no key is attested: `attestamp attest init` makes the keys for that";
            warnings.push(warning(None, "no-attestation", detail));
        }
        let keys = attested_keys(layout, config, clock.unverified_time());
        let files = Arc::new(AttestationFiles::load(layout, attester.as_ref()));
        let budget = config.attestation.as_ref().and_then(|config| Budget::new(config.fresh_per_minute));
        Ok(Self { attester, keys, files, warnings, budget, turn: Mutex::new(()) })
    }

    /// Brings the stored attestations up to date: for the process that has the data folder to itself. A key that cannot
    /// be attested is logged and warned of, and keeps the attestation that it had.
    pub(super) fn renew(&mut self, layout: &Layout, clock: &ClockGate) {
        let Some(attester) = &self.attester else { return };
        for key in &self.keys {
            if let Err(error) = stored::renew_if_changed(layout, attester, key, moment(clock)) {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(tsu = key.name, error, "a key could not be attested");
                let detail = "its key could not be attested: the log says why";
                self.warnings.push(warning(Some(&key.name), "attestation-failed", detail));
            }
        }
        self.files = Arc::new(AttestationFiles::load(layout, Some(attester)));
    }

    /// The attestation keys, if they are in reach.
    pub(super) fn attester(&self) -> Option<&Attester> {
        self.attester.as_ref()
    }

    /// What is served without asking the token.
    #[must_use]
    pub fn files(&self) -> &Arc<AttestationFiles> {
        &self.files
    }

    /// What `/readyz` says of attestation.
    #[must_use]
    pub fn warnings(&self) -> &[ReadinessNote] {
        &self.warnings
    }

    /// Makes attestations with an auditor's nonce. Blocks on the token: not for a thread that serves connections.
    ///
    /// # Errors
    /// [`AttestRefusal`].
    pub fn attest(&self, request: &AttestRequest, clock: &ClockGate) -> Result<Fresh, AttestRefusal> {
        let attester = self.attester.as_ref().ok_or(AttestRefusal::NoChain)?;
        let kinds: Vec<_> =
            attester.kinds().filter(|kind| request.chain.is_none_or(|wanted| wanted == *kind)).collect();
        if kinds.is_empty() {
            return Err(AttestRefusal::NoChain);
        }
        let is_wanted = |key: &&AttestedKey| request.tsu.as_ref().is_none_or(|wanted| *wanted == key.name);
        let keys: Vec<_> = self.keys.iter().filter(is_wanted).collect();
        if keys.is_empty() {
            return Err(AttestRefusal::NotAttested);
        }
        let budget = self.budget.as_ref().ok_or(AttestRefusal::Disabled)?;
        budget.take(keys.len().saturating_mul(kinds.len()))?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = Fresh::new();
        for key in keys {
            let made = self.attest_key(attester, key, &kinds, &request.nonce, clock).map_err(|error| {
                let error = anyhow::Error::from(error);
                tracing::error!(tsu = key.name, error = %format!("{error:#}"), "no fresh attestation");
                AttestRefusal::Failed
            })?;
            fresh.extend(made.into_iter().map(|(kind, certificate)| ((key.name.clone(), kind), certificate)));
        }
        Ok(fresh)
    }

    fn attest_key(
        &self,
        attester: &Attester,
        key: &AttestedKey,
        kinds: &[ChainKind],
        nonce: &Nonce,
        clock: &ClockGate,
    ) -> Result<Vec<(ChainKind, CertificateDer<'static>)>, AttestationError> {
        let occasion = Occasion { nonce: Some(nonce.clone()), end: None };
        let (claims, info) = attester.claims(key, occasion, moment(clock))?;
        kinds.iter().map(|kind| Ok((*kind, attester.sign_claims(*kind, key, &claims, &info)?))).collect()
    }
}

fn warning(tsu: Option<&str>, code: &'static str, detail: &str) -> ReadinessNote {
    ReadinessNote { tsu: tsu.map(str::to_owned), code, detail: detail.to_owned() }
}

fn moment(clock: &ClockGate) -> Moment {
    let assured = clock.snapshot().assured;
    let clock_claim = if assured { AttestationClock::HostAssured } else { AttestationClock::HostUnassured };
    Moment { now: clock.unverified_time(), clock: clock_claim }
}

/// Signatures that all clients together may ask for: so many a minute, and ten seconds' worth at once.
#[derive(Debug)]
struct Budget {
    started: Instant,
    nanoseconds_each: u64,
    /// The moment up to which the budget is spent, in nanoseconds after `started` (the generic cell rate algorithm).
    spent_until: AtomicU64,
}

const NANOSECONDS_A_MINUTE: u64 = 60_000_000_000;
/// How much of the budget may be spent at once: more would be felt by those who ask for timestamps.
const BURST_NANOSECONDS: u64 = 10_000_000_000;

impl Budget {
    /// `None` for a budget of nothing.
    fn new(per_minute: u32) -> Option<Self> {
        let nanoseconds_each = NANOSECONDS_A_MINUTE.checked_div(u64::from(per_minute))?;
        Some(Self { started: Instant::now(), nanoseconds_each, spent_until: AtomicU64::new(0) })
    }

    fn take(&self, signatures: usize) -> Result<(), AttestRefusal> {
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let cost = self.nanoseconds_each.saturating_mul(u64::try_from(signatures).unwrap_or(u64::MAX));
        let step = |spent_until: u64| {
            let spent = spent_until.max(now).saturating_add(cost);
            // A request that costs more than half of it needs half of it free, and the others wait for the rest.
            (spent_until.max(now) - now <= room_for(cost)).then_some(spent)
        };
        match self.spent_until.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step) {
            Ok(_) => Ok(()),
            Err(spent_until) => {
                let room_at = spent_until.saturating_sub(room_for(cost));
                let seconds = room_at.saturating_sub(now).div_ceil(1_000_000_000).max(1);
                Err(AttestRefusal::Limited {
                    retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
                })
            }
        }
    }
}

/// How much may be spent already where this is asked for.
fn room_for(cost: u64) -> u64 {
    BURST_NANOSECONDS - cost.min(BURST_NANOSECONDS / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_ten_seconds_worth_and_then_waits() {
        let budget = Budget::new(36).unwrap();
        budget.take(4).unwrap();
        budget.take(2).unwrap();
        let refused = budget.take(1).unwrap_err();
        assert!(
            matches!(refused, AttestRefusal::Limited { retry_after_seconds } if (1..=10).contains(&retry_after_seconds)),
            "{refused:?}"
        );
    }

    #[test]
    fn a_request_beyond_the_whole_budget_passes_once() {
        let budget = Budget::new(2).unwrap();
        budget.take(6).unwrap();
        assert!(matches!(budget.take(6), Err(AttestRefusal::Limited { .. })));
    }

    #[test]
    fn no_budget_is_none() {
        assert!(Budget::new(0).is_none());
    }
}
