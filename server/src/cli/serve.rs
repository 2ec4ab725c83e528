//! `attestamp serve`: from a data folder to a running authority, and to its orderly end.
//!
//! Everything that can be wrong is found before the first request: configuration, PIN, module, keys, certificates, clock.
//! SIGHUP (or `attestamp reload`) reads configuration and certificates again; SIGTERM and SIGINT end it.

mod background;
mod first_commands;
mod first_verdict;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use attestamp_certs::UnixTime;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::authority::Authority;
use crate::clock::{ClockGate, ClockTicker, HighWaterMark, SAMPLE_INTERVAL, SystemTimeSource, TimeSource};
use crate::config::Config;
use crate::data_folder::{self, DataFolder, FILE_MODE, Layout, write_atomically};
use crate::http::tsu_view::TsuView;
use crate::http::{Bound, ListenerConfig, PublicUrl, ServeConfig, Tls, TlsPaths, raise_open_file_limit};
use crate::ledger::LedgerVerification;
use crate::log::{self, LogConfig};
use crate::metrics::Metrics;
use crate::serial::SerialSource;
use crate::service_manager::ServiceManager;
use crate::telemetry::Telemetry;
use first_commands::print_commands;

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen on, in place of the configured one; port 0 lets the kernel choose
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = super::options::listen)]
    listen: Option<SocketAddr>,
    /// Print the commands that stamp and verify a file, also where standard output is no terminal
    #[arg(long)]
    print_commands: bool,
}

/// Runs it until it is told to stop.
///
/// # Errors
/// What keeps it from starting.
pub fn run(data: Option<&Path>, args: ServeArgs) -> anyhow::Result<ExitCode> {
    data_folder::restrict_file_permissions();
    let folder = DataFolder::open(&super::data_path(data)?)?;
    let layout = folder.layout().clone();
    // A server that was killed could not take its address back.
    let _ = std::fs::remove_file(layout.listening_file());
    let config = Config::load(&layout)?;
    let log = log::init(&LogConfig { filter: config.log.filter.clone(), ..LogConfig::default() })?;
    let _ = raise_open_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let telemetry = {
        let _within = runtime.enter();
        config.telemetry.as_ref().map(Telemetry::start).transpose()?
    };
    let served = runtime.block_on(serve(&layout, config, args));
    if let Some(telemetry) = telemetry {
        telemetry.finish();
    }
    served?;
    // A call that hangs in a module is not waited for. The lock is given up last: nothing of ours writes to the folder any
    // more.
    runtime.shutdown_timeout(HUNG_CALL_PATIENCE);
    drop(folder);
    drop(log);
    Ok(ExitCode::SUCCESS)
}

async fn serve(layout: &Layout, config: Config, args: ServeArgs) -> anyhow::Result<()> {
    let source: Arc<dyn TimeSource> = Arc::new(SystemTimeSource);
    let mark = Arc::new(HighWaterMark::open(&layout.clock_mark_file(), source.as_ref())?);
    let clock = Arc::new(ClockGate::start(config.clock.clone(), Arc::clone(&source), Arc::clone(&mark))?);
    let ticker = ClockTicker::start(&clock, SAMPLE_INTERVAL)?;
    tokio::task::block_in_place(|| first_verdict::wait(&clock))
        .context("`clock.mode = \"kernel\"` needs an assured clock")?;
    let metrics = Arc::new(Metrics::default());
    let tls = tls(&config)?;
    let listener = ListenerConfig { address: args.listen.unwrap_or(config.server.listen), tls: tls.clone() };
    let serve_config = ServeConfig {
        listeners: vec![listener],
        limits: config.limits.clone(),
        public_url: config.server.public_url.as_deref().map(str::parse::<PublicUrl>).transpose()?,
    };
    // Bound before the keys are used: a port that is taken is found at once.
    let bound = Bound::bind(serve_config)?;
    let address = bound.local_addresses().next().context("no listener")?;
    let scheme = if tls.is_some() { "https" } else { "http" };

    // Ready for signals before anybody can know that we run.
    let (mut terminate, mut interrupt, hangup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let authority = Arc::new(start(layout, config, &clock, &metrics)?);
    let mut background =
        background::start(layout.clone(), Arc::clone(&authority), Arc::clone(&metrics), tls, hangup);
    let verification = authority.ledger().map(Arc::clone).map(LedgerVerification::start).transpose()?;
    announce(layout, &authority, &format!("{scheme}://{address}"), address, &args)?;
    let manager = ServiceManager::of_this_process();
    manager.ready();
    let stopped = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        manager.stopping();
    };
    bound.serve(Arc::clone(&authority), metrics, stopped).await;
    let _ = std::fs::remove_file(layout.listening_file());
    background.shutdown().await;
    drop(verification);
    close(authority, clock.unverified_time());
    ticker.stop();
    mark.close()?;
    tracing::info!("stopped");
    Ok(())
}

