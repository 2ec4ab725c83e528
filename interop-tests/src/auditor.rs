//! An auditor: a folder that holds the pinned roots and nothing else at first, `curl`, and `attestamp attest verify`.
//!
//! The roots are copied out of the data folder, which stands for the way by which an auditor has them; everything else
//! comes over HTTP from the server that is audited. The exit code is part of every verdict, so the two that are no success
//! are told apart.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::data_folder::DataFolder;
use crate::program;
use crate::tools::{CURL, Finished, Tool};

/// The pinned root of the classical chain, as an option.
pub const ROOT: &str = "--root device-root.pem";
/// The pinned roots of both chains.
pub const BOTH_ROOTS: &str = "--root device-root.pem --root pq-device-root.pem";
/// Exit code of what does not hold.
pub const DOES_NOT_HOLD: i32 = 1;
/// Exit code of what could not be judged.
pub const NOT_JUDGED: i32 = 2;

const BASH: Tool = Tool { name: "bash", package: "bash" };
const TAR: Tool = Tool { name: "tar", package: "tar" };

/// The auditor's folder. It is gone when this is dropped.
#[derive(Debug)]
pub struct Auditor {
    folder: TempDir,
}

impl Auditor {
    /// One who has pinned the device roots of this data folder: `device-root.pem`, and `pq-device-root.pem` if there is one.
    ///
    /// # Errors
    /// When there is no device root.
    pub fn of(data: &DataFolder) -> Result<Self> {
        let auditor = Self { folder: TempDir::with_prefix("attestamp-auditor-")? };
        let roots = data.path().join("certs/attestation");
        std::fs::copy(roots.join("device-root.pem"), auditor.file("device-root.pem"))
            .context("the device root")?;
        let post_quantum = roots.join("pq-device-root.pem");
        if post_quantum.exists() {
            std::fs::copy(post_quantum, auditor.file("pq-device-root.pem"))?;
        }
        Ok(auditor)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Path of a file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        std::fs::read(self.file(name)).with_context(|| format!("could not read {name}"))
    }

    /// Writes a file of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        std::fs::write(self.file(name), content).with_context(|| format!("could not write {name}"))
    }

    /// `curl -sSf OPTIONS -o NAME SERVER/PATH`
    ///
    /// # Errors
    /// When the server answers anything but 200.
    pub fn curl(&self, authority: &Authority, path: &str, name: &str, options: &[&str]) -> Result<()> {
        let url = authority.url(path);
        let arguments = [&["-sSf", "--max-time", "60"], options, &["-o", name, &url]].concat();
        CURL.run(self.folder(), &arguments)?.succeeded()?;
        Ok(())
    }

    /// Fetches the bundle, as `bundle.tar`. The query is empty or begins with `?`.
    ///
    /// # Errors
    /// As [`Auditor::curl`].
    pub fn fetch_bundle(&self, authority: &Authority, query: &str) -> Result<()> {
        self.curl(authority, &format!("/attestation/bundle.tar{query}"), "bundle.tar", &[])
    }

    /// Unpacks `bundle.tar` into a folder of this name, with `tar`, and gives the paths of its files, sorted.
    ///
    /// # Errors
    /// When `tar` fails.
    pub fn unpack(&self, folder: &str) -> Result<Vec<String>> {
        std::fs::create_dir(self.file(folder))?;
        TAR.run(self.folder(), &["-xf", "bundle.tar", "-C", folder])?.succeeded()?;
        let listed = TAR.run(self.folder(), &["-tf", "bundle.tar"])?.succeeded()?;
        let mut paths: Vec<String> = listed.stdout.lines().map(str::to_owned).collect();
        paths.sort();
        Ok(paths)
    }

    /// `attestamp attest verify WORDS`; words are separated by one space.
    ///
    /// # Errors
    /// When the program could not be run, or panicked. What it found is in the result.
    pub fn verify(&self, words: &str) -> Result<Finished> {
        let arguments: Vec<&str> = ["attest", "verify"].into_iter().chain(words.split(' ')).collect();
        program::run(self.folder(), &arguments)?.did_not_say("panicked")
    }

    /// [`Auditor::verify`], whose exit code must be this.
    ///
    /// # Errors
    /// When it is another.
    pub fn ends(&self, words: &str, code: i32) -> Result<Finished> {
        let finished = self.verify(words)?;
        ensure!(finished.status.code() == Some(code), "exit code {code} was expected: {finished}");
        Ok(finished)
    }

    /// [`Auditor::verify`], which must find that everything holds.
    ///
    /// # Errors
    /// When it does not.
    pub fn holds(&self, words: &str) -> Result<Finished> {
        self.ends(words, 0)?.said("Verdict       the attestation holds")?.did_not_say("Against it")
    }

    /// [`Auditor::verify`], which must find that something does not hold, and say this among the reasons.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn refuses(&self, words: &str, reason: &str) -> Result<Finished> {
        let refused = self.ends(words, DOES_NOT_HOLD)?.said("Verdict       the attestation does NOT hold")?;
        let mut against = refused.stdout.lines().filter(|line| line.starts_with("Against it"));
        ensure!(against.any(|line| line.contains(reason)), "not refused for {reason:?}: {refused}");
        Ok(refused)
    }

    /// Runs a line of `bash`, in which `attestamp` is the program under test as `$ATTESTAMP`.
    ///
    /// # Errors
    /// When it could not be run.
    pub fn sh(&self, line: &str) -> Result<Finished> {
        let program: &OsStr = program::program()?.as_os_str();
        let arguments = ["-euo", "pipefail", "-c", line];
        BASH.run_with(self.folder(), &arguments, &[("ATTESTAMP", program)])?.did_not_say("panicked")
    }

    /// What `attest verify WORDS --json` prints. The exit code must be this.
    ///
    /// # Errors
    /// When it is another, or what is printed is no JSON.
    pub fn json(&self, words: &str, code: i32) -> Result<serde_json::Value> {
        let finished = self.ends(&format!("{words} --json"), code)?;
        serde_json::from_str(&finished.stdout).with_context(|| format!("no JSON: {finished}"))
    }
}

/// What is at a place of a JSON document (RFC 6901); null where nothing is.
#[must_use]
pub fn at<'a>(json: &'a serde_json::Value, pointer: &str) -> &'a serde_json::Value {
    json.pointer(pointer).unwrap_or(&serde_json::Value::Null)
}

/// What is said under a name of the key's first attestation, by somebody, in the JSON of a verdict.
#[must_use]
pub fn statement<'a>(json: &'a serde_json::Value, name: &str, asserted_by: &str) -> Option<&'a str> {
    let statements = at(json, "/keys/0/attestations/0/statements").as_array()?;
    let is_it = |it: &&serde_json::Value| at(it, "/name") == name && at(it, "/assertedBy") == asserted_by;
    at(statements.iter().find(is_it)?, "/value").as_str()
}
