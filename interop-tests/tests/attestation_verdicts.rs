//! `attestamp attest verify` on what a running server gives, on both tokens: nonces (D8), roots (D9), times, forms of a
//! bundle, JSON. Tokens and TSU certificates (D7) are in `attestation_tokens.rs`.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::auditor::{Auditor, BOTH_ROOTS, NOT_JUDGED, ROOT, at, statement};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::token_under_test::{TokenKind, TokenUnderTest};
use attestamp_interop_tests::tools::OPENSSL;

const NONCE: &str = "00112233445566778899aabbccddeeff";
const OTHER_NONCE: &str = "00112233445566778899aabbccddee00";

/// A running server on this token, and an auditor who has fetched its bundle.
fn audit(kind: TokenKind, query: &str) -> Result<(TokenUnderTest, Authority, Auditor)> {
    let token = kind.initialised_with(&["--tsu", "default:p-256"])?;
    let auditor = Auditor::of(&token.folder)?;
    let authority = token.folder.serve()?;
    auditor.fetch_bundle(&authority, query)?;
    Ok((token, authority, auditor))
}

/// Every root that the token's bundle has a chain for.
const fn roots(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Embedded => BOTH_ROOTS,
        TokenKind::SoftHsm2 => ROOT,
    }
}

#[test]
fn d8_a_nonce_is_fresh_absent_or_another_s() -> Result<()> {
    for kind in TokenKind::ALL {
        let (_token, authority, auditor) = audit(kind, "")?;
        let stored = format!("bundle.tar {}", roots(kind));
        // Without a nonce the verdict is the same, and it is said.
        auditor.holds(&stored)?.said("not fresh: no nonce was asked for")?;
        auditor.refuses(&format!("{stored} --nonce {NONCE}"), "carries no nonce")?;
        auditor.fetch_bundle(&authority, &format!("?nonce={NONCE}"))?;
        auditor.holds(&format!("{stored} --nonce {NONCE}"))?.said("fresh: it carries your nonce")?;
        auditor.holds(&format!("{stored} --nonce {}", NONCE.to_uppercase()))?;
        // An old answer to somebody else's question.
        let replayed = auditor.refuses(&format!("{stored} --nonce {OTHER_NONCE}"), NONCE)?;
        replayed.said("not fresh: it carries another nonce")?.did_not_say("fresh: it carries your nonce")?;
        // A nonce that is in one longer, or of which the asked one is the beginning.
        auditor.refuses(&format!("{stored} --nonce {NONCE}00"), NONCE)?;
        for wrong in ["", "00", "zz", &NONCE[2..], &NONCE.repeat(5)] {
            auditor.ends(&format!("{stored} --nonce {wrong}"), NOT_JUDGED)?;
        }
    }
    Ok(())
}

#[test]
fn d8_one_chain_may_be_asked_for_alone_and_the_other_is_then_stale() -> Result<()> {
    let (_token, authority, auditor) = audit(TokenKind::Embedded, "")?;
    auditor.fetch_bundle(&authority, &format!("?nonce={NONCE}&chain=pq"))?;
    auditor.holds(&format!("bundle.tar --root pq-device-root.pem --nonce {NONCE}"))?;
    auditor.refuses(&format!("bundle.tar {BOTH_ROOTS} --nonce {NONCE}"), "classical chain")?;
    Ok(())
}

