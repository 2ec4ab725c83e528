//! Verifiers newer than the machine's, from the folder that `scripts/verifiers.sh` fills, and what a verdict is.
//!
//! The folder is the one that `ATTESTAMP_VERIFIERS` names (the Makefile sets it), else `verifiers` in cargo's target
//! folder, where `make setup-test` puts it. Nothing is fetched here.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::tools::Tool;

/// A file of the folder, which must be there.
///
/// # Errors
/// When it is not; the message says what makes it.
pub fn file(relative: &str) -> Result<PathBuf> {
    let path = folder()?.join(relative);
    ensure!(path.exists(), "{} is not there: `make setup-test` makes it", path.display());
    Ok(path)
}

/// A program of the folder. Its name is kept until the end of the test.
pub fn tool(relative: &str) -> Result<Tool> {
    let path = file(relative)?;
    let name = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(Tool { name: String::from(name).leak(), package: "none: `make setup-test` makes it" })
}

fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("ATTESTAMP_VERIFIERS") {
        return Ok(folder.into());
    }
    // target/PROFILE/deps/test-HASH
    let this_test = std::env::current_exe()?;
    let target = this_test.ancestors().nth(3);
    Ok(target
        .with_context(|| format!("{} is not in a target folder", this_test.display()))?
        .join("verifiers"))
}

/// What a verifier said of one timestamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The timestamp holds.
    Accepted,
    /// It does not, for this reason.
    Refused(String),
    /// The verifier does not know the algorithm.
    Unsupported(String),
}

impl Verdict {
    /// It must be [`Verdict::Accepted`].
    ///
    /// # Errors
    /// When it is not, with the reason.
    pub fn accepted(&self) -> Result<()> {
        match self {
            Self::Accepted => Ok(()),
            Self::Refused(reason) => bail!("should have been accepted, and was refused: {reason}"),
            Self::Unsupported(reason) => bail!("should have been accepted, and is not supported: {reason}"),
        }
    }

    /// It must be [`Verdict::Refused`]; gives the reason.
    ///
    /// # Errors
    /// When it is not.
    pub fn refused(&self) -> Result<&str> {
        match self {
            Self::Accepted => bail!("should have been refused, and was accepted"),
            Self::Refused(reason) => Ok(reason),
            Self::Unsupported(reason) => bail!("should have been refused, and is not supported: {reason}"),
        }
    }

    /// One line of the small programs in `java/` and `python/`.
    pub(crate) fn read(line: &str) -> Result<Self> {
        match line.split_once(": ") {
            None if line == "accepted" => Ok(Self::Accepted),
            Some(("refused", reason)) => Ok(Self::Refused(reason.to_owned())),
            Some(("unsupported", reason)) => Ok(Self::Unsupported(reason.to_owned())),
            _ => bail!("not a verdict: {line:?}"),
        }
    }
}
