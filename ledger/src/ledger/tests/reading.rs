//! What others get: listings, exported segments, and the tree as files.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::*;
use super::Folder;
use crate::reader::{LedgerReader, Listed, VerifyError};
use crate::testing::{ORIGIN, TIME_MICROSECONDS, clock, config, token};
use crate::tree::Frontier;

/// 600 tokens in segments of some hundred, a state of the clock before every 50, each published.
fn ledger(folder: &Folder) -> Ledger {
    let config = LedgerConfig { segment_bytes: 20_000, ..config(&folder.keys) };
    let (ledger, _) = folder.open_with(config);
    for round in 0..12 {
        let (clock_state, _) = ledger.record_entry(&Entry::Clock(clock(round * 50)));
        for number in round * 50..round * 50 + 50 {
            ledger.record(&TokenEntry { clock_state, ..token(number) }).wait().unwrap();
        }
        while let Some(due) = ledger.due_checkpoint() {
            ledger.publish(folder.keys.sign_quickly(&due)).unwrap();
        }
    }
    assert!(ledger.statistics().segments > 3);
    ledger
}

#[test]
fn f7_an_interval_is_listed_with_the_clock_of_each_token() {
    let folder = Folder::new();
    let ledger = ledger(&folder);
    let reader = LedgerReader::open(&folder.ledger()).unwrap();
    let list = |from: u64, to: u64| -> Vec<Listed> {
        reader.list(TIME_MICROSECONDS + from, TIME_MICROSECONDS + to).map(Result::unwrap).collect()
    };
    // Wherever it begins: at a segment's first entry, in the middle, at the end, before and after everything.
    for (from, to) in [(0, 600), (120, 130), (170, 480), (599, 600), (0, 1), (600, 700), (300, 300)] {
        let listed = list(from, to);
        let tokens: Vec<&Listed> = listed.iter().filter(|it| matches!(it.entry, Entry::Token(_))).collect();
        assert_eq!(u64::try_from(tokens.len()).unwrap(), to.min(600).saturating_sub(from), "{from} to {to}");
        for (listed, number) in tokens.into_iter().zip(from..) {
            assert_eq!(listed.clock, Some(clock(number / 50 * 50)), "{number}");
            assert_eq!(listed.index, number + number / 50 + 1);
        }
    }
    drop(ledger);
}

#[test]
fn an_exported_segment_is_verified_on_its_own() {
    let folder = Folder::new();
    let ledger = ledger(&folder);
    let reader = LedgerReader::open(&folder.ledger()).unwrap();
    let whole: Vec<(u64, Entry)> = reader.entries(0).map(Result::unwrap).collect();
    let mut found = Vec::new();
    for segment in 1..=ledger.statistics().segments {
        let mut archive = Vec::new();
        reader.export_segment(segment, &folder.keys.verifiers, &mut archive).unwrap();
        let unpacked = tempfile::tempdir().unwrap();
        tar::Archive::new(&archive[..]).unpack(unpacked.path()).unwrap();
        let alone = unpacked.path().join(format!("ledger-segment-{segment:08}"));
        let copy = LedgerReader::open(&alone).unwrap();
        // With nothing but what is in it.
        let keys = std::fs::read_to_string(alone.join("keys.txt")).unwrap();
        let keys: Vec<_> = keys.lines().map(|line| VerifierKey::parse(line).unwrap()).collect();
        assert_eq!(keys, folder.keys.verifiers);
        copy.verify(ORIGIN, &keys, &[], &mut |_, _| {}).unwrap();
        // It begins where the one before ended.
        let first = found.last().map_or(0, |(index, _): &(u64, Entry)| index + 1);
        found.extend(copy.entries(first).map(Result::unwrap));
        // Also its tokens' states of the clock, which may be from before it.
        let listed = copy.list(0, u64::MAX).map(Result::unwrap);
        assert!(listed.filter(|it| matches!(it.entry, Entry::Token(_))).all(|it| it.clock.is_some()));

        // An entry that is altered, with its checksum, and another tree before it.
        let path = alone.join("entries");
        let entries = std::fs::read(&path).unwrap();
        let mut bytes = Vec::new();
        token(9999).encode_into(&mut bytes);
        let mut frames = Vec::new();
        write_frame(&bytes, &mut frames);
        std::fs::write(&path, [&frames, &entries[..]].concat()).unwrap();
        assert!(copy.verify(ORIGIN, &folder.keys.verifiers, &[], &mut |_, _| {}).is_err());
        std::fs::write(&path, entries).unwrap();
        if segment > 1 {
            std::fs::remove_file(alone.join("start.checkpoint")).unwrap();
            let verified = copy.verify(ORIGIN, &folder.keys.verifiers, &[], &mut |_, _| {});
            assert!(matches!(verified, Err(VerifyError::NoStartCheckpoint { .. })));
        }
    }
    assert_eq!(found, whole);
    assert!(reader.export_segment(99, &[], &mut Vec::new()).is_err());
}

