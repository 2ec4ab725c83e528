//! What recovery repairs, and what it refuses.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::*;
use super::faults::{ANCHOR, LEDGER};
use crate::checkpoint::CheckpointError;
use crate::frame::MAXIMUM_BATCH_BYTES;
use crate::reader::{LedgerReader, StillLedger, Verified, VerifyError};
use crate::segment::segment_folder;
use crate::storage::memory::{CrashKind, MemoryStorage};
use crate::testing::{ORIGIN, TestKeys, config, token};

pub(super) struct Disk {
    pub(super) storage: MemoryStorage,
    pub(super) keys: TestKeys,
}

impl Disk {
    /// Three segments, the last of which begins with leaf 24 and has eight, with a checkpoint of all but the last three.
    pub(super) fn new() -> Self {
        let disk = Self { storage: MemoryStorage::default(), keys: TestKeys::new(5) };
        let ledger = disk.open().unwrap().0;
        for number in 0..32 {
            ledger.record(&token(number)).wait().unwrap();
            if number <= 28 {
                while let Some(due) = ledger.due_checkpoint() {
                    ledger.publish(disk.keys.sign_quickly(&due)).unwrap();
                }
            }
        }
        assert_eq!(ledger.statistics().segments, 3);
        assert_eq!(ledger.statistics().checkpoint_size, 29);
        disk
    }

    pub(super) fn copy(&self) -> Self {
        Self { storage: self.storage.crash(CrashKind::Nothing), keys: TestKeys::new(5) }
    }

    pub(super) fn place(&self) -> Place {
        Place::new(Arc::new(self.storage.clone()), Path::new(LEDGER))
    }

    pub(super) fn open(&self) -> Result<(Ledger, Recovery), OpenError> {
        let config = LedgerConfig { segment_bytes: 1500, ..config(&self.keys) };
        Ledger::open_in(self.place(), Path::new(ANCHOR), config, None)
    }

    pub(super) fn refusal(&self) -> OpenError {
        match self.open() {
            Ok((_, recovery)) => panic!("{recovery:?}"),
            Err(error) => error,
        }
    }

    pub(super) fn damage(&self) -> Damage {
        let refusal = self.refusal();
        let OpenError::Damaged { source, .. } = refusal else { panic!("{refusal:?}") };
        source
    }

    pub(super) fn verified(&self) -> Result<Verified, VerifyError> {
        LedgerReader::of(self.place()).verify(ORIGIN, &self.keys.verifiers, &[], &mut |_, _| {})
    }

    pub(super) fn file(&self, segment: u32, name: &str) -> PathBuf {
        segment_folder(Path::new(LEDGER), segment).join(name)
    }

    pub(super) fn alter(&self, segment: u32, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        self.storage.alter(&self.file(segment, name), change);
    }
}

/// Octets of a frame of a test's token.
pub(super) const FRAME: usize = 133;

#[test]
fn e2_a_torn_tail_is_set_aside_and_reported() {
    let disk = Disk::new();
    // Leaf 30; leaf 31 after it is whole, and belongs to the same batch for all that is known.
    disk.alter(3, "entries", |entries| entries[6 * FRAME + 40] ^= 1);
    let (ledger, recovery) = disk.open().unwrap();
    let torn = recovery.torn.unwrap();
    assert_eq!((recovery.size, recovery.after_checkpoint), (30, 1));
    assert_eq!((torn.segment, torn.bytes), (3, u64::try_from(2 * FRAME).unwrap()));
    let kept = disk.storage.read(&torn.kept_in).unwrap().unwrap();
    assert_eq!(kept.len(), 2 * FRAME);
    // What comes next has its index, and is there at the next start, when nothing is torn.
    assert_eq!(ledger.record(&token(99)).wait().unwrap(), 30);
    drop(ledger);
    let (_, recovery) = disk.open().unwrap();
    assert_eq!((recovery.size, recovery.torn), (31, None));
}

