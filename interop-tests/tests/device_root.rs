//! A device root that is an organisation's own: `init --device-root-csr`, `openssl x509 -req`, `attest import`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::modern_openssl;
use attestamp_interop_tests::program;
use attestamp_interop_tests::tools::{Finished, OPENSSL, Tool};

/// What a CA must add to what the request asks for, so that `openssl verify -x509_strict` takes the chain.
const EXTENSIONS: &str = "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n";

/// A folder whose devices wait for their certificates, and an RSA root beside it.
fn waiting() -> Result<DataFolder> {
    let folder = DataFolder::initialised_with(&["--device-root-csr", "--tsu", "default:p-256"])?;
    folder.write("device.cnf", EXTENSIONS)?;
    #[rustfmt::skip]
    openssl(&folder, &[
        "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-keyout", "root.key", "-out", "root.pem",
        "-days", "9000", "-subj", "/C=FI/O=Organisation/CN=Organisation Root",
        "-addext", "keyUsage=critical,keyCertSign",
    ])?;
    Ok(folder)
}

fn openssl(folder: &DataFolder, arguments: &[&str]) -> Result<Finished> {
    OPENSSL.run(&folder.work(), arguments)?.succeeded()
}

/// The request, signed by the root, with the root behind it.
fn signed(folder: &DataFolder, request: &str, copied: &str) -> Result<PathBuf> {
    signed_by(OPENSSL, folder, request, copied)
}

/// [`signed`] by an OpenSSL that knows the keys.
fn signed_by(tool: Tool, folder: &DataFolder, request: &str, copied: &str) -> Result<PathBuf> {
    let request = folder.path().join("certs/attestation").join(request);
    let request = request.to_string_lossy();
    #[rustfmt::skip]
    tool.run(&folder.work(), &[
        "x509", "-req", "-in", &request, "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
        "-days", "8000", "-copy_extensions", copied, "-extfile", "device.cnf", "-out", "device.pem",
    ])?.succeeded()?;
    let pem = |name: &str| std::fs::read_to_string(folder.work().join(name));
    folder.write("device-chain.pem", pem("device.pem")? + &pem("root.pem")?)
}

fn import(folder: &DataFolder, chain: &Path) -> Result<Finished> {
    folder.run(&["attest".as_ref(), "import".as_ref(), chain.as_os_str()])
}

#[test]
fn openssl_accepts_the_request_and_an_auditor_the_organisations_root() -> Result<()> {
    let folder = waiting()?;
    let request = folder.path().join("certs/attestation/device.csr");
    openssl(&folder, &["req", "-verify", "-noout", "-in", &request.to_string_lossy()])?
        .said("self-signature verify OK")?;
    // Nothing is attested before, and that is said; timestamps are issued all the same.
    folder.run(&["check"])?.succeeded()?.said("waits for the device's certificate")?;

    let chain = signed(&folder, "device.csr", "copy")?;
    import(&folder, &chain)?.succeeded()?;
    // E8: what auditors trust from here on is on record.
    let entries = std::fs::read(folder.path().join("ledger/segments/00000001/entries"))?;
    let wanted = b"classical attestation chain";
    ensure!(entries.windows(wanted.len()).any(|found| found == wanted), "the chain is not on record");
    let authority = folder.serve()?;
    let mut connection = authority.connect()?;
    for (path, name) in
        [("/attestation/chain.pem", "chain.pem"), ("/attestation/keys/default", "default.pem")]
    {
        folder.write(name, connection.get(path)?.body)?;
    }
    openssl(
        &folder,
        &["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "chain.pem", "default.pem"],
    )?
    .said("default.pem: OK")?;
    let attestation = folder.work().join("default.pem");
    let root = folder.work().join("root.pem");
    let arguments = ["attest", "verify", &attestation.to_string_lossy(), "--root", &root.to_string_lossy()];
    folder.run(&arguments)?.succeeded()?;
    Ok(())
}

/// A post-quantum chain is one only if the organisation's root is: an RSA root is taken, and said to be what it is.
#[test]
fn a_post_quantum_chain_below_an_rsa_root_is_not_called_post_quantum() -> Result<()> {
    let folder = waiting()?;
    let modern = modern_openssl::tool()?;
    let import_pq = |chain: &Path, options: &[&str]| {
        let chain = chain.to_string_lossy();
        folder.run(&[&["attest", "import", "--chain", "pq", &chain], options].concat())
    };
    let verify = || {
        folder
            .run(&["attest", "bundle", "--output", &folder.work().join("bundle.tar").to_string_lossy()])?
            .succeeded()?;
        program::run(&folder.work(), &["attest", "verify", "bundle.tar", "--root", "root.pem"])?.succeeded()
    };
    let below_rsa = signed_by(modern, &folder, "pq-device.csr", "copy")?;
    import_pq(&below_rsa, &[])?.succeeded()?.said("warning: a certificate of this chain")?;
    verify()?.said("(not post-quantum)")?;

    #[rustfmt::skip]
    modern.run(&folder.work(), &[
        "req", "-x509", "-newkey", "ML-DSA-87", "-nodes", "-keyout", "root.key", "-out", "root.pem",
        "-days", "9000", "-subj", "/C=FI/O=Organisation/CN=Organisation Root PQ",
        "-addext", "keyUsage=critical,keyCertSign",
    ])?.succeeded()?;
    let below_ml_dsa = signed_by(modern, &folder, "pq-device.csr", "copy")?;
    // Auditors have pinned the root: another is a decision.
    import_pq(&below_ml_dsa, &[])?.failed()?.said("--replace")?;
    import_pq(&below_ml_dsa, &["--replace"])?.succeeded()?.did_not_say("warning")?;
    verify()?.said("(post-quantum)")?;
    Ok(())
}

#[test]
fn a_certificate_that_does_not_name_the_device_is_refused_and_nothing_changed() -> Result<()> {
    let folder = waiting()?;
    let bare = signed(&folder, "device.csr", "none")?;
    import(&folder, &bare)?.failed()?.did_not_say("panicked")?.said("copy_extensions")?;
    // Of the other chain's key, which openssl must know to sign its request.
    let other = signed_by(modern_openssl::tool()?, &folder, "pq-device.csr", "copy")?;
    import(&folder, &other)?
        .failed()?
        .did_not_say("panicked")?
        .said("for another key than the device key")?;
    let alone = folder.work().join("device.pem");
    import(&folder, &alone)?.failed()?.did_not_say("panicked")?;
    folder.run(&["check"])?.succeeded()?.said("waits for the device's certificate")?;
    Ok(())
}
