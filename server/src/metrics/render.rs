//! The Prometheus text exposition format, version 0.0.4.

use std::fmt::{self, Write};

use super::{
    Counter, Gauge, Histogram, Metrics, OUTCOMES, OVERDUES, REFUSALS, STATUSES, primitive::BUCKETS, signer,
};
use crate::clock::Standing;
use crate::http::Route;
use attestamp_tsa::PkiFailureInfo;

pub(super) fn render(metrics: &Metrics) -> String {
    let mut text = String::with_capacity(16 * 1024);
    // Writing into a String does not fail.
    let _ = write_all(&mut text, metrics);
    text
}

fn write_all(text: &mut String, metrics: &Metrics) -> fmt::Result {
    header(text, "attestamp_build_info", "gauge", "The program's version, as a label.")?;
    writeln!(text, "attestamp_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))?;
    write_requests(text, metrics)?;
    write_connections(text, metrics)?;
    write_tsus(text, metrics)?;
    write_clock(text, metrics)?;
    write_hsm(text, metrics)?;
    super::ledger::write(text, &metrics.ledger)?;
    super::expiry::write(text, &metrics.expiries.load())?;
    super::readiness::write(text, &metrics.readiness)?;
    super::process::write(text, &metrics.process)
}

pub(super) fn header(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn write_requests(text: &mut String, metrics: &Metrics) -> fmt::Result {
    let http = &metrics.http;
    header(text, "attestamp_requests_total", "counter", "Requests answered.")?;
    for (route, row) in Route::ALL.iter().zip(&http.requests) {
        let statuses = STATUSES.iter().map(|status| status.as_str()).chain(["other"]);
        for (status, counter) in statuses.zip(row) {
            let (route, value) = (route.label(), counter.value());
            writeln!(text, "attestamp_requests_total{{route=\"{route}\",status=\"{status}\"}} {value}")?;
        }
    }
    let name = "attestamp_request_duration_seconds";
    header(text, name, "histogram", "From the end of a request's header to its answer.")?;
    write_histogram(text, name, "stamp", &http.stamp_duration)?;
    write_histogram(text, name, "other", &http.other_duration)
}

fn write_histogram(text: &mut String, name: &str, route: &str, histogram: &Histogram) -> fmt::Result {
    let cumulative = histogram.cumulative();
    let bounds = BUCKETS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
    for (bound, count) in bounds.zip(cumulative) {
        writeln!(text, "{name}_bucket{{route=\"{route}\",le=\"{bound}\"}} {count}")?;
    }
    let [.., count] = cumulative;
    writeln!(text, "{name}_sum{{route=\"{route}\"}} {}", histogram.sum().as_secs_f64())?;
    writeln!(text, "{name}_count{{route=\"{route}\"}} {count}")
}

fn write_connections(text: &mut String, metrics: &Metrics) -> fmt::Result {
    let http = &metrics.http;
    header(text, "attestamp_connections", "gauge", "Open connections.")?;
    writeln!(text, "attestamp_connections {}", http.connections.value())?;
    let refused = "attestamp_connections_refused_total";
    header(text, refused, "counter", "Connections closed before they could ask anything.")?;
    for (reason, counter) in REFUSALS.iter().zip(&http.refused) {
        writeln!(text, "{refused}{{reason=\"{reason}\"}} {}", counter.value())?;
    }
    writeln!(text, "{refused}{{reason=\"tls-handshake\"}} {}", http.failed_handshakes.value())?;
    let dropped = "attestamp_connections_dropped_total";
    header(
        text,
        dropped,
        "counter",
        "Connections dropped for a deadline, for a flood of frames, or to make room for others.",
    )?;
    for (reason, counter) in OVERDUES.iter().zip(&http.overdue) {
        writeln!(text, "{dropped}{{reason=\"{reason}\"}} {}", counter.value())?;
    }
    writeln!(text, "{dropped}{{reason=\"evicted\"}} {}", http.evicted.value())
}

fn write_tsus(text: &mut String, metrics: &Metrics) -> fmt::Result {
    let tsus = metrics.tsus.load();
    header(text, "attestamp_stamps_total", "counter", "Timestamp requests answered by the protocol.")?;
    for tsu in tsus.iter() {
        for (outcome, counter) in OUTCOMES.iter().zip(&tsu.stamps) {
            let (name, value) = (LabelValue(&tsu.name), counter.value());
            writeln!(text, "attestamp_stamps_total{{tsu=\"{name}\",outcome=\"{outcome}\"}} {value}")?;
        }
    }
    let name = "attestamp_rejections_total";
    header(text, name, "counter", "Answers without a token, by the failure that the client was told.")?;
    for tsu in tsus.iter() {
        for (failure, counter) in PkiFailureInfo::ALL.iter().zip(&tsu.rejections) {
            let (tsu, failure, value) = (LabelValue(&tsu.name), failure.name(), counter.value());
            writeln!(text, "{name}{{tsu=\"{tsu}\",failure_info=\"{failure}\"}} {value}")?;
        }
    }
    let name = "attestamp_certificate_expiry_seconds";
    header(text, name, "gauge", "End of the TSU certificate's validity, Unix time.")?;
    for tsu in tsus.iter() {
        writeln!(
            text,
            "{name}{{tsu=\"{}\"}} {}",
            LabelValue(&tsu.name),
            tsu.certificate_expiry_seconds.value()
        )?;
    }
    let name = "attestamp_key_expiry_seconds";
    header(text, name, "gauge", "End of the TSU key's use, Unix time.")?;
    for tsu in tsus.iter() {
        writeln!(text, "{name}{{tsu=\"{}\"}} {}", LabelValue(&tsu.name), tsu.key_expiry_seconds.value())?;
    }
    signer::write(text, &tsus)
}

fn write_clock(text: &mut String, metrics: &Metrics) -> fmt::Result {
    let clock = &metrics.clock;
    gauge(text, "attestamp_clock_trusted", "1 if tokens may be issued on this time.", &clock.trusted)?;
    gauge(text, "attestamp_clock_assured", "1 if the time is assured against a bound.", &clock.assured)?;
    let offset = "attestamp_clock_ntp_offset_seconds";
    gauge(text, offset, "The time servers' time minus ours, as a majority agrees.", &clock.offset_seconds)?;
    let bound = "attestamp_clock_ntp_bound_seconds";
    gauge(text, bound, "Bound on the error of that offset.", &clock.ntp_bound_seconds)?;
    let servers = "attestamp_clock_ntp_servers";
    header(text, servers, "gauge", "Time servers, by what is made of their answers.")?;
    for (standing, gauge) in Standing::ALL.iter().zip(&clock.ntp_servers) {
        writeln!(text, "{servers}{{state=\"{}\"}} {}", standing.name(), gauge.value())?;
    }
    let bound = "attestamp_clock_error_bound_seconds";
    gauge(text, bound, "Bound of the clock's error.", &clock.error_bound_seconds)?;
    let offset = "attestamp_clock_kernel_offset_seconds";
    gauge(text, offset, "Correction that the kernel still has to apply.", &clock.kernel_offset_seconds)?;
    let age = "attestamp_clock_sample_age_seconds";
    gauge(text, age, "Age of the latest look at the clock.", &clock.sample_age_seconds)?;
    counter(text, "attestamp_clock_refusals_total", "Requests refused for the clock.", &clock.refusals)
}

fn write_hsm(text: &mut String, metrics: &Metrics) -> fmt::Result {
    let hsm = &metrics.hsm;
    gauge(text, "attestamp_hsm_sessions", "Sessions open for signing.", &hsm.sessions)?;
    gauge(text, "attestamp_hsm_queued_signatures", "Signatures waiting for a session.", &hsm.queued)?;
    counter(text, "attestamp_hsm_sign_errors_total", "Signatures that failed.", &hsm.sign_errors)?;
    counter(text, "attestamp_hsm_busy_total", "Requests refused since the queue was full.", &hsm.busy)?;
    let recoveries = "attestamp_hsm_recoveries_total";
    counter(text, recoveries, "Times that the token was opened again after a loss.", &hsm.recoveries)
}

pub(super) fn gauge(text: &mut String, name: &str, help: &str, gauge: &Gauge) -> fmt::Result {
    header(text, name, "gauge", help)?;
    writeln!(text, "{name} {}", gauge.value())
}

pub(super) fn counter(text: &mut String, name: &str, help: &str, counter: &Counter) -> fmt::Result {
    header(text, name, "counter", help)?;
    writeln!(text, "{name} {}", counter.value())
}

/// A label's value with the three characters escaped that the format reserves.
pub(super) struct LabelValue<'a>(pub(super) &'a str);

impl fmt::Display for LabelValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => formatter.write_str("\\\\")?,
                '"' => formatter.write_str("\\\"")?,
                '\n' => formatter.write_str("\\n")?,
                plain => formatter.write_char(plain)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Expiry, ExpiryKind};

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(LabelValue("a\"b\\c\nd").to_string(), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn every_series_has_a_type_and_every_type_a_series() {
        let metrics = Metrics::default();
        let _ = metrics.tsu("default").signer("main");
        metrics.readiness.set(["a"].iter(), ["b"].iter());
        let kinds = [
            ExpiryKind::CaCertificate,
            ExpiryKind::Crl,
            ExpiryKind::TlsCertificate,
            ExpiryKind::AttestationChain,
        ];
        let expiry = |kind| Expiry { kind, name: "x".to_owned(), unix_seconds: 1 };
        metrics.set_expiries(kinds.map(expiry).into());
        let text = render(&metrics);
        let families: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(families.iter().any(|family| line.starts_with(family)), "{line}");
        }
        for family in families {
            assert!(text.lines().any(|line| line.starts_with(family)), "{family}");
        }
    }
}
