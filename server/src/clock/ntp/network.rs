//! All servers together, carried to the moment of a sample.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::check::offset_words;
use super::exchange::Answer;
use super::select::{self, Interval};
use super::server::{Observation, Server, Trouble};
use super::{ErrorLimits, LOG_TARGET, NtpConfig, ServerName};
use crate::clock::source::{ClockReadings, ClockSample, TimeSource};
use crate::clock::{DRIFT_DIVISOR, leap};

/// The servers, what they said, and whether there is doubt.
#[derive(Debug)]
pub struct Network {
    pub(super) config: NtpConfig,
    pub(super) source: Arc<dyn TimeSource>,
    pub(super) servers: Vec<Server>,
    pub(super) signal: Mutex<Signal>,
    pub(super) changed: Condvar,
    limits: ArcSwap<ErrorLimits>,
    /// Whether the servers announce a leap second, as last known outside the window of one.
    leap_announced: AtomicBool,
    reports: ArcSwap<Vec<ServerReport>>,
}

/// What the threads that ask have to know.
#[derive(Debug, Default)]
pub(super) struct Signal {
    pub(super) stop: bool,
    /// Since when something speaks against the time, or cannot be known.
    pub(super) doubt_since: Option<Instant>,
    /// Questions that have come to their end.
    pub(super) asked_total: u64,
}

/// What the servers say at a sample (F7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkReading {
    /// What a majority agrees on; `None` if there is no majority.
    pub agreement: Option<Agreement>,
    /// Servers that agree.
    pub agreeing: u8,
    /// Servers that have given the time and not too long ago.
    pub answered: u8,
    /// Servers that are configured.
    pub asked: u8,
    /// How many have to agree.
    pub required: u8,
    /// Whether those that agree announce a leap second for the end of this UTC day.
    pub leap_announced: bool,
}

/// What a majority of the servers agrees on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// Their time minus ours, nanoseconds; positive if ours is behind.
    pub offset_nanoseconds: i64,
    /// The most by which that offset may be wrong, nanoseconds.
    pub bound_nanoseconds: u64,
}

/// One server as `status`, `/readyz` and the log show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerReport {
    /// Its name in the configuration.
    pub name: ServerName,
    /// What is made of it.
    pub standing: Standing,
    /// The offset and its bound, carried to the sample, nanoseconds; `None` without an answer that counts.
    pub offset: Option<Agreement>,
    /// The answer that counts.
    pub answer: Option<Answer>,
    /// Age of that answer.
    pub answer_age: Option<Duration>,
    /// Why the latest question came to nothing.
    pub trouble: Option<Trouble>,
}

/// What is made of a server. A closed set: also the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It agrees with the majority.
    Agrees,
    /// It does not, or there is no majority.
    Disagrees,
    /// It gives no answer.
    Silent,
    /// It answers without giving the time: not synchronised, or it refuses us.
    Refused,
}

impl Agreement {
    /// The offset in seconds.
    #[must_use]
    pub fn offset_seconds(&self) -> f64 {
        let size = Duration::from_nanos(self.offset_nanoseconds.unsigned_abs()).as_secs_f64();
        if self.offset_nanoseconds < 0 { -size } else { size }
    }

    /// The bound on its error.
    #[must_use]
    pub fn bound(&self) -> Duration {
        Duration::from_nanos(self.bound_nanoseconds)
    }

    /// The most that our clock can be wrong by, if the majority is right.
    #[must_use]
    pub fn error(&self) -> Duration {
        Duration::from_nanos(self.offset_nanoseconds.unsigned_abs().saturating_add(self.bound_nanoseconds))
    }
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Agrees, Self::Disagrees, Self::Silent, Self::Refused];

    /// The word for it, also the label of the metric.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agrees => "agree",
            Self::Disagrees => "disagree",
            Self::Silent => "silent",
            Self::Refused => "refused",
        }
    }
}

impl ServerReport {
    /// A few words for people: `ntp.example.org agrees`, `ntp.example.net is silent: no answer`.
    #[must_use]
    pub fn words(&self) -> String {
        let name = &self.name;
        match (self.standing, &self.offset, &self.trouble) {
            (Standing::Agrees, ..) => format!("{name} agrees"),
            (Standing::Disagrees, Some(offset), _) => {
                format!("{name} says {}", offset_words(offset.offset_nanoseconds))
            }
            (_, _, Some(trouble)) => format!("{name}: {trouble}"),
            (_, _, None) => format!("{name} has not answered yet"),
        }
    }
}

