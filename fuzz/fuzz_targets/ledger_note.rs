//! `SignedCheckpoint::verify` and `VerifierKey::parse` on any input.
//!
//! Beyond "does not panic": what verifies under the keys of the seeds is the one checkpoint that those keys have signed,
//! because nobody else has them; and a verifier key has one form.
//!
//! `cargo fuzz run -s none ledger_note fuzz/corpus/ledger_note fuzz/seeds/ledger_note`
#![no_main]

use std::sync::LazyLock;

use attestamp_ledger::{SignedCheckpoint, VerifierKey};
use libfuzzer_sys::fuzz_target;

const ORIGIN: &str = "tsa.example/ledger";

/// A verifier key in each line.
static KEYS: LazyLock<Vec<VerifierKey>> = LazyLock::new(|| {
    include_str!("ledger_note/keys").lines().map(|line| VerifierKey::parse(line).expect("a key")).collect()
});

/// Without the extra octets that base64 and signatures may not have: any note that verifies has this text.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let note = include_str!("../seeds/ledger_note/both-keys");
    SignedCheckpoint::verify(note, ORIGIN, &KEYS).expect("the seed's note").checkpoint().text()
});

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(key) = VerifierKey::parse(text) {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(signed) = SignedCheckpoint::verify(text, ORIGIN, &KEYS) {
        assert_eq!(signed.checkpoint().text(), *TEXT);
        assert_eq!(signed.note(), text);
        assert!(!signed.signers(&KEYS).is_empty());
    }
});
