//! An auditor with nothing but the pinned roots: the commands of `docs/auditing.md`, as they are printed, on a running server.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::document::{Document, Openssl};
use attestamp_interop_tests::program;
use attestamp_interop_tests::tools::Finished;

const DOCUMENT: Document =
    Document { path: "docs/auditing.md", text: include_str!("../../docs/auditing.md") };
/// Its documentation has the structure's ASN.1.
const CLAIMS: &str = include_str!("../../attestation/src/claims.rs");
const BUNDLE: &str = "attestation-bundle.tar";

/// A server, and an auditor's folder with the pinned roots, a file and its timestamp.
struct Audit {
    folder: DataFolder,
    authority: Authority,
}

impl Audit {
    fn begin() -> Result<Self> {
        let folder = DataFolder::initialised_with(&["--tsu", "default:p-256", "--tsu", "pq:ml-dsa-65"])?;
        for root in ["device-root.pem", "pq-device-root.pem"] {
            std::fs::copy(folder.path().join("certs/attestation").join(root), folder.work().join(root))?;
        }
        folder.write("FILE", "what is to be stamped\n")?;
        let authority = folder.serve()?;
        program::run(&folder.work(), &["stamp", "FILE", "--url", &authority.url("/tsa")])?.succeeded()?;
        Ok(Self { folder, authority })
    }

    fn sh(&self, marks: &[&str]) -> Result<Finished> {
        self.run(marks, Openssl::OfMachine)
    }

    fn modern_sh(&self, marks: &[&str]) -> Result<Finished> {
        self.run(marks, Openssl::Modern)
    }

    fn run(&self, marks: &[&str], openssl: Openssl) -> Result<Finished> {
        let server = self.authority.url("");
        DOCUMENT.run(&self.folder.work(), marks, openssl, &[("SERVER", OsStr::new(&server))])
    }
}

#[test]
fn the_bundle_and_the_three_commands_hold_as_printed() -> Result<()> {
    let audit = Audit::begin()?;
    let held = audit.sh(&["bundle", "openssl", "claims", "nonce"])?.succeeded()?;
    let held =
        held.said("the attestation holds")?.said("hostAsserted")?.said("fresh: it carries your nonce")?;
    let held = held.said("keys/default.pem: OK")?.said("attestamp tsu default")?.did_not_say("differ")?;
    ensure!(held.stdout.ends_with("\n1\n"), "the nonce is not in it: {held}");
    // The claims by themselves begin at 0, with the version.
    ensure!(held.stdout.lines().any(|line| line.starts_with("    4:d=1") && line.ends_with(":01")), "{held}");
    audit.modern_sh(&["openssl", "openssl, post-quantum"])?.succeeded()?.said("keys/default.pq.pem: OK")?;
    audit.sh(&["single"])?.succeeded()?.said("fresh.pem: OK")?;
    audit.sh(&["pin"])?.succeeded()?.said("ingerprint=")?;
    Ok(())
}

#[test]
fn d2_an_attestation_is_no_tsu_certificate() -> Result<()> {
    let audit = Audit::begin()?;
    audit.sh(&["bundle"])?.succeeded()?;
    audit.sh(&["purpose"])?.failed()?.said("unsuitable certificate purpose")?;
    Ok(())
}

#[test]
fn d7_a_token_is_tied_to_the_attested_key_as_printed() -> Result<()> {
    let audit = Audit::begin()?;
    audit.sh(&["bundle"])?.succeeded()?;
    audit.sh(&["token"])?.succeeded()?.said("this token was signed by the attested key default")?;
    audit.sh(&["token, openssl"])?.succeeded()?.said("CMS Verification successful")?;
    audit.sh(&["ten years"])?.succeeded()?.said("the attestation holds")?.said("keys/default.pem: OK")?;
    // Another TSU's certificate in its place.
    let work = audit.folder.work();
    let other = DataFolder::with_default_tsu()?;
    std::fs::copy(other.path().join("certs/tsu/default.pem"), work.join("bundle/tsu/default.pem"))?;
    audit.sh(&["token, openssl"])?.failed()?.said("signer certificate not found")?;
    audit.sh(&["openssl"])?.failed()?.said("differ")?;
    Ok(())
}

#[test]
fn d9_another_root_is_refused_by_every_command() -> Result<()> {
    let audit = Audit::begin()?;
    audit.sh(&["bundle"])?.succeeded()?;
    let other = DataFolder::with_default_tsu()?;
    let other_root = other.path().join("certs/attestation/device-root.pem");
    std::fs::copy(other_root, audit.folder.work().join("device-root.pem"))?;
    audit.sh(&["openssl"])?.failed()?.did_not_say("keys/default.pem: OK")?;
    for mark in ["bundle", "token"] {
        let refused = audit.sh(&[mark])?.said("does NOT hold")?;
        ensure!(refused.status.code() == Some(1), "{refused}");
    }
    Ok(())
}

#[test]
fn the_exit_codes_are_those_of_the_table() -> Result<()> {
    let audit = Audit::begin()?;
    audit.sh(&["bundle"])?.succeeded()?;
    let nonce = "00112233445566778899aabbccddeeff";
    for (options, code) in [
        (&["--root", "device-root.pem", "--root", "pq-device-root.pem"][..], 0),
        (&["--root", "device-root.pem", "--nonce", nonce], 1),
        (&["--root", "device-root.pem", "--key", "other"], 1),
        (&["--root", "device-root.pem", "--at", "2020-01-01"], 1),
        (&["--root", "missing.pem"], 2),
        (&["--root", "device-root.pem", "--nonce", "short"], 2),
        (&[], 2),
    ] {
        let verified =
            program::run(&audit.folder.work(), &[&["attest", "verify", BUNDLE], options].concat())?;
        ensure!(verified.status.code() == Some(code), "{code} was expected: {verified}");
    }
    Ok(())
}

#[test]
fn evidence_of_a_yubihsm2_is_verified_as_printed() -> Result<()> {
    let folder = DataFolder::empty()?;
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../attestation/src/evidence/yubihsm2/vectors");
    for (vector, name) in
        [("hsm-31650425-key-7e57.pem", "evidence.pem"), ("yubico-yubihsm-root-ca.pem", "yubico-root.pem")]
    {
        let path = vectors.join(vector);
        std::fs::copy(&path, folder.work().join(name))
            .with_context(|| format!("could not copy {}", path.display()))?;
    }
    let verified = DOCUMENT.run(&folder.work(), &["vendor"], Openssl::OfMachine, &[])?.succeeded()?;
    verified.said("evidence.pem: OK")?.said("BEGIN PUBLIC KEY")?.said("1.3.6.1.4.1.41482.4.3")?;
    Ok(())
}

#[test]
fn the_asn1_is_that_of_the_code() -> Result<()> {
    let printed = DOCUMENT.text.split_once("```asn1\n").and_then(|(_, after)| after.split_once("\n```"));
    let (printed, _) = printed.context("docs/auditing.md has no ASN.1")?;
    let in_code = CLAIMS.split_once("//! ```asn1\n").and_then(|(_, after)| after.split_once("\n//! ```"));
    let (in_code, _) = in_code.context("attestation/src/claims.rs has no ASN.1")?;
    let in_code: Vec<_> = in_code
        .lines()
        .map(|line| line.trim_start_matches("//!").strip_prefix(' ').unwrap_or_default())
        .collect();
    ensure!(printed == in_code.join("\n"), "the document and attestation/src/claims.rs differ");
    Ok(())
}
