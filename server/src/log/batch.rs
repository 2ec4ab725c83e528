//! Log lines are gathered in memory and written by a thread of their own, many with one call.
//!
//! A line a request, written by the thread that serves the request, costs a system call and a lock that all requests
//! share; and where nobody reads the stream (a pipe that is full), it stops the server. Here a line costs a copy. What a
//! process that is killed loses is what was logged in its last [`GATHER`]; the ledger, and not the log, is the record of
//! what was issued. Where the stream takes nothing for so long that [`CAPACITY_BYTES`] wait, further lines are dropped,
//! and their number is logged as soon as there is room.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines are gathered; warnings and errors do not wait.
const GATHER: Duration = Duration::from_millis(10);
/// Octets that may wait to be written.
const CAPACITY_BYTES: usize = 8 * 1024 * 1024;
/// Octets that are written without gathering more.
const ENOUGH_BYTES: usize = 64 * 1024;

/// Where lines go; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct BatchWriter {
    shared: Arc<Shared>,
}

/// Ends the thread when dropped, after all lines are written.
#[derive(Debug)]
pub(super) struct BatchThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    /// Something is there that should not wait for more.
    is_urgent: bool,
    is_ending: bool,
}

/// One event's line.
#[derive(Debug)]
pub(super) struct Line<'a> {
    shared: &'a Shared,
    is_urgent: bool,
}

impl BatchWriter {
    /// Writes what is logged to `stream` from now on.
    ///
    /// # Errors
    /// The system's, if no thread can be made.
    pub(super) fn start(stream: impl Write + Send + 'static) -> io::Result<(Self, BatchThread)> {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        let thread = Builder::new().name("log".to_owned()).spawn(move || writing.write_all(stream))?;
        Ok((Self { shared: Arc::clone(&shared) }, BatchThread { shared, thread: Some(thread) }))
    }
}

impl<'a> MakeWriter<'a> for BatchWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.shared, is_urgent: false }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line { shared: &self.shared, is_urgent: *metadata.level() <= Level::WARN }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.shared.lock();
        if waiting.lines.len().saturating_add(line.len()) > CAPACITY_BYTES {
            waiting.dropped = waiting.dropped.saturating_add(1);
            return Ok(line.len());
        }
        let was_idle = waiting.lines.is_empty();
        let was_enough = waiting.lines.len() >= ENOUGH_BYTES;
        waiting.lines.extend_from_slice(line);
        waiting.is_urgent |= self.is_urgent;
        let is_enough = waiting.lines.len() >= ENOUGH_BYTES;
        drop(waiting);
        // The thread sleeps while nothing waits, and then while it gathers: other lines need not wake it.
        if was_idle || self.is_urgent || is_enough && !was_enough {
            self.shared.changed.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: until the end is asked for and nothing waits.
    fn write_all(&self, mut stream: impl Write) {
        let mut lines = Vec::new();
        loop {
            let waiting = self.lock();
            let waiting = self
                .changed
                .wait_while(waiting, |waiting| waiting.lines.is_empty() && !waiting.is_ending)
                .unwrap_or_else(PoisonError::into_inner);
            let gathering = self.changed.wait_timeout_while(waiting, GATHER, |waiting| {
                !waiting.is_ending && !waiting.is_urgent && waiting.lines.len() < ENOUGH_BYTES
            });
            let (mut waiting, _) = gathering.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut lines, &mut waiting.lines);
            waiting.is_urgent = false;
            let dropped = std::mem::take(&mut waiting.dropped);
            let is_ending = waiting.is_ending;
            drop(waiting);
            // A stream that is closed cannot be told of, and is no reason to stop serving.
            let _ = stream.write_all(&lines).and_then(|()| stream.flush());
            if is_ending && lines.is_empty() {
                return;
            }
            lines.clear();
            lines.shrink_to(ENOUGH_BYTES);
            if dropped > 0 {
                tracing::warn!(dropped, "log lines were dropped: whoever reads the log is too slow");
            }
        }
    }
}

impl Drop for BatchThread {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Passes each call's octets on.
    struct Calls(mpsc::Sender<Vec<u8>>);

    impl Write for Calls {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            if !octets.is_empty() {
                self.0.send(octets.to_vec()).expect("the test reads");
            }
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes nothing until it is told to.
    struct Stuck(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            if !octets.is_empty() {
                let _ = self.0.recv();
                let _ = self.1.send(octets.to_vec());
            }
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_lines_arrive_in_order_and_in_fewer_calls() {
        let (sender, receiver) = mpsc::channel();
        let (writer, thread) = BatchWriter::start(Calls(sender)).expect("a thread");
        let expected: String = (0..5000).map(|number| format!("line {number}\n")).collect();
        for line in expected.lines() {
            let mut line = line.to_owned();
            line.push('\n');
            writer.make_writer().write_all(line.as_bytes()).expect("written");
        }
        drop(thread);
        let calls: Vec<_> = receiver.try_iter().collect();
        assert!(calls.len() < 1000, "{} calls for 5000 lines", calls.len());
        assert_eq!(String::from_utf8(calls.concat()).expect("text"), expected);
    }

    #[test]
    fn a_line_arrives_without_another_after_it() {
        let (sender, receiver) = mpsc::channel();
        let (writer, _thread) = BatchWriter::start(Calls(sender)).expect("a thread");
        for round in 0..3 {
            let line = format!("alone {round}\n");
            writer.make_writer().write_all(line.as_bytes()).expect("written");
            assert_eq!(receiver.recv().expect("the line"), line.as_bytes());
        }
    }

    #[test]
    fn a_stream_that_takes_nothing_stops_nobody_and_bounds_what_waits() {
        let (allow, allowed) = mpsc::channel();
        let (sender, receiver) = mpsc::channel();
        let (writer, thread) = BatchWriter::start(Stuck(allowed, sender)).expect("a thread");
        let line = [b'x'; 1024];
        for _ in 0..(3 * CAPACITY_BYTES / line.len()) {
            writer.make_writer().write_all(&line).expect("never blocks");
        }
        let waiting = writer.shared.lock();
        assert!(waiting.lines.len() <= CAPACITY_BYTES, "{} octets wait", waiting.lines.len());
        assert!(waiting.dropped > 0);
        drop(waiting);
        drop(allow);
        drop(thread);
        let written: usize = receiver.try_iter().map(|call| call.len()).sum();
        assert!(
            (CAPACITY_BYTES - line.len()..=2 * CAPACITY_BYTES).contains(&written),
            "{written} octets written"
        );
    }
}
