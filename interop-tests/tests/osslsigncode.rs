//! `osslsigncode -ts`: a Windows program, signed with Authenticode, timestamped and verified against our root.

use std::path::Path;

use anyhow::Result;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::portable_executable;
use attestamp_interop_tests::tools::{Finished, OPENSSL, OSSLSIGNCODE};

fn make_code_signer(work: &Path) -> Result<()> {
    #[rustfmt::skip]
    OPENSSL.run(work, &[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "30", "-subj", "/CN=Code signer",
        "-addext", "extendedKeyUsage=codeSigning", "-keyout", "signer.key", "-out", "signer.pem",
    ])?.succeeded()?;
    Ok(())
}

fn verify(work: &Path, tsa_roots: &str) -> Result<Finished> {
    OSSLSIGNCODE
        .run(work, &["verify", "-CAfile", "signer.pem", "-TSA-CAfile", tsa_roots, "-in", "signed.exe"])
}

#[test]
fn a_signed_program_carries_a_token_that_verifies() -> Result<()> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    let work = folder.work();
    make_code_signer(&work)?;
    folder.write("root.pem", authority.fetch("/pki/root.pem")?)?;
    folder.write("program.exe", portable_executable::smallest())?;
    for tsu in ["default", "rsa"] {
        let _ = std::fs::remove_file(work.join("signed.exe"));
        let url = authority.url(&format!("/tsa/{tsu}"));
        #[rustfmt::skip]
        OSSLSIGNCODE.run(&work, &[
            "sign", "-certs", "signer.pem", "-key", "signer.key", "-h", "sha256", "-ts", &url,
            "-in", "program.exe", "-out", "signed.exe",
        ])?.succeeded()?;
        verify(&work, "root.pem")?.succeeded()?.said("Timestamp Server Signature verification: ok")?;
    }
    // The signer's own certificate is not a root of the timestamp: the verdict above comes from our root.
    verify(&work, "signer.pem")?.said("Timestamp Server Signature verification: failed")?;
    Ok(())
}
