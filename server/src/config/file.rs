//! The sections of `attestamp.toml` as they are written, before they are checked.
//!
//! Every key is kebab-case with its unit in its name. An unknown key is an error, never ignored: a misspelt limit would
//! otherwise be no limit.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

pub use super::ledger::LedgerSection;
use super::signers::{SelfCheckMode, SignerUse, StandbySection};

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConfigFile {
    /// Where and how the server listens.
    #[serde(default)]
    pub server: ServerSection,
    /// Bounds on what clients may send.
    #[serde(default)]
    pub limits: LimitsSection,
    /// The log.
    #[serde(default)]
    pub log: LogSection,
    /// Traces of requests.
    #[serde(default)]
    pub telemetry: super::telemetry::TelemetrySection,
    /// The clock and what is asked of it.
    #[serde(default)]
    pub clock: ClockSection,
    /// The PKCS#11 tokens, by a name of the operator's.
    #[serde(default)]
    pub token: BTreeMap<String, TokenSection>,
    /// The certification authorities made by `init`, by name.
    #[serde(default)]
    pub ca: BTreeMap<String, CaSection>,
    /// The keys that attest other keys.
    pub attestation: Option<AttestationSection>,
    /// The record of every token issued.
    pub ledger: Option<LedgerSection>,
    /// The TSUs, by name.
    #[serde(default)]
    pub tsu: BTreeMap<String, TsuSection>,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ServerSection {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The address under which clients reach the server, as `https://tsa.example.org`.
    pub public_url: Option<String>,
    /// The TSU that answers `POST /`.
    pub default_tsu: Option<String>,
    /// PEM file with the TLS certificate chain; relative paths start at the data folder.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with the TLS private key.
    pub tls_key: Option<PathBuf>,
    /// Seconds that requests in flight are given at shutdown.
    pub shutdown_grace_seconds: u32,
    /// Days before the end of a key or certificate at which warnings begin.
    pub expiry_warning_days: u32,
    /// Accept requests that encode `certReq FALSE`, which DER forbids.
    pub compatibility_explicit_cert_req_false: bool,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3161)),
            public_url: None,
            default_tsu: None,
            tls_certificate: None,
            tls_key: None,
            shutdown_grace_seconds: 10,
            expiry_warning_days: 90,
            compatibility_explicit_cert_req_false: false,
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Largest request body in octets.
    pub body_octets: usize,
    /// Seconds in which a request's header must have come.
    pub header_seconds: u32,
    /// Seconds in which a request's body must have come.
    pub body_seconds: u32,
    /// Seconds after which an idle connection is closed.
    pub idle_seconds: u32,
    /// Open connections at the most.
    pub connections: usize,
    /// Open connections from one address at the most.
    pub connections_per_address: usize,
    /// Requests a second from one address; 0 sets no limit.
    pub requests_per_second_per_address: u32,
    /// Requests a minute from one address for attestations with a nonce; 0 sets no limit.
    pub attestations_per_minute_per_address: u32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            body_octets: 16 * 1024,
            header_seconds: 5,
            body_seconds: 5,
            idle_seconds: 75,
            connections: 10_000,
            connections_per_address: 1_000,
            requests_per_second_per_address: 0,
            attestations_per_minute_per_address: 10,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LogSection {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list of `target=level`.
    pub filter: String,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { filter: "info".to_owned() }
    }
}

/// What the clock is asked to prove before a token is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockAssurance {
    /// The system's clock as it is: the time is not assured.
    #[default]
    System,
    /// The kernel must say that the clock is synchronised, within the bound.
    Kernel,
}

/// What happens around a leap second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeapSecond {
    /// No tokens from 23:59:59 to 00:00:01 UTC.
    #[default]
    Pause,
    /// No tokens from 23:59:59 UTC until the server is restarted.
    Stop,
}

/// What happens in mode `kernel` when too few time servers answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NtpLost {
    /// No tokens.
    #[default]
    Stop,
    /// Tokens on the kernel's word alone.
    Warn,
}

