//! The first token of each session in a token is verified before it leaves, whatever other sessions do meanwhile.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::connection::Connection;
use attestamp_interop_tests::reply::{self, failure};
use attestamp_interop_tests::request::Request;

use crate::{Pair, QUICK, granted_and_verified, metric_of, until};

/// What the TSU `single` has in the harness, and what it has here: time for a signature that hangs, and more sessions.
const FEW: &str = "[tsu.single]\nsign-seconds = 1\nsessions = 2\n";
const SEVERAL: &str = "[tsu.single]\nsign-seconds = 60\nsessions = 4\n";
/// More than there are sessions, which are taken in turn.
const ALL_SESSIONS: usize = 8;

#[test]
fn the_first_token_after_the_start_is_verified() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    let authority = pair.folder.serve()?;
    // Nothing was stamped yet, and the pool's own test signatures were good.
    pair.faulty.rule("C_Sign signature=garbage count=1");
    let request = Request::of(b"the first of a session")?.encoded();
    reply::rejected(&authority.post("/tsa/single", &request)?, failure::SYSTEM_FAILURE)?;
    until("it reconnects", || Ok(reply::granted(&authority.post("/tsa/single", &request)?).is_ok()))?;
    granted_and_verified(&pair.folder, &authority, "single")
}

/// One session of four is lost and opened again, and its first signature is wrong and slow. Tokens of the others are made,
/// and verified where that was not known to be needless, before it comes back.
#[test]
fn a_wrong_first_signature_of_a_session_that_was_opened_again_never_leaves() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    pair.folder.edit_configuration(FEW, SEVERAL)?;
    let authority = pair.folder.serve()?;
    let request = Request::of(b"the first of a session")?.encoded();
    for round in 1..=3 {
        for _ in 0..ALL_SESSIONS {
            granted_and_verified(&pair.folder, &authority, "first")?;
            granted_and_verified(&pair.folder, &authority, "single")?;
        }
        pair.faulty.rule("C_Sign stall signature=garbage first count=1");
        pair.faulty.tell("lose count=1");
        thread::scope(|scope| -> Result<()> {
            let (address, request) = (authority.address(), &request);
            let ask = || scope.spawn(move || Connection::open(address)?.post("/tsa/single", request));
            let mut asked = ask();
            for _ in 0..2 * ALL_SESSIONS {
                while !asked.is_finished() && pair.faulty.stalled() == 0 {
                    thread::sleep(Duration::from_millis(5));
                }
                if pair.faulty.stalled() > 0 {
                    break;
                }
                let done = std::mem::replace(&mut asked, ask());
                reply::granted(&done.join().expect("a thread that panicked")?)?;
            }
            ensure!(pair.faulty.stalled() == 1, "the session that was opened again never signed");
            for _ in 0..ALL_SESSIONS {
                granted_and_verified(&pair.folder, &authority, "single")?;
            }
            pair.faulty.clear();
            reply::rejected(&asked.join().expect("a thread that panicked")?, failure::SYSTEM_FAILURE)
        })?;
        ensure!(self_check_failures(&authority)? == round);
        until("it reconnects", || Ok(reply::granted(&authority.post("/tsa/single", &request)?).is_ok()))?;
    }
    Ok(())
}

/// A caller that goes away before its token was verified leaves the next token of the session to be the first.
#[test]
fn a_client_that_left_proves_nothing() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    pair.folder.edit_configuration(FEW, "[tsu.single]\nsign-seconds = 1\nsessions = 1\n")?;
    let authority = pair.folder.serve()?;
    let request = Request::of(b"the first of a session")?.encoded();
    pair.faulty.rule("C_Sign stall count=1");
    // Its signature is good, and comes after the request has been given up.
    reply::rejected(&authority.post("/tsa/single", &request)?, failure::SYSTEM_FAILURE)?;
    pair.faulty.clear();
    until("the session is free", || Ok(pair.faulty.stalled() == 0))?;
    pair.faulty.rule("C_Sign signature=garbage count=1");
    for _ in 0..600 {
        let reply = authority.post("/tsa/single", &request)?;
        if self_check_failures(&authority)? == 1 {
            return reply::rejected(&reply, failure::SYSTEM_FAILURE);
        }
        // The session may not be back yet; a token may not be granted before the wrong one.
        reply::rejected(&reply, failure::SYSTEM_FAILURE)?;
        thread::sleep(Duration::from_millis(20));
    }
    bail!("the wrong signature was never made")
}

fn self_check_failures(authority: &Authority) -> Result<u64> {
    metric_of(authority, "attestamp_signer_self_check_failures_total", "single", "hsm")
}
