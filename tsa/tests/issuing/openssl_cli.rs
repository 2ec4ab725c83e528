//! `openssl ts` asks, we answer, `openssl ts` verifies and prints.

use attestamp_certs::SignatureAlgorithm;
use attestamp_tsa::{Accuracy, ChainDepth, EssHash, Etsi, GenTimePrecision, ProfileConfig};

use crate::test_tsu::TestTsu;

fn config() -> ProfileConfig {
    ProfileConfig {
        accepted_policies: vec!["1.2.3.5".parse().unwrap()],
        ..ProfileConfig::new("1.2.3.4".parse().unwrap())
    }
}

fn stamp(tsu: &TestTsu, config: &ProfileConfig, query_options: &str) {
    tsu.openssl(&format!("ts -query -data data -out query.tsq {query_options}"));
    tsu.write("reply.tsr", &tsu.reply(config, &tsu.read("query.tsq")));
}

fn verify(tsu: &TestTsu, options: &str) {
    for question in ["-queryfile query.tsq", "-data data"] {
        let said = tsu.openssl(&format!("ts -verify -in reply.tsr {question} -CAfile root.pem {options}"));
        assert!(said.contains("Verification: OK"), "{said}");
    }
}

fn tsu(algorithm: SignatureAlgorithm) -> TestTsu {
    let tsu = TestTsu::new(algorithm);
    tsu.write("data", b"what is stamped");
    tsu.write("both.pem", &[tsu.read("tsu.pem"), tsu.read("ca.pem")].concat());
    tsu
}

#[test]
fn openssl_verifies_every_key_that_it_can() {
    for algorithm in [
        SignatureAlgorithm::EcdsaP256Sha256,
        SignatureAlgorithm::EcdsaP384Sha384,
        SignatureAlgorithm::RsaPkcs1Sha256,
        SignatureAlgorithm::RsaPkcs1Sha384,
        SignatureAlgorithm::RsaPkcs1Sha512,
    ] {
        let tsu = tsu(algorithm);
        stamp(&tsu, &config(), "-sha256 -cert");
        verify(&tsu, "");
        stamp(&tsu, &config(), "-sha256");
        verify(&tsu, "-untrusted both.pem");
    }
}

#[test]
fn openssl_verifies_every_hash_and_option() {
    let tsu = tsu(SignatureAlgorithm::EcdsaP256Sha256);
    for hash in ["sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"] {
        stamp(&tsu, &config(), &format!("-{hash} -cert"));
        verify(&tsu, "");
    }
    stamp(&tsu, &config(), "-sha256 -cert -no_nonce -tspolicy 1.2.3.5");
    verify(&tsu, "");
    assert!(tsu.openssl("ts -reply -in reply.tsr -text").contains("Policy OID: 1.2.3.5"));
}

#[test]
fn openssl_verifies_every_profile() {
    let tsu = tsu(SignatureAlgorithm::EcdsaP256Sha256);
    let accuracy = Accuracy::new(0, 500, 20).unwrap();
    for config in [
        ProfileConfig { include_tsa_name: true, ..config() },
        ProfileConfig { ess: EssHash::V2Sha384, ..config() },
        ProfileConfig { ess: EssHash::V2Sha512, ..config() },
        ProfileConfig { ess: EssHash::CompatibilityV1Sha1, ..config() },
        ProfileConfig { gen_time_precision: GenTimePrecision::Millis, accuracy, ..config() },
        ProfileConfig { etsi: Etsi::Qualified, ..config() },
    ] {
        stamp(&tsu, &config, "-sha256 -cert");
        verify(&tsu, "");
    }
    stamp(&tsu, &ProfileConfig { chain_depth: ChainDepth::AtMost(0), ..config() }, "-sha256 -cert");
    verify(&tsu, "-untrusted ca.pem");
}

#[test]
fn openssl_prints_what_was_granted() {
    let tsu = tsu(SignatureAlgorithm::EcdsaP256Sha256);
    let accuracy = Accuracy::new(1, 500, 20).unwrap();
    let gen_time_precision = GenTimePrecision::Millis;
    let config =
        ProfileConfig { include_tsa_name: true, etsi: Etsi::Off, accuracy, gen_time_precision, ..config() };
    stamp(&tsu, &config, "-sha256 -cert");
    let printed = tsu.openssl("ts -reply -in reply.tsr -text");
    for line in [
        "Status: Granted.",
        "Policy OID: 1.2.3.4",
        "Hash Algorithm: sha256",
        "Serial number: 0x4141414141410000000000000007EEEEEEEEEEEE",
        "Time stamp: Nov 22 12:47:03.12 2026 GMT",
        "Accuracy: 0x01 seconds, 0x01F4 millis, 0x14 micros",
        "Ordering: no",
        "TSA: DirName:/C=FR/O=",
    ] {
        assert!(printed.contains(line), "{line} is not in\n{printed}");
    }
}

#[test]
fn openssl_refuses_a_token_that_was_changed() {
    let tsu = tsu(SignatureAlgorithm::EcdsaP256Sha256);
    stamp(&tsu, &config(), "-sha256 -cert");
    let reply = tsu.read("reply.tsr");
    let time = reply.windows(15).position(|window| window == b"20261122124703Z").unwrap();
    let mut changed = reply;
    changed[time + 13] = b'4';
    tsu.write("reply.tsr", &changed);
    let (success, said) = tsu.try_openssl("ts -verify -in reply.tsr -queryfile query.tsq -CAfile root.pem");
    assert!(!success && !said.contains("Verification: OK"), "{said}");
}

#[test]
fn openssl_prints_why_a_request_was_rejected() {
    let tsu = tsu(SignatureAlgorithm::EcdsaP256Sha256);
    stamp(&tsu, &config(), "-sha1 -cert");
    let (_, printed) = tsu.try_openssl("ts -reply -in reply.tsr -text");
    assert!(printed.contains("Status: Rejected."), "{printed}");
    assert!(printed.contains("unrecognized or unsupported algorithm identifier"), "{printed}");
    assert!(printed.contains("use SHA-256"), "{printed}");
}
