//! Who waits for a processor: the bound of a signer whose signatures are made on the threads that serve requests.
//!
//! Such a signer has no queue before its sessions: a request is signed as soon as a thread has time for it, and what waits are
//! requests that nobody has looked at. So each is looked at first, counted, and put behind those that came before it; past the
//! bound it is refused at once, which costs a fraction of a signature. A bound in requests would be wrong for keys that differ
//! a thousandfold in speed: unless the operator sets one, it is what can be signed in about a second.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// As many may wait always: the default for a queue before sessions.
const LEAST: usize = 256;

/// Of requests that wait each costs some KiB.
const MOST: usize = 65_536;

/// Requests that wait for a processor.
#[derive(Debug)]
pub(super) struct Turns {
    limit: usize,
    waiting: AtomicUsize,
    refused: AtomicU64,
}

/// There are too many before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// Counted, for as long as this is held.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, waiting: AtomicUsize::new(0), refused: AtomicU64::new(0) }
    }

    /// Lets those go first that came before.
    pub(super) async fn wait(&self) -> Result<(), TooMany> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.waiting);
        if before >= self.limit {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(TooMany);
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// How many wait now.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many were refused so far.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// How many may wait: what the operator says, else what so many processors sign in a second.
pub(super) fn limit(configured: Option<usize>, signature: Duration, processors: usize) -> usize {
    configured.unwrap_or_else(|| {
        let each = Duration::from_secs(1).as_nanos() / signature.as_nanos().max(1);
        usize::try_from(each).unwrap_or(MOST).saturating_mul(processors).clamp(LEAST, MOST)
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::{LEAST, MOST, TooMany, Turns, limit};

    #[test]
    fn past_the_bound_a_request_is_refused_and_one_that_left_makes_room() {
        let turns = Turns::new(2);
        let mut context = Context::from_waker(Waker::noop());
        let mut first = pin!(turns.wait());
        let mut second = Box::pin(turns.wait());
        assert_eq!(first.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(second.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(turns.waiting(), 2);
        assert_eq!(pin!(turns.wait()).poll(&mut context), Poll::Ready(Err(TooMany)));
        assert_eq!(turns.waiting(), 2, "who is refused does not wait");
        drop(second);
        let mut third = pin!(turns.wait());
        assert_eq!(third.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(first.as_mut().poll(&mut context), Poll::Ready(Ok(())));
        assert_eq!(third.as_mut().poll(&mut context), Poll::Ready(Ok(())));
        assert_eq!((turns.waiting(), turns.refused()), (0, 1));
    }

    #[test]
    fn about_a_second_may_wait_unless_the_operator_says_otherwise() {
        assert_eq!(limit(Some(3), Duration::from_micros(30), 2), 3);
        assert_eq!(limit(None, Duration::from_millis(1), 4), 4000);
        assert_eq!(limit(None, Duration::from_millis(100), 1), LEAST);
        assert_eq!(limit(None, Duration::ZERO, 64), MOST);
    }
}
