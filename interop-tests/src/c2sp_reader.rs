//! `signed_note` and `tlog_tiles`, other people's implementation of C2SP, through the small program in `c2sp/`.
//!
//! It is a workspace of its own: what those crates depend on is not in the program's lock file. It is built here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::tools::{Finished, finish};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/c2sp/Cargo.toml");

/// Reads an exported ledger, with the Ed25519 key: it must continue the older checkpoint and have what the proof proves.
///
/// # Errors
/// When the program does not build or start. That something does not hold is no error here.
pub fn run(exported: &Path, vkey: &str, older: &Path, proof: &Path) -> Result<Finished> {
    // target/PROFILE/deps/test-HASH
    let this_test = std::env::current_exe()?;
    let target = this_test.ancestors().nth(3).context("not in a target folder")?.join("c2sp");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--locked", "--manifest-path", MANIFEST, "--target-dir"]).arg(&target);
    finish(build)
        .context("could not run cargo")?
        .succeeded()
        .context("the reader in c2sp/ does not build")?;
    let mut command = Command::new(target.join("debug/attestamp-c2sp-reader"));
    command.arg(exported).arg(vkey).arg(older).arg(proof);
    finish(command).context("could not run the reader")
}
