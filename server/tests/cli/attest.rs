//! `attestamp attest verify` as an auditor meets it: with the roots that somebody gave them, and what a server gives to
//! everybody.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Output;

use super::errors;
use super::stamp::Served;

const NONCE: &str = "000102030405060708090a0b0c0d0e0f";

/// A server, and the roots of its devices, pinned as `device.pem` and `pq-device.pem`.
struct Audited(Served);

impl Audited {
    fn start() -> Self {
        let served = Served::start();
        for (file, pinned) in [("device-root.pem", "device.pem"), ("pq-device-root.pem", "pq-device.pem")] {
            fs::copy(served.data.join("certs/attestation").join(file), served.work.join(pinned)).unwrap();
        }
        Self(served)
    }

    /// `GET`, into a file of the auditor's.
    fn fetch(&self, path: &str, file: &str) {
        let url = self.0.url("");
        let mut connection = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        write!(connection, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut reply = Vec::new();
        connection.read_to_end(&mut reply).unwrap();
        let end = reply.windows(4).position(|octets| octets == b"\r\n\r\n").unwrap();
        let (head, body) = reply.split_at(end + 4);
        let head = String::from_utf8_lossy(head);
        assert!(head.contains(" 200 "), "{path}: {head}");
        fs::write(self.0.work.join(file), body).unwrap();
    }

    fn verify(&self, bundle: &str, options: &[&str]) -> Output {
        self.0.user(&[&["attest", "verify", bundle, "--root", "device.pem"], options].concat())
    }

    fn stamp(&self, tsu: &str, reply: &str) {
        let url = self.0.url(tsu);
        let output = self.0.user(&["stamp", "--url", &url, "FILE", "--force"]);
        assert!(output.status.success(), "{}", errors(&output));
        fs::rename(self.0.work.join("FILE.tsr"), self.0.work.join(reply)).unwrap();
    }
}

#[track_caller]
fn ends(output: &Output, code: i32, last_line: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{text}{}", errors(output));
    assert_eq!(text.lines().last(), Some(last_line), "{text}");
}

const HOLDS: &str = "Verdict       the attestation holds as the word of its host (hostAsserted)";
const DOES_NOT_HOLD: &str = "Verdict       the attestation does NOT hold";

/// From a running server to a verdict, by somebody who has only the pinned roots.
#[test]
fn a_servers_bundle_holds_under_the_pinned_roots_and_under_no_other() {
    let audited = Audited::start();
    audited.fetch("/attestation/bundle.tar", "bundle.tar");
    ends(&audited.verify("bundle.tar", &[]), 0, HOLDS);
    let output = audited.verify("bundle.tar", &["--root", "pq-device.pem", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "holds");
    let keys: Vec<&str> =
        report["keys"].as_array().unwrap().iter().map(|key| key["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["default", "pq"]);
    for key in report["keys"].as_array().unwrap() {
        assert_eq!(key["tsuCertificate"], "sameKey");
        let post_quantum: Vec<_> =
            key["attestations"].as_array().unwrap().iter().map(|it| it["postQuantum"].clone()).collect();
        assert_eq!(post_quantum, [false, true]);
    }
    // The TSA's root is not the device's.
    ends(&audited.verify("bundle.tar", &["--root", "root.pem"]), 1, DOES_NOT_HOLD);
    // D8: a nonce that was not asked of the server.
    ends(&audited.verify("bundle.tar", &["--nonce", NONCE]), 1, DOES_NOT_HOLD);
}

#[test]
fn a_fresh_attestation_carries_the_auditors_nonce() {
    let audited = Audited::start();
    audited.fetch(&format!("/attestation/keys/default?nonce={NONCE}"), "fresh.pem");
    let output = audited.verify("fresh.pem", &["--nonce", NONCE]);
    ends(&output, 0, HOLDS);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("  verifier  freshness                  fresh: it carries your nonce"), "{text}");
    assert!(text.contains(&format!("  host      nonce                      {NONCE}")), "{text}");
    audited.fetch(&format!("/attestation/bundle.tar?nonce={NONCE}"), "fresh.tar");
    ends(&audited.verify("fresh.tar", &["--nonce", NONCE, "--root", "pq-device.pem"]), 0, HOLDS);
}

/// D7.
#[test]
fn a_token_is_tied_to_the_attested_key_that_signed_it() {
    let audited = Audited::start();
    audited.fetch("/attestation/bundle.tar", "bundle.tar");
    for (tsu, name, root) in [("/tsa", "default", "root.pem"), ("/tsa/pq", "pq", "pq-root.pem")] {
        audited.stamp(tsu, "FILE.tsr");
        let last_line = format!("{HOLDS}, and this token was signed by the attested key {name}");
        ends(&audited.verify("bundle.tar", &["--token", "FILE.tsr"]), 0, &last_line);
        ends(&audited.verify("bundle.tar", &["--token", "FILE.tsr", "--ca", root]), 0, &last_line);
        let other = if name == "pq" { "default" } else { "pq" };
        ends(&audited.verify("bundle.tar", &["--token", "FILE.tsr", "--key", other]), 1, DOES_NOT_HOLD);
    }
}

#[test]
fn what_cannot_be_read_is_not_judged() {
    let audited = Audited::start();
    audited.fetch("/attestation/bundle.tar", "bundle.tar");
    let whole = fs::read(audited.0.work.join("bundle.tar")).unwrap();
    fs::write(audited.0.work.join("part.tar"), &whole[..whole.len() / 2]).unwrap();
    let output = audited.verify("part.tar", &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(errors(&output).contains("fetch the archive again"), "{}", errors(&output));
    let output = audited.0.user(&["attest", "verify", "bundle.tar"]);
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("--root"), "{}", errors(&output));
}