impl Network {
    /// Nothing is asked before [`Network::ask_all`] or the pollers do.
    pub(in crate::clock) fn new(config: NtpConfig, source: Arc<dyn TimeSource>) -> Self {
        let servers: Vec<_> = config.servers.iter().cloned().map(Server::new).collect();
        Self {
            config,
            source,
            servers,
            signal: Mutex::default(),
            changed: Condvar::new(),
            limits: ArcSwap::from_pointee(ErrorLimits::NONE),
            leap_announced: AtomicBool::new(false),
            reports: ArcSwap::default(),
        }
    }

    /// Asks every server once, all at the same time, and waits for their answers or for the time that they have.
    pub fn ask_all(&self) {
        std::thread::scope(|scope| {
            for server in &self.servers {
                scope.spawn(|| self.ask(server));
            }
        });
    }

    /// Waits until more questions than `seen` have come to their end, at most until `deadline`; how many have.
    #[must_use]
    pub fn wait_for_answers(&self, seen: u64, deadline: Instant) -> u64 {
        let left = deadline.saturating_duration_since(Instant::now());
        let signal = self.lock();
        let waited = self.changed.wait_timeout_while(signal, left, |signal| signal.asked_total <= seen);
        waited.unwrap_or_else(PoisonError::into_inner).0.asked_total
    }

    /// Whether every server has answered once, or failed to.
    #[must_use]
    pub fn has_asked_all(&self) -> bool {
        self.servers.iter().all(|server| server.state().was_asked)
    }

    /// The servers as of the latest sample.
    #[must_use]
    pub fn reports(&self) -> Arc<Vec<ServerReport>> {
        self.reports.load_full()
    }

    /// How often the server with this number is asked where all is well.
    #[cfg(test)]
    pub(in crate::clock) fn poll_of(&self, index: usize) -> Duration {
        self.servers.get(index).map(|server| server.poll(self.config.poll)).unwrap_or_default()
    }

    /// What an error is held against.
    #[must_use]
    pub fn limits(&self) -> ErrorLimits {
        **self.limits.load()
    }

    pub(in crate::clock) fn set_limits(&self, limits: ErrorLimits) {
        self.limits.store(Arc::new(limits));
    }

