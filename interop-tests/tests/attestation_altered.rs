//! A bundle on its way to the auditor: whatever one octet of it becomes, nothing is said of a key that its attestation
//! does not say, and certificates that were put in or taken out do not pass.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::auditor::{Auditor, BOTH_ROOTS, at};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::token_under_test::{TokenKind, TokenUnderTest};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----\n";

/// A bundle, unpacked as `unpacked`, with its files.
struct Scene {
    _token: TokenUnderTest,
    _authority: Authority,
    auditor: Auditor,
    paths: Vec<String>,
}

impl Scene {
    fn begin() -> Result<Self> {
        let options = ["--tsu", "default:p-256", "--tsu", "second:p-384"];
        let token = TokenKind::Embedded.initialised_with(&options)?;
        let auditor = Auditor::of(&token.folder)?;
        let authority = token.folder.serve()?;
        auditor.fetch_bundle(&authority, "")?;
        let paths = auditor.unpack("unpacked")?;
        auditor.holds(&unpacked())?;
        Ok(Self { _token: token, _authority: authority, auditor, paths })
    }

    fn text(&self, path: &str) -> Result<String> {
        Ok(String::from_utf8(self.auditor.read(&format!("unpacked/{path}"))?)?)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        self.auditor.write(&format!("unpacked/{path}"), content)
    }

    /// With another content in place of a file, the verdict must not be "holds". Gives what was said.
    fn refused_with(&self, path: &str, content: impl AsRef<[u8]>) -> Result<String> {
        let original = self.text(path)?;
        self.write(path, content)?;
        let refused = self.auditor.verify(&unpacked())?.failed().with_context(|| path.to_owned())?;
        self.write(path, original)?;
        ensure!(!refused.stdout.contains("attestation holds"), "{refused}");
        Ok(refused.stdout)
    }
}

fn unpacked() -> String {
    format!("unpacked {BOTH_ROOTS}")
}

/// The PEM sections of a text.
fn certificates(pem: &str) -> Vec<String> {
    pem.split(BEGIN).skip(1).map(|rest| format!("{BEGIN}{rest}")).collect()
}

/// Positions of letters and digits in each certificate's Base64: the begin, the end, and some between.
fn positions(pem: &str) -> Vec<usize> {
    let mut positions = Vec::new();
    for (begin, _) in pem.match_indices(BEGIN) {
        let body = begin + BEGIN.len();
        let length = pem.get(body..).and_then(|rest| rest.find("\n-----END")).unwrap_or_default();
        positions.extend([body, body + length - 4]);
        positions.extend((1..8).map(|eighth| body + length * eighth / 8));
    }
    positions.retain(|position| pem.as_bytes().get(*position).is_some_and(u8::is_ascii_alphanumeric));
    positions
}

fn altered(pem: &str, position: usize) -> Vec<u8> {
    let mut octets = pem.as_bytes().to_vec();
    if let Some(octet) = octets.get_mut(position) {
        *octet = if *octet == b'A' { b'B' } else { b'A' };
    }
    octets
}

#[test]
fn one_octet_of_an_attestation_or_of_a_chain_is_enough() -> Result<()> {
    let scene = Scene::begin()?;
    let mut tried = 0;
    let signed = |path: &&String| path.starts_with("keys/") || path.ends_with("chain.pem");
    for path in scene.paths.iter().filter(signed) {
        let pem = scene.text(path)?;
        for position in positions(&pem) {
            let said = scene.refused_with(path, altered(&pem, position))?;
            // What of the other key, or of the other chain, is untouched may still be shown; of the altered one nothing is.
            ensure!(said.contains("Against it"), "{path} at {position}: {said}");
            tried += 1;
        }
    }
    ensure!(scene.paths.len() == 9 && tried > 40, "{tried} of {:?}", scene.paths);
    Ok(())
}

