//! Reads claims strictly: every octet, no field that is not known, nothing twice.
//!
//! Whoever decides on claims must have understood all of them. So an attribute or a field that version 1 does not have is
//! an error here, however harmless it may be.

use std::ops::Range;

use attestamp_certs::UnixTime;
use attestamp_strict_der::{Element, Malformed, Oid, Reader, Reason, tag};

use super::encode::{END_DATE, START_DATE, UNIQUE_ID};
use super::{
    Assurance, AttestationClock, Claims, ClaimsField, ClaimsInvalid, Date, EvidenceClaim, KeyClaims, KeyEnd,
    KeyEndState, KeyFlag, KeyFlags, KeyPolicy, MAX_CLAIMS_OCTETS, MAX_EVIDENCE, MAX_ID_OCTETS,
    MAX_MECHANISMS, MAX_TEXT_OCTETS, MAX_TSA_POLICIES, Nonce, Platform,
};
use crate::time::read_generalized_time;

pub(super) fn claims(der: &[u8]) -> Result<Claims, ClaimsInvalid> {
    let mut fields = whole(der)?.reader();
    let version = fields.required(tag::INTEGER)?;
    if version.integer()? != [1] {
        return Err(ClaimsInvalid::Version { offset: version.offset });
    }
    let assurance = match enumerated(&mut fields)? {
        (_, [0]) => Assurance::HostAsserted,
        (_, [1]) => Assurance::DeviceSigned,
        (offset, _) => return Err(unknown(offset, ClaimsField::Assurance)),
    };
    let attested_at = time(&mut fields)?;
    let clock = match enumerated(&mut fields)? {
        (_, [0]) => AttestationClock::HostUnassured,
        (_, [1]) => AttestationClock::HostAssured,
        (offset, _) => return Err(unknown(offset, ClaimsField::Clock)),
    };
    let nonce = fields.optional(tag::CONTEXT_0_PRIMITIVE)?.map(|octets| nonce(&octets)).transpose()?;
    let key = key(&fields.required(tag::SEQUENCE)?)?;
    let platform = platform(&fields.required(tag::SEQUENCE)?)?;
    let policy = fields.optional(tag::CONTEXT_1)?.map(|fields| policy(&fields)).transpose()?;
    let evidence = fields.optional(tag::CONTEXT_2)?.map(|members| evidence(&members)).transpose()?;
    let end = fields.optional(tag::CONTEXT_3)?.map(|fields| end(&fields)).transpose()?;
    fields.finish()?;
    let evidence = evidence.unwrap_or_default();
    Ok(Claims { assurance, attested_at, clock, nonce, key, platform, policy, evidence, end })
}

pub(super) fn only_platform(der: &[u8]) -> Result<Platform, ClaimsInvalid> {
    platform(&whole(der)?)
}

/// The one SEQUENCE that the input is.
fn whole(der: &[u8]) -> Result<Element<'_>, ClaimsInvalid> {
    if der.len() > MAX_CLAIMS_OCTETS {
        return Err(ClaimsInvalid::TooLong { length: der.len() });
    }
    let mut input = Reader::new(der);
    let sequence = input.required(tag::SEQUENCE)?;
    input.finish()?;
    Ok(sequence)
}

fn key(key: &Element<'_>) -> Result<KeyClaims, ClaimsInvalid> {
    let mut fields = key.reader();
    let id = fields.required(tag::OCTET_STRING)?;
    if id.content.is_empty() || id.content.len() > MAX_ID_OCTETS {
        return Err(ClaimsInvalid::IdLength { offset: id.offset, found: id.content.len() });
    }
    let label = required_text(&mut fields)?;
    let key_type = required_text(&mut fields)?;
    let parameter_set = required_text(&mut fields)?;
    let flags = flags(&fields.required(tag::SEQUENCE)?)?;
    let key_gen_mechanism = optional_text(&mut fields, tag::CONTEXT_0_PRIMITIVE)?;
    let allowed_mechanisms = fields.optional(tag::CONTEXT_1)?.map(|names| mechanisms(&names)).transpose()?;
    let start_date = fields.optional(START_DATE)?.map(|text| date(&text)).transpose()?;
    let end_date = fields.optional(END_DATE)?.map(|text| date(&text)).transpose()?;
    let unique_id = optional_text(&mut fields, UNIQUE_ID)?;
    fields.finish()?;
    Ok(KeyClaims {
        id: id.content.to_vec(),
        label,
        key_type,
        parameter_set,
        flags,
        key_gen_mechanism,
        allowed_mechanisms,
        start_date,
        end_date,
        unique_id,
    })
}

