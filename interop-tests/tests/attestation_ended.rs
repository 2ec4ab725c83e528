//! Keys whose use has ended (`attestamp tsu retire`, with and without `--destroy-key`): they stay in the bundle with their
//! end, their old timestamps stay tied to them, and timestamps from after the end are pointed out.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::auditor::{Auditor, ROOT, at, statement};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::program;
use attestamp_interop_tests::reply;
use attestamp_interop_tests::token_under_test::{TokenKind, TokenUnderTest};

const NONCE: &str = "00112233445566778899aabbccddeeff";

fn stamp(auditor: &Auditor, authority: &Authority, tsu: &str, out: &str) -> Result<()> {
    let url = authority.url(&format!("/tsa/{tsu}"));
    program::run(auditor.folder(), &["stamp", "FILE", "--url", &url, "--output", out, "--force"])?
        .succeeded()?;
    Ok(())
}

/// Retires a TSU that has signed `old.tsr`, and gives a server that runs again, and an auditor with its bundle.
fn ended(kind: TokenKind, tsu: &str, options: &[&str]) -> Result<(TokenUnderTest, Authority, Auditor)> {
    let token = kind.initialised_with(&["--tsu", "default:p-256", "--tsu", "second:p-384"])?;
    let auditor = Auditor::of(&token.folder)?;
    auditor.write("FILE", "what is to be stamped\n")?;
    let authority = token.folder.serve()?;
    stamp(&auditor, &authority, tsu, "old.tsr")?;
    authority.stop()?;
    token.folder.run(&[&["tsu", "retire", tsu], options].concat())?.succeeded()?;
    let authority = token.folder.serve()?;
    auditor.fetch_bundle(&authority, "")?;
    Ok((token, authority, auditor))
}

/// The key's claims end with these words, its old token holds, and nothing fresh is said of it.
fn stays_auditable(kind: TokenKind, options: &[&str], end: &str) -> Result<()> {
    let (_token, authority, auditor) = ended(kind, "second", options)?;
    auditor.holds(&format!("bundle.tar {ROOT}"))?.said("Key second, classical chain")?;
    let tied = auditor.holds(&format!("bundle.tar {ROOT} --token old.tsr"))?;
    tied.said("signed by the attested key second\n")?.said("end of use")?.said(end)?;
    let json = auditor.json(&format!("bundle.tar {ROOT} --token old.tsr"), 0)?;
    let said = statement(&json, "end of use", "host").context("no end of use")?;
    ensure!(said.contains(end), "{said}");
    // The end is not before the token: a key may have signed in the second in which it was retired.
    let token_time = at(&json, "/token/time").as_str().context("no time of the token")?;
    ensure!(token_time.get(..19) <= said.get(..19), "the token is of {token_time}, the end {said}");

    let listed = String::from_utf8(authority.fetch("/attestation/keys")?)?;
    ensure!(listed.contains(r#""end""#) && listed.contains("second"), "{listed}");
    // It cannot be asked any more: what is there is what was said at the end, and a bundle with a nonce says so.
    let asked = authority.connect()?.get(&format!("/attestation/keys/second?nonce={NONCE}"))?;
    ensure!(asked.status != 200, "a fresh attestation of a key that has ended");
    auditor.fetch_bundle(&authority, &format!("?nonce={NONCE}"))?;
    let words = format!("bundle.tar {ROOT} --nonce {NONCE}");
    auditor.holds(&words)?;
    auditor.holds(&format!("{words} --key default"))?;
    auditor.refuses(&format!("{words} --key second"), "leave the nonce out")?;
    Ok(())
}

#[test]
fn a_retired_key_stays_auditable() -> Result<()> {
    for kind in TokenKind::ALL {
        stays_auditable(kind, &[], "retired")?;
    }
    Ok(())
}

#[test]
fn a_destroyed_key_stays_auditable_and_is_gone() -> Result<()> {
    for kind in TokenKind::ALL {
        stays_auditable(kind, &["--destroy-key"], "destroyed")?;
        let (token, authority, _auditor) = ended(kind, "second", &["--destroy-key"])?;
        authority.stop()?;
        token.listed("attestamp tsu default")?;
        ensure!(token.listed("attestamp tsu second").is_err(), "the key is still in the token");
    }
    Ok(())
}

/// Destroyed after it was retired: the end of its use is the first.
#[test]
fn the_end_of_use_is_the_first_one() -> Result<()> {
    let (token, authority, auditor) = ended(TokenKind::Embedded, "second", &[])?;
    let words = format!("bundle.tar {ROOT} --token old.tsr");
    let end = |json: &serde_json::Value| -> Result<String> {
        let said = statement(json, "end of use", "host").context("no end of use")?;
        Ok(said.split(',').next().unwrap_or_default().to_owned())
    };
    let retired_at = end(&auditor.json(&words, 0)?)?;
    authority.stop()?;
    // Until the clock shows another second.
    loop {
        let now = auditor.sh("date -u +%FT%TZ")?.succeeded()?.stdout;
        if now.trim_end() > retired_at.as_str() {
            break;
        }
    }
    token.folder.run(&["tsu", "retire", "second", "--destroy-key"])?.succeeded()?;
    let authority = token.folder.serve()?;
    auditor.fetch_bundle(&authority, "")?;
    let json = auditor.json(&words, 0)?;
    ensure!(end(&json)? == retired_at, "{json}");
    ensure!(statement(&json, "end of use", "host").is_some_and(|said| said.contains("destroyed")), "{json}");
    Ok(())
}

/// An operator who retires a TSU and lets it sign on all the same: who kept the last attestation has him.
#[test]
fn a_timestamp_from_after_the_end_is_pointed_out() -> Result<()> {
    for kind in TokenKind::ALL {
        let (token, authority, auditor) = ended(kind, "second", &[])?;
        authority.stop()?;
        token.folder.edit_configuration("retired = true\n", "")?;
        let authority = token.folder.serve()?;
        let seconds = |name: &str| -> Result<i64> {
            reply::unix_seconds(&reply::granted_der(&auditor.read(name)?)?.gen_time)
        };
        stamp(&auditor, &authority, "second", "first.tsr")?;
        // The end is not after the first; what is a second later is after the end.
        loop {
            stamp(&auditor, &authority, "second", "late.tsr")?;
            if seconds("late.tsr")? > seconds("first.tsr")? {
                break;
            }
        }
        let words = format!("bundle.tar {ROOT} --token");
        let refused = auditor.refuses(&format!("{words} late.tsr"), "after the end of the key's use")?;
        refused.did_not_say("this token was signed by the attested key")?;
        auditor.holds(&format!("{words} old.tsr"))?;
    }
    Ok(())
}