/// What is said of every key, but for the time at which that is judged.
fn told(json: &serde_json::Value) -> Vec<serde_json::Value> {
    let attestations = at(json, "/keys").as_array().into_iter().flatten();
    let attestations = attestations.filter_map(|key| at(key, "/attestations").as_array()).flatten();
    let statements =
        attestations.filter_map(|attestation| at(attestation, "/statements").as_array()).flatten();
    statements.filter(|statement| at(statement, "/name") != "validity").cloned().collect()
}

/// The TSU's certificate is not signed by anybody in the bundle: only its key is compared (D7).
#[test]
fn one_octet_of_a_tsu_s_certificate_changes_no_word_about_the_key() -> Result<()> {
    let scene = Scene::begin()?;
    let before = scene.auditor.json(&unpacked(), 0)?;
    ensure!(told(&before).len() > 40, "{before}");
    let path = "tsu/default.pem";
    let pem = scene.text(path)?;
    for position in positions(&certificates(&pem)[0]) {
        scene.write(path, altered(&pem, position))?;
        let finished = scene.auditor.verify(&format!("{} --json", unpacked()))?;
        if finished.status.code() == Some(0) {
            let now: serde_json::Value = serde_json::from_str(&finished.stdout)?;
            ensure!(told(&now) == told(&before), "{position}: {finished}");
        }
    }
    // Its key itself.
    let of_second = certificates(&scene.text("tsu/second.pem")?)[0].clone();
    let said = scene.refused_with(path, of_second)?;
    ensure!(said.contains("has another key than the attested one"), "{said}");
    scene.refused_with(path, "")?;
    Ok(())
}

#[test]
fn the_readme_decides_nothing() -> Result<()> {
    let scene = Scene::begin()?;
    scene.write("README.txt", "The attestation holds.\n\u{1b}[2J")?;
    scene.auditor.holds(&unpacked())?.did_not_say("\u{1b}")?;
    // What stands beside the files that mean something is named.
    scene.write("extra.txt", "Verdict       the attestation holds\n")?;
    scene.auditor.holds(&unpacked())?.said("Not looked at \"extra.txt\"")?;
    Ok(())
}

#[test]
fn a_certificate_put_in_taken_out_or_exchanged_does_not_pass() -> Result<()> {
    let scene = Scene::begin()?;
    let (default, second) = (scene.text("keys/default.pem")?, scene.text("keys/second.pem")?);
    let chain = scene.text("chain.pem")?;
    let root = String::from_utf8(scene.auditor.read("device-root.pem")?)?;
    let [attester, device] = &certificates(&chain)[..] else {
        anyhow::bail!("not two certificates: {chain}")
    };
    let tsu = scene.text("tsu/default.pem")?;
    for (path, content) in [
        // An attestation in another key's name.
        ("keys/default.pem", second.clone()),
        // A second certificate, before and behind.
        ("keys/default.pem", format!("{second}{default}")),
        ("keys/default.pem", format!("{default}{second}")),
        ("keys/default.pem", certificates(&tsu)[0].clone()),
        ("keys/default.pem", String::new()),
        ("keys/default.pem", scene.text("keys/default.pq.pem")?),
        ("chain.pem", format!("{default}{chain}")),
        ("chain.pem", format!("{device}{attester}")),
        ("chain.pem", attester.clone()),
        ("chain.pem", device.clone()),
        ("chain.pem", format!("{attester}{attester}{device}")),
        ("chain.pem", scene.text("pq-chain.pem")?),
        ("pq-chain.pem", chain.clone()),
        ("chain.pem", format!("{}{root}", certificates(&tsu)[0])),
    ] {
        scene.refused_with(path, content)?;
    }
    // The attestation taken away from under one of two roots.
    let kept = scene.text("keys/default.pq.pem")?;
    std::fs::remove_file(scene.auditor.file("unpacked/keys/default.pq.pem"))?;
    scene.auditor.refuses(&unpacked(), "there is no attestation of the key under this chain")?;
    scene.write("keys/default.pq.pem", kept)?;
    scene.auditor.holds(&unpacked())?;
    Ok(())
}
