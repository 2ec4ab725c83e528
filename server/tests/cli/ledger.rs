//! `attestamp ledger …` as operators and auditors meet it, beside a server that runs and after its end.

mod operators;
mod refusals;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use super::{PROGRAM, errors, initialised, refusal, run};

const PQ_MISSING: &str = "no post-quantum key";

/// A server on a data folder, and a user's folder with a stamped file.
struct Place {
    _folder: tempfile::TempDir,
    data: PathBuf,
    work: PathBuf,
    server: Option<(Child, String)>,
}

impl Place {
    /// Whose checkpoints come every second.
    fn new() -> Self {
        let (folder, data) = initialised();
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        edit(&data, "# checkpoint-seconds = 10", "checkpoint-seconds = 1");
        let mut place = Self { _folder: folder, data, work, server: None };
        place.serve();
        place
    }

    fn serve(&mut self) {
        // A limit of a file's size stands for a full disk: the signal that comes with it is for programs that ask for it.
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", PROGRAM, "--data"]).arg(&self.data);
        shell.args(["serve", "--listen", "127.0.0.1:0"]);
        let mut server =
            shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let listening = self.data.join("state/listening");
        while !listening.exists() {
            assert!(server.try_wait().unwrap().is_none(), "the server ended");
            std::thread::yield_now();
        }
        let address = fs::read_to_string(listening).unwrap().trim().to_owned();
        self.server = Some((server, address));
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.as_ref().unwrap().1)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.server.as_ref().unwrap().0)
    }

    fn stop(&mut self) {
        let (mut server, _) = self.server.take().unwrap();
        kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
        assert!(server.wait().unwrap().success());
    }

    /// Stamps a new file of this name.
    fn stamp(&self, name: &str) {
        fs::write(self.work.join(name), format!("the content of {name}")).unwrap();
        let output = self.user(&["stamp", "--url", &self.url(), name]);
        assert!(output.status.success(), "{}", errors(&output));
    }

    /// Runs the program without a data folder, in the user's.
    fn user(&self, args: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(args).current_dir(&self.work).env("ATTESTAMP_DATA", self.work.join("none"));
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(!errors(&output).contains("panicked at"), "{args:?}: {}", errors(&output));
        output
    }

    /// Runs `ledger …` on the data folder.
    fn ledger(&self, args: &[&str]) -> Output {
        run(&self.data, &[&["ledger"], args].concat())
    }

    fn path(&self, name: &str) -> String {
        self.work.join(name).to_str().unwrap().to_owned()
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.server.as_ref().unwrap().1).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((mut server, _)) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn edit(data: &Path, from: &str, to: &str) {
    let path = data.join("attestamp.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "no {from} in {text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn done(output: Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output), errors(&output));
    text(&output)
}

/// The exit code, and these words in what was said.
#[track_caller]
fn ended(output: &Output, code: i32, words: &str) {
    let said = text(output) + &errors(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(words), "no {words:?} in {said}");
}

/// E6: from the server, over HTTP, to a file that is checked without it.
#[test]
fn a_stranger_gets_a_proof_and_checks_it_offline() {
    let mut place = Place::new();
    place.stamp("FILE");
    place.stamp("OTHER");
    let url = place.url();
    let proved = done(place.user(&["ledger", "prove", "FILE", "--url", &url]));
    assert!(proved.contains("wrote FILE.tlog-proof"), "{proved}");
    fs::write(place.path("keys.txt"), done(place.ledger(&["keys"]))).unwrap();
    place.stop();
    let verify = ["ledger", "verify", "--proof", "FILE.tlog-proof", "--keys", "keys.txt", "--token"];
    let verify = |file| [&verify[..], &[file]].concat();
    let holds = done(place.user(&verify("FILE.tsr")));
    for word in
        ["holds: the timestamp is on record", "serial       0x", "Ed25519", "ML-DSA-44", "certificate  "]
    {
        assert!(holds.contains(word), "no {word} in {holds}");
    }
    assert!(!holds.contains("not compared"), "{holds}");
    ended(&place.user(&verify("OTHER.tsr")), 1, "does not hold: the timestamp's serial number");
    ended(&place.user(&verify("MISSING.tsr")), 2, "could not be judged");
    let proof = fs::read_to_string(place.path("FILE.tlog-proof")).unwrap();
    let index = proof.lines().find(|line| line.starts_with("index ")).unwrap();
    let altered = proof.replacen(index, &format!("{index}0"), 1);
    fs::write(place.path("FILE.tlog-proof"), altered).unwrap();
    ended(&place.user(&verify("FILE.tsr")), 1, "does not hold");
    fs::write(place.path("FILE.tlog-proof"), &proof).unwrap();
    // Keys of another ledger.
    let (_other, data) = initialised();
    fs::copy(data.join("certs/ledger/keys.txt"), place.path("keys.txt")).unwrap();
    ended(&place.user(&verify("FILE.tsr")), 1, "does not hold");
    ended(
        &place.user(&["ledger", "verify", "--proof", "FILE.tlog-proof", "--token", "FILE.tsr"]),
        2,
        "--keys",
    );
}

#[test]
fn the_operator_gets_a_proof_from_the_folder_with_and_without_a_server() {
    let mut place = Place::new();
    place.stamp("FILE");
    let output = place.path("proof");
    done(place.ledger(&["prove", &place.path("FILE.tsr"), "-o", &output]));
    done(place.ledger(&["verify", "--proof", &output, "--token", &place.path("FILE.tsr")]));
    place.stop();
    done(place.ledger(&["prove", &place.path("FILE.tsr")]));
    // A timestamp of another authority.
    let other = Place::new();
    other.stamp("FILE");
    ended(&place.ledger(&["prove", &other.path("FILE.tsr")]), 1, "is on record here");
    let foreign = ["ledger", "prove", &place.path("FILE.tsr"), "--force", "--url", &other.url()];
    ended(&place.user(&foreign), 1, "is on record there");
}

#[test]
fn a_whole_ledger_holds_until_an_octet_of_it_is_another() {
    let mut place = Place::new();
    place.stamp("FILE");
    done(place.ledger(&["verify"]));
    place.stop();
    let holds = done(place.ledger(&["verify"]));
    assert!(holds.contains("holds: the ledger") && holds.contains("younger      0 of them"), "{holds}");
    // The last checkpoint came with the end.
    let status = done(place.ledger(&["status"]));
    assert!(status.contains("signed by    Ed25519"), "{status}");
    let entries = place.data.join("ledger/segments/00000001/entries");
    let mut octets = fs::read(&entries).unwrap();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::write(&entries, octets).unwrap();
    ended(&place.ledger(&["verify"]), 1, "does not hold");
    let text = refusal(&place.data, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(text.contains("docs/ledger.md"), "{text}");
    ended(&place.ledger(&["verify", "--folder", "nowhere"]), 2, "could not be judged");
}

#[test]
fn one_checkpoint_continues_another() {
    let mut place = Place::new();
    let keep = |place: &Place, name: &str| {
        fs::write(place.path(name), done(place.ledger(&["checkpoint"]))).unwrap();
    };
    place.stamp("FIRST");
    done(place.ledger(&["prove", &place.path("FIRST.tsr")]));
    keep(&place, "before");
    place.stamp("SECOND");
    done(place.ledger(&["prove", &place.path("SECOND.tsr")]));
    keep(&place, "after");
    fs::write(place.path("keys.txt"), done(place.ledger(&["keys"]))).unwrap();
    let (url, before, after) = (place.url(), place.path("before"), place.path("after"));
    let of_url =
        ["ledger", "verify", "--from", "before", "--to", "after", "--keys", "keys.txt", "--url", &url];
    assert!(done(place.user(&of_url)).contains("was continued"));
    let of_url = ["ledger", "checkpoint", "--url", &url, "--keys", "keys.txt"];
    assert!(done(place.user(&of_url)).contains("\u{2014} "));
    place.stop();
    done(place.ledger(&["verify", "--from", &before, "--to", &after]));
    done(place.ledger(&["verify", "--from", &after, "--to", &after]));
    ended(&place.ledger(&["verify", "--from", &after, "--to", &before]), 1, "no ledger becomes shorter");
    let note = fs::read_to_string(&before).unwrap();
    let mut lines: Vec<_> = note.lines().map(str::to_owned).collect();
    lines[1] = "3".to_owned();
    fs::write(&before, lines.join("\n") + "\n").unwrap();
    ended(&place.ledger(&["verify", "--from", &before, "--to", &after]), 1, "does not hold");
}

#[test]
fn the_timestamps_of_an_interval_are_listed_with_the_state_of_the_clock() {
    let mut place = Place::new();
    place.stamp("FIRST");
    place.stamp("SECOND");
    place.stop();
    let all = ["list", "--from", "2020-01-01", "--to", "2100-01-01T00:00:00Z"];
    let listed = done(place.ledger(&all));
    assert!(listed.ends_with("2 timestamps\n"), "{listed}");
    assert_eq!(
        listed.matches("  default  2.999.3161.1  clock: good, with a warning, not assured").count(),
        2,
        "{listed}"
    );
    let turned = ["list", "--from", "2100-01-01T00:00:00Z", "--to", "2020-01-01"];
    ended(&place.ledger(&turned), 1, "--from must be before --to");
    let json = done(place.ledger(&[&all[..], &["--json", "--tsu", "default"]].concat()));
    let rows: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["tsu"], "default");
    assert_eq!(rows[0]["serial"].as_str().unwrap().len(), 40);
    let none = ["list", "--from", "2020-01-01", "--to", "2020-01-02"];
    assert!(done(place.ledger(&none)).ends_with("0 timestamps\n"));
    ended(&place.ledger(&["list", "--from", "yesterday", "--to", "2020-01-02"]), 2, "2026-02-03T04:05:06Z");
}

#[test]
fn a_segment_and_the_tiles_are_taken_elsewhere() {
    let mut place = Place::new();
    place.stamp("FILE");
    place.stop();
    let archive = place.path("segment.tar");
    assert!(done(place.ledger(&["export", "1", "-o", &archive])).contains("segment 1"));
    ended(&place.ledger(&["export", "7", "-o", &place.path("x")]), 1, "it has segments 1 to 1");
    assert!(Command::new("tar").args(["xf", &archive]).current_dir(&place.work).status().unwrap().success());
    fs::write(place.path("keys.txt"), done(place.ledger(&["keys"]))).unwrap();
    let exported = ["ledger", "verify", "--folder", "ledger-segment-00000001", "--keys", "keys.txt"];
    assert!(done(place.user(&exported)).contains("holds: the ledger"));

    let tiles = place.path("tiles");
    for _ in 0..2 {
        done(place.ledger(&["export-tiles", &tiles]));
    }
    let checkpoint = fs::read_to_string(Path::new(&tiles).join("checkpoint")).unwrap();
    assert_eq!(checkpoint, done(place.ledger(&["checkpoint"])));
    let size: usize = checkpoint.lines().nth(1).unwrap().parse().unwrap();
    let tile = fs::read(Path::new(&tiles).join(format!("tile/0/000.p/{size}"))).unwrap();
    assert_eq!(tile.len(), 32 * size);
    assert!(Path::new(&tiles).join(format!("tile/entries/000.p/{size}")).exists());
}

#[test]
fn a_folder_from_before_gets_a_ledger_and_a_ledger_a_successor() {
    let (_folder, data) = initialised();
    let path = data.join("attestamp.toml");
    let written = fs::read_to_string(&path).unwrap();
    let begin = written.find("\n# The record of every token issued").unwrap();
    let end = begin + written[begin..].find("\n# The keys that attest others").unwrap();
    fs::write(&path, format!("{}{}", &written[..begin], &written[end..])).unwrap();
    // The folder of a ledger without its configuration is no reason to begin another.
    let text = refusal(&data, &["ledger", "init"]);
    assert!(text.contains("attestamp.toml has no [ledger] for it"), "{text}");
    fs::remove_dir_all(data.join("ledger")).unwrap();
    fs::remove_file(data.join("state/ledger-anchor")).unwrap();
    fs::remove_dir_all(data.join("certs/ledger")).unwrap();
    let text = refusal(&data, &["ledger", "status"]);
    assert!(text.contains("attestamp ledger init"), "{text}");

    let begun = done(run(&data, &["ledger", "init", "--ledger-origin", "tsa.example.org/one"]));
    assert!(
        begun.contains("begun: the ledger tsa.example.org/one") && !begun.contains(PQ_MISSING),
        "{begun}"
    );
    assert!(run(&data, &["check", "-q"]).status.success());
    done(run(&data, &["ledger", "verify"]));
    assert!(refusal(&data, &["ledger", "init"]).contains("--new"));
    assert!(
        refusal(&data, &["ledger", "init", "--new", "--ledger-origin", "tsa.example.org/one"])
            .contains("another name")
    );

    let keys = done(run(&data, &["ledger", "keys"]));
    let begun = done(run(&data, &["ledger", "init", "--new", "--ledger-origin", "tsa.example.org/two"]));
    assert!(begun.contains("the old ledger is kept in"), "{begun}");
    let folders = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kept = folders.into_iter().find(|name| name.starts_with("ledger-until-")).unwrap();
    let kept = data.join(kept);
    done(run(&data, &["ledger", "verify"]));
    let old = ["ledger", "verify", "--origin", "tsa.example.org/one", "--folder", kept.to_str().unwrap()];
    done(run(&data, &old));
    // A name that was used before would have two ledgers.
    let again = ["ledger", "init", "--new", "--ledger-origin", "tsa.example.org/one"];
    assert!(refusal(&data, &again).contains("another name"));
    // The keys that have signed stay.
    let both = done(run(&data, &["ledger", "keys"]));
    assert!(both.starts_with(&keys) && both.lines().count() == 4, "{both}");
    assert!(run(&data, &["check", "-q"]).status.success());
}

/// E8: while no server runs, the command itself records it.
#[test]
fn commands_on_tsus_are_on_record() {
    let (_folder, data) = initialised();
    let size = || {
        let json = done(run(&data, &["ledger", "status", "--json"]));
        let status: serde_json::Value = serde_json::from_str(&json).unwrap();
        status["checkpoint"]["entries"].as_u64().unwrap()
    };
    let before = size();
    assert!(before > 0, "init");
    assert!(run(&data, &["tsu", "new", "second"]).status.success());
    assert_eq!(size(), before + 3, "key, certificate, configuration");
    let chain = data.join("certs/tsu/second.pem");
    let copy = data.join("copy.pem");
    fs::copy(&chain, &copy).unwrap();
    assert!(run(&data, &["tsu", "import", "second", copy.to_str().unwrap()]).status.success());
    assert_eq!(size(), before + 4);
    assert!(run(&data, &["tsu", "retire", "second", "--destroy-key"]).status.success());
    assert_eq!(size(), before + 7, "configuration, TSU, key");
    done(run(&data, &["ledger", "verify"]));
}

/// E5: a disk that takes nothing more stops issuing, `/readyz` says so, and it goes on by itself.
#[test]
fn what_cannot_be_recorded_is_not_issued() {
    let mut place = Place::new();
    for file in 0..30 {
        place.stamp(&format!("FILE{file}"));
    }
    assert_eq!(place.get("/readyz").0, 200);
    // Nothing may be written behind the fourth kibibyte of any file: the entries are beyond that, and nothing else that matters.
    let before = getrlimit(Resource::Fsize);
    let short = Rlimit { current: Some(4096), maximum: before.maximum };
    prlimit(Some(place.pid()), Resource::Fsize, short).unwrap();
    fs::write(place.work.join("REFUSED"), "x").unwrap();
    let refused = place.user(&["stamp", "--retries", "0", "--url", &place.url(), "REFUSED"]);
    assert!(!refused.status.success());
    assert!(errors(&refused).contains("systemFailure"), "{}", errors(&refused));
    let (status, readiness) = place.get("/readyz");
    assert_eq!(status, 503);
    assert!(readiness.contains("ledger-unwritable"), "{readiness}");
    prlimit(Some(place.pid()), Resource::Fsize, before).unwrap();
    while place.get("/readyz").0 != 200 {
        std::thread::yield_now();
    }
    place.stamp("GRANTED");
    let (_, metrics) = place.get("/metrics");
    let failures = metrics.lines().find(|line| line.starts_with("attestamp_ledger_commit_failures_total"));
    assert_ne!(failures, Some("attestamp_ledger_commit_failures_total 0"));
    place.stop();
    done(place.ledger(&["verify"]));
    let listed = done(place.ledger(&["list", "--from", "2020-01-01", "--to", "2100-01-01"]));
    assert!(listed.ends_with("31 timestamps\n"), "{listed}");
}
