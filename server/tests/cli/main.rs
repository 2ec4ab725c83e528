//! The program as an operator meets it: its messages, its exit codes, and that wrong input loses nothing.
//!
//! Each test runs the real binary in a folder of its own. Nothing is bound but loopback ports of the kernel's choice.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed unwrap is a failed test; the allowance in clippy.toml does not reach functions beside the tests"
)]

mod attest;
mod ledger;
mod stamp;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_attestamp");

fn attestamp(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--data").arg(data).args(args).stdin(Stdio::null()).env_remove("ATTESTAMP_LOG");
    command
}

fn run(data: &Path, args: &[&str]) -> Output {
    let output = attestamp(data, args).output().expect("the program starts");
    let text = errors(&output);
    assert!(!text.contains("panicked at"), "{args:?}: {text}");
    output
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn refusal(data: &Path, args: &[&str]) -> String {
    let output = run(data, args);
    assert!(!output.status.success(), "{args:?} succeeded");
    errors(&output)
}

/// A data folder with one TSU, and the temporary folder that it is in.
fn initialised() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("my data");
    let output = run(&data, &["init", "--tsu", "default:p-256", "--clock", "system"]);
    assert!(output.status.success(), "{}", errors(&output));
    (folder, data)
}

#[test]
fn wrong_options_of_init_are_named_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for (option, wrong) in [
        ("--policy", "9.9.9"),
        ("--public-url", "tsa.example.org"),
        ("--public-url", "http://tsa.example.org/?x=1"),
        ("--country", "Germany"),
        ("--organization", ""),
        ("--organization-identifier", "\n"),
        ("--tsu", "Default:p-256"),
    ] {
        let output = run(&data, &["init", option, wrong]);
        assert_eq!(output.status.code(), Some(2), "{option} {wrong:?}");
        assert!(errors(&output).contains(option), "{}", errors(&output));
        assert!(!data.exists(), "{option} {wrong:?}");
    }
    let twice = refusal(&data, &["init", "--tsu", "a:p-256", "--tsu", "a:p-384"]);
    assert!(twice.contains("`a` twice"), "{twice}");
    assert!(!data.exists());
}

#[test]
fn a_module_that_is_none_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let pin = folder.path().join("pin");
    fs::write(&pin, "90210").unwrap();
    fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let pin = pin.to_str().unwrap();
    let text = refusal(
        &data,
        &["init", "--module", "/nonexistent.so", "--token-uri", "pkcs11:token=t", "--pin-file", pin],
    );
    assert!(text.contains("no PKCS#11 module at /nonexistent.so"), "{text}");
    assert!(!text.contains("90210"), "{text}");
    assert!(!data.exists());
}

#[test]
fn the_next_command_that_init_prints_can_be_pasted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("my data");
    let output = run(&data, &["init", "--tsu", "default:p-256", "--clock", "system"]);
    let quoted = format!("--data '{}' serve", data.display());
    assert!(errors(&output).contains(&quoted), "{}", errors(&output));
}

/// The keys of a TSU that was live are worth more than the file that is lost.
#[test]
fn a_lost_configuration_is_to_be_restored_and_not_the_folder_removed() {
    let (_folder, data) = initialised();
    let configuration = fs::read(data.join("attestamp.toml")).unwrap();
    fs::remove_file(data.join("attestamp.toml")).unwrap();
    for command in ["serve", "check", "status", "init"] {
        let text = refusal(&data, &[command]);
        assert!(text.contains("restore that file from a backup"), "{command}: {text}");
    }
    fs::write(data.join("attestamp.toml"), configuration).unwrap();
    assert!(run(&data, &["check"]).status.success());
}

#[test]
fn a_lost_or_damaged_token_is_named_with_its_file() {
    let (_folder, data) = initialised();
    let database = data.join("token/token.sql");
    fs::write(&database, b"no database").unwrap();
    let text = refusal(&data, &["check"]);
    assert!(text.contains("token.sql") && text.contains("restore it"), "{text}");
    fs::remove_file(&database).unwrap();
    let text = refusal(&data, &["check"]);
    assert!(text.contains("has no database at") && text.contains("restore it"), "{text}");
}

