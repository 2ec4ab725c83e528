//! A server whose HSM fails on command: another signer takes over, nothing wrong leaves, and all is well again afterwards.
//!
//! The TSU `first` has its key in SoftHSM2 behind the faulty module, and a standby with a key and a certificate of its own
//! in the embedded token. `default` has the latter key alone, and `single` another one of the former module.

mod first_tokens;
mod hanging;
mod leaving;
mod own_clock;
mod same_key;
mod two_modules;
mod under_load;

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use attestamp_faulty_control::FaultyModule;
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::reply::{self, failure};
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::softhsm::{self, SoftHsm};

struct Pair {
    folder: DataFolder,
    faulty: FaultyModule,
}

impl Pair {
    /// With these lines in the table of the TSU `first`.
    fn create(settings: &str) -> Result<Self> {
        let mut folder = DataFolder::with_default_tsu()?;
        let token = SoftHsm::create(&mut folder)?;
        drop(token);
        let faulty = FaultyModule::before(SoftHsm::module()?, &folder.work(), "faulty", &[]);
        folder.append_configuration(&format!(
            "[token.hsm]\nmodule = \"{}\"\nuri = \"pkcs11:token={}\"\npin-file = \"{}\"",
            faulty.path().display(),
            softhsm::LABEL,
            folder.work().join("pin").display()
        ))?;
        for name in ["first", "single"] {
            folder.run(&["tsu", "new", name, "--token", "hsm", "--algorithm", "p-256"])?.succeeded()?;
        }
        let text = std::fs::read_to_string(folder.path().join("attestamp.toml"))?;
        let (_, table) = text.split_once("[tsu.default]").context("no [tsu.default]")?;
        let key = table.lines().find(|line| line.starts_with("key = ")).context("no key")?;
        folder.append_configuration(&format!(
            "[[tsu.first.standby]]\ntoken = \"main\"\n{key}\ncertificate = \"certs/tsu/default.pem\""
        ))?;
        for (name, settings) in [("first", settings), ("single", "sign-seconds = 1\nsessions = 2\n")] {
            folder.edit_configuration(&format!("[tsu.{name}]\n"), &format!("[tsu.{name}]\n{settings}\n"))?;
        }
        Ok(Self { folder, faulty })
    }
}

/// Nobody waits for a signer that failed to have been well for a while.
const QUICK: &str = "return-seconds = 0\nfailover-milliseconds = 200\nsign-seconds = 1\nsessions = 2";

fn granted_and_verified(folder: &DataFolder, authority: &Authority, tsu: &str) -> Result<()> {
    let client = Client::of(folder, authority, tsu)?;
    client.stamp(authority, &["-cert"])?;
    client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    Ok(())
}

fn metric(authority: &Authority, name: &str, signer: &str) -> Result<u64> {
    metric_of(authority, name, "first", signer)
}

fn metric_of(authority: &Authority, name: &str, tsu: &str, signer: &str) -> Result<u64> {
    let text = String::from_utf8(authority.fetch("/metrics")?)?;
    let line = format!("{name}{{tsu=\"{tsu}\",signer=\"{signer}\"}} ");
    let value = text.lines().find_map(|found| found.strip_prefix(&line));
    Ok(value.with_context(|| format!("no {line}in\n{text}"))?.parse()?)
}

fn readiness(authority: &Authority) -> Result<(u16, String)> {
    let reply = authority.connect()?.get("/readyz")?;
    Ok((reply.status, String::from_utf8(reply.body)?))
}

/// Asks again until it is so: recovery is the server's own and takes its time.
fn until(what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    for _ in 0..600 {
        if is_so()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    bail!("it never came to be so: {what}")
}

#[test]
fn the_standby_takes_over_at_once_and_the_first_signs_again_when_it_is_well() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    let authority = pair.folder.serve()?;
    granted_and_verified(&pair.folder, &authority, "first")?;
    pair.faulty.rule("C_Sign return=0x30");
    for _ in 0..20 {
        granted_and_verified(&pair.folder, &authority, "first")?;
    }
    ensure!(metric(&authority, "attestamp_signer_failovers_total", "hsm")? > 0);
    let (status, text) = readiness(&authority)?;
    // The TSU `single` has nobody to take over.
    ensure!(status == 503 || text.contains("signer-down"), "{status} {text}");
    pair.faulty.clear();
    until("the first signs again", || {
        let before = pair.faulty.calls("C_Sign");
        granted_and_verified(&pair.folder, &authority, "first")?;
        Ok(pair.faulty.calls("C_Sign") > before)
    })?;
    until("no warning is left", || Ok(!readiness(&authority)?.1.contains("signer-down")))?;
    Ok(())
}

