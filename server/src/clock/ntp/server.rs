//! One time server: how it is asked, and what it last said.
//!
//! A socket for each question, so that its port is the kernel's random choice and a late answer finds nobody. It is
//! connected: the kernel drops what comes from elsewhere and tells of a port where nobody listens. Names are resolved on
//! the thread that asks, never on one that judges the clock.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::exchange::{Answer, AnswerRefusal, Kiss, PACKET_LENGTH, Question};
use super::{LOG_TARGET, ServerName};
use crate::clock::source::{ClockReadings, TimeSource};

/// A server that says RATE is asked half as often each time, down to this.
const SLOWEST_POLL: Duration = Duration::from_secs(1024);
/// A step of the clock of at most this between question and answer is what reading two clocks costs.
const STEADY: Duration = Duration::from_millis(1);
/// Room for answers that are too long, which must be seen to be.
const RECEIVED_AT_MOST: usize = 4 * PACKET_LENGTH;

/// A server.
pub(super) struct Server {
    pub(super) name: ServerName,
    state: Mutex<ServerState>,
}

/// What is known of a server.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerState {
    addresses: Vec<SocketAddr>,
    /// What it last said that could be used, until something it says takes that back.
    pub(super) observation: Option<Observation>,
    /// Why its latest answer was of no use; `None` if it was, or if it was not asked yet.
    pub(super) trouble: Option<Trouble>,
    /// Whether a question has come to its end, with or without an answer.
    pub(super) was_asked: bool,
    /// It said that it must not be asked again.
    pub(super) barred: bool,
    /// No question before this has passed since the last one, where it complained of too many.
    pub(super) slowed_to: Option<Duration>,
}

/// An answer and the moment to which it belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observation {
    pub(super) answer: Answer,
    pub(super) at: ClockReadings,
    pub(super) address: SocketAddr,
}

/// Why a question came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Trouble {
    /// Its name has no address.
    #[error("its name cannot be resolved")]
    Unresolved,
    /// Sending or receiving failed.
    #[error("the network says: {0}")]
    Network(ErrorKind),
    /// Nothing came in time.
    #[error("no answer")]
    Silent,
    /// Only datagrams came that answer other questions, or none.
    #[error("only answers to questions that were not ours")]
    OnlyStrangers,
    /// The answer is of no use.
    #[error("{0}")]
    Refused(AnswerRefusal),
    /// Our own clock was set in between.
    #[error("our clock was set while it was asked")]
    OurClockStepped,
    /// Another name in the list leads to the same address.
    #[error("another server of the list has the same address")]
    SameAddress,
}

impl Trouble {
    /// Whether something of the server's own came back.
    pub(super) fn is_answer(self) -> bool {
        match self {
            Self::Refused(_) | Self::SameAddress => true,
            Self::Unresolved
            | Self::Network(_)
            | Self::Silent
            | Self::OnlyStrangers
            | Self::OurClockStepped => false,
        }
    }
}

impl Server {
    pub(super) fn new(name: ServerName) -> Self {
        Self { name, state: Mutex::default() }
    }

    pub(super) fn state(&self) -> ServerState {
        self.lock().clone()
    }

    /// Forgets what it said: the time has changed in a way that cannot be carried over.
    pub(super) fn forget(&self) {
        self.lock().observation = None;
    }

    /// The time between two questions, given what suits the others.
    pub(super) fn poll(&self, usual: Duration) -> Duration {
        self.lock().slowed_to.map_or(usual, |slowed| slowed.max(usual))
    }

    /// Asks it once, waiting for its name and its answer. `poll` is how often it is asked.
    pub(super) fn ask(&self, source: &dyn TimeSource, timeout: Duration, poll: Duration) {
        if self.lock().barred {
            return;
        }
        let outcome = self.address().and_then(|address| ask(address, source, timeout));
        let mut state = self.lock();
        state.was_asked = true;
        match outcome {
            Ok(observation) => {
                state.observation = Some(observation);
                state.trouble = None;
            }
            Err(trouble) => {
                self.note(&mut state, trouble, poll);
                state.trouble = Some(trouble);
            }
        }
    }

    fn note(&self, state: &mut ServerState, trouble: Trouble, poll: Duration) {
        match trouble {
            Trouble::Refused(AnswerRefusal::Kiss(Kiss::Rate)) => {
                let slowed = (state.slowed_to.unwrap_or(poll).max(poll) * 2).min(SLOWEST_POLL);
                tracing::warn!(target: LOG_TARGET, server = %self.name, poll_seconds = slowed.as_secs(), "time server says RATE: it is asked less often");
                state.slowed_to = Some(slowed);
            }
            Trouble::Refused(AnswerRefusal::Kiss(kiss @ (Kiss::Deny | Kiss::Restrict))) => {
                tracing::error!(target: LOG_TARGET, server = %self.name, %kiss, "time server refuses us: it is not asked again before a restart");
                state.barred = true;
                state.observation = None;
            }
            Trouble::Refused(_) => state.observation = None,
            // A lost datagram takes nothing back. The next question goes to the next address, and after the last one
            // the name is resolved again.
            Trouble::Unresolved | Trouble::Network(_) | Trouble::Silent | Trouble::OnlyStrangers => {
                if !state.addresses.is_empty() {
                    state.addresses.remove(0);
                }
            }
            Trouble::OurClockStepped | Trouble::SameAddress => {}
        }
    }

    fn address(&self) -> Result<SocketAddr, Trouble> {
        if let Some(address) = self.lock().addresses.first() {
            return Ok(*address);
        }
        let found = (&*self.name.host, self.name.port).to_socket_addrs().map_err(|_| Trouble::Unresolved)?;
        let found: Vec<_> = found.collect();
        let first = found.first().copied().ok_or(Trouble::Unresolved)?;
        self.lock().addresses = found;
        Ok(first)
    }

    fn lock(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

fn ask(address: SocketAddr, source: &dyn TimeSource, timeout: Duration) -> Result<Observation, Trouble> {
    let network = |error: io::Error| Trouble::Network(error.kind());
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).map_err(network)?;
    socket.connect(address).map_err(network)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| Trouble::Network(ErrorKind::Other))?;
    let sent = source.clocks();
    let question = Question::new(sent.realtime, random).map_err(Trouble::Refused)?;
    socket.send(question.datagram()).map_err(network)?;
    let deadline = Instant::now() + timeout;
    let mut nothing = Trouble::Silent;
    let mut datagram = [0; RECEIVED_AT_MOST];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(nothing);
        }
        socket.set_read_timeout(Some(left)).map_err(network)?;
        let length = match socket.recv(&mut datagram) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                return Err(nothing);
            }
            Err(error) => return Err(Trouble::Network(error.kind())),
        };
        let received = source.clocks();
        match question.read(datagram.get(..length).unwrap_or_default(), received.realtime) {
            Ok(answer) if stepped(sent, received) => {
                tracing::debug!(target: LOG_TARGET, ?answer, "our clock was set while a server was asked");
                return Err(Trouble::OurClockStepped);
            }
            Ok(answer) => return Ok(Observation { answer, at: received, address }),
            // Anybody can send what does not repeat our question: the true answer may still come.
            Err(AnswerRefusal::WrongOrigin | AnswerRefusal::Length { .. }) => {
                nothing = Trouble::OnlyStrangers
            }
            Err(refusal) => return Err(Trouble::Refused(refusal)),
        }
    }
}

fn stepped(sent: ClockReadings, received: ClockReadings) -> bool {
    received.offset().saturating_sub(sent.offset()).unsigned_abs() > STEADY
}