#[test]
fn e2_an_altered_entry_below_the_checkpoint_is_refused() {
    for leaf in 0..5 {
        let disk = Disk::new();
        disk.alter(3, "entries", |entries| entries[leaf * FRAME + 40] ^= 1);
        let offset = u64::try_from(leaf * FRAME).unwrap();
        let index = 24 + u64::try_from(leaf).unwrap();
        assert_eq!(disk.damage(), Damage::Frame { segment: 3, offset, index });
    }
    // With a checksum that is right.
    let disk = Disk::new();
    disk.alter(3, "entries", |entries| {
        let mut other = Vec::new();
        let mut bytes = Vec::new();
        token(77).encode_into(&mut bytes);
        write_frame(&bytes, &mut other);
        entries[..FRAME].copy_from_slice(&other);
    });
    assert!(matches!(disk.refusal(), OpenError::Altered { size: 29, .. }));
    let reader = LedgerReader::of(disk.place());
    assert!(reader.verify(ORIGIN, &disk.keys.verifiers, &[], &mut |_, _| {}).is_err());
}

#[test]
fn e2_a_ledger_that_was_rolled_back_is_refused() {
    let disk = Disk::new();
    disk.alter(3, "entries", |entries| entries[2 * FRAME..].fill(0));
    let refusal = disk.refusal();
    assert!(matches!(refusal, OpenError::RolledBack { found: 26, required: 29, .. }), "{refusal:?}");
    let reader = LedgerReader::of(disk.place());
    assert!(reader.verify(ORIGIN, &disk.keys.verifiers, &[], &mut |_, _| {}).is_err());
    assert!(reader.entries(0).any(|entry| entry.is_err()));

    // The whole folder is of before, or is gone.
    let disk = Disk::new();
    let before = disk.copy();
    let ledger = disk.open().unwrap().0;
    ledger.record(&token(100)).wait().unwrap();
    let due = ledger.due_checkpoint().unwrap();
    ledger.publish(disk.keys.sign_quickly(&due)).unwrap();
    drop(ledger);
    let anchor = disk.storage.read(Path::new(ANCHOR)).unwrap().unwrap();
    before.storage.alter(Path::new(ANCHOR), |content| content.clone_from(&anchor));
    assert!(matches!(before.refusal(), OpenError::RolledBack { found: 32, required: 33, .. }));
    let empty = Disk { storage: MemoryStorage::default(), keys: TestKeys::new(5) };
    empty.storage.alter(Path::new(ANCHOR), |content| content.clone_from(&anchor));
    assert!(matches!(empty.refusal(), OpenError::RolledBack { found: 0, required: 33, .. }));
}

#[test]
fn e2_another_history_of_the_same_length_is_refused() {
    let disk = Disk::new();
    let other = Disk { storage: MemoryStorage::default(), keys: TestKeys::new(5) };
    let ledger = other.open().unwrap().0;
    for number in 1000..1030 {
        ledger.record(&token(number)).wait().unwrap();
    }
    drop(ledger);
    let anchor = disk.storage.read(Path::new(ANCHOR)).unwrap().unwrap();
    other.storage.alter(Path::new(ANCHOR), |content| *content = anchor);
    assert!(matches!(other.refusal(), OpenError::Altered { size: 29, .. }));
}

#[test]
fn e2_an_anchor_that_is_missing_or_not_this_ledgers_is_refused() {
    let disk = Disk::new();
    disk.storage.remove(Path::new(ANCHOR));
    let refusal = disk.refusal();
    assert!(matches!(refusal, OpenError::AnchorMissing { size: 29, .. }));
    assert!(refusal.to_string().contains("copy the ledger's file `checkpoint` there"));
    let copy = disk.storage.read(&Path::new(LEDGER).join("checkpoint")).unwrap().unwrap();
    disk.storage.alter(Path::new(ANCHOR), |anchor| *anchor = copy);
    assert_eq!(disk.open().unwrap().1.size, 32);

    disk.storage.alter(Path::new(ANCHOR), |anchor| anchor[30] ^= 1);
    assert!(matches!(disk.refusal(), OpenError::Anchor { .. }));
    let disk = Disk { keys: TestKeys::new(6), ..Disk::new() };
    assert!(matches!(disk.refusal(), OpenError::Anchor { source: CheckpointError::Unsigned { .. }, .. }));
}

