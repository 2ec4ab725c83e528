//! The `attestamp` program: parses the command line, runs it, and prints what went wrong.

use std::io::Write as _;
use std::process::ExitCode;

use attestamp::cli::Cli;
use clap::Parser as _;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // Nothing can be done about a standard error that is closed.
            let _ = writeln!(std::io::stderr(), "attestamp: {error:#}");
            ExitCode::FAILURE
        }
    }
}
