//! `verify_evidence` on any input, under the vendor's root of a real device's evidence.
//!
//! Beyond "does not panic": nobody else has a key below that root, so whatever is accepted must state of the same key
//! exactly what the seed states. An input that is a certificate in DER stands in the attestation's place, above it the
//! device's real chain, so that what is inside an attestation is reached without Base64 around it. The time of judging is
//! fixed, so that the seeds do not expire.
//!
//! `cargo fuzz run -s none vendor_evidence fuzz/corpus/vendor_evidence fuzz/seeds/vendor_evidence`
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use attestamp_attestation::Certificate;
use attestamp_attestation::evidence::{DeviceStatement, EvidenceError, EvidenceFormat, verify_evidence};
use attestamp_certs::pem::{PemLabel, certificates_from_pem, to_pem};
use attestamp_certs::{CertificateDer, UnixTime};
use libfuzzer_sys::fuzz_target;

/// 2026-01-01T00:00:00Z, in the validity of the device's certificate.
const AT_UNIX_SECONDS: u64 = 1_767_225_600;
const ROOT: &str = include_str!("../../attestation/src/evidence/yubihsm2/vectors/yubico-yubihsm-root-ca.pem");
const SEED: &str = include_str!("../seeds/vendor_evidence/yubihsm2.pem");

static ROOTS: LazyLock<Vec<CertificateDer<'static>>> =
    LazyLock::new(|| certificates_from_pem(ROOT).expect("a root in PEM"));

static CHAIN: LazyLock<Vec<CertificateDer<'static>>> =
    LazyLock::new(|| certificates_from_pem(SEED).expect("evidence in PEM"));

/// The key of the seed, and what is stated of it.
static STATED: LazyLock<(Vec<u8>, DeviceStatement)> = LazyLock::new(|| {
    let attestation = Certificate::parse(&CHAIN[0]).expect("an attestation");
    let spki_der = attestation.spki_der().to_vec();
    let statement = verify(SEED.as_bytes(), &spki_der).expect("evidence that is verified");
    (spki_der, statement)
});

fuzz_target!(|input: &[u8]| {
    let (spki_der, statement) = &*STATED;
    let outcome = match Certificate::parse(input) {
        Ok(attestation) => {
            let mut pem = to_pem(PemLabel::Certificate, &CertificateDer::from(input));
            pem.extend(CHAIN[1..].iter().map(|der| to_pem(PemLabel::Certificate, der)));
            let outcome = verify(pem.as_bytes(), attestation.spki_der());
            assert!(outcome.is_err() || attestation.spki_der() == spki_der);
            outcome
        }
        Err(_) => verify(input, spki_der),
    };
    match outcome {
        Ok(stated) => assert_eq!(stated, *statement),
        // Reasons are shown to people.
        Err(error) => drop((error.to_string(), error.is_unjudgeable())),
    }
});

fn verify(evidence: &[u8], spki_der: &[u8]) -> Result<DeviceStatement, EvidenceError> {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(AT_UNIX_SECONDS));
    verify_evidence(EvidenceFormat::YubiHsm2.oid(), evidence, spki_der, &ROOTS, at)
}
