//! The command line: what each command is called, and where it is.
//!
//! Exit codes: 0 done (for each `verify`: holds), 1 not done (for each: does not hold), 2 wrong usage (for each: could
//! not be judged). Errors go to standard error as one sentence with its causes; results go to standard output.

pub mod attest;
pub mod bench;
pub mod check;
pub mod init;
pub mod ledger;
mod manual;
mod options;
pub mod reload;
pub mod serve;
pub mod stamp;
pub mod status;
mod text;
mod time_servers;
pub mod tsu;
pub mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::data_folder::PathChoice;

/// An RFC 3161 timestamping authority with keys in a PKCS#11 HSM.
#[derive(Debug, Parser)]
#[command(
    name = "attestamp",
    version,
    about = "An RFC 3161 timestamping authority with keys in a PKCS#11 HSM",
    after_help = "Begin with: attestamp init, then attestamp serve, which prints how to stamp and verify a file.",
    max_term_width = 110
)]
pub struct Cli {
    /// The data folder: configuration, certificates and state [default: $ATTESTAMP_DATA, else the XDG state folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a data folder: token, keys, certification authorities, TSUs and configuration
    Init(Box<init::InitArgs>),
    /// Serve timestamps over HTTP
    Serve(serve::ServeArgs),
    /// Check the configuration and every TSU; exit with the reason if one is wrong
    Check(check::CheckArgs),
    /// Show what runs and what expires when
    Status(status::StatusArgs),
    /// Have the running server take new certificates and configuration
    Reload(reload::ReloadArgs),
    /// List, add and change TSUs
    #[command(subcommand)]
    Tsu(tsu::TsuCommand),
    /// Attest keys, and verify attestations
    #[command(subcommand)]
    Attest(attest::AttestCommand),
    /// Read, prove and verify the record of every token issued
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Get timestamps for files
    Stamp(stamp::StampArgs),
    /// Verify a timestamp
    Verify(verify::VerifyArgs),
    /// Measure a timestamp server
    Bench(bench::BenchArgs),
    /// Write the manual pages and the completions for shells into a folder: for packages
    #[command(hide = true)]
    Manual(manual::ManualArgs),
}

/// The data folder of this process.
///
/// # Errors
/// Nothing names one.
fn data_path(argument: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = PathChoice::of_this_process(argument.map(Path::to_owned)).resolve()?;
    std::path::absolute(&path).with_context(|| format!("{} is no path", path.display()))
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// What stopped it, as a sentence with its causes.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let data = self.data.as_deref();
        match self.command {
            Command::Init(args) => init::run(data, *args),
            Command::Serve(args) => serve::run(data, args),
            Command::Check(args) => check::run(data, &args),
            Command::Status(args) => status::run(data, &args),
            Command::Reload(args) => reload::run(data, &args),
            Command::Tsu(command) => tsu::run(data, command),
            Command::Attest(command) => attest::run(data, command),
            Command::Ledger(command) => ledger::run(data, command),
            Command::Stamp(args) => stamp::run(&args),
            Command::Verify(args) => verify::run(args),
            Command::Bench(args) => bench::run(&args),
            Command::Manual(args) => manual::run(&args),
        }
    }
}
