//! What surrounds post-quantum tokens, against OpenSSL 3.5: requests for certificates, revocation lists, and a CA that is
//! not ours (RFC 9881).

use anyhow::Result;
use attestamp_interop_tests::certification_authority::ExternalCa;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::modern_openssl;
use attestamp_interop_tests::parameter_sets::POST_QUANTUM;
use attestamp_interop_tests::stamped::{DATA, Parts, Stamped};
use attestamp_interop_tests::{bouncy_castle, reply, request};

/// A folder with an external CA, and the authority's TSU `pq` for it to certify.
fn external() -> Result<DataFolder> {
    DataFolder::initialised_with(&["--external-ca", "--tsu", "pq:ml-dsa-65"])
}

#[test]
fn openssl_accepts_the_request_of_every_parameter_set() -> Result<()> {
    let folder = external()?;
    for set in POST_QUANTUM {
        let tsu = set.tsu();
        folder.run(&["tsu", "new", &tsu, "--algorithm", set.name])?.succeeded()?;
        let csr = folder.run(&["tsu", "csr", &tsu])?.succeeded()?.stdout;
        folder.write("request.csr", csr)?;
        modern_openssl::run(&folder.work(), &["req", "-verify", "-noout", "-text", "-in", "request.csr"])?
            .succeeded()?
            .said("self-signature verify OK")?
            .said(&format!("Public Key Algorithm: {}\n", set.openssl))?
            .said(&format!("Signature Algorithm: {}\n", set.openssl))?;
    }
    Ok(())
}

#[test]
fn openssl_verifies_the_revocation_lists() -> Result<()> {
    let folder = DataFolder::initialised_with(&["--tsu", "pq:ml-dsa-65"])?;
    let authority = folder.serve()?;
    for (ca, algorithm) in [("pq-root", "ML-DSA-87"), ("pq-tsa-ca", "ML-DSA-65")] {
        folder.write("ca.pem", authority.fetch(&format!("/pki/{ca}.pem"))?)?;
        folder.write("ca.crl", authority.fetch(&format!("/pki/{ca}.crl"))?)?;
        let verified = modern_openssl::run(
            &folder.work(),
            &["crl", "-inform", "DER", "-in", "ca.crl", "-noout", "-verify", "-CAfile", "ca.pem", "-text"],
        )?;
        verified.succeeded()?.said("verify OK")?.said(&format!("Signature Algorithm: {algorithm}\n"))?;
    }
    // A list is good for its own CA alone.
    folder.write("ca.pem", authority.fetch("/pki/pq-root.pem")?)?;
    modern_openssl::run(
        &folder.work(),
        &["crl", "-inform", "DER", "-in", "ca.crl", "-noout", "-verify", "-CAfile", "ca.pem"],
    )?
    .did_not_say("verify OK")?;
    // And with both lists openssl checks the whole chain for revocation.
    let stamped = Stamped::by(&folder, &authority, "pq", "/pki/pq-root.pem")?;
    folder.write("chain.pem", authority.fetch("/tsa/pq/chain.pem")?)?;
    let mut lists = Vec::new();
    for ca in ["pq-root", "pq-tsa-ca"] {
        folder.write("ca.crl", authority.fetch(&format!("/pki/{ca}.crl"))?)?;
        let pem = modern_openssl::run(&folder.work(), &["crl", "-inform", "DER", "-in", "ca.crl"])?;
        lists.extend(pem.succeeded()?.stdout.into_bytes());
    }
    folder.write("lists.pem", lists)?;
    #[rustfmt::skip]
    modern_openssl::run(&folder.work(), &[
        "verify", "-x509_strict", "-crl_check_all", "-CRLfile", "lists.pem", "-purpose", "timestampsign",
        "-CAfile", &stamped.root(), "-untrusted", "chain.pem", &stamped.certificate(),
    ])?.succeeded()?.said(": OK")?;
    Ok(())
}

#[test]
fn a_certificate_of_an_external_ml_dsa_ca_stamps_under_its_root() -> Result<()> {
    let folder = external()?;
    let ca = ExternalCa::with_key(&folder, modern_openssl::tool()?, &["ML-DSA-65"])?;
    let csr = folder.run(&["tsu", "csr", "pq"])?.succeeded()?.stdout;
    let csr = folder.write("pq.csr", csr)?;
    let chain = ca.sign(&csr, "tsu", &[])?;
    folder.run(&["tsu".as_ref(), "import".as_ref(), "pq".as_ref(), chain.as_os_str()])?.succeeded()?;
    folder.run(&["check"])?.succeeded()?;

    let authority = folder.serve()?;
    let request = request::Request { cert_req: request::cert_req(), ..request::Request::of(DATA)? }.encoded();
    let parts = Parts {
        reply: reply::body(&authority.post("/tsa/pq", &request)?)?.to_vec(),
        request,
        certificate: authority.fetch("/tsa/pq/certificate.pem")?,
        root: ca.root_pem()?,
    };
    let stamped = Stamped::of_parts(&folder.work(), "external", &parts)?;
    modern_openssl::cms_verdict(&stamped)?.accepted()?;
    stamped.own_verdict(&[])?.accepted()?;
    for verdict in bouncy_castle::verdicts(&[&stamped])? {
        verdict.accepted()?;
    }
    Ok(())
}
