//! Two modules in one process, each with faults of its own: what one does not do is no matter of the other.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use attestamp_faulty_control::FaultyModule;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::reply::{self, failure};
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::softhsm::{self, SoftHsm};

use crate::{QUICK, granted_and_verified, metric, readiness, until};

/// The label of the token behind the second module.
pub(crate) const SECOND: &str = "second";

/// SoftHSM2 as a second module: a copy of the file is a library of its own in a process.
pub(crate) fn second_module(folder: &DataFolder) -> Result<PathBuf> {
    let copy = folder.work().join("second-softhsm.so");
    std::fs::copy(SoftHsm::module()?, &copy)?;
    Ok(copy)
}

/// The table of a token.
pub(crate) fn token_table(folder: &DataFolder, name: &str, module: &FaultyModule, label: &str) -> String {
    format!(
        "[token.{name}]\nmodule = \"{}\"\nuri = \"pkcs11:token={label}\"\npin-file = \"{}\"",
        module.path().display(),
        folder.work().join("pin").display()
    )
}

/// The TSU `first` has its key behind the module `hsm`, and a standby behind `second`, whose key is that of `other` too.
#[test]
fn a_fault_in_one_does_not_touch_the_other() -> Result<()> {
    let mut folder = DataFolder::with_default_tsu()?;
    let token = SoftHsm::create(&mut folder)?;
    token.add(&folder, SECOND)?;
    let hsm = FaultyModule::before(SoftHsm::module()?, &folder.work(), "faulty", &[]);
    let second = FaultyModule::before(&second_module(&folder)?, &folder.work(), "faulty-second", &[]);
    folder.append_configuration(&token_table(&folder, "hsm", &hsm, softhsm::LABEL))?;
    folder.append_configuration(&token_table(&folder, "second", &second, SECOND))?;
    for (name, token) in [("first", "hsm"), ("other", "second")] {
        folder.run(&["tsu", "new", name, "--token", token, "--algorithm", "p-256"])?.succeeded()?;
    }
    let text = std::fs::read_to_string(folder.path().join("attestamp.toml"))?;
    let (_, table) = text.split_once("[tsu.other]").context("no [tsu.other]")?;
    let key = table.lines().find(|line| line.starts_with("key = ")).context("no key")?;
    for name in ["first", "other"] {
        folder.edit_configuration(&format!("[tsu.{name}]\n"), &format!("[tsu.{name}]\n{QUICK}\n"))?;
    }
    folder.append_configuration(&format!(
        "[[tsu.first.standby]]\ntoken = \"second\"\n{key}\ncertificate = \"certs/tsu/other.pem\""
    ))?;
    let authority = folder.serve()?;
    let request = Request::of(b"whose fault is it?")?.encoded();
    let both_stamp = || {
        granted_and_verified(&folder, &authority, "first")?;
        granted_and_verified(&folder, &authority, "other")
    };
    both_stamp()?;

    // The first module loses everything.
    let opened = second.calls("C_OpenSession");
    hsm.rule("* return=0x32");
    hsm.tell("lose");
    for _ in 0..5 {
        both_stamp()?;
    }
    ensure!(second.calls("C_OpenSession") == opened, "the second module had to open sessions anew");
    ensure!(metric(&authority, "attestamp_signer_failovers_total", "second")? == 0);
    hsm.clear();
    until("the first module signs again", || {
        let before = hsm.calls("C_Sign");
        both_stamp()?;
        Ok(hsm.calls("C_Sign") > before)
    })?;

    // The second hangs.
    let (opened, failovers) =
        (hsm.calls("C_OpenSession"), metric(&authority, "attestamp_signer_failovers_total", "hsm")?);
    second.rule("C_Sign stall");
    until("it is known that `other` hangs", || {
        reply::rejected(&authority.post("/tsa/other", &request)?, failure::SYSTEM_FAILURE)?;
        Ok(readiness(&authority)?.1.contains("stalled"))
    })?;
    for _ in 0..5 {
        granted_and_verified(&folder, &authority, "first")?;
    }
    ensure!(hsm.stalled() == 0 && hsm.calls("C_OpenSession") == opened);
    ensure!(metric(&authority, "attestamp_signer_failovers_total", "hsm")? == failovers);

    // Both at once, in different ways; then each comes back by itself.
    hsm.rule("C_Sign return=0x30");
    reply::rejected(&authority.post("/tsa/first", &request)?, failure::SYSTEM_FAILURE)?;
    second.clear();
    until("the second module signs again", || {
        Ok(reply::granted(&authority.post("/tsa/other", &request)?).is_ok())
    })?;
    both_stamp()?;
    hsm.clear();
    until("the first module signs again", || {
        let before = hsm.calls("C_Sign");
        both_stamp()?;
        Ok(hsm.calls("C_Sign") > before)
    })
}
