//! Where the program under test is, and its command line.
//!
//! Cargo does not tell a test where another package's program is, so it is built here (a moment when it is fresh) beside
//! the test's own executable. `ATTESTAMP_PROGRAM` names another one to test, as an installed release.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

use crate::tools::{Finished, finish};

/// Path of the program under test, built first if need be.
///
/// # Errors
/// When it does not build.
pub fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| locate().map_err(|error| format!("{error:#}")))
        .as_deref()
        .map_err(|message| anyhow!(message.clone()))
}

/// Path of the embedded token as a PKCS#11 module for other programs, built first if need be.
///
/// # Errors
/// When it does not build.
pub fn embedded_module() -> Result<&'static Path> {
    static MODULE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build_module = || Ok(build("--lib")?.join("libattestamp_module.so"));
    MODULE
        .get_or_init(|| build_module().map_err(|error: anyhow::Error| format!("{error:#}")))
        .as_deref()
        .map_err(|message| anyhow!(message.clone()))
}

/// A command of the program, with nothing of the tester's own environment that it would read.
///
/// # Errors
/// When the program does not build.
pub fn command() -> Result<Command> {
    let mut command = Command::new(program()?);
    for variable in
        ["ATTESTAMP_DATA", "RUST_LOG", "RUST_BACKTRACE", "CREDENTIALS_DIRECTORY", "LD_LIBRARY_PATH"]
    {
        command.env_remove(variable);
    }
    Ok(command)
}

/// Runs a command that needs no data folder, in a folder, to its end.
///
/// # Errors
/// When the program does not build or start. Its own failure is no error here: ask [`Finished::succeeded`].
pub fn run<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Result<Finished> {
    let mut command = command()?;
    command.args(arguments).current_dir(folder);
    finish(command).context("could not run attestamp")
}

fn locate() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ATTESTAMP_PROGRAM") {
        let path = PathBuf::from(path);
        ensure!(path.is_file(), "ATTESTAMP_PROGRAM names no file: {}", path.display());
        return Ok(path);
    }
    Ok(build("--bins")?.join("attestamp"))
}

/// Builds this kind of the workspace's targets, and gives the folder that they are in.
fn build(targets: &str) -> Result<PathBuf> {
    // target/PROFILE/deps/test-HASH
    let this_test = std::env::current_exe()?;
    let profile_folder = this_test
        .parent()
        .and_then(Path::parent)
        .with_context(|| format!("{} is not in a target folder", this_test.display()))?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.current_dir(env!("CARGO_MANIFEST_DIR")).args([
        "build",
        "--quiet",
        "--locked",
        "--workspace",
        targets,
    ]);
    let profile = profile_folder.file_name().and_then(OsStr::to_str).unwrap_or("debug");
    build.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
    if let Some(target_folder) = profile_folder.parent() {
        build.arg("--target-dir").arg(target_folder);
    }
    // What cargo set for this test is not for the build.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "LD_LIBRARY_PATH"
        {
            build.env_remove(&variable);
        }
    }
    finish(build).context("could not run cargo")?.succeeded().context("attestamp does not build")?;
    Ok(profile_folder.to_owned())
}
