//! What `attestamp bench` prints: for people, or as JSON.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::CpuUnknown;
use crate::client::load::{LoadOptions, LoadResult};

/// What is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BenchReport {
    url: String,
    protocol: &'static str,
    connections: u32,
    /// Requests a second that were due; absent in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    elapsed_seconds: f64,
    tokens: u64,
    tokens_per_second: f64,
    latency_milliseconds: Latencies,
    mean_reply_octets: f64,
    failures: u64,
    failures_by_kind: BTreeMap<String, u64>,
    tokens_for_another_request: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    serials: Option<SerialReport>,
    /// Over all of the server's threads.
    server_cpu_microseconds_per_token: Option<f64>,
    server_cpu_cores_busy: Option<f64>,
    server_cpu_unknown_because: Option<String>,
}

#[derive(Debug, Serialize)]
struct Latencies {
    p50: f64,
    p90: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p99_9: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SerialReport {
    distinct: usize,
    repeated: u64,
    times_outside_wait: u64,
}

impl BenchReport {
    pub(super) fn new(options: &LoadOptions, result: &LoadResult, cpu: Result<Duration, CpuUnknown>) -> Self {
        let tally = &result.tally;
        let elapsed_seconds = result.elapsed.as_secs_f64();
        let milliseconds = |quantile| tally.latency_at(quantile).as_secs_f64() * 1e3;
        let cpu_seconds = cpu.as_ref().ok().map(Duration::as_secs_f64);
        let tokens = count(tally.granted);
        Self {
            url: options.target.address.to_string(),
            protocol: if options.target.http2 { "HTTP/2" } else { "HTTP/1.1" },
            connections: options.connections,
            rate: options.rate,
            elapsed_seconds,
            tokens: tally.granted,
            tokens_per_second: per(tokens, elapsed_seconds),
            latency_milliseconds: Latencies {
                p50: milliseconds(0.5),
                p90: milliseconds(0.9),
                p99: milliseconds(0.99),
                p99_9: milliseconds(0.999),
                max: milliseconds(1.0),
            },
            mean_reply_octets: per(count(tally.reply_octets), tokens),
            failures: tally.failures(),
            failures_by_kind: tally.failed.iter().map(|(fate, count)| (fate.to_string(), *count)).collect(),
            tokens_for_another_request: tally.for_another_request(),
            serials: tally.serials.as_ref().map(|serials| SerialReport {
                distinct: serials.distinct(),
                repeated: serials.repeated,
                times_outside_wait: serials.outside_wait,
            }),
            server_cpu_microseconds_per_token: cpu_seconds.map(|seconds| per(seconds * 1e6, tokens)),
            server_cpu_cores_busy: cpu_seconds.map(|seconds| per(seconds, elapsed_seconds)),
            server_cpu_unknown_because: cpu.err().map(|unknown| format!("{:#}", anyhow::Error::new(unknown))),
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        let serials_sound =
            self.serials.as_ref().is_none_or(|s| s.repeated == 0 && s.times_outside_wait == 0);
        self.tokens > 0 && self.tokens_for_another_request == 0 && serials_sound
    }

    pub(super) fn print(&self, out: &mut impl io::Write) -> io::Result<()> {
        let latencies = &self.latency_milliseconds;
        writeln!(out, "{} over {}, {} connections", self.url, self.protocol, self.connections)?;
        writeln!(out, "tokens           {} in {:.2} s", self.tokens, self.elapsed_seconds)?;
        writeln!(out, "tokens a second  {:.0}", self.tokens_per_second)?;
        writeln!(
            out,
            "latency          p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms, max {:.2} ms",
            latencies.p50, latencies.p90, latencies.p99, latencies.p99_9, latencies.max
        )?;
        writeln!(out, "reply            {:.0} octets", self.mean_reply_octets)?;
        match (self.server_cpu_microseconds_per_token, self.server_cpu_cores_busy) {
            (Some(per_token), Some(cores)) => {
                writeln!(out, "server CPU       {per_token:.1} µs a token, {cores:.2} cores busy")?;
            }
            _ => writeln!(
                out,
                "server CPU       not known: {}",
                self.server_cpu_unknown_because.as_deref().unwrap_or("")
            )?,
        }
        if let Some(serials) = &self.serials {
            let SerialReport { distinct, repeated, times_outside_wait } = serials;
            writeln!(out, "serial numbers   {distinct} distinct, {repeated} repeated")?;
            writeln!(out, "times            {times_outside_wait} outside their client's wait")?;
        }
        writeln!(out, "failures         {}", self.failures)?;
        for (kind, count) in &self.failures_by_kind {
            writeln!(out, "  {kind}: {count}")?;
        }
        Ok(())
    }
}

/// A count as a number for ratios; exact up to 2^32, beyond that this is not used.
pub(super) fn count(value: u64) -> f64 {
    u32::try_from(value).map_or(f64::from(u32::MAX), f64::from)
}

pub(super) fn per(amount: f64, unit: f64) -> f64 {
    if unit > 0.0 { amount / unit } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::load::tally::{Fate, Tally};

    fn report(tally: Tally) -> BenchReport {
        let tls = crate::client::tls::client_config(None).unwrap();
        let options = LoadOptions {
            target: crate::client::load::connection::Target {
                address: "http://127.0.0.1:3161/".parse().unwrap(),
                http2: false,
                tls: std::sync::Arc::new(tls),
            },
            connections: 2,
            until: crate::client::load::Until::Requests(10),
            rate: None,
            warm_up_requests: 0,
            template: crate::client::load::template::RequestTemplate::new(
                attestamp_certs::HashAlgorithm::Sha256,
                false,
            )
            .unwrap(),
            check_serials: None,
        };
        let result = LoadResult { tally, elapsed: Duration::from_secs(2) };
        BenchReport::new(&options, &result, Ok(Duration::from_millis(1)))
    }

    #[test]
    fn rates_are_by_time_and_cpu_by_token() {
        let report = report(Tally { granted: 10, reply_octets: 5_000, ..Tally::new(false) });
        assert!((report.tokens_per_second - 5.0).abs() < 1e-9);
        assert!((report.mean_reply_octets - 500.0).abs() < 1e-9);
        assert!((report.server_cpu_microseconds_per_token.unwrap() - 100.0).abs() < 1e-9);
        let mut text = Vec::new();
        report.print(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("server CPU       100.0 µs a token"), "{text}");
    }

    /// `scripts/bench.py` and `scripts/bench-attestation.sh` read these members; the latter takes them one a line.
    #[test]
    fn the_json_has_what_the_benchmark_document_needs() {
        let json = serde_json::to_string_pretty(&report(Tally { granted: 1, ..Tally::new(false) })).unwrap();
        for member in ["tokensPerSecond", "p50", "p99", "p99.9", "serverCpuMicrosecondsPerToken", "failures"]
        {
            let found =
                json.lines().filter(|line| line.trim_start().starts_with(&format!("\"{member}\":"))).count();
            assert_eq!(found, 1, "{member} in {json}");
        }
    }

    #[test]
    fn rejections_are_a_result_and_wrong_tokens_are_not() {
        let with = |fate: Fate| {
            let mut tally = Tally { granted: 1, ..Tally::new(true) };
            tally.fail(fate);
            report(tally).is_sound()
        };
        assert!(with(Fate::HttpStatus(503)));
        assert!(!with(Fate::ForAnotherRequest));
        assert!(!report(Tally::new(false)).is_sound(), "no token at all");
    }
}