fn flags(list: &Element<'_>) -> Result<KeyFlags, ClaimsInvalid> {
    let mut members = list.reader();
    let mut flags = KeyFlags::default();
    let mut highest = None;
    while !members.is_empty() {
        let mut fields = members.required(tag::SEQUENCE)?.reader();
        let number = fields.required(tag::INTEGER)?;
        let offset = number.offset;
        let attribute = unsigned(number.integer()?).ok_or(ClaimsInvalid::FlagNumber { offset })?;
        let value = fields.required(tag::BOOLEAN)?.boolean()?;
        fields.finish()?;
        let flag =
            KeyFlag::from_attribute(attribute).ok_or(ClaimsInvalid::FlagUnknown { offset, attribute })?;
        if highest.is_some_and(|highest| highest >= flag) {
            return Err(ClaimsInvalid::FlagOrder { offset, attribute });
        }
        highest = Some(flag);
        flags = flags.with(flag, Some(value));
    }
    Ok(flags)
}

fn mechanisms(list: &Element<'_>) -> Result<Vec<String>, ClaimsInvalid> {
    members(list, ClaimsField::AllowedMechanisms, MAX_MECHANISMS, required_text)
}

fn platform(platform: &Element<'_>) -> Result<Platform, ClaimsInvalid> {
    let mut fields = platform.reader();
    let manufacturer = required_text(&mut fields)?;
    let model = required_text(&mut fields)?;
    let serial = required_text(&mut fields)?;
    let firmware = required_text(&mut fields)?;
    fields.finish()?;
    Ok(Platform { manufacturer, model, serial, firmware })
}

fn policy(policy: &Element<'_>) -> Result<KeyPolicy, ClaimsInvalid> {
    let mut fields = policy.reader();
    let purpose = required_text(&mut fields)?;
    let user = required_text(&mut fields)?;
    let tsa_policies = fields.required(tag::SEQUENCE)?;
    let tsa_policies = members(&tsa_policies, ClaimsField::TsaPolicies, MAX_TSA_POLICIES, identifier)?;
    let not_after = time(&mut fields)?;
    let accept_unattested = fields.required(tag::BOOLEAN)?.boolean()?;
    fields.finish()?;
    Ok(KeyPolicy { purpose, user, tsa_policies, not_after, accept_unattested })
}

fn evidence(list: &Element<'_>) -> Result<Vec<EvidenceClaim>, ClaimsInvalid> {
    if list.content.is_empty() {
        return Err(list.malformed(Reason::EmptyList).into());
    }
    members(list, ClaimsField::Evidence, MAX_EVIDENCE, |list| {
        let mut fields = list.required(tag::SEQUENCE)?.reader();
        let format = identifier(&mut fields)?;
        let hash = fields.required(tag::OCTET_STRING)?;
        fields.finish()?;
        let (offset, found) = (hash.offset, hash.content.len());
        let sha512 = hash.content.try_into().map_err(|_| ClaimsInvalid::HashLength { offset, found })?;
        Ok(EvidenceClaim { format, sha512 })
    })
}

fn end(end: &Element<'_>) -> Result<KeyEnd, ClaimsInvalid> {
    let mut fields = end.reader();
    let time = time(&mut fields)?;
    let state = match enumerated(&mut fields)? {
        (_, [0]) => KeyEndState::Retired,
        (_, [1]) => KeyEndState::Destroyed,
        (offset, _) => return Err(unknown(offset, ClaimsField::EndState)),
    };
    fields.finish()?;
    Ok(KeyEnd { time, state })
}

