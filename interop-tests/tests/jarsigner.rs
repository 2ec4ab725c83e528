//! `jarsigner -tsa`: a Java archive, signed and timestamped, and verified with our root in the trust store.

use anyhow::{Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::tools::{JAR, JARSIGNER, KEYTOOL};

const PASSWORD: &str = "changeit";

#[test]
fn a_signed_archive_carries_a_token_that_java_trusts() -> Result<()> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    let work = folder.work();
    folder.write("hello.txt", "hello\n")?;
    #[rustfmt::skip]
    KEYTOOL.run(&work, &[
        "-genkeypair", "-alias", "signer", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=Signer",
        "-validity", "30", "-ext", "KeyUsage=digitalSignature", "-ext", "ExtendedKeyUsage=codeSigning",
        "-keystore", "keys.p12", "-storetype", "PKCS12", "-storepass", PASSWORD,
    ])?.succeeded()?;
    // The same store is the trust store of the verification: the signer's own certificate, and our roots. keytool takes
    // the first certificate of a file alone, and root.pem holds a root for each family of algorithms.
    let roots = String::from_utf8(authority.fetch("/pki/root.pem")?)?;
    for (number, root) in roots.split_inclusive("-----END CERTIFICATE-----").enumerate() {
        if !root.contains("-----BEGIN CERTIFICATE-----") {
            continue;
        }
        folder.write("root.pem", root)?;
        #[rustfmt::skip]
        KEYTOOL.run(&work, &[
            "-importcert", "-noprompt", "-alias", &format!("attestamp-root-{number}"), "-file", "root.pem",
            "-keystore", "keys.p12", "-storepass", PASSWORD,
        ])?.succeeded()?;
    }
    for (tsu, hash) in [("default", "SHA-256"), ("rsa", "SHA-512")] {
        let archive = format!("{tsu}.jar");
        JAR.run(&work, &["--create", "--file", &archive, "hello.txt"])?.succeeded()?;
        let url = authority.url(&format!("/tsa/{tsu}"));
        #[rustfmt::skip]
        JARSIGNER.run(&work, &[
            "-tsa", &url, "-tsadigestalg", hash, "-keystore", "keys.p12", "-storepass", PASSWORD,
            &archive, "signer",
        ])?.succeeded()?.said("jar signed.")?.did_not_say("TSA certificate chain is invalid")?;
        #[rustfmt::skip]
        let verified = JARSIGNER.run(&work, &[
            "-verify", "-verbose", "-certs", "-keystore", "keys.p12", "-storepass", PASSWORD, &archive,
        ])?.succeeded()?.said("jar verified.")?.said("Timestamped by \"")?;
        ensure!(
            !verified.stdout.contains("TSA certificate chain is invalid")
                && !verified.stdout.contains("not timestamped"),
            "{verified}"
        );
    }
    Ok(())
}

#[test]
fn without_our_root_java_says_that_the_chain_is_invalid() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let work = folder.work();
    folder.write("hello.txt", "hello\n")?;
    #[rustfmt::skip]
    KEYTOOL.run(&work, &[
        "-genkeypair", "-alias", "signer", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=Signer",
        "-keystore", "keys.p12", "-storetype", "PKCS12", "-storepass", PASSWORD,
    ])?.succeeded()?;
    JAR.run(&work, &["--create", "--file", "hello.jar", "hello.txt"])?.succeeded()?;
    let url = authority.url("/tsa");
    JARSIGNER
        .run(&work, &["-tsa", &url, "-keystore", "keys.p12", "-storepass", PASSWORD, "hello.jar", "signer"])?
        .succeeded()?;
    JARSIGNER
        .run(&work, &["-verify", "-verbose", "-keystore", "keys.p12", "-storepass", PASSWORD, "hello.jar"])?
        .said("TSA certificate chain is invalid")?;
    Ok(())
}
