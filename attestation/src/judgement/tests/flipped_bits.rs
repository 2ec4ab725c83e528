//! Any flipped bit of a bundle makes the verdict another than "holds", or leaves everything that is told unchanged.
//!
//! In steps, since judging takes a millisecond: no bit of an archive but the README's is lost in reading it; every bit of
//! what an attestation's signature is over is judged; of all bits of a small bundle one in each octet is, and of one with
//! both chains a sample. The small one's hierarchy is of P-256, which is the quickest to verify.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::Certificate;

/// Everything that a report prints of a bundle that holds.
fn told(judgement: &Judgement) -> Vec<(String, Vec<Statement>)> {
    let told = |key: &KeyFinding| {
        key.attestations.iter().map(|it| (key.key.clone(), it.statements.clone())).collect::<Vec<_>>()
    };
    judgement.keys.iter().flat_map(told).collect()
}

fn flipped(octets: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = octets.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

/// An archive, and what it tells.
struct Good {
    archive: Vec<u8>,
    question: Question,
    told: Vec<(String, Vec<Statement>)>,
}

impl Good {
    fn new(bundle: &TestBundle, question: Question) -> Self {
        let told = told(&holds(bundle, &question));
        assert_eq!(told.len(), question.roots.len());
        Self { archive: bundle.archive(), question, told }
    }

    /// Whether it holds with this bit flipped. What it then tells must be what it told.
    fn holds_with(&self, bit: usize) -> bool {
        let Ok(read) = Bundle::read(&flipped(&self.archive, bit)) else { return false };
        let judgement = judge(&read, &self.question);
        let holds = judgement.verdict == Verdict::Holds;
        if holds {
            assert_eq!(told(&judgement), self.told, "bit {bit}");
        }
        holds
    }
}

/// A hierarchy of P-256, a bundle of it, and the question of who pinned its root.
fn small() -> (TestChain, TestBundle, Question) {
    let chain = TestChain::of([41, 42, 43, 14].map(TestKey::p256));
    let mut bundle = TestBundle::classical();
    bundle.put("chain.pem", &crate::test_bundle::pem(&chain.chain()));
    bundle.put_attestation("default", Classical, &chain.attest(&claims()));
    let question = Question { roots: vec![chain.root.clone()], ..question(&[]) };
    (chain, bundle, question)
}

/// Places of a file's content in an archive that has it once.
fn octets_of(archive: &[u8], content: &[u8]) -> std::ops::Range<usize> {
    let start = archive.windows(content.len()).position(|window| window == content).unwrap();
    start..start + content.len()
}

#[test]
fn no_bit_of_a_bundle_is_lost_in_reading() {
    let (_, bundle, _) = small();
    let (archive, good) = (bundle.archive(), bundle.read());
    let mut lost = BTreeSet::new();
    for bit in 0..archive.len() * 8 {
        if Bundle::read(&flipped(&archive, bit)).is_ok_and(|read| read == good) {
            lost.insert(bit / 8);
        }
    }
    let readme = octets_of(&archive, &bundle.0["README.txt"]);
    assert_eq!(lost, readme.collect());
}

#[test]
fn one_bit_in_every_octet() {
    let (_, bundle, question) = small();
    let good = Good::new(&bundle, question);
    let holding = (0..good.archive.len()).filter(|octet| good.holds_with(octet * 8 + octet % 8));
    let holding: BTreeSet<usize> = holding.collect();
    // The README, and of the TSU's certificate, which is the TSA's to sign, all but its key and form.
    let readme = octets_of(&good.archive, &bundle.0["README.txt"]);
    let tsu = octets_of(&good.archive, &bundle.0["tsu/default.pem"]);
    assert!(readme.clone().all(|octet| holding.contains(&octet)));
    assert!(holding.iter().all(|octet| readme.contains(octet) || tsu.contains(octet)), "{holding:?}");
}

#[test]
fn every_bit_of_what_an_attestations_signature_is_over() {
    let (chain, mut bundle, question) = small();
    let attestation = chain.attest(&claims());
    let start = octets_of(attestation.der(), attestation.to_be_signed()).start;
    for bit in start * 8..(start + attestation.to_be_signed().len()) * 8 {
        let Ok(changed) = Certificate::parse(&flipped(attestation.der(), bit)) else { continue };
        bundle.put_attestation("default", Classical, &changed);
        let Ok(read) = Bundle::from_files(bundle.files()) else { continue };
        let judgement = judge(&read, &question);
        assert_ne!(judgement.verdict, Verdict::Holds, "bit {bit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_a_bundle_with_both_chains(place in any::<prop::sample::Index>()) {
        static UNDER_BOTH: LazyLock<Good> = LazyLock::new(|| Good::new(&TestBundle::new(), question(&BOTH)));
        static UNDER_ONE: LazyLock<Good> = LazyLock::new(|| Good::new(&TestBundle::new(), question(&[PostQuantum])));
        let bit = place.index(UNDER_BOTH.archive.len() * 8);
        // Who pinned less is told less, and sees less.
        prop_assert!(UNDER_ONE.holds_with(bit) || !UNDER_BOTH.holds_with(bit));
    }
}
