//! The ledger of a new data folder: its keys, and what it begins with.

use attestamp_certs::UnixTime;
use attestamp_hsm::{HsmError, Token};
use attestamp_ledger::{EventEntry, EventKind};

use super::transcript::Ceremony;
use super::{TOKEN_NAME, say};
use crate::attestation::hierarchy::ChainKey;
use crate::config::Config;
use crate::data_folder::Layout;
use crate::ledger::keys::{self, MadeLedger};
use crate::ledger::{LedgerError, events as event};
use crate::tsu::CertificateChain;

/// Where the token can make no key for a ledger.
const NO_LEDGER: &str = "
# The token has no Ed25519 key, with which a ledger's checkpoints are signed.
[ledger]
enabled = false
";

/// Makes the keys, and returns the table for the configuration.
pub(super) fn make(
    layout: &Layout,
    origin: Option<&str>,
    public_url: Option<&str>,
    token: &Token,
) -> anyhow::Result<String> {
    say("making the keys of the ledger");
    let origin = match origin {
        Some(origin) => origin.to_owned(),
        None => keys::new_origin(public_url)?,
    };
    let made = match MadeLedger::make(token, &origin) {
        Ok(made) => made,
        Err(LedgerError::Hsm(missing @ HsmError::MechanismMissing { .. })) => {
            say(&format!("no record of tokens can be kept: {missing}"));
            return Ok(NO_LEDGER.to_owned());
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(missing) = &made.post_quantum_missing {
        say(&format!("no post-quantum key signs the ledger's checkpoints: {missing}"));
    }
    keys::add(layout, &made.verifiers()?)?;
    Ok(made.table(TOKEN_NAME))
}

/// What the ledger begins with: the plan that people approved, the keys that are in the token and those that were destroyed
/// after their only use, the certificates of the TSUs, the configuration.
pub(super) fn events(
    layout: &Layout,
    config: &Config,
    token: &Token,
    chain_keys: &[ChainKey],
    ceremony: Option<&Ceremony>,
    now: UnixTime,
) -> anyhow::Result<Vec<EventEntry>> {
    let mut events: Vec<_> = ceremony.map(|ceremony| ceremony.approval(now)).into_iter().collect();
    events.extend(token.keys()?.iter().map(|key| event::key_created(key, now)));
    let destroyed = event::chain_keys(chain_keys, now);
    let is_known = |known: &[EventEntry], event: &EventEntry| {
        event.kind == EventKind::KeyCreated && known.iter().any(|known| known.digest == event.digest)
    };
    for event in destroyed {
        if !is_known(&events, &event) {
            events.push(event);
        }
    }
    for name in config.tsus.keys() {
        if let Ok(chain) = CertificateChain::read(&layout.tsu_chain(name), now) {
            events.push(event::certificate_installed(name, chain.leaf().der(), now));
        }
    }
    events.push(event::configured(config.digest, now));
    Ok(events)
}
