//! The signers of a TSU: the key in its own table, the standbys after it, and how one of them is chosen.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use attestamp_hsm::Pkcs11Uri;
use serde::Deserialize;

use super::file::TsuSection;
use super::{ConfigError, TokenConfig, key_uri, known_token, value};
use crate::data_folder::Layout;

/// More would only be more places to look for what is wrong.
const MAX_STANDBYS: usize = 7;

/// `[[tsu.NAME.standby]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StandbySection {
    /// The token that holds the key.
    pub token: String,
    /// RFC 7512 URI of the key.
    pub key: String,
    /// PEM file with the key's certificate and those above it; absent where the key is the TSU's own. Relative paths start
    /// at the data folder.
    pub certificate: Option<PathBuf>,
}

/// How one of several signers is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignerUse {
    /// The first that is healthy, in the order of the file.
    #[default]
    Failover,
    /// Each that is healthy in turn.
    Balance,
}

/// Which tokens are verified before they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelfCheckMode {
    /// The first of each session in a token.
    #[default]
    First,
    /// All.
    Always,
}

/// One key, in one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerConfig {
    /// Its name in metrics and messages: the token's, with a number after it where several keys are in that token.
    pub label: String,
    /// Name of the token.
    pub token: String,
    /// The key.
    pub key: Pkcs11Uri,
    /// Its certificate chain; `None` for the TSU's own.
    pub certificate: Option<PathBuf>,
}

/// The signers of a TSU, and how one is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignersConfig {
    /// One at least: the TSU's own key first.
    pub all: Vec<SignerConfig>,
    /// How one is chosen.
    pub choice: SignerUse,
    /// How long a request waits for one signer while another is healthy.
    pub failover: Duration,
    /// How long a signer that failed must be well before it is chosen again before others.
    pub return_after: Duration,
    /// Which tokens are verified before they leave.
    pub self_check: SelfCheckMode,
}

pub(super) fn check(
    name: &str,
    section: &TsuSection,
    tokens: &BTreeMap<String, TokenConfig>,
    folder: &Layout,
) -> Result<SignersConfig, ConfigError> {
    if section.standby.len() > MAX_STANDBYS {
        let problem = format!("there are {}; {MAX_STANDBYS} is the most", section.standby.len());
        return Err(value(format!("tsu.{name}.standby"), problem));
    }
    let own = key_uri(&format!("tsu.{name}.key"), &section.key)?;
    let own = SignerConfig {
        label: section.token.clone(),
        token: section.token.clone(),
        key: own,
        certificate: None,
    };
    let mut all = vec![own];
    for (number, standby) in (1..).zip(&section.standby) {
        let at = |setting: &str| format!("tsu.{name}.standby (number {number}).{setting}");
        known_token(tokens, &standby.token, &at("token"))?;
        let key = key_uri(&at("key"), &standby.key)?;
        if all.iter().any(|known| known.token == standby.token && known.key == key) {
            let problem = "this key of this token is a signer of the TSU already: a standby is another key, or the same key in \
                           another token";
            return Err(value(at("key"), problem));
        }
        let is_taken = all.iter().any(|known| known.token == standby.token);
        let label =
            if is_taken { format!("{}-{}", standby.token, number + 1) } else { standby.token.clone() };
        let certificate = standby.certificate.as_ref().map(|path| folder.root().join(path));
        all.push(SignerConfig { label, token: standby.token.clone(), key, certificate });
    }
    if section.failover_milliseconds == 0 {
        return Err(value(format!("tsu.{name}.failover-milliseconds"), "must be at least 1"));
    }
    Ok(SignersConfig {
        all,
        choice: section.signer_use,
        failover: Duration::from_millis(section.failover_milliseconds.into()),
        return_after: Duration::from_secs(section.return_seconds.into()),
        self_check: section.verify_before_release,
    })
}
