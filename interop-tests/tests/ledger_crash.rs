//! `kill -9` at random moments: every token that a client got whole is on record, and the ledger continues every checkpoint
//! that was seen (E2, E5).
//!
//! The moments are random on purpose, so that over many runs they come between any two steps. No test depends on which.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::ledger_reader::{self, hexadecimal};
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::reply::Granted;
use attestamp_interop_tests::stamping::{Load, stamp};
use attestamp_interop_tests::token_under_test::TokenKind;
use sha2::{Digest, Sha256};

const ROUNDS: u64 = 12;
const CONNECTIONS: u32 = 16;

/// A number below `limit`. Each hasher has another key.
fn random_below(limit: u64) -> u64 {
    RandomState::new().hash_one(0) % limit
}

fn digest(token: &Granted) -> String {
    hexadecimal(&Sha256::digest(&token.token))
}

/// Tokens that clients got, and checkpoints that were seen, over all rounds.
#[derive(Debug, Default)]
struct Seen {
    tokens: HashSet<String>,
    serials: HashSet<Vec<u8>>,
    checkpoints: Vec<PathBuf>,
}

impl Seen {
    fn add(&mut self, tokens: Vec<Granted>) -> Result<()> {
        for token in tokens {
            ensure!(self.serials.insert(token.serial.clone()), "serial {:02x?} twice", token.serial);
            self.tokens.insert(digest(&token));
        }
        Ok(())
    }

    /// What the ledger must be after a crash and a start. A server runs on the folder.
    fn check(&self, folder: &DataFolder) -> Result<()> {
        folder.run(&["ledger", "verify"])?.succeeded()?.said("holds: the ledger")?;
        let on_record = ledger_reader::listed(folder)?;
        let lost = self.tokens.difference(&on_record).count();
        ensure!(lost == 0, "{lost} of {} tokens are not on record", self.tokens.len());
        if let Some(before) = self.checkpoints.last() {
            let now = folder.write("now", folder.run(&["ledger", "checkpoint"])?.succeeded()?.stdout)?;
            let (before, now) = (before.display().to_string(), now.display().to_string());
            folder.run(&["ledger", "verify", "--from", &before, "--to", &now])?.succeeded()?;
        }
        Ok(())
    }
}

/// Fetches the checkpoint again and again until it is dropped, and keeps the last.
struct Watch {
    stop: Arc<AtomicBool>,
    last: Arc<Mutex<Vec<u8>>>,
    thread: thread::JoinHandle<()>,
}

impl Watch {
    fn start(authority: &Authority) -> Result<Self> {
        let (stop, last) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, kept) = (Arc::clone(&stop), Arc::clone(&last));
        let mut connection = authority.connect()?;
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok(reply) = connection.get("/ledger/checkpoint") else { break };
                // Before the first there is none.
                if reply.status == 200 {
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = reply.body;
                }
            }
        });
        Ok(Self { stop, last, thread })
    }

    /// The last that came before the server was gone.
    fn end(self) -> Result<Vec<u8>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the watch panicked"))?;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(last)
    }
}

fn folder_of(kind: TokenKind) -> Result<DataFolder> {
    let folder = kind.initialised_with(&["--tsu", "default:p-256"])?.folder;
    folder.edit_configuration("# checkpoint-seconds = 10", "checkpoint-seconds = 1")?;
    folder.edit_configuration("# segment-mebibytes = 1024", "segment-mebibytes = 1")?;
    Ok(folder)
}

/// The whole tree by the reader that is not ours: all tokens, all checkpoints, and each repair that left octets in `torn/`.
fn check_with_another_reader(folder: &DataFolder, authority: &Authority, seen: &Seen) -> Result<()> {
    let keys = folder.write("keys.txt", folder.run(&["ledger", "keys"])?.succeeded()?.stdout)?;
    let last = stamp(authority, "/tsa", 1, 1)?;
    let file = folder.write("last.token", &last.first().context("a token")?.token)?.display().to_string();
    // Waits until a checkpoint has it, and so all before it.
    folder.run(&["ledger", "prove", &file, "--url", &authority.url("")])?.succeeded()?;
    let older: Vec<&Path> = seen.checkpoints.iter().map(PathBuf::as_path).collect();
    let ledger = ledger_reader::tree(&authority.url("/ledger"), &keys, &older)?;
    let on_record: HashSet<&str> =
        ledger.of_kind("token").filter_map(|entry| entry["token"].as_str()).collect();
    ensure!(seen.tokens.iter().all(|token| on_record.contains(token.as_str())), "a token is not on record");
    let torn = folder.path().join("ledger/torn");
    let set_aside = if torn.exists() { std::fs::read_dir(torn)?.count() } else { 0 };
    let said = ledger.of_kind("event").filter(|event| event["event"] == 10).count();
    ensure!(set_aside == said, "{set_aside} ends were set aside, and {said} repairs are on record");
    Ok(())
}

