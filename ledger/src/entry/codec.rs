//! The bytes of an entry. Numbers are big-endian; each variable part has its length in front. One entry has one form.

use super::{
    ClockAssurance, ClockEntry, ClockVerdict, Entry, EntryError, EventEntry, EventKind, KernelState,
    NetworkState, TokenEntry,
};
use crate::hash::Hash;

/// The version of the format.
const VERSION: u8 = 1;
const TOKEN: u8 = 1;
const CLOCK: u8 = 2;
const EVENT: u8 = 3;

const MAXIMUM_SERIAL_OCTETS: usize = 20;
/// Of a policy's OBJECT IDENTIFIER, as of every one that a request may carry.
const MAXIMUM_POLICY_OCTETS: usize = 64;
const MAXIMUM_TEXT_OCTETS: usize = 255;
const MAXIMUM_DETAIL_OCTETS: usize = 1024;

/// Every kind of event with its number on disk.
const EVENT_KINDS: [(EventKind, u8); 12] = [
    (EventKind::Started, 1),
    (EventKind::Stopped, 2),
    (EventKind::Configured, 3),
    (EventKind::TsuStarted, 4),
    (EventKind::TsuEnded, 5),
    (EventKind::KeyCreated, 6),
    (EventKind::KeyRetired, 7),
    (EventKind::CertificateInstalled, 8),
    (EventKind::Approved, 9),
    (EventKind::Repaired, 10),
    (EventKind::ClockChanged, 11),
    (EventKind::Interrupted, 12),
];

pub(super) fn check_token(token: &TokenEntry) -> Result<(), EntryError> {
    let fail = |what| Err(EntryError { offset: 0, what });
    match *token.serial {
        [] => return fail(NO_SERIAL),
        [0x00, 0x00..=0x7F, ..] | [0xFF, 0x80..=0xFF, ..] => return fail(LONG_FORM_SERIAL),
        _ => {}
    }
    if token.serial.len() > MAXIMUM_SERIAL_OCTETS {
        return fail(LONG_SERIAL);
    }
    if token.policy.is_empty() || token.policy.len() > MAXIMUM_POLICY_OCTETS {
        return fail(POLICY_LENGTH);
    }
    Ok(())
}

const NO_SERIAL: &str = "a serial number without octets";
const LONG_SERIAL: &str = "a serial number of more than 20 octets";
const LONG_FORM_SERIAL: &str = "a serial number that is not in its shortest form";
const POLICY_LENGTH: &str = "a policy of no octets or of more than 64";

pub(super) fn write_token(token: &TokenEntry, bytes: &mut Vec<u8>) {
    bytes.extend([VERSION, TOKEN]);
    bytes.extend(token.token_hash.0);
    bytes.extend(token.gen_time_microseconds.to_be_bytes());
    bytes.extend(token.certificate_hash.0);
    bytes.extend(token.clock_state.0);
    write_short(&token.serial, bytes);
    write_short(&token.policy, bytes);
}

pub(super) fn write_clock(clock: &ClockEntry, bytes: &mut Vec<u8>) {
    bytes.extend([VERSION, CLOCK]);
    bytes.extend(clock.time_microseconds.to_be_bytes());
    bytes.extend(clock.boot_microseconds.to_be_bytes());
    bytes.push(match clock.verdict {
        ClockVerdict::Passed => 0,
        ClockVerdict::Warned => 1,
        ClockVerdict::Refused => 2,
    });
    bytes.push(match clock.assurance {
        ClockAssurance::Unassured => 0,
        ClockAssurance::Kernel => 1,
        ClockAssurance::KernelAndNetwork => 2,
    });
    bytes.push(clock.kernel.is_some().into());
    if let Some(kernel) = &clock.kernel {
        bytes.push(kernel.state);
        bytes.extend(kernel.status.to_be_bytes());
        bytes.extend(kernel.maximum_error_microseconds.to_be_bytes());
        bytes.extend(kernel.estimated_error_microseconds.to_be_bytes());
        bytes.extend(kernel.offset_nanoseconds.to_be_bytes());
    }
    bytes.push(clock.network.is_some().into());
    if let Some(network) = &clock.network {
        bytes.extend(network.offset_nanoseconds.to_be_bytes());
        bytes.extend(network.bound_nanoseconds.to_be_bytes());
        bytes.extend([network.agreeing, network.answered, network.asked]);
    }
    write_short(cut(&clock.reason, MAXIMUM_TEXT_OCTETS).as_bytes(), bytes);
}

