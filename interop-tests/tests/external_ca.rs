//! A TSU whose certificate comes from somebody else's CA: `init --external-ca`, `tsu csr`, `openssl ca`, `tsu import`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use attestamp_interop_tests::certification_authority::ExternalCa;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::tools::OPENSSL;

/// A data folder without a CA of its own, and the external CA beside it.
fn external() -> Result<(DataFolder, ExternalCa)> {
    let folder = DataFolder::initialised_with(&["--external-ca", "--tsu", "default:p-256"])?;
    let ca = ExternalCa::create(&folder)?;
    Ok((folder, ca))
}

/// `attestamp tsu csr NAME` as a file.
fn csr(folder: &DataFolder, tsu: &str) -> Result<PathBuf> {
    let csr = folder.run(&["tsu", "csr", tsu])?.succeeded()?.stdout;
    folder.write(&format!("{tsu}.csr"), csr)
}

fn import(folder: &DataFolder, tsu: &str, chain: &Path) -> Result<attestamp_interop_tests::tools::Finished> {
    folder.run(&["tsu".as_ref(), "import".as_ref(), tsu.as_ref(), chain.as_os_str()])
}

#[test]
fn openssl_accepts_the_request_of_every_kind_of_key() -> Result<()> {
    let (folder, _) = external()?;
    for algorithm in ["p-256", "p-384", "rsa-2048", "ed25519"] {
        let name = format!("on-{algorithm}");
        folder.run(&["tsu", "new", &name, "--algorithm", algorithm])?.succeeded()?;
        let csr = csr(&folder, &name)?;
        OPENSSL
            .run(&folder.work(), &["req", "-verify", "-noout", "-in", &csr.to_string_lossy()])?
            .succeeded()?
            .said("self-signature verify OK")?;
    }
    Ok(())
}

#[test]
fn an_imported_certificate_stamps_under_the_external_root() -> Result<()> {
    let (folder, ca) = external()?;
    let csr = csr(&folder, "default")?;
    let chain = ca.sign(&csr, "tsu", &[])?;
    import(&folder, "default", &chain)?.succeeded()?;
    folder.run(&["check"])?.succeeded()?;
    let authority = folder.serve()?;
    let client = Client::with_root(&folder, &authority, "default", &ca.root_pem()?)?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    Ok(())
}

#[test]
fn a_certificate_that_is_not_for_this_key_or_purpose_is_refused() -> Result<()> {
    let (folder, ca) = external()?;
    let own = csr(&folder, "default")?;
    for extensions in ["tls_server", "tsu_usage_not_critical"] {
        let chain = ca.sign(&own, extensions, &[])?;
        import(&folder, "default", &chain)?.failed()?.did_not_say("panicked")?.said("extended key usage")?;
    }
    folder.run(&["tsu", "new", "other", "--algorithm", "p-256"])?.succeeded()?;
    let others = csr(&folder, "other")?;
    let chain = ca.sign(&others, "tsu", &[])?;
    let refused = import(&folder, "default", &chain)?.failed()?.did_not_say("panicked")?;
    ensure!(refused.stderr.contains("key"), "it should speak of the key: {refused}");
    Ok(())
}

#[test]
fn sighup_takes_a_new_certificate_without_dropping_a_connection() -> Result<()> {
    let (folder, ca) = external()?;
    let csr = csr(&folder, "default")?;
    let first = ca.sign(&csr, "tsu", &[])?;
    import(&folder, "default", &first)?.succeeded()?;
    let authority = folder.serve()?;
    let mut connection = authority.connect()?;
    let path = "/tsa/default/certificate.pem";
    let before = connection.get(path)?.body;
    let second = ca.sign(&csr, "tsu", &[])?;
    import(&folder, "default", &second)?.succeeded()?;
    folder.run(&["reload"])?.succeeded()?;
    // `reload` returns when the new certificates are in use; the same connection must see them.
    let after = connection.get(path)?.body;
    ensure!(before != after, "still the old certificate");
    let client = Client::with_root(&folder, &authority, "default", &ca.root_pem()?)?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    Ok(())
}
