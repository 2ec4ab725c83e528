//! The options, and the three ends on the timestamps of `openssl ts -reply`.

use std::path::Path;
use std::process::Command;

use clap::Parser;
use tempfile::TempDir;

use super::inputs::{DigestOption, Octets, OptionInvalid, parse_time};
use super::*;

/// The program's command line around this command: a global `--data` that the command's own shadows.
#[derive(Debug, Parser)]
struct Program {
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    Verify(VerifyArgs),
}

fn parse(arguments: &[&str]) -> Result<VerifyArgs, clap::Error> {
    let Program { command: Subcommand::Verify(args), .. } =
        Program::try_parse_from([&["attestamp"], arguments].concat())?;
    Ok(args)
}

/// A folder with a TSA of `openssl` in it, and `reply.tsr` for `data`.
pub(in crate::cli) struct Folder(TempDir);

impl Folder {
    pub(in crate::cli) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("data", "the data that is stamped\n");
        folder.write("other", "other data\n");
        folder.write("serial", "1000\n");
        folder.write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n");
        folder.write("tsu.ext", "extendedKeyUsage=critical,timeStamping\nbasicConstraints=CA:FALSE\n");
        folder.write(
            "tsa.cnf",
            "[tsa]\ndefault_tsa = test\n[test]\nserial = serial\nsigner_cert = tsu.pem\nsigner_key = tsu.key\n\
             signer_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256, sha512\n\
             accuracy = secs:1, millisecs:500\ness_cert_id_alg = sha256\n",
        );
        for name in ["root", "tsu"] {
            let key = format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key");
            folder.openssl(&key);
            folder.openssl(&format!(
                "req -new -config /dev/null -key {name}.key -subj /CN={name} -out {name}.csr"
            ));
        }
        folder.openssl("x509 -req -in root.csr -signkey root.key -days 30 -extfile ca.ext -out root.pem");
        folder.openssl(
            "x509 -req -in tsu.csr -CA root.pem -CAkey root.key -set_serial 2 -days 30 -extfile tsu.ext -out tsu.pem",
        );
        folder.openssl("ts -query -data data -cert -out query.tsq");
        folder.openssl("ts -reply -config tsa.cnf -queryfile query.tsq -out reply.tsr");
        folder
    }

    pub(in crate::cli) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(in crate::cli) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(in crate::cli) fn openssl(&self, arguments: &str) {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The words as arguments; one that begins with `@` is a file of this folder.
    pub(in crate::cli) fn arguments(&self, words: &str) -> Vec<String> {
        words
            .split(' ')
            .map(|word| match word.strip_prefix('@') {
                Some(name) => self.path(name).display().to_string(),
                None => word.to_owned(),
            })
            .collect()
    }

    fn evidence(&self, words: &str) -> anyhow::Result<Evidence> {
        let arguments = self.arguments(words);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Evidence::read(parse(&arguments).unwrap())
    }

    fn code(&self, words: &str) -> ExitCode {
        let arguments = self.arguments(words);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(parse(&arguments).unwrap()).unwrap()
    }

    fn verdict(&self, words: &str) -> Result<VerifiedToken, TokenInvalid> {
        judge(&self.evidence(words).unwrap()).unwrap()
    }

    /// What is printed.
    fn report(&self, words: &str, json: bool) -> String {
        let mut out = Vec::new();
        let evidence = self.evidence(words).unwrap();
        match judge(&evidence).unwrap() {
            Ok(token) => report::holds(&mut out, &token, json).unwrap(),
            Err(invalid) => report::does_not_hold(&mut out, &invalid, &evidence.timestamp, json).unwrap(),
        }
        String::from_utf8(out).unwrap()
    }
}

#[test]
fn the_three_ends_have_their_exit_codes() {
    let folder = Folder::new();
    let code = |words| format!("{:?}", folder.code(words));
    let expected = |code: u8| format!("{:?}", ExitCode::from(code));
    assert_eq!(code("verify @reply.tsr --data @data --ca @root.pem"), expected(0));
    assert_eq!(code("verify @reply.tsr --data @other --ca @root.pem --json"), expected(1));
    assert_eq!(code("verify @missing.tsr --data @data --ca @root.pem"), expected(2));
    assert_eq!(code("verify @reply.tsr --data @missing --ca @root.pem"), expected(2));
    assert_eq!(code("verify @reply.tsr --data @data --ca @tsu.key"), expected(2));
    assert_eq!(code("verify @data --data @data --ca @root.pem"), expected(1));
}