/// Starts the authority away from the runtime's threads: tokens may take their time.
fn start(
    layout: &Layout,
    config: Config,
    clock: &Arc<ClockGate>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Authority> {
    let serials = SerialSource::new()?;
    let authority = tokio::task::block_in_place(|| {
        let authority =
            Authority::start(layout.clone(), config, Arc::clone(clock), serials, Arc::clone(metrics))?;
        authority.renew_attestations()?;
        Ok::<_, crate::authority::AuthorityError>(authority)
    })?;
    let readiness = authority.readiness();
    for note in readiness.notes {
        tracing::info!(code = note.code, "{}", note.detail);
    }
    for note in readiness.warnings {
        tracing::warn!(tsu = note.tsu, code = note.code, "{}", note.detail);
    }
    Ok(authority)
}

/// Signs the ledger's last checkpoint, closes sessions and ends pools, on a thread of its own: a module that hangs must not
/// keep the server from ending.
fn close(authority: Arc<Authority>, now: UnixTime) {
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    let close = move || {
        if let Some(ledger) = authority.ledger() {
            ledger.close(now);
        }
        drop(authority);
        drop(done);
    };
    let closing = std::thread::Builder::new().name("close-tokens".to_owned()).spawn(close);
    let waited = is_done.recv_timeout(CLOSE_PATIENCE);
    if closing.is_err() || waited == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        tracing::warn!("a token does not answer: its sessions are left open");
    }
}

/// The listener's TLS, if it has one.
pub(super) fn tls(config: &Config) -> anyhow::Result<Option<Arc<Tls>>> {
    let (Some(certificate), Some(key)) = (&config.server.tls_certificate, &config.server.tls_key) else {
        return Ok(None);
    };
    Ok(Some(Tls::load(TlsPaths { certificate: certificate.clone(), key: key.clone() })?))
}

/// Says where it listens: to people with the commands to begin with, to programs in `state/listening`.
fn announce(
    layout: &Layout,
    authority: &Arc<Authority>,
    url: &str,
    address: SocketAddr,
    args: &ServeArgs,
) -> anyhow::Result<()> {
    let path = layout.listening_file();
    write_atomically(&path, format!("{address}\n").as_bytes(), FILE_MODE)
        .with_context(|| format!("cannot write {}", path.display()))?;
    // Nobody may be reading: that is no reason not to serve.
    let _ = print_address(&TsuView::all(authority), url, args.print_commands);
    Ok(())
}

fn print_address(tsus: &[TsuView], url: &str, commands: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    // Among the lines of a log it would be the one that is not JSON; the address is in an event of its own.
    if commands || out.is_terminal() {
        writeln!(out, "attestamp listening on {url}")?;
        print_commands(&mut out, tsus, url)?;
    }
    out.flush()
}
/// How long the sessions of all tokens may take to be closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// How long work that cannot be broken off is waited for at the end.
const HUNG_CALL_PATIENCE: Duration = Duration::from_millis(500);
/// How often signers whose tokens were away are looked for.
const SIGNERS_INTERVAL: Duration = Duration::from_secs(5);
/// How long a reload is waited for before who asked for it is told that it hangs.
const RELOAD_PATIENCE: Duration = Duration::from_secs(60);
/// How often the metrics of clock, keys and pools are brought up to date.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);
/// How often the tokens' own clocks are compared.
const TOKEN_CLOCK_INTERVAL: Duration = Duration::from_secs(60);
/// How often CRLs and expiry are looked at.
const CARE_INTERVAL: Duration = Duration::from_secs(3600);
