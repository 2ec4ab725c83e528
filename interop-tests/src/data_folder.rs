//! A data folder of its own for each test, and the commands on it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::program;
use crate::tools::Finished;

/// A data folder, with a folder for the test's own files beside it. Both are gone when it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    root: TempDir,
}

impl DataFolder {
    /// A folder in which `attestamp init` has made the default authority: TSUs `default` (P-256) and `rsa` (RSA-3072).
    ///
    /// # Errors
    /// When `init` fails.
    pub fn initialised() -> Result<Self> {
        let folder = Self::empty()?;
        folder.run(&["init"])?.succeeded()?;
        Ok(folder)
    }

    /// A folder in which no `init` has run.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn empty() -> Result<Self> {
        let folder = Self { root: TempDir::with_prefix("attestamp-interop-")? };
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

    /// Runs `attestamp --data DIR ARGUMENTS…` to its end.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Finished> {
        let mut all = vec![OsStr::new("--data").to_owned(), self.path().into_os_string()];
        all.extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
        program::run(&all)
    }

    /// Starts `attestamp serve` on a free port and waits until it is ready.
    ///
    /// # Errors
    /// When it ends before it is ready, with all that it said.
    pub fn serve(&self) -> Result<Authority> {
        Authority::start(&self.path())
    }

    /// Runs `attestamp serve` where it must refuse to start, and gives what it said.
    ///
    /// # Errors
    /// When it starts to serve.
    pub fn serve_refused(&self) -> Result<Finished> {
        Authority::refusal(&self.path())
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
