//! "This token was signed by that attested key" (D7): `attestamp attest verify` with `--token`, `--tsu-certificate` and
//! `--key`, on timestamps that `attestamp stamp` and `openssl ts` asked for, on both tokens.

use anyhow::Result;
use attestamp_interop_tests::auditor::{Auditor, NOT_JUDGED, ROOT, at};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::program;
use attestamp_interop_tests::token_under_test::{TokenKind, TokenUnderTest};
use attestamp_interop_tests::tools::OPENSSL;

const SIGNED_BY: &str = "(hostAsserted), and this token was signed by the attested key";

/// A server with two TSUs, an auditor with its bundle, and a timestamp of each, over a file of the auditor's.
struct Scene {
    _token: TokenUnderTest,
    authority: Authority,
    auditor: Auditor,
}

impl Scene {
    fn on(kind: TokenKind) -> Result<Self> {
        let token = kind.initialised_with(&["--tsu", "default:p-256", "--tsu", "second:rsa-2048"])?;
        let auditor = Auditor::of(&token.folder)?;
        let authority = token.folder.serve()?;
        auditor.write("FILE", "what is to be stamped\n")?;
        auditor.fetch_bundle(&authority, "")?;
        for tsu in ["default", "second"] {
            stamp(&auditor, &authority, tsu)?;
            auditor.curl(&authority, &format!("/tsa/{tsu}/certificate.pem"), &format!("{tsu}.pem"), &[])?;
        }
        Ok(Self { _token: token, authority, auditor })
    }

    /// `openssl ts -query` without `-cert`: a token without certificates, and as a reply.
    fn stamp_bare(&self) -> Result<()> {
        let openssl = |arguments: &[&str]| OPENSSL.run(self.auditor.folder(), arguments)?.succeeded();
        openssl(&["ts", "-query", "-data", "FILE", "-sha256", "-out", "bare.tsq"])?;
        let options = ["-H", "Content-Type: application/timestamp-query", "--data-binary", "@bare.tsq"];
        self.auditor.curl(&self.authority, "/tsa/default", "bare.tsr", &options)?;
        openssl(&["ts", "-reply", "-in", "bare.tsr", "-token_out", "-out", "bare.token"])?;
        Ok(())
    }
}

/// `attestamp stamp` writes `TSU.tsr`.
fn stamp(auditor: &Auditor, authority: &Authority, tsu: &str) -> Result<()> {
    let (url, out) = (authority.url(&format!("/tsa/{tsu}")), format!("{tsu}.tsr"));
    program::run(auditor.folder(), &["stamp", "FILE", "--url", &url, "--output", &out])?.succeeded()?;
    Ok(())
}

/// Another authority, whose timestamp and TSU certificate are `other.tsr` and `other.pem`.
fn another(auditor: &Auditor) -> Result<(DataFolder, Authority)> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    std::fs::rename(auditor.file("default.tsr"), auditor.file("kept.tsr"))?;
    stamp(auditor, &authority, "default")?;
    std::fs::rename(auditor.file("default.tsr"), auditor.file("other.tsr"))?;
    std::fs::rename(auditor.file("kept.tsr"), auditor.file("default.tsr"))?;
    auditor.curl(&authority, "/tsa/default/certificate.pem", "other.pem", &[])?;
    Ok((folder, authority))
}

#[test]
fn d7_a_token_is_tied_to_its_key() -> Result<()> {
    for kind in TokenKind::ALL {
        let scene = Scene::on(kind)?;
        let auditor = &scene.auditor;
        for tsu in ["default", "second"] {
            let words = format!("bundle.tar {ROOT} --token {tsu}.tsr");
            auditor.holds(&words)?.said(&format!("{SIGNED_BY} {tsu}\n"))?;
            auditor.holds(&format!("{words} --key {tsu}"))?;
            auditor.holds(&format!("{words} --tsu-certificate {tsu}.pem"))?;
            let json = auditor.json(&words, 0)?;
            anyhow::ensure!(at(&json, "/token/attestedKeys") == &serde_json::json!([tsu]), "{json}");
            anyhow::ensure!(at(&json, "/keys").as_array().is_some_and(|keys| keys.len() == 1), "{json}");
        }
        scene.stamp_bare()?;
        for file in ["bare.tsr", "bare.token"] {
            auditor.holds(&format!("bundle.tar {ROOT} --token {file}"))?.said(SIGNED_BY)?;
        }
        // Its chain too, up to the root of the TSA.
        auditor.curl(&scene.authority, "/pki/root.pem", "tsa-root.pem", &[])?;
        let words = format!("bundle.tar {ROOT} --token default.tsr --ca");
        auditor.holds(&format!("{words} tsa-root.pem"))?;
        auditor.refuses(&format!("{words} device-root.pem"), "the token: ")?;
    }
    Ok(())
}