#[test]
fn e1_the_exported_tiles_are_the_tree() {
    let folder = Folder::new();
    let ledger = ledger(&folder);
    let reader = LedgerReader::open(&folder.ledger()).unwrap();
    let exported = folder.folder.path().join("tiles");
    // The second time finds the tiles there, the third mends one.
    let tile = exported.join("tile/0/000");
    for (round, is_completed) in [true, true, false].into_iter().enumerate() {
        reader.export_tiles(&exported, is_completed).unwrap();
        if round == 0 {
            std::fs::write(&tile, "another").unwrap();
        }
        assert_eq!(std::fs::read(&tile).unwrap() == b"another", round < 2);
    }
    let note = std::fs::read_to_string(exported.join("checkpoint")).unwrap();
    let signed = SignedCheckpoint::verify(&note, ORIGIN, &folder.keys.verifiers).unwrap();
    assert_eq!(Some(&signed), ledger.checkpoint().as_deref());
    let mut files = BTreeMap::new();
    collect(&exported, &exported, &mut files);
    let mut tree = Frontier::default();
    for path in ["tile/0/000", "tile/0/001", "tile/0/002.p/100"] {
        let (hashes, []) = files[path].as_chunks::<32>() else { panic!("{path}") };
        hashes.iter().for_each(|hash| tree.append(Hash(*hash), |_, _| {}));
    }
    assert_eq!((tree.size(), tree.root()), (612, signed.checkpoint().root));
    assert_eq!(files.keys().filter(|path| path.starts_with("tile/entries")).count(), 3);
    assert_eq!(files["tile/1/000.p/2"].len(), 64);
    for (path, content) in &files {
        if path != "checkpoint" {
            let path = TilePath::parse(path).unwrap();
            assert_eq!(ledger.tile(path).unwrap().as_ref(), Some(content));
        }
    }
    let absent = ["tile/0/003", "tile/0/002", "tile/0/002.p/101", "tile/2/000.p/1", "tile/entries/002.p/101"];
    for path in absent {
        assert_eq!(ledger.tile(TilePath::parse(path).unwrap()).unwrap(), None, "{path}");
    }
    assert_eq!(ledger.tile(TilePath::parse("tile/0/002.p/99").unwrap()).unwrap().unwrap().len(), 99 * 32);
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_running_ledger_is_verified_or_told_to_stop() {
    let folder = Folder::new();
    let ledger = ledger(&folder);
    let verified = ledger.verify(&AtomicBool::new(false)).unwrap();
    assert_eq!((verified.size, verified.after_checkpoint), (612, 0));
    assert!(matches!(ledger.verify(&AtomicBool::new(true)), Err(VerifyError::Stopped)));
    // A tile that was altered.
    let path = folder.ledger().join("tiles/0");
    let mut tiles = std::fs::read(&path).unwrap();
    tiles[7] ^= 1;
    std::fs::write(&path, tiles).unwrap();
    let found = ledger.verify(&AtomicBool::new(false));
    assert!(matches!(found, Err(VerifyError::Read(ReadError::Damaged(Damage::Derived)))), "{found:?}");
}

#[test]
fn a_folder_without_a_ledger_is_not_said_to_be_damaged() {
    let folder = Folder::new();
    let refusal = || LedgerReader::open(&folder.ledger()).unwrap_err();
    assert!(matches!(refusal(), ReadError::Missing { .. }));
    std::fs::create_dir(folder.ledger()).unwrap();
    assert!(matches!(refusal(), ReadError::Missing { .. }));
    assert!(refusal().to_string().contains("is its disk mounted"));
    drop(ledger(&folder));
    std::fs::remove_dir_all(folder.ledger().join("segments")).unwrap();
    assert!(matches!(refusal(), ReadError::Damaged(Damage::Missing { segment: 1 })));
}

#[test]
fn a_month_begins_a_segment() {
    let folder = Folder::new();
    let config = LedgerConfig { segment_monthly: true, ..config(&folder.keys) };
    let (ledger, _) = folder.open_with(config);
    // 2026-11-30T23:59:59.999999Z, the first microsecond of December, one of November again, and January.
    let december = 1_796_083_200_000_000;
    for (number, time) in (0..).zip([december - 1, december, december - 1, december + 31 * 86_400_000_000]) {
        ledger.record(&TokenEntry { gen_time_microseconds: time, ..token(number) }).wait().unwrap();
    }
    assert_eq!(ledger.statistics().segments, 3);
    // The segments' ends come first, each exactly.
    let mut sizes = Vec::new();
    while let Some(due) = ledger.due_checkpoint() {
        sizes.push(due.size);
        ledger.publish(folder.keys.sign_quickly(&due)).unwrap();
    }
    assert_eq!(sizes, [1, 3, 4]);
}

#[test]
fn e2_only_checkpoints_that_were_given_out_are_published() {
    let folder = Folder::new();
    let (ledger, _) = folder.open();
    ledger.record(&token(1)).wait().unwrap();
    let due = ledger.due_checkpoint().unwrap();
    let other = Checkpoint { root: Hash::of(b"another"), ..due.clone() };
    let foreign = |signed| matches!(ledger.publish(signed), Err(PublishError::Foreign { size: 1 }));
    assert!(foreign(folder.keys.sign(&other)));
    assert!(foreign(crate::testing::TestKeys::new(8).sign(&due)));
    assert_eq!((ledger.checkpoint(), folder.anchor().exists()), (None, false));
    ledger.publish(folder.keys.sign(&due)).unwrap();
    assert_eq!(ledger.checkpoint().unwrap().checkpoint(), &due);
    assert_eq!(ledger.due_checkpoint(), None);
}

#[test]
fn what_is_no_entry_is_not_recorded() {
    let folder = Folder::new();
    let (ledger, _) = folder.open();
    let refused = ledger.record(&TokenEntry { serial: [1; 21].into(), ..token(1) }).wait();
    assert!(matches!(refused, Err(RecordError::Entry(_))));
    assert_eq!(ledger.record(&token(1)).wait().unwrap(), 0);
}