#[test]
fn d9_the_root_is_the_auditor_s_own_and_right() -> Result<()> {
    for kind in TokenKind::ALL {
        let (token, authority, auditor) = audit(kind, "")?;
        let organization = ["--tsu", "default:p-256", "--organization", "Another Ltd", "--country", "FI"];
        let others = [
            (DataFolder::initialised_with(&organization)?, "no chain of the bundle leads to the pinned root"),
            // Evaluation authorities have one name, and each a key of its own.
            (DataFolder::with_default_tsu()?, "the attestation is not verified"),
        ];
        for (other, reason) in others {
            let root = other.path().join("certs/attestation/device-root.pem");
            std::fs::copy(root, auditor.file("other.pem"))?;
            auditor.refuses("bundle.tar --root other.pem", reason)?.did_not_say("CKA_")?;
            // One that fits does not make up for one that does not.
            auditor.refuses(&format!("bundle.tar {ROOT} --root other.pem"), "")?;
        }
        // A self-signed certificate of the same name, with another key.
        auditor.sh("openssl ecparam -name secp384r1 -genkey -noout -out forged.key")?.succeeded()?;
        #[rustfmt::skip]
        OPENSSL.run(auditor.folder(), &[
            "x509", "-in", "device-root.pem", "-signkey", "forged.key", "-out", "forged.pem",
        ])?.succeeded()?;
        auditor
            .refuses("bundle.tar --root forged.pem", "the attestation is not verified")?
            .did_not_say("CKA_")?;
        // The TSU's root is a root, and none of a device.
        std::fs::write(auditor.file("tsu-root.pem"), authority.fetch("/pki/root.pem")?)?;
        auditor.refuses("bundle.tar --root tsu-root.pem", "no chain of the bundle leads")?;
        // What is no root gives no verdict: a chain as the pin would vouch for itself.
        std::fs::write(auditor.file("chain.pem"), authority.fetch("/attestation/chain.pem")?)?;
        auditor.write("not.pem", "no PEM\n")?;
        auditor.write("empty.pem", "")?;
        for file in ["missing.pem", "not.pem", "empty.pem", "chain.pem", "bundle.tar"] {
            let unjudged = auditor.ends(&format!("bundle.tar --root {file}"), NOT_JUDGED)?;
            unjudged.said(file)?.did_not_say("holds")?;
        }
        auditor.ends("bundle.tar", NOT_JUDGED)?.said("--root")?;
        drop(token);
    }
    Ok(())
}

#[test]
fn d8_validity_is_judged_at_the_time_that_the_auditor_gives() -> Result<()> {
    for kind in TokenKind::ALL {
        let (_token, _authority, auditor) = audit(kind, "")?;
        let at = |offset: &str| -> Result<String> {
            let date = auditor.sh(&format!("date -d '{offset}' +%F"))?.succeeded()?.stdout;
            Ok(format!("bundle.tar {} --at {}", roots(kind), date.trim_end()))
        };
        auditor.holds(&at("10 years")?)?.said("as given with --at")?;
        auditor.holds(&at("24 years")?)?;
        for (offset, reason) in [("30 years", "expired"), ("1 year ago", "is valid only from")] {
            auditor.refuses(&at(offset)?, reason).with_context(|| offset.to_owned())?.did_not_say("CKA_")?;
        }
        auditor.ends(&format!("bundle.tar {ROOT} --at yesterday"), NOT_JUDGED)?;
    }
    Ok(())
}

#[test]
fn every_form_of_a_bundle_gives_the_same_claims() -> Result<()> {
    for kind in TokenKind::ALL {
        let (_token, authority, auditor) = audit(kind, "")?;
        let of_archive = auditor.json(&format!("bundle.tar {ROOT}"), 0)?;
        auditor.unpack("unpacked")?;
        auditor.curl(&authority, "/attestation/keys/default", "single.pem", &[])?;
        let id = statement(&of_archive, "CKA_ID", "host").context("no CKA_ID")?.to_owned();
        auditor.curl(&authority, &format!("/attestation/keys/{id}"), "by-id.pem", &[])?;
        ensure!(auditor.read("by-id.pem")? == auditor.read("single.pem")?, "by CKA_ID it is another");
        let claims = |json: &serde_json::Value| {
            let all = at(json, "/keys/0/attestations/0/statements").as_array().cloned().unwrap_or_default();
            all.into_iter().filter(|it| at(it, "/assertedBy") == "host").collect::<Vec<_>>()
        };
        ensure!(claims(&of_archive).len() > 20, "{of_archive}");
        for form in ["unpacked", "unpacked/", "single.pem", "by-id.pem"] {
            let found = auditor.json(&format!("{form} {ROOT}"), 0)?;
            ensure!(claims(&found) == claims(&of_archive), "{form}: {found}");
        }
        for file in ["bundle.tar", "single.pem"] {
            let line = format!("\"$ATTESTAMP\" attest verify - {ROOT} < {file}");
            auditor.sh(&line)?.succeeded()?.said("the attestation holds")?;
        }
        // DER is the attestation alone: openssl reads it, and nothing can be judged of it without its chain.
        auditor.curl(
            &authority,
            "/attestation/keys/default",
            "single.der",
            &["-H", "Accept: application/pkix-cert"],
        )?;
        let arguments = ["x509", "-in", "single.pem", "-outform", "DER", "-out", "first.der"];
        OPENSSL.run(auditor.folder(), &arguments)?.succeeded()?;
        ensure!(auditor.read("single.der")? == auditor.read("first.der")?, "DER is another attestation");
        auditor.sh("gzip -k bundle.tar")?.succeeded()?;
        for (unreadable, advice) in [
            ("single.der", "an attestation in PEM with its chain behind it"),
            ("bundle.tar.gz", "give the archive as it was fetched"),
            ("missing.tar", "No such file"),
        ] {
            auditor.ends(&format!("{unreadable} {ROOT}"), NOT_JUDGED)?.said(advice)?.did_not_say("CKA_")?;
        }
        auditor.refuses(&format!("device-root.pem {ROOT}"), "has 1 certificates")?;
    }
    Ok(())
}

