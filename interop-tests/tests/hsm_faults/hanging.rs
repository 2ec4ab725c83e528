//! A module that hangs in something else than a signature, at the start and in a reload: the other TSUs are served, and it is
//! said which token does not answer.

use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::reply::{self, failure};
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::softhsm::{self, SoftHsm};

use crate::{Pair, QUICK, granted_and_verified, readiness, until};

/// What the log, `/readyz` and `attestamp reload` say.
const SAID: &str = "token `hsm` did not answer within 20 s";

#[test]
fn in_opening_a_session() -> Result<()> {
    hangs("C_OpenSession")
}

#[test]
fn in_logging_in() -> Result<()> {
    hangs("C_Login")
}

#[test]
fn in_looking_for_the_key() -> Result<()> {
    hangs("C_FindObjects")
}

fn hangs(function: &str) -> Result<()> {
    let pair = Pair::create(QUICK)?;
    // Without the TSU that has nobody to take over, without which a server would not start.
    pair.folder.run(&["tsu", "retire", "single"])?.succeeded()?;
    pair.faulty.begin_with(SoftHsm::module()?, &[&format!("rule {function} stall")]);
    let authority = pair.folder.serve()?;
    pair.faulty.wait_stalled(1);
    is_without_the_signer(&pair, &authority)?;
    pair.faulty.clear();
    is_well_again(&pair, &authority)?;

    pair.faulty.rule(&format!("{function} stall"));
    if function == "C_Login" {
        // Who is logged in does not log in again.
        pair.faulty.tell("lose");
    }
    thread::scope(|scope| -> Result<()> {
        let reload = scope.spawn(|| pair.folder.run(&["reload"]));
        pair.faulty.wait_stalled(1);
        for tsu in ["default", "first"] {
            granted_and_verified(&pair.folder, &authority, tsu)?;
        }
        reload.join().map_err(|_| anyhow!("the thread of the reload panicked"))??.succeeded()?;
        Ok(())
    })?;
    is_without_the_signer(&pair, &authority)?;
    pair.faulty.clear();
    is_well_again(&pair, &authority)?;
    authority.stop()?;
    Ok(())
}

fn is_without_the_signer(pair: &Pair, authority: &Authority) -> Result<()> {
    for tsu in ["default", "first"] {
        granted_and_verified(&pair.folder, authority, tsu)?;
    }
    let (status, text) = readiness(authority)?;
    ensure!(status == 200 && text.contains("signer-down") && text.contains(SAID), "{status} {text}");
    ensure!(authority.said().contains(SAID), "the log does not say what hangs");
    Ok(())
}

fn is_well_again(pair: &Pair, authority: &Authority) -> Result<()> {
    until("the signer joins", || Ok(!readiness(authority)?.1.contains("signer-down")))?;
    until("it signs", || {
        let before = pair.faulty.calls("C_Sign");
        granted_and_verified(&pair.folder, authority, "first")?;
        Ok(pair.faulty.calls("C_Sign") > before)
    })
}

#[test]
fn a_reload_that_a_tsu_without_a_standby_needs_is_refused_and_says_why() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    let authority = pair.folder.serve()?;
    pair.faulty.rule("C_FindObjects stall");
    let refused = pair.folder.run(&["reload"])?.failed()?;
    refused.said("the server keeps what it had")?.said(SAID)?.said("single")?;
    // A second one does not wait for what is known to hang, and hangs no second call.
    pair.folder.run(&["reload"])?.failed()?.said(SAID)?;
    ensure!(pair.faulty.stalled() == 1, "{} calls hang", pair.faulty.stalled());
    for tsu in ["default", "first", "single"] {
        granted_and_verified(&pair.folder, &authority, tsu)?;
    }
    pair.faulty.clear();
    until("it is reloaded", || Ok(pair.folder.run(&["reload"])?.succeeded().is_ok()))?;
    granted_and_verified(&pair.folder, &authority, "single")
}

#[test]
fn a_tsu_whose_only_token_is_away_at_the_start_joins_when_it_is_back() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    pair.faulty.begin_with(SoftHsm::module()?, &["rule C_Login stall"]);
    let authority = pair.folder.serve()?;
    for tsu in ["default", "first"] {
        granted_and_verified(&pair.folder, &authority, tsu)?;
    }
    let request = Request::of(b"while its token is away")?.encoded();
    reply::rejected(&authority.post("/tsa/single", &request)?, failure::SYSTEM_FAILURE)?;
    let (status, text) = readiness(&authority)?;
    ensure!(status == 503 && text.contains("hsm-unavailable") && text.contains(SAID), "{status} {text}");
    // What waits already is no reason to refuse a reload.
    pair.folder.run(&["reload"])?.succeeded()?;
    reply::rejected(&authority.post("/tsa/single", &request)?, failure::SYSTEM_FAILURE)?;
    pair.faulty.clear();
    until("`single` begins", || Ok(reply::granted(&authority.post("/tsa/single", &request)?).is_ok()))?;
    granted_and_verified(&pair.folder, &authority, "single")?;
    until("it is ready", || Ok(readiness(&authority)?.0 == 200))
}

#[test]
fn a_server_none_of_whose_tsus_can_be_reached_does_not_start_and_says_why() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    pair.folder.run(&["tsu", "retire", "first"])?.succeeded()?;
    pair.folder.edit_configuration("default-tsu = \"default\"", "default-tsu = \"single\"")?;
    pair.folder.run(&["tsu", "retire", "default"])?.succeeded()?;
    pair.faulty.begin_with(SoftHsm::module()?, &["rule C_Login stall"]);
    pair.folder.serve_refused()?.failed()?.said("TSU `single` does not start")?.said(SAID)?;
    Ok(())
}

#[test]
fn a_key_that_is_not_there_is_a_mistake_and_not_an_outage() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    let text = std::fs::read_to_string(pair.folder.path().join("attestamp.toml"))?;
    let (_, table) = text.split_once("[tsu.single]").context("no [tsu.single]")?;
    let key = table.lines().find(|line| line.starts_with("key = ")).context("no key")?;
    pair.folder.edit_configuration(key, &format!("key = \"pkcs11:token={};id=%00%01\"", softhsm::LABEL))?;
    pair.folder.serve_refused()?.failed()?.said("TSU `single` does not start")?.said("has no private key")?;
    Ok(())
}
