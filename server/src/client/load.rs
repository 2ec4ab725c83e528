//! Load: each connection sends its next request when the answer to the last one is there, or when its time has come.
//!
//! The first, a closed loop, says how fast the server is with this many clients that wait. With a rate, requests are due
//! at fixed times whatever the server does, and a latency counts from the time at which the request was due: a server that
//! falls behind shows it in all that come after (that is what a closed loop leaves out). No more requests are under way
//! than there are connections. All connections are open and warm before the clock starts. The client runs on one thread,
//! so that on a small machine the server keeps the rest.

pub mod connection;
pub mod tally;
pub mod template;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hyper::header::CONNECTION;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use connection::{Connection, ConnectionError, Target};
use tally::{Fate, Tally};
use template::RequestTemplate;

/// How long a connection that broke is left alone, so that a server that is down is not asked in a tight loop.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// What to send.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Where to.
    pub target: Target,
    /// How many connections at a time.
    pub connections: u32,
    /// When to stop.
    pub until: Until,
    /// Requests a second over all connections; `None`: as fast as they are answered.
    pub rate: Option<f64>,
    /// Requests before the measurement, over all connections.
    pub warm_up_requests: u64,
    /// What to ask for.
    pub template: RequestTemplate,
    /// Checks that serial numbers are distinct, and times within the clients' wait by this clock.
    pub check_serials: Option<Clock>,
}

impl LoadOptions {
    /// When a request is due that is the `number`-th after `started`.
    fn due(&self, started: Instant, number: u64) -> Option<Instant> {
        let seconds = u32::try_from(number).map_or(f64::MAX, f64::from) / self.rate?;
        started.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
    }
}

/// The clock that tokens' times are compared with: since 1970-01-01T00:00:00Z, leap seconds not counted.
pub type Clock = fn() -> Duration;

/// When the load ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After this many requests, over all connections.
    Requests(u64),
    /// After this time; requests under way are waited for.
    Elapsed(Duration),
}

/// What a load gave.
#[derive(Debug)]
pub struct LoadResult {
    /// What came back.
    pub tally: Tally,
    /// From the first request to the last answer.
    pub elapsed: Duration,
}

/// What is seen of a load while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    answered: AtomicU64,
    measuring: AtomicBool,
}

impl Progress {
    /// Requests answered, one way or another, since the measurement began.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Whether the warm-up is over.
    #[must_use]
    pub fn is_measuring(&self) -> bool {
        self.measuring.load(Ordering::Relaxed)
    }
}

/// Runs a load. `begin` is called once all connections are warm, just before the measurement, and `end` just after.
///
/// # Errors
/// When a connection cannot be opened at the start. Later it is counted, and opened again.
pub async fn run(
    options: &LoadOptions,
    progress: &Arc<Progress>,
    begin: impl FnOnce(),
    end: impl FnOnce(),
) -> Result<LoadResult, ConnectionError> {
    let mut open = Vec::new();
    for _ in 0..options.connections {
        open.push(options.target.connect().await?);
    }
    // The workers, and this function.
    let barrier = Arc::new(Barrier::new(open.len() + 1));
    let numbers = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for connection in open {
        let worker = Worker {
            options: options.clone(),
            connection: Some(connection),
            numbers: Arc::clone(&numbers),
            progress: Arc::clone(progress),
        };
        workers.spawn(worker.run(Arc::clone(&barrier)));
    }
    barrier.wait().await;
    begin();
    numbers.store(0, Ordering::Relaxed);
    progress.measuring.store(true, Ordering::Relaxed);
    let started = Instant::now();
    barrier.wait().await;
    let mut total = Tally::new(options.check_serials.is_some());
    while let Some(tally) = workers.join_next().await {
        // A worker neither panics nor is it cancelled.
        total.add(tally.unwrap_or_else(|_| Tally::new(false)));
    }
    let elapsed = started.elapsed();
    end();
    Ok(LoadResult { tally: total, elapsed })
}

/// One connection's loop.
struct Worker {
    options: LoadOptions,
    connection: Option<Connection>,
    numbers: Arc<AtomicU64>,
    progress: Arc<Progress>,
}

impl Worker {
    async fn run(mut self, barrier: Arc<Barrier>) -> Tally {
        let check_serials = self.options.check_serials.is_some();
        let mut warm_up = Tally::new(check_serials);
        while self.numbers.fetch_add(1, Ordering::Relaxed) < self.options.warm_up_requests {
            self.one(WARM_UP_NUMBERS, None, &mut warm_up).await;
        }
        barrier.wait().await;
        barrier.wait().await;
        let started = Instant::now();
        let mut tally = Tally::new(check_serials);
        loop {
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            let over = match self.options.until {
                Until::Requests(requests) => number >= requests,
                Until::Elapsed(duration) => started.elapsed() >= duration,
            };
            if over {
                return tally;
            }
            let due = self.options.due(started, number);
            if let Some(due) = due {
                tokio::time::sleep_until(due.into()).await;
            }
            self.one(number, due, &mut tally).await;
            self.progress.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn one(&mut self, number: u64, due: Option<Instant>, tally: &mut Tally) {
        let request = self.options.template.request(number);
        let connection = match &mut self.connection {
            Some(connection) => connection,
            closed => match self.options.target.connect().await {
                Ok(opened) => closed.insert(opened),
                Err(_) => {
                    tally.fail(Fate::Disconnected);
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                    return;
                }
            },
        };
        let now = self.options.check_serials;
        let sent = now.map(|now| now());
        let started = due.unwrap_or_else(Instant::now);
        match connection.post(request.body).await {
            Ok(answer) => {
                let latency = started.elapsed();
                let closing = answer.header.get(CONNECTION).is_some_and(|value| value == "close");
                let waited = sent.zip(now.map(|now| now()));
                tally.take(&request.query, &answer, latency, waited);
                if closing {
                    self.connection = None;
                }
            }
            Err(_) => {
                tally.fail(Fate::Disconnected);
                self.connection = None;
            }
        }
    }
}

/// The number of requests before the measurement, away from those within it.
const WARM_UP_NUMBERS: u64 = u64::MAX >> 3;

#[cfg(test)]
mod tests;
