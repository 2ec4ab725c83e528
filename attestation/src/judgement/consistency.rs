//! What the claims of a verified attestation have against themselves, against the key that they are of, against the name
//! of their file, and against the auditor's clock and token.
//!
//! Nothing here makes a claim true. It finds what no honest host writes: a key of another kind than the key, a TSU of
//! another name than the file's (the names of files are nobody's word), a time that is yet to come.

use attestamp_certs::UnixTime;

use super::{KeyFinding, Question, Reason};
use crate::claims::{Claims, KeyPolicy};
use crate::key_kind::KeyKind;

/// How much later than the auditor's clock an attestation may be: the allowance that its validity begins earlier by.
const CLOCK_ALLOWANCE_SECONDS: u64 = 5 * 60;
/// The purpose of the keys of TSUs.
const PURPOSE: &str = "timestamping";
/// Hexadecimal digits of a key's id behind the name of the TSU that has another key now.
const KEPT_ID_DIGITS: usize = 8;

/// All of it. `name` is that of the key's file; `None` for a bundle that has no names.
pub(super) fn against(
    question: &Question,
    claims: &Claims,
    spki_der: &[u8],
    name: Option<&str>,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    reasons.extend(against_kind(claims, spki_der));
    reasons.extend(against_times(claims, question.at));
    if let Some(policy) = &claims.policy {
        if policy.purpose != PURPOSE {
            reasons.push(Reason::OtherPurpose { found: policy.purpose.clone() });
        }
        if name.is_some_and(|name| !is_name_of(name, policy, &claims.key.id)) {
            reasons.push(Reason::NameOfAnother { user: policy.user.clone() });
        }
    }
    if let Some(token) = &question.token {
        reasons.extend(against_token(claims, token.gen_time));
    }
    reasons
}

fn against_kind(claims: &Claims, spki_der: &[u8]) -> Option<Reason> {
    let Some(found) = KeyKind::of(spki_der) else { return Some(Reason::KeyKindUnknown) };
    let (key_type, parameter_set) = (&claims.key.key_type, &claims.key.parameter_set);
    let is_same = key_type == found.key_type && *parameter_set == found.parameter_set;
    (!is_same).then(|| Reason::KeyOfAnotherKind {
        key_type: key_type.clone(),
        parameter_set: parameter_set.clone(),
        found,
    })
}

fn against_times(claims: &Claims, at: UnixTime) -> Vec<Reason> {
    let attested_at = claims.attested_at;
    let mut reasons = Vec::new();
    if attested_at.as_secs() > at.as_secs().saturating_add(CLOCK_ALLOWANCE_SECONDS) {
        reasons.push(Reason::AttestedInTheFuture { attested_at, at });
    }
    if let Some(end) = claims.end.as_ref().filter(|end| end.time > attested_at) {
        reasons.push(Reason::EndsAfterAttestation { ended_at: end.time, attested_at });
    }
    reasons
}

/// A token from after the end of the key's use, or after the time that the use was to end at.
fn against_token(claims: &Claims, gen_time: UnixTime) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(end) = claims.end.as_ref().filter(|end| gen_time > end.time) {
        reasons.push(Reason::TokenAfterEnd { gen_time, ended_at: end.time });
    }
    if let Some(policy) = claims.policy.as_ref().filter(|policy| gen_time > policy.not_after) {
        reasons.push(Reason::TokenAfterLastUse { gen_time, last_use: policy.not_after });
    }
    reasons
}

/// Whether a key of this id, which a TSU uses by its policy, has its file under this name: the TSU's, or, once the TSU has
/// another key, that with the beginning of the id behind it.
fn is_name_of(name: &str, policy: &KeyPolicy, id: &[u8]) -> bool {
    let Some(tsu) = policy.user.strip_prefix("tsu ") else { return false };
    let id: String = id
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect::<String>()
        .chars()
        .take(KEPT_ID_DIGITS)
        .collect();
    name == tsu || name == format!("{tsu}-{id}")
}

/// Names that the same key has while it is in use under both: one of them is not its own.
pub(super) fn keys_of_two_names(keys: &[KeyFinding]) -> Vec<Reason> {
    let live = |key: &'_ KeyFinding| {
        let mut verified = key.attestations.iter().filter_map(super::Finding::verified);
        let first = verified.next()?;
        let is_live = first.claims.end.is_none() && verified.all(|other| other.claims.end.is_none());
        is_live.then(|| first.spki_der.clone())
    };
    let mut seen = std::collections::BTreeMap::new();
    let mut reasons = Vec::new();
    for key in keys {
        let Some(spki_der) = live(key) else { continue };
        match seen.get(&spki_der) {
            Some(first) => {
                reasons
                    .push(Reason::OneKeyOfTwoNames { first: String::clone(first), second: key.key.clone() });
            }
            None => {
                seen.insert(spki_der, key.key.clone());
            }
        }
    }
    reasons
}
