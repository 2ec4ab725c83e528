//! What a connection is doing, and until when it may.
//!
//! Every deadline of a connection is derived from a few atomics that requests set as they pass; one lazily armed timer
//! per connection watches them (`connection`). No request arms a timer of its own.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use tokio::time::{Duration, Instant};

use super::limits::HttpLimits;

/// A moment as milliseconds since the connection was opened.
pub(crate) type Moment = u64;

const NEVER: Moment = u64::MAX;

/// What one request over HTTP/2 may take: a header and a body of 16 KiB each, and as much again for their frames.
const REQUEST_BYTES: u64 = 64 * 1024;
/// What a connection may send beside its requests: some sixty thousand PING frames. Each request that ends takes its part
/// from what has come.
const UNCLAIMED_BYTES: u64 = 1 << 20;

/// Shared by a connection's task, its socket and its requests.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Which wait began at `since`; meaningless while requests are in flight.
    phase: AtomicU32,
    since: AtomicU64,
    /// When the socket first refused bytes that are still buffered; `NEVER` if it has them all.
    write_blocked_since: AtomicU64,
    /// When the body of an HTTP/1 request must be complete; `NEVER` if none is awaited.
    body_due: AtomicU64,
    in_flight: AtomicU32,
    /// Requests in flight by the generation in which they began.
    generations: [AtomicU32; 2],
    generation: AtomicU32,
    is_http2: AtomicBool,
    body_left: AtomicBool,
    /// Octets of HTTP/2 that came in and belong to no request that has ended.
    unclaimed_bytes: AtomicU64,
    is_flooded: AtomicBool,
}

/// What a connection without requests waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first byte, or the rest of a header.
    Head,
    /// The next request.
    Idle,
    /// The client's close.
    Linger,
}

/// What the watch over a connection concludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing before this moment.
    Wait(Moment),
    /// Idle for too long: say goodbye.
    CloseIdle,
    /// Drop the connection.
    Drop(Overdue),
}

/// Which deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// The header did not come in time.
    Head,
    /// The client does not take its answers.
    Write,
    /// A request was not finished in time.
    Request,
    /// The client goes on sending after the answer.
    Linger,
    /// HTTP/2 frames without end that ask for nothing.
    Flood,
}

/// The part of the watch that only the connection's task has: when the generations of requests change.
#[derive(Debug)]
pub(crate) struct Watch {
    generation_ends: Moment,
}

/// One request in flight; dropped when its answer is in the socket's buffer or given up.
#[derive(Debug)]
pub(crate) struct InFlight {
    activity: Arc<Activity>,
    is_odd: bool,
}

