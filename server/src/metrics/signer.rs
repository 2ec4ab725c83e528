//! What is counted of one signer of a TSU: a key in a token. The set of them is the configuration's.

use std::fmt::{self, Write};
use std::sync::{Mutex, PoisonError};

use super::primitive::BUCKETS;
use super::render::{LabelValue, header};
use super::{Counter, Gauge, Histogram, PoolTotals, TsuMetrics};

/// One signer. Obtained once at start or reload, never looked up by name.
#[derive(Debug)]
pub struct SignerMetrics {
    pub(super) label: String,
    /// 1 if it could sign now, else 0.
    pub up: Gauge,
    /// Sessions open for signing.
    pub sessions: Gauge,
    /// Signatures waiting for a session.
    pub queued: Gauge,
    /// How long its signatures took, the wait for a session included.
    pub duration: Histogram,
    /// Requests that this signer failed and that went on to another one.
    pub failovers: Counter,
    /// Tokens that were verified before they left.
    pub self_checks: Counter,
    /// Those that were wrong, and did not leave.
    pub self_check_failures: Counter,
    /// What the signing pool had counted when it was last looked at.
    pool_seen: Mutex<PoolTotals>,
}

impl SignerMetrics {
    pub(super) fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            up: Gauge::default(),
            sessions: Gauge::default(),
            queued: Gauge::default(),
            duration: Histogram::default(),
            failovers: Counter::default(),
            self_checks: Counter::default(),
            self_check_failures: Counter::default(),
            pool_seen: Mutex::default(),
        }
    }

    /// What was added since the last call.
    pub(super) fn added(&self, totals: PoolTotals) -> PoolTotals {
        let mut seen = self.pool_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let added = totals.since(*seen);
        *seen = totals;
        added
    }
}

/// A family with a number for each signer: its name, its type, its help, and the number.
type Family = (&'static str, &'static str, &'static str, fn(&SignerMetrics) -> f64);

const FAMILIES: [Family; 6] = [
    ("attestamp_signer_up", "gauge", "1 if the signer could sign now.", |signer| signer.up.value()),
    ("attestamp_signer_sessions", "gauge", "Sessions open for signing.", |signer| signer.sessions.value()),
    ("attestamp_signer_queued_signatures", "gauge", "Signatures waiting for a session.", |signer| {
        signer.queued.value()
    }),
    (
        "attestamp_signer_failovers_total",
        "counter",
        "Requests that the signer failed and another one took over.",
        |signer| count(&signer.failovers),
    ),
    ("attestamp_signer_self_checks_total", "counter", "Tokens verified before they left.", |signer| {
        count(&signer.self_checks)
    }),
    (
        "attestamp_signer_self_check_failures_total",
        "counter",
        "Tokens that were wrong and did not leave.",
        |signer| count(&signer.self_check_failures),
    ),
];

pub(super) fn write(text: &mut String, tsus: &[std::sync::Arc<TsuMetrics>]) -> fmt::Result {
    let signers = tsus.iter().map(|tsu| (tsu, tsu.signers.load_full()));
    let signers: Vec<_> = signers
        .flat_map(|(tsu, signers)| {
            signers.iter().cloned().map(move |signer| (tsu, signer)).collect::<Vec<_>>()
        })
        .collect();
    for (name, kind, help, value) in FAMILIES {
        header(text, name, kind, help)?;
        for (tsu, signer) in &signers {
            writeln!(
                text,
                "{name}{{tsu=\"{}\",signer=\"{}\"}} {}",
                LabelValue(&tsu.name),
                LabelValue(&signer.label),
                value(signer)
            )?;
        }
    }
    let name = "attestamp_signer_signature_duration_seconds";
    header(text, name, "histogram", "Signatures, the wait for a session included.")?;
    for (tsu, signer) in &signers {
        let labels = format!("tsu=\"{}\",signer=\"{}\"", LabelValue(&tsu.name), LabelValue(&signer.label));
        let cumulative = signer.duration.cumulative();
        let bounds = BUCKETS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
        for (bound, count) in bounds.zip(cumulative) {
            writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}")?;
        }
        let [.., count] = cumulative;
        writeln!(text, "{name}_sum{{{labels}}} {}", signer.duration.sum().as_secs_f64())?;
        writeln!(text, "{name}_count{{{labels}}} {count}")?;
    }
    Ok(())
}

/// Exact far beyond what is ever counted.
fn count(counter: &Counter) -> f64 {
    std::time::Duration::from_secs(counter.value()).as_secs_f64()
}
