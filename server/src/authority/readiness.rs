//! Whether a token could be issued now, and what will stop that soon: `GET /readyz`, the page and `attestamp check`.
//!
//! The judgement is made afresh at each call from the clock, the pools, the store of the tokens and the certificates,
//! so that it cannot drift from what a request would meet.

use std::time::Duration;

use attestamp_ledger::ledger::LedgerHealth;
use serde::Serialize;

use super::{Attesting, Running};
use crate::clock::{ClockGate, ServerReport, rfc3339};
use crate::config::LedgerSetting;
use crate::ledger::AuthorityLedger;
use crate::tsu::Tsu;

/// Whether a token could be issued now, as `GET /readyz` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// True if every TSU could issue a token now.
    pub ready: bool,
    /// Whether the time is assured (checked against a bound), or only the system's.
    pub time_assured: bool,
    /// Why not; empty when ready.
    pub reasons: Vec<ReadinessNote>,
    /// What will become a reason, or should not stay: an expiring certificate, a clock that is not assured.
    pub warnings: Vec<ReadinessNote>,
    /// What the operator has chosen and clients should know.
    pub notes: Vec<ReadinessNote>,
    /// Whether tokens are recorded.
    pub ledger: LedgerState,
}

/// Whether tokens are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LedgerState {
    /// Each, before it is released.
    Kept,
    /// The operator has switched it off.
    Off,
    /// There are no keys for a ledger.
    Absent,
}

/// One reason or warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessNote {
    /// The TSU concerned; absent if all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsu: Option<String>,
    /// A fixed word for programs, as `certificate-expired`.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

const SECONDS_A_DAY: u64 = 86_400;

pub(super) fn judge(
    running: &Running,
    needing_restart: &[&str],
    attesting: &Attesting,
    ledger: Option<&AuthorityLedger>,
    clock: &ClockGate,
) -> Readiness {
    let now = clock.unverified_time();
    let snapshot = clock.snapshot();
    let mut reasons = Vec::new();
    let mut warnings = Vec::new();
    for refusal in &snapshot.refusals {
        let servers = if refusal.is_about_servers() { servers(clock) } else { String::new() };
        reasons.push(note(None, refusal.code(), format!("no tokens: {refusal}{servers}")));
    }
    for warning in &snapshot.warnings {
        let servers = if warning.is_about_servers() { servers(clock) } else { String::new() };
        warnings.push(note(None, warning.code(), format!("{warning}{servers}")));
    }
    for (token, warning) in clock.token_clocks().warnings() {
        warnings.push(note(None, "token-clock", format!("token `{token}`: {warning}")));
    }
    let warning_time = Duration::from_secs(
        u64::from(running.config.server.expiry_warning_days).saturating_mul(SECONDS_A_DAY),
    );
    for tsu in running.tsus.values() {
        if let Some((code, detail)) = tsu.trouble(now) {
            reasons.push(note(Some(tsu), code, detail));
        } else if let [_, _, ..] = tsu.signers() {
            for signer in tsu.signers() {
                if let Some((_, detail)) = signer.trouble(now) {
                    let detail =
                        format!("its signer `{}` is down, and another one signs: {detail}", signer.label());
                    warnings.push(note(Some(tsu), "signer-down", detail));
                }
            }
        }
        let nested = tsu.nested_name().and_then(|name| running.tsus.get(name));
        if let Some((_, detail)) = nested.and_then(|nested| nested.trouble(now)) {
            let detail = format!("its nested-tsu issues nothing: {detail}");
            reasons.push(note(Some(tsu), "nested-tsu", detail));
        }
        if let Some(detail) = expires_soon(tsu, now.as_secs(), warning_time) {
            warnings.push(note(Some(tsu), "expires-soon", detail));
        }
        if let Some(lacking) = tsu.unattested() {
            let detail = format!(
                "its key is used although the token does not vouch for it (accept-unattested): {lacking}"
            );
            warnings.push(note(Some(tsu), "unattested-key", detail));
        }
        if tsu.profile().policies().any(|policy| policy.to_string().starts_with("2.999.")) {
            let detail =
                "its policy OID is under 2.999, the arc for examples: set default-policy to your own";
            warnings.push(note(Some(tsu), "example-policy", detail.to_owned()));
        }
    }
    for name in &running.waiting {
        let detail = format!(
            "waits for a certificate: `attestamp tsu import {name} chain.pem`, then `attestamp reload`"
        );
        warnings.push(ReadinessNote { tsu: Some(name.clone()), code: "no-certificate", detail });
    }
    if !needing_restart.is_empty() {
        let detail = format!(
            "attestamp.toml has changed in what only a start takes: {}; restart the server, or undo the change",
            needing_restart.join(", ")
        );
        warnings.push(note(None, "restart-needed", detail));
    }
    warnings.extend(attesting.warnings().iter().cloned());
    let mut readiness = Readiness {
        ready: false,
        time_assured: snapshot.assured,
        reasons,
        warnings,
        notes: Vec::new(),
        ledger: LedgerState::Kept,
    };
    judge_ledger(&mut readiness, &running.config.ledger, ledger);
    readiness.ready = readiness.reasons.is_empty();
    readiness
}

