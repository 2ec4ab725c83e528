//! Metrics: closed sets of series behind atomics, rendered for Prometheus.
//!
//! Every series exists from the start or from the moment its TSU is configured, so no client can make one, and counting is
//! one atomic addition. `prometheus-client` is not used for that reason: its families and histograms take a lock per event.
//! Callers hold the handles they set; nothing here reads a clock or a key.

mod expiry;
mod ledger;
mod primitive;
mod process;
mod readiness;
mod render;
mod signer;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use attestamp_tsa::PkiFailureInfo;
use hyper::StatusCode;

pub use self::{
    expiry::{Expiry, ExpiryKind},
    ledger::LedgerMetrics,
    primitive::{Counter, Gauge, Histogram, Level},
    process::ProcessMetrics,
    readiness::ReadinessMetrics,
    signer::SignerMetrics,
};
use crate::{
    http::{NotAdmitted, Overdue, Route},
    issue::Outcome,
};

/// Every metric of the program.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Requests and connections.
    pub http: HttpMetrics,
    /// The clock, set by its watcher.
    pub clock: ClockMetrics,
    /// The signing keys' token, set by its user.
    pub hsm: HsmMetrics,
    /// What `/readyz` says.
    pub readiness: ReadinessMetrics,
    /// What the kernel says of the process.
    pub process: ProcessMetrics,
    expiries: ArcSwap<Vec<Expiry>>,
    /// The ledger, set by its owner.
    pub ledger: LedgerMetrics,
    tsus: ArcSwap<Vec<Arc<TsuMetrics>>>,
}

/// Requests and connections.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    requests: [[Counter; STATUSES.len() + 1]; Route::ALL.len()],
    stamp_duration: Histogram,
    other_duration: Histogram,
    /// Open connections.
    pub(crate) connections: Level,
    refused: [Counter; REFUSALS.len()],
    overdue: [Counter; OVERDUES.len()],
    /// Idle connections closed in favour of others.
    pub(crate) evicted: Counter,
    /// TLS handshakes that failed or took too long.
    pub(crate) failed_handshakes: Counter,
}

/// What the clock's watcher knows. A value never set is rendered as NaN.
#[derive(Debug, Default)]
pub struct ClockMetrics {
    /// 1 if tokens may be issued on this time, else 0.
    pub trusted: Gauge,
    /// 1 if the time is assured against a bound, 0 if it is only the system's.
    pub assured: Gauge,
    /// The time servers' time minus ours, in seconds.
    pub offset_seconds: Gauge,
    /// The most by which that offset may be wrong, in seconds.
    pub ntp_bound_seconds: Gauge,
    /// Time servers by what is made of them.
    pub ntp_servers: [Gauge; crate::clock::Standing::ALL.len()],
    /// Bound of the error, in seconds.
    pub error_bound_seconds: Gauge,
    /// Correction that the kernel still has to apply, in seconds.
    pub kernel_offset_seconds: Gauge,
    /// Age of the latest look at the clock, in seconds.
    pub sample_age_seconds: Gauge,
    /// Requests that were refused for the clock.
    pub refusals: Counter,
}

/// What the user of the signing keys' token knows. A value never set is rendered as NaN.
#[derive(Debug, Default)]
pub struct HsmMetrics {
    /// Sessions open for signing.
    pub sessions: Gauge,
    /// Signatures waiting for a session.
    pub queued: Gauge,
    /// Signatures that failed.
    pub sign_errors: Counter,
    /// Requests refused since the queue was full.
    pub busy: Counter,
    /// Times the token or its sessions were opened again after a loss.
    pub recoveries: Counter,
}

/// One TSU. Obtained once at start or reload, never looked up by name.
#[derive(Debug)]
pub struct TsuMetrics {
    name: String,
    stamps: [Counter; OUTCOMES.len()],
    rejections: [Counter; PkiFailureInfo::ALL.len()],
    /// End of the certificate's validity, in Unix seconds.
    pub certificate_expiry_seconds: Gauge,
    /// End of the private key's use, in Unix seconds.
    pub key_expiry_seconds: Gauge,
    signers: ArcSwap<Vec<Arc<SignerMetrics>>>,
}

/// What a signing pool has counted since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolTotals {
    /// Signatures that failed or came too late.
    pub sign_errors: u64,
    /// Requests refused since the queue was full.
    pub busy: u64,
    /// Times that the token or a session was opened again.
    pub recoveries: u64,
}

impl PoolTotals {
    /// What was added since `seen`. A pool that a reload replaced has begun again at zero.
    fn since(self, seen: Self) -> Self {
        let added = |now: u64, seen: u64| now.checked_sub(seen).unwrap_or(now);
        Self {
            sign_errors: added(self.sign_errors, seen.sign_errors),
            busy: added(self.busy, seen.busy),
            recoveries: added(self.recoveries, seen.recoveries),
        }
    }
}

