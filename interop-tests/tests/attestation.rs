//! Key attestation as an auditor meets it, on both tokens: what is claimed of a key is what `pkcs11-tool` says of it, and
//! keys that break D6 are refused, or used and said to be so.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::attestation::{Claimed, openssl_verify};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::certification_authority::ExternalCa;
use attestamp_interop_tests::odd_keys::OddKey;
use attestamp_interop_tests::token_under_test::{ListedKey, TokenKind, TokenUnderTest};

const TSU: &str = "default";
const NONCE: &str = "00112233445566778899aabbccddeeff";

/// What an auditor fetches, as files of the test: the pin (by another way), the chain and an attestation.
fn fetch(token: &TokenUnderTest, authority: &Authority, query: &str) -> Result<PathBuf> {
    let folder = &token.folder;
    let pin = folder.path().join("certs/attestation/device-root.pem");
    folder.write("device_root.pem", std::fs::read(pin).context("the device root")?)?;
    folder.write("chain.pem", authority.fetch("/attestation/chain.pem")?)?;
    let attestation = authority.fetch(&format!("/attestation/keys/{TSU}{query}"))?;
    folder.write("key_attestation.pem", attestation)
}

/// The claims of the TSU's key, of an attestation that `openssl verify` accepts.
fn attested(token: &TokenUnderTest, authority: &Authority, query: &str) -> Result<Claimed> {
    let file = fetch(token, authority, query)?;
    openssl_verify(&token.folder, "device_root.pem", "chain.pem", "key_attestation.pem")?
        .succeeded()?
        .said("key_attestation.pem: OK")?;
    Claimed::of_pem(&token.folder, &file)
}

/// Every flag that `pkcs11-tool` has a word for must be claimed as it says.
fn is_as_listed(claimed: &Claimed, listed: &ListedKey) -> Result<()> {
    for (flag, value) in listed.flags() {
        let found = claimed.flags.get(&flag).copied();
        ensure!(found == Some(value), "{flag:#x} is claimed {found:?} and listed {value}: {listed:?}");
    }
    ensure!(claimed.unique_id == listed.unique_id, "{claimed:?} {listed:?}");
    Ok(())
}

#[test]
fn d5_a_generated_key_is_described_as_pkcs11_tool_does() -> Result<()> {
    for kind in TokenKind::ALL {
        let token = kind.initialised_with(&["--tsu", "default:p-256"])?;
        let listed = token.listed("attestamp tsu default")?;
        let authority = token.folder.serve()?;
        let claimed = attested(&token, &authority, "")?;
        is_as_listed(&claimed, &listed)?;
        // D4: what a token does not have is absent, not empty: SoftHSM2 has no CKA_UNIQUE_ID.
        ensure!(claimed.unique_id.is_some() == (kind == TokenKind::Embedded), "{claimed:?}");
        ensure!(claimed.key_gen_mechanism.as_deref() == Some("CKM_EC_KEY_PAIR_GEN"), "{claimed:?}");
        // D11: on the host's word, whatever the token says.
        ensure!(claimed.assurance == 0 && !claimed.accept_unattested, "{claimed:?}");
        ensure!(claimed.nonce.is_none() && claimed.end.is_none(), "{claimed:?}");
    }
    Ok(())
}

#[test]
fn d4_an_auditor_s_nonce_is_echoed_exactly() -> Result<()> {
    let token = TokenKind::Embedded.initialised_with(&["--tsu", "default:p-256"])?;
    let authority = token.folder.serve()?;
    for hex in [NONCE.to_owned(), NONCE.repeat(4)] {
        let claimed = attested(&token, &authority, &format!("?nonce={hex}"))?;
        let nonce: String =
            claimed.nonce.unwrap_or_default().iter().map(|octet| format!("{octet:02x}")).collect();
        ensure!(nonce == hex, "{nonce} instead of {hex}");
    }
    for wrong in ["00", &NONCE[2..], &NONCE.repeat(5), "zz", ""] {
        let path = format!("/attestation/keys/{TSU}?nonce={wrong}");
        let status = authority.connect()?.get(&path)?.status;
        ensure!(status == 400, "GET {path} answers {status}");
    }
    Ok(())
}

/// A TSU with a key that breaks D6 does not start; with `accept-unattested` it does, and everything says so truthfully.
fn refused_unless_accepted(kind: TokenKind, key: OddKey) -> Result<()> {
    let token = kind.initialised_with(&["--external-ca", "--tsu", "default:p-256"])?;
    let ca = ExternalCa::create(&token.folder)?;
    key.make_for_tsu(&token, &ca, TSU)?;
    let listed = token.listed(key.label())?;
    let refused = token.folder.serve_refused()?.failed()?.did_not_say("panicked")?;
    refused.said(key.fault())?.said("accept-unattested")?;

    let section = format!("[tsu.{TSU}]\n");
    token.folder.edit_configuration(&section, &format!("{section}accept-unattested = true\n"))?;
    let authority = token.folder.serve()?;
    let readiness = authority.connect()?.get("/readyz")?;
    let readiness = String::from_utf8_lossy(&readiness.body).into_owned();
    ensure!(readiness.contains("unattested-key") && readiness.contains(key.fault()), "{readiness}");

    let claimed = attested(&token, &authority, &format!("?nonce={NONCE}"))?;
    is_as_listed(&claimed, &listed)?;
    ensure!(claimed.accept_unattested && claimed.assurance == 0, "{claimed:?}");
    ensure!(claimed.label == key.label(), "{claimed:?}");
    // The token did not generate it: there is no mechanism to name.
    let is_generated = key != OddKey::Imported;
    ensure!(claimed.key_gen_mechanism.is_some() == is_generated, "{claimed:?}");
    Ok(())
}

#[test]
fn d6_keys_that_break_it_are_refused_on_the_embedded_token() -> Result<()> {
    OddKey::ALL.into_iter().try_for_each(|key| refused_unless_accepted(TokenKind::Embedded, key))
}

#[test]
fn d6_keys_that_break_it_are_refused_on_softhsm2() -> Result<()> {
    OddKey::ALL.into_iter().try_for_each(|key| refused_unless_accepted(TokenKind::SoftHsm2, key))
}