/// `[clock]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClockSection {
    /// What the clock must prove.
    pub mode: ClockAssurance,
    /// In mode `kernel`: the largest error that the kernel may report, in milliseconds.
    pub max_error_milliseconds: Option<u32>,
    /// The largest step of the clock within a minute, in milliseconds.
    pub max_jump_milliseconds: Option<u32>,
    /// What happens around a leap second.
    pub leap_second: LeapSecond,
    /// Time servers to check the clock against, as `host` or `host:port`.
    pub ntp_servers: Vec<String>,
    /// How many of them must agree; absent: more than half.
    pub ntp_minimum: Option<usize>,
    /// Seconds between two questions to a server.
    pub ntp_poll_seconds: Option<u32>,
    /// Milliseconds that an answer is waited for.
    pub ntp_timeout_milliseconds: Option<u32>,
    /// Seconds after which an answer counts no more.
    pub ntp_lost_seconds: Option<u32>,
    /// What happens when too few servers answer.
    pub ntp_lost: NtpLost,
    /// Seconds by which a token's own clock may differ before that is warned of.
    pub max_token_difference_seconds: Option<u32>,
}

/// `[token.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TokenSection {
    /// `embedded`, or the path of a PKCS#11 module.
    pub module: String,
    /// RFC 7512 URI of the token within the module.
    pub uri: String,
    /// File with the PIN; relative paths start at the data folder.
    pub pin_file: Option<PathBuf>,
    /// Environment variable with the PIN.
    pub pin_environment: Option<String>,
    /// systemd credential with the PIN.
    pub pin_credential: Option<String>,
}

/// `[ca.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CaSection {
    /// The token that holds the key.
    pub token: String,
    /// RFC 7512 URI of the key.
    pub key: String,
    /// The CA that issued this one's certificate; absent for a root.
    pub issuer: Option<String>,
    /// Days that a CRL is valid; it is re-issued at half of that.
    #[serde(default = "default_crl_days")]
    pub crl_days: u32,
}

fn default_crl_days() -> u32 {
    14
}

/// `[attestation]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AttestationSection {
    /// The token whose keys are attested, which holds the keys that follow.
    pub token: String,
    /// RFC 7512 URI of the attestation key.
    pub key: String,
    /// RFC 7512 URI of the device key, which signs the attestation key's certificate.
    pub device_key: String,
    /// RFC 7512 URI of the post-quantum attestation key, where the token has ML-DSA.
    pub pq_key: Option<String>,
    /// RFC 7512 URI of the post-quantum device key.
    pub pq_device_key: Option<String>,
    /// PEM files with roots of the device's vendor, to verify evidence with; relative paths start at the data folder.
    #[serde(default)]
    pub vendor_roots: Vec<PathBuf>,
    /// Attestations with a nonce that all clients together may ask for in a minute; 0 refuses them.
    #[serde(default = "default_fresh_per_minute")]
    pub fresh_per_minute: u32,
}

/// A bundle with nonces costs as many as there are keys and chains: six with what `init` makes.
fn default_fresh_per_minute() -> u32 {
    120
}

/// How a pool hands signatures to the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DispatchMode {
    /// Measured at start.
    #[default]
    Auto,
    /// On the thread that has the request: best for a software token.
    Inline,
    /// On a thread per session: best for a network HSM.
    Threads,
}

/// Precision of genTime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrecisionMode {
    /// Whole seconds: every client reads them.
    #[default]
    Seconds,
    /// Milliseconds: several clients refuse them.
    Milliseconds,
    /// Microseconds: several clients refuse them.
    Microseconds,
}

/// Conformance to ETSI EN 319 422.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EtsiMode {
    /// Not asked for.
    #[default]
    Off,
    /// The rows of EN 319 421/422 that a configuration can keep.
    Etsi,
    /// With the statement that the token is qualified.
    Qualified,
}