/// Whether tokens can go on record.
fn judge_ledger(readiness: &mut Readiness, setting: &LedgerSetting, ledger: Option<&AuthorityLedger>) {
    match setting {
        LedgerSetting::Kept(_) => {}
        LedgerSetting::Off(_) => {
            readiness.ledger = LedgerState::Off;
            let detail = "no record of tokens is kept: the operator has switched the ledger off";
            readiness.notes.push(note(None, "ledger-off", detail.to_owned()));
        }
        LedgerSetting::Absent => {
            readiness.ledger = LedgerState::Absent;
            let detail = "no record of tokens is kept: stop the server, and `attestamp ledger init` makes the keys for it";
            readiness.warnings.push(note(None, "no-ledger", detail.to_owned()));
        }
    }
    let Some(ledger) = ledger else { return };
    if let Some(found) = ledger.altered() {
        let detail = format!("no tokens: {found}; keep the folder as it is, and see docs/ledger.md");
        readiness.reasons.push(note(None, "ledger-altered", detail));
    }
    let unwritable = match ledger.health() {
        LedgerHealth::Good => None,
        LedgerHealth::Failing(error) => Some(crate::log::chain(&error)),
        LedgerHealth::Stalled { seconds } => {
            Some(format!("the ledger's disk has not answered for {seconds} s"))
        }
    };
    if let Some(reason) = unwritable {
        let detail = format!("no tokens: {reason}; it goes on by itself when that has passed");
        readiness.reasons.push(note(None, "ledger-unwritable", detail));
    }
    if let Some(waited) = ledger.checkpoint_overdue() {
        let detail = format!(
            "the ledger has had no new checkpoint for {} s, and proofs wait: the log says why",
            waited.as_secs()
        );
        readiness.warnings.push(note(None, "checkpoint-overdue", detail));
    }
}

/// What each time server says, to be put behind a sentence about all of them.
fn servers(clock: &ClockGate) -> String {
    let Some(network) = clock.network() else { return String::new() };
    let words: Vec<_> = network.reports().iter().map(ServerReport::words).collect();
    format!(" ({})", words.join("; "))
}

fn note(tsu: Option<&Tsu>, code: &'static str, detail: String) -> ReadinessNote {
    ReadinessNote { tsu: tsu.map(|tsu| tsu.name().to_owned()), code, detail }
}

fn expires_soon(tsu: &Tsu, now_seconds: u64, warning_time: Duration) -> Option<String> {
    let end = tsu.key_not_after();
    let left = end.as_secs().checked_sub(now_seconds)?;
    (left <= warning_time.as_secs()).then(|| {
        format!(
            "stops issuing on {} ({} days): make its successor with `attestamp tsu new`, or import a new certificate",
            rfc3339(end),
            left / SECONDS_A_DAY
        )
    })
}
