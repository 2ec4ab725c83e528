//! SoftHSM2 behind the same server: a second PKCS#11 module, reached by its path.

use std::ffi::OsString;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::reply::{self, failure};
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::softhsm::{CONFIGURATION_VARIABLE, PIN, SoftHsm};
use attestamp_interop_tests::tools::PKCS11_TOOL;

/// A data folder whose TSU `default` has its key in a SoftHSM2 token, which lies in the test's own folder.
struct OnSoftHsm {
    folder: DataFolder,
    token: SoftHsm,
}

impl OnSoftHsm {
    fn create() -> Result<Self> {
        let mut folder = DataFolder::empty()?;
        let token = SoftHsm::create(&mut folder)?;
        let arguments = ["init", "--clock", "system", "--tsu", "default:p-256", "--tsu", "rsa:rsa-2048"];
        let mut arguments: Vec<OsString> = arguments.map(Into::into).to_vec();
        arguments.extend(token.init_options()?);
        folder.run(&arguments)?.succeeded()?;
        Ok(Self { folder, token })
    }
}

fn rejected_with_system_failure(authority: &Authority, tsu: &str) -> Result<()> {
    let reply = authority.post(&format!("/tsa/{tsu}"), &Request::of(b"the token is gone")?.encoded())?;
    reply::rejected(&reply, failure::SYSTEM_FAILURE)
}

#[test]
fn tokens_signed_in_softhsm_verify() -> Result<()> {
    let softhsm = OnSoftHsm::create()?;
    let authority = softhsm.folder.serve()?;
    for tsu in ["default", "rsa"] {
        let client = Client::of(&softhsm.folder, &authority, tsu)?;
        for hash in ["-sha256", "-sha512"] {
            client.stamp(&authority, &[hash, "-cert"])?;
            client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
        }
    }
    Ok(())
}

#[test]
fn the_keys_are_sensitive_and_never_extractable() -> Result<()> {
    let softhsm = OnSoftHsm::create()?;
    let configuration = softhsm.token.configuration();
    #[rustfmt::skip]
    let listed = PKCS11_TOOL.run_with(&softhsm.folder.work(), &[
        "--module", &SoftHsm::module()?.to_string_lossy(), "--login", "--pin", PIN, "--list-objects", "--type", "privkey",
    ], &[(CONFIGURATION_VARIABLE, configuration.as_os_str())])?.succeeded()?;
    let keys = listed.stdout.matches("Private Key Object").count();
    ensure!(keys >= 2, "{listed}");
    let guarded = listed.stdout.matches("sensitive, always sensitive, never extractable, local").count();
    ensure!(guarded == keys, "{guarded} of {keys} keys are guarded: {listed}");
    Ok(())
}

#[test]
fn a1_9_without_the_token_nothing_is_issued_and_with_it_again_all_is() -> Result<()> {
    let softhsm = OnSoftHsm::create()?;
    let authority = softhsm.folder.serve()?;
    let away = softhsm.folder.work().join("tokens-away");
    std::fs::rename(softhsm.token.tokens(), &away)?;
    rejected_with_system_failure(&authority, "default")?;
    rejected_with_system_failure(&authority, "rsa")?;
    let readiness = authority.connect()?.get("/readyz")?;
    ensure!(readiness.status == 503, "/readyz answers {}", readiness.status);
    std::fs::rename(&away, softhsm.token.tokens())?;
    // Recovery is the server's own and takes its time: ask until it grants, for as long as one would wait for it.
    let request = Request::of(b"the token is back")?.encoded();
    for _ in 0..300 {
        if reply::granted(&authority.post("/tsa", &request)?).is_ok() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(200));
    }
    bail!("no recovery within a minute")
}

#[test]
fn a_pin_from_an_environment_variable_is_taken_and_never_shown() -> Result<()> {
    let mut softhsm = OnSoftHsm::create()?;
    let pin_line = format!("pin-file = \"{}\"", softhsm.folder.work().join("pin").display());
    softhsm.folder.edit_configuration(&pin_line, "pin-environment = \"INTEROP_PIN\"")?;
    softhsm.folder.serve_refused()?.failed()?.said("INTEROP_PIN")?;
    softhsm.folder.set_variable("INTEROP_PIN", PIN);
    let said = softhsm.folder.serve()?.stop()?;
    ensure!(!said.contains(PIN), "the PIN is in the log");
    Ok(())
}
