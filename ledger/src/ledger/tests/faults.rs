//! E2 and E5: a fault at every step, and a crash at every step, in every way that a disk can leave it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::super::*;
use crate::reader::LedgerReader;
use crate::storage::memory::{CrashKind, Fault, FaultKind, MemoryStorage};
use crate::testing::{ORIGIN, TestKeys, clock, config, token};
use crate::tile::TILE_WIDTH;
use crate::tree::Frontier;

pub(super) const LEDGER: &str = "/ledger";
pub(super) const ANCHOR: &str = "/state/anchor";

#[derive(Debug, Clone, Copy)]
enum Action {
    Record(u64),
    Clock,
    Publish,
    Reopen,
}

#[derive(Debug)]
struct Resumed(Mutex<Sender<()>>);

impl CommitObserver for Resumed {
    fn committed(&self, _entries: usize, _bytes: usize, _duration: Duration) {}
    fn failed(&self, _error: &RecordError) {}
    fn resumed(&self) {
        let _ = self.0.lock().unwrap().send(());
    }
}

/// A ledger, its disk, and everything that was ever promised about it.
struct World {
    storage: MemoryStorage,
    crash: CrashKind,
    keys: TestKeys,
    config: LedgerConfig,
    resumed: Receiver<()>,
    ledger: Option<Ledger>,
    next_token: u64,
    /// Entries whose wait returned Ok: index and token.
    acknowledged: BTreeMap<u64, u64>,
    /// Whatever keys have signed, published or not.
    signed: Vec<Checkpoint>,
}

impl World {
    fn new(fault: Option<Fault>, crash: CrashKind) -> Self {
        let storage = MemoryStorage::default();
        storage.set_fault(fault);
        let keys = TestKeys::new(3);
        let (sender, resumed) = channel();
        let observer = Arc::new(Resumed(Mutex::new(sender)));
        let config = LedgerConfig { segment_bytes: 1500, observer, ..config(&keys) };
        let (acknowledged, signed) = (BTreeMap::new(), Vec::new());
        Self { storage, crash, keys, config, resumed, ledger: None, next_token: 0, acknowledged, signed }
    }

    fn place(&self) -> Place {
        Place::new(Arc::new(self.storage.clone()), Path::new(LEDGER))
    }

    /// The process ends and the disk loses what it may lose.
    fn crash(&mut self) {
        self.ledger = None;
        self.storage = self.storage.crash(self.crash);
    }

