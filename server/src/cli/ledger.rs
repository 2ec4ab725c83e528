//! `attestamp ledger …`: the record of every token issued, for operators and for those who check on them.
//!
//! `verify` needs nothing but files, or an address. The others work on a data folder, beside a server that runs: they read. Only
//! `init` changes it, and needs it to itself.

mod export;
mod init;
mod list;
mod prove;
mod remote;
mod status;
mod tiles;
mod trust;
mod verify;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use crate::data_folder::{self, DataFolder, Layout};
use crate::ledger::LedgerError;

/// The commands under `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Show what is on record
    Status(status::StatusArgs),
    /// Print the public keys that sign checkpoints, as verifier keys
    Keys,
    /// Print the last signed checkpoint
    Checkpoint(status::CheckpointArgs),
    /// Get the proof that a timestamp is on record
    Prove(prove::ProveArgs),
    /// Verify a whole ledger, two checkpoints, or the proof for one timestamp
    Verify(verify::VerifyArgs),
    /// List the timestamps issued in an interval, and the state of the clock that they rest on
    List(list::ListArgs),
    /// Write one segment with what verifies it into an archive
    Export(export::ExportArgs),
    /// Write checkpoint, tiles and entries as static files, in the tlog-tiles layout
    ExportTiles(export::ExportTilesArgs),
    /// Make the keys of a ledger, in a data folder that has none; with --new begin another one
    Init(init::InitArgs),
}

/// Runs one of them.
///
/// # Errors
/// What stopped it.
pub fn run(data: Option<&Path>, command: LedgerCommand) -> anyhow::Result<ExitCode> {
    let layout = || -> anyhow::Result<Layout> { Ok(Layout::existing(&super::data_path(data)?)?) };
    match command {
        LedgerCommand::Verify(args) => return verify::run(data, &args),
        LedgerCommand::Prove(args) => prove::run(data, &args)?,
        LedgerCommand::Status(args) => status::run(&layout()?, &args)?,
        LedgerCommand::Keys => status::keys(&layout()?)?,
        LedgerCommand::Checkpoint(args) => status::checkpoint(data, &args)?,
        LedgerCommand::List(args) => list::run(&layout()?, &args)?,
        LedgerCommand::Export(args) => export::run(&layout()?, &args)?,
        LedgerCommand::ExportTiles(args) => export::run_tiles(&layout()?, &args)?,
        LedgerCommand::Init(args) => {
            data_folder::restrict_file_permissions();
            init::run(DataFolder::open(&super::data_path(data)?)?.layout(), &args)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Does something in the data folder that nobody else may read. What these commands write elsewhere is for others.
fn restricted<T>(work: impl FnOnce() -> T) -> T {
    let before = rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let done = work();
    rustix::process::umask(before);
    done
}

/// What a command has done is done, also where the ledger does not take it: somebody should know.
pub(super) fn warn_unless_recorded(recorded: Result<(), LedgerError>) {
    if let Err(error) = recorded {
        let error = super::text::sentence(&error);
        let _ =
            writeln!(std::io::stderr(), "warning: this is done, and the ledger has no record of it: {error}");
    }
}
