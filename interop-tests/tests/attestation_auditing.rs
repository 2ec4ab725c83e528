//! The commands of `docs/auditing.md` with nothing at hand but the pin, on both tokens, and what D2 keeps an attestation
//! from being, by the word of both OpenSSLs. The rest of that document's commands are run by `auditing.rs`.

use std::ffi::OsStr;

use anyhow::{Result, ensure};
use attestamp_interop_tests::auditor::Auditor;
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::document::{Document, Openssl};
use attestamp_interop_tests::modern_openssl;
use attestamp_interop_tests::token_under_test::TokenKind;
use attestamp_interop_tests::tools::{Finished, OPENSSL, Tool};

const DOCUMENT: Document =
    Document { path: "docs/auditing.md", text: include_str!("../../docs/auditing.md") };

fn sh(auditor: &Auditor, authority: &Authority, marks: &[&str], openssl: Openssl) -> Result<Finished> {
    let server = authority.url("");
    DOCUMENT.run(auditor.folder(), marks, openssl, &[("SERVER", OsStr::new(&server))])
}

#[test]
fn the_pin_alone_is_enough() -> Result<()> {
    for kind in TokenKind::ALL {
        let token = kind.initialised_with(&["--tsu", "default:p-256"])?;
        let auditor = Auditor::of(&token.folder)?;
        if kind == TokenKind::Embedded {
            std::fs::remove_file(auditor.file("pq-device-root.pem"))?;
        }
        let files = std::fs::read_dir(auditor.folder())?.count();
        ensure!(files == 1, "{files} files in the auditor's folder");
        let authority = token.folder.serve()?;
        let held = sh(&auditor, &authority, &["bundle", "openssl"], Openssl::OfMachine)?.succeeded()?;
        // D11: what the claims are worth is said, on a token that nobody would call one too.
        let held = held.said("the attestation holds")?.said("hostAsserted")?.said("fresh: ")?;
        held.said("keys/default.pem: OK")?.did_not_say("differ")?;
        // D9: the bundle has no root in it that could be taken for the pin.
        let pin = auditor.read("device-root.pem")?;
        for file in ["bundle/chain.pem", "bundle/keys/default.pem", "bundle/tsu/default.pem"] {
            let content = auditor.read(file)?;
            ensure!(!content.windows(pin.len()).any(|window| window == pin), "the root is in {file}");
        }
    }
    Ok(())
}

/// What `openssl verify` must be given for one chain: the root, the chain, and the ending of the attestations' names.
type Chain = (&'static str, &'static str, &'static str);

const CLASSICAL: Chain = ("device-root.pem", "bundle/chain.pem", "pem");
const POST_QUANTUM: Chain = ("pq-device-root.pem", "bundle/pq-chain.pem", "pq.pem");

fn verify(openssl: Tool, auditor: &Auditor, chain: Chain, key: &str, options: &[&str]) -> Result<Finished> {
    let (root, chain, ending) = chain;
    let attestation = format!("bundle/keys/{key}.{ending}");
    let files = ["-CAfile", root, "-untrusted", chain, &attestation];
    openssl.run(auditor.folder(), &[&["verify", "-x509_strict"], options, &files].concat())
}

#[test]
fn d2_every_attestation_is_one_and_nothing_else() -> Result<()> {
    let token = TokenKind::Embedded.initialised_with(&["--tsu", "default:p-256", "--tsu", "pq:ml-dsa-65"])?;
    let auditor = Auditor::of(&token.folder)?;
    let authority = token.folder.serve()?;
    sh(&auditor, &authority, &["bundle"], Openssl::OfMachine)?.succeeded()?;
    let modern = modern_openssl::tool()?;
    // The machine's knows no post-quantum key, neither above an attestation nor in it.
    let tried = [
        (OPENSSL, CLASSICAL, "default"),
        (modern, CLASSICAL, "default"),
        (modern, CLASSICAL, "pq"),
        (modern, POST_QUANTUM, "default"),
        (modern, POST_QUANTUM, "pq"),
    ];
    for (openssl, chain, key) in tried {
        verify(openssl, &auditor, chain, key, &[])?.succeeded()?.said(": OK")?;
        for purpose in ["timestampsign", "sslserver", "sslclient", "smimesign"] {
            let refused = verify(openssl, &auditor, chain, key, &["-purpose", purpose])?.failed()?;
            refused.said("unsuitable certificate purpose")?;
        }
    }
    Ok(())
}

#[test]
fn the_chains_do_not_verify_under_each_other_s_root() -> Result<()> {
    let token = TokenKind::Embedded.initialised_with(&["--tsu", "default:p-256"])?;
    let auditor = Auditor::of(&token.folder)?;
    let authority = token.folder.serve()?;
    sh(&auditor, &authority, &["bundle"], Openssl::OfMachine)?.succeeded()?;
    std::fs::rename(auditor.file("device-root.pem"), auditor.file("kept.pem"))?;
    std::fs::rename(auditor.file("pq-device-root.pem"), auditor.file("device-root.pem"))?;
    std::fs::rename(auditor.file("kept.pem"), auditor.file("pq-device-root.pem"))?;
    for chain in [CLASSICAL, POST_QUANTUM] {
        verify(modern_openssl::tool()?, &auditor, chain, "default", &[])?
            .failed()?
            .did_not_say("default.pem: OK")?;
    }
    Ok(())
}
