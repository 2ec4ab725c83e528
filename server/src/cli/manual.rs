//! `attestamp manual FOLDER`: manual pages and completions, from the command line itself, so that they cannot drift from it.
//!
//! Hidden: it is for those who make packages. A command of the program and not one of a build script, since a build script
//! cannot see the command line, and another program would be linked for nothing else.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;

/// Options of `manual`.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// Where to write the files
    folder: PathBuf,
}

/// Writes a page for each command and a completion for each shell.
///
/// # Errors
/// A file cannot be written.
pub(super) fn run(args: &ManualArgs) -> anyhow::Result<ExitCode> {
    let folder = &args.folder;
    let cannot = || format!("cannot write the manual to {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(cannot)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "attestamp", folder).with_context(cannot)?;
    }
    Ok(ExitCode::SUCCESS)
}