/// Whichever checkpoint is left in the folder says that there was an anchor, or that more was kept.
#[test]
fn e2_any_checkpoint_in_the_folder_requires_the_anchor() {
    for is_anchored in [false, true] {
        for left in [&["checkpoint"][..], &["start", "end"], &["end"]] {
            let disk = Disk::new();
            if !is_anchored {
                disk.storage.remove(Path::new(ANCHOR));
            }
            for segment in 1..=3 {
                disk.storage.remove(&disk.file(segment, "checkpoints"));
                // Segment 1 has no start.checkpoint, and segment 3 no end.checkpoint.
                for name in ["start", "end"].into_iter().filter(|name| !left.contains(name)) {
                    let path = disk.file(segment, &format!("{name}.checkpoint"));
                    if disk.storage.read(&path).unwrap().is_some() {
                        disk.storage.remove(&path);
                    }
                }
            }
            if !left.contains(&"checkpoint") {
                disk.storage.remove(&Path::new(LEDGER).join("checkpoint"));
            }
            let size = if left.contains(&"checkpoint") { 29 } else { 24 };
            if is_anchored {
                assert_eq!(disk.damage(), Damage::NotKept { size });
            } else {
                let refusal = disk.refusal();
                assert!(matches!(refusal, OpenError::AnchorMissing { size: found, .. } if found == size));
            }
        }
    }
}

#[test]
fn e2_an_anchor_older_than_the_ledger_is_brought_up_to_date() {
    let disk = Disk::new();
    let before = disk.storage.read(Path::new(ANCHOR)).unwrap().unwrap();
    let ledger = disk.open().unwrap().0;
    let due = ledger.due_checkpoint().unwrap();
    ledger.publish(disk.keys.sign_quickly(&due)).unwrap();
    let latest = ledger.checkpoint();
    drop(ledger);
    disk.storage.alter(Path::new(ANCHOR), |anchor| *anchor = before);
    let ledger = disk.open().unwrap().0;
    assert_eq!(ledger.checkpoint(), latest);
    let anchor = disk.storage.read(Path::new(ANCHOR)).unwrap().unwrap();
    assert_eq!(anchor, latest.unwrap().note().as_bytes());
}

#[test]
fn segments_that_do_not_fit_together_are_refused() {
    let start_of =
        |disk: &Disk, segment: u32| disk.storage.read(&disk.file(segment, "start")).unwrap().unwrap();
    let disk = Disk::new();
    disk.storage.remove(&disk.file(2, "start"));
    assert_eq!(disk.damage(), Damage::Missing { segment: 2 });

    let disk = Disk::new();
    disk.alter(2, "start", |start| start[40] ^= 1);
    assert_eq!(disk.damage(), Damage::Start { segment: 2 });

    let disk = Disk::new();
    let third = start_of(&disk, 3);
    disk.alter(2, "start", |start| *start = third);
    assert_eq!(disk.damage(), Damage::Start { segment: 2 });

    // One octet less, and one more than zeros.
    let disk = Disk::new();
    disk.alter(1, "entries", |entries| entries.truncate(11 * FRAME));
    assert!(matches!(disk.damage(), Damage::Frame { segment: 1, .. }));

    let disk = Disk::new();
    let second = disk.storage.read(&disk.file(2, "end.checkpoint")).unwrap().unwrap();
    disk.alter(1, "end.checkpoint", |end| *end = second);
    assert_eq!(disk.damage(), Damage::OtherTree { segment: 1, size: 24 });
}

#[test]
fn entries_far_beyond_the_last_are_refused() {
    let disk = Disk::new();
    disk.alter(3, "entries", |entries| {
        entries.resize(8 * FRAME + MAXIMUM_BATCH_BYTES + 10, 0);
        entries.extend([1, 2, 3]);
    });
    let end = u64::try_from(8 * FRAME).unwrap();
    assert!(matches!(disk.damage(), Damage::Beyond { segment: 3, end: found, .. } if found == end));
}

#[test]
fn a_sealed_segment_that_was_altered_is_found_by_verify() {
    let disk = Disk::new();
    disk.alter(1, "entries", |entries| entries[40] ^= 1);
    let reader = LedgerReader::of(disk.place());
    let found = reader.verify(ORIGIN, &disk.keys.verifiers, &[], &mut |_, _| {});
    let frame = Damage::Frame { segment: 1, offset: 0, index: 0 };
    assert!(matches!(&found, Err(VerifyError::Damaged(damage)) if *damage == frame), "{found:?}");
}

