//! One question to a time server and what its answer says: octets and numbers, no socket and no clock.
//!
//! `sntpc` makes the request, checks the answer (RFC 5905 §8 and appendix A.5.1.1) and does the arithmetic of the four
//! timestamps; it is given the datagrams through a socket that is a piece of memory. What it does not do is done here:
//! the transmit timestamp that goes out is random and not our time, so that nobody who does not see the question can
//! guess what an answer must repeat; an answer has exactly the length of a header, since we ask for no extension; and
//! versions before 3 and servers too far from their own source are refused.

use std::cell::Cell;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sntpc::{Error, NtpContext, NtpResult, NtpTimestampGenerator, NtpUdpSocket, SendRequestResult};
use thiserror::Error;

/// Length of the header of NTP, and of a question and its answer.
pub const PACKET_LENGTH: usize = 48;
/// Beyond this distance from its own source a server is not asked for the time (MAXDIST, RFC 5905 §11.2.1).
pub const MAXIMUM_ROOT_DISTANCE: Duration = Duration::from_secs(1);
/// The timestamps given to `sntpc` are cut to microseconds, and so is what it computes.
const ROUNDING: Duration = Duration::from_micros(2);
/// No clock of a server is read as being coarser than this by its precision.
const COARSEST_PRECISION: Duration = Duration::from_secs(1);

/// A header in words of 64 bits: flags and root delay, root dispersion and reference id, then the four timestamps
/// reference, origin, receive and transmit (RFC 5905, figure 8).
type Packet = [[u8; 8]; PACKET_LENGTH / 8];

/// A question on its way.
#[derive(Debug)]
pub struct Question {
    packet: Packet,
    /// The timestamp by which `sntpc` knows the question.
    known_as: [u8; 8],
    request: SendRequestResult,
}

/// What a server says of its time and ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The server's time minus ours, nanoseconds; positive if ours is behind.
    pub offset_nanoseconds: i64,
    /// From the question to the answer, less the time that the server had it.
    pub delay: Duration,
    /// From the server to its source and back.
    pub root_delay: Duration,
    /// How wrong the server holds itself to be at the most, beside the delay.
    pub root_dispersion: Duration,
    /// The step of the server's clock.
    pub precision: Duration,
    /// Steps from a reference clock: 1 to 15.
    pub stratum: u8,
    /// What the server follows: letters at stratum 1, else an address or a hash of one.
    pub reference_id: [u8; 4],
    /// Whether the server announces a leap second.
    pub leap: LeapIndicator,
}

/// LI of RFC 5905, figure 9, without the value that makes an answer useless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeapIndicator {
    /// None.
    None,
    /// The last minute of the day has 61 seconds.
    Insert,
    /// The last minute of the day has 59 seconds.
    Delete,
}

/// A kiss-o'-death (RFC 5905 §7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kiss {
    /// DENY: never ask again.
    Deny,
    /// RSTR: never ask again.
    Restrict,
    /// RATE: ask less often.
    Rate,
    /// Any other: no time, and nothing to do.
    Other([u8; 4]),
}

/// Why an answer is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AnswerRefusal {
    /// Not a header and nothing else.
    #[error("the answer has {found} octets, not {PACKET_LENGTH}")]
    Length {
        /// Its octets.
        found: usize,
    },
    /// Not an answer to this question: late, repeated or forged.
    #[error("the answer is not to our question")]
    WrongOrigin,
    /// Not 3 or 4.
    #[error("the answer has NTP version {found}")]
    Version {
        /// Its version.
        found: u8,
    },
    /// Not 4.
    #[error("the answer is of mode {found}, not of a server")]
    Mode {
        /// Its mode.
        found: u8,
    },
    /// Stratum 0.
    #[error("kiss-o'-death {0}")]
    Kiss(Kiss),
    /// LI = 3.
    #[error("the server is not synchronised")]
    NotSynchronised,
    /// 16 or more.
    #[error("the server is at stratum {found}: not synchronised")]
    Stratum {
        /// Its stratum.
        found: u8,
    },
    /// The transmit or receive timestamp is zero.
    #[error("the answer states no time")]
    NoTime,
    /// The server's own clock was set after it answered.
    #[error("the answer is older than the server's own source")]
    ReferenceAhead,
    /// Too far from a reference clock.
    #[error(
        "the server is too far from its source: root distance {found:?}, at most {MAXIMUM_ROOT_DISTANCE:?}"
    )]
    RootDistance {
        /// Half the root delay and the root dispersion.
        found: Duration,
    },
    /// The library found what it has no name for here.
    #[error("the answer cannot be read")]
    Unreadable,
}

