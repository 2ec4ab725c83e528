//! The same key in two tokens, with one certificate: whichever signs, the tokens are of the same TSU.

use std::ffi::OsStr;

use anyhow::{Context, Result, ensure};
use attestamp_faulty_control::FaultyModule;
use attestamp_interop_tests::certification_authority::ExternalCa;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::reply;
use attestamp_interop_tests::softhsm::{self, SoftHsm};
use attestamp_interop_tests::tools::{OPENSSL, SOFTHSM2_UTIL};

use crate::two_modules::{SECOND, second_module, token_table};
use crate::{QUICK, metric_of, until};

const TABLE: &str = "\
[tsu.twin]
token = \"hsm\"
key = \"pkcs11:id=%0A%0B\"
default-policy = \"2.999.3161.9\"
";
const STANDBY: &str = "
[[tsu.twin.standby]]
token = \"second\"
key = \"pkcs11:id=%0A%0B\"
";

/// A key made outside and brought into both tokens, under the same CKA_ID.
fn import_key(folder: &DataFolder, token: &SoftHsm) -> Result<()> {
    let variable: (&str, &OsStr) = (softhsm::CONFIGURATION_VARIABLE, token.configuration().as_os_str());
    #[rustfmt::skip]
    OPENSSL.run(&folder.work(), &[
        "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "twin.key",
    ])?.succeeded()?;
    for label in [softhsm::LABEL, SECOND] {
        #[rustfmt::skip]
        SOFTHSM2_UTIL.run_with(&folder.work(), &[
            "--import", "twin.key", "--token", label, "--label", "twin", "--id", "0A0B", "--pin", softhsm::PIN,
        ], &[variable])?.succeeded()?;
    }
    Ok(())
}

#[test]
fn a_token_of_either_has_the_same_certificate() -> Result<()> {
    let mut folder = DataFolder::with_default_tsu()?;
    let token = SoftHsm::create(&mut folder)?;
    token.add(&folder, SECOND)?;
    import_key(&folder, &token)?;
    let hsm = FaultyModule::before(SoftHsm::module()?, &folder.work(), "faulty", &[]);
    let second = FaultyModule::before(&second_module(&folder)?, &folder.work(), "faulty-second", &[]);
    folder.append_configuration(&token_table(&folder, "hsm", &hsm, softhsm::LABEL))?;
    folder.append_configuration(&token_table(&folder, "second", &second, SECOND))?;
    folder.append_configuration(&format!("{TABLE}{QUICK}\n{STANDBY}"))?;

    let ca = ExternalCa::create(&folder)?;
    let csr = folder.write("twin.csr", folder.run(&["tsu", "csr", "twin"])?.succeeded()?.stdout)?;
    let chain = ca.sign(&csr, "tsu", &[])?;
    let chain = chain.to_str().context("a path in Unicode")?;
    folder.run(&["tsu", "import", "twin", chain])?.succeeded()?;
    // A key that was made outside of its token is one that no auditor accepts, unless the operator does.
    folder.run(&["check"])?.failed()?.said("accept-unattested")?;
    folder.edit_configuration("[tsu.twin]\n", "[tsu.twin]\naccept-unattested = true\n")?;
    folder.run(&["check"])?.succeeded()?;

    let authority = folder.serve()?;
    let root = ca.root_pem()?;
    let certificates = || -> Result<Vec<u8>> {
        let client = Client::with_root(&folder, &authority, "twin", &root)?;
        client.stamp(&authority, &["-cert"])?;
        client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
        let reply = std::fs::read(client.folder().join("reply.tsr"))?;
        reply::granted_der(&reply)?.certificates.context("no certificates")
    };
    let signed_by = |signer: &str| {
        metric_of(&authority, "attestamp_signer_signature_duration_seconds_count", "twin", signer)
    };
    let before = certificates()?;
    ensure!((signed_by("hsm")?, signed_by("second")?) == (1, 0), "the first in the file signs");
    hsm.rule("C_Sign return=0x30");
    for round in 1..=3 {
        ensure!(certificates()? == before, "another certificate after the failover");
        ensure!((signed_by("hsm")?, signed_by("second")?) == (1, round));
    }
    hsm.clear();
    until("the first signs again", || {
        ensure!(certificates()? == before);
        Ok(signed_by("hsm")? > 1)
    })?;
    // And the other way round: the one that stands by is away, of which no client is to notice anything.
    second.rule("* return=0x32");
    second.tell("lose");
    ensure!(certificates()? == before);
    Ok(())
}
