//! Tests against the `openssl` command line: what we build, it reads, verifies and accepts at its strictest.
//!
//! Every test takes OpenSSL's own verdict, for each signature algorithm that OpenSSL 3.0 knows.

use std::path::Path;
use std::process::Command;

use der::pem::LineEnding;
use tempfile::TempDir;

use crate::test_keys::{Hierarchy, NOW, TestKey, YEAR, at, hierarchy, serial, subject, tsu};
use crate::{
    CrlParameters, CsrParameters, Issuer, RevocationReason, RevokedCertificate, UnsignedCrl, UnsignedCsr,
};

/// What OpenSSL said, and whether it exited with 0.
struct Verdict {
    success: bool,
    text: String,
}

fn openssl(folder: &Path, arguments: &str) -> Verdict {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("the openssl command line is needed");
    let text =
        [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned()).concat();
    Verdict { success: output.status.success(), text }
}

fn write(folder: &Path, name: &str, label: &str, der: &[u8]) {
    let pem = der::pem::encode_string(label, LineEnding::LF, der).unwrap();
    std::fs::write(folder.join(name), pem).unwrap();
}

fn write_hierarchy(hierarchy: &Hierarchy) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, der) in
        [("root.pem", &hierarchy.root), ("ca.pem", &hierarchy.intermediate), ("tsu.pem", &hierarchy.tsu)]
    {
        write(folder.path(), name, "CERTIFICATE", der);
    }
    folder
}

fn every_key() -> Vec<TestKey> {
    vec![TestKey::p256(7), TestKey::p384(8), TestKey::ed25519(9), TestKey::rsa2048(10)]
}

fn default_hierarchy(base: Option<&str>) -> Hierarchy {
    hierarchy(&TestKey::p256(1), &TestKey::p256(2), &TestKey::p256(3), base)
}

const VERIFY: &str =
    "verify -x509_strict -purpose timestampsign -check_ss_sig -CAfile root.pem -untrusted ca.pem";

#[test]
fn chains_of_every_algorithm_verify_strictly_for_timestamping() {
    let at = NOW + YEAR;
    for key in every_key() {
        for base in [None, Some("https://tsa.example")] {
            let folder = write_hierarchy(&hierarchy(&key, &key, &key, base));
            let verdict = openssl(folder.path(), &format!("{VERIFY} -attime {at} tsu.pem"));
            assert!(verdict.success, "{:?}: {}", key.algorithm, verdict.text);
        }
    }
}

#[test]
fn a_chain_of_mixed_algorithms_verifies() {
    let hierarchy = hierarchy(&TestKey::p384(1), &TestKey::rsa2048(2), &TestKey::ed25519(3), None);
    let folder = write_hierarchy(&hierarchy);
    let verdict = openssl(folder.path(), &format!("{VERIFY} -attime {NOW} tsu.pem"));
    assert!(verdict.success, "{}", verdict.text);
}

#[test]
fn a_tsu_certificate_serves_timestamping_and_nothing_else() {
    let folder = write_hierarchy(&default_hierarchy(None));
    for purpose in ["sslserver", "sslclient", "smimesign", "crlsign"] {
        let arguments =
            format!("verify -purpose {purpose} -attime {NOW} -CAfile root.pem -untrusted ca.pem tsu.pem");
        assert!(!openssl(folder.path(), &arguments).success, "{purpose}");
    }
    let after = NOW + 5 * YEAR + 1;
    assert!(!openssl(folder.path(), &format!("{VERIFY} -attime {after} tsu.pem")).success);
}

#[test]
fn policies_of_a_tsu_are_valid_below_the_intermediates_any_policy() {
    let mut hierarchy = default_hierarchy(None);
    let issuer = Issuer::from_certificate(&hierarchy.intermediate).unwrap();
    let policies = [const_oid::ObjectIdentifier::new_unwrap("0.4.0.2023.1.1")];
    hierarchy.tsu = tsu(&issuer, &TestKey::p256(2), &TestKey::p256(3), &policies, None);
    let folder = write_hierarchy(&hierarchy);
    let verify = format!("{VERIFY} -attime {NOW} -explicit_policy");
    assert!(openssl(folder.path(), &format!("{verify} -policy 0.4.0.2023.1.1 tsu.pem")).success);
    assert!(!openssl(folder.path(), &format!("{verify} -policy 1.2.3.4 tsu.pem")).success);
}