#[test]
fn a_stall_holds_up_neither_other_tsus_nor_readiness_nor_reload_nor_the_end() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    let authority = pair.folder.serve()?;
    pair.faulty.rule("C_Sign stall");
    let request = Request::of(b"while the module hangs")?.encoded();
    // The first that hang wait for their deadline; then it is known, and said at once.
    until("it is known that `single` hangs", || {
        reply::rejected(&authority.post("/tsa/single", &request)?, failure::SYSTEM_FAILURE)?;
        Ok(readiness(&authority)?.1.contains("stalled"))
    })?;
    for _ in 0..5 {
        granted_and_verified(&pair.folder, &authority, "first")?;
        granted_and_verified(&pair.folder, &authority, "default")?;
    }
    authority.fetch("/metrics")?;
    pair.folder.run(&["reload"])?.succeeded()?;
    granted_and_verified(&pair.folder, &authority, "first")?;
    pair.faulty.clear();
    until("`single` signs again", || Ok(reply::granted(&authority.post("/tsa/single", &request)?).is_ok()))?;
    pair.faulty.rule("C_Sign stall");
    reply::rejected(&authority.post("/tsa/single", &request)?, failure::SYSTEM_FAILURE)?;
    // It ends although calls hang, which nobody ends.
    authority.stop()?;
    Ok(())
}

#[test]
fn a_wrong_signature_does_not_leave() -> Result<()> {
    let pair = Pair::create(&format!("{QUICK}\nverify-before-release = \"always\""))?;
    let authority = pair.folder.serve()?;
    granted_and_verified(&pair.folder, &authority, "first")?;
    pair.faulty.rule("C_Sign signature=garbage");
    for _ in 0..5 {
        granted_and_verified(&pair.folder, &authority, "first")?;
    }
    ensure!(metric(&authority, "attestamp_signer_self_check_failures_total", "hsm")? > 0);
    ensure!(authority.said().contains("WRONG SIGNATURE"));
    pair.faulty.clear();
    until("the first signs again", || {
        let before = pair.faulty.calls("C_Sign");
        granted_and_verified(&pair.folder, &authority, "first")?;
        Ok(pair.faulty.calls("C_Sign") > before)
    })
}

#[test]
fn a_signer_that_is_down_at_the_start_joins_when_it_comes_up() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    // Without the TSU that has nobody to take over.
    pair.folder.run(&["tsu", "retire", "single"])?.succeeded()?;
    pair.faulty.begin_with(SoftHsm::module()?, &["rule C_Login return=0x32"]);
    pair.folder.run(&["check"])?.succeeded()?.said("signer `hsm` is down")?;
    let authority = pair.folder.serve()?;
    granted_and_verified(&pair.folder, &authority, "first")?;
    let (status, text) = readiness(&authority)?;
    ensure!(status == 200 && text.contains("signer-down"), "{status} {text}");
    pair.faulty.clear();
    until("it joins", || Ok(!readiness(&authority)?.1.contains("signer-down")))?;
    let before = pair.faulty.calls("C_Sign");
    granted_and_verified(&pair.folder, &authority, "first")?;
    ensure!(pair.faulty.calls("C_Sign") > before, "the first signer is preferred");
    Ok(())
}

#[test]
fn with_no_signer_left_there_is_no_token_and_the_server_is_not_ready() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    // Both signers in the module that fails.
    let single = std::fs::read_to_string(pair.folder.path().join("attestamp.toml"))?;
    let (_, table) = single.split_once("[tsu.single]").context("no [tsu.single]")?;
    let key = table.lines().find(|line| line.starts_with("key = ")).context("no key")?;
    let (_, standby) = single.split_once("[[tsu.first.standby]]").context("no standby")?;
    pair.folder.edit_configuration(
        standby,
        &format!("\ntoken = \"hsm\"\n{key}\ncertificate = \"certs/tsu/single.pem\"\n"),
    )?;
    let authority = pair.folder.serve()?;
    granted_and_verified(&pair.folder, &authority, "first")?;
    pair.faulty.rule("* return=0x32");
    let request = Request::of(b"nobody is left")?.encoded();
    reply::rejected(&authority.post("/tsa/first", &request)?, failure::SYSTEM_FAILURE)?;
    let (status, text) = readiness(&authority)?;
    ensure!(status == 503 && text.contains("hsm-2"), "{status} {text}");
    pair.faulty.clear();
    until("it signs again", || Ok(reply::granted(&authority.post("/tsa/first", &request)?).is_ok()))?;
    granted_and_verified(&pair.folder, &authority, "first")
}

#[test]
fn signers_in_turn_both_sign() -> Result<()> {
    let pair = Pair::create(&format!("{QUICK}\nuse = \"balance\""))?;
    let authority = pair.folder.serve()?;
    for _ in 0..4 {
        granted_and_verified(&pair.folder, &authority, "first")?;
    }
    let text = String::from_utf8(authority.fetch("/metrics")?)?;
    for signer in ["hsm", "main"] {
        let name = "attestamp_signer_signature_duration_seconds_count";
        ensure!(text.contains(&format!("{name}{{tsu=\"first\",signer=\"{signer}\"}} 2\n")), "{text}");
    }
    Ok(())
}
