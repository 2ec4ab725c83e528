//! The configuration file: read, checked, and turned into values that the rest can rely on.
//!
//! A value that exists here is right: paths are absolute, names lead somewhere, numbers are within their bounds. What a
//! profile allows is checked by `tsa`, what a key URI names by `hsm`; this file only brings them together and says where
//! in the file something is wrong.

mod attestation;
mod clock;
pub mod edit;
pub mod file;
mod ledger;
pub(crate) mod nearest;
pub mod signers;
mod telemetry;
pub mod template;
#[cfg(test)]
mod tests;
mod tsu;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use attestamp_hsm::{ModuleSource, PinSource, Pkcs11Uri};
use attestamp_ledger::Hash;
use attestamp_tsa::{Compatibility, MAX_REQUEST_LENGTH, Profile};

pub use attestation::{AttestationConfig, ChainKeys};
use file::{ConfigFile, LimitsSection, TokenSection, TsuSection};
pub use file::{LogSection, ServerSection};
pub use ledger::{LedgerConfig, LedgerSetting, ORIGIN_FORM, is_ledger_origin};
use signers::SignersConfig;
pub use telemetry::TelemetryConfig;

use crate::clock::ClockConfig;
use crate::data_folder::Layout;
use crate::http::{AddressRate, HttpLimits, PublicUrl};

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML, or a key is unknown, missing or of the wrong type.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and reason; for an unknown key the nearest known one.
        message: Box<str>,
    },
    /// A key's value is not usable.
    #[error("{key} in attestamp.toml: {problem}")]
    Value {
        /// The key, as `tsu.default.key`.
        key: Box<str>,
        /// What is wrong and what to do.
        problem: Box<str>,
    },
}

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where and how the server listens.
    pub server: ServerSection,
    /// Bounds on what clients may send.
    pub limits: HttpLimits,
    /// The log.
    pub log: LogSection,
    /// Where traces go; `None` if there are none.
    pub telemetry: Option<TelemetryConfig>,
    /// The clock.
    pub clock: ClockConfig,
    /// The tokens by name.
    pub tokens: BTreeMap<String, TokenConfig>,
    /// The certification authorities by name.
    pub authorities: BTreeMap<String, CaConfig>,
    /// The keys that attest others; `None` where there are none.
    pub attestation: Option<AttestationConfig>,
    /// Whether and how a record of every token is kept.
    pub ledger: LedgerSetting,
    /// The TSUs by name.
    pub tsus: BTreeMap<String, TsuConfig>,
    /// The TSU that answers `POST /`; `None` if there is no TSU at all.
    pub default_tsu: Option<String>,
    /// SHA-256 of the file, which the ledger records.
    pub digest: Hash,
}

/// A PKCS#11 token and how to log in to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenConfig {
    /// The module.
    pub module: ModuleSource,
    /// Which of the module's tokens.
    pub uri: Pkcs11Uri,
    /// Where the PIN is.
    pub pin: PinSource,
}

/// A certification authority whose key is in a token.
#[derive(Debug, Clone)]
pub struct CaConfig {
    /// Name of the token.
    pub token: String,
    /// The key.
    pub key: Pkcs11Uri,
    /// Name of the CA that issued this one's certificate; `None` for a root.
    pub issuer: Option<String>,
    /// Days that a CRL is valid.
    pub crl_days: u32,
}

/// A TSU: its key, profile and signing pool.
#[derive(Debug, Clone)]
pub struct TsuConfig {
    /// Name of the token.
    pub token: String,
    /// The key.
    pub key: Pkcs11Uri,
    /// Whether it was retired.
    pub retired: bool,
    /// What it grants.
    pub profile: Profile,
    /// How signatures reach the token.
    pub pool: attestamp_hsm::PoolConfig,
    /// How many requests may wait, if the operator says so; in `pool` it is never absent.
    pub queue_length: Option<usize>,
    /// The TSU whose token over the signature each of its tokens carries.
    pub nested: Option<String>,
    /// Whether it issues with a key that has shortcomings.
    pub accept_unattested: bool,
    /// Its keys, the one above first, and how one is chosen.
    pub signers: SignersConfig,
}

