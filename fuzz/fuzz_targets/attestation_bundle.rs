//! `Bundle::read` and the whole judgement on any input.
//!
//! Beyond "does not panic": what is told under the pinned root of the seeds is what one of the seeds tells, because nobody
//! else has a key below that root. A byte through which a verdict, or a claim, could be had for another statement is a
//! crash here. The time of judging is fixed, so that the seeds do not expire.
//!
//! Checksums and base64 keep most changes of a bundle from getting far. So an input that begins as DER does is taken for
//! certificates one after the other, an attestation and its chain, and gets its PEM here.
//!
//! `cargo fuzz run -s none attestation_bundle fuzz/corpus/attestation_bundle fuzz/seeds/attestation_bundle`
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use attestamp_attestation::{Bundle, Certificate, Judgement, Question, Statement, Verdict, judge};
use attestamp_certs::UnixTime;
use attestamp_certs::pem::{PemLabel, certificates_from_pem, to_pem};
use libfuzzer_sys::fuzz_target;

/// 2026-01-02T00:00:00Z, a day after the seeds were made.
const AT_UNIX_SECONDS: u64 = 1_767_312_000;

static QUESTION: LazyLock<Question> = LazyLock::new(|| {
    let pem = include_str!("attestation_bundle/root.pem");
    let roots = certificates_from_pem(pem).expect("a root in PEM");
    Question {
        roots: roots.iter().map(|der| Certificate::parse(der).expect("a root")).collect(),
        nonce: None,
        at: UnixTime::since_unix_epoch(Duration::from_secs(AT_UNIX_SECONDS)),
        key: None,
        tsu_spki_der: None,
        token: None,
        vendor_roots: Vec::new(),
        require_device_signed: false,
    }
});

/// What each attestation of the seeds tells.
static SEEDS: LazyLock<Vec<Vec<Statement>>> = LazyLock::new(|| {
    let seeds: [(&[u8], Verdict); 4] = [
        (include_bytes!("../seeds/attestation_bundle/one-key.tar"), Verdict::Holds),
        (include_bytes!("../seeds/attestation_bundle/two-keys.tar"), Verdict::DoesNotHold),
        (include_bytes!("../seeds/attestation_bundle/one-key.pem"), Verdict::Holds),
        (include_bytes!("../seeds/attestation_bundle/one-key.der"), Verdict::Holds),
    ];
    seeds
        .iter()
        .flat_map(|(seed, verdict)| {
            let judgement = judge(&read(seed).expect("a seed that reads"), &QUESTION);
            assert_eq!(judgement.verdict, *verdict);
            told(&judgement)
        })
        .collect()
});

fuzz_target!(|input: &[u8]| {
    assert_eq!(SEEDS.len(), 5);
    let Some(bundle) = read(input) else { return };
    let judgement = judge(&bundle, &QUESTION);
    let told = told(&judgement);
    assert!(judgement.verdict != Verdict::Holds || !told.is_empty());
    assert!(told.iter().all(|statements| is_told_by_a_seed(SEEDS.iter(), statements)));
    // Reasons are shown to people.
    for located in judgement.located_reasons() {
        let _ = located.reason.to_string();
    }
});

fn read(input: &[u8]) -> Option<Bundle> {
    if input.first() != Some(&0x30) {
        return Bundle::read(input).ok();
    }
    let mut text = String::new();
    let mut rest = input;
    while let [0x30, 0x82, high, low, ..] = rest {
        let length = 4 + usize::from(u16::from_be_bytes([*high, *low]));
        let (certificate, after) = rest.split_at_checked(length)?;
        text.push_str(&to_pem(PemLabel::Certificate, certificate));
        rest = after;
    }
    Bundle::read(text.as_bytes()).ok()
}

/// What is said of each attestation that is verified.
fn told(judgement: &Judgement) -> Vec<Vec<Statement>> {
    let attestations = judgement.keys.iter().flat_map(|key| &key.attestations);
    attestations.filter(|it| it.verified().is_some()).map(|it| it.statements.clone()).collect()
}

/// Whether one of the seeds says the same, but for what this verifier found of evidence, which anybody can put into a bundle.
fn is_told_by_a_seed<'a>(mut seeds: impl Iterator<Item = &'a Vec<Statement>>, told: &[Statement]) -> bool {
    let is_claim = |statement: &&Statement| {
        statement.name != "vendor evidence"
            || statement.asserted_by != attestamp_attestation::Asserter::Verifier
    };
    seeds.any(|seed| seed.iter().filter(is_claim).eq(told.iter().filter(is_claim)))
}
