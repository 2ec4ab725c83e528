//! The `attestamp` program: parses the command line, runs it, and prints what went wrong.

use std::io::{self, Write as _};
use std::process::ExitCode;

use attestamp::cli::Cli;
use clap::Parser as _;
use tikv_jemallocator::Jemalloc;

/// A signature by the embedded token makes many small allocations in OpenSSL: this allocator is quicker at them, and serves
/// the C code in this program too (`docs/benchmarks-remarks.md`).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        // Whoever read our output has seen enough, as `head` does: the work was done before it was printed.
        Err(error) if is_closed_output(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done about a standard error that is closed.
            let _ = writeln!(io::stderr(), "attestamp: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A broken pipe without a context is our own output's: one of a connection comes with what was tried.
fn is_closed_output(error: &anyhow::Error) -> bool {
    error.chain().nth(1).is_none()
        && error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
