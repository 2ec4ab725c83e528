//! `attestamp reload`: has the server that runs on the data folder read configuration and certificates again, and waits
//! for how it goes.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::config::Config;
use crate::data_folder::Layout;

/// How long a reload may take: tokens are asked for their keys.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the server writes of a reload: this and the settings that wait for a start, or
pub(super) const RELOADED: &str = "reloaded";
/// this and why.
pub(super) const REFUSED: &str = "refused";
/// Between two looks at whether it is done.
const PAUSE: Duration = Duration::from_millis(20);

/// Options of `reload`: none.
#[derive(Debug, Args)]
pub struct ReloadArgs {}

/// Runs it; returns when the new certificates are in use.
///
/// # Errors
/// The configuration does not load, no server runs, or the server refuses.
pub fn run(data: Option<&Path>, _args: &ReloadArgs) -> anyhow::Result<ExitCode> {
    let layout = Layout::existing(&super::data_path(data)?)?;
    // Found here, where somebody reads it, and not only in the server's log.
    Config::load(&layout)?;
    let holder = layout.holder()?.filter(|_| layout.listening_file().exists());
    let Some(holder) = holder else {
        bail!("no server listens for {}: start it with `attestamp serve`", layout.root().display());
    };
    let pid = holder
        .process_id
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
        .context("the process that has the folder has not written its number yet: try again")?;
    let before = outcome(&layout);
    kill_process(pid, Signal::HUP).with_context(|| format!("cannot signal process {}", pid.as_raw_pid()))?;
    let asked = Instant::now();
    loop {
        match outcome(&layout) {
            told if told == before => {}
            Some(told) => {
                let (_, told) = told.split_once(' ').unwrap_or_default();
                let (verdict, rest) = told.trim().split_once(' ').unwrap_or((told.trim(), ""));
                if verdict == REFUSED {
                    bail!("the server keeps what it had: {rest}");
                }
                writeln!(std::io::stdout(), "process {} has reloaded", pid.as_raw_pid())?;
                if !rest.is_empty() {
                    writeln!(std::io::stderr(), "warning: only a start takes what has changed in {rest}")?;
                }
                return Ok(ExitCode::SUCCESS);
            }
            None => {}
        }
        if asked.elapsed() > PATIENCE {
            bail!("no answer within {} s: the server's log says what it does", PATIENCE.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}

/// What the server wrote of its last reload.
fn outcome(layout: &Layout) -> Option<String> {
    std::fs::read_to_string(layout.reload_file()).ok()
}
