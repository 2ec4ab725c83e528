//! The ledger's disk is full, or takes nothing: no token without a record, the server says so, and goes on by itself (E5).

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::ledger_reader::{self, hexadecimal};
use attestamp_interop_tests::reply::{self, Granted, failure};
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::small_disk::SmallDisk;
use attestamp_interop_tests::stamping::stamp;
use sha2::{Digest, Sha256};

const KIBIBYTES: u32 = 8 << 10;
/// More than fit into what the server has reserved ahead on the disk.
const MOST_TOKENS: usize = 60_000;

/// A folder whose ledger has a disk of its own; nothing where this machine gives none, which is an error in CI.
fn on_small_disk() -> Result<Option<(DataFolder, SmallDisk)>> {
    let mut folder = DataFolder::with_default_tsu()?;
    folder.edit_configuration("# checkpoint-seconds = 10", "checkpoint-seconds = 1")?;
    match SmallDisk::over(&folder.path().join("ledger"), KIBIBYTES) {
        Ok(disk) => {
            folder.run_through(disk.entered());
            Ok(Some((folder, disk)))
        }
        Err(error) if std::env::var_os("CI").is_some() => Err(error),
        Err(error) => {
            not_run(&format!("{error:#}"));
            Ok(None)
        }
    }
}

#[expect(clippy::print_stderr, reason = "the test harness captures it")]
fn not_run(why: &str) {
    eprintln!("not run: {why}");
}

fn metric(authority: &Authority, name: &str) -> Result<f64> {
    let text = String::from_utf8(authority.fetch("/metrics")?)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name} in {text}"))?.parse()?)
}

/// Every one of these tokens is in the ledger, which verifies.
fn check_recorded(folder: &DataFolder, tokens: &[Granted]) -> Result<()> {
    folder.run(&["ledger", "verify"])?.succeeded()?.said("holds: the ledger")?;
    let on_record = ledger_reader::listed(folder)?;
    for token in tokens {
        let hash = hexadecimal(&Sha256::digest(&token.token));
        ensure!(on_record.contains(&hash), "the token {hash} was released and is not on record");
    }
    Ok(())
}

#[test]
fn a_full_disk_stops_tokens_until_there_is_room_again() -> Result<()> {
    let Some((folder, disk)) = on_small_disk()? else { return Ok(()) };
    let authority = folder.serve()?;
    let mut tokens = stamp(&authority, "/tsa", 4, 5)?;
    disk.fill("other-peoples-files")?;
    // What is reserved ahead may be used up first.
    let mut connection = authority.connect()?;
    let request = Request::of(b"into a full disk")?.encoded();
    let refused = loop {
        let reply = connection.post("/tsa", &request)?;
        match reply::granted(&reply) {
            Ok(token) => tokens.push(token),
            Err(_) => break reply,
        }
        ensure!(tokens.len() < MOST_TOKENS, "{MOST_TOKENS} tokens on a full disk");
    };
    reply::rejected(&refused, failure::SYSTEM_FAILURE)?;
    for _ in 0..20 {
        let reply = connection.post("/tsa", &request)?;
        reply::rejected(&reply, failure::SYSTEM_FAILURE).context("while the disk is full")?;
    }
    let ready = authority.connect()?.get("/readyz")?;
    let said = String::from_utf8_lossy(&ready.body).into_owned();
    ensure!(ready.status == 503 && said.contains("ledger-unwritable"), "{} {said}", ready.status);
    ensure!(metric(&authority, "attestamp_ledger_commit_failures_total")? >= 1.0);
    ensure!(authority.said().contains("ledger"), "the log says nothing");
    check_recorded(&folder, &tokens)?;

    std::fs::remove_file(disk.file("other-peoples-files"))?;
    // It tries again at an interval of its own, so it is asked until it does, or the harness' limit ends this.
    let mut tries = 0;
    loop {
        let reply = connection.post("/tsa", &request)?;
        match reply::granted(&reply) {
            Ok(token) => break tokens.push(token),
            Err(_) => reply::rejected(&reply, failure::SYSTEM_FAILURE)?,
        }
        tries += 1;
        ensure!(tries < 6000, "there is room, and it does not go on:\n{}", authority.said());
        thread::sleep(Duration::from_millis(10));
    }
    ensure!(authority.connect()?.get("/readyz")?.status == 200, "tokens come, and it is not ready");
    tokens.extend(stamp(&authority, "/tsa", 16, 20)?);
    check_recorded(&folder, &tokens)?;
    authority.stop()?;
    check_recorded(&folder, &tokens)?;
    let authority = folder.serve()?;
    tokens.extend(stamp(&authority, "/tsa", 1, 1)?);
    check_recorded(&folder, &tokens)
}

#[test]
fn a_disk_that_is_read_only_is_refused_at_start_and_taken_when_it_is_not() -> Result<()> {
    let Some((folder, disk)) = on_small_disk()? else { return Ok(()) };
    let authority = folder.serve()?;
    let tokens = stamp(&authority, "/tsa", 4, 5)?;
    authority.stop()?;
    disk.remount("ro")?;
    let refused = folder.serve_refused()?.failed()?.did_not_say("panicked")?;
    let ledger = folder.path().join("ledger").display().to_string();
    refused.said(&ledger)?.said("Read-only file system")?;
    // Reading needs no more than to read.
    check_recorded(&folder, &tokens)?;
    disk.remount("rw")?;
    let authority = folder.serve()?;
    let more = stamp(&authority, "/tsa", 4, 5)?;
    check_recorded(&folder, &[tokens, more].concat())
}
