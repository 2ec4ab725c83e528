//! The options, the three forms of a bundle, the three ends, and the words; tokens are those of `openssl ts -reply`.

mod hierarchy;

use attestamp_attestation::{BundleFile, Claims, KeyFlag};
use attestamp_certs::TsuCertificate;
use attestamp_certs::pem::certificates_from_pem;
use clap::Parser;

use super::*;
use crate::cli::verify::tests::Folder;
use hierarchy::{ATTESTED_AT, Hierarchy, at, claims, pem};

/// The program's command line around this command.
#[derive(Debug, Parser)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(VerifyArgs),
}

fn parse(arguments: &[&str]) -> Result<VerifyArgs, clap::Error> {
    let Program { command: Command::Verify(args) } =
        Program::try_parse_from([&["attestamp"], arguments].concat())?;
    Ok(args)
}

/// A folder with `device-root.pem`, and `bundle.tar` and `bundle.pem` in which the key of `tsu.pem` is attested; beside it the
/// token `reply.tsr` that this key signed.
struct Auditor {
    folder: Folder,
    hierarchy: Hierarchy,
}

impl Auditor {
    fn new() -> Self {
        let auditor = Self { folder: Folder::new(), hierarchy: Hierarchy::new() };
        auditor.write("device-root.pem", &pem(std::slice::from_ref(&auditor.hierarchy.root)));
        auditor.bundle(&claims());
        auditor
    }