    fn open(&mut self) -> &Ledger {
        // An injected fault fails some attempts; after a stop there is a crash.
        for _ in 0..8 {
            if self.ledger.is_none() {
                match Ledger::open_in(self.place(), Path::new(ANCHOR), self.config.clone(), None) {
                    Ok((ledger, _)) => self.ledger = Some(ledger),
                    Err(OpenError::Storage { .. }) if self.storage.is_stopped() => self.crash(),
                    Err(OpenError::Storage { source, .. }) if source.to_string() == "injected" => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        self.ledger.as_ref().unwrap()
    }

    /// It resumes by itself, or its disk has stopped.
    fn settle(&mut self) {
        if self.storage.is_stopped() {
            self.crash();
            self.open();
        }
        while matches!(self.open().health(), LedgerHealth::Failing(_)) {
            if self.storage.is_stopped() {
                self.crash();
            } else {
                self.resumed.recv().unwrap();
            }
        }
    }

    fn act(&mut self, action: Action) {
        self.settle();
        match action {
            Action::Record(count) => {
                let numbers = self.next_token..self.next_token + count;
                self.next_token += count;
                let ledger = self.open();
                let recorded: Vec<_> =
                    numbers.map(|number| (number, ledger.record(&token(number)))).collect();
                for (number, recorded) in recorded {
                    if let Ok(index) = recorded.wait() {
                        assert_eq!(self.acknowledged.insert(index, number), None);
                    }
                }
            }
            Action::Clock => {
                let number = self.next_token;
                let _ = self.open().record_entry(&Entry::Clock(clock(number))).1.wait();
            }
            Action::Publish => {
                if let Some(due) = self.open().due_checkpoint() {
                    self.signed.push(due.clone());
                    let signed = self.keys.sign_quickly(&due);
                    let published = self.open().publish(signed);
                    assert!(!matches!(published, Err(PublishError::Foreign { .. })));
                }
            }
            Action::Reopen => self.ledger = None,
        }
    }

    fn check(&mut self) {
        self.crash();
        self.open();
        self.settle();
        let reader = LedgerReader::of(self.place());
        let entries: Vec<Entry> = reader.entries(0).map(|entry| entry.unwrap().1).collect();
        invariant_every_acknowledged_entry_is_there(&self.acknowledged, &entries);
        invariant_the_tree_continues_every_signed_checkpoint(&self.signed, &entries);
        for _ in 0..1000 {
            let Some(due) = self.open().due_checkpoint() else { break };
            let signed = self.keys.sign_quickly(&due);
            self.open().publish(signed).unwrap();
        }
        reader.verify(ORIGIN, &self.keys.verifiers, &[], &mut |_, _| {}).unwrap();
        let ledger = self.ledger.as_ref().unwrap();
        invariant_serving_equals_recomputation(ledger, &self.keys, &entries);
    }
}

fn invariant_every_acknowledged_entry_is_there(acknowledged: &BTreeMap<u64, u64>, entries: &[Entry]) {
    for (&index, &number) in acknowledged {
        let found = entries.get(usize::try_from(index).unwrap());
        assert_eq!(found, Some(&Entry::Token(token(number))), "leaf {index}");
    }
}

fn invariant_the_tree_continues_every_signed_checkpoint(signed: &[Checkpoint], entries: &[Entry]) {
    let mut tree = Frontier::default();
    let mut roots = vec![tree.root()];
    for entry in entries {
        tree.append(Hash::of_leaf(&entry.encode()), |_, _| {});
        roots.push(tree.root());
    }
    for checkpoint in signed {
        let root = roots.get(usize::try_from(checkpoint.size).unwrap());
        assert_eq!(root, Some(&checkpoint.root), "{checkpoint:?}");
    }
}

fn invariant_serving_equals_recomputation(ledger: &Ledger, keys: &TestKeys, entries: &[Entry]) {
    let published = ledger.checkpoint().map_or(0, |checkpoint| checkpoint.checkpoint().size);
    assert_eq!(usize::try_from(published).unwrap(), entries.len());
    for (index, tile) in (0..).zip(entries.chunks(usize::try_from(TILE_WIDTH).unwrap())) {
        let width = u16::try_from(tile.len()).unwrap();
        let encoded: Vec<Vec<u8>> = tile.iter().map(Entry::encode).collect();
        let hashes: Vec<u8> = encoded.iter().flat_map(|entry| Hash::of_leaf(entry).0).collect();
        let served = ledger.tile(TilePath::Hashes { level: 0, index, width }).unwrap();
        assert_eq!(served, Some(hashes));
        let frame = |entry: &Vec<u8>| [&u16::try_from(entry.len()).unwrap().to_be_bytes(), &**entry].concat();
        let bundle: Vec<u8> = encoded.iter().flat_map(frame).collect();
        assert_eq!(ledger.tile(TilePath::Entries { index, width }).unwrap(), Some(bundle));
    }
    for entry in entries {
        if let Entry::Token(token) = entry {
            let ProofOutcome::Proved(proof) = ledger.prove(&token.serial).unwrap() else {
                panic!("{token:?}")
            };
            assert_eq!(proof.verify(ORIGIN, &keys.verifiers[..1]).unwrap().entry, *entry);
        }
    }
}

/// Segments end, are published, and the process begins anew.
const SCRIPT: [Action; 14] = [
    Action::Record(3),
    Action::Clock,
    Action::Publish,
    Action::Record(9),
    Action::Record(4),
    Action::Publish,
    Action::Record(12),
    Action::Record(2),
    Action::Reopen,
    Action::Publish,
    Action::Publish,
    Action::Clock,
    Action::Record(5),
    Action::Publish,
];

fn run(actions: &[Action], fault: Option<Fault>, crash: CrashKind) -> World {
    let mut world = World::new(fault, crash);
    for &action in actions {
        world.act(action);
    }
    world
}

#[test]
fn e2_e5_nothing_is_lost_by_a_fault_at_any_step() {
    let mut world = run(&SCRIPT, None, CrashKind::Nothing);
    let operations = world.storage.operations();
    world.check();
    assert!(operations > 60, "{operations}");
    assert_eq!(world.acknowledged.len(), 35);
    for operation in 0..operations {
        let (prefix, sectors) = (CrashKind::Prefix(operation), CrashKind::Sectors(operation));
        for kind in [FaultKind::Failed, FaultKind::FailedButPersisted, FaultKind::FailedButVisible] {
            for crash in [CrashKind::Nothing, sectors] {
                run_and_check(Fault { operation, count: 1, kind }, crash);
            }
        }
        for crash in [CrashKind::Nothing, CrashKind::Everything, prefix, sectors] {
            run_and_check(Fault { operation, count: 1, kind: FaultKind::Stopped }, crash);
        }
    }
}

fn run_and_check(fault: Fault, crash: CrashKind) {
    // Shown where a check fails.
    eprintln!("{fault:?}, {crash:?}");
    run(&SCRIPT, Some(fault), crash).check();
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (1_u64..30).prop_map(Action::Record),
        1 => Just(Action::Clock),
        3 => Just(Action::Publish),
        1 => Just(Action::Reopen),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let kind = prop_oneof![
        Just(FaultKind::Failed),
        Just(FaultKind::FailedButPersisted),
        Just(FaultKind::FailedButVisible),
        Just(FaultKind::Stopped),
    ];
    (0_u64..150, 1_u64..6, kind).prop_map(|(operation, count, kind)| Fault { operation, count, kind })
}

fn crash() -> impl Strategy<Value = CrashKind> {
    prop_oneof![
        Just(CrashKind::Nothing),
        Just(CrashKind::Everything),
        any::<u64>().prop_map(CrashKind::Prefix),
        any::<u64>().prop_map(CrashKind::Sectors),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn e2_e5_nothing_is_lost_by_any_fault(
        actions in prop::collection::vec(action(), 1..25),
        fault in proptest::option::of(fault()),
        crash in crash(),
    ) {
        run(&actions, fault, crash).check();
    }
}
