//! A ledger over the operating system's files.

mod damage;
mod faults;
mod forgery;
mod reading;
mod refused;
mod stalled;

use std::path::PathBuf;

use super::*;
use crate::proof::verify_consistency;
use crate::reader::LedgerReader;
use crate::testing::{ORIGIN, TestKeys, clock, config, token};

struct Folder {
    folder: tempfile::TempDir,
    keys: TestKeys,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), keys: TestKeys::new(7) }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    fn anchor(&self) -> PathBuf {
        self.folder.path().join("anchor")
    }

    fn open_with(&self, config: LedgerConfig) -> (Ledger, Recovery) {
        Ledger::open(&self.ledger(), &self.anchor(), config).unwrap()
    }

    fn open(&self) -> (Ledger, Recovery) {
        self.open_with(config(&self.keys))
    }
}

fn record(ledger: &Ledger, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let recorded: Vec<Recorded> = numbers.map(|number| ledger.record(&token(number))).collect();
    recorded.into_iter().map(|it| it.wait().unwrap()).collect()
}

#[test]
fn e6_every_token_is_proved_and_the_ledger_verifies() {
    let folder = Folder::new();
    let config = LedgerConfig { segment_bytes: 20_000, ..config(&folder.keys) };
    let (ledger, recovery) = folder.open_with(config.clone());
    assert_eq!(recovery, Recovery { size: 0, after_checkpoint: 0, torn: None });
    assert_eq!(ledger.due_checkpoint(), None);
    let (state, recorded) = ledger.record_entry(&Entry::Clock(clock(0)));
    assert_eq!(recorded.wait().unwrap(), 0);
    let mut first = None;
    for round in 0..10 {
        let indexes = record(&ledger, round * 100..round * 100 + 100);
        assert_eq!(indexes, (round * 100 + 1..round * 100 + 101).collect::<Vec<_>>());
        while let Some(due) = ledger.due_checkpoint() {
            ledger.publish(folder.keys.sign_quickly(&due)).unwrap();
        }
        first.get_or_insert(ledger.checkpoint().unwrap());
    }
    let last = ledger.checkpoint().unwrap();
    assert_eq!(last.checkpoint().size, 1001);
    for number in 0..1000 {
        let ProofOutcome::Proved(proof) = ledger.prove(&token(number).serial).unwrap() else {
            panic!("{number}")
        };
        assert_eq!(Proof::parse(&proof.to_text()).unwrap(), proof);
        let proved = proof.verify(ORIGIN, &folder.keys.verifiers).unwrap();
        assert_eq!(proved.entry, Entry::Token(token(number)));
    }
    assert_eq!(ledger.prove(&token(1000).serial).unwrap(), ProofOutcome::Unknown);
    record(&ledger, 1000..1001);
    assert_eq!(ledger.prove(&token(1000).serial).unwrap(), ProofOutcome::Awaiting { index: 1001 });
    let first = first.unwrap();
    let path = ledger.consistency(first.checkpoint().size, 1001).unwrap();
    verify_consistency(first.checkpoint(), last.checkpoint(), &path).unwrap();
    let segments = ledger.statistics().segments;
    assert!(segments > 3, "{segments}");

    // While it runs, and after.
    let reader = LedgerReader::open(&folder.ledger()).unwrap();
    let verified = reader.verify(ORIGIN, &folder.keys.verifiers, &[], &mut |_, _| {}).unwrap();
    assert_eq!((verified.size, verified.after_checkpoint, verified.segments), (1002, 1, segments));
    assert_eq!(verified.checkpoint.as_ref(), Some(&*last));
    assert_eq!(reader.entries(0).count(), 1002);
    let ProofOutcome::Proved(proof) = reader.prove(&token(500).serial).unwrap() else { panic!() };
    proof.verify(ORIGIN, &folder.keys.verifiers).unwrap();
    drop(ledger);
    let (ledger, recovery) = folder.open_with(config);
    assert_eq!(recovery, Recovery { size: 1002, after_checkpoint: 1, torn: None });
    assert_eq!(ledger.checkpoint(), Some(last));
    let ProofOutcome::Proved(proof) = ledger.prove(&token(0).serial).unwrap() else { panic!() };
    proof.verify(ORIGIN, &folder.keys.verifiers).unwrap();
    assert_ne!(state, Hash::of_leaf(b""));
}