/// What `serve` would refuse, `check` refuses: TLS files, the log's filter.
#[test]
fn check_finds_what_a_start_would_find() {
    let (_folder, data) = initialised();
    let path = data.join("attestamp.toml");
    let good = fs::read_to_string(&path).unwrap();
    for (from, to, found) in [
        ("listen = ", "tls-certificate = \"c\"\ntls-key = \"k\"\nlisten = ", "TLS certificate"),
        ("# filter = \"info\"", "filter = \"info,a=b=c\"", "log filter"),
    ] {
        assert!(good.contains(from));
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let text = refusal(&data, &["check"]);
        assert!(text.contains(found), "{text}");
    }
}

/// `tsu new` that fails after its key was made would leave the key in the token for ever.
#[test]
fn a_wrong_option_of_tsu_new_changes_nothing() {
    let (_folder, data) = initialised();
    let before = fs::read(data.join("token/token.sql")).unwrap();
    for (option, wrong) in [("--policy", "1.2.x"), ("--country", "xx"), ("--organization", "")] {
        let output = run(&data, &["tsu", "new", "second", option, wrong]);
        assert_eq!(output.status.code(), Some(2), "{option}");
    }
    assert_eq!(fs::read(data.join("token/token.sql")).unwrap(), before);
}

#[test]
fn retiring_twice_with_the_key_is_the_same_as_once() {
    let (_folder, data) = initialised();
    assert!(run(&data, &["tsu", "new", "second"]).status.success());
    for _ in 0..2 {
        let output = run(&data, &["tsu", "retire", "second", "--destroy-key"]);
        assert!(output.status.success(), "{}", errors(&output));
    }
    assert!(run(&data, &["check", "-q"]).status.success());
}

/// Started with `| head -1` or by a supervisor that reads nothing, and from a backup, which has no `state`: of that it needs
/// the ledger's anchor alone, which can be made of a checkpoint that somebody has compared.
#[test]
fn serve_needs_no_reader_and_no_state() {
    let (_folder, data) = initialised();
    fs::remove_dir_all(data.join("state")).unwrap();
    let text = refusal(&data, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(text.contains("state/ledger-anchor is missing") && text.contains("docs/ledger.md"), "{text}");
    fs::copy(data.join("ledger/checkpoint"), data.join("state/ledger-anchor")).unwrap();
    let mut server = attestamp(&data, &["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // One line is read, then nobody reads any more.
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    while !data.join("state/listening").exists() {
        assert!(server.try_wait().unwrap().is_none(), "the server ended");
        std::thread::yield_now();
    }
    assert!(run(&data, &["check", "-q"]).status.success(), "beside a server");
    let text = refusal(&data, &["tsu", "new", "second"]);
    assert!(text.contains(&format!("in use by process {}", server.id())), "{text}");
    let process = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
}

/// `attestamp verify … | true`: the verdict is the exit code's.
#[test]
fn a_reader_that_leaves_is_no_failure() {
    let (_folder, data) = initialised();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = attestamp(&data, &["tsu", "list"]).stdout(writer).output().unwrap();
    assert!(output.status.success());
    assert_eq!(errors(&output), "");
}

/// The program's `--data DIR` and `verify --data FILE` have one name; neither may stand in for the other.
#[test]
fn the_data_folder_is_not_the_stamped_file() {
    let (_folder, data) = initialised();
    let root = data.join("certs/ca/root.pem");
    let verify = ["verify", "--ca", root.to_str().unwrap(), "nothing.tsr"];
    let text = refusal(&data, &verify);
    assert!(text.contains("--data <FILE>|--digest <HEX>|--query <FILE.tsq>"), "{text}");
    let output = Command::new(PROGRAM).args(verify).env("ATTESTAMP_DATA", &data).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("--digest <HEX>"), "{}", errors(&output));
}
