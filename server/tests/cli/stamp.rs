//! `attestamp stamp --dual` and `attestamp verify` as a user meets them, against a server with a classical and a
//! post-quantum TSU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::{PROGRAM, attestamp, errors, run};

/// A server with the TSUs `default` and `pq`, and a folder for its user.
pub(super) struct Served {
    server: Child,
    pub(super) data: PathBuf,
    pub(super) work: PathBuf,
    url: String,
    _folder: tempfile::TempDir,
}

impl Served {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, work) = (folder.path().join("data"), folder.path().join("work"));
        let init = ["init", "--tsu", "default:p-256", "--tsu", "pq:ml-dsa-65", "--clock", "system"];
        let output = run(&data, &init);
        assert!(output.status.success(), "{}", errors(&output));
        fs::create_dir(&work).unwrap();
        fs::write(work.join("FILE"), "what is to be stamped").unwrap();
        for root in ["root.pem", "pq-root.pem"] {
            fs::copy(data.join("certs/ca").join(root), work.join(root)).unwrap();
        }
        let mut server = attestamp(&data, &["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listening = data.join("state/listening");
        while !listening.exists() {
            assert!(server.try_wait().unwrap().is_none(), "the server ended");
            std::thread::yield_now();
        }
        let url = format!("http://{}", fs::read_to_string(listening).unwrap().trim());
        Self { server, data, work, url, _folder: folder }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(super) fn user(&self, args: &[&str]) -> Output {
        let output = Command::new(PROGRAM).args(args).current_dir(&self.work).output().unwrap();
        assert!(!errors(&output).contains("panicked at"), "{args:?}: {}", errors(&output));
        output
    }

    fn there(&self, name: &str) -> bool {
        Path::new(&self.work).join(name).exists()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.server);
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        let _ = self.server.wait();
    }
}

#[test]
fn a_classical_and_a_post_quantum_timestamp_of_one_file() {
    let served = Served::start();
    assert!(served.data.join("certs/ca/pq-root.pem").exists());
    let (first, dual) = (served.url("/tsa"), served.url("/tsa/pq"));
    let mut args = vec!["stamp", "--url", &first, "--dual", &dual, "--ca", "root.pem", "FILE"];
    // Both are verified, so the roots of both are needed; nothing that does not verify is kept.
    let output = served.user(&args);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("FILE.dual.tsr is not written"), "{}", errors(&output));
    assert!(served.there("FILE.tsr") && !served.there("FILE.dual.tsr"));

    args.splice(0..1, ["stamp", "--ca", "pq-root.pem", "--force", "--json"]);
    let output = served.user(&args);
    assert!(output.status.success(), "{}", errors(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = &report["files"][0];
    assert_eq!((&file["output"], &file["dual"]["output"]), (&"FILE.tsr".into(), &"FILE.dual.tsr".into()));
    assert_eq!(file["signatureAlgorithm"], "ECDSA P-256 with SHA-256");
    assert_eq!(file["dual"]["signatureAlgorithm"], "ML-DSA-65");
    assert_eq!(file["imprint"], file["dual"]["imprint"]);
    assert_ne!(file["policy"], file["dual"]["policy"]);

    for (reply, root, other) in
        [("FILE.tsr", "root.pem", "pq-root.pem"), ("FILE.dual.tsr", "pq-root.pem", "root.pem")]
    {
        let verify = |root| served.user(&["verify", reply, "--data", "FILE", "--ca", root]);
        assert!(verify(root).status.success(), "{reply}");
        assert_eq!(verify(other).status.code(), Some(1), "{reply}");
    }
}

/// The command in the message is run as it stands, by a shell.
#[test]
fn the_message_about_a_missing_reply_says_how_to_get_it() {
    let served = Served::start();
    let (first, dual) = (served.url("/tsa/nobody"), served.url("/tsa/pq"));
    let output = served.user(&["stamp", "--url", &first, "--dual", &dual, "FILE"]);
    assert_eq!(output.status.code(), Some(1));
    let text = errors(&output);
    assert!(text.contains("FILE: FILE.tsr is not written: ") && text.contains("404"), "{text}");
    assert!(text.contains("FILE.dual.tsr is kept"), "{text}");
    assert!(served.there("FILE.dual.tsr") && !served.there("FILE.tsr"));

    let (_, command) = text.split_once("get the other with: attestamp ").unwrap();
    let command = format!("\"$0\" {}", command.trim().replace("/tsa/nobody", "/tsa"));
    let shell =
        Command::new("sh").args(["-c", &command, PROGRAM]).current_dir(&served.work).output().unwrap();
    assert!(shell.status.success(), "{command}: {}", errors(&shell));
    let verified = served.user(&["verify", "FILE.tsr", "--data", "FILE", "--ca", "root.pem"]);
    assert!(verified.status.success(), "{}", errors(&verified));
}