#[test]
fn data_digest_and_query_are_three_ways_to_say_what_is_stamped() {
    let folder = Folder::new();
    let digest = HashAlgorithm::Sha256.digest(b"the data that is stamped\n");
    let digest: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    folder.verdict("verify @reply.tsr --query @query.tsq --ca @root.pem").unwrap();
    folder.verdict(&format!("verify @reply.tsr --digest {digest} --ca @root.pem")).unwrap();
    folder.verdict(&format!("verify @reply.tsr --digest sha256:{digest} --ca @root.pem")).unwrap();
    let error =
        folder.verdict(&format!("verify @reply.tsr --digest sha3-256:{digest} --ca @root.pem")).unwrap_err();
    assert!(matches!(error, TokenInvalid::Imprint { .. }), "{error}");
    // A later request for the same data has another nonce.
    folder.openssl("ts -query -data data -cert -out query.tsq");
    let error = folder.verdict("verify @reply.tsr --query @query.tsq --ca @root.pem").unwrap_err();
    assert!(matches!(error, TokenInvalid::Nonce), "{error}");
}

#[test]
fn the_programs_data_folder_is_not_taken_for_the_stamped_file() {
    let folder = Folder::new();
    let words = "--data /a/data/folder verify @reply.tsr --query @query.tsq --ca @root.pem";
    folder.verdict(words).unwrap();
    let words = "--data /a/data/folder verify @reply.tsr --data @data --ca @root.pem";
    folder.verdict(words).unwrap();
}

#[test]
fn policy_time_and_nonce_are_compared() {
    let folder = Folder::new();
    let verdict =
        |rest: &str| folder.verdict(&format!("verify @reply.tsr --data @data --ca @root.pem {rest}"));
    let token = verdict("--policy 1.2.3.4.1").unwrap();
    assert!(matches!(verdict("--policy 1.2.3"), Err(TokenInvalid::Policy)));
    assert!(matches!(verdict("--nonce 00"), Err(TokenInvalid::Nonce)));
    let nonce: String = token.nonce.unwrap().iter().map(|octet| format!("{octet:02x}")).collect();
    verdict(&format!("--nonce {nonce}")).unwrap();
    assert!(matches!(verdict("--at 1999-12-31"), Err(TokenInvalid::Chain { .. })));
}

#[test]
fn the_report_says_what_when_and_by_whom() {
    let folder = Folder::new();
    let report = folder.report("verify @reply.tsr --data @data --ca @root.pem", false);
    for part in [
        "the timestamp holds\n",
        "(± 1.5 s)",
        "CN=tsu\n",
        "CN=root\n",
        "1.2.3.4.1\n",
        " sha256 ",
        "not checked",
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
    let report = folder.report("verify @reply.tsr --data @data --ca @root.pem", true);
    let json: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(json["holds"], true);
    assert_eq!(json["signer"], "CN=tsu");
    assert_eq!(json["accuracyMicroseconds"], 1_500_000);
    let report = folder.report("verify @reply.tsr --data @other --ca @root.pem", true);
    let json: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(json["holds"], false);
    assert_eq!(json["reason"], "the token is for other data: the hash values differ");
}

#[test]
fn one_way_to_say_what_is_stamped_is_required() {
    assert!(parse(&["verify", "f.tsr", "--ca", "root.pem"]).is_err());
    assert!(parse(&["verify", "f.tsr", "--ca", "root.pem", "--data", "f", "--digest", "00"]).is_err());
    assert!(parse(&["verify", "f.tsr", "--data", "f"]).is_err());
    let args = parse(&["verify", "f.tsr", "--ca", "root.pem", "--data", "f"]).unwrap();
    assert_eq!(args.data.as_deref(), Some(Path::new("f")));
}

#[test]
fn hexadecimal_is_read_as_openssl_prints_it() {
    let octets = |text: &str| text.parse::<Octets>();
    assert_eq!(octets("0x0aFF"), Ok(Octets(vec![0x0a, 0xff])));
    assert_eq!(octets("0a:ff"), Ok(Octets(vec![0x0a, 0xff])));
    for text in ["", "0", "0g", "0x", "é0"] {
        assert_eq!(octets(text), Err(OptionInvalid::NotHexadecimal), "{text}");
    }
    assert_eq!("md5:00".parse::<DigestOption>(), Err(OptionInvalid::UnknownHash));
    let length = OptionInvalid::Length { hash: HashAlgorithm::Sha256, found: 1, required: 32 };
    assert_eq!("sha256:00".parse::<DigestOption>(), Err(length));
    assert_eq!("00:01".parse::<DigestOption>(), Ok(DigestOption { algorithm: None, value: vec![0, 1] }));
}

#[test]
fn times_are_rfc_3339_or_dates() {
    let seconds = |text: &str| parse_time(text).map(|time| time.as_secs());
    assert_eq!(seconds("2026-02-03T04:05:06Z"), Ok(1_770_091_506));
    assert_eq!(seconds("2026-02-03T05:05:06+01:00"), Ok(1_770_091_506));
    assert_eq!(seconds("1970-01-02"), Ok(86_400));
    for text in ["", "now", "2026-02-03T04:05:06", "2026-02-30", "1969-12-31", "2026"] {
        assert!(seconds(text).is_err(), "{text}");
    }
}