impl Config {
    /// What differs in a later configuration that a server takes only when it starts.
    #[must_use]
    pub fn needing_restart(&self, later: &Self) -> Vec<&'static str> {
        let (own, other) = (&self.server, &later.server);
        let differs = [
            ("server.listen", own.listen != other.listen),
            ("server.public-url", own.public_url != other.public_url),
            ("server.tls-certificate", own.tls_certificate != other.tls_certificate),
            ("server.tls-key", own.tls_key != other.tls_key),
            ("server.shutdown-grace-seconds", own.shutdown_grace_seconds != other.shutdown_grace_seconds),
            ("[limits]", self.limits != later.limits),
            ("[log]", self.log != later.log),
            ("[telemetry]", self.telemetry != later.telemetry),
            ("[clock]", self.clock != later.clock),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(setting, _)| setting).collect()
    }

    /// Reads and checks the configuration of a data folder. Relative paths in it start there.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key and says what to do.
    pub fn load(folder: &Layout) -> Result<Self, ConfigError> {
        let path = folder.config_file();
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path, folder),
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        }
    }

    /// As [`Config::load`], from a text. `path` is only named in errors.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(text: &str, path: &Path, folder: &Layout) -> Result<Self, ConfigError> {
        let file: ConfigFile = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: nearest::explain(&error, text).into(),
        })?;
        Self::check(file, folder, Hash::of(text.as_bytes()))
    }

    fn check(file: ConfigFile, folder: &Layout, digest: Hash) -> Result<Self, ConfigError> {
        let mut tokens = BTreeMap::new();
        for (name, section) in file.token {
            let token = token_config(&name, section, folder)?;
            tokens.insert(name, token);
        }
        let mut authorities = BTreeMap::new();
        for (name, section) in &file.ca {
            check_name("ca", name)?;
            known_token(&tokens, &section.token, &format!("ca.{name}.token"))?;
            if let Some(issuer) = section.issuer.as_ref().filter(|issuer| !file.ca.contains_key(*issuer)) {
                return Err(value(format!("ca.{name}.issuer"), format!("there is no [ca.{issuer}]")));
            }
            if section.crl_days == 0 {
                return Err(value(format!("ca.{name}.crl-days"), "must be at least 1"));
            }
            let ca = CaConfig {
                token: section.token.clone(),
                key: key_uri(&format!("ca.{name}.key"), &section.key)?,
                issuer: section.issuer.clone(),
                crl_days: section.crl_days,
            };
            authorities.insert(name.clone(), ca);
        }
        check_issuers(&authorities)?;
        let attestation = attestation::check(file.attestation, &tokens, folder)?;
        let ledger = ledger::check(file.ledger, &tokens, folder)?;
        let explicit_cert_req_false = file.server.compatibility_explicit_cert_req_false;
        let compatibility = Compatibility { explicit_cert_req_false };
        let mut tsus = BTreeMap::new();
        for (name, section) in file.tsu {
            check_name("tsu", &name)?;
            known_token(&tokens, &section.token, &format!("tsu.{name}.token"))?;
            let signers = signers::check(&name, &section, &tokens, folder)?;
            let tsu = tsu_config(&name, section, compatibility, signers)?;
            tsus.insert(name, tsu);
        }
        check_nested(&tsus)?;
        let default_tsu = default_tsu(file.server.default_tsu.as_deref(), &tsus)?;
        check_server(&file.server)?;
        let limits = http_limits(&file.limits, &file.server)?;
        let server = absolute_paths(file.server, folder);
        Ok(Self {
            server,
            limits,
            log: file.log,
            telemetry: telemetry::check(file.telemetry)?,
            clock: clock::check(&file.clock)?,
            tokens,
            authorities,
            attestation,
            ledger,
            tsus,
            default_tsu,
            digest,
        })
    }
}

