//! E2: whoever can write the ledger's folder, and has neither keys nor anchor, gets no checkpoint signed that contradicts
//! another.

use std::collections::VecDeque;
use std::path::Path;

use super::super::*;
use super::damage::{Disk, FRAME};
use super::faults::LEDGER;
use crate::segment::SegmentStart;
use crate::testing::token;
use crate::tree::Frontier;

/// Another token, at the time of the second.
fn forged_entry() -> Vec<u8> {
    let mut bytes = Vec::new();
    let gen_time_microseconds = token(1).gen_time_microseconds;
    TokenEntry { gen_time_microseconds, ..token(7777) }.encode_into(&mut bytes);
    bytes
}

/// The second entry is another token's, and segment 2 begins with the tree that it makes.
fn forge(disk: &Disk) {
    let mut frame = Vec::new();
    write_frame(&forged_entry(), &mut frame);
    disk.alter(1, "entries", |entries| entries[FRAME..2 * FRAME].copy_from_slice(&frame));
    forge_start(disk);
}

fn forge_start(disk: &Disk) {
    let text = disk.storage.read(&disk.file(2, "start")).unwrap().unwrap();
    let start = SegmentStart::parse(&text).unwrap();
    let mut frontier = Frontier::default();
    for number in 0..start.first_index() {
        let entry = if number == 1 { forged_entry() } else { Entry::Token(token(number)).encode() };
        frontier.append(Hash::of_leaf(&entry), |_, _| {});
    }
    let forged = SegmentStart { frontier, ..start };
    disk.alter(2, "start", |text| *text = forged.to_text().into_bytes());
}

#[test]
fn e2_a_start_that_was_forged_is_never_signed() {
    // Without the end's checkpoint, and with the honest one.
    for is_removed in [true, false] {
        let disk = Disk::new();
        forge(&disk);
        if is_removed {
            disk.storage.remove(&disk.file(1, "end.checkpoint"));
            disk.storage.remove(&disk.file(2, "start.checkpoint"));
        }
        let damage = disk.damage();
        if is_removed {
            assert_eq!(damage, Damage::Continuation { segment: 3 });
        } else {
            assert_eq!(damage, Damage::OtherTree { segment: 1, size: 12 });
        }
    }
    // The entries are honest, and the beginning is not.
    let disk = Disk::new();
    forge_start(&disk);
    disk.storage.remove(&disk.file(1, "end.checkpoint"));
    assert_eq!(disk.damage(), Damage::Continuation { segment: 2 });
}

/// The proof from one beginning to the next is made of tiles, and does not hold for another beginning.
#[test]
fn e2_an_inner_start_is_tied_to_what_was_signed() {
    let disk = Disk::new();
    let starts = disk.place().starts().unwrap();
    let storage = Arc::new(disk.storage.clone());
    let derived = crate::derived::Derived::open(storage, Path::new(LEDGER), 24).unwrap();
    let continues = opening::continues;
    assert!(continues(&derived, &starts[1].frontier, &starts[2].frontier));
    forge_start(&disk);
    let forged = disk.place().starts().unwrap();
    assert!(!continues(&derived, &forged[1].frontier, &starts[2].frontier));
}

#[test]
fn e2_a_segment_whose_end_lost_its_checkpoint_is_signed_again_alike() {
    let disk = Disk::new();
    let ends = || disk.storage.read(&disk.file(1, "end.checkpoint")).unwrap();
    let before = ends().unwrap();
    disk.storage.remove(&disk.file(1, "end.checkpoint"));
    let ledger = disk.open().unwrap().0;
    let due = ledger.due_checkpoint().unwrap();
    ledger.publish(disk.keys.sign_quickly(&due)).unwrap();
    assert_eq!(ends().unwrap(), before);
    assert_eq!(ledger.checkpoint().unwrap().checkpoint().size, 29);
}

#[test]
fn e2_a_checkpoint_below_the_published_one_must_be_of_its_tree() {
    let disk = Disk::new();
    let ledger = disk.open().unwrap().0;
    for size in [5, 12, 29] {
        let origin = crate::testing::ORIGIN.into();
        let forged = Checkpoint { origin, size, root: Hash::of(b"another") };
        lock(&ledger.core.due).ends = VecDeque::from([(1, forged)]);
        let due = ledger.due_checkpoint().unwrap();
        let published = ledger.publish(disk.keys.sign_quickly(&due));
        assert!(
            matches!(published, Err(PublishError::Contradiction { size: found, published: 29 }) if found == size),
            "{published:?}"
        );
    }
}

/// M5: numbers that a file says do not overflow.
#[test]
fn a_start_of_too_many_leaves_is_no_start() {
    for first in [u64::MAX, (1 << 48) + 1] {
        let count = usize::try_from(first.count_ones()).unwrap();
        let frontier = Frontier::new(first, vec![Hash::of(b""); count]).unwrap();
        let disk = Disk::new();
        let text = disk.storage.read(&disk.file(3, "start")).unwrap().unwrap();
        let start = SegmentStart { frontier, ..SegmentStart::parse(&text).unwrap() };
        disk.alter(3, "start", |text| *text = start.to_text().into_bytes());
        disk.storage.alter(&Path::new(LEDGER).join("index/derived"), |mark| {
            *mark = format!("attestamp-ledger-derived-1\n{first}\n").into_bytes();
        });
        assert_eq!(disk.damage(), Damage::Start { segment: 3 });
    }
}