impl Question {
    /// A question asked at `sent` (since 1970) that an answer must repeat `random` of.
    ///
    /// # Errors
    /// [`AnswerRefusal::Unreadable`] if the library makes no request; it always does.
    pub fn new(sent: Duration, random: [u8; 8]) -> Result<Self, AnswerRefusal> {
        let memory = Memory::default();
        let sending = sntpc::sntp_send_request(NOWHERE, &memory, NtpContext::new(At(sent)));
        let request = at_once(sending).and_then(Result::ok).ok_or(AnswerRefusal::Unreadable)?;
        let [head, root, reference, origin, receive, known_as] = memory.0.get();
        Ok(Self { packet: [head, root, reference, origin, receive, random], known_as, request })
    }

    /// What to send.
    #[must_use]
    pub fn datagram(&self) -> &[u8] {
        self.packet.as_flattened()
    }

    /// Reads an answer that came at `received` (since 1970). Whose it is has been checked: the address is not in it.
    ///
    /// # Errors
    /// [`AnswerRefusal`] with the first thing that is wrong; [`AnswerRefusal::WrongOrigin`] before anything of the content
    /// is believed.
    pub fn read(&self, answer: &[u8], received: Duration) -> Result<Answer, AnswerRefusal> {
        let (words, rest) = answer.as_chunks::<8>();
        let (Ok(packet), []) = (Packet::try_from(words), rest) else {
            return Err(AnswerRefusal::Length { found: answer.len() });
        };
        let [head, root, reference, origin, receive, transmit] = packet;
        let [.., random] = self.packet;
        if origin != random {
            return Err(AnswerRefusal::WrongOrigin);
        }
        let [flags, stratum, ..] = head;
        let [.., a, b, c, d] = root;
        let version = (flags >> 3) & 7;
        if !(3..=4).contains(&version) {
            return Err(AnswerRefusal::Version { found: version });
        }
        // A kiss states no time.
        if stratum != 0 && receive == [0; 8] {
            return Err(AnswerRefusal::NoTime);
        }
        let packet = [head, root, reference, self.known_as, receive, transmit];
        let memory = Memory(Cell::new(packet));
        let reading =
            sntpc::sntp_process_response(NOWHERE, &memory, NtpContext::new(At(received)), self.request);
        let read = at_once(reading).ok_or(AnswerRefusal::Unreadable)?;
        Answer::from_result(&read.map_err(|error| refusal(error, flags & 7, stratum, [a, b, c, d]))?)
    }
}

impl Answer {
    /// The most by which the server's time, as seen from here, may be wrong: its distance from its source and ours
    /// from it (RFC 5905 §11.2: half of both delays, and the dispersions).
    #[must_use]
    pub fn bound(&self) -> Duration {
        self.root_distance()
            .saturating_add(self.delay / 2)
            .saturating_add(self.precision.min(COARSEST_PRECISION))
            .saturating_add(ROUNDING)
    }

    /// The server's own distance from its source.
    #[must_use]
    pub fn root_distance(&self) -> Duration {
        self.root_dispersion.saturating_add(self.root_delay / 2)
    }

    fn from_result(result: &NtpResult) -> Result<Self, AnswerRefusal> {
        let answer = Self {
            offset_nanoseconds: result.offset.saturating_mul(1_000),
            delay: Duration::from_micros(result.roundtrip),
            root_delay: short_format(result.root_delay),
            root_dispersion: short_format(result.root_dispersion),
            precision: power_of_two(result.precision),
            stratum: result.stratum,
            reference_id: result.reference_id,
            leap: match result.leap_indicator {
                1 => LeapIndicator::Insert,
                2 => LeapIndicator::Delete,
                _ => LeapIndicator::None,
            },
        };
        let found = answer.root_distance();
        if found > MAXIMUM_ROOT_DISTANCE {
            return Err(AnswerRefusal::RootDistance { found });
        }
        Ok(answer)
    }
}

