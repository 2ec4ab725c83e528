//! Metrics: closed sets of series behind atomics, rendered for Prometheus.
//!
//! Every series exists from the start or from the moment its TSU is configured, so no client can make one, and counting is
//! one atomic addition. `prometheus-client` is not used for that reason: its families and histograms take a lock per event.
//! Callers hold the handles they set; nothing here reads a clock or a key.

mod primitive;
mod render;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use hyper::StatusCode;

pub use self::primitive::{Counter, Gauge, Histogram, Level};
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
    /// Offset from the reference, in seconds.
    pub offset_seconds: Gauge,
    /// Bound of the error, in seconds.
    pub error_bound_seconds: Gauge,
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
    /// End of the certificate's validity, in Unix seconds.
    pub certificate_expiry_seconds: Gauge,
    /// End of the private key's use, in Unix seconds.
    pub key_expiry_seconds: Gauge,
    /// What the TSU's signing pool had counted when it was last looked at.
    pool_seen: Mutex<PoolTotals>,
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
    /// Adds what a TSU's pool has counted since the last call for the same TSU.
    pub fn add(&self, tsu: &TsuMetrics, totals: PoolTotals) {
        let mut seen = tsu.pool_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let added = totals.since(*seen);
        *seen = totals;
        drop(seen);
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
const OVERDUES: [&str; 4] = ["head", "write", "request", "linger"];
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
        let [head, write, request, linger] = &self.overdue;
        match reason {
            Overdue::Head => head.increment(),
            Overdue::Write => write.increment(),
            Overdue::Request => request.increment(),
            Overdue::Linger => linger.increment(),
        }
    }
}

impl TsuMetrics {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            stamps: Default::default(),
            certificate_expiry_seconds: Gauge::default(),
            key_expiry_seconds: Gauge::default(),
            pool_seen: Mutex::default(),
        }
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
        let tsu = metrics.tsu("default");
        let failed = |sign_errors| PoolTotals { sign_errors, ..PoolTotals::default() };
        metrics.hsm.add(&tsu, failed(5));
        metrics.hsm.add(&tsu, failed(7));
        // A reload made a new pool, which failed twice.
        metrics.hsm.add(&tsu, failed(2));
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
            "attestamp_clock_offset_seconds -0.25",
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
    fn a_retired_tsu_is_forgotten() {
        let metrics = Metrics::default();
        let _ = (metrics.tsu("a"), metrics.tsu("b"));
        metrics.retain_tsus(|name| name == "b");
        let text = metrics.render();
        assert!(text.contains("tsu=\"b\"") && !text.contains("tsu=\"a\""));
    }
}
