//! The batch that is being gathered, and what those wait on whose entries are in it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::RecordError;
use super::growing::Leaf;
use super::lock;
use crate::frame::MAXIMUM_BATCH_BYTES;

/// Octets that may wait for the disk; more is refused.
const MAXIMUM_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// Resolves when the entry is durable.
#[derive(Debug)]
pub struct Recorded {
    batch: Arc<Batch>,
    place: u32,
}

impl Future for Recorded {
    /// The leaf's index.
    type Output = Result<u64, RecordError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(outcome) = self.outcome() {
            return Poll::Ready(outcome);
        }
        let mut wakers = lock(&self.batch.wakers);
        // Decided meanwhile: the wakers were taken.
        if let Some(outcome) = self.outcome() {
            return Poll::Ready(outcome);
        }
        let place = usize::try_from(self.place).unwrap_or(usize::MAX);
        if wakers.len() <= place {
            wakers.resize_with(place.saturating_add(1), || None);
        }
        if let Some(waker) = wakers.get_mut(place) {
            match waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
        }
        Poll::Pending
    }
}

impl Recorded {
    /// Waits on this thread.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn wait(mut self) -> Result<u64, RecordError> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(outcome) => return outcome,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    pub(super) fn failed(error: RecordError) -> Self {
        let batch = Arc::new(Batch::default());
        batch.decide(Err(error));
        Self { batch, place: 0 }
    }

    fn outcome(&self) -> Option<Result<u64, RecordError>> {
        let outcome = self.batch.outcome.get()?;
        Some(outcome.clone().map(|first| first.saturating_add(self.place.into())))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Entries that become durable together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The index of its first leaf.
    outcome: OnceLock<Result<u64, RecordError>>,
    /// By the place in the batch.
    wakers: Mutex<Vec<Option<Waker>>>,
}

impl Batch {
    /// Tells all that wait.
    pub(super) fn decide(&self, outcome: Result<u64, RecordError>) {
        let _ = self.outcome.set(outcome);
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

/// A batch and what is to be written for it.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) batch: Arc<Batch>,
    pub(super) frames: Vec<u8>,
    pub(super) leaves: Vec<Leaf>,
}

/// Where entries wait for the committing thread.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Gathered>,
    /// One that was committed, for its buffers.
    spare: Option<Gathered>,
    pending_bytes: usize,
    pending_entries: usize,
    /// Entries for which the committing thread wants to be woken; it is at work if there is no number.
    wanted: Option<usize>,
    /// The batch that is being written, and since when.
    at_work: Option<(Instant, Arc<Batch>)>,
    failing: Option<RecordError>,
    is_closed: bool,
}

/// What the committing thread shall do.
#[derive(Debug)]
pub(super) enum Work {
    Commit(Gathered),
    /// The time to try again has come.
    Retry,
    Close,
}

impl Gathering {
    /// Puts an entry into the batch.
    pub(super) fn add(&self, leaf: Leaf, frame: &[u8]) -> Recorded {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Recorded::failed(RecordError::Closed);
        }
        if let Some(error) = &state.failing {
            return Recorded::failed(error.clone());
        }
        let pending_bytes = state.pending_bytes;
        if pending_bytes > MAXIMUM_PENDING_BYTES {
            return Recorded::failed(RecordError::Stalled { pending_bytes });
        }
        let has_room = |last: &Gathered| last.frames.len().saturating_add(frame.len()) <= MAXIMUM_BATCH_BYTES;
        if !state.queue.back().is_some_and(has_room) {
            let next = state.spare.take().unwrap_or_default();
            state.queue.push_back(next);
        }
        let Some(last) = state.queue.back_mut() else { return Recorded::failed(RecordError::Closed) };
        let place = u32::try_from(last.leaves.len()).unwrap_or(u32::MAX);
        last.frames.extend_from_slice(frame);
        last.leaves.push(leaf);
        let batch = Arc::clone(&last.batch);
        state.pending_bytes = pending_bytes.saturating_add(frame.len());
        state.pending_entries = state.pending_entries.saturating_add(1);
        let is_wanted = state.wanted.is_some_and(|wanted| state.pending_entries >= wanted);
        if is_wanted {
            state.wanted = None;
        }
        drop(state);
        if is_wanted {
            self.changed.notify_one();
        }
        Recorded { batch, place }
    }

    /// Waits for a batch: until `wanted` entries are there, and not longer than `patience` after the first.
    pub(super) fn next(&self, wanted: usize, patience: Duration) -> Work {
        let mut state = lock(&self.state);
        state.at_work = None;
        loop {
            if state.queue.is_empty() {
                if state.is_closed {
                    return Work::Close;
                }
                state.wanted = Some(1);
                state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
                continue;
            }
            let is_enough = state.pending_entries >= wanted || state.queue.len() > 1 || state.is_closed;
            if !is_enough {
                state.wanted = Some(wanted);
                let waited = self.changed.wait_timeout(state, patience);
                state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            }
            state.wanted = None;
            if let Some(gathered) = state.queue.pop_front() {
                state.pending_bytes = state.pending_bytes.saturating_sub(gathered.frames.len());
                state.pending_entries = state.pending_entries.saturating_sub(gathered.leaves.len());
                state.at_work = Some((Instant::now(), Arc::clone(&gathered.batch)));
                return Work::Commit(gathered);
            }
        }
    }

    /// Waits until it is time to try again.
    pub(super) fn next_retry(&self, retry: Duration) -> Work {
        let mut state = lock(&self.state);
        state.at_work = None;
        let waited = self.changed.wait_timeout_while(state, retry, |state| !state.is_closed);
        let (state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.is_closed { Work::Close } else { Work::Retry }
    }

    /// Takes the buffers of a batch that is decided.
    pub(super) fn give_back(&self, mut gathered: Gathered) {
        gathered.frames.clear();
        gathered.leaves.clear();
        gathered.batch = Arc::default();
        lock(&self.state).spare = Some(gathered);
    }

    /// Whatever waits and comes fails with this, until `resume`.
    pub(super) fn fail(&self, error: &RecordError) {
        let mut state = lock(&self.state);
        state.failing = Some(error.clone());
        state.pending_bytes = 0;
        state.pending_entries = 0;
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        for gathered in queue {
            gathered.batch.decide(Err(error.clone()));
        }
    }

    /// As [`fail`](Self::fail), also for the batch that is being written: nobody writes it any longer.
    pub(super) fn abandon(&self, error: &RecordError) {
        self.fail(error);
        let at_work = lock(&self.state).at_work.take();
        if let Some((_, batch)) = at_work {
            batch.decide(Err(error.clone()));
        }
    }

    /// How long the batch that is being written has been, at this time.
    pub(super) fn at_work(&self, now: Instant) -> Option<Duration> {
        lock(&self.state).at_work.as_ref().map(|(since, _)| now.saturating_duration_since(*since))
    }

    pub(super) fn resume(&self) {
        lock(&self.state).failing = None;
    }

    pub(super) fn close(&self) {
        lock(&self.state).is_closed = true;
        self.changed.notify_all();
    }

    pub(super) fn failing(&self) -> Option<RecordError> {
        lock(&self.state).failing.clone()
    }

    pub(super) fn pending_entries(&self) -> usize {
        lock(&self.state).pending_entries
    }
}
