//! `attestamp check`: everything that `serve` would find wrong, without serving.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::authority::Authority;
use crate::clock::{ClockGate, HighWaterMark, SystemTimeSource};
use crate::config::Config;
use crate::data_folder::{self, Layout};
use crate::log;
use crate::metrics::Metrics;
use crate::serial::SerialSource;

/// Options of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Say nothing where all is well
    #[arg(long, short)]
    quiet: bool,
}

/// Runs it.
///
/// # Errors
/// The first thing that would keep `serve` from starting.
pub fn run(data: Option<&Path>, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    data_folder::restrict_file_permissions();
    let layout = Layout::existing(&super::data_path(data)?)?;
    let config = Config::load(&layout)?;
    super::serve::tls(&config)?;
    // In memory: a check issues nothing, and must not touch the mark of a server that runs.
    let mark = Arc::new(HighWaterMark::in_memory());
    let clock = Arc::new(ClockGate::start(config.clock.clone(), Arc::new(SystemTimeSource), mark)?);
    super::time_servers::ask(&clock);
    let sampled = Arc::clone(&clock);
    log::check(&config.log.filter)?;
    let metrics = Arc::new(Metrics::default());
    let authority = Authority::rehearse(layout, config, clock, SerialSource::new()?, metrics)?;
    authority.check_ledger()?;
    // A slow key's test signatures may have taken longer than a verdict on the clock lasts.
    sampled.refresh();
    let readiness = authority.readiness();
    let mut out = std::io::stdout().lock();
    if let Some(network) = sampled.network().filter(|_| !args.quiet || !readiness.ready) {
        super::time_servers::print_table(&mut out, &super::time_servers::rows(network))?;
    }
    for note in &readiness.warnings {
        if !args.quiet {
            print(&mut out, "warning", note)?;
        }
    }
    for note in &readiness.reasons {
        print(&mut out, "wrong", note)?;
    }
    if !readiness.ready {
        return Ok(ExitCode::FAILURE);
    }
    if !args.quiet {
        let tsus = authority.tsus();
        let names: Vec<_> = tsus.iter().map(|tsu| format!("{} ({})", tsu.name, tsu.algorithm)).collect();
        writeln!(out, "ok: these TSUs can issue: {}", names.join(", "))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(
    out: &mut impl std::io::Write,
    kind: &str,
    note: &crate::authority::ReadinessNote,
) -> std::io::Result<()> {
    match &note.tsu {
        Some(tsu) => writeln!(out, "{kind}: TSU {tsu}: {}", note.detail),
        None => writeln!(out, "{kind}: {}", note.detail),
    }
}
