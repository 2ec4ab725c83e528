//! What the metrics say of clock, keys and pools, beyond what requests count themselves.

use crate::authority::Running;
use crate::clock::{ClockGate, Standing};
use crate::ledger::AuthorityLedger;
use crate::metrics::{Metrics, PoolTotals};
use crate::tsu::Signer;

pub(super) fn publish(
    running: &Running,
    ledger: Option<&AuthorityLedger>,
    gate: &ClockGate,
    metrics: &Metrics,
) {
    let clock = gate.snapshot();
    metrics.clock.trusted.set(truth(clock.refusals.is_empty()));
    metrics.clock.assured.set(truth(clock.assured));
    metrics.clock.error_bound_seconds.set(clock.error_bound.map_or(f64::NAN, |bound| bound.as_secs_f64()));
    metrics.clock.sample_age_seconds.set(clock.sample_age.as_secs_f64());
    metrics.clock.refusals.reach(clock.refusals_total);
    if let Ok(kernel) = clock.kernel {
        let offset = jiff::SignedDuration::from_nanos(kernel.offset_nanoseconds);
        metrics.clock.kernel_offset_seconds.set(offset.as_secs_f64());
    }
    publish_network(gate, metrics);
    let mut queued: u32 = 0;
    let mut sessions: u32 = 0;
    for tsu in running.tsus.values() {
        for signer in tsu.signers() {
            let (open, waiting) = publish_signer(signer, metrics);
            sessions = sessions.saturating_add(open);
            queued = queued.saturating_add(waiting);
        }
        // Unix seconds fit the 53 bits of a double until long after X.509's last year.
        tsu.metrics().certificate_expiry_seconds.set(double(tsu.certificate().not_after().as_secs()));
        tsu.metrics().key_expiry_seconds.set(double(tsu.key_not_after().as_secs()));
    }
    metrics.hsm.queued.set(f64::from(queued));
    metrics.hsm.sessions.set(f64::from(sessions));
    if let Some(ledger) = ledger {
        let figures = ledger.statistics();
        metrics.ledger.entries.set(double(figures.size));
        metrics.ledger.octets.set(double(figures.bytes));
        metrics.ledger.segments.set(f64::from(figures.segments));
        metrics.ledger.checkpoint_entries.set(double(figures.checkpoint_size));
        metrics.ledger.pending_entries.set(double(u64::try_from(figures.pending).unwrap_or(u64::MAX)));
    }
}

fn publish_network(gate: &ClockGate, metrics: &Metrics) {
    let Some(network) = gate.network() else { return };
    let agreement = gate.snapshot().network.and_then(|reading| reading.agreement);
    metrics.clock.offset_seconds.set(agreement.map_or(f64::NAN, |found| found.offset_seconds()));
    metrics.clock.ntp_bound_seconds.set(agreement.map_or(f64::NAN, |found| found.bound().as_secs_f64()));
    let reports = network.reports();
    for (standing, gauge) in Standing::ALL.iter().zip(&metrics.clock.ntp_servers) {
        let count = reports.iter().filter(|report| report.standing == *standing).count();
        gauge.set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }
}

/// Gives the sessions that are open and the signatures that wait.
fn publish_signer(signer: &Signer, metrics: &Metrics) -> (u32, u32) {
    let own = signer.metrics();
    own.up.set(truth(signer.is_up()));
    let Some(pool) = signer.pool() else {
        own.sessions.set(0.0);
        own.queued.set(0.0);
        return (0, 0);
    };
    let counters = pool.counters();
    let totals = PoolTotals {
        sign_errors: counters.failures.saturating_add(counters.expired),
        busy: counters.busy.saturating_add(counters.stalled).saturating_add(signer.refused_turns()),
        recoveries: counters.recoveries.saturating_add(counters.reopened_sessions),
    };
    metrics.hsm.add(own, totals);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let (sessions, queued) = (number(pool.sessions()), number(signer.queued()));
    own.sessions.set(f64::from(sessions));
    own.queued.set(f64::from(queued));
    (sessions, queued)
}

fn truth(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

/// A number as a double, without a cast: exact up to 2^53.
fn double(number: u64) -> f64 {
    std::time::Duration::from_secs(number).as_secs_f64()
}
