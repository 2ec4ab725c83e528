//! What one leaf says, and its bytes (E4, E8). The first octet is the version of the format, the second the kind.

mod codec;

use thiserror::Error;

use crate::hash::Hash;

/// One leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A token was issued.
    Token(TokenEntry),
    /// What was known of the clock from here on.
    Clock(ClockEntry),
    /// Something that changed what tokens mean.
    Event(EventEntry),
}

/// One token (E4). The imprint is not here: it would link the document to the ledger (RFC 3161 §4(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// SHA-256 of the TimeStampToken in DER.
    pub token_hash: Hash,
    /// The content octets of serialNumber: 1 to 20.
    pub serial: Box<[u8]>,
    /// genTime: microseconds since 1970-01-01T00:00:00Z.
    pub gen_time_microseconds: u64,
    /// SHA-256 of the TSU's certificate in DER.
    pub certificate_hash: Hash,
    /// The content octets of the policy's OBJECT IDENTIFIER.
    pub policy: Box<[u8]>,
    /// The leaf hash of the [`ClockEntry`] under which it was issued (F7).
    pub clock_state: Hash,
}

/// A state of the clock (F7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockEntry {
    /// CLOCK_REALTIME: microseconds since 1970-01-01T00:00:00Z.
    pub time_microseconds: u64,
    /// CLOCK_BOOTTIME: microseconds.
    pub boot_microseconds: u64,
    /// Whether tokens may be issued.
    pub verdict: ClockVerdict,
    /// Who vouches for the time.
    pub assurance: ClockAssurance,
    /// What the kernel says; `None` if it could not be asked.
    pub kernel: Option<KernelState>,
    /// What the network's time servers say; `None` if none is asked.
    pub network: Option<NetworkState>,
    /// Why the verdict is not "passed"; empty if it is. At most 255 octets.
    pub reason: Box<str>,
}

/// Whether tokens may be issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockVerdict {
    /// Yes.
    Passed,
    /// Yes; something should be looked at.
    Warned,
    /// No.
    Refused,
}

/// Who vouches for the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockAssurance {
    /// Nobody.
    Unassured,
    /// The kernel's discipline.
    Kernel,
    /// The kernel's discipline and time servers that were asked beside it.
    KernelAndNetwork,
}

/// `adjtimex` (F2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelState {
    /// What the call returned: TIME_OK (0) to TIME_ERROR (5).
    pub state: u8,
    /// The STA_ bits.
    pub status: u32,
    /// Microseconds.
    pub maximum_error_microseconds: u64,
    /// Microseconds.
    pub estimated_error_microseconds: u64,
    /// Nanoseconds.
    pub offset_nanoseconds: i64,
}

/// The cross-check (F3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkState {
    /// The majority's offset from our clock, nanoseconds; positive if ours is behind.
    pub offset_nanoseconds: i64,
    /// The bound on that offset's error, nanoseconds; 2⁶⁴ − 1, and an offset of zero, where no majority agrees.
    pub bound_nanoseconds: u64,
    /// Servers that agree.
    pub agreeing: u8,
    /// Servers that answered.
    pub answered: u8,
    /// Servers that were asked.
    pub asked: u8,
}

/// Something that changed what tokens mean (E8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventEntry {
    /// Microseconds since 1970-01-01T00:00:00Z, by a clock that nobody may have vouched for.
    pub time_microseconds: u64,
    /// What happened.
    pub kind: EventKind,
    /// To what: a TSU's name, a file. At most 255 octets.
    pub subject: Box<str>,
    /// SHA-256 of what it is about (a certificate, the configuration); zeros if there is nothing to hash.
    pub digest: Hash,
    /// More for people to read. At most 1024 octets.
    pub detail: Box<str>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The server started.
    Started,
    /// The server stopped in order.
    Stopped,
    /// The configuration was read: digest of the file.
    Configured,
    /// A TSU may issue from here on: digest of its certificate.
    TsuStarted,
    /// A TSU issues no more.
    TsuEnded,
    /// A key was made: digest of its SubjectPublicKeyInfo.
    KeyCreated,
    /// A key will not be used again.
    KeyRetired,
    /// A certificate was issued or installed: digest of it.
    CertificateInstalled,
    /// An approval was given: reserved for policies.
    Approved,
    /// A torn end was cut off: detail says how much.
    Repaired,
    /// The clock was set, or a leap second passed.
    ClockChanged,
    /// For a time nothing was recorded: the operator had switched the ledger off. Detail says from when to when.
    Interrupted,
}

/// Why bytes are no entry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a ledger entry: {what} at octet {offset}")]
pub struct EntryError {
    /// Where.
    pub offset: usize,
    /// What is wrong: a sentence's end of a closed set.
    pub what: &'static str,
}

impl Entry {
    /// Its bytes: what the leaf hash is over. A text that is too long is cut at a character's end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Token(token) => codec::write_token(token, &mut bytes),
            Self::Clock(clock) => codec::write_clock(clock, &mut bytes),
            Self::Event(event) => codec::write_event(event, &mut bytes),
        }
        bytes
    }

    /// Reads one; every octet must be used.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        codec::read(bytes)
    }

    /// When: genTime, the sample's time, the event's.
    #[must_use]
    pub fn time_microseconds(&self) -> u64 {
        match self {
            Self::Token(token) => token.gen_time_microseconds,
            Self::Clock(clock) => clock.time_microseconds,
            Self::Event(event) => event.time_microseconds,
        }
    }
}

impl TokenEntry {
    /// Its bytes, as [`Entry::encode`]: without a copy of the whole, for the request path.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        codec::write_token(self, bytes);
    }

    /// Whether it can be encoded: the lengths of serial and policy.
    pub(crate) fn check(&self) -> Result<(), EntryError> {
        codec::check_token(self)
    }
}

#[cfg(test)]
mod tests;
