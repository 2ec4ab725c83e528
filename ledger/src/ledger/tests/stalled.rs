//! A disk that hangs, and a thread that ends: who asks is answered, and who waits is told.

use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};

use super::super::*;
use super::damage::Disk;
use super::{Folder, record};
use crate::testing::{config, token};

/// Waits in each commit until it is told to go on; is told to panic by the end of the channel.
#[derive(Debug)]
struct Gate {
    reached: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl CommitObserver for Gate {
    fn committed(&self, _entries: usize, _bytes: usize, _duration: Duration) {
        self.reached.lock().unwrap().send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
    }
    fn failed(&self, _error: &RecordError) {}
    fn resumed(&self) {}
}

fn gated(folder: &Folder) -> (Ledger, Receiver<()>, Sender<()>) {
    let ((reached, is_reached), (go_on, may_go_on)) = (channel(), channel());
    let gate = Gate { reached: Mutex::new(reached), go_on: Mutex::new(may_go_on) };
    let (ledger, _) = folder.open_with(LedgerConfig { observer: Arc::new(gate), ..config(&folder.keys) });
    (ledger, is_reached, go_on)
}

#[test]
fn e5_a_batch_that_hangs_is_seen() {
    let folder = Folder::new();
    let (ledger, is_reached, go_on) = gated(&folder);
    let recorded = ledger.record(&token(0));
    is_reached.recv().unwrap();
    // The tree is locked as well, as it is while a segment is ended.
    let tree = lock(&ledger.core.tree);
    let later = Instant::now() + Duration::from_secs(7);
    let health = ledger.health_at(later);
    assert!(matches!(health, LedgerHealth::Stalled { seconds: 6..=8 }), "{health:?}");
    assert!(matches!(ledger.health_at(Instant::now()), LedgerHealth::Good | LedgerHealth::Stalled { .. }));
    assert_eq!((ledger.statistics().size, ledger.has_due_checkpoint()), (1, true));
    assert!(ledger.due_checkpoint().is_some());
    drop(tree);
    go_on.send(()).unwrap();
    assert_eq!(recorded.wait().unwrap(), 0);
    go_on.send(()).unwrap();
    let again = ledger.record(&token(1));
    is_reached.recv().unwrap();
    again.wait().unwrap();
}

/// A sync that does not come back: nothing is durable, what comes waits within a bound, and all of it is recorded when the
/// disk answers.
#[test]
fn e5_a_sync_that_hangs_holds_everything_and_loses_nothing() {
    let disk = Disk::new();
    let (ledger, recovery) = disk.open().unwrap();
    let size = recovery.size;
    disk.storage.hang(true);
    let mut first = ledger.record(&token(1000));
    disk.storage.wait_until_it_hangs();
    let mut context = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut first).poll(&mut context).is_pending());
    let later = Instant::now() + STALLED_AFTER + Duration::from_secs(2);
    assert!(matches!(ledger.health_at(later), LedgerHealth::Stalled { seconds: 6.. }));
    assert_eq!(ledger.statistics().size, size);
    // Memory is not filled with what waits.
    let mut waiting = vec![first];
    let refused = loop {
        let mut recorded = ledger.record(&token(1000));
        match Pin::new(&mut recorded).poll(&mut context) {
            Poll::Pending => waiting.push(recorded),
            Poll::Ready(refused) => break refused,
        }
    };
    let Err(RecordError::Stalled { pending_bytes }) = refused else { panic!("{refused:?}") };
    assert!((16 << 20..17 << 20).contains(&pending_bytes), "{pending_bytes}");
    assert!(waiting.iter_mut().all(|recorded| Pin::new(recorded).poll(&mut context).is_pending()));

    disk.storage.hang(false);
    let expected = size + u64::try_from(waiting.len()).unwrap();
    let mut last = None;
    for recorded in waiting {
        last = last.max(Some(recorded.wait().unwrap()));
    }
    assert_eq!(last, Some(expected - 1));
    assert!(matches!(ledger.health(), LedgerHealth::Good));
    assert_eq!(ledger.record(&token(1001)).wait().unwrap(), expected);
}

#[test]
fn e5_who_waits_is_told_when_the_thread_ends() {
    let folder = Folder::new();
    let (ledger, is_reached, go_on) = gated(&folder);
    let first = ledger.record(&token(0));
    is_reached.recv().unwrap();
    let second = ledger.record(&token(1));
    drop(go_on);
    for recorded in [first, second, ledger.record(&token(2))] {
        assert!(matches!(recorded.wait(), Err(RecordError::Panicked)));
    }
    assert!(matches!(ledger.health(), LedgerHealth::Failing(RecordError::Panicked)));
}

/// M4: who asks what is due does not push out what is being signed.
#[test]
fn e2_a_checkpoint_that_is_being_signed_stays_publishable() {
    let folder = Folder::new();
    let (ledger, _) = folder.open();
    record(&ledger, 0..1);
    let first = ledger.due_checkpoint().unwrap();
    for number in 1..40 {
        record(&ledger, number..number + 1);
        assert_eq!(ledger.due_checkpoint().unwrap().size, number + 1);
    }
    ledger.publish(folder.keys.sign_quickly(&first)).unwrap();
    assert_eq!(ledger.checkpoint().unwrap().checkpoint(), &first);
}
