//! The threads that ask, one for each server: a name that takes its time to resolve holds up nobody else.
//!
//! Every question has its own moment: the interval is spread by a tenth to either side, so that many servers that were
//! started together do not ask together. While there is doubt they ask each second, for half a minute, as long as a
//! burst of NTP's own; after that as usual, so that a fault that lasts does not become a flood.

use std::io;
use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::network::Network;
use super::server::Server;

/// Between two questions while there is doubt.
const DOUBT_POLL: Duration = Duration::from_secs(1);
/// How long a doubt makes questions come faster.
const DOUBT_TIME: Duration = Duration::from_secs(30);

/// The running threads. Dropping it tells them to end; it waits for none, since one may be waiting for a resolver.
#[derive(Debug)]
pub(in crate::clock) struct Pollers {
    network: Arc<Network>,
}

impl Pollers {
    /// Asks at once, and goes on asking.
    pub(in crate::clock) fn start(network: &Arc<Network>) -> io::Result<Self> {
        let pollers = Self { network: Arc::clone(network) };
        for index in 0..network.servers.len() {
            let network = Arc::clone(network);
            Builder::new().name(format!("clock-ntp-{index}")).spawn(move || {
                if let Some(server) = network.servers.get(index) {
                    run(&network, server);
                }
            })?;
        }
        Ok(pollers)
    }
}

impl Drop for Pollers {
    fn drop(&mut self) {
        self.network.lock().stop = true;
        self.network.changed.notify_all();
    }
}

fn run(network: &Network, server: &Server) {
    loop {
        let asked_at = Instant::now();
        network.ask(server);
        if server.state().barred || !waited(network, server, asked_at) {
            return;
        }
    }
}

/// Waits until the next question is due; false if there is to be none.
fn waited(network: &Network, server: &Server, asked_at: Instant) -> bool {
    let usual = spread(server.poll(network.config.poll));
    let fast = server.poll(DOUBT_POLL.min(network.config.poll));
    let mut signal = network.lock();
    loop {
        if signal.stop {
            return false;
        }
        let now = Instant::now();
        let in_doubt = signal.doubt_since.is_some_and(|since| now.duration_since(since) < DOUBT_TIME);
        let due = asked_at + if in_doubt { fast } else { usual };
        let left = due.saturating_duration_since(now);
        if left.is_zero() {
            return true;
        }
        // Woken by every answer and by a doubt: looked at anew each time.
        let waited = network.changed.wait_timeout(signal, left);
        signal = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
    }
}

/// 0.9 to 1.1 of it.
fn spread(interval: Duration) -> Duration {
    let mut random = [0; 1];
    if getrandom::fill(&mut random).is_err() {
        return interval;
    }
    interval * 9 / 10 + interval * u32::from(u8::from_be_bytes(random)) / 5 / 255
}