#[test]
fn d7_a_bare_token_and_a_single_attestation_need_the_tsu_s_certificate() -> Result<()> {
    let scene = Scene::on(TokenKind::Embedded)?;
    let auditor = &scene.auditor;
    scene.stamp_bare()?;
    auditor.curl(&scene.authority, "/attestation/keys/default", "single.pem", &[])?;
    let words = format!("single.pem {ROOT} --token bare.tsr");
    auditor.ends(&words, NOT_JUDGED)?.said("give it with --tsu-certificate")?.did_not_say(SIGNED_BY)?;
    auditor.holds(&format!("{words} --tsu-certificate default.pem"))?.said(SIGNED_BY)?;
    let wrong = auditor.verify(&format!("{words} --tsu-certificate second.pem"))?.failed()?;
    wrong.did_not_say(SIGNED_BY)?;
    Ok(())
}

#[test]
fn d7_what_another_key_signed_is_refused() -> Result<()> {
    for kind in TokenKind::ALL {
        let scene = Scene::on(kind)?;
        let auditor = &scene.auditor;
        let (_folder, _other) = another(auditor)?;
        let base = format!("bundle.tar {ROOT}");
        let not_attested = "the key that signed the token is not attested";
        for words in ["--token other.tsr", "--token other.tsr --tsu-certificate other.pem"] {
            auditor.refuses(&format!("{base} {words}"), "is not attested")?.did_not_say(SIGNED_BY)?;
        }
        let of_certificate = "the key of the given TSU certificate is not attested";
        auditor.refuses(&format!("{base} --tsu-certificate other.pem"), of_certificate)?;
        // Each right by itself, and not of one key.
        let of_another = "signed with another key than that of the given TSU certificate";
        for words in [
            "--token default.tsr --tsu-certificate second.pem",
            "--token other.tsr --tsu-certificate default.pem",
        ] {
            auditor.refuses(&format!("{base} {words}"), of_another)?.did_not_say(SIGNED_BY)?;
        }
        auditor.refuses(&format!("{base} --token default.tsr --key second"), not_attested)?;
        auditor.refuses(&format!("{base} --key third"), "the bundle has no key `third`")?;
        auditor.holds(&format!("{base} --tsu-certificate second.pem"))?.did_not_say("Key default")?;
        // The attestation is no TSU's certificate (D2).
        auditor.unpack("unpacked")?;
        let unusable = format!("{base} --tsu-certificate unpacked/keys/default.pem");
        auditor.ends(&unusable, NOT_JUDGED)?;
        for unreadable in ["FILE", "default.pem"] {
            auditor.verify(&format!("{base} --token {unreadable}"))?.failed()?.did_not_say(SIGNED_BY)?;
        }
        auditor.ends(&format!("{base} --token missing.tsr"), NOT_JUDGED)?;
    }
    Ok(())
}

/// What is in a token decides: one octet of its signature, of the time, of the digest.
#[test]
fn d7_a_token_altered_anywhere_is_tied_to_nothing() -> Result<()> {
    let scene = Scene::on(TokenKind::Embedded)?;
    let auditor = &scene.auditor;
    let token = auditor.read("default.tsr")?;
    let digest = {
        let hashed = auditor.sh("sha256sum FILE | cut -c 1-8")?.succeeded()?.stdout;
        let first = u32::from_str_radix(hashed.trim_end(), 16)?.to_be_bytes();
        token.windows(4).position(|window| window == first)
    };
    let digest = digest.ok_or_else(|| anyhow::anyhow!("the digest is not in the token"))?;
    for position in [digest, token.len() - 1, token.len() - 20] {
        let mut altered = token.clone();
        altered[position] ^= 1;
        auditor.write("altered.tsr", altered)?;
        let words = format!("bundle.tar {ROOT} --token altered.tsr");
        auditor.refuses(&words, "the token: ")?.did_not_say(SIGNED_BY)?;
    }
    Ok(())
}
