//! The ledger with its key in SoftHSM2, a token without ML-DSA: one key signs the checkpoints, and all else is the same.

use std::ffi::OsString;

use anyhow::{Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::softhsm::SoftHsm;

#[test]
fn a_ledger_signed_in_softhsm_verifies() -> Result<()> {
    let mut folder = DataFolder::empty()?;
    let token = SoftHsm::create(&mut folder)?;
    let mut arguments: Vec<OsString> =
        ["init", "--clock", "system", "--tsu", "default:p-256"].map(Into::into).to_vec();
    arguments.extend(token.init_options()?);
    folder.run(&arguments)?.succeeded()?.said("no post-quantum key signs the ledger's checkpoints")?;
    let keys = folder.run(&["ledger", "keys"])?.succeeded()?.stdout;
    ensure!(keys.lines().count() == 1, "{keys}");
    folder.edit_configuration("# checkpoint-seconds = 10", "checkpoint-seconds = 1")?;

    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    let reply = client.folder().join("reply.tsr").display().to_string();
    let proof = client.folder().join("reply.tlog-proof").display().to_string();
    folder.run(&["ledger", "prove", &reply, "--url", &authority.url("")])?.succeeded()?;
    let verify = ["ledger", "verify", "--proof", &proof, "--token", &reply];
    folder.run(&verify)?.succeeded()?.said("holds")?.said("signed by    Ed25519")?;
    authority.stop()?;
    folder.run(&["ledger", "verify"])?.succeeded()?.said("0 of them than the last checkpoint")?;
    folder
        .run(&["ledger", "list", "--from", "2020-01-01", "--to", "2100-01-01"])?
        .succeeded()?
        .said("1 timestamps")?;
    Ok(())
}
