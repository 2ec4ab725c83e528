//! Tokens of every post-quantum parameter set, issued by the running server and verified by programs that are neither ours
//! nor the token's: OpenSSL 3.5, BouncyCastle, and Python's cryptography for ML-DSA (C8).

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::parameter_sets::POST_QUANTUM;
use attestamp_interop_tests::stamped::Stamped;
use attestamp_interop_tests::{bouncy_castle, modern_openssl, python_cryptography};

/// A TSU and a timestamp of each set, in the order of [`POST_QUANTUM`].
fn a_timestamp_of_each() -> Result<(DataFolder, Authority, Vec<Stamped>)> {
    let folder = DataFolder::initialised_with(&["--tsu", "pq:ml-dsa-65"])?;
    for set in POST_QUANTUM {
        folder.run(&["tsu", "new", &set.tsu(), "--algorithm", set.name])?.succeeded()?;
    }
    let authority = folder.serve()?;
    let stamped = POST_QUANTUM
        .iter()
        .map(|set| Stamped::by(&folder, &authority, &set.tsu(), "/pki/pq-root.pem"))
        .collect::<Result<_>>()?;
    Ok((folder, authority, stamped))
}

#[test]
fn every_parameter_set_is_verified_by_programs_that_are_not_ours() -> Result<()> {
    let (folder, authority, stamped) = a_timestamp_of_each()?;
    for (set, stamped) in POST_QUANTUM.iter().zip(&stamped) {
        modern_openssl::cms_verdict(stamped)?
            .accepted()
            .with_context(|| format!("openssl cms, {}", set.name))?;
        stamped.own_verdict(&[])?.accepted().with_context(|| format!("attestamp verify, {}", set.name))?;
    }

    let all: Vec<&Stamped> = stamped.iter().collect();
    for (set, verdict) in POST_QUANTUM.iter().zip(bouncy_castle::verdicts(&all)?) {
        verdict.accepted().with_context(|| format!("BouncyCastle, {}", set.name))?;
    }
    let ml_dsa: Vec<&Stamped> = POST_QUANTUM
        .iter()
        .zip(&stamped)
        .filter(|(set, _)| set.is_ml_dsa())
        .map(|(_, stamped)| stamped)
        .collect();
    ensure!(ml_dsa.len() == 3, "three parameter sets of ML-DSA");
    for (stamped, verdict) in ml_dsa.iter().zip(python_cryptography::verdicts(&ml_dsa)?) {
        verdict.accepted().with_context(|| format!("cryptography, {}", stamped.name()))?;
    }

    certificates_are_read_and_chains_verified(&folder, &authority)
}

/// `openssl verify -x509_strict` and `openssl x509 -text` of what the server serves.
fn certificates_are_read_and_chains_verified(folder: &DataFolder, authority: &Authority) -> Result<()> {
    folder.write("pq-root.pem", authority.fetch("/pki/pq-root.pem")?)?;
    folder.write("pq-tsa-ca.pem", authority.fetch("/pki/pq-tsa-ca.pem")?)?;
    for set in POST_QUANTUM {
        let tsu = set.tsu();
        let (chain, certificate) = (format!("{tsu}.chain.pem"), format!("{tsu}.pem"));
        folder.write(&chain, authority.fetch(&format!("/tsa/{tsu}/chain.pem"))?)?;
        #[rustfmt::skip]
        modern_openssl::run(&folder.work(), &[
            "verify", "-x509_strict", "-purpose", "timestampsign", "-CAfile", "pq-root.pem", "-untrusted", &chain,
            &certificate,
        ])?.succeeded()?.said(&format!("{certificate}: OK"))?;
        text(folder, &certificate, set.openssl, "ML-DSA-65")?;
    }
    text(folder, "pq-root.pem", "ML-DSA-87", "ML-DSA-87")?;
    text(folder, "pq-tsa-ca.pem", "ML-DSA-65", "ML-DSA-87")
}

/// `openssl x509 -text` names the algorithm of the certificate's key and the issuer's.
fn text(folder: &DataFolder, certificate: &str, key: &str, issuer: &str) -> Result<()> {
    modern_openssl::run(&folder.work(), &["x509", "-noout", "-text", "-in", certificate])?
        .succeeded()?
        .said(&format!("Public Key Algorithm: {key}\n"))?
        .said(&format!("Signature Algorithm: {issuer}\n"))?;
    Ok(())
}
