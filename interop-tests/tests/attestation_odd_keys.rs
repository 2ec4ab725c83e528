//! Keys that break D6 and that their operator uses all the same (`accept-unattested`): the attestation is truthful, and
//! `attestamp attest verify` refuses it and names the attribute, whatever else is right.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::auditor::{Auditor, DOES_NOT_HOLD, ROOT, at};
use attestamp_interop_tests::certification_authority::ExternalCa;
use attestamp_interop_tests::odd_keys::OddKey;
use attestamp_interop_tests::program;
use attestamp_interop_tests::token_under_test::TokenKind;

const TSU: &str = "default";
const NONCE: &str = "00112233445566778899aabbccddeeff";

fn is_refused_by_name(kind: TokenKind, key: OddKey) -> Result<()> {
    let token = kind.initialised_with(&["--external-ca", "--tsu", "default:p-256"])?;
    let ca = ExternalCa::create(&token.folder)?;
    key.make_for_tsu(&token, &ca, TSU)?;
    let section = format!("[tsu.{TSU}]\n");
    token.folder.edit_configuration(&section, &format!("{section}accept-unattested = true\n"))?;
    let authority = token.folder.serve()?;
    let auditor = Auditor::of(&token.folder)?;
    auditor.write("FILE", "what is to be stamped\n")?;
    program::run(auditor.folder(), &["stamp", "FILE", "--url", &authority.url("/tsa")])?.succeeded()?;
    auditor.fetch_bundle(&authority, &format!("?nonce={NONCE}"))?;

    // The chain, the nonce and the token are right, and it does not hold.
    let words = format!("bundle.tar {ROOT} --nonce {NONCE} --token FILE.tsr --key {TSU}");
    let refused = auditor.refuses(&words, key.fault())?;
    let refused = refused.said("the host uses the key although it breaks the default policy")?;
    let refused = refused.said("the claims break it in ")?.said("fresh: it carries your nonce")?;
    refused.did_not_say("this token was signed by the attested key")?;
    let json = auditor.json(&words, DOES_NOT_HOLD)?;
    ensure!(at(&json, "/verdict") == "doesNotHold", "{json}");
    let attestation = at(&json, "/keys/0/attestations/0");
    ensure!(at(attestation, "/verified") == true && at(attestation, "/fresh") == true, "{json}");
    let shortcomings = at(attestation, "/shortcomings").as_array().context("no shortcomings")?;
    let names_fault = |text: &serde_json::Value| text.as_str().is_some_and(|text| text.contains(key.fault()));
    ensure!(shortcomings.iter().any(names_fault), "{json}");
    // And the list of keys, which a monitor reads, says it without a verifier.
    let listed: serde_json::Value = serde_json::from_slice(&authority.fetch("/attestation/keys")?)?;
    ensure!(at(&listed, "/keys/0/acceptedByDefault") == false, "{listed}");
    Ok(())
}

#[test]
fn d6_on_the_embedded_token() -> Result<()> {
    OddKey::ALL
        .into_iter()
        .try_for_each(|key| is_refused_by_name(TokenKind::Embedded, key).with_context(|| format!("{key:?}")))
}

#[test]
fn d6_on_softhsm2() -> Result<()> {
    OddKey::ALL
        .into_iter()
        .try_for_each(|key| is_refused_by_name(TokenKind::SoftHsm2, key).with_context(|| format!("{key:?}")))
}
