//! `Proof::parse` and `Proof::verify` on any input: a proof has one form, and what it proves under the keys of the seeds
//! is what the seed proves or another leaf of that tree, of which there is no other to be had.
//!
//! `cargo fuzz run -s none ledger_proof fuzz/corpus/ledger_proof fuzz/seeds/ledger_proof`
#![no_main]

use std::sync::LazyLock;

use attestamp_ledger::{Entry, Proof, TilePath, VerifierKey};
use libfuzzer_sys::fuzz_target;

const ORIGIN: &str = "tsa.example/ledger";

static KEYS: LazyLock<Vec<VerifierKey>> = LazyLock::new(|| {
    include_str!("ledger_note/keys").lines().map(|line| VerifierKey::parse(line).expect("a key")).collect()
});

static PROVED: LazyLock<(u64, Entry)> = LazyLock::new(|| {
    let proof =
        Proof::parse(include_str!("../seeds/ledger_proof/token.tlog-proof")).expect("the seed's proof");
    let proved = proof.verify(ORIGIN, &KEYS).expect("a proof that holds");
    (proved.index, proved.entry)
});

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(path) = TilePath::parse(text) {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(proof) = Proof::parse(text) {
        assert_eq!(proof.to_text(), text);
        if let Ok(proved) = proof.verify(ORIGIN, &KEYS) {
            assert_eq!((proved.index, proved.entry), *PROVED);
        }
    }
});