    fn write(&self, name: &str, content: &str) {
        self.folder.write(name, content);
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path(name)).unwrap()
    }

    /// The attestation of the key of `tsu.pem` with these claims.
    fn attestation(&self, claims: &Claims) -> attestamp_attestation::Certificate {
        let tsu = certificates_from_pem(&self.read("tsu.pem")).unwrap();
        self.hierarchy.attest(TsuCertificate::parse(&tsu[0]).unwrap().spki_der(), claims)
    }

    fn files(&self, claims: &Claims) -> Vec<BundleFile> {
        let file =
            |path: &str, text: String| BundleFile { path: path.to_owned(), content: text.into_bytes() };
        vec![
            file("chain.pem", pem(&self.hierarchy.chain)),
            file("keys/default.pem", pem(&[self.attestation(claims)])),
            file("tsu/default.pem", self.read("tsu.pem")),
        ]
    }

    /// Writes the bundle with these claims, as an archive, as a folder and as PEM.
    fn bundle(&self, claims: &Claims) {
        let files = self.files(claims);
        std::fs::write(self.folder.path("bundle.tar"), Bundle::to_tar(&files, ATTESTED_AT).unwrap()).unwrap();
        for BundleFile { path, content } in &files {
            let path = self.folder.path(&format!("unpacked/{path}"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let all = [&[self.attestation(claims)][..], &self.hierarchy.chain].concat();
        self.write("bundle.pem", &pem(&all));
    }

    fn args(&self, words: &str) -> VerifyArgs {
        let arguments = self.folder.arguments(words);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        parse(&arguments).unwrap()
    }

    /// What is printed, and the verdict.
    fn answer(&self, words: &str) -> (String, Verdict) {
        let args = self.args(words);
        let answer = Inputs::read(&args).unwrap().answer();
        let mut out = Vec::new();
        report::print(&mut out, &answer, args.json).unwrap();
        (String::from_utf8(out).unwrap(), answer.verdict())
    }

    fn last_line(&self, words: &str) -> String {
        self.answer(words).0.lines().last().unwrap().to_owned()
    }

    fn code(&self, words: &str) -> u8 {
        let code = format!("{:?}", run(&self.args(words)).unwrap());
        [0, 1, 2].into_iter().find(|number| format!("{:?}", ExitCode::from(*number)) == code).unwrap()
    }
}

const ROOT: &str = "--root @device-root.pem";

#[test]
fn a_root_is_required_and_options_are_checked_as_they_are_read() {
    assert!(parse(&["verify", "b.tar"]).is_err());
    assert!(parse(&["verify", "--root", "r.pem"]).is_err());
    let good = ["verify", "b.tar", "--root", "r.pem"];
    assert_eq!(parse(&good).unwrap().root, [PathBuf::from("r.pem")]);
    let with = |more: &[&str]| parse(&[&good[..], more].concat());
    assert_eq!(with(&["--root", "pq.pem"]).unwrap().root.len(), 2);
    assert!(with(&["--ca", "ca.pem"]).is_err());
    assert!(with(&["--ca", "ca.pem", "--token", "t.tsr"]).is_ok());
    for nonce in ["00", "zz", "000102030405060708090a0b0c0d0e", ""] {
        assert!(with(&["--nonce", nonce]).is_err(), "{nonce}");
    }
    let nonce = with(&["--nonce", "000102030405060708090a0b0c0d0e0f"]).unwrap().nonce.unwrap();
    assert_eq!(nonce.as_bytes(), (0..16).collect::<Vec<u8>>());
    assert!(with(&["--at", "yesterday"]).is_err());
    assert_eq!(with(&["--at", "2025-01-01"]).unwrap().at, Some(at(ATTESTED_AT)));
}

#[test]
fn a_bundle_is_an_archive_a_folder_or_a_pem_file() {
    let auditor = Auditor::new();
    for bundle in ["bundle.tar", "unpacked", "bundle.pem"] {
        let (text, verdict) = auditor.answer(&format!("verify @{bundle} {ROOT}"));
        assert_eq!(verdict, Verdict::Holds, "{bundle}: {text}");
        assert!(
            text.ends_with("\nVerdict       the attestation holds as the word of its host (hostAsserted)\n"),
            "{text}"
        );
    }
}

#[test]
fn the_three_ends_have_their_exit_codes() {
    let auditor = Auditor::new();
    auditor.write("other-root.pem", &pem(&[Hierarchy::new().root]));
    auditor.write("chain.pem", &pem(&auditor.hierarchy.chain));
    let code = |words: &str| auditor.code(&format!("verify {words}"));
    assert_eq!(code(&format!("@bundle.tar {ROOT}")), 0);
    assert_eq!(code("@bundle.tar --root @other-root.pem --json"), 1);
    assert_eq!(code(&format!("@bundle.tar {ROOT} --nonce 000102030405060708090a0b0c0d0e0f")), 1);
    assert_eq!(code(&format!("@bundle.tar {ROOT} --at 2024-12-31")), 1);
    assert_eq!(code(&format!("@bundle.tar {ROOT} --key other")), 1);
    // What cannot be read, and what is no root.
    assert_eq!(code(&format!("@missing.tar {ROOT}")), 2);
    assert_eq!(code("@bundle.tar --root @missing.pem"), 2);
    assert_eq!(code("@bundle.tar --root @chain.pem"), 2);
    assert_eq!(code(&format!("@bundle.tar {ROOT} --token @missing.tsr")), 2);
    assert_eq!(code(&format!("@bundle.tar {ROOT} --tsu-certificate @device-root.pem")), 2);
    assert_eq!(code(&format!("@reply.tsr {ROOT}")), 2);
    // A bundle that reads and is not what it must be.
    let mut files = auditor.files(&claims());
    files[1].content = pem(&[auditor.attestation(&claims()), auditor.hierarchy.root.clone()]).into_bytes();
    std::fs::write(auditor.folder.path("bundle.tar"), Bundle::to_tar(&files, 0).unwrap()).unwrap();
    assert_eq!(code(&format!("@bundle.tar {ROOT}")), 1);
    assert_eq!(code(&format!("@bundle.tar {ROOT} --json")), 1);
    assert_eq!(
        auditor.last_line(&format!("verify @bundle.tar {ROOT}")),
        "Verdict       the attestation does NOT hold"
    );
}

#[test]
fn a_folder_with_a_link_in_it_is_not_read() {
    let auditor = Auditor::new();
    let elsewhere = auditor.folder.path("device-root.pem");
    std::os::unix::fs::symlink(elsewhere, auditor.folder.path("unpacked/link.pem")).unwrap();
    let words = format!("verify @unpacked {ROOT}");
    let error = Inputs::read(&auditor.args(&words)).err().unwrap();
    assert!(format!("{error:#}").ends_with("link.pem is neither a file nor a folder"), "{error:#}");
    assert_eq!(auditor.code(&words), 2);
}

/// D7: "this token was signed by that attested key" is one command.
#[test]
fn a_token_is_tied_to_the_attested_key() {
    let auditor = Auditor::new();
    let words = format!("verify @bundle.tar {ROOT} --token @reply.tsr");
    let holds = "Verdict       the attestation holds as the word of its host (hostAsserted), and this token was signed by the attested key default";
    assert_eq!(auditor.last_line(&words), holds);
    let (text, _) = auditor.answer(&words);
    assert!(text.contains("without --ca nobody vouches here"), "{text}");
    assert!(text.contains("not compared with any file"), "{text}");
    // Its chain too, where the TSA's root is given.
    assert_eq!(auditor.last_line(&format!("{words} --ca @root.pem")), holds);
    assert_eq!(auditor.code(&format!("{words} --ca @device-root.pem")), 1);
    // Another TSU's token, good in itself.
    let other = Folder::new();
    std::fs::copy(other.path("reply.tsr"), auditor.folder.path("other.tsr")).unwrap();
    let (text, verdict) = auditor.answer(&format!("verify @bundle.tar {ROOT} --token @other.tsr"));
    assert_eq!(verdict, Verdict::DoesNotHold);
    assert!(
        text.contains("Against it    the key that signed the token is not attested in the bundle"),
        "{text}"
    );
    // What is no token.
    assert_eq!(auditor.code(&format!("verify @bundle.tar {ROOT} --token @data")), 1);
}

#[test]
fn a_token_with_a_flipped_signature_ties_nothing() {
    let auditor = Auditor::new();
    let mut token = std::fs::read(auditor.folder.path("reply.tsr")).unwrap();
    *token.last_mut().unwrap() ^= 1;
    std::fs::write(auditor.folder.path("reply.tsr"), token).unwrap();
    let (text, verdict) = auditor.answer(&format!("verify @bundle.tar {ROOT} --token @reply.tsr"));
    assert_eq!(verdict, Verdict::DoesNotHold);
    assert!(text.contains("Against it    the token: the signature does not hold"), "{text}");
}

#[test]
fn the_signers_certificate_comes_from_the_token_the_option_or_the_bundle() {
    let auditor = Auditor::new();
    auditor.folder.openssl("ts -query -data data -out query.tsq");
    auditor.folder.openssl("ts -reply -config tsa.cnf -queryfile query.tsq -out bare.tsr");
    let code = |words: &str| auditor.code(&format!("verify {words} {ROOT} --token @bare.tsr"));
    assert_eq!(code("@bundle.tar"), 0);
    assert_eq!(code("@bundle.pem"), 2);
    assert_eq!(code("@bundle.pem --tsu-certificate @tsu.pem"), 0);
    let (text, verdict) = auditor.answer(&format!("verify @bundle.pem {ROOT} --token @bare.tsr"));
    assert_eq!(verdict, Verdict::NotJudged);
    assert!(text.contains("give it with --tsu-certificate"), "{text}");
    assert!(text.ends_with("Verdict       the attestation could not be judged\n"), "{text}");
}

#[test]
fn a_given_tsu_certificate_must_be_of_an_attested_key() {
    let auditor = Auditor::new();
    assert_eq!(auditor.code(&format!("verify @bundle.tar {ROOT} --tsu-certificate @tsu.pem")), 0);
    let other = Folder::new();
    std::fs::copy(other.path("tsu.pem"), auditor.folder.path("other.pem")).unwrap();
    let words = format!("verify @bundle.tar {ROOT} --tsu-certificate @other.pem");
    let (text, verdict) = auditor.answer(&words);
    assert_eq!(verdict, Verdict::DoesNotHold);
    assert!(text.contains("the key of the given TSU certificate is not attested"), "{text}");
    // The token is the attested key's, and not of the certificate that the auditor has.
    let (text, _) = auditor.answer(&format!("{words} --token @reply.tsr"));
    assert!(text.contains("signed with another key than that of the given TSU certificate"), "{text}");
}

/// D11: each line says on whose word it rests.
#[test]
fn every_line_about_a_key_says_who_says_so() {
    let auditor = Auditor::new();
    let mut changed = claims();
    changed.key.flags = changed.key.flags.with(KeyFlag::Extractable, Some(true));
    changed.key.label = "evil\u{1b}[2J\nVerdict       the attestation holds".to_owned();
    auditor.bundle(&changed);
    let (text, verdict) = auditor.answer(&format!("verify @bundle.tar {ROOT}"));
    assert_eq!(verdict, Verdict::DoesNotHold);
    assert!(!text.contains('\u{1b}'));
    let of_keys: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
    assert!(of_keys.len() > 20, "{text}");
    for line in &of_keys {
        let by = line.split_whitespace().next().unwrap();
        assert!(["host", "device", "issuer", "verifier"].contains(&by), "{line}");
    }
    for line in [
        "  host      assurance                  hostAsserted",
        "  verifier  CKA_KEY_TYPE               CKK_EC",
        "  host      CKA_KEY_TYPE               \"CKK_EC\"",
        "  verifier  parameter set              P-256",
        "  host      CKA_EXTRACTABLE            TRUE",
        "  issuer    serial number              \"1\"",
        "  host      serial number              \"1\"",
        "  verifier  default policy (D6)        the claims break it in one point",
        "  verifier  TSU certificate            its key is the attested one; who issued it was not asked",
    ] {
        assert!(of_keys.contains(&line), "{line}\n{text}");
    }
    assert!(
        text.contains("verifier  freshness                  not fresh: no nonce was asked for"),
        "{text}"
    );
    assert!(text.contains("hostAsserted: they are the host's word, and whoever ran it could have"), "{text}");
    assert!(text.contains("Against it    key default, classical chain: CKA_EXTRACTABLE is TRUE"), "{text}");
    assert_eq!(text.lines().last(), Some("Verdict       the attestation does NOT hold"));
    assert_eq!(text.matches("\nVerdict ").count(), 1);
}

/// A terminal of 80 columns wraps lines: nothing that a stranger writes may look like a line of ours.
#[test]
fn a_strangers_text_cannot_make_a_line_of_its_own() {
    let auditor = Auditor::new();
    let mut forged = claims();
    let (fill, more) = (" ".repeat(34), " ".repeat(37));
    forged.key.label =
        format!("default{fill}  device    CKA_LOCAL                  TRUE{more}Verdict       it holds");
    forged.key.unique_id = Some("\u{9b}2J\u{202e}\u{2028}\u{85}\u{200b}\u{3000}".to_owned());
    auditor.bundle(&forged);
    let (text, _) = auditor.answer(&format!("verify @bundle.tar {ROOT}"));
    let label = text.lines().find(|line| line.contains("CKA_LABEL")).unwrap();
    let value = label.split_once("CKA_LABEL").unwrap().1.trim_start();
    assert!(value.starts_with("\"default \\u{20}\\u{20}") && value.ends_with("it holds\""), "{value}");
    assert!(!value.contains("  "), "{value}");
    let (json, _) = auditor.answer(&format!("verify @bundle.tar {ROOT} --json"));
    for printed in [text, json.clone()] {
        let is_plain = |character: char| character == '\n' || !crate::cli::text::is_hidden(character);
        assert!(printed.chars().all(is_plain), "{printed}");
    }
    assert!(json.contains("\\u009b2J\\u202e\\u2028\\u0085\\u200b\\u3000"), "{json}");
}

#[test]
fn where_device_signed_is_required_the_hosts_word_does_not_hold() {
    let auditor = Auditor::new();
    let vendor = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../attestation/src/evidence/yubihsm2/vectors/yubico-yubihsm-root-ca.pem"
    );
    std::fs::copy(vendor, auditor.folder.path("vendor.pem")).unwrap();
    let words = format!("verify @bundle.tar {ROOT} --vendor-root @vendor.pem");
    let (text, verdict) = auditor.answer(&words);
    assert_eq!(verdict, Verdict::DoesNotHold);
    assert!(text.contains("Against it    key default, classical chain: a vendor's root is pinned"), "{text}");
    let (text, _) = auditor.answer(&format!("{words} --require-device-signed"));
    assert!(text.contains("not shown to be deviceSigned, which was required"), "{text}");
    assert!(parse(&["verify", "b.tar", "--root", "r.pem", "--require-device-signed"]).is_err());
}

/// D9: an auditor's pin lies where the bundle is unpacked.
#[test]
fn an_archive_that_brings_a_root_does_not_hold_and_a_folder_with_one_tells_it() {
    let auditor = Auditor::new();
    let root = auditor.read("device-root.pem");
    auditor.write("unpacked/device-root.pem", &root);
    auditor.write("unpacked/keys/e\u{301}.pem", "");
    let error = Inputs::read(&auditor.args(&format!("verify @unpacked {ROOT}"))).err();
    assert!(error.is_some(), "a name that is not ASCII");
    std::fs::remove_file(auditor.folder.path("unpacked/keys/e\u{301}.pem")).unwrap();
    let (text, verdict) = auditor.answer(&format!("verify @unpacked {ROOT}"));
    assert_eq!(verdict, Verdict::Holds, "{text}");
    assert!(text.contains("Not looked at \"device-root.pem\""), "{text}");

    let mut files = auditor.files(&claims());
    files.push(BundleFile { path: "README.txt".to_owned(), content: root.into_bytes() });
    let good = Bundle::to_tar(&files, 0).unwrap();
    assert!(good.starts_with(b"README.txt\0"));
    let packed = |name: &str| {
        let mut archive = good.clone();
        archive[..name.len()].copy_from_slice(name.as_bytes());
        // The header's sum, with its own field as spaces.
        archive[148..156].fill(b' ');
        let sum: u32 = archive[..512].iter().map(|octet| u32::from(*octet)).sum();
        archive[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
        std::fs::write(auditor.folder.path("brings.tar"), archive).unwrap();
        auditor.answer(&format!("verify @brings.tar {ROOT}"))
    };
    assert_eq!(packed("README.txt").1, Verdict::Holds);
    let (text, verdict) = packed("device-root.pem");
    assert_eq!(verdict, Verdict::DoesNotHold);
    assert!(text.contains("device-root.pem is none of a bundle's files; do not unpack"), "{text}");
}

#[test]
fn what_is_not_verified_is_not_shown() {
    let auditor = Auditor::new();
    let other = Hierarchy::new();
    let mut files = auditor.files(&claims());
    files[0].content = pem(&other.chain).into_bytes();
    std::fs::write(auditor.folder.path("bundle.tar"), Bundle::to_tar(&files, 0).unwrap()).unwrap();
    let (text, _) = auditor.answer(&format!("verify @bundle.tar {ROOT}"));
    assert!(text.contains("what it claims is not shown") && !text.contains("CKA_"), "{text}");
    let (json, _) = auditor.answer(&format!("verify @bundle.tar {ROOT} --json"));
    assert!(!json.contains("CKA_") && json.contains("\"verified\": false"), "{json}");
}

#[test]
fn json_has_the_verdict_the_reasons_and_who_says_what() {
    let auditor = Auditor::new();
    let words = format!("verify @bundle.tar {ROOT} --token @reply.tsr --ca @root.pem --json");
    let json: serde_json::Value = serde_json::from_str(&auditor.answer(&words).0).unwrap();
    assert_eq!(json["verdict"], "holds");
    assert_eq!(json["reasons"], serde_json::json!([]));
    assert_eq!(json["chains"][0]["lookedAt"], true);
    let key = &json["keys"][0];
    assert_eq!((&key["key"], &key["tsuCertificate"]), (&"default".into(), &"sameKey".into()));
    let attestation = &key["attestations"][0];
    assert_eq!(attestation["assurance"], "hostAsserted");
    assert_eq!(attestation["fresh"], false);
    assert_eq!(attestation["attestedAt"], "2025-01-01T00:00:00Z");
    assert_eq!(attestation["publicKeySha256"], json["token"]["publicKeySha256"]);
    let statements = attestation["statements"].as_array().unwrap();
    let local = serde_json::json!({ "name": "CKA_LOCAL", "value": "TRUE", "assertedBy": "host" });
    assert!(statements.contains(&local));
    assert_eq!(json["token"]["attestedKeys"], serde_json::json!(["default"]));
    assert_eq!(json["token"]["signatureHolds"], true);
    assert_eq!(json["token"]["chainHolds"], true);
    assert_eq!(json["token"]["signer"], "CN=tsu");

    let words = format!("verify @bundle.tar {ROOT} --nonce 000102030405060708090a0b0c0d0e0f --json");
    let json: serde_json::Value = serde_json::from_str(&auditor.answer(&words).0).unwrap();
    assert_eq!(json["verdict"], "doesNotHold");
    assert_eq!(
        json["reasons"],
        serde_json::json!([{
            "key": "default",
            "chain": "classical",
            "reason": "the attestation carries no nonce: ask the server for one with yours",
            "verdict": "doesNotHold"
        }])
    );
    assert!(json.get("token").is_none());
}
