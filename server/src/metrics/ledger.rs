//! The ledger's series: figures that are looked at now and then, and what each commit tells.

use std::fmt::{self, Write};

use super::primitive::BUCKETS;
use super::render::{counter, gauge, header};
use super::{Counter, Gauge, Histogram};

/// What the ledger's owner knows. Values never set are rendered as NaN, as where no ledger is kept.
#[derive(Debug, Default)]
pub struct LedgerMetrics {
    /// Entries that are durable.
    pub entries: Gauge,
    /// Octets of all entries.
    pub octets: Gauge,
    /// Segments.
    pub segments: Gauge,
    /// Entries under the published checkpoint.
    pub checkpoint_entries: Gauge,
    /// Entries that wait for their batch.
    pub pending_entries: Gauge,
    /// Writing and syncing of one batch.
    pub commit_duration: Histogram,
    /// Entries of all batches.
    pub commit_entries: Counter,
    /// Batches that could not be written.
    pub commit_failures: Counter,
}

pub(super) fn write(text: &mut String, ledger: &LedgerMetrics) -> fmt::Result {
    gauge(text, "attestamp_ledger_entries", "Entries in the ledger.", &ledger.entries)?;
    gauge(text, "attestamp_ledger_bytes", "Octets of the ledger's entries.", &ledger.octets)?;
    gauge(text, "attestamp_ledger_segments", "Segments of the ledger.", &ledger.segments)?;
    let covered = "attestamp_ledger_checkpoint_entries";
    gauge(text, covered, "Entries under the published checkpoint.", &ledger.checkpoint_entries)?;
    let pending = "attestamp_ledger_pending_entries";
    gauge(text, pending, "Entries that wait to be written.", &ledger.pending_entries)?;
    let entries = "attestamp_ledger_commit_entries_total";
    counter(text, entries, "Entries written by this process.", &ledger.commit_entries)?;
    let failures = "attestamp_ledger_commit_failures_total";
    counter(text, failures, "Writes to the ledger that failed.", &ledger.commit_failures)?;
    let name = "attestamp_ledger_commit_seconds";
    header(text, name, "histogram", "Writing and syncing one batch of entries.")?;
    let cumulative = ledger.commit_duration.cumulative();
    let bounds = BUCKETS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
    for (bound, count) in bounds.zip(cumulative) {
        writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {count}")?;
    }
    let [.., count] = cumulative;
    writeln!(text, "{name}_sum {}", ledger.commit_duration.sum().as_secs_f64())?;
    writeln!(text, "{name}_count {count}")
}