/// All members of a SEQUENCE OF, each read by `read`.
fn members<'a, Member>(
    list: &Element<'a>,
    field: ClaimsField,
    limit: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<Member, ClaimsInvalid>,
) -> Result<Vec<Member>, ClaimsInvalid> {
    let mut left = list.reader();
    let mut members = Vec::new();
    while !left.is_empty() {
        if members.len() == limit {
            return Err(ClaimsInvalid::TooMany { offset: left.any()?.offset, field, limit });
        }
        members.push(read(&mut left)?);
    }
    Ok(members)
}

fn identifier(fields: &mut Reader<'_>) -> Result<Vec<u8>, ClaimsInvalid> {
    let identifier = fields.required(tag::OBJECT_IDENTIFIER)?;
    Ok(Oid::from_element(&identifier)?.content().to_vec())
}

/// The next element's offset and content octets, in their shortest form.
fn enumerated<'a>(fields: &mut Reader<'a>) -> Result<(usize, &'a [u8]), Malformed> {
    let value = fields.required(tag::ENUMERATED)?;
    Ok((value.offset, value.integer()?))
}

const fn unknown(offset: usize, field: ClaimsField) -> ClaimsInvalid {
    ClaimsInvalid::UnknownValue { offset, field }
}

fn time(fields: &mut Reader<'_>) -> Result<UnixTime, ClaimsInvalid> {
    let time = fields.required(tag::GENERALIZED_TIME)?;
    read_generalized_time(time.content).ok_or(ClaimsInvalid::Time { offset: time.offset })
}

fn nonce(nonce: &Element<'_>) -> Result<Nonce, ClaimsInvalid> {
    let offset = nonce.offset;
    Nonce::new(nonce.content.to_vec()).map_err(|source| ClaimsInvalid::Nonce { offset, source })
}

fn required_text(fields: &mut Reader<'_>) -> Result<String, ClaimsInvalid> {
    text(&fields.required(tag::UTF8_STRING)?)
}

fn optional_text(fields: &mut Reader<'_>, tag: u8) -> Result<Option<String>, ClaimsInvalid> {
    fields.optional(tag)?.map(|element| text(&element)).transpose()
}

fn text(element: &Element<'_>) -> Result<String, ClaimsInvalid> {
    let found = element.content.len();
    if found > MAX_TEXT_OCTETS {
        return Err(ClaimsInvalid::TextTooLong { offset: element.offset, found });
    }
    match std::str::from_utf8(element.content) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            Err(ClaimsInvalid::TextNotUtf8 { offset: element.content_offset + error.valid_up_to() })
        }
    }
}

fn date(element: &Element<'_>) -> Result<Date, ClaimsInvalid> {
    let invalid = ClaimsInvalid::Date { offset: element.offset };
    let digits = element.content;
    if digits.len() != 8 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(invalid);
    }
    let number = |range: Range<usize>| {
        let digits = digits.get(range).unwrap_or_default();
        digits.iter().fold(0_u16, |value, digit| value * 10 + u16::from(digit & 0x0f))
    };
    let [month, _] = number(4..6).to_le_bytes();
    let [day, _] = number(6..8).to_le_bytes();
    let date = Date { year: number(0..4), month, day };
    if (1..=12).contains(&month) && (1..=31).contains(&day) { Ok(date) } else { Err(invalid) }
}

/// The value of a non-negative INTEGER below 2^32, from content in its shortest form.
fn unsigned(content: &[u8]) -> Option<u32> {
    let magnitude = match content {
        [first, ..] if first & 0x80 != 0 => return None,
        [0, rest @ ..] => rest,
        all => all,
    };
    let fits = magnitude.len() <= 4;
    fits.then(|| magnitude.iter().fold(0, |value, octet| (value << 8) | u32::from(*octet)))
}
