//! The seeds of the fuzz targets are what this crate's tests make. `ATTESTAMP_WRITE_SEEDS=1` writes them anew, after a change
//! of the format.

use std::path::{Path, PathBuf};

use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, EventEntry, EventKind};
use crate::frame::write_frame;
use crate::hash::Hash;
use crate::proof::Proof;
use crate::testing::{ORIGIN, TIME_MICROSECONDS, TestKeys, clock, token};
use crate::tree::{Frontier, inclusion_path};

fn entries() -> Vec<Vec<u8>> {
    let event = EventEntry {
        time_microseconds: TIME_MICROSECONDS,
        kind: EventKind::TsuStarted,
        subject: "tsu-1".into(),
        digest: Hash::of(b"certificate"),
        detail: "".into(),
    };
    let entries =
        [Entry::Event(event), Entry::Clock(clock(1)), Entry::Token(token(1)), Entry::Token(token(2))];
    entries.iter().map(Entry::encode).collect()
}

/// Each with its path below `fuzz/`.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let entries = entries();
    let keys = TestKeys::new(44);
    let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::of_leaf(entry)).collect();
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.append(*leaf, |_, _| {}));
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: tree.size(), root: tree.root() };
    let signed = keys.sign(&checkpoint);
    // Of four leaves the nodes are these.
    let mut node = |height: u32, index: u64| -> Result<Hash, std::convert::Infallible> {
        let place = usize::try_from(index << height).unwrap();
        Ok(if height == 0 { leaves[place] } else { Hash::of_node(leaves[place], leaves[place + 1]) })
    };
    let path = inclusion_path(2, tree.size(), &mut node).unwrap();
    let proof = Proof { entry: entries[2].clone(), index: 2, path, checkpoint: signed.note().into() };
    let verifier_keys: String = keys.verifiers.iter().map(|key| format!("{key}\n")).collect();
    let mut frames = Vec::new();
    entries.iter().for_each(|entry| write_frame(entry, &mut frames));
    let torn = [&frames[..frames.len() - 70], &[0; 30], &frames[frames.len() - 40..], &[0; 64]].concat();
    vec![
        ("fuzz_targets/ledger_note/keys", verifier_keys.into_bytes()),
        ("seeds/ledger_note/both-keys", signed.note().into()),
        ("seeds/ledger_note/ed25519-key", keys.verifiers[0].to_string().into()),
        ("seeds/ledger_note/ml-dsa-44-key", keys.verifiers[1].to_string().into()),
        ("seeds/ledger_proof/token.tlog-proof", proof.to_text().into()),
        ("seeds/ledger_proof/tile-path", b"tile/0/x001/x234/067.p/12".into()),
        ("seeds/ledger_entry/event", entries[0].clone()),
        ("seeds/ledger_entry/clock", entries[1].clone()),
        ("seeds/ledger_entry/token", entries[2].clone()),
        ("seeds/ledger_segment/whole", [&frames[..], &[0; 64]].concat()),
        ("seeds/ledger_segment/torn", torn),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

#[test]
fn the_seeds_are_of_this_format() {
    let is_written = std::env::var_os("ATTESTAMP_WRITE_SEEDS").is_some();
    for (path, content) in seeds() {
        let file = folder().join(path);
        if is_written {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &content).unwrap();
        }
        let found = std::fs::read(&file).unwrap();
        assert!(found == content, "{path} is another: ATTESTAMP_WRITE_SEEDS=1 writes it anew");
    }
}

#[test]
fn the_seed_of_a_proof_holds() {
    let seeds = seeds();
    let (_, proof) = seeds.iter().find(|(path, _)| path.ends_with("tlog-proof")).unwrap();
    let proof = Proof::parse(std::str::from_utf8(proof).unwrap()).unwrap();
    proof.verify(ORIGIN, &TestKeys::new(44).verifiers).unwrap();
}