#[test]
fn openssl_prints_the_extensions_under_their_names() {
    let folder = write_hierarchy(&default_hierarchy(Some("https://tsa.example")));
    let text = openssl(folder.path(), "x509 -in tsu.pem -noout -text").text;
    for expected in [
        "Version: 3 (0x2)",
        "Issuer: C = FI, O = Example Oy, organizationIdentifier = NTRFI-1234567-8, CN = Time-Stamping CA",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Extended Key Usage: critical\n                Time Stamping\n",
        "X509v3 Private Key Usage Period: \n                Not After: Jan  1 00:00:00 2027 GMT",
        "Full Name:\n                  URI:https://tsa.example/pki/tsa.crl",
        "CA Issuers - URI:https://tsa.example/pki/tsa.pem",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let text = openssl(folder.path(), "x509 -in ca.pem -noout -text").text;
    for expected in [
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0\n",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
        "X509v3 Extended Key Usage: \n                Time Stamping\n",
        "URI:https://tsa.example/pki/root.crl",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[test]
fn requests_of_every_algorithm_verify_and_ask_for_timestamping() {
    for key in every_key() {
        let unsigned = UnsignedCsr::tsu(CsrParameters {
            subject: &subject("Time-Stamping Unit 1"),
            spki_der: &key.spki_der,
            signature_algorithm: key.algorithm,
        })
        .unwrap();
        let signature = key.sign(unsigned.to_be_signed());
        let csr = unsigned.attach(&signature).unwrap();
        let folder = TempDir::new().unwrap();
        write(folder.path(), "tsu.csr", "CERTIFICATE REQUEST", &csr);
        let verdict = openssl(folder.path(), "req -in tsu.csr -verify -noout -text");
        assert!(
            verdict.success && verdict.text.contains("verify OK"),
            "{:?} {}",
            key.algorithm,
            verdict.text
        );
        for expected in ["Key Usage: critical\n", "Extended Key Usage: critical\n", "Time Stamping\n"] {
            assert!(verdict.text.contains(expected), "{expected} is not in {}", verdict.text);
        }
    }
}

#[test]
fn a_request_with_another_signature_does_not_verify() {
    let key = TestKey::p256(7);
    let unsigned = UnsignedCsr::tsu(CsrParameters {
        subject: &subject("Time-Stamping Unit 1"),
        spki_der: &key.spki_der,
        signature_algorithm: key.algorithm,
    })
    .unwrap();
    let signature = TestKey::p256(8).sign(unsigned.to_be_signed());
    let folder = TempDir::new().unwrap();
    write(folder.path(), "tsu.csr", "CERTIFICATE REQUEST", &unsigned.attach(&signature).unwrap());
    assert!(!openssl(folder.path(), "req -in tsu.csr -verify -noout").text.contains("verify OK"));
}

fn write_crl(folder: &Path, name: &str, issuer: &Issuer, key: &TestKey, revoked: &[RevokedCertificate]) {
    let unsigned = UnsignedCrl::build(CrlParameters {
        issuer,
        signature_algorithm: key.algorithm,
        this_update: at(NOW),
        next_update: at(NOW + YEAR),
        number: 7,
        revoked,
    })
    .unwrap();
    let signature = key.sign(unsigned.to_be_signed());
    write(folder, name, "X509 CRL", &unsigned.attach(&signature).unwrap());
}

#[test]
fn crls_of_every_algorithm_verify_and_revoke() {
    for key in every_key() {
        let hierarchy = hierarchy(&key, &key, &key, None);
        let folder = write_hierarchy(&hierarchy);
        let root = Issuer::from_certificate(&hierarchy.root).unwrap();
        let ca = Issuer::from_certificate(&hierarchy.intermediate).unwrap();
        let superseded = Some(RevocationReason::Superseded);
        let other = RevokedCertificate { serial: serial(77), revoked_at: at(NOW), reason: superseded };
        let tsu = RevokedCertificate { serial: serial(3), ..other.clone() };
        write_crl(folder.path(), "root.crl", &root, &key, &[]);
        write_crl(folder.path(), "other.crl", &ca, &key, std::slice::from_ref(&other));
        write_crl(folder.path(), "tsu.crl", &ca, &key, &[tsu, other]);

        let text = openssl(folder.path(), "crl -in tsu.crl -noout -text -CAfile ca.pem").text;
        for expected in
            ["verify OK", "Version 2 (0x1)", "X509v3 CRL Number: \n                7", "Superseded"]
        {
            assert!(text.contains(expected), "{:?}: {expected} is not in {text}", key.algorithm);
        }
        let verify = format!("{VERIFY} -attime {} -crl_check_all -CRLfile root.crl", NOW + 60);
        let unrevoked = openssl(folder.path(), &format!("{verify} -CRLfile other.crl tsu.pem"));
        assert!(unrevoked.success, "{:?}: {}", key.algorithm, unrevoked.text);
        let revoked = openssl(folder.path(), &format!("{verify} -CRLfile tsu.crl tsu.pem"));
        assert!(!revoked.success && revoked.text.contains("certificate revoked"), "{}", revoked.text);
    }
}
