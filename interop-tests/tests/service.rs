//! The systemd unit: judged by systemd's own tools where they are, and by what the program does with systemd's protocol.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::prometheus::repository_file;
use attestamp_interop_tests::service::Unit;
use attestamp_interop_tests::tools::Tool;

const SYSTEMD_ANALYZE: Tool = Tool { name: "systemd-analyze", package: "systemd" };
const UNIT: &str = "packaging/attestamp.service";
/// The worst exposure that is accepted, in tenths: 0 is none, 100 is all. It has 14; what is left is that the server has a
/// network and reads the kernel's clock.
const EXPOSURE_TENTHS: u32 = 20;

/// Whether systemd's tools are here. They come with systemd itself, which a container does without and which the set-up
/// does not put there.
#[expect(clippy::print_stderr, reason = "a test that was skipped says so")]
fn has_systemd(test: &str) -> bool {
    let is_there = SYSTEMD_ANALYZE.run(Path::new("/"), &["--version"]).is_ok();
    if !is_there {
        eprintln!("{test}: skipped, since systemd-analyze is not installed here");
    }
    is_there
}

#[test]
fn systemd_finds_little_exposed() -> Result<()> {
    if !has_systemd("systemd_finds_little_exposed") {
        return Ok(());
    }
    let path = repository_file(UNIT);
    let path = path.to_str().context("not UTF-8")?;
    // The threshold of the tool itself is in tenths since version 252: it fails where the exposure is larger.
    let threshold = format!("--threshold={EXPOSURE_TENTHS}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold, path];
    SYSTEMD_ANALYZE.run(Path::new("/"), &arguments)?.succeeded()?.said("Overall exposure level")?;
    Ok(())
}

/// The system calls that are allowed must be enough for a start, a request and an end, and reading the clock must be
/// among them.
#[test]
fn the_filter_allows_what_the_server_calls() -> Result<()> {
    const STRACE: Tool = Tool { name: "strace", package: "strace" };
    let test = "the_filter_allows_what_the_server_calls";
    if !has_systemd(test) || STRACE.run(Path::new("/"), &["-V"]).is_err() {
        return Ok(());
    }
    let unit = Unit::read(&repository_file(UNIT))?;
    let mut allowed = BTreeSet::new();
    for line in unit.all("SystemCallFilter") {
        let (is_denial, words) = line.strip_prefix('~').map_or((false, line), |words| (true, words));
        for word in words.split_ascii_whitespace() {
            for call in calls(word)? {
                if is_denial {
                    allowed.remove(&call);
                } else {
                    allowed.insert(call);
                }
            }
        }
    }
    ensure!(allowed.contains("adjtimex") && !allowed.contains("clock_settime"), "the clock: {allowed:?}");
    let folder = DataFolder::with_default_tsu()?;
    let trace = folder.work().join("trace");
    let program = attestamp_interop_tests::program::program()?.display().to_string();
    let data = folder.path().display().to_string();
    // `check` does what a start does: files, token, keys, a token with each TSU, the clock.
    let arguments = [
        "-f",
        "-qq",
        "-e",
        "signal=none",
        "-o",
        &trace.display().to_string(),
        &program,
        "--data",
        &data,
        "check",
    ];
    let traced = STRACE.run(&folder.work(), &arguments)?;
    if !traced.status.success() && traced.stderr.contains("ptrace") {
        // A container may forbid it.
        return Ok(());
    }
    traced.succeeded()?;
    let text = std::fs::read_to_string(&trace)?;
    let called: BTreeSet<String> = text.lines().filter_map(call_of).collect();
    ensure!(called.contains("openat") && called.contains("clock_adjtime"), "not a trace: {called:?}");
    let denied: Vec<_> = called.difference(&allowed).collect();
    ensure!(denied.is_empty(), "the unit denies {denied:?}");
    // MemoryDenyWriteExecute=
    let makes_code = |line: &&str| {
        line.contains("PROT_EXEC") && (line.contains(" mprotect(") || line.contains("PROT_WRITE"))
    };
    ensure!(text.lines().find(makes_code).is_none(), "the unit denies {:?}", text.lines().find(makes_code));
    Ok(())
}

/// A system call, or those of a group.
fn calls(word: &str) -> Result<BTreeSet<String>> {
    if !word.starts_with('@') {
        return Ok(BTreeSet::from([word.to_owned()]));
    }
    let listed = SYSTEMD_ANALYZE.run(Path::new("/"), &["syscall-filter", "--no-pager", word])?.succeeded()?;
    let mut found = BTreeSet::new();
    let lines = listed.stdout.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#') && *line != word) {
        found.extend(calls(line)?);
    }
    ensure!(!found.is_empty(), "an empty group: {listed}");
    Ok(found)
}

/// `12345 openat(AT_FDCWD, …` and `12345 <... futex resumed>…`
fn call_of(line: &str) -> Option<String> {
    let rest = line.split_once(' ')?.1.trim_start();
    let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!name.is_empty() && rest.get(name.len()..)?.starts_with('(')).then_some(name)
}

#[test]
fn the_service_manager_is_told_when_it_serves_that_it_lives_and_when_it_ends() -> Result<()> {
    let mut folder = DataFolder::with_default_tsu()?;
    let path = folder.work().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    // A message that never comes fails the test.
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    folder.set_variable("NOTIFY_SOCKET", path.as_os_str());
    folder.set_variable("WATCHDOG_USEC", "60000000");
    let authority = folder.serve()?;
    let mut heard = BTreeSet::new();
    let mut buffer = [0; 128];
    while !(heard.contains("READY=1") && heard.contains("WATCHDOG=1")) {
        let length = socket.recv(&mut buffer)?;
        heard.insert(String::from_utf8(buffer[..length].to_vec())?);
    }
    // It was told the truth: the next request is answered.
    ensure!(authority.connect()?.get("/readyz")?.status == 200);
    authority.stop()?;
    loop {
        let length = socket.recv(&mut buffer)?;
        if &buffer[..length] == b"STOPPING=1" {
            return Ok(());
        }
    }
}

#[test]
fn a_server_that_does_not_start_never_says_that_it_is_ready() -> Result<()> {
    let mut folder = DataFolder::with_default_tsu()?;
    let path = folder.work().join("notify");
    let socket = UnixDatagram::bind(&path)?;
    folder.set_variable("NOTIFY_SOCKET", path.as_os_str());
    folder.edit_configuration("[server]", "[server")?;
    folder.serve_refused()?.failed()?;
    socket.set_nonblocking(true)?;
    let heard = socket.recv(&mut [0; 128]);
    ensure!(heard.is_err(), "something was said");
    Ok(())
}
