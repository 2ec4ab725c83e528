//! A reader of ledgers that shares no code with ours: `python/read_ledger.py`, written from the documents alone.
//!
//! It verifies, decodes and prints; what the entries must say is for the tests to hold against what they got.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::data_folder::DataFolder;
use crate::reply::Granted;
use crate::tools::Finished;
use crate::verifiers;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/read_ledger.py");

/// A tree that holds, as the reader understood it.
#[derive(Debug)]
pub struct ReadLedger {
    /// The entries, in their order, each with `index` and `kind`.
    pub entries: Vec<Value>,
    /// Levels of tiles.
    pub levels: u64,
}

/// Reads the tree of a server (`http://…/ledger`) or of a folder, which must continue these checkpoints.
///
/// # Errors
/// When Python could not be run. That the tree does not hold is no error here.
pub fn run_tree(source: &str, keys: &Path, older: &[&Path]) -> Result<Finished> {
    let mut arguments: Vec<&OsStr> = vec!["tree".as_ref(), source.as_ref(), keys.as_ref()];
    arguments.extend(older.iter().map(|file| file.as_os_str()));
    run(&arguments)
}

/// [`run_tree`], where it must hold.
///
/// # Errors
/// When it does not.
pub fn tree(source: &str, keys: &Path, older: &[&Path]) -> Result<ReadLedger> {
    let finished = run_tree(source, keys, older)?;
    // The whole output would be too long for a message.
    ensure!(finished.status.success(), "{:?} {}", finished.stdout.lines().last(), finished.stderr);
    let mut entries = finished.stdout.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let last = entries.pop().context("no line about the tree")?;
    let number = |name: &str| last.get(name).and_then(Value::as_u64).with_context(|| name.to_owned());
    let size = usize::try_from(number("size")?)?;
    ensure!(size == entries.len(), "{} entries of a tree of {size}", entries.len());
    Ok(ReadLedger { entries, levels: number("levels")? })
}

/// Reads a proof. That it does not hold is no error here.
///
/// # Errors
/// When Python could not be run.
pub fn run_proof(file: &Path, keys: &Path) -> Result<Finished> {
    run(&["proof".as_ref(), file.as_ref(), keys.as_ref()])
}

fn run(arguments: &[&OsStr]) -> Result<Finished> {
    let arguments: Vec<&OsStr> = [&[PROGRAM.as_ref()], arguments].concat();
    verifiers::tool("python/bin/python")?.run(Path::new("/"), &arguments)
}

impl ReadLedger {
    /// Entries of one kind: `token`, `clock` or `event`.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.entries.iter().filter(move |entry| entry["kind"] == kind)
    }

    /// The entry of a token that a client got, which must say of it what it says itself.
    ///
    /// # Errors
    /// When it is not there once, or says otherwise.
    pub fn check_token(&self, granted: &Granted, certificate: &[u8]) -> Result<&Value> {
        let hash = hexadecimal(&Sha256::digest(&granted.token));
        let mut found = self.of_kind("token").filter(|entry| entry["token"] == hash.as_str());
        let entry = found.next().with_context(|| format!("the token {hash} is not on record"))?;
        ensure!(found.next().is_none(), "the token {hash} is on record twice");
        check_entry(entry, granted, certificate)?;
        Ok(entry)
    }
}

/// SHA-256 of each token that `attestamp ledger list` lists.
///
/// # Errors
/// When it fails.
pub fn listed(folder: &DataFolder) -> Result<HashSet<String>> {
    let always = ["ledger", "list", "--from", "2020-01-01", "--to", "2100-01-01", "--json"];
    let listed = folder.run(&always)?.succeeded()?.stdout;
    listed
        .lines()
        .map(|line| -> Result<Value> { Ok(serde_json::from_str(line)?) })
        // A time without a record has a row of its own, with no token.
        .filter(|row| !row.as_ref().is_ok_and(|row| row.get("offFrom").is_some()))
        .map(|row| {
            let row = row?;
            Ok(row.get("token").and_then(Value::as_str).context("token")?.to_ascii_lowercase())
        })
        .collect()
}

/// Holds an entry of a token against the token.
///
/// # Errors
/// When they differ.
pub fn check_entry(entry: &Value, granted: &Granted, certificate: &[u8]) -> Result<()> {
    ensure!(entry["kind"] == "token", "{entry}");
    ensure!(entry["token"] == hexadecimal(&Sha256::digest(&granted.token)).as_str(), "{entry}");
    ensure!(entry["serial"] == hexadecimal(&granted.serial).as_str(), "serial: {entry}");
    ensure!(entry["certificate"] == hexadecimal(&Sha256::digest(certificate)).as_str(), "{entry}");
    let policy = crate::der::oid(entry["policy"].as_str().context("policy")?)?;
    ensure!(policy == granted.policy, "policy: {entry}");
    let time = jiff::fmt::strtime::parse("%Y%m%d%H%M%S%.fZ", &granted.gen_time)
        .with_context(|| granted.gen_time.clone())?
        .to_datetime()?
        .to_zoned(jiff::tz::TimeZone::UTC)?;
    let microseconds = time.timestamp().as_microsecond();
    ensure!(entry["genTime"] == microseconds, "genTime {microseconds}: {entry}");
    Ok(())
}

/// Lower case, two digits an octet.
#[must_use]
pub fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