/// The certificate hash in the token's signing certificate attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EssHashMode {
    /// ESSCertIDv2 with SHA-256.
    #[default]
    Sha256,
    /// ESSCertIDv2 with SHA-384.
    Sha384,
    /// ESSCertIDv2 with SHA-512.
    Sha512,
    /// ESSCertID (version 1) with SHA-1, for clients from before RFC 5816.
    CompatibilitySha1,
}

/// `[tsu.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TsuSection {
    /// The token that holds the key.
    pub token: String,
    /// RFC 7512 URI of the key.
    pub key: String,
    /// Set by `tsu retire`: the TSU issues nothing any more.
    #[serde(default)]
    pub retired: bool,
    /// Policy OID of tokens whose request names none.
    pub default_policy: String,
    /// Further policy OIDs that a request may name.
    #[serde(default)]
    pub accepted_policies: Vec<String>,
    /// Hash algorithms that a request may use.
    #[serde(default = "default_hashes")]
    pub accepted_hashes: Vec<String>,
    /// Accuracy: whole seconds.
    #[serde(default = "default_accuracy_seconds")]
    pub accuracy_seconds: u32,
    /// Accuracy: further milliseconds, 0 to 999.
    #[serde(default)]
    pub accuracy_milliseconds: u16,
    /// Accuracy: further microseconds, 0 to 999.
    #[serde(default)]
    pub accuracy_microseconds: u16,
    /// Precision of genTime.
    #[serde(default)]
    pub time_precision: PrecisionMode,
    /// Whether tokens name the TSU in `tsa`.
    #[serde(default)]
    pub include_tsa_name: bool,
    /// The certificate hash in the signing certificate attribute.
    #[serde(default)]
    pub ess_hash: EssHashMode,
    /// Certificates above the TSU's own that a token carries; absent: all but the root.
    pub chain_depth: Option<u8>,
    /// Conformance to ETSI EN 319 422.
    #[serde(default)]
    pub etsi: EtsiMode,
    /// The TSU whose token over the signature each token carries.
    pub nested_tsu: Option<String>,
    /// Issue also with a key that was imported, can leave the token, or does more than sign.
    #[serde(default)]
    pub accept_unattested: bool,
    /// Sessions open for signing.
    #[serde(default = "default_sessions")]
    pub sessions: usize,
    /// Requests that may wait; more are refused with 503.
    pub queue_length: Option<usize>,
    /// Seconds after which a request that waits for the token is refused.
    #[serde(default = "default_sign_seconds")]
    pub sign_seconds: u32,
    /// How signatures reach the token.
    #[serde(default)]
    pub dispatch: DispatchMode,
    /// Seconds between signatures that the server makes to see whether the key still does; 0 for none.
    #[serde(default = "default_probe_seconds")]
    pub probe_seconds: u32,
    /// Further keys, or the same key in further tokens.
    #[serde(default)]
    pub standby: Vec<StandbySection>,
    /// How one of several signers is chosen.
    #[serde(default, rename = "use")]
    pub signer_use: SignerUse,
    /// How long a request waits for one signer while another is healthy.
    #[serde(default = "default_failover_milliseconds")]
    pub failover_milliseconds: u32,
    /// How long a signer that failed must be well before it is chosen again before others.
    #[serde(default = "default_return_seconds")]
    pub return_seconds: u32,
    /// Which tokens are verified before they leave.
    #[serde(default)]
    pub verify_before_release: SelfCheckMode,
}

fn default_probe_seconds() -> u32 {
    60
}

fn default_failover_milliseconds() -> u32 {
    500
}

fn default_return_seconds() -> u32 {
    30
}

fn default_hashes() -> Vec<String> {
    attestamp_certs::HashAlgorithm::OF_DATA.iter().map(|hash| hash.name().to_owned()).collect()
}

/// The least that whole seconds of genTime (1 s), a clock within its bound (0.5 s) and a signature leave room for.
fn default_accuracy_seconds() -> u32 {
    2
}

fn default_sessions() -> usize {
    8
}

fn default_sign_seconds() -> u32 {
    10
}
