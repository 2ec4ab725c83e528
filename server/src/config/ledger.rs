//! `[ledger]`: whether and how a record of every token is kept, as written and checked.
//!
//! Three states, which the server tells apart: kept; switched off by the operator; and not there, in a data folder from
//! before, which is a warning with the command that mends it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use attestamp_hsm::Pkcs11Uri;
use serde::Deserialize;

use super::{ConfigError, TokenConfig, key_uri, known_token, value};
use crate::data_folder::Layout;

/// Octets that a `u8` length before the name leaves for it (C2SP tlog-cosignature).
const MAX_ORIGIN_OCTETS: usize = 255;
const OCTETS_A_MEBIBYTE: u64 = 1024 * 1024;

/// What an origin is made of.
pub const ORIGIN_FORM: &str = "1 to 255 printable ASCII characters without spaces and plus signs, and names no scheme, as \
     `tsa.example.org/ledger`";

/// `[ledger]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LedgerSection {
    /// Whether tokens are recorded.
    pub enabled: bool,
    /// The ledger's identity, in every checkpoint.
    pub origin: Option<String>,
    /// The token that holds the keys that follow.
    pub token: Option<String>,
    /// RFC 7512 URI of the Ed25519 key that signs checkpoints.
    pub key: Option<String>,
    /// RFC 7512 URI of the ML-DSA-44 key that signs them too, where the token has ML-DSA.
    pub pq_key: Option<String>,
    /// Seconds from one checkpoint to the next.
    pub checkpoint_seconds: u32,
    /// Mebibytes after which a new segment begins.
    pub segment_mebibytes: u32,
    /// Whether a new month begins a new segment.
    pub segment_monthly: bool,
    /// The file, outside of the ledger's folder, that keeps the last checkpoint; relative paths start at the data folder.
    pub anchor_file: PathBuf,
}

impl Default for LedgerSection {
    fn default() -> Self {
        Self {
            enabled: true,
            origin: None,
            token: None,
            key: None,
            pq_key: None,
            checkpoint_seconds: 10,
            segment_mebibytes: 1024,
            segment_monthly: true,
            anchor_file: PathBuf::from("state/ledger-anchor"),
        }
    }
}

/// Whether a ledger is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerSetting {
    /// There is no `[ledger]`: the data folder is from before.
    Absent,
    /// `enabled = false`; with how it would be kept, where there are keys.
    Off(Option<LedgerConfig>),
    /// Yes.
    Kept(LedgerConfig),
}

/// How a ledger is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerConfig {
    /// The ledger's identity.
    pub origin: String,
    /// Name of the token.
    pub token: String,
    /// The Ed25519 key.
    pub key: Pkcs11Uri,
    /// The ML-DSA-44 key.
    pub pq_key: Option<Pkcs11Uri>,
    /// From one checkpoint to the next.
    pub checkpoint_interval: Duration,
    /// Octets after which a new segment begins.
    pub segment_octets: u64,
    /// Whether a new month begins a new segment.
    pub segment_monthly: bool,
    /// The file that keeps the last checkpoint.
    pub anchor_file: PathBuf,
}

impl LedgerSetting {
    /// How it is kept, or would be if it were switched on.
    #[must_use]
    pub fn config(&self) -> Option<&LedgerConfig> {
        match self {
            Self::Absent => None,
            Self::Off(config) => config.as_ref(),
            Self::Kept(config) => Some(config),
        }
    }
}

/// Whether a text can be an origin: the name of a signed note's key, and so no spaces and no plus sign.
#[must_use]
pub fn is_ledger_origin(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_ORIGIN_OCTETS
        && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'+')
        && !text.contains("://")
}

pub(super) fn check(
    section: Option<LedgerSection>,
    tokens: &BTreeMap<String, TokenConfig>,
    folder: &Layout,
) -> Result<LedgerSetting, ConfigError> {
    let Some(section) = section else { return Ok(LedgerSetting::Absent) };
    let is_enabled = section.enabled;
    let config = match (&section.origin, &section.token, &section.key) {
        (Some(origin), Some(token), Some(key)) => {
            Some(checked(&section, (origin, token, key), tokens, folder)?)
        }
        (None, None, None) if !is_enabled && section.pq_key.is_none() => None,
        (_, _, _) => {
            let problem =
                "needs origin, token and key; `attestamp ledger init` makes the keys and writes them here";
            return Err(value("ledger", problem));
        }
    };
    Ok(match config {
        Some(config) if is_enabled => LedgerSetting::Kept(config),
        config => LedgerSetting::Off(config),
    })
}

fn checked(
    section: &LedgerSection,
    (origin, token, key): (&String, &String, &String),
    tokens: &BTreeMap<String, TokenConfig>,
    folder: &Layout,
) -> Result<LedgerConfig, ConfigError> {
    known_token(tokens, token, "ledger.token")?;
    if !is_ledger_origin(origin) {
        return Err(value("ledger.origin", format!("has {ORIGIN_FORM}")));
    }
    if section.checkpoint_seconds == 0 {
        return Err(value("ledger.checkpoint-seconds", "must be at least 1"));
    }
    if section.segment_mebibytes == 0 {
        return Err(value("ledger.segment-mebibytes", "must be at least 1"));
    }
    let anchor_file = folder.root().join(&section.anchor_file);
    if section.anchor_file.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(value("ledger.anchor-file", "must be written without `..`"));
    }
    if anchor_file == folder.config_file() || anchor_file == folder.ledger_keys() {
        return Err(value("ledger.anchor-file", "must be a file of its own"));
    }
    if anchor_file.starts_with(folder.ledger()) {
        let problem = "must be outside of the ledger's folder: whoever puts back an old copy of that must not put it back too";
        return Err(value("ledger.anchor-file", problem));
    }
    Ok(LedgerConfig {
        origin: origin.clone(),
        token: token.clone(),
        key: key_uri("ledger.key", key)?,
        pq_key: section.pq_key.as_deref().map(|key| key_uri("ledger.pq-key", key)).transpose()?,
        checkpoint_interval: Duration::from_secs(section.checkpoint_seconds.into()),
        segment_octets: u64::from(section.segment_mebibytes).saturating_mul(OCTETS_A_MEBIBYTE),
        segment_monthly: section.segment_monthly,
        anchor_file,
    })
}