impl LeapIndicator {
    /// Whether a leap second is announced.
    #[must_use]
    pub fn is_announced(self) -> bool {
        match self {
            Self::None => false,
            Self::Insert | Self::Delete => true,
        }
    }
}

impl Kiss {
    /// The kiss that a reference id of stratum 0 is.
    fn of(reference_id: [u8; 4]) -> Self {
        match &reference_id {
            b"DENY" => Self::Deny,
            b"RSTR" => Self::Restrict,
            b"RATE" => Self::Rate,
            _ => Self::Other(reference_id),
        }
    }
}

impl std::fmt::Display for Kiss {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deny => formatter.write_str("DENY"),
            Self::Restrict => formatter.write_str("RSTR"),
            Self::Rate => formatter.write_str("RATE"),
            Self::Other(code) => write!(formatter, "{}", code.escape_ascii()),
        }
    }
}

fn refusal(error: Error, mode: u8, stratum: u8, reference_id: [u8; 4]) -> AnswerRefusal {
    match error {
        Error::IncorrectOriginTimestamp => AnswerRefusal::WrongOrigin,
        Error::IncorrectMode => AnswerRefusal::Mode { found: mode },
        Error::UnsynchronizedClock => AnswerRefusal::NotSynchronised,
        Error::InvalidTimestamp => AnswerRefusal::NoTime,
        // 16 s by the library's measure.
        Error::ExcessiveRootDistance => AnswerRefusal::RootDistance { found: Duration::from_secs(16) },
        Error::BackwardReferenceTimestamp => AnswerRefusal::ReferenceAhead,
        Error::IncorrectStratumHeaders => AnswerRefusal::Stratum { found: stratum },
        Error::KissOfDeath(_) => AnswerRefusal::Kiss(Kiss::of(reference_id)),
        Error::IncorrectResponseVersion
        | Error::IncorrectPayload
        | Error::Network
        | Error::AddressResolve
        | Error::ResponseAddressMismatch
        | _ => AnswerRefusal::Unreadable,
    }
}

/// The socket that `sntpc` knows: it holds the datagram that was sent, or the one that came.
#[derive(Debug)]
struct Memory(Cell<Packet>);

/// `sntpc` compares addresses; ours are compared where the datagrams come from.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl Default for Memory {
    fn default() -> Self {
        Self(Cell::new(Packet::default()))
    }
}

impl NtpUdpSocket for Memory {
    async fn send_to(&self, octets: &[u8], _address: SocketAddr) -> sntpc::Result<usize> {
        let (words, _) = octets.as_chunks::<8>();
        self.0.set(words.try_into().map_err(|_| Error::IncorrectPayload)?);
        Ok(octets.len())
    }

    async fn recv_from(&self, octets: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        let packet = self.0.get();
        octets
            .get_mut(..PACKET_LENGTH)
            .ok_or(Error::IncorrectPayload)?
            .copy_from_slice(packet.as_flattened());
        Ok((PACKET_LENGTH, NOWHERE))
    }
}

/// A clock that stands at the moment of a datagram.
#[derive(Debug, Clone, Copy)]
struct At(Duration);

impl NtpTimestampGenerator for At {
    fn init(&mut self) {}

    fn timestamp_sec(&self) -> u64 {
        self.0.as_secs()
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        self.0.subsec_micros()
    }
}

/// What a future comes to that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Seconds in sixteen bits and a fraction in sixteen.
fn short_format(value: u32) -> Duration {
    Duration::from_nanos((u64::from(value) * 1_000_000_000) >> 16)
}

/// A number of seconds given as its logarithm to the base of two.
fn power_of_two(exponent: i8) -> Duration {
    let halvings = u32::from(exponent.unsigned_abs());
    if exponent >= 0 {
        return Duration::from_secs(1_u64.checked_shl(halvings).unwrap_or(u64::MAX));
    }
    Duration::from_nanos(1_000_000_000_u64.checked_shr(halvings).unwrap_or(0))
}
