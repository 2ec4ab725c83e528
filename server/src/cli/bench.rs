//! `attestamp bench`: loads an authority and says how fast it is.

mod report;

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

use super::stamp::parse_hash;
use crate::client::address::Address;
use crate::client::load::connection::Target;
use crate::client::load::template::RequestTemplate;
use crate::client::load::{self, LoadOptions, LoadResult, Progress, Until};
use crate::client::process_cpu::{self, CpuTimeError, ProcessId};
use crate::client::tls;
use crate::clock::{SystemTimeSource, TimeSource as _};
use report::{BenchReport, count, per};

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
    /// Ask this many times a second over all connections, whatever the answers do; latencies then count from the time at
    /// which a request was due. As fast as they are answered, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
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
        rate: args.rate.map(f64::from),
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        bench: BenchArgs,
    }

    #[test]
    fn the_arguments_are_consistent_and_ten_seconds_are_the_default() {
        use clap::CommandFactory as _;
        Program::command().debug_assert();
        let program = Program::try_parse_from(["bench", "http://127.0.0.1:3161/"]).unwrap();
        assert_eq!(
            (program.bench.connections, program.bench.requests, program.bench.seconds),
            (16, None, 10)
        );
        let both = ["bench", "http://127.0.0.1:3161/", "--requests", "5", "--seconds", "5"];
        assert!(Program::try_parse_from(both).is_err());
    }

    #[test]
    fn the_process_of_a_local_server_is_found_and_that_of_a_remote_one_is_not_looked_for() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = format!("http://{}/", socket.local_addr().unwrap());
        let process = |url: &str| server_process(&Program::try_parse_from(["bench", url]).unwrap().bench);
        assert_eq!(process(&local).unwrap(), ProcessId(std::process::id()));
        assert!(matches!(process("http://192.0.2.1/"), Err(CpuUnknown::Remote)));
    }
}
