//! What the configuration accepts, what it refuses, and that the file which `init` writes shows every key.

use std::path::Path;

use super::template::{self, CaTable, LedgerTable, TokenTable, TsuTable};
use super::*;

const KEY: &str = "pkcs11:token=attestamp;id=%01%02";

fn layout() -> (tempfile::TempDir, Layout) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    drop(crate::data_folder::DataFolder::create(&root).unwrap());
    std::fs::write(root.join("attestamp.toml"), "").unwrap();
    let layout = Layout::existing(&root).unwrap();
    (folder, layout)
}

/// What `init` writes, with one of each table.
fn shipped() -> String {
    let token = TokenTable {
        name: "main",
        module: "embedded",
        uri: "pkcs11:token=attestamp",
        pin_line: "pin-file = \"token/pin\"",
    };
    let root = CaTable { name: "root", token: "main", key: KEY, issuer: None, crl_days: 365 };
    let ca = CaTable { name: "tsa-ca", token: "main", key: KEY, issuer: Some("root"), crl_days: 14 };
    let tsu = TsuTable {
        name: "default",
        token: "main",
        key: KEY,
        default_policy: "2.999.3161.1",
        can_carry: true,
        accuracy_seconds: None,
    };
    let ledger = LedgerTable { origin: "tsa.example.org/ledger", token: "main", key: KEY, pq_key: Some(KEY) };
    template::head(None, "default")
        + &token.to_toml()
        + &root.to_toml()
        + &ca.to_toml()
        + &ledger.to_toml()
        + &tsu.to_toml()
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    let (_folder, layout) = layout();
    Config::parse(text, Path::new("attestamp.toml"), &layout)
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// The shipped text with every key switched on that is commented out.
fn uncommented(text: &str) -> String {
    let is_key = |line: &str| {
        line.strip_prefix("# ")
            .and_then(|rest| rest.split_once(" = "))
            .is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
    };
    text.lines().map(|line| if is_key(line) { &line[2..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn f3_time_servers_are_checked_and_their_defaults_follow_each_other() {
    let with = |lines: &str| shipped().replace("# ntp-servers = []", lines);
    let ntp =
        parse(&with("ntp-servers = [\"a.example\", \"b.example:1123\", \"2001:db8::1\"]")).unwrap().clock.ntp;
    let ntp = ntp.unwrap();
    assert_eq!((ntp.minimum, ntp.servers[1].to_string().as_str()), (2, "b.example:1123"));
    assert_eq!((ntp.poll.as_secs(), ntp.lost_after.as_secs(), ntp.timeout.as_millis()), (16, 64, 1_000));
    let slow = parse(&with("ntp-servers = [\"a.example\"]\nntp-poll-seconds = 64")).unwrap().clock.ntp;
    assert_eq!(slow.unwrap().lost_after.as_secs(), 256);
    for (lines, problem) in [
        ("ntp-servers = [\"a b\"]", "not a time server"),
        ("ntp-servers = [\"a\", \"a:123\"]", "named twice"),
        ("ntp-servers = [\"a\"]\nntp-minimum = 2", "must be 1 to 1"),
        ("ntp-servers = [\"a\"]\nntp-minimum = 0", "must be 1 to 1"),
        ("ntp-poll-seconds = 0", "must be 1 to 1024"),
        ("ntp-timeout-milliseconds = 5001", "must be 10 to 5000"),
        ("ntp-servers = [\"a\"]\nntp-lost-seconds = 31", "twice ntp-poll-seconds"),
    ] {
        let refused = refusal(&with(lines));
        assert!(refused.contains("clock.ntp-") && refused.contains(problem), "{refused}");
    }
}

#[test]
fn the_file_that_init_writes_loads() {
    let config = parse(&shipped()).unwrap();
    assert_eq!(config.default_tsu.as_deref(), Some("default"));
    assert_eq!(config.authorities["tsa-ca"].issuer.as_deref(), Some("root"));
    assert_eq!(config.tsus["default"].key.to_string(), KEY);
}

/// A key that is missing from the shipped file, or a default that it states wrongly, is found here.
#[test]
fn every_commented_key_is_known_and_shows_its_default() {
    let as_shipped = parse(&shipped()).unwrap();
    // The one key that names another TSU, which is not in this file.
    let nested = "nested-tsu = \"pq\"\n";
    let switched_on = uncommented(&shipped());
    assert!(refusal(&switched_on).contains("there is no [tsu.pq]"));
    let switched_on = parse(&switched_on.replace(nested, "")).unwrap();
    assert_eq!(switched_on.limits, as_shipped.limits);
    assert_eq!(switched_on.clock, as_shipped.clock);
    // Each text was read for a folder of its own, in which the anchor is.
    let kept = |config: &Config| {
        let mut kept = config.ledger.config().unwrap().clone();
        kept.anchor_file = kept.anchor_file.file_name().unwrap().into();
        (matches!(config.ledger, LedgerSetting::Kept(_)), kept)
    };
    assert_eq!(kept(&switched_on), kept(&as_shipped));
    assert_eq!(switched_on.log.filter, as_shipped.log.filter);
    let (with, without) = (&switched_on.tsus["default"], &as_shipped.tsus["default"]);
    assert_eq!(with.pool, without.pool);
    assert_eq!(with.signers, without.signers);
    assert_eq!(with.retired, without.retired);
    let mut config = with.profile.config().clone();
    // The one key whose default depends on the chain.
    config.chain_depth = without.profile.config().chain_depth;
    assert_eq!(&config, without.profile.config());
}

#[test]
fn a_misspelt_key_is_refused_and_the_nearest_named() {
    let message = refusal(&shipped().replace("listen = ", "lisen = "));
    assert!(message.contains("unknown field `lisen`"), "{message}");
    assert!(message.contains("did you mean `listen`?"), "{message}");
    let message = refusal(&shipped().replace("[clock]", "[clok]"));
    assert!(message.contains("did you mean `clock`?"), "{message}");
}

#[test]
fn what_is_not_toml_is_refused_with_its_place() {
    let message = refusal("[server]\nlisten = \n");
    assert!(message.contains("line 2"), "{message}");
}

/// Somebody writes the PIN where its file's name belongs: no message may show it.
#[test]
fn no_message_repeats_the_line_that_is_wrong() {
    let line = "pin-file = \"token/pin\"";
    for wrong in ["pin = \"90210\"", "pin-file = 90210", "pin-file = \"90210", "pin-file = 90210 # \"x\""] {
        let message = refusal(&shipped().replace(line, wrong));
        assert!(message.contains("line ") && !message.contains("90210"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn an_address_that_is_none_is_explained() {
    let message = refusal(&shipped().replace("127.0.0.1:3161", "localhost"));
    assert!(message.contains("IP address and a port"), "{message}");
}

/// `tsu new` goes up from issuer to issuer: it would never end.
#[test]
fn issuers_in_a_circle_are_refused() {
    let message = refusal(&shipped().replace("issuer = \"root\"", "issuer = \"tsa-ca\""));
    assert!(message.starts_with("ca.tsa-ca.issuer"), "{message}");
    assert!(message.contains("circle"), "{message}");
}

#[test]
fn names_lead_somewhere() {
    let missing = |from: &str, to: &str| refusal(&shipped().replace(from, to));
    assert!(missing("issuer = \"root\"", "issuer = \"roto\"").contains("there is no [ca.roto]"));
    assert!(missing("default-tsu = \"default\"", "default-tsu = \"x\"").contains("there is no [tsu.x]"));
    assert!(missing("token = \"main\"", "token = \"hsm\"").contains("there is no [token.hsm]"));
    assert!(missing("[tsu.default]", "[tsu.\"../x\"]").contains("lower-case letters"));
}

#[test]
fn values_out_of_bounds_are_refused_by_key() {
    let with = |line: &str| refusal(&format!("{}{line}\n", shipped()));
    assert!(with("sessions = 0").starts_with("tsu.default.sessions"), "{}", with("sessions = 0"));
    assert!(with("accepted-hashes = [\"sha1\"]").contains("`sha1` is not one of sha256"));
    assert!(with("accepted-policies = [\"1.2.x\"]").starts_with("tsu.default.accepted-policies"));
    assert!(with("accuracy-milliseconds = 1000").starts_with("tsu.default.accuracy-seconds"));
    let limits = |line: &str| refusal(&shipped().replace("[limits]", &format!("[limits]\n{line}")));
    assert!(limits("body-octets = 1000000").starts_with("limits.body-octets"));
    assert!(limits("header-seconds = 0").starts_with("limits.header-seconds"));
    let server = |line: &str| refusal(&shipped().replace("[server]", &format!("[server]\n{line}")));
    assert!(server("public-url = \"ftp://x\"").starts_with("server.public-url"));
    assert!(server("public-url = \"http://x/?y\"").starts_with("server.public-url"));
    assert!(server("tls-key = \"k\"").contains("go together"));
}

#[test]
fn the_ledger_is_kept_switched_off_or_absent() {
    let shipped = shipped();
    assert!(matches!(parse(&shipped).unwrap().ledger, LedgerSetting::Kept(_)));
    let off = shipped.replace("[ledger]\n", "[ledger]\nenabled = false\n");
    assert!(matches!(parse(&off).unwrap().ledger, LedgerSetting::Off(Some(_))));
    assert!(matches!(parse("[ledger]\nenabled = false\n").unwrap().ledger, LedgerSetting::Off(None)));
    assert_eq!(parse("").unwrap().ledger, LedgerSetting::Absent);
    assert!(refusal("[ledger]\n").contains("attestamp ledger init"));
}

#[test]
fn a_ledger_that_could_not_be_kept_is_refused() {
    let origin = "origin = \"tsa.example.org/ledger\"";
    for wrong in ["", "a b", "a+b", "https://tsa.example.org", "zürich"] {
        let message = refusal(&shipped().replace(origin, &format!("origin = \"{wrong}\"")));
        assert!(message.starts_with("ledger.origin"), "{message}");
    }
    let with = |line: &str| refusal(&shipped().replace(origin, &format!("{origin}\n{line}")));
    assert!(with("checkpoint-seconds = 0").starts_with("ledger.checkpoint-seconds"));
    assert!(with("segment-mebibytes = 0").starts_with("ledger.segment-mebibytes"));
    assert!(with("anchor-file = \"ledger/anchor\"").contains("outside of the ledger's folder"));
    assert!(with("retention-days = 5").contains("unknown field"));
}

#[test]
fn a_pin_has_exactly_one_source() {
    let line = "pin-file = \"token/pin\"";
    let none = refusal(&shipped().replace(line, ""));
    assert!(none.contains("exactly one of pin-file, pin-environment and pin-credential"), "{none}");
    let two = refusal(&shipped().replace(line, "pin-file = \"a\"\npin-environment = \"B\""));
    assert!(two.contains("exactly one"), "{two}");
}

#[test]
fn a_pin_in_a_uri_is_refused_and_not_repeated() {
    let message =
        refusal(&shipped().replace("pkcs11:token=attestamp\"", "pkcs11:token=attestamp?pin-value=9876\""));
    assert!(message.contains("token.main.uri"), "{message}");
    assert!(!message.contains("9876"), "{message}");
}