#[test]
fn no_kill_under_load_loses_a_token_that_was_released() -> Result<()> {
    for kind in TokenKind::ALL {
        let folder = folder_of(kind)?;
        let mut seen = Seen::default();
        for round in 0..ROUNDS {
            let authority = folder.serve()?;
            let (load, watch) = (Load::start(&authority, "/tsa", CONNECTIONS)?, Watch::start(&authority)?);
            let tokens = load.take(usize::try_from(20 + random_below(300))?);
            // Every third falls near the moment at which a checkpoint is signed: one a second after the last.
            if round % 3 == 2 {
                thread::sleep(Duration::from_millis(random_below(1100)));
            }
            authority.kill()?;
            seen.add(tokens)?;
            seen.add(load.rest()?)?;
            let checkpoint = watch.end()?;
            if !checkpoint.is_empty() {
                seen.checkpoints.push(folder.write(&format!("checkpoint-{round}"), checkpoint)?);
            }
            let authority = folder.serve()?;
            seen.check(&folder).with_context(|| format!("{kind:?}, round {round}"))?;
            authority.kill()?;
        }
        ensure!(!seen.checkpoints.is_empty(), "no checkpoint was seen in {ROUNDS} rounds");
        let authority = folder.serve()?;
        check_with_another_reader(&folder, &authority, &seen)?;
        let client = Client::of(&folder, &authority, "default")?;
        client.stamp(&authority, &["-sha256", "-cert"])?;
        client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    }
    Ok(())
}

#[test]
fn a_kill_while_a_segment_begins_loses_nothing() -> Result<()> {
    let folder = folder_of(TokenKind::Embedded)?;
    let mut seen = Seen::default();
    for segment in [2, 3] {
        let next = folder.path().join(format!("ledger/segments/{segment:08}"));
        let authority = folder.serve()?;
        let load = Load::start(&authority, "/tsa", CONNECTIONS)?;
        let mut tokens = Vec::new();
        while !next.exists() {
            tokens.extend(load.take(1));
        }
        authority.kill()?;
        seen.add(tokens)?;
        seen.add(load.rest()?)?;
        let authority = folder.serve()?;
        seen.check(&folder).with_context(|| format!("segment {segment}"))?;
        authority.kill()?;
    }
    let authority = folder.serve()?;
    check_with_another_reader(&folder, &authority, &seen)
}

#[test]
fn a_torn_end_is_set_aside_and_said() -> Result<()> {
    let folder = folder_of(TokenKind::Embedded)?;
    let authority = folder.serve()?;
    let mut seen = Seen::default();
    seen.add(stamp(&authority, "/tsa", 4, 5)?)?;
    authority.kill()?;
    // The first half of a frame after the last one, as a crash of the machine leaves it: a length, and not so many octets.
    let entries = folder.path().join("ledger/segments/00000001/entries");
    let mut octets = std::fs::read(&entries)?;
    let mut end = 0;
    while end + 2 < octets.len() && octets[end..end + 2] != [0, 0] {
        end += 6 + usize::from(u16::from_be_bytes([octets[end], octets[end + 1]]));
    }
    octets.resize(octets.len().max(end + 100), 0);
    octets[end..end + 30].copy_from_slice(&[&[0_u8, 150, 1, 1][..], &[0xAA; 26]].concat());
    std::fs::write(&entries, octets)?;
    folder.run(&["ledger", "verify"])?.did_not_say("panicked")?;
    let authority = folder.serve()?;
    ensure!(authority.said().contains("the ledger's end was repaired"), "it was not said");
    seen.check(&folder)?;
    check_with_another_reader(&folder, &authority, &seen)
}

#[test]
fn a_kill_during_tsu_new_leaves_a_folder_that_serves() -> Result<()> {
    let folder = folder_of(TokenKind::Embedded)?;
    for round in 0..ROUNDS {
        let name = format!("round-{round}");
        let mut child = folder.spawn(&["tsu", "new", &name])?;
        thread::sleep(Duration::from_millis(random_below(400)));
        child.kill()?;
        child.wait()?;
        let authority =
            folder.serve().with_context(|| format!("after the kill of tsu new, round {round}"))?;
        stamp(&authority, "/tsa", 1, 1)?;
        folder.run(&["ledger", "verify"])?.succeeded()?;
        authority.stop()?;
        // Either it is there, or it can be made now.
        let again = folder.run(&["tsu", "new", &name])?.did_not_say("panicked")?;
        ensure!(again.status.success() || again.stderr.contains(&name), "{again}");
        let authority = folder.serve()?;
        stamp(&authority, &format!("/tsa/{name}"), 1, 1)?;
        authority.stop()?;
    }
    folder.run(&["ledger", "verify"])?.succeeded()?;
    Ok(())
}
