//! `attestamp bench`: loads an authority and says how fast it is.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use attestamp_certs::HashAlgorithm;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::stamp::parse_hash;
use crate::client::address::Address;
use crate::client::load::connection::Target;
use crate::client::load::template::RequestTemplate;
use crate::client::load::{self, LoadOptions, LoadResult, Progress, Until};
use crate::client::process_cpu::{self, CpuTimeError, ProcessId};
use crate::client::tls;
use crate::clock::{SystemTimeSource, TimeSource as _};

/// Load a timestamping authority: each connection asks again as soon as it has its answer.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// URL of the authority.
    pub url: Address,
    /// How many connections at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Stop after this many requests, over all connections.
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,
    /// Stop after this time.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Requests before the measurement.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub warm_up: u64,
    /// Hash algorithm: sha256, sha384, sha512, sha3-256, sha3-384 or sha3-512.
    #[arg(long, default_value = "sha256", value_parser = parse_hash)]
    pub hash: HashAlgorithm,
    /// Ask for the certificates.
    #[arg(long)]
    pub cert_req: bool,
    /// HTTP/2 in place of HTTP/1.1.
    #[arg(long)]
    pub http2: bool,
    /// Check that all serial numbers are distinct, and that each token's time is within its client's wait by this
    /// machine's clock.
    #[arg(long)]
    pub check_serials: bool,
    /// The server's process, whose CPU time is measured; found by itself where the server is on this machine.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Trust these root certificates (PEM) for https besides the system's.
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the load and prints what it gave.
///
/// The exit code is non-zero if no token came, or one that is wrong: for another request, with a serial number that
/// another has, or with a time outside the wait. Rejections are a result and no failure.
///
/// # Errors
/// When the server cannot be reached at the start.
pub fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    let target = Target {
        address: args.url.clone(),
        http2: args.http2,
        tls: Arc::new(tls::client_config(args.tls_ca.as_deref())?),
    };
    let options = LoadOptions {
        target,
        connections: args.connections,
        until: args.requests.map_or(Until::Elapsed(Duration::from_secs(args.seconds)), Until::Requests),
        warm_up_requests: args.warm_up,
        template: RequestTemplate::new(args.hash, args.cert_req)?,
        check_serials: args.check_serials.then_some(system_time),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (result, cpu) = runtime.block_on(measured(args, &options))?;
    let report = BenchReport::new(&options, &result, cpu);
    if args.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        report.print(&mut io::stdout().lock())?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What tokens' times are compared with: this machine's clock, whatever it is worth.
fn system_time() -> Duration {
    SystemTimeSource.clocks().realtime
}

/// The load, and the server's CPU time meanwhile.
async fn measured(
    args: &BenchArgs,
    options: &LoadOptions,
) -> anyhow::Result<(LoadResult, Result<Duration, CpuUnknown>)> {
    let process = server_process(args);
    let now = || process.as_ref().ok().map(|process| process_cpu::cpu_time(*process));
    let (mut before, mut after) = (None, None);
    let progress = Arc::new(Progress::default());
    let shown = tokio::spawn(show(Arc::clone(&progress), args.json));
    let result = load::run(options, &progress, || before = now(), || after = now()).await;
    shown.abort();
    // Aborted on purpose; waited for so that its line is gone.
    let _aborted = shown.await;
    let result = result.with_context(|| format!("cannot load {}", args.url))?;
    let cpu = match (process, before, after) {
        (Err(unknown), _, _) => Err(unknown),
        (Ok(_), Some(Ok(before)), Some(Ok(after))) => Ok(after.saturating_sub(before)),
        (Ok(_), Some(Err(error)), _) | (Ok(_), _, Some(Err(error))) => Err(CpuUnknown::Proc(error)),
        (Ok(_), _, _) => Err(CpuUnknown::Remote),
    };
    Ok((result, cpu))
}

/// Why the server's CPU time is not known.
#[derive(Debug, thiserror::Error)]
enum CpuUnknown {
    #[error("the server is not on this machine's loopback addresses; name its process with --pid")]
    Remote,
    #[error(transparent)]
    Proc(#[from] CpuTimeError),
}

fn server_process(args: &BenchArgs) -> Result<ProcessId, CpuUnknown> {
    if let Some(pid) = args.pid {
        return Ok(ProcessId(pid));
    }
    let (host, port) = (args.url.host(), args.url.port());
    let addresses = (host, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let loopback = addresses.iter().map(std::net::SocketAddr::ip).filter(IpAddr::is_loopback);
    let mut found = Err(CpuUnknown::Remote);
    for address in loopback {
        found = process_cpu::listener(address, port).map_err(CpuUnknown::Proc);
        if found.is_ok() {
            break;
        }
    }
    found
}

/// A line on the terminal while the load runs.
async fn show(progress: Arc<Progress>, json: bool) {
    if json || !io::stderr().is_terminal() {
        return;
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
        bar.set_style(style);
    }
    let _cleared = ClearOnDrop(bar.clone());
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let mut last = (std::time::Instant::now(), 0);
    loop {
        ticks.tick().await;
        let (now, answered) = (std::time::Instant::now(), progress.answered());
        let seconds = now.duration_since(last.0).as_secs_f64();
        let per_second = per(count(answered.saturating_sub(last.1)), seconds);
        bar.set_message(match progress.is_measuring() {
            true => format!("{answered} answers, {per_second:.0} a second"),
            false => "warming up".to_owned(),
        });
        bar.tick();
        last = (now, answered);
    }
}

struct ClearOnDrop(ProgressBar);

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// What is printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BenchReport {
    url: String,
    protocol: &'static str,
    connections: u32,
    elapsed_seconds: f64,
    tokens: u64,
    tokens_per_second: f64,
    latency_milliseconds: Latencies,
    mean_reply_octets: f64,
    failures: u64,
    failures_by_kind: std::collections::BTreeMap<String, u64>,
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
    fn new(options: &LoadOptions, result: &LoadResult, cpu: Result<Duration, CpuUnknown>) -> Self {
        let tally = &result.tally;
        let elapsed_seconds = result.elapsed.as_secs_f64();
        let milliseconds = |quantile| tally.latency_at(quantile).as_secs_f64() * 1e3;
        let cpu_seconds = cpu.as_ref().ok().map(Duration::as_secs_f64);
        let tokens = count(tally.granted);
        Self {
            url: options.target.address.to_string(),
            protocol: if options.target.http2 { "HTTP/2" } else { "HTTP/1.1" },
            connections: options.connections,
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

    fn is_sound(&self) -> bool {
        let serials_sound =
            self.serials.as_ref().is_none_or(|s| s.repeated == 0 && s.times_outside_wait == 0);
        self.tokens > 0 && self.tokens_for_another_request == 0 && serials_sound
    }

    fn print(&self, out: &mut impl io::Write) -> io::Result<()> {
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
fn count(value: u64) -> f64 {
    u32::try_from(value).map_or(f64::from(u32::MAX), f64::from)
}

fn per(amount: f64, unit: f64) -> f64 {
    if unit > 0.0 { amount / unit } else { 0.0 }
}