impl Activity {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            phase: AtomicU32::new(Phase::Head.code()),
            since: AtomicU64::new(0),
            write_blocked_since: AtomicU64::new(NEVER),
            body_due: AtomicU64::new(NEVER),
            in_flight: AtomicU32::new(0),
            generations: [AtomicU32::new(0), AtomicU32::new(0)],
            generation: AtomicU32::new(0),
            is_http2: AtomicBool::new(false),
            body_left: AtomicBool::new(false),
            unclaimed_bytes: AtomicU64::new(0),
            is_flooded: AtomicBool::new(false),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        milliseconds(self.opened.elapsed())
    }

    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        // Far enough for any wait, near enough for the timer.
        self.opened + Duration::from_millis(moment.min(1 << 40))
    }

    /// Begins a request.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        let is_odd = self.generation.load(Ordering::Relaxed) != 0;
        self.generation_count(is_odd).fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { activity: Arc::clone(self), is_odd }
    }

    /// So many bytes came in. False if they are more than the connection's requests can explain.
    pub(crate) fn bytes_read(&self, count: usize) -> bool {
        if self.is_http2.load(Ordering::Relaxed) {
            return self.claimed(count);
        }
        if self.in_flight.load(Ordering::Relaxed) == 0
            && self.phase.load(Ordering::Relaxed) == Phase::Idle.code()
        {
            self.enter(Phase::Head);
        }
        true
    }

    /// Control frames cost us work and the client a few octets each, and belong to no request: PING, SETTINGS and their
    /// like without end are known by the octets that no request accounts for.
    fn claimed(&self, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let unclaimed = self.unclaimed_bytes.load(Ordering::Relaxed).saturating_add(count);
        self.unclaimed_bytes.store(unclaimed, Ordering::Relaxed);
        let open = u64::from(self.in_flight.load(Ordering::Relaxed)).saturating_mul(REQUEST_BYTES);
        let is_within = unclaimed <= UNCLAIMED_BYTES.saturating_add(open);
        if !is_within {
            self.is_flooded.store(true, Ordering::Relaxed);
        }
        is_within
    }

    /// Whether more came in than its requests can explain.
    pub(crate) fn is_flooded(&self) -> bool {
        self.is_flooded.load(Ordering::Relaxed)
    }

    /// The connection speaks HTTP/2, where control frames come at any time and do not begin a request.
    pub(crate) fn speaks_http2(&self) {
        self.is_http2.store(true, Ordering::Relaxed);
        self.enter(Phase::Idle);
    }

    pub(crate) fn write_blocked(&self) {
        if self.write_blocked_since.load(Ordering::Relaxed) == NEVER {
            self.write_blocked_since.store(self.now(), Ordering::Relaxed);
        }
    }

    pub(crate) fn write_drained(&self) {
        if self.write_blocked_since.load(Ordering::Relaxed) != NEVER {
            self.write_blocked_since.store(NEVER, Ordering::Relaxed);
        }
    }

    /// An HTTP/1 request waits for its body; returns until when. The watch then lets the request look at the clock.
    pub(crate) fn await_body(&self, limit: Duration) -> Moment {
        let due = after(self.now(), limit);
        self.body_due.store(due, Ordering::Relaxed);
        due
    }

    /// The wait for a body is over, one way or the other.
    pub(crate) fn body_done(&self) {
        self.body_due.store(NEVER, Ordering::Relaxed);
    }

    /// A request was answered before its body was read to the end: more may come.
    pub(crate) fn leave_body(&self) {
        self.body_left.store(true, Ordering::Relaxed);
    }

    /// Whether the client may be sending something that nobody will read.
    pub(crate) fn has_unread_input(&self) -> bool {
        self.body_left.load(Ordering::Relaxed)
            || self.in_flight.load(Ordering::Relaxed) > 0
            || self.phase.load(Ordering::Relaxed) != Phase::Idle.code()
    }

    /// The TLS handshake is done: the time for the first header begins.
    pub(crate) fn await_head(&self) {
        self.enter(Phase::Head);
    }

    pub(crate) fn begin_linger(&self) {
        self.enter(Phase::Linger);
    }

    /// For how long the connection has been waiting without a request; `None` if one is in flight.
    pub(crate) fn waiting_for(&self) -> Option<Duration> {
        (self.in_flight.load(Ordering::Relaxed) == 0)
            .then(|| Duration::from_millis(self.now().saturating_sub(self.since.load(Ordering::Relaxed))))
    }

    fn generation_count(&self, is_odd: bool) -> &AtomicU32 {
        let [even, odd] = &self.generations;
        if is_odd { odd } else { even }
    }

    fn enter(&self, phase: Phase) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.phase.store(phase.code(), Ordering::Relaxed);
    }
}

