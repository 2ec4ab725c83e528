//! What changes the meaning of tokens, as the ledger records it (E8): starts and stops, TSUs, keys, certificates, the
//! configuration.
//!
//! A reload records the difference between what ran and what runs. Nothing here decides whether something may happen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use attestamp_attestation::ChainKind;
use attestamp_certs::UnixTime;
use attestamp_hsm::KeyInfo;
use attestamp_ledger::{EventEntry, EventKind, Hash};

use crate::attestation::Attester;
use crate::attestation::hierarchy::ChainKey;
use crate::tsu::{Signer, Tsu};

/// Where there is nothing to hash.
pub(super) const NO_DIGEST: Hash = Hash([0; 32]);
/// Octets that a subject may have (`EventEntry::subject`).
const MAX_SUBJECT_OCTETS: usize = 255;
/// Octets that a detail may have (`EventEntry::detail`).
pub(super) const MAX_DETAIL_OCTETS: usize = 1024;
const MICROSECONDS_A_SECOND: u64 = 1_000_000;

/// An event with nothing but its subject.
#[must_use]
pub fn event(kind: EventKind, subject: &str, now: UnixTime) -> EventEntry {
    EventEntry {
        time_microseconds: now.as_secs().saturating_mul(MICROSECONDS_A_SECOND),
        kind,
        subject: clipped(subject, MAX_SUBJECT_OCTETS),
        digest: NO_DIGEST,
        detail: Box::default(),
    }
}

/// The server started with this configuration.
pub(crate) fn started(tsus: &BTreeMap<String, Arc<Tsu>>, config: Hash, now: UnixTime) -> Vec<EventEntry> {
    let started = EventEntry {
        detail: concat!("attestamp ", env!("CARGO_PKG_VERSION")).into(),
        ..event(EventKind::Started, "attestamp", now)
    };
    let mut events = vec![started, configured(config, now)];
    events.extend(tsus.values().flat_map(|tsu| tsu_events(EventKind::TsuStarted, tsu, now)));
    events
}

/// A reload has put `after` in the place of `before`.
pub(crate) fn reloaded(
    before: &BTreeMap<String, Arc<Tsu>>,
    after: &BTreeMap<String, Arc<Tsu>>,
    config: Hash,
    now: UnixTime,
) -> Vec<EventEntry> {
    let mut events = vec![configured(config, now)];
    let stays = |one: &BTreeMap<String, Arc<Tsu>>, tsu: &Tsu| {
        one.get(tsu.name()).is_some_and(|other| certificates(other).eq(certificates(tsu)))
    };
    for tsu in before.values().filter(|tsu| !stays(after, tsu)) {
        events.extend(tsu_events(EventKind::TsuEnded, tsu, now));
    }
    for tsu in after.values().filter(|tsu| !stays(before, tsu)) {
        events.extend(tsu_events(EventKind::CertificateInstalled, tsu, now));
        events.extend(tsu_events(EventKind::TsuStarted, tsu, now));
    }
    events
}

/// A key was made.
#[must_use]
pub fn key_created(key: &KeyInfo, now: UnixTime) -> EventEntry {
    EventEntry {
        digest: Hash::of(&key.spki_der),
        detail: key.algorithm.to_string().into(),
        ..event(EventKind::KeyCreated, &key.label, now)
    }
}

/// A key will not be used again.
#[must_use]
pub fn key_retired(label: &str, spki_der: &[u8], is_destroyed: bool, now: UnixTime) -> EventEntry {
    let detail = if is_destroyed { "destroyed" } else { "still in the token" };
    EventEntry {
        digest: Hash::of(spki_der),
        detail: detail.into(),
        ..event(EventKind::KeyRetired, label, now)
    }
}

/// A TSU issues no more: of a command, which knows no more than its certificate.
#[must_use]
pub fn tsu_ended(name: &str, certificate_der: &[u8], now: UnixTime) -> EventEntry {
    EventEntry { digest: Hash::of(certificate_der), ..event(EventKind::TsuEnded, name, now) }
}

/// A certificate was issued or installed.
#[must_use]
pub fn certificate_installed(subject: &str, der: &[u8], now: UnixTime) -> EventEntry {
    EventEntry { digest: Hash::of(der), ..event(EventKind::CertificateInstalled, subject, now) }
}

/// The keys of attestation chains, and what was destroyed after its only use.
#[must_use]
pub fn chain_keys(keys: &[ChainKey], now: UnixTime) -> Vec<EventEntry> {
    let of_key = |key: &ChainKey| {
        let info = &key.made.info;
        let destroyed = key.is_destroyed.then(|| key_retired(&info.label, &info.spki_der, true, now));
        std::iter::once(key_created(info, now)).chain(destroyed)
    };
    keys.iter().flat_map(of_key).collect()
}

/// The certificates of attestation chains that `before` does not have: of the attestation keys, the devices, and those above.
pub(crate) fn chains_installed(
    before: Option<&Attester>,
    after: Option<&Attester>,
    now: UnixTime,
) -> Vec<EventEntry> {
    let ders = |attester: Option<&Attester>, kind| -> Vec<Vec<u8>> {
        let chain = attester.map(|attester| attester.chain(kind)).unwrap_or_default();
        chain.iter().map(|certificate| certificate.der().to_vec()).collect()
    };
    let of_chain = |kind: ChainKind| {
        let known = ders(before, kind);
        let new = ders(after, kind).into_iter().filter(move |der| !known.contains(der));
        new.map(move |der| certificate_installed(&format!("{kind} attestation chain"), &der, now))
    };
    ChainKind::ALL.into_iter().flat_map(of_chain).collect()
}

/// Somebody approved a text, by a rite that asks for more than one.
#[must_use]
pub fn approved(subject: &str, text: &str, by: &str, now: UnixTime) -> EventEntry {
    EventEntry {
        digest: Hash::of(text.as_bytes()),
        detail: clipped(by, MAX_DETAIL_OCTETS),
        ..event(EventKind::Approved, subject, now)
    }
}

/// The configuration was read.
#[must_use]
pub fn configured(config: Hash, now: UnixTime) -> EventEntry {
    EventEntry { digest: config, ..event(EventKind::Configured, "attestamp.toml", now) }
}

/// One event for each certificate of a TSU: its signers may have one each.
fn tsu_events(kind: EventKind, tsu: &Tsu, now: UnixTime) -> Vec<EventEntry> {
    let mut known = BTreeSet::new();
    let signers = tsu.signers().iter().filter(|signer| known.insert(signer.certificate_hash()));
    let one = |signer: &Arc<Signer>| EventEntry {
        digest: signer.certificate_hash(),
        detail: clipped(signer.chain().leaf().subject(), MAX_DETAIL_OCTETS),
        ..event(kind, tsu.name(), now)
    };
    signers.map(one).collect()
}

fn certificates(tsu: &Tsu) -> impl Iterator<Item = Hash> + '_ {
    tsu.signers().iter().map(|signer| signer.certificate_hash())
}

/// The beginning of a text, within so many octets.
pub(super) fn clipped(text: &str, octets: usize) -> Box<str> {
    let mut end = text.len().min(octets);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_clipped_between_characters() {
        assert_eq!(&*clipped("abc", 2), "ab");
        assert_eq!(&*clipped("aé", 2), "a");
        assert_eq!(&*clipped("aé", 3), "aé");
        assert_eq!(&*clipped("", 3), "");
    }
}
