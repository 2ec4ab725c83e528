//! What came back: counts, latencies and, where asked, what is needed to judge serial numbers and times.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use attestamp_tsa::PkiFailureInfo;
use hdrhistogram::Histogram;

use crate::client::query::Query;
use crate::client::reply::{self, Claims, Reply};
use crate::client::transport::Answer;

/// Longest latency that is told apart.
const LONGEST_NANOSECONDS: u64 = 600_000_000_000;
/// Three digits of each latency are kept.
const SIGNIFICANT_DIGITS: u8 = 3;

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// A rejection with this failure.
    Rejected(Option<PkiFailureInfo>),
    /// Another HTTP status than 200.
    HttpStatus(u16),
    /// The connection could not be made or broke.
    Disconnected,
    /// No reply that can be read.
    Unreadable,
    /// A token for another request.
    ForAnotherRequest,
}

impl std::fmt::Display for Fate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rejected(failure) => {
                write!(formatter, "rejected ({})", failure.map_or("no reason", PkiFailureInfo::name))
            }
            Self::HttpStatus(status) => write!(formatter, "HTTP status {status}"),
            Self::Disconnected => formatter.write_str("no connection"),
            Self::Unreadable => formatter.write_str("unreadable reply"),
            Self::ForAnotherRequest => formatter.write_str("token for another request"),
        }
    }
}

/// What one connection, or all of them together, saw.
#[derive(Debug)]
pub struct Tally {
    /// Tokens that answer their request.
    pub granted: u64,
    /// Everything else, by kind.
    pub failed: BTreeMap<Fate, u64>,
    /// Octets of the replies that were granted.
    pub reply_octets: u64,
    /// Nanoseconds from request to the whole answer, of granted tokens only.
    pub latencies: Option<Histogram<u64>>,
    /// The tokens' serial numbers, where they are checked.
    pub serials: Option<Serials>,
}

/// The serial numbers seen, and the tokens that are wrong.
#[derive(Debug, Default)]
pub struct Serials {
    seen: HashSet<Box<[u8]>>,
    /// Tokens whose serial number another token has.
    pub repeated: u64,
    /// Tokens whose time is not within the interval in which their client waited.
    pub outside_wait: u64,
}

impl Tally {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(check_serials: bool) -> Self {
        Self {
            granted: 0,
            failed: BTreeMap::new(),
            reply_octets: 0,
            latencies: Histogram::new_with_bounds(1, LONGEST_NANOSECONDS, SIGNIFICANT_DIGITS).ok(),
            serials: check_serials.then(Serials::default),
        }
    }

    /// Takes an answer. `waited` is when the request was sent and when the answer was there,
    /// by the clock that is compared with, if times are checked.
    pub fn take(
        &mut self,
        query: &Query,
        answer: &Answer,
        latency: Duration,
        waited: Option<(Duration, Duration)>,
    ) {
        match judge(query, answer) {
            Ok(claims) => {
                self.granted += 1;
                self.reply_octets += u64::try_from(answer.body.len()).unwrap_or_default();
                if let Some(latencies) = &mut self.latencies {
                    latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
                }
                if let (Some(serials), Some(waited)) = (&mut self.serials, waited) {
                    serials.take(&claims, waited);
                }
            }
            Err(fate) => self.fail(fate),
        }
    }

    /// Counts a request that gave no token.
    pub fn fail(&mut self, fate: Fate) {
        *self.failed.entry(fate).or_default() += 1;
    }

    /// Adds what another connection saw.
    pub fn add(&mut self, other: Self) {
        self.granted += other.granted;
        self.reply_octets += other.reply_octets;
        for (fate, count) in other.failed {
            *self.failed.entry(fate).or_default() += count;
        }
        if let (Some(mine), Some(theirs)) = (&mut self.latencies, other.latencies) {
            // Both have the same bounds, so nothing can be out of range.
            let _same_bounds = mine.add(theirs);
        }
        if let (Some(mine), Some(theirs)) = (&mut self.serials, other.serials) {
            mine.add(theirs);
        }
    }

    /// All requests that gave no token.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Tokens that answer another request than the one they were sent for.
    #[must_use]
    pub fn for_another_request(&self) -> u64 {
        self.failed.get(&Fate::ForAnotherRequest).copied().unwrap_or_default()
    }

    /// The latency that this share of the tokens (0 to 1) did not exceed.
    #[must_use]
    pub fn latency_at(&self, quantile: f64) -> Duration {
        let nanoseconds =
            self.latencies.as_ref().map_or(0, |latencies| latencies.value_at_quantile(quantile));
        Duration::from_nanos(nanoseconds)
    }
}

fn judge<'a>(query: &Query, answer: &'a Answer) -> Result<Claims<'a>, Fate> {
    if answer.status != hyper::StatusCode::OK {
        return Err(Fate::HttpStatus(answer.status.as_u16()));
    }
    match reply::read(&answer.body) {
        Ok(Reply::Granted(claims)) if query.check(&claims).is_ok() => Ok(claims),
        Ok(Reply::Granted(_)) => Err(Fate::ForAnotherRequest),
        Ok(Reply::Rejected(response)) => Err(Fate::Rejected(response.failure_info)),
        Err(_) => Err(Fate::Unreadable),
    }
}

impl Serials {
    /// Of all tokens, those with a serial number of their own.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.seen.len()
    }

    fn take(&mut self, claims: &Claims<'_>, (sent, answered): (Duration, Duration)) {
        if !self.seen.insert(claims.serial.into()) {
            self.repeated += 1;
        }
        if !claims.instant().is_some_and(|time| time.is_between(sent, answered)) {
            self.outside_wait += 1;
        }
    }

    fn add(&mut self, other: Self) {
        for serial in other.seen {
            if !self.seen.insert(serial) {
                self.repeated += 1;
            }
        }
        self.repeated += other.repeated;
        self.outside_wait += other.outside_wait;
    }
}
