use clap::CommandFactory as _;

use super::*;
use crate::cli::init::OPTIONS_OF_PLANS;

const PLAN: &str = r#"
title = "First keys"
place = "Room 1"
device-root = "own-key-destroyed"
[organization]
name = "Example"
country = "FI"
[[participant]]
name = "A. Operator"
role = "operator"
[[participant]]
name = "W. Witness"
role = "witness"
[[tsu]]
name = "default"
algorithm = "p-256"
"#;

/// The one that operators copy.
const SAMPLE: &str = include_str!("../../../../../docs/ceremony-plan.toml");

/// Why a plan is refused.
fn refusal(plan: &str) -> String {
    let refused = Plan::parse(plan).and_then(|plan| plan.arguments());
    format!("{:#}", refused.expect_err("this plan should be refused"))
}

fn refusal_with(from: &str, to: &str) -> String {
    assert!(PLAN.contains(from), "{from}");
    refusal(&PLAN.replacen(from, to, 1))
}

#[test]
fn a_plan_is_a_command_line() {
    let plan = Plan::parse(PLAN).unwrap();
    let expected =
        ["--organization=Example", "--country=FI", "--tsu=default:p-256", "--destroy-device-root-key"];
    assert_eq!(plan.options(), expected);
    let args = plan.arguments().unwrap();
    assert!(args.destroy_device_root_key && !args.device_root_csr && args.module.is_none());
}

#[test]
fn a_value_that_looks_like_an_option_is_none() {
    let args = Plan::parse(&PLAN.replace("\"Example\"", "\"--external-ca\"")).unwrap().arguments().unwrap();
    assert_eq!(args.organization, "--external-ca");
    assert!(!args.external_ca);
}

#[test]
fn every_option_of_init_is_the_plans() {
    let command = PlannedArgs::command();
    let known: BTreeSet<_> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
    let expected: BTreeSet<_> = OPTIONS_OF_PLANS.into_iter().chain(["ceremony"]).collect();
    assert_eq!(known, expected);
    for (option, _) in PLACES {
        let name = option.trim_start_matches('-');
        assert!(command.get_arguments().any(|argument| argument.get_long() == Some(name)), "{option}");
    }
}

#[test]
fn the_sample_is_a_plan() {
    let plan = Plan::parse(SAMPLE).unwrap();
    plan.arguments().unwrap();
    // What is commented out is for an HSM, and is right too.
    let with_token: String =
        SAMPLE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line).to_owned() + "\n").collect();
    assert_ne!(with_token, SAMPLE);
    let plan = Plan::parse(&with_token).unwrap();
    assert!(plan.module().is_some());
    let args = plan.arguments().unwrap();
    assert_eq!(args.ledger_origin.as_deref(), Some("tsa.example.org/ledger"));
    // Two people who begin with it see everything that they may decide.
    let options = plan.options();
    for (option, place) in PLACES {
        let is_there = options.iter().any(|found| found.starts_with(&format!("{option}=")));
        assert!(is_there, "the sample says nothing of {place}");
    }
}

#[test]
fn one_person_is_no_ceremony() {
    for same in ["A. Operator", "a. operator", " A.  Operator "] {
        assert!(refusal_with("W. Witness", same).contains("each is one person"), "{same}");
    }
    let alone = PLAN.replace("[[participant]]\nname = \"W. Witness\"\nrole = \"witness\"\n", "");
    assert!(refusal(&alone).contains("nobody is the witness"));
    assert!(refusal_with("role = \"witness\"", "role = \"operator\"").contains("nobody is the witness"));
    assert!(refusal_with("W. Witness", " ").contains("is empty"));
    assert!(refusal_with("First keys", "").contains("title is empty"));
}

#[test]
fn what_cannot_be_seen_is_refused_with_its_line() {
    let turned = refusal_with("Room 1", "Room \u{202e}1");
    assert!(turned.contains("line 3") && turned.contains("U+202E"), "{turned}");
    // In a comment too: it is read aloud with the rest.
    assert!(refusal_with("title", "# \u{200b}\ntitle").contains("U+200B"));
    let escaped = refusal_with("Room 1", r"Room \u001b[2K");
    assert!(escaped.contains("place") && escaped.contains("U+001B"), "{escaped}");
    assert!(refusal_with("W. Witness", r"A. Operator\u200b").contains("U+200B"));
}

#[test]
fn a_misspelt_key_is_refused_and_the_nearest_named() {
    assert!(refusal_with("device-root =", "device-roots =").contains("device-root"));
    assert!(refusal_with("own-key-destroyed", "own-key-destroy").contains("own-key-destroyed"));
}

#[test]
fn a_wrong_value_is_named_by_the_key_of_the_plan() {
    for (from, to, place) in [
        ("country = \"FI\"", "country = \"Finland\"", "[organization] country: the subject's country"),
        ("p-256", "p-257", "[[tsu]]: `p-257` is not one of"),
        ("title", "clock = \"atomic\"\ntitle", "clock: it must be one of system, kernel"),
        ("title", "certificate-days = 1\ntitle", "certificate-days: 1 is not in 2..=7000"),
        ("title", "policy = \"9.9\"\ntitle", "policy: "),
        ("title", "public-url = \"tsa.example.org\"\ntitle", "public-url: "),
        (
            "title",
            "key-usage-days = 4000\ntitle",
            "key-usage-days, 4000, must be less than certificate-days, 3650",
        ),
    ] {
        let message = refusal_with(from, to);
        assert!(message.contains(place), "{message}");
        assert!(!message.contains("--"), "{message}");
    }
    let twice = format!("{PLAN}[[tsu]]\nname = \"default\"\nalgorithm = \"rsa-3072\"\n");
    assert!(refusal(&twice).contains("`default` twice"));
    assert!(refusal(PLAN.split("[[tsu]]").next().unwrap()).contains("makes no TSU"));
}

#[test]
fn a_relative_path_is_refused() {
    let token = |module: &str, pin_file: &str| {
        format!(
            "{PLAN}[token]\nmodule = \"{module}\"\nuri = \"pkcs11:token=tsa\"\npin-file = \"{pin_file}\"\n"
        )
    };
    Plan::parse(&token("/usr/lib/hsm.so", "/etc/pin")).unwrap().arguments().unwrap();
    assert!(refusal(&token("hsm.so", "/etc/pin")).contains("[token] module must be a whole path"));
    assert!(refusal(&token("/usr/lib/hsm.so", "../pin")).contains("[token] pin-file must be a whole path"));
}

#[test]
fn a_pin_in_a_plan_is_refused_and_not_repeated() {
    for lines in [
        "uri = \"pkcs11:token=tsa?pin-value=Secret1234\"\npin-file = \"/etc/pin\"",
        "uri = \"pkcs11:token=tsa\"\npin-file = \"/etc/pin\"\npin = \"Secret1234\"",
        "uri = \"pkcs11:token=tsa\"\npin-file = 1234",
        "uri = \"pkcs11:token=tsa\"\npin-file = \"Secret1234\"",
    ] {
        let message = refusal(&format!("{PLAN}[token]\nmodule = \"/usr/lib/hsm.so\"\n{lines}\n"));
        assert!(!message.contains("1234"), "{message}");
    }
}
