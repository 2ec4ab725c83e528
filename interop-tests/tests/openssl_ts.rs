//! `openssl ts`: its requests, its verification, over every hash, option and TSU algorithm that it knows.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;

const DAY_SECONDS: i64 = 86_400;

/// The default policy of a TSU, as `GET /tsa` shows it.
fn default_policy(authority: &Authority) -> Result<String> {
    let description: serde_json::Value = serde_json::from_slice(&authority.fetch("/tsa")?)?;
    let policy = find_key(&description, "policies").and_then(|policies| policies.get(0)?.as_str());
    Ok(policy.with_context(|| format!("GET /tsa names no policy: {description}"))?.to_owned())
}

fn find_key<'a>(value: &'a serde_json::Value, key: &str) -> Option<&'a serde_json::Value> {
    value.get(key).or_else(|| match value {
        serde_json::Value::Array(members) => members.iter().find_map(|member| find_key(member, key)),
        serde_json::Value::Object(members) => members.values().find_map(|member| find_key(member, key)),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => None,
    })
}

#[test]
fn every_hash_with_and_without_certificate_and_nonce() -> Result<()> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    for tsu in ["default", "rsa"] {
        let client = Client::of(&folder, &authority, tsu)?;
        for hash in ["-sha256", "-sha384", "-sha512", "-sha3-256", "-sha3-384", "-sha3-512"] {
            for options in [&["-cert"][..], &[], &["-cert", "-no_nonce"], &["-no_nonce"]] {
                client.stamp(&authority, &[&[hash], options].concat())?;
                // Without the certificates in the token the verifier must be given them.
                let chain: &[&str] =
                    if options.contains(&"-cert") { &[] } else { &["-untrusted", "chain.pem"] };
                for against in [&["-data", "data"][..], &["-queryfile", "request.tsq"]] {
                    client
                        .verify(&[against, chain].concat())?
                        .succeeded()?
                        .said("Verification: OK")
                        .with_context(|| format!("{tsu} {hash} {options:?}"))?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn each_algorithm_that_openssl_ts_can_verify() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let algorithms = ["p-256", "p-384", "rsa-2048", "rsa-3072", "rsa-4096"];
    for algorithm in algorithms {
        folder.run(&["tsu", "new", &format!("on-{algorithm}"), "--algorithm", algorithm])?.succeeded()?;
    }
    let authority = folder.serve()?;
    for algorithm in algorithms {
        let client = Client::of(&folder, &authority, &format!("on-{algorithm}"))?;
        client.stamp(&authority, &["-sha512", "-cert"])?;
        client
            .verify(&["-queryfile", "request.tsq"])?
            .succeeded()?
            .said("Verification: OK")
            .context(algorithm)?;
    }
    Ok(())
}

#[test]
fn without_the_intermediate_or_the_root_openssl_refuses() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.stamp(&authority, &["-sha256"])?;
    client.verify(&["-data", "data"])?.failed()?.said("Verification: FAILED")?;
    // Another authority's root is not this token's.
    let other_folder = DataFolder::with_default_tsu()?;
    let other = other_folder.serve()?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    folder.write("root.pem", other.fetch("/pki/root.pem")?)?;
    client.verify(&["-data", "data"])?.failed()?.said("Verification: FAILED")?;
    Ok(())
}

#[test]
fn a_token_is_good_for_its_own_data_and_request_alone() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    folder.write("other", b"other data")?;
    client.verify(&["-data", "other"])?.failed()?.said("message imprint mismatch")?;
    client.query(&["-sha256", "-cert"])?;
    client.verify(&["-queryfile", "request.tsq"])?.failed()?.said("nonce mismatch")?;
    Ok(())
}

#[test]
fn a_requested_policy_is_in_the_token_and_an_unknown_one_is_refused() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    let policy = default_policy(&authority)?;
    client.stamp(&authority, &["-sha256", "-cert", "-tspolicy", &policy])?;
    client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    client.reply_text()?.said(&format!("Policy OID: {policy}"))?;
    client.stamp(&authority, &["-sha256", "-cert", "-tspolicy", "1.2.3.4.5"])?;
    client.verify(&["-queryfile", "request.tsq"])?.failed()?;
    client
        .reply_text()?
        .said("Status: Rejected.")?
        .said("the requested TSA policy is not supported by the TSA")?;
    Ok(())
}

#[test]
fn sha_1_is_refused_as_a_bad_algorithm() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.stamp(&authority, &["-sha1", "-cert"])?;
    client
        .reply_text()?
        .said("Status: Rejected.")?
        .said("unrecognized or unsupported algorithm identifier")?;
    Ok(())
}

#[test]
fn at_a_time_before_and_after_the_validity_openssl_refuses() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    let reply = std::fs::read(client.folder().join("reply.tsr"))?;
    let granted = attestamp_interop_tests::reply::granted_der(&reply)?;
    let gen_time = attestamp_interop_tests::reply::unix_seconds(&granted.gen_time)?;
    let at = |seconds: i64| client.verify(&["-data", "data", "-attime", &seconds.to_string()]);
    at(gen_time)?.succeeded()?.said("Verification: OK")?;
    at(gen_time + 60 * 365 * DAY_SECONDS)?.failed()?.said("certificate has expired")?;
    at(gen_time - 30 * DAY_SECONDS)?.failed()?.said("certificate is not yet valid")?;
    Ok(())
}

#[test]
fn the_text_of_a_reply_shows_what_the_profile_promises() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    let text = client.reply_text()?.said("Status: Granted.")?.said("Version: 1")?.said("Ordering: no")?;
    ensure!(text.stdout.contains("Accuracy: 0x02 seconds, unspecified millis, unspecified micros"), "{text}");
    Ok(())
}

#[test]
fn the_trust_chain_is_served_in_order_and_verifies() -> Result<()> {
    use attestamp_interop_tests::tools::OPENSSL;
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    for tsu in ["default", "rsa"] {
        let client = Client::of(&folder, &authority, tsu)?;
        folder.write("certificate.pem", authority.fetch(&format!("/tsa/{tsu}/certificate.pem"))?)?;
        #[rustfmt::skip]
        OPENSSL.run(client.folder(), &[
            "verify", "-x509_strict", "-purpose", "timestampsign", "-CAfile", "root.pem", "-untrusted", "chain.pem",
            "certificate.pem",
        ])?.succeeded()?.said("certificate.pem: OK")?;
    }
    Ok(())
}
