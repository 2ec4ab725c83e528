//! Other people's programs: run one, keep what it said, and ask for its verdict.
//!
//! Exit codes alone prove nothing here (`openssl ts` answers some failures with 0), so a test names the words that the
//! tool must have said. It does not install anything: `scripts/setup.sh test` does.

use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// A program, and the Debian package that it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Name in `PATH`, or an absolute path.
    pub name: &'static str,
    /// Debian package to install where it is missing.
    pub package: &'static str,
}

/// The reference client and verifier.
pub const OPENSSL: Tool = Tool { name: "openssl", package: "openssl" };
/// HTTP client.
pub const CURL: Tool = Tool { name: "curl", package: "curl" };
/// OpenSSL's HTTP client for timestamps; also wants Perl's binding of curl.
pub const TSGET: Tool = Tool { name: "/usr/lib/ssl/misc/tsget.pl", package: "openssl, libwww-curl-perl" };
/// Makes Java keys and trust stores.
pub const KEYTOOL: Tool = Tool { name: "keytool", package: "default-jdk-headless" };
/// Signs and verifies Java archives.
pub const JARSIGNER: Tool = Tool { name: "jarsigner", package: "default-jdk-headless" };
/// Makes Java archives.
pub const JAR: Tool = Tool { name: "jar", package: "default-jdk-headless" };
/// Signs and verifies Windows programs.
pub const OSSLSIGNCODE: Tool = Tool { name: "osslsigncode", package: "osslsigncode" };
/// Makes tokens of the second PKCS#11 module.
pub const SOFTHSM2_UTIL: Tool = Tool { name: "softhsm2-util", package: "softhsm2" };
/// Lists what a PKCS#11 token holds.
pub const PKCS11_TOOL: Tool = Tool { name: "pkcs11-tool", package: "opensc" };

impl Tool {
    /// Runs the tool in a folder, without standard input, and waits for its end.
    ///
    /// # Errors
    /// When it is not installed (the package is named) or could not be started. Its own failure is no error here: ask
    /// [`Finished::succeeded`].
    pub fn run<A: AsRef<OsStr>>(self, folder: &Path, arguments: &[A]) -> Result<Finished> {
        self.run_with(folder, arguments, &[])
    }

    /// [`Tool::run`] with environment variables.
    ///
    /// # Errors
    /// As [`Tool::run`].
    pub fn run_with<A: AsRef<OsStr>>(
        self,
        folder: &Path,
        arguments: &[A],
        variables: &[(&str, &OsStr)],
    ) -> Result<Finished> {
        let mut command = Command::new(self.name);
        command.args(arguments).current_dir(folder).env("LC_ALL", "C.UTF-8");
        // Cargo's, for the test alone.
        command.env_remove("LD_LIBRARY_PATH").envs(variables.iter().copied());
        match finish(command) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("{} is not installed: install the Debian package {}", self.name, self.package)
            }
            finished => finished.with_context(|| format!("could not run {}", self.name)),
        }
    }
}

/// Runs a command without standard input to its end.
pub(crate) fn finish(mut command: Command) -> std::io::Result<Finished> {
    let output = command.stdin(Stdio::null()).output()?;
    Ok(Finished {
        command: format!("{command:?}"),
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A program that has ended, with all that it said. Displayed, it is the whole story for a failed test.
#[derive(Debug)]
pub struct Finished {
    pub(crate) command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// It must have ended with exit code 0.
    ///
    /// # Errors
    /// With the whole output, otherwise.
    pub fn succeeded(self) -> Result<Self> {
        ensure!(self.status.success(), "should have succeeded: {self}");
        Ok(self)
    }

    /// It must have ended with an exit code other than 0: neither success nor death by a signal.
    ///
    /// # Errors
    /// With the whole output, otherwise.
    pub fn failed(self) -> Result<Self> {
        ensure!(self.status.code().is_some_and(|code| code != 0), "should have failed: {self}");
        Ok(self)
    }

    /// It must have said these words, on either stream.
    ///
    /// # Errors
    /// With the whole output, otherwise.
    pub fn said(self, words: &str) -> Result<Self> {
        ensure!(
            self.stdout.contains(words) || self.stderr.contains(words),
            "should have said {words:?}: {self}"
        );
        Ok(self)
    }

    /// It must not have said these words.
    ///
    /// # Errors
    /// With the whole output, otherwise.
    pub fn did_not_say(self, words: &str) -> Result<Self> {
        ensure!(
            !self.stdout.contains(words) && !self.stderr.contains(words),
            "should not have said {words:?}: {self}"
        );
        Ok(self)
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n{}\n--- stdout ---\n{}\n--- stderr ---\n{}",
            self.command, self.status, self.stdout, self.stderr
        )
    }
}
