//! The thread that commits: one write and one sync for each batch, and what is to be done when that fails.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{Gathered, Work};
use super::growing::Durable;
use super::recovery::recover;
use super::tail::{Tail, entry_of};
use super::{Core, OpenError, RecordError, lock};
use crate::checkpoint::Checkpoint;
use crate::frame::MAXIMUM_BATCH_BYTES;
use crate::place::SegmentRange;
use crate::segment::SegmentStart;

/// How long a batch waits for more entries, at most, when more are to be expected: a commit costs 60 to 70 µs of CPU time
/// whatever is in it, so that it pays to put into one what comes within a millisecond.
const PATIENCE: Duration = Duration::from_millis(1);

/// Entries for which a batch waits, at most.
const MAXIMUM_WANTED: usize = 256;

/// Where the thread panics, nobody waits for it any longer.
struct Guard<'a>(&'a Core);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.gathering.abandon(&RecordError::Panicked);
        }
    }
}

/// Commits until the ledger is closed.
pub(super) fn run(core: &Core, mut tail: Tail) {
    let _guard = Guard(core);
    // As many as were under way at the last commit: those that were in it, and those that came while it was written. With
    // one client that is one, and nobody waits; with many, a batch is what they all send before the next round.
    let mut wanted = 1;
    loop {
        let work = match core.gathering.failing() {
            Some(_) => core.gathering.next_retry(core.config.retry),
            None => core.gathering.next(wanted, PATIENCE),
        };
        match work {
            Work::Close => return,
            Work::Retry => match reopen(core, &mut tail) {
                Ok(()) => {
                    core.gathering.resume();
                    core.config.observer.resumed();
                }
                Err(error) => fail(core, error),
            },
            Work::Commit(gathered) => {
                let entries = gathered.leaves.len();
                match commit(core, &mut tail, &gathered) {
                    Ok(first) => {
                        let meanwhile = core.gathering.pending_entries();
                        wanted = entries.saturating_add(meanwhile).min(MAXIMUM_WANTED);
                        gathered.batch.decide(Ok(first));
                        core.gathering.give_back(gathered);
                        if let Err(error) = prepare(&mut tail) {
                            fail(core, error);
                        }
                    }
                    Err(error) => {
                        fail(core, error.clone());
                        gathered.batch.decide(Err(error));
                    }
                }
            }
        }
    }
}

fn fail(core: &Core, error: RecordError) {
    core.gathering.fail(&error);
    core.config.observer.failed(&error);
}

fn commit(core: &Core, tail: &mut Tail, gathered: &Gathered) -> Result<u64, RecordError> {
    let time = gathered.leaves.first().map_or(0, |leaf| leaf.time_microseconds);
    if tail.is_full(&core.config, time) {
        rotate(core, tail).map_err(write_error("beginning a segment"))?;
    }
    let started = Instant::now();
    if !tail.has_room(gathered.frames.len()) {
        tail.preallocate().map_err(write_error("making the segment longer"))?;
    }
    tail.file.write_at(&gathered.frames, tail.length).map_err(write_error("write"))?;
    tail.file.sync().map_err(write_error("fdatasync"))?;
    let duration = started.elapsed();
    let first = add(core, tail, gathered);
    core.config.observer.committed(gathered.leaves.len(), gathered.frames.len(), duration);
    Ok(first)
}

/// The batch is durable: its leaves are in the tree.
fn add(core: &Core, tail: &mut Tail, gathered: &Gathered) -> u64 {
    let mut tree = lock(&core.tree);
    let first = tree.size();
    let mut place = 0;
    for (leaf, index) in gathered.leaves.iter().zip(first..) {
        let frame_length = usize::try_from(leaf.frame_length).unwrap_or(usize::MAX);
        tree.add(leaf, tail.length);
        tail.add(leaf, index, entry_of(&gathered.frames, place, frame_length));
        place = place.saturating_add(frame_length);
    }
    *lock(&core.durable) = Durable::of(&tree);
    first
}

/// Between two batches: zeros for the next ones. A full disk is no failure while there is room in the file.
fn prepare(tail: &mut Tail) -> Result<(), RecordError> {
    if !tail.is_short() {
        return Ok(());
    }
    match tail.preallocate() {
        Err(error) if error.kind() == io::ErrorKind::StorageFull && tail.has_room(MAXIMUM_BATCH_BYTES) => {
            Ok(())
        }
        done => done.map_err(write_error("making the segment longer")),
    }
}

/// Ends the segment and begins the next one, whose beginning is durable before anything is in it.
fn rotate(core: &Core, tail: &mut Tail) -> io::Result<()> {
    let mut tree = lock(&core.tree);
    let start = SegmentStart {
        number: tail.number.saturating_add(1),
        frontier: tree.frontier.clone(),
        previous: Some(tail.sealed()),
        clocks: tail.clocks(),
    };
    let next = Tail::create(&core.place, &start)?;
    // The zeros at its end; if this fails, the next start does it.
    let _ = tail.file.set_length(tail.length);
    let size = tree.size();
    // If this fails, the next start computes the files anew.
    let _ = tree.derived.sync(size);
    Arc::make_mut(&mut tree.segments).push(SegmentRange { number: start.number, first: size });
    *lock(&core.durable) = Durable::of(&tree);
    core.end_of_segment(tail.number, &start);
    *tail = next;
    Ok(())
}

/// After a failure nothing is believed but what was durable before it: the files are read again from there.
fn reopen(core: &Core, tail: &mut Tail) -> Result<(), RecordError> {
    let failed = |error: OpenError| RecordError::Reopen(Arc::new(error));
    let start = core
        .place
        .start(tail.number)
        .map_err(|error| failed(super::recovery::damaged(&core.place, error)))?;
    let Some(start) = start else {
        return Err(failed(OpenError::Damaged {
            folder: core.place.folder.as_path().into(),
            source: super::Damage::Start { segment: tail.number },
        }));
    };
    tail.file = Tail::open(&core.place, &start).map_err(failed)?.file;
    // Durable first, read then: what is added to the tree stays.
    let reach = tail.length.saturating_add(u64::try_from(MAXIMUM_BATCH_BYTES).unwrap_or(u64::MAX));
    tail.settle(tail.length, reach).map_err(write_error("fdatasync"))?;
    let number = tail.number;
    let mut tree = lock(&core.tree);
    let recovered = recover(&core.place, &mut tree, tail, &[]).map_err(failed);
    *lock(&core.durable) = Durable::of(&tree);
    drop(tree);
    let torn = recovered?;
    if let Some(torn) = torn {
        core.config.observer.repaired(&torn);
    }
    for segment in number..tail.number {
        let next = core.place.start(segment.saturating_add(1));
        if let Some(start) = next.map_err(|error| failed(super::recovery::damaged(&core.place, error)))? {
            core.end_of_segment(segment, &start);
        }
    }
    if !tail.has_room(MAXIMUM_BATCH_BYTES) {
        tail.preallocate().map_err(write_error("making the segment longer"))?;
    }
    Ok(())
}

impl Core {
    /// A segment ended: its checkpoint is due, before any other.
    fn end_of_segment(&self, segment: u32, next: &SegmentStart) {
        let (size, root) = (next.first_index(), next.frontier.root());
        let checkpoint = Checkpoint { origin: self.config.origin.clone(), size, root };
        lock(&self.due).ends.push_back((segment, checkpoint));
    }
}

/// For `map_err`.
fn write_error(operation: &'static str) -> impl FnOnce(io::Error) -> RecordError {
    move |source| RecordError::Write { operation, source: Arc::new(source) }
}
