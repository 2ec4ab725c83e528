//! Writes claims: DER, in the order of the structure, with nothing that [`super::decode`] would not read.

use attestamp_strict_der::{INTEGER_1, element, tag, unsigned_integer};

use super::{
    Assurance, AttestationClock, Claims, Date, EvidenceClaim, KeyClaims, KeyEnd, KeyEndState, KeyFlags,
    KeyPolicy, Platform,
};
use crate::time::generalized_time;

/// `[2]`, primitive: `startDate`.
pub(super) const START_DATE: u8 = 0x82;
/// `[3]`, primitive: `endDate`.
pub(super) const END_DATE: u8 = 0x83;
/// `[4]`, primitive: `uniqueId`.
pub(super) const UNIQUE_ID: u8 = 0x84;

pub(super) fn claims(claims: &Claims) -> Vec<u8> {
    let assurance = match claims.assurance {
        Assurance::HostAsserted => 0,
        Assurance::DeviceSigned => 1,
    };
    let clock = match claims.clock {
        AttestationClock::HostUnassured => 0,
        AttestationClock::HostAssured => 1,
    };
    let nonce = claims.nonce.as_ref().map(|nonce| element(tag::CONTEXT_0_PRIMITIVE, &[nonce.as_bytes()]));
    let evidence: Vec<u8> = claims.evidence.iter().flat_map(evidence_claim).collect();
    let evidence = (!evidence.is_empty()).then(|| element(tag::CONTEXT_2, &[&evidence]));
    element(
        tag::SEQUENCE,
        &[
            &INTEGER_1,
            &enumerated(assurance),
            &generalized_time(claims.attested_at),
            &enumerated(clock),
            &nonce.unwrap_or_default(),
            &key(&claims.key),
            &platform(&claims.platform),
            &claims.policy.as_ref().map(policy).unwrap_or_default(),
            &evidence.unwrap_or_default(),
            &claims.end.map(end).unwrap_or_default(),
        ],
    )
}

pub(super) fn platform(platform: &Platform) -> Vec<u8> {
    let Platform { manufacturer, model, serial, firmware } = platform;
    let texts = [manufacturer, model, serial, firmware];
    let texts: Vec<u8> = texts.into_iter().flat_map(|value| text(value)).collect();
    element(tag::SEQUENCE, &[&texts])
}

fn key(key: &KeyClaims) -> Vec<u8> {
    let mechanisms = key.allowed_mechanisms.as_ref().map(|names| {
        let names: Vec<u8> = names.iter().flat_map(|name| text(name)).collect();
        element(tag::CONTEXT_1, &[&names])
    });
    element(
        tag::SEQUENCE,
        &[
            &element(tag::OCTET_STRING, &[&key.id]),
            &text(&key.label),
            &text(&key.key_type),
            &text(&key.parameter_set),
            &flags(&key.flags),
            &optional_text(tag::CONTEXT_0_PRIMITIVE, key.key_gen_mechanism.as_deref()),
            &mechanisms.unwrap_or_default(),
            &optional_text(START_DATE, key.start_date.map(date).as_deref()),
            &optional_text(END_DATE, key.end_date.map(date).as_deref()),
            &optional_text(UNIQUE_ID, key.unique_id.as_deref()),
        ],
    )
}

fn flags(flags: &KeyFlags) -> Vec<u8> {
    let members: Vec<u8> = flags
        .iter()
        .flat_map(|(flag, value)| {
            let attribute = unsigned_integer(tag::INTEGER, flag.attribute());
            element(tag::SEQUENCE, &[&attribute, &boolean(value)])
        })
        .collect();
    element(tag::SEQUENCE, &[&members])
}

fn policy(policy: &KeyPolicy) -> Vec<u8> {
    let identifiers: Vec<u8> =
        policy.tsa_policies.iter().flat_map(|oid| element(tag::OBJECT_IDENTIFIER, &[oid])).collect();
    element(
        tag::CONTEXT_1,
        &[
            &text(&policy.purpose),
            &text(&policy.user),
            &element(tag::SEQUENCE, &[&identifiers]),
            &generalized_time(policy.not_after),
            &boolean(policy.accept_unattested),
        ],
    )
}

fn evidence_claim(evidence: &EvidenceClaim) -> Vec<u8> {
    let format = element(tag::OBJECT_IDENTIFIER, &[&evidence.format]);
    element(tag::SEQUENCE, &[&format, &element(tag::OCTET_STRING, &[&evidence.sha512])])
}

fn end(end: KeyEnd) -> Vec<u8> {
    let state = match end.state {
        KeyEndState::Retired => 0,
        KeyEndState::Destroyed => 1,
    };
    element(tag::CONTEXT_3, &[&generalized_time(end.time), &enumerated(state)])
}

fn date(Date { year, month, day }: Date) -> String {
    format!("{year:04}{month:02}{day:02}")
}

fn text(text: &str) -> Vec<u8> {
    element(tag::UTF8_STRING, &[text.as_bytes()])
}

fn optional_text(tag: u8, text: Option<&str>) -> Vec<u8> {
    text.map(|text| element(tag, &[text.as_bytes()])).unwrap_or_default()
}

fn boolean(value: bool) -> [u8; 3] {
    [tag::BOOLEAN, 1, if value { 0xff } else { 0 }]
}

fn enumerated(value: u8) -> [u8; 3] {
    [tag::ENUMERATED, 1, value]
}
