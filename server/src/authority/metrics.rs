//! What the metrics say of clock, keys and pools, beyond what requests count themselves.

use crate::authority::Running;
use crate::clock::ClockSnapshot;
use crate::metrics::{Metrics, PoolTotals};

pub(super) fn publish(running: &Running, clock: &ClockSnapshot, metrics: &Metrics) {
    metrics.clock.trusted.set(truth(clock.refusals.is_empty()));
    metrics.clock.assured.set(truth(clock.assured));
    metrics.clock.error_bound_seconds.set(clock.error_bound.map_or(f64::NAN, |bound| bound.as_secs_f64()));
    let mut queued: u32 = 0;
    let mut sessions: u32 = 0;
    for tsu in running.tsus.values() {
        let counters = tsu.pool().counters();
        let totals = PoolTotals {
            sign_errors: counters.failures.saturating_add(counters.expired),
            busy: counters.busy,
            recoveries: counters.recoveries.saturating_add(counters.reopened_sessions),
        };
        metrics.hsm.add(tsu.metrics(), totals);
        queued = queued.saturating_add(u32::try_from(tsu.pool().queued()).unwrap_or(u32::MAX));
        sessions = sessions.saturating_add(u32::try_from(tsu.sessions()).unwrap_or(u32::MAX));
        // Unix seconds fit the 53 bits of a double until long after X.509's last year.
        tsu.metrics().certificate_expiry_seconds.set(seconds(tsu.certificate().not_after().as_secs()));
        tsu.metrics().key_expiry_seconds.set(seconds(tsu.key_not_after().as_secs()));
    }
    metrics.hsm.queued.set(f64::from(queued));
    metrics.hsm.sessions.set(f64::from(sessions));
}

fn truth(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

fn seconds(number: u64) -> f64 {
    std::time::Duration::from_secs(number).as_secs_f64()
}
