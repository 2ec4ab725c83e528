//! F3: what time servers on the network say of our clock.
//!
//! ```text
//! exchange   one question and its answer: octets and numbers
//! server     one server: its name, its addresses, a socket for each question, what it last said
//! select     which of them to believe
//! network    all of them, carried to the moment of a sample
//! pollers    the threads that ask
//! check      what that means for issuing tokens
//! ```
//!
//! An answer is kept with the two clocks at which it came, and carried from there to each sample: a step of
//! CLOCK_REALTIME since then changes the offset by as much, so that it shows at the next sample and not at the next
//! question. So does what a time service slews it by faster than 500 parts per million, which CLOCK_MONOTONIC_RAW gives
//! away. For everything else the bound grows by 500 parts per million, what the kernel allows itself. Answers from before
//! a suspension count no more.
//!
//! Nothing is set by what is learnt here: setting the clock is the time service's. Servers that smear leap seconds are
//! not UTC around one, and are found out as servers that are wrong.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::LOG_TARGET;

mod check;
mod exchange;
mod network;
mod pollers;
mod select;
mod server;

pub(super) use check::{NetworkCheck, offset_words};
pub use exchange::{
    Answer, AnswerRefusal, Kiss, LeapIndicator, MAXIMUM_ROOT_DISTANCE, PACKET_LENGTH, Question,
};
pub use network::{Agreement, Network, NetworkReading, ServerReport, Standing};
pub(super) use pollers::Pollers;
pub use server::Trouble;

/// The port of NTP.
const NTP_PORT: u16 = 123;

/// The servers to ask and what is made of their answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NtpConfig {
    /// Whom to ask; each once.
    pub servers: Vec<ServerName>,
    /// How many must agree at the least.
    pub minimum: usize,
    /// Between two questions to a server, where all is well.
    pub poll: Duration,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// The age beyond which an answer counts no more.
    pub lost_after: Duration,
    /// What is done when too few answers are left.
    pub lost: LostMode,
}

/// What is done in mode `kernel` when too few servers answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LostMode {
    /// No tokens: assurance was asked for.
    #[default]
    Stop,
    /// Tokens on the kernel's word alone, with a warning.
    Warn,
}

/// The most that an answer may prove the clock to be wrong by. Set from the accuracies that are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorLimits {
    /// Beyond it there is a warning.
    pub warn: Duration,
    /// Beyond it there are no tokens.
    pub stop: Duration,
}

/// What a TSU claims of its times, and what of that is spent already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccuracyClaim {
    /// The accuracy that its tokens state.
    pub accuracy: Duration,
    /// The most that truncating genTime takes away.
    pub truncation: Duration,
    /// What passes between reading the clock and the signature.
    pub signing: Duration,
}

/// A time server's name or address, and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerName {
    /// A host name, or an address in digits.
    pub host: Box<str>,
    /// Its UDP port.
    pub port: u16,
}

/// Not the name of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a time server: write HOST, HOST:PORT, or [IPV6]:PORT")]
pub struct NotAServer;

impl ErrorLimits {
    /// No limits: no TSU claims anything yet.
    pub const NONE: Self = Self { warn: Duration::MAX, stop: Duration::MAX };

    /// The strictest of what these claims ask for: a warning at a quarter of the accuracy, a stop at half of it, and
    /// in any case where truncation and signing leave no more room for an error of the clock.
    #[must_use]
    pub fn for_claims(claims: impl IntoIterator<Item = AccuracyClaim>) -> Self {
        claims.into_iter().fold(Self::NONE, |limits, claim| {
            let spent = claim.truncation.saturating_add(claim.signing);
            let stop = (claim.accuracy / 2).min(claim.accuracy.saturating_sub(spent));
            let warn = (claim.accuracy / 4).min(stop);
            Self { warn: limits.warn.min(warn), stop: limits.stop.min(stop) }
        })
    }
}

impl LostMode {
    /// The word for it in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Warn => "warn",
        }
    }
}

impl FromStr for ServerName {
    type Err = NotAServer;

    fn from_str(text: &str) -> Result<Self, NotAServer> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(NotAServer)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| NotAServer)?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("123")).ok_or(NotAServer)?)
            }
            // More than one colon: an IPv6 address.
            None if text.parse::<std::net::Ipv6Addr>().is_ok() => (text, "123"),
            None => text.split_once(':').unwrap_or((text, "123")),
        };
        let port = port.parse().map_err(|_| NotAServer)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        if port == 0 || host.is_empty() || host.len() > 253 || !host.bytes().all(fits) {
            return Err(NotAServer);
        }
        Ok(Self { host: host.into(), port })
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.contains(':')) {
            (NTP_PORT, _) => formatter.write_str(&self.host),
            (port, true) => write!(formatter, "[{}]:{port}", self.host),
            (port, false) => write!(formatter, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers_are_read_and_shown_alike() {
        for (text, host, port) in [
            ("ntp.example.org", "ntp.example.org", 123),
            ("ntp.example.org:1123", "ntp.example.org", 1123),
            ("192.0.2.1", "192.0.2.1", 123),
            ("192.0.2.1:5", "192.0.2.1", 5),
            ("2001:db8::1", "2001:db8::1", 123),
            ("[2001:db8::1]:124", "2001:db8::1", 124),
        ] {
            let name: ServerName = text.parse().expect(text);
            assert_eq!((&*name.host, name.port), (host, port));
            assert_eq!(name.to_string(), text);
        }
        assert_eq!("[2001:db8::1]".parse::<ServerName>().expect("read").to_string(), "2001:db8::1");
        for wrong in
            ["", ":123", "host:0", "host:65536", "host:x", "[host]:1", "[::1", "[::1]1", "a b", "a:1:2"]
        {
            assert_eq!(wrong.parse::<ServerName>(), Err(NotAServer), "{wrong}");
        }
    }

    #[test]
    fn f3_a_quarter_warns_and_half_stops_and_truncation_and_signing_leave_the_rest() {
        let ms = Duration::from_millis;
        let claim = |accuracy, truncation, signing| AccuracyClaim {
            accuracy: ms(accuracy),
            truncation: ms(truncation),
            signing: ms(signing),
        };
        let fine = claim(1_000, 1, 10);
        assert_eq!(ErrorLimits::for_claims([fine]), ErrorLimits { warn: ms(250), stop: ms(500) });
        // Whole seconds: what truncation and signing leave of two seconds is less than half.
        let whole = claim(2_000, 1_000, 30);
        assert_eq!(ErrorLimits::for_claims([whole]), ErrorLimits { warn: ms(500), stop: ms(970) });
        let together = ErrorLimits::for_claims([whole, fine]);
        assert_eq!(together, ErrorLimits { warn: ms(250), stop: ms(500) });
        assert_eq!(ErrorLimits::for_claims([claim(100, 90, 5)]), ErrorLimits { warn: ms(5), stop: ms(5) });
        assert_eq!(ErrorLimits::for_claims([]), ErrorLimits::NONE);
    }
}
