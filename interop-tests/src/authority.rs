//! A running authority: `attestamp serve` as a child process on a free port of the loopback.
//!
//! Ready is when the program says so: its log is read line by line until the one that names the address, so nothing here
//! waits for a time to pass. All that it said is kept for the message of a failed test. The process is ended by its id.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::connection::{Connection, HttpReply};
use crate::tools::Finished;

/// `attestamp serve`, ended when dropped.
#[derive(Debug)]
pub struct Authority {
    child: Child,
    address: SocketAddr,
    stdout: Stream,
    stderr: Stream,
    lines: Receiver<String>,
}

/// What became of a start.
#[derive(Debug)]
pub(crate) enum Start {
    /// It serves.
    Ready(Authority),
    /// It ended instead.
    Ended(Finished),
}

impl Authority {
    /// Runs `attestamp … serve --listen 127.0.0.1:0 OPTIONS` until it is ready or has ended.
    pub(crate) fn start(mut command: Command, options: &[&str]) -> Result<Start> {
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options);
        Self::start_as(command)
    }

    /// Runs a command that serves on a port of the loopback, as somebody else's unit has it, until it is ready.
    ///
    /// # Errors
    /// When it ends before, with all that it said.
    pub fn of_command(command: Command) -> Result<Self> {
        match Self::start_as(command)? {
            Start::Ready(authority) => Ok(authority),
            Start::Ended(finished) => bail!("attestamp ended before it was ready: {finished}"),
        }
    }

    fn start_as(mut command: Command) -> Result<Start> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("could not start attestamp")?;
        let (sender, lines) = channel();
        let stdout = Stream::follow(child.stdout.take().context("stdout")?, sender.clone());
        let stderr = Stream::follow(child.stderr.take().context("stderr")?, sender);
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut authority = Self { child, address: nowhere, stdout, stderr, lines };
        match ready_address(&authority.lines) {
            Some(address) => {
                authority.address = address;
                Ok(Start::Ready(authority))
            }
            // Both streams are at their end.
            None => Ok(Start::Ended(Finished {
                command: format!("{command:?}"),
                status: authority.child.wait()?,
                stdout: authority.stdout.said(),
                stderr: authority.stderr.said(),
            })),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// URL of a path, which starts with `/`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All that it has said so far, standard output first.
    #[must_use]
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout.said(), self.stderr.said())
    }

    /// Waits until it says a line with these words, after the one that said that it is ready.
    ///
    /// # Errors
    /// When it ends without.
    pub fn wait_for_line(&self, words: &str) -> Result<String> {
        let line = self.lines.iter().find(|line| line.contains(words));
        line.with_context(|| format!("attestamp ended and never said {words:?}:\n{}", self.said()))
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When nothing listens.
    pub fn connect(&self) -> Result<Connection> {
        Connection::open(self.address)
    }

    /// Posts a timestamp request on a connection of its own.
    ///
    /// # Errors
    /// When no whole reply comes.
    pub fn post(&self, path: &str, request: &[u8]) -> Result<HttpReply> {
        self.connect()?.post(path, request)
    }

    /// Fetches a path that must answer 200, and gives its body.
    ///
    /// # Errors
    /// When it answers anything else.
    pub fn fetch(&self, path: &str) -> Result<Vec<u8>> {
        let reply = self.connect()?.get(path)?;
        if reply.status != 200 {
            bail!("GET {path} answered {}: {}", reply.status, String::from_utf8_lossy(&reply.body));
        }
        Ok(reply.body)
    }

    /// Memory that it has resident, in KiB (VmRSS).
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_kibibytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// `kill -9`: the process gets no moment to tidy up.
    ///
    /// # Errors
    /// When it could not be waited for.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGHUP: take new certificates.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn hang_up(&self) -> Result<()> {
        kill_process(self.pid()?, Signal::HUP).context("could not send SIGHUP")
    }

    /// SIGTERM, and gives all that the program said until its end, which must be a success.
    ///
    /// # Errors
    /// When it ends otherwise.
    pub fn stop(mut self) -> Result<String> {
        kill_process(self.pid()?, Signal::TERM).context("could not send SIGTERM")?;
        let status = self.child.wait()?;
        self.stdout.wait_for_end();
        self.stderr.wait_for_end();
        let said = self.said();
        if !status.success() {
            bail!("SIGTERM ended attestamp with {status}:\n{said}");
        }
        Ok(said)
    }

    /// For the reader of a failed test: the harness shows a test's output only then.
    #[expect(clippy::print_stderr, reason = "the test harness captures it")]
    fn show_what_was_said(&self) {
        eprintln!("--- attestamp said ---\n{}", self.said());
    }

    fn pid(&self) -> Result<Pid> {
        let id = i32::try_from(self.child.id())?;
        Pid::from_raw(id).context("process id 0")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // Already waited for: `try_wait` gives the status and nothing is sent to a process id that may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            let asked = self.pid().map(|pid| kill_process(pid, Signal::TERM));
            if !matches!(asked, Ok(Ok(()))) {
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
        }
        self.show_what_was_said();
    }
}

/// One of the program's streams, read to its end on a thread: the program must never wait for a full pipe.
#[derive(Debug)]
struct Stream {
    said: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Stream {
    fn follow(stream: impl Read + Send + 'static, lines: Sender<String>) -> Self {
        let said = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&said);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_str(&line);
                kept.push('\n');
                drop(kept);
                // Nobody listens once the program is ready.
                let _ = lines.send(line);
            }
        });
        Self { said, reader: Some(reader) }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wait_for_end(&mut self) {
        if let Some(reader) = self.reader.take() {
            // It cannot panic, and its text is kept either way.
            let _ = reader.join();
        }
    }
}

/// The address in the line that says `listening`; `None` if both streams end before.
fn ready_address(lines: &Receiver<String>) -> Option<SocketAddr> {
    lines.iter().filter(|line| line.contains("listening")).find_map(|line| address_in(&line))
}

/// The first `127.0.0.1:PORT` of a line, whatever stands around it.
fn address_in(line: &str) -> Option<SocketAddr> {
    let start = line.find("127.0.0.1:")?;
    let rest = line.get(start..)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':').unwrap_or(rest.len());
    rest.get(..end)?.parse().ok().filter(|address: &SocketAddr| address.port() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_address_in_a_line_of_json_and_in_one_of_text() {
        let expected = SocketAddr::from(([127, 0, 0, 1], 4318));
        assert_eq!(address_in(r#"{"message":"listening","address":"127.0.0.1:4318"}"#), Some(expected));
        assert_eq!(address_in("INFO listening on http://127.0.0.1:4318/ (no TLS)"), Some(expected));
    }

    #[test]
    fn port_zero_is_no_address() {
        assert_eq!(address_in("will be listening on 127.0.0.1:0"), None);
    }
}