impl Watch {
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        Self { generation_ends: after(0, limits.request) }
    }

    /// The earliest moment at which [`Self::check`] may conclude anything but waiting. Reads no clock.
    pub(crate) fn due(&self, activity: &Activity, limits: &HttpLimits) -> Moment {
        let write = after(activity.write_blocked_since.load(Ordering::Relaxed), limits.write);
        let wait = if activity.in_flight.load(Ordering::Relaxed) > 0 {
            self.generation_ends.min(activity.body_due.load(Ordering::Relaxed))
        } else {
            let since = activity.since.load(Ordering::Relaxed);
            after(since, Phase::from_code(activity.phase.load(Ordering::Relaxed)).limit(limits))
        };
        write.min(wait)
    }

    /// What is to be done at this moment, which is now.
    pub(crate) fn check(&mut self, activity: &Activity, limits: &HttpLimits, now: Moment) -> Verdict {
        if after(activity.write_blocked_since.load(Ordering::Relaxed), limits.write) <= now {
            return Verdict::Drop(Overdue::Write);
        }
        if activity.in_flight.load(Ordering::Relaxed) > 0 {
            if activity.body_due.load(Ordering::Relaxed) <= now {
                // Being polled is all that the request needs to see this itself and to answer 408.
                activity.body_done();
            }
            if self.generation_ends <= now && self.turn_generation(activity, limits, now) {
                return Verdict::Drop(Overdue::Request);
            }
        } else {
            let phase = Phase::from_code(activity.phase.load(Ordering::Relaxed));
            if after(activity.since.load(Ordering::Relaxed), phase.limit(limits)) <= now {
                return match phase {
                    Phase::Head => Verdict::Drop(Overdue::Head),
                    Phase::Idle => Verdict::CloseIdle,
                    Phase::Linger => Verdict::Drop(Overdue::Linger),
                };
            }
        }
        Verdict::Wait(self.due(activity, limits))
    }

    /// Begins a generation. True if requests of the one before the last are left: they are older than a whole one.
    fn turn_generation(&mut self, activity: &Activity, limits: &HttpLimits, now: Moment) -> bool {
        let [even, odd] = &activity.generations;
        let (next, count) = match activity.generation.load(Ordering::Relaxed) {
            0 => (1, odd),
            _ => (0, even),
        };
        if count.load(Ordering::Relaxed) > 0 {
            return true;
        }
        activity.generation.store(next, Ordering::Relaxed);
        self.generation_ends = after(now, limits.request);
        false
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.generation_count(self.is_odd).fetch_sub(1, Ordering::Relaxed);
        let unclaimed = self.activity.unclaimed_bytes.load(Ordering::Relaxed);
        // A count that another thread reads at the same time may lose one request's share, which is no matter.
        self.activity.unclaimed_bytes.store(unclaimed.saturating_sub(REQUEST_BYTES), Ordering::Relaxed);
        if self.activity.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.activity.enter(Phase::Idle);
        }
    }
}

impl Phase {
    const fn code(self) -> u32 {
        match self {
            Self::Head => 0,
            Self::Idle => 1,
            Self::Linger => 2,
        }
    }

    const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Head,
            1 => Self::Idle,
            _ => Self::Linger,
        }
    }

    const fn limit(self, limits: &HttpLimits) -> Duration {
        match self {
            Self::Head => limits.header_read,
            Self::Idle => limits.keep_alive_idle,
            Self::Linger => limits.linger,
        }
    }
}

fn after(moment: Moment, duration: Duration) -> Moment {
    moment.saturating_add(milliseconds(duration))
}