/// Whoever goes up from a CA must come to a root.
fn check_issuers(authorities: &BTreeMap<String, CaConfig>) -> Result<(), ConfigError> {
    for name in authorities.keys() {
        let above = |name: &String| authorities.get(name).and_then(|ca| ca.issuer.as_ref());
        if std::iter::successors(Some(name), |name| above(name)).nth(authorities.len()).is_some() {
            return Err(value(format!("ca.{name}.issuer"), "its issuers lead round in a circle, to no root"));
        }
    }
    Ok(())
}

/// A nested token is over the signature of one that carries it, and carries none itself.
fn check_nested(tsus: &BTreeMap<String, TsuConfig>) -> Result<(), ConfigError> {
    for (name, tsu) in tsus.iter().filter(|(_, tsu)| !tsu.retired) {
        let Some(nested) = &tsu.nested else { continue };
        let problem = match tsus.get(nested) {
            None => format!("there is no [tsu.{nested}]"),
            Some(_) if nested == name => "a TSU cannot be nested in itself".to_owned(),
            Some(found) if found.retired => {
                format!("TSU `{nested}` is retired: name another, or remove nested-tsu")
            }
            Some(found) if found.nested.is_some() => {
                format!("TSU `{nested}` has a nested-tsu itself: name one that has none")
            }
            Some(_) => continue,
        };
        return Err(value(format!("tsu.{name}.nested-tsu"), problem));
    }
    Ok(())
}

/// What names are made of.
pub(crate) const NAME_FORM: &str =
    "1 to 40 lower-case letters, digits and hyphens, and does not start with a hyphen";

/// Names become file names and URL segments, so they are kept to letters, digits and hyphens.
///
/// # Errors
/// [`ConfigError::Value`] for any other name.
pub fn check_name(table: &str, name: &str) -> Result<(), ConfigError> {
    let fits = !name.is_empty()
        && name.len() <= 40
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits {
        return Ok(());
    }
    Err(value(format!("{table}.{name}"), format!("a name has {NAME_FORM}")))
}

fn value(key: impl Into<Box<str>>, problem: impl Into<Box<str>>) -> ConfigError {
    ConfigError::Value { key: key.into(), problem: problem.into() }
}

fn known_token(tokens: &BTreeMap<String, TokenConfig>, name: &str, key: &str) -> Result<(), ConfigError> {
    if tokens.contains_key(name) {
        return Ok(());
    }
    Err(value(key, format!("there is no [token.{name}]")))
}

fn key_uri(key: &str, text: &str) -> Result<Pkcs11Uri, ConfigError> {
    text.parse().map_err(|error| value(key, format!("not a PKCS#11 URI (RFC 7512): {error}")))
}

fn token_config(name: &str, section: TokenSection, folder: &Layout) -> Result<TokenConfig, ConfigError> {
    check_name("token", name)?;
    let module = match section.module.as_str() {
        "embedded" => ModuleSource::Embedded { database: folder.token_database() },
        path => ModuleSource::Library { path: folder.root().join(path) },
    };
    let pin = match (section.pin_file, section.pin_environment, section.pin_credential) {
        (Some(file), None, None) => PinSource::File(folder.root().join(file)),
        (None, Some(variable), None) => PinSource::Environment(variable),
        (None, None, Some(credential)) => PinSource::Credential(credential),
        _ => {
            let problem = "needs exactly one of pin-file, pin-environment and pin-credential";
            return Err(value(format!("token.{name}"), problem));
        }
    };
    Ok(TokenConfig { module, uri: key_uri(&format!("token.{name}.uri"), &section.uri)?, pin })
}

