//! `attestamp stamp` and `attestamp verify` held against other people's tools: each judges what the other made.

use anyhow::{Context, Result};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::program;
use attestamp_interop_tests::tools::{Finished, OPENSSL, Tool};

const SHELL: Tool = Tool { name: "sh", package: "dash" };

fn verify(folder: &DataFolder, options: &[&str]) -> Result<Finished> {
    let arguments = ["verify", "reply.tsr", "--data", "data", "--ca", "root.pem"];
    program::run(&folder.work(), &[&arguments, options].concat())
}

fn stamped(folder: &DataFolder, tsu: &str) -> Result<(Authority, Client)> {
    let authority = folder.serve()?;
    let client = Client::of(folder, &authority, tsu)?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    Ok((authority, client))
}

#[test]
fn openssl_verifies_what_stamp_wrote() -> Result<()> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    for (tsu, hash) in [("default", "sha256"), ("rsa", "sha384")] {
        let client = Client::of(&folder, &authority, tsu)?;
        folder.write("second", "another file")?;
        let url = authority.url(&format!("/tsa/{tsu}"));
        program::run(client.folder(), &["stamp", "data", "second", "--url", &url, "--hash", hash])?
            .succeeded()?;
        for name in ["data", "second"] {
            let reply = format!("{name}.tsr");
            OPENSSL
                .run(
                    client.folder(),
                    &[
                        "ts",
                        "-verify",
                        "-data",
                        name,
                        "-in",
                        &reply,
                        "-CAfile",
                        "root.pem",
                        "-untrusted",
                        "chain.pem",
                    ],
                )?
                .succeeded()?
                .said("Verification: OK")?;
            std::fs::remove_file(client.folder().join(reply))?;
        }
    }
    Ok(())
}

#[test]
fn verify_accepts_what_openssl_asked_for() -> Result<()> {
    let folder = DataFolder::initialised()?;
    for tsu in ["default", "rsa"] {
        let (_authority, _client) = stamped(&folder, tsu)?;
        verify(&folder, &[])?.succeeded()?;
        let json = verify(&folder, &["--json"])?.succeeded()?.stdout;
        let _: serde_json::Value = serde_json::from_str(&json).with_context(|| json.clone())?;
    }
    Ok(())
}

#[test]
fn verify_refuses_other_data_another_root_and_a_changed_token() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let (_authority, client) = stamped(&folder, "default")?;
    folder.write("data", "other data")?;
    verify(&folder, &[])?.failed()?.did_not_say("panicked")?;
    folder.write("data", "what is to be stamped\n")?;
    verify(&folder, &[])?.succeeded()?;

    let reply_path = client.folder().join("reply.tsr");
    let reply = std::fs::read(&reply_path)?;
    for position in [reply.len() / 3, reply.len() / 2, reply.len() - 1] {
        let mut changed = reply.clone();
        if let Some(byte) = changed.get_mut(position) {
            *byte ^= 0x01;
        }
        std::fs::write(&reply_path, changed)?;
        verify(&folder, &[])?
            .failed()?
            .did_not_say("panicked")
            .with_context(|| format!("bit changed in octet {position}"))?;
    }
    std::fs::write(&reply_path, reply)?;

    let other = DataFolder::with_default_tsu()?;
    folder.write("root.pem", other.serve()?.fetch("/pki/root.pem")?)?;
    verify(&folder, &[])?.failed()?.did_not_say("panicked")?;
    Ok(())
}

#[test]
fn the_commands_that_serve_prints_stamp_and_verify_a_file() -> Result<()> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve_with(&["--print-commands"])?;
    let mut script = String::from("set -e\n");
    for start in ["openssl ts -query", "curl ", "openssl ts -verify"] {
        script.push_str(&authority.wait_for_line(start)?);
        script.push('\n');
    }
    // They name FILE for the reader's own.
    let file = folder.write("FILE", "what the reader has")?;
    SHELL.run(file.parent().context("folder")?, &["-c", &script])?.succeeded()?.said("Verification: OK")?;
    Ok(())
}
