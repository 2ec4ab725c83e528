//! `[attestation]`: the keys that attest others, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use attestamp_attestation::ChainKind;
use attestamp_hsm::Pkcs11Uri;

use super::file::AttestationSection;
use crate::data_folder::Layout;

use super::{ConfigError, TokenConfig, key_uri, known_token, value};

/// The keys that attest others.
#[derive(Debug, Clone)]
pub struct AttestationConfig {
    /// Name of the token whose keys are attested, which holds the keys of both chains.
    pub token: String,
    /// The keys of each chain that there is.
    pub chains: BTreeMap<ChainKind, ChainKeys>,
    /// PEM files with roots of the device's vendor.
    pub vendor_roots: Vec<PathBuf>,
    /// Attestations with a nonce that all clients together may ask for in a minute.
    pub fresh_per_minute: u32,
}

/// The keys of a chain that stay in use after `init`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainKeys {
    /// The attestation key.
    pub key: Pkcs11Uri,
    /// The device key, which signs the attestation key's certificate.
    pub device_key: Pkcs11Uri,
}

pub(super) fn check(
    section: Option<AttestationSection>,
    tokens: &BTreeMap<String, TokenConfig>,
    folder: &Layout,
) -> Result<Option<AttestationConfig>, ConfigError> {
    let Some(section) = section else { return Ok(None) };
    known_token(tokens, &section.token, "attestation.token")?;
    let keys = |prefix: &str, key: &str, device_key: &str| {
        Ok(ChainKeys {
            key: key_uri(&format!("attestation.{prefix}key"), key)?,
            device_key: key_uri(&format!("attestation.{prefix}device-key"), device_key)?,
        })
    };
    let mut chains = BTreeMap::new();
    chains.insert(ChainKind::Classical, keys("", &section.key, &section.device_key)?);
    match (&section.pq_key, &section.pq_device_key) {
        (Some(key), Some(device_key)) => {
            chains.insert(ChainKind::PostQuantum, keys("pq-", key, device_key)?);
        }
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => {
            let problem = "pq-key and pq-device-key go together: set both or none";
            return Err(value("attestation.pq-key", problem));
        }
    }
    // D10. That two URIs do not lead to one key is checked where the keys are opened.
    let mut known = BTreeSet::new();
    for uri in chains.values().flat_map(|keys| [&keys.key, &keys.device_key]) {
        if !known.insert(uri.to_string()) {
            return Err(value("attestation", "attestation and device keys must be keys of their own"));
        }
    }
    Ok(Some(AttestationConfig {
        token: section.token,
        chains,
        vendor_roots: section.vendor_roots.into_iter().map(|path| folder.root().join(path)).collect(),
        fresh_per_minute: section.fresh_per_minute,
    }))
}