fn tsu_config(
    name: &str,
    section: TsuSection,
    compatibility: Compatibility,
    signers: SignersConfig,
) -> Result<TsuConfig, ConfigError> {
    let key = key_uri(&format!("tsu.{name}.key"), &section.key)?;
    let pool = tsu::pool_config(&section)
        .map_err(|(setting, problem)| value(format!("tsu.{name}.{setting}"), problem))?;
    let profile = tsu::profile(&section, compatibility).map_err(|(setting, problem)| match setting {
        "" => value(format!("tsu.{name}"), problem),
        setting => value(format!("tsu.{name}.{setting}"), problem),
    })?;
    let (token, retired, nested) = (section.token, section.retired, section.nested_tsu);
    let (accept_unattested, queue_length) = (section.accept_unattested, section.queue_length);
    Ok(TsuConfig { token, key, retired, profile, pool, queue_length, nested, accept_unattested, signers })
}

fn default_tsu(
    named: Option<&str>,
    tsus: &BTreeMap<String, TsuConfig>,
) -> Result<Option<String>, ConfigError> {
    match named {
        Some(name) if tsus.contains_key(name) => Ok(Some(name.to_owned())),
        Some(name) => Err(value("server.default-tsu", format!("there is no [tsu.{name}]"))),
        None if tsus.contains_key("default") => Ok(Some("default".to_owned())),
        None => Ok(tsus.iter().find(|(_, tsu)| !tsu.retired).map(|(name, _)| name.clone())),
    }
}

fn check_server(server: &ServerSection) -> Result<(), ConfigError> {
    if server.tls_certificate.is_some() != server.tls_key.is_some() {
        return Err(value(
            "server.tls-certificate",
            "tls-certificate and tls-key go together: set both or none",
        ));
    }
    if let Some(url) = &server.public_url {
        url.parse::<PublicUrl>().map_err(|error| value("server.public-url", error.to_string()))?;
    }
    Ok(())
}

fn http_limits(section: &LimitsSection, server: &ServerSection) -> Result<HttpLimits, ConfigError> {
    if !(256..=MAX_REQUEST_LENGTH).contains(&section.body_octets) {
        let problem = format!("must be 256 to {MAX_REQUEST_LENGTH}: no timestamp request is longer");
        return Err(value("limits.body-octets", problem));
    }
    for (key, number) in [
        ("limits.header-seconds", section.header_seconds),
        ("limits.body-seconds", section.body_seconds),
        ("limits.idle-seconds", section.idle_seconds),
    ] {
        if number == 0 {
            return Err(value(key, "must be at least 1"));
        }
    }
    if section.connections == 0 || section.connections_per_address == 0 {
        return Err(value("limits.connections", "limits of connections must be at least 1"));
    }
    let seconds = |number: u32| Duration::from_secs(number.into());
    Ok(HttpLimits {
        body_bytes: section.body_octets,
        header_read: seconds(section.header_seconds),
        body_read: seconds(section.body_seconds),
        keep_alive_idle: seconds(section.idle_seconds),
        connections: section.connections,
        connections_per_address: Some(section.connections_per_address),
        address_rate: match section.requests_per_second_per_address {
            0 => None,
            // Ten seconds' worth at once: a batch of files is no attack.
            rate => Some(AddressRate { requests_per_second: rate, burst: rate.saturating_mul(10) }),
        },
        attestations_per_minute: match section.attestations_per_minute_per_address {
            0 => None,
            rate => Some(rate),
        },
        shutdown_grace: seconds(server.shutdown_grace_seconds),
        ..HttpLimits::default()
    })
}

fn absolute_paths(mut server: ServerSection, folder: &Layout) -> ServerSection {
    server.tls_certificate = server.tls_certificate.map(|path| folder.root().join(path));
    server.tls_key = server.tls_key.map(|path| folder.root().join(path));
    server.public_url = server.public_url.map(|url| url.trim_end_matches('/').to_owned());
    server
}