pub(super) fn write_event(event: &EventEntry, bytes: &mut Vec<u8>) {
    bytes.extend([VERSION, EVENT]);
    bytes.extend(event.time_microseconds.to_be_bytes());
    bytes.extend(EVENT_KINDS.iter().filter(|(kind, _)| *kind == event.kind).map(|(_, number)| number));
    bytes.extend(event.digest.0);
    write_short(cut(&event.subject, MAXIMUM_TEXT_OCTETS).as_bytes(), bytes);
    let detail = cut(&event.detail, MAXIMUM_DETAIL_OCTETS);
    bytes.extend(u16::try_from(detail.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(detail.as_bytes());
}

/// At most 255 octets, with their number in front.
fn write_short(content: &[u8], bytes: &mut Vec<u8>) {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    bytes.push(length);
    bytes.extend(content.iter().take(length.into()));
}

/// The text, without the characters beyond so many octets.
fn cut(text: &str, maximum: usize) -> &str {
    text.get(..text.floor_char_boundary(maximum)).unwrap_or(text)
}

pub(super) fn read(bytes: &[u8]) -> Result<Entry, EntryError> {
    let mut input = Input { rest: bytes, length: bytes.len() };
    if input.octet()? != VERSION {
        return input.fail("a version other than 1", 1);
    }
    let entry = match input.octet()? {
        TOKEN => Entry::Token(read_token(&mut input)?),
        CLOCK => Entry::Clock(read_clock(&mut input)?),
        EVENT => Entry::Event(read_event(&mut input)?),
        _ => return input.fail("a kind that is not known", 1),
    };
    if !input.rest.is_empty() {
        return input.fail("more octets than the entry has", 0);
    }
    Ok(entry)
}

fn read_token(input: &mut Input<'_>) -> Result<TokenEntry, EntryError> {
    let token = TokenEntry {
        token_hash: Hash(input.array()?),
        gen_time_microseconds: u64::from_be_bytes(input.array()?),
        certificate_hash: Hash(input.array()?),
        clock_state: Hash(input.array()?),
        serial: input.short()?.into(),
        policy: input.short()?.into(),
    };
    check_token(&token).map_err(|error| EntryError { offset: input.offset(), ..error })?;
    Ok(token)
}

fn read_clock(input: &mut Input<'_>) -> Result<ClockEntry, EntryError> {
    let time_microseconds = u64::from_be_bytes(input.array()?);
    let boot_microseconds = u64::from_be_bytes(input.array()?);
    let verdict = match input.octet()? {
        0 => ClockVerdict::Passed,
        1 => ClockVerdict::Warned,
        2 => ClockVerdict::Refused,
        _ => return input.fail("a verdict that is not known", 1),
    };
    let assurance = match input.octet()? {
        0 => ClockAssurance::Unassured,
        1 => ClockAssurance::Kernel,
        2 => ClockAssurance::KernelAndNetwork,
        _ => return input.fail("an assurance that is not known", 1),
    };
    let kernel = if input.flag()? {
        Some(KernelState {
            state: input.octet()?,
            status: u32::from_be_bytes(input.array()?),
            maximum_error_microseconds: u64::from_be_bytes(input.array()?),
            estimated_error_microseconds: u64::from_be_bytes(input.array()?),
            offset_nanoseconds: i64::from_be_bytes(input.array()?),
        })
    } else {
        None
    };
    let network = if input.flag()? {
        Some(NetworkState {
            offset_nanoseconds: i64::from_be_bytes(input.array()?),
            bound_nanoseconds: u64::from_be_bytes(input.array()?),
            agreeing: input.octet()?,
            answered: input.octet()?,
            asked: input.octet()?,
        })
    } else {
        None
    };
    let length = usize::from(input.octet()?);
    let reason = input.text(length)?;
    Ok(ClockEntry { time_microseconds, boot_microseconds, verdict, assurance, kernel, network, reason })
}

fn read_event(input: &mut Input<'_>) -> Result<EventEntry, EntryError> {
    let time_microseconds = u64::from_be_bytes(input.array()?);
    let number = input.octet()?;
    let Some(&(kind, _)) = EVENT_KINDS.iter().find(|(_, known)| *known == number) else {
        return input.fail("a kind of event that is not known", 1);
    };
    let digest = Hash(input.array()?);
    let length = usize::from(input.octet()?);
    let subject = input.text(length)?;
    let length = usize::from(u16::from_be_bytes(input.array()?));
    if length > MAXIMUM_DETAIL_OCTETS {
        return input.fail("a detail of more than 1024 octets", 2);
    }
    let detail = input.text(length)?;
    Ok(EventEntry { time_microseconds, kind, subject, digest, detail })
}

struct Input<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Input<'a> {
    fn offset(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    /// `behind` is how many octets were read since the one that is wrong.
    fn fail<T>(&self, what: &'static str, behind: usize) -> Result<T, EntryError> {
        Err(EntryError { offset: self.offset().saturating_sub(behind), what })
    }

    fn octets(&mut self, count: usize) -> Result<&'a [u8], EntryError> {
        let Some((octets, rest)) = self.rest.split_at_checked(count) else {
            return self.fail("the end, too early,", 0);
        };
        self.rest = rest;
        Ok(octets)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EntryError> {
        let Some((&octets, rest)) = self.rest.split_first_chunk::<N>() else {
            return self.fail("the end, too early,", 0);
        };
        self.rest = rest;
        Ok(octets)
    }

    fn octet(&mut self) -> Result<u8, EntryError> {
        let [octet] = self.array()?;
        Ok(octet)
    }

    fn flag(&mut self) -> Result<bool, EntryError> {
        match self.octet()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.fail("a flag that is neither 0 nor 1", 1),
        }
    }

    fn short(&mut self) -> Result<&'a [u8], EntryError> {
        let length = self.octet()?;
        self.octets(length.into())
    }

    fn text(&mut self, length: usize) -> Result<Box<str>, EntryError> {
        let octets = self.octets(length)?;
        match std::str::from_utf8(octets) {
            Ok(text) => Ok(text.into()),
            Err(_) => self.fail("a text that is not UTF-8", length),
        }
    }
}