#[test]
fn derived_files_are_computed_anew() {
    let names = ["tiles/0", "index/bundles", "index/serials", "index/derived"];
    for name in names {
        for is_removed in [true, false] {
            let disk = Disk::new();
            let path = Path::new(LEDGER).join(name);
            if is_removed {
                disk.storage.remove(&path);
            } else {
                disk.storage.alter(&path, |content| content.iter_mut().for_each(|octet| *octet ^= 1));
            }
            let ledger = disk.open().unwrap().0;
            for number in 0..25 {
                // An index that was altered is found out, and nothing wrong is given out.
                match ledger.prove(&token(number).serial) {
                    Ok(ProofOutcome::Proved(proof)) => {
                        proof.verify(ORIGIN, &disk.keys.verifiers).unwrap();
                    }
                    other => panic!("{name} {is_removed} {number} {other:?}"),
                }
            }
        }
    }
}

/// Every derived file that is wrong is found by `verify`, and the way that it says puts it right.
#[test]
fn a_derived_file_that_was_altered_is_found_and_computed_anew() {
    let disk = Disk { storage: MemoryStorage::default(), keys: TestKeys::new(5) };
    let config = || LedgerConfig { segment_bytes: 40_000, ..config(&disk.keys) };
    let open = || Ledger::open_in(disk.place(), Path::new(ANCHOR), config(), None).unwrap().0;
    let ledger = open();
    for round in 0..11 {
        super::record(&ledger, round * 100..round * 100 + 100);
    }
    while let Some(due) = ledger.due_checkpoint() {
        ledger.publish(disk.keys.sign_quickly(&due)).unwrap();
    }
    drop(ledger);
    disk.verified().unwrap();
    for name in ["index/bundles", "index/serials", "tiles/0", "tiles/1"] {
        let path = Path::new(LEDGER).join(name);
        let length = disk.storage.read(&path).unwrap().unwrap().len();
        for place in [0, length / 3, length / 2, length - 1] {
            disk.storage.alter(&path, |content| content[place] ^= 4);
            let found = disk.verified();
            let Err(VerifyError::Read(ReadError::Damaged(damage))) = &found else {
                panic!("{name} {place} {found:?}")
            };
            assert_eq!(*damage, Damage::Derived, "{name} {place}");
            let said = damage.to_string();
            assert!(said.contains("delete the ledger's `index/derived`"), "{said}");
            disk.storage.remove(&Path::new(LEDGER).join("index/derived"));
            drop(open());
            disk.verified().unwrap_or_else(|error| panic!("{name} {place} {error:?}"));
            // Kept for the next round: the mark of what was synced.
            disk.storage.alter(&Path::new(LEDGER).join("index/derived"), |_| {});
        }
    }
}

/// A ledger that is only read answers as a running one does, whatever its index says, and changes nothing.
#[test]
fn a_ledger_that_is_off_proves_every_token_that_it_has() {
    let folder = super::Folder::new();
    let (ledger, _) = folder.open();
    super::record(&ledger, 0..700);
    let due = ledger.due_checkpoint().unwrap();
    ledger.publish(folder.keys.sign_quickly(&due)).unwrap();
    super::record(&ledger, 700..701);
    drop(ledger);
    let serials = folder.ledger().join("index/serials");
    let whole = std::fs::read(&serials).unwrap();
    for altered in [Vec::new(), vec![0xff; whole.len()], whole] {
        std::fs::write(&serials, &altered).unwrap();
        let still = StillLedger::open(&folder.ledger()).unwrap().unwrap();
        for number in [0, 1, 511, 512, 699] {
            let ProofOutcome::Proved(proof) = still.prove(&token(number).serial).unwrap() else { panic!() };
            proof.verify(ORIGIN, &folder.keys.verifiers).unwrap();
        }
        assert_eq!(still.prove(&token(700).serial).unwrap(), ProofOutcome::Awaiting { index: 700 });
        assert_eq!(still.prove(&token(701).serial).unwrap(), ProofOutcome::Unknown);
        assert_eq!(std::fs::read(&serials).unwrap(), altered);
    }
}

/// A frame that is not whole hides those after it, and the next checkpoint would be written over them.
#[test]
fn a_kept_checkpoint_that_was_altered_is_found() {
    let disk = Disk::new();
    disk.alter(3, "checkpoints", |notes| notes[30] ^= 1);
    assert!(matches!(disk.damage(), Damage::NotKept { .. }));
    assert!(matches!(disk.verified(), Err(VerifyError::Damaged(Damage::NotKept { size: 29 }))));
}

