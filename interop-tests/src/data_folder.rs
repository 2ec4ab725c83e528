//! A data folder of its own for each test, and the commands on it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::authority::{Authority, Start};
use crate::program;
use crate::tools::{Finished, finish};

/// A data folder, with a folder for the test's own files beside it. Both are gone when it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    root: TempDir,
    variables: Vec<(&'static str, OsString)>,
    run_through: Vec<OsString>,
}

impl DataFolder {
    /// A folder in which `attestamp init` has made the default authority: TSUs `default` (P-256) and `rsa` (RSA-3072).
    ///
    /// # Errors
    /// When `init` fails.
    pub fn initialised() -> Result<Self> {
        Self::initialised_with(&[])
    }

    /// [`DataFolder::initialised`] with the TSU `default` (P-256) alone: quicker, for tests that need no RSA.
    ///
    /// # Errors
    /// When `init` fails.
    pub fn with_default_tsu() -> Result<Self> {
        Self::initialised_with(&["--tsu", "default:p-256"])
    }

    /// A folder in which `attestamp init` has run with these options. The clock is the system's: no test may depend on
    /// whether the machine's is synchronised.
    ///
    /// # Errors
    /// When `init` fails.
    pub fn initialised_with(options: &[&str]) -> Result<Self> {
        let folder = Self::empty()?;
        folder.run(&[&["init", "--clock", "system"], options].concat())?.succeeded()?;
        Ok(folder)
    }

    /// A folder in which no `init` has run.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn empty() -> Result<Self> {
        let folder = Self {
            root: TempDir::with_prefix("attestamp-interop-")?,
            variables: Vec::new(),
            run_through: Vec::new(),
        };
        std::fs::create_dir(folder.work())?;
        Ok(folder)
    }

    /// What `--data` gets.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Where a test puts its own files.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Sets an environment variable for every command on this folder from now on.
    pub fn set_variable(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.push((name, value.into()));
    }

    /// Runs every command on this folder from now on through this one, which gets it as its last arguments.
    pub fn run_through(&mut self, words: Vec<OsString>) {
        self.run_through = words;
    }

    /// Runs `attestamp --data DIR ARGUMENTS…` to its end.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Finished> {
        let mut command = self.command()?;
        command.args(arguments);
        finish(command).context("could not run attestamp")
    }

    /// Starts `attestamp --data DIR ARGUMENTS…`, and does not wait for its end. What it says is lost.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Child> {
        let mut command = self.command()?;
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().context("could not start attestamp")
    }

    /// Starts `attestamp serve` on a free port and waits until it is ready.
    ///
    /// # Errors
    /// When it ends before it is ready, with all that it said.
    pub fn serve(&self) -> Result<Authority> {
        self.serve_with(&[])
    }

    /// [`DataFolder::serve`] with options.
    ///
    /// # Errors
    /// As [`DataFolder::serve`].
    pub fn serve_with(&self, options: &[&str]) -> Result<Authority> {
        match Authority::start(self.command()?, options)? {
            Start::Ready(authority) => Ok(authority),
            Start::Ended(finished) => bail!("attestamp ended before it was ready: {finished}"),
        }
    }

    /// Runs `attestamp serve` where it must refuse to start, and gives what it said.
    ///
    /// # Errors
    /// When it starts to serve.
    pub fn serve_refused(&self) -> Result<Finished> {
        match Authority::start(self.command()?, &[])? {
            Start::Ready(authority) => bail!("attestamp should have refused to start:\n{}", authority.said()),
            Start::Ended(finished) => Ok(finished),
        }
    }

    fn command(&self) -> Result<Command> {
        let mut command = program::command()?;
        if let Some((first, rest)) = self.run_through.split_first() {
            let mut through = Command::new(first);
            through.args(rest).arg(command.get_program());
            for (name, value) in command.get_envs() {
                match value {
                    Some(value) => through.env(name, value),
                    None => through.env_remove(name),
                };
            }
            command = through;
        }
        command.arg("--data").arg(self.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Changes the configuration: `from` must be in it, and becomes `to`.
    ///
    /// # Errors
    /// When `from` is not in the file.
    pub fn edit_configuration(&self, from: &str, to: &str) -> Result<()> {
        let path = self.path().join("attestamp.toml");
        let text = read(&path)?;
        ensure!(text.contains(from), "{from:?} is not in the configuration:\n{text}");
        std::fs::write(&path, text.replacen(from, to, 1))?;
        Ok(())
    }

    /// Appends lines to the configuration.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn append_configuration(&self, lines: &str) -> Result<()> {
        let path = self.path().join("attestamp.toml");
        let text = read(&path)?;
        std::fs::write(&path, format!("{text}\n{lines}\n"))?;
        Ok(())
    }

    /// Writes a file of the test's own, and gives its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.work().join(name);
        std::fs::write(&path, content).with_context(|| format!("could not write {}", path.display()))?;
        Ok(path)
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}
