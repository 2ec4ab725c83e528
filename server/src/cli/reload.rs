//! `attestamp reload`: tells the server that has the data folder to read configuration and certificates again.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::config::Config;
use crate::data_folder::Layout;

/// Options of `reload`: none.
#[derive(Debug, Args)]
pub struct ReloadArgs {}

/// Runs it.
///
/// # Errors
/// The configuration does not load, or no server runs.
pub fn run(data: Option<&Path>, _args: &ReloadArgs) -> anyhow::Result<ExitCode> {
    let layout = Layout::existing(&super::data_path(data)?)?;
    // Found here, where somebody reads it, and not only in the server's log.
    Config::load(&layout)?;
    let Some(holder) = layout.holder()? else {
        bail!("no server runs on {}: start it with `attestamp serve`", layout.root().display());
    };
    let pid = holder
        .process_id
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
        .context("the process that has the folder has not written its number yet: try again")?;
    kill_process(pid, Signal::HUP).with_context(|| format!("cannot signal process {}", pid.as_raw_pid()))?;
    writeln!(std::io::stdout(), "told process {} to reload; its log says how it went", pid.as_raw_pid())?;
    Ok(ExitCode::SUCCESS)
}