#[test]
fn one_process_has_a_ledger() {
    let folder = Folder::new();
    let (ledger, _) = folder.open();
    let again = Ledger::open(&folder.ledger(), &folder.anchor(), config(&folder.keys));
    assert!(matches!(again, Err(OpenError::Locked { .. })));
    drop(ledger);
    folder.open();
}

/// Deleting files does not free it, and a link to the folder leads to the same lock.
#[test]
fn e2_the_lock_is_the_folder_itself() {
    let folder = Folder::new();
    let (ledger, _) = folder.open();
    std::fs::write(folder.ledger().join("lock"), "").unwrap();
    std::fs::remove_file(folder.ledger().join("lock")).unwrap();
    let link = folder.folder.path().join("link");
    std::os::unix::fs::symlink(folder.ledger(), &link).unwrap();
    for path in [folder.ledger(), link] {
        let again = Ledger::open(&path, &folder.folder.path().join("other"), config(&folder.keys));
        assert!(matches!(again, Err(OpenError::Locked { .. })), "{path:?}");
    }
    drop(ledger);
}

#[test]
fn e2_an_anchor_that_another_process_wrote_stops_publishing() {
    let folder = Folder::new();
    let (ledger, _) = folder.open();
    let publish = |number: u64| {
        record(&ledger, number..number + 1);
        let due = ledger.due_checkpoint().unwrap();
        ledger.publish(folder.keys.sign_quickly(&due))
    };
    publish(0).unwrap();
    let first = std::fs::read(folder.anchor()).unwrap();
    publish(1).unwrap();
    let second = std::fs::read(folder.anchor()).unwrap();
    std::fs::write(folder.anchor(), &first).unwrap();
    let refused = publish(2);
    assert!(matches!(&refused, Err(PublishError::AnotherWriter { .. })), "{refused:?}");
    assert_eq!(std::fs::read(folder.anchor()).unwrap(), first);
    // It stays so: the other process may write the same again.
    std::fs::write(folder.anchor(), second).unwrap();
    assert!(publish(3).is_err());
    assert_eq!(ledger.checkpoint().unwrap().checkpoint().size, 2);
}

#[test]
fn e2_a_ledger_that_is_not_there_is_not_begun_by_itself() {
    let folder = Folder::new();
    let expected = || LedgerConfig { begin: false, ..config(&folder.keys) };
    let refusal = || Ledger::open(&folder.ledger(), &folder.anchor(), expected()).unwrap_err();
    for is_made in [false, true] {
        if is_made {
            std::fs::create_dir(folder.ledger()).unwrap();
        }
        let refused = refusal();
        assert!(matches!(refused, OpenError::Missing { .. }), "{refused:?}");
        assert!(refused.to_string().contains("is its disk mounted?"));
        assert!(refused.to_string().contains("attestamp ledger init --new"));
        assert!(!folder.ledger().join("segments").exists());
    }
    let (ledger, _) = folder.open();
    record(&ledger, 0..1);
    drop(ledger);
    // There are entries, and nothing says that nobody has signed for them.
    assert!(matches!(refusal(), OpenError::AnchorMissing { size: 1, .. }));
    let (ledger, _) = folder.open();
    let due = ledger.due_checkpoint().unwrap();
    ledger.publish(folder.keys.sign_quickly(&due)).unwrap();
    drop(ledger);
    drop(folder.open_with(expected()));
    // Gone with its anchor, and its first segment's beginning alone.
    std::fs::remove_file(folder.anchor()).unwrap();
    std::fs::remove_file(folder.ledger().join("segments/00000001/start")).unwrap();
    for begin in [false, true] {
        let config = LedgerConfig { begin, ..expected() };
        assert!(Ledger::open(&folder.ledger(), &folder.anchor(), config).is_err());
    }
    std::fs::remove_dir_all(folder.ledger()).unwrap();
    assert!(matches!(refusal(), OpenError::Missing { .. }));
}