#[test]
fn a_published_checkpoint_that_nobody_signed_is_found_by_verify() {
    let disk = Disk::new();
    let file = Path::new(LEDGER).join("checkpoint");
    let mut note = disk.storage.read(&file).unwrap().unwrap();
    let end = note.len() - 10;
    note[end] = if note[end] == b'A' { b'B' } else { b'A' };
    disk.storage.replace(&file, &note).unwrap();
    assert!(matches!(disk.verified(), Err(VerifyError::Damaged(Damage::Checkpoint { .. }))));
}

/// H2: what was kept elsewhere is compared, whatever the folder says of itself.
#[test]
fn e2_a_required_checkpoint_must_be_a_beginning_of_the_ledger() {
    let disk = Disk::new();
    let note = disk.storage.read(Path::new(ANCHOR)).unwrap().unwrap();
    let anchor = SignedCheckpoint::parse_unverified(&String::from_utf8(note).unwrap()).unwrap();
    let anchor = anchor.checkpoint().clone();
    let verify = |required: &[Checkpoint]| {
        LedgerReader::of(disk.place()).verify(ORIGIN, &disk.keys.verifiers, required, &mut |_, _| {})
    };
    let older = disk.place().starts().unwrap()[1].frontier.clone();
    let older = Checkpoint { origin: ORIGIN.into(), size: older.size(), root: older.root() };
    verify(&[anchor.clone(), older.clone()]).unwrap();
    for wrong in [
        Checkpoint { root: older.root, ..anchor.clone() },
        Checkpoint { size: 33, ..anchor.clone() },
        Checkpoint { size: 13, ..older },
        Checkpoint { origin: "another".into(), ..anchor.clone() },
    ] {
        let found = verify(&[anchor.clone(), wrong.clone()]);
        let Err(VerifyError::NotBeginning { size, root, found: 32 }) = found else { panic!("{found:?}") };
        assert_eq!((size, root), (wrong.size, wrong.root));
    }
}

#[test]
fn a_history_that_is_missing_is_found_by_verify() {
    for (segment, size) in [(1, 12), (2, 24), (3, 29)] {
        let disk = Disk::new();
        disk.storage.remove(&disk.file(segment, "checkpoints"));
        let found = disk.verified();
        assert!(
            matches!(found, Err(VerifyError::Damaged(Damage::NotKept { size: found })) if found == size),
            "{found:?}"
        );
        let disk = Disk::new();
        disk.alter(segment, "checkpoints", |notes| notes[..4].fill(0xff));
        assert!(disk.verified().is_err());
    }
}

/// H4: "no such token" is said after the entries were read, and not because an index says it.
#[test]
fn e6_a_token_is_not_hidden_by_the_index_of_serial_numbers() {
    let disk = Disk { storage: MemoryStorage::default(), keys: TestKeys::new(5) };
    let open = || Ledger::open_in(disk.place(), Path::new(ANCHOR), config(&disk.keys), None).unwrap().0;
    let ledger = open();
    let recorded: Vec<_> = (0..1200).map(|number| ledger.record(&token(number))).collect();
    assert!(recorded.into_iter().all(|it| it.wait().is_ok()));
    let due = ledger.due_checkpoint().unwrap();
    ledger.publish(disk.keys.sign_quickly(&due)).unwrap();
    disk.verified().unwrap();
    let path = Path::new(LEDGER).join("index/serials");
    disk.storage.alter(&path, |serials| {
        let run = serials.len() / 2;
        serials[..run].fill(0xff);
    });
    for number in [3, 500, 700, 1199] {
        let serial = token(number).serial;
        assert!(matches!(ledger.prove(&serial), Ok(ProofOutcome::Proved(_))), "{number}");
        let reader = LedgerReader::of(disk.place());
        assert!(matches!(reader.prove(&serial), Ok(ProofOutcome::Proved(_))), "{number}");
    }
    for _ in 0..2 {
        assert_eq!(ledger.prove(&token(5000).serial).unwrap(), ProofOutcome::Unknown);
    }
    assert!(matches!(disk.verified(), Err(VerifyError::Read(ReadError::Damaged(Damage::Derived)))));
}