impl HsmMetrics {
    /// Adds what a signer's pool has counted since the last call for the same signer.
    pub fn add(&self, signer: &SignerMetrics, totals: PoolTotals) {
        let added = signer.added(totals);
        self.sign_errors.add(added.sign_errors);
        self.busy.add(added.busy);
        self.recoveries.add(added.recoveries);
    }
}

const STATUSES: [StatusCode; 11] = [
    StatusCode::OK,
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
];
const REFUSALS: [&str; 3] = ["capacity", "address", "stopping"];
const OVERDUES: [&str; 5] = ["head", "write", "request", "linger", "flood"];
const OUTCOMES: [&str; 5] = ["granted", "malformed", "refused", "time-not-available", "system-failure"];

impl Metrics {
    /// The metrics of this TSU, made if it has none yet. The name comes from the configuration, never from a client.
    pub fn tsu(&self, name: &str) -> Arc<TsuMetrics> {
        let existing = || self.tsus.load().iter().find(|tsu| tsu.name == name).cloned();
        existing().unwrap_or_else(|| {
            let made = Arc::new(TsuMetrics::new(name));
            self.tsus.rcu(|tsus| {
                let mut tsus = Vec::clone(tsus);
                if !tsus.iter().any(|tsu| tsu.name == name) {
                    tsus.push(Arc::clone(&made));
                }
                tsus
            });
            existing().unwrap_or(made)
        })
    }

    /// Forgets the TSUs that are configured no more.
    pub fn retain_tsus(&self, is_configured: impl Fn(&str) -> bool) {
        self.tsus.rcu(|tsus| tsus.iter().filter(|tsu| is_configured(&tsu.name)).cloned().collect::<Vec<_>>());
    }

    /// Takes the ends of what is no TSU's, in place of those known before.
    pub fn set_expiries(&self, expiries: Vec<Expiry>) {
        self.expiries.store(Arc::new(expiries));
    }

    /// Everything in the Prometheus text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        render::render(self)
    }
}

impl HttpMetrics {
    pub(crate) fn request(&self, route: Route, status: StatusCode, duration: Duration) {
        let status = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        let row = Route::ALL.iter().position(|known| *known == route).and_then(|row| self.requests.get(row));
        if let Some(counter) = row.and_then(|row| row.get(status)) {
            counter.increment();
        }
        if route == Route::Stamp {
            self.stamp_duration.observe(duration);
        } else {
            self.other_duration.observe(duration);
        }
    }

    pub(crate) fn refused(&self, reason: NotAdmitted) {
        let [capacity, address, stopping] = &self.refused;
        match reason {
            NotAdmitted::Capacity => capacity.increment(),
            NotAdmitted::Address => address.increment(),
            NotAdmitted::Stopping => stopping.increment(),
        }
    }

    pub(crate) fn overdue(&self, reason: Overdue) {
        let [head, write, request, linger, flood] = &self.overdue;
        match reason {
            Overdue::Head => head.increment(),
            Overdue::Write => write.increment(),
            Overdue::Request => request.increment(),
            Overdue::Linger => linger.increment(),
            Overdue::Flood => flood.increment(),
        }
    }
}

impl TsuMetrics {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            stamps: Default::default(),
            rejections: Default::default(),
            certificate_expiry_seconds: Gauge::default(),
            key_expiry_seconds: Gauge::default(),
            signers: ArcSwap::default(),
        }
    }

    /// The metrics of its signer of this name, made if there are none yet. The name comes from the configuration.
    pub fn signer(&self, label: &str) -> Arc<SignerMetrics> {
        let existing = || self.signers.load().iter().find(|signer| signer.label == label).cloned();
        existing().unwrap_or_else(|| {
            let made = Arc::new(SignerMetrics::new(label));
            self.signers.rcu(|signers| {
                let mut signers = Vec::clone(signers);
                if !signers.iter().any(|signer| signer.label == label) {
                    signers.push(Arc::clone(&made));
                }
                signers
            });
            existing().unwrap_or(made)
        })
    }

    /// Forgets the signers that are configured no more.
    pub fn retain_signers(&self, is_configured: impl Fn(&str) -> bool) {
        let kept = |signer: &&Arc<SignerMetrics>| is_configured(&signer.label);
        self.signers.rcu(|signers| signers.iter().filter(kept).cloned().collect::<Vec<_>>());
    }

    /// Counts one answer.
    pub fn stamp(&self, outcome: Outcome) {
        let [granted, malformed, refused, time_not_available, system_failure] = &self.stamps;
        match outcome {
            Outcome::Granted => granted.increment(),
            Outcome::Malformed => malformed.increment(),
            Outcome::Refused => refused.increment(),
            Outcome::TimeNotAvailable => time_not_available.increment(),
            Outcome::SystemFailure => system_failure.increment(),
        }
    }
}

