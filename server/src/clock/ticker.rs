//! The threads that keep the gate's verdict fresh and the mark's lease long.
//!
//! Threads of their own and not tasks: a runtime that is busy must not make the clock's verdict old. Two of them,
//! because the mark is written to a disk, and a slow disk must not do so either. If one dies, the gate refuses.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::gate::ClockGate;
use super::ntp::Pollers;

/// The running threads. Dropping it stops them and waits for their end.
#[derive(Debug)]
pub struct ClockTicker {
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
    pollers: Option<Pollers>,
}

#[derive(Debug, Default)]
struct Stop {
    requested: Mutex<bool>,
    changed: Condvar,
}

impl ClockTicker {
    /// Refreshes the gate and renews its mark every `interval` from now on, and asks its time servers.
    ///
    /// # Errors
    /// The system's, if no thread can be made.
    pub fn start(gate: &Arc<ClockGate>, interval: Duration) -> io::Result<Self> {
        let mut ticker = Self { stop: Arc::new(Stop::default()), threads: Vec::new(), pollers: None };
        ticker.spawn("clock", gate, interval, ClockGate::refresh)?;
        ticker.spawn("clock-mark", gate, interval, ClockGate::renew_mark)?;
        ticker.pollers = gate.network().map(Pollers::start).transpose()?;
        Ok(ticker)
    }

    /// Stops the threads and waits for their end.
    pub fn stop(self) {
        drop(self);
    }

    fn spawn(
        &mut self,
        name: &str,
        gate: &Arc<ClockGate>,
        interval: Duration,
        tick: fn(&ClockGate),
    ) -> io::Result<()> {
        let (stop, gate) = (Arc::clone(&self.stop), Arc::clone(gate));
        let thread = Builder::new().name(name.to_owned()).spawn(move || {
            while !stop.requested_within(interval) {
                tick(&gate);
            }
        })?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for ClockTicker {
    fn drop(&mut self) {
        self.stop.request();
        self.pollers = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; the gate has refused since.
            let _ = thread.join();
        }
    }
}

impl Stop {
    fn request(&self) {
        *self.requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits for the request, as long as `interval`; whether it came.
    fn requested_within(&self, interval: Duration) -> bool {
        let requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let (requested, _) = self
            .changed
            .wait_timeout_while(requested, interval, |requested| !*requested)
            .unwrap_or_else(PoisonError::into_inner);
        *requested
    }
}