fn milliseconds(duration: Duration) -> Moment {
    Moment::try_from(duration.as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Real time passes in milliseconds here; every deadline is minutes away from it.
    fn limits() -> HttpLimits {
        HttpLimits {
            header_read: Duration::from_secs(1000),
            body_read: Duration::from_secs(2000),
            keep_alive_idle: Duration::from_secs(3000),
            write: Duration::from_secs(500),
            request: Duration::from_secs(4000),
            linger: Duration::from_secs(100),
            ..HttpLimits::default()
        }
    }

    fn check_at(watch: &mut Watch, activity: &Activity, seconds: u64) -> Verdict {
        watch.check(activity, &limits(), seconds * 1000)
    }

    #[test]
    fn a_connection_without_a_header_is_dropped() {
        let (activity, mut watch) = (Activity::new(), Watch::new(&limits()));
        assert!(matches!(check_at(&mut watch, &activity, 999), Verdict::Wait(_)));
        assert_eq!(check_at(&mut watch, &activity, 1000), Verdict::Drop(Overdue::Head));
    }

    #[test]
    fn after_a_request_it_may_wait_and_the_next_header_counts_from_its_first_byte() {
        let (activity, mut watch) = (Arc::new(Activity::new()), Watch::new(&limits()));
        drop(activity.begin());
        assert!(matches!(check_at(&mut watch, &activity, 2999), Verdict::Wait(_)));
        assert_eq!(check_at(&mut watch, &activity, 3100), Verdict::CloseIdle);
        assert!(activity.bytes_read(1));
        assert_eq!(check_at(&mut watch, &activity, 1100), Verdict::Drop(Overdue::Head));
    }

    #[test]
    fn control_frames_do_not_begin_a_header_in_http2() {
        let (activity, mut watch) = (Activity::new(), Watch::new(&limits()));
        activity.speaks_http2();
        assert!(activity.bytes_read(1));
        assert!(matches!(check_at(&mut watch, &activity, 2900), Verdict::Wait(_)));
        assert_eq!(check_at(&mut watch, &activity, 3100), Verdict::CloseIdle);
    }

    #[test]
    fn what_belongs_to_no_request_is_bounded_in_http2_and_requests_take_their_part() {
        let activity = Arc::new(Activity::new());
        assert!(activity.bytes_read(usize::MAX), "HTTP/1 has other limits");
        activity.speaks_http2();
        let mebibyte = 1 << 20;
        assert!(activity.bytes_read(mebibyte));
        let request = activity.begin();
        assert!(activity.bytes_read(64 * 1024));
        drop(request);
        assert!(!activity.is_flooded());
        assert!(!activity.bytes_read(1) && activity.is_flooded());

        let honest = Arc::new(Activity::new());
        honest.speaks_http2();
        for _ in 0..1_000 {
            let request = honest.begin();
            assert!(honest.bytes_read(32 * 1024));
            drop(request);
        }
    }

    #[test]
    fn a_request_is_dropped_after_one_to_two_times_its_limit() {
        let (activity, mut watch) = (Arc::new(Activity::new()), Watch::new(&limits()));
        let request = activity.begin();
        assert!(matches!(check_at(&mut watch, &activity, 4001), Verdict::Wait(_)));
        assert!(matches!(check_at(&mut watch, &activity, 8000), Verdict::Wait(_)));
        assert_eq!(check_at(&mut watch, &activity, 8002), Verdict::Drop(Overdue::Request));
        drop(request);
        assert!(matches!(check_at(&mut watch, &activity, 2000), Verdict::Wait(_)));
    }

    #[test]
    fn requests_that_follow_each_other_do_not_add_up() {
        let (activity, mut watch) = (Arc::new(Activity::new()), Watch::new(&limits()));
        let mut current = activity.begin();
        for turn in 1..20 {
            assert!(matches!(check_at(&mut watch, &activity, turn * 4001), Verdict::Wait(_)), "{turn}");
            let next = activity.begin();
            drop(std::mem::replace(&mut current, next));
        }
    }

    #[test]
    fn a_blocked_write_counts_until_all_is_flushed() {
        let (activity, mut watch) = (Arc::new(Activity::new()), Watch::new(&limits()));
        let _request = activity.begin();
        activity.write_blocked();
        assert!(matches!(check_at(&mut watch, &activity, 499), Verdict::Wait(_)));
        assert_eq!(check_at(&mut watch, &activity, 501), Verdict::Drop(Overdue::Write));
        activity.write_drained();
        assert!(matches!(check_at(&mut watch, &activity, 501), Verdict::Wait(_)));
    }

    #[test]
    fn what_is_due_is_never_later_than_what_the_check_finds() {
        let (activity, mut watch) = (Arc::new(Activity::new()), Watch::new(&limits()));
        let request = activity.begin();
        let due = activity.await_body(limits().body_read);
        assert_eq!(watch.due(&activity, &limits()), due);
        assert!(matches!(watch.check(&activity, &limits(), due), Verdict::Wait(until) if until > due));
        drop(request);
        activity.begin_linger();
        assert!(watch.due(&activity, &limits()) <= 100_100);
        assert_eq!(check_at(&mut watch, &activity, 101), Verdict::Drop(Overdue::Linger));
    }
}