/// D4, D11: what a program reads.
#[test]
fn the_json_says_who_says_what() -> Result<()> {
    for kind in TokenKind::ALL {
        let (_token, _authority, auditor) = audit(kind, &format!("?nonce={NONCE}"))?;
        let json = auditor.json(&format!("bundle.tar {ROOT} --nonce {NONCE}"), 0)?;
        ensure!(
            at(&json, "/verdict") == "holds" && at(&json, "/reasons") == &serde_json::json!([]),
            "{json}"
        );
        let key = at(&json, "/keys/0");
        ensure!(at(key, "/key") == "default" && at(key, "/tsuCertificate") == "sameKey", "{json}");
        let attestation = at(key, "/attestations/0");
        ensure!(
            at(attestation, "/chain") == "classical" && at(attestation, "/postQuantum") == false,
            "{json}"
        );
        ensure!(at(attestation, "/verified") == true && at(attestation, "/fresh") == true, "{json}");
        ensure!(at(attestation, "/assurance") == "hostAsserted", "{json}");
        ensure!(at(attestation, "/shortcomings") == &serde_json::json!([]), "{json}");
        for (name, value) in [
            ("nonce", NONCE),
            ("CKA_LABEL", "attestamp tsu default"),
            ("CKA_KEY_TYPE", "CKK_EC"),
            ("parameter set", "P-256"),
            ("CKA_SENSITIVE", "TRUE"),
            ("CKA_ALWAYS_SENSITIVE", "TRUE"),
            ("CKA_EXTRACTABLE", "FALSE"),
            ("CKA_NEVER_EXTRACTABLE", "TRUE"),
            ("CKA_LOCAL", "TRUE"),
            ("CKA_SIGN", "TRUE"),
            ("CKA_DECRYPT", "FALSE"),
            ("CKA_UNWRAP", "FALSE"),
            ("CKA_DERIVE", "FALSE"),
            ("purpose", "timestamping"),
            ("user", "tsu default"),
        ] {
            let said = statement(&json, name, "host");
            ensure!(said == Some(value), "{name} is {said:?}, not {value}: {json}");
        }
        // Nothing is the device's on these tokens; its names are the issuer's and the host's.
        ensure!(!json.to_string().contains(r#""assertedBy":"device""#), "{json}");
        let serial = statement(&json, "serial number", "deviceCertificateIssuer").context("no serial")?;
        ensure!(statement(&json, "serial number", "host") == Some(serial), "{json}");
        // The other chain is named and not looked at.
        let chains = at(&json, "/chains").as_array().context("no chains")?;
        let looked_at: Vec<_> = chains.iter().map(|chain| at(chain, "/lookedAt") == true).collect();
        ensure!(
            looked_at == if kind == TokenKind::Embedded { vec![true, false] } else { vec![true] },
            "{json}"
        );
    }
    let (_token, _authority, auditor) = audit(TokenKind::Embedded, "")?;
    let json = auditor.json(&format!("bundle.tar {BOTH_ROOTS}"), 0)?;
    ensure!(at(&json, "/keys/0/attestations/1/postQuantum") == true, "{json}");
    let json = auditor.json(&format!("bundle.tar {ROOT} --nonce {NONCE}"), 1)?;
    ensure!(at(&json, "/verdict") == "doesNotHold" && at(&json, "/reasons/0/key") == "default", "{json}");
    Ok(())
}