    pub(super) fn ask(&self, server: &Server) {
        server.ask(self.source.as_ref(), self.config.timeout, self.config.poll);
        self.lock().asked_total += 1;
        self.changed.notify_all();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Signal> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the servers say at this sample. Called for each, in order.
    pub(in crate::clock) fn read(&self, sample: &ClockSample) -> NetworkReading {
        let announced_before = self.leap_announced.load(Ordering::Relaxed);
        let in_window = leap::is_in_window(sample.clocks.realtime);
        if in_window && (announced_before || leap::is_stepping(sample)) {
            // UTC itself makes a step here: what was said before it cannot be carried over.
            self.servers.iter().for_each(Server::forget);
        }
        let mut reports: Vec<_> =
            self.servers.iter().map(|server| self.report(server, sample.clocks)).collect();
        let counted: Vec<_> = reports.iter().filter_map(interval).collect();
        let required = select::required(self.config.minimum, counted.len());
        let hull = select::majority(&counted, required);
        for report in &mut reports {
            if let (Some(own), Some(hull)) = (interval(report), hull)
                && own.overlaps(hull)
            {
                report.standing = Standing::Agrees;
            }
        }
        let agreeing = || reports.iter().filter(|report| report.standing == Standing::Agrees);
        let says_leap =
            |report: &&ServerReport| report.answer.is_some_and(|answer| answer.leap.is_announced());
        let announcing = agreeing().filter(says_leap).count();
        let leap_announced = if in_window {
            announced_before
        } else {
            // Half of them against the other half: nobody knows, and a pause too many harms nobody.
            let is_announced = announcing > 0
                && announcing * 2 >= agreeing().count()
                && leap::is_last_day_of_month(sample.clocks.realtime);
            self.leap_announced.store(is_announced, Ordering::Relaxed);
            is_announced
        };
        let reading = NetworkReading {
            agreement: hull.map(|hull| Agreement {
                offset_nanoseconds: hull.middle(),
                bound_nanoseconds: hull.half_width(),
            }),
            agreeing: count(agreeing().count()),
            answered: count(counted.len()),
            asked: count(self.servers.len()),
            required: count(required),
            leap_announced,
        };
        self.tell_changes(&reports);
        self.reports.store(Arc::new(reports));
        let doubtful = reading.agreement.is_none_or(|agreement| agreement.error() > self.limits().warn);
        self.doubt(doubtful);
        reading
    }

    /// Whether there is doubt: while there is, questions come faster.
    fn doubt(&self, doubtful: bool) {
        let mut signal = self.lock();
        if doubtful && signal.doubt_since.is_none() {
            signal.doubt_since = Some(Instant::now());
            self.changed.notify_all();
        } else if !doubtful {
            signal.doubt_since = None;
        }
    }

    /// A server without what the others say of it.
    fn report(&self, server: &Server, now: ClockReadings) -> ServerReport {
        let state = server.state();
        let age = |at: ClockReadings| now.boottime.saturating_sub(at.boottime);
        let counts = |observation: &Observation| {
            age(observation.at) <= self.config.lost_after
                && !now.was_suspended_since(observation.at)
                && !self.is_named_twice(server, observation)
        };
        let observation = state.observation.filter(counts);
        let twice = state.observation.is_some_and(|observation| self.is_named_twice(server, &observation));
        let trouble = if twice { Some(Trouble::SameAddress) } else { state.trouble };
        let standing = match (&observation, trouble) {
            (Some(_), _) => Standing::Disagrees,
            (None, Some(trouble)) if state.barred || trouble.is_answer() => Standing::Refused,
            (None, _) => Standing::Silent,
        };
        ServerReport {
            name: server.name.clone(),
            standing,
            offset: observation.map(|observation| carried(&observation, now)),
            answer: observation.map(|observation| observation.answer),
            answer_age: observation.map(|observation| age(observation.at)),
            trouble,
        }
    }

    /// Whether a server earlier in the list has the same address: one voice, not two.
    fn is_named_twice(&self, server: &Server, observation: &Observation) -> bool {
        let earlier = self.servers.iter().take_while(|other| !std::ptr::eq(*other, server));
        earlier
            .filter_map(|other| other.state().observation)
            .any(|other| other.address == observation.address)
    }

    fn tell_changes(&self, reports: &[ServerReport]) {
        let before = self.reports.load();
        for (index, report) in reports.iter().enumerate() {
            let old = before.get(index).map_or(Standing::Silent, |report| report.standing);
            if old == report.standing {
                continue;
            }
            let offset_seconds = report.offset.map(|offset| offset.offset_seconds());
            let (server, standing) = (&report.name, report.standing.name());
            let words = report.words();
            if report.standing == Standing::Agrees {
                tracing::info!(target: LOG_TARGET, %server, standing, offset_seconds, "time server agrees");
            } else {
                tracing::warn!(target: LOG_TARGET, %server, standing, offset_seconds, "time server: {words}");
            }
        }
    }
}

fn interval(report: &ServerReport) -> Option<Interval> {
    let offset = report.offset?;
    Some(Interval::around(offset.offset_nanoseconds, offset.bound_nanoseconds))
}

/// An observation as of now: a step of our clock since then shows in its offset, and so does a slew that is faster than
/// 500 parts per million; everything else in its bound.
fn carried(observation: &Observation, now: ClockReadings) -> Agreement {
    let step = now.offset().saturating_sub(observation.at.offset());
    let moved = step.saturating_add(now.slewed_since(observation.at));
    let moved_nanoseconds = i64::try_from(moved.as_nanos()).unwrap_or(i64::MAX);
    let drift = now.boottime.saturating_sub(observation.at.boottime) / DRIFT_DIVISOR;
    let bound = observation.answer.bound().saturating_add(drift);
    Agreement {
        offset_nanoseconds: observation.answer.offset_nanoseconds.saturating_sub(moved_nanoseconds),
        bound_nanoseconds: u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX),
    }
}

fn count(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