impl TsuMetrics {
    /// Counts one answer that is no token, by what the client was told of it.
    pub fn rejection(&self, outcome: Outcome, failure: PkiFailureInfo) {
        self.stamp(outcome);
        let at = PkiFailureInfo::ALL.iter().position(|known| *known == failure);
        if let Some(counter) = at.and_then(|at| self.rejections.get(at)) {
            counter.increment();
        }
    }
}

/// The fixed word of an outcome, in the log and as a label.
#[must_use]
pub const fn outcome_label(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Granted => "granted",
        Outcome::Malformed => "malformed",
        Outcome::Refused => "refused",
        Outcome::TimeNotAvailable => "time-not-available",
        Outcome::SystemFailure => "system-failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(text: &str) -> usize {
        text.lines().filter(|line| !line.starts_with('#')).count()
    }

    #[test]
    fn a_pool_that_was_replaced_goes_on_counting() {
        let metrics = Metrics::default();
        let signer = metrics.tsu("default").signer("main");
        let failed = |sign_errors| PoolTotals { sign_errors, ..PoolTotals::default() };
        metrics.hsm.add(&signer, failed(5));
        metrics.hsm.add(&signer, failed(7));
        // A reload made a new pool, which failed twice.
        metrics.hsm.add(&signer, failed(2));
        assert_eq!(metrics.hsm.sign_errors.value(), 9);
    }

    #[test]
    fn counts_appear_under_their_labels() {
        let metrics = Metrics::default();
        metrics.http.request(Route::Stamp, StatusCode::OK, Duration::from_micros(300));
        metrics.http.request(Route::Other, StatusCode::IM_A_TEAPOT, Duration::from_secs(60));
        metrics.tsu("default").stamp(Outcome::Granted);
        metrics.tsu("default").stamp(Outcome::Granted);
        metrics.clock.offset_seconds.set(-0.25);
        let text = metrics.render();
        for line in [
            "attestamp_requests_total{route=\"stamp\",status=\"200\"} 1",
            "attestamp_requests_total{route=\"other\",status=\"other\"} 1",
            "attestamp_stamps_total{tsu=\"default\",outcome=\"granted\"} 2",
            "attestamp_clock_ntp_offset_seconds -0.25",
            "attestamp_clock_trusted NaN",
            "attestamp_request_duration_seconds_bucket{route=\"stamp\",le=\"0.00025\"} 0",
            "attestamp_request_duration_seconds_bucket{route=\"stamp\",le=\"0.0005\"} 1",
            "attestamp_request_duration_seconds_bucket{route=\"other\",le=\"+Inf\"} 1",
            "attestamp_request_duration_seconds_count{route=\"stamp\"} 1",
            "attestamp_request_duration_seconds_sum{route=\"stamp\"} 0.0003",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
        }
    }

    #[test]
    fn counting_makes_no_series() {
        let metrics = Metrics::default();
        let before = series(&metrics.render());
        for route in Route::ALL {
            for status in 100..600 {
                metrics.http.request(route, StatusCode::from_u16(status).unwrap(), Duration::ZERO);
            }
        }
        assert_eq!(series(&metrics.render()), before);
    }

    #[test]
    fn labels_are_in_the_order_of_their_counters() {
        let metrics = Metrics::default();
        let tsu = metrics.tsu("t");
        for outcome in [
            Outcome::Granted,
            Outcome::Malformed,
            Outcome::Refused,
            Outcome::TimeNotAvailable,
            Outcome::SystemFailure,
        ] {
            tsu.stamp(outcome);
            let line =
                format!("attestamp_stamps_total{{tsu=\"t\",outcome=\"{}\"}} 1", outcome_label(outcome));
            assert!(metrics.render().contains(&line), "{line}");
        }
    }

    #[test]
    fn rejections_are_counted_under_the_name_of_rfc_3161() {
        let metrics = Metrics::default();
        let tsu = metrics.tsu("t");
        for failure in PkiFailureInfo::ALL {
            tsu.rejection(Outcome::Refused, failure);
            let name = failure.name();
            let line = format!("attestamp_rejections_total{{tsu=\"t\",failure_info=\"{name}\"}} 1");
            assert!(metrics.render().lines().any(|found| found == line), "{line}");
        }
        let all =
            format!("attestamp_stamps_total{{tsu=\"t\",outcome=\"refused\"}} {}", PkiFailureInfo::ALL.len());
        assert!(metrics.render().contains(&all));
    }

    #[test]
    fn a_retired_tsu_is_forgotten() {
        let metrics = Metrics::default();
        let _ = (metrics.tsu("a"), metrics.tsu("b"));
        metrics.retain_tsus(|name| name == "b");
        let text = metrics.render();
        assert!(text.contains("tsu=\"b\"") && !text.contains("tsu=\"a\""));
    }
}
