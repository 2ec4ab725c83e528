//! The text of `attestamp.toml` that `init` writes, and of the tables that `tsu new` adds: a comment for every key.
//!
//! A test loads what is written here and holds it against the sections, so that the file shows every key there is.

use std::fmt::Write as _;

/// The tables before those of tokens, CAs and TSUs. Keys that are commented out show their defaults.
pub const HEAD: &str = r#"# attestamp. `attestamp check` reads this file and says what is wrong with it.
# A key that is commented out shows its default. Relative paths start at this folder.

[server]
# Address and port to listen on.
listen = "127.0.0.1:3161"
# The address under which clients reach the server. New certificates name their CRL and their issuer's certificate
# below it; without it they name none.
PUBLIC_URL
# The TSU that answers `POST /` where the request names no policy of another's.
default-tsu = "DEFAULT_TSU"
# TLS: PEM files with the certificate chain and the private key of the listener.
# tls-certificate = "tls/certificate.pem"
# tls-key = "tls/key.pem"
# Seconds that requests in flight are given at shutdown.
# shutdown-grace-seconds = 10
# Days before the end of a key or certificate at which warnings begin.
# expiry-warning-days = 90
# Accept requests of old clients that encode `certReq FALSE`, which DER forbids.
# compatibility-explicit-cert-req-false = false

[limits]
# Largest request body in octets.
# body-octets = 16384
# Seconds in which a request's header, and then its body, must have come.
# header-seconds = 5
# body-seconds = 5
# Seconds after which an idle connection is closed.
# idle-seconds = 75
# Open connections at the most: in all, and from one address.
# connections = 10000
# connections-per-address = 1000
# Requests a second from one address (IPv6: from one /64); 0 sets no limit. Beyond it the answer is 429.
# requests-per-second-per-address = 0
# Requests a minute from one address for attestations with a nonce, which cost the token signatures; 0 sets no limit.
# attestations-per-minute-per-address = 10

[log]
# error, warn, info, debug, trace, or a list of target=level.
# filter = "info"

[telemetry]
# Traces of requests go to this collector of OpenTelemetry (OTLP over HTTP); absent: there are none.
# otlp-endpoint = "http://127.0.0.1:4318"
# The part of the requests that is traced, 0 to 1, where the caller's `traceparent` does not say.
# sample-ratio = 1.0
# What this server is called in traces.
# service-name = "attestamp"

[clock]
# system: the system's clock as it is. The time is NOT assured, and the log, the page and /readyz say so.
# kernel: the kernel must say that its clock is synchronised, within the bound. For production.
mode = "system"
# In mode kernel: the largest error that the kernel may report, in milliseconds.
# max-error-milliseconds = 500
# The largest step of the clock within a minute, in milliseconds; beyond it no tokens. Default: 1000 in mode system, 500
# in mode kernel.
# max-jump-milliseconds = 1000
# Around a leap second: pause (no tokens from 23:59:59 to 00:00:01 UTC) or stop (none until a restart).
# leap-second = "pause"
# Time servers to check the clock against, as host or host:port: four or more, of different operators and not those that
# the time service of this machine follows alone. A majority that shows the clock to be wrong stops issuance.
# ntp-servers = []
# How many of them must agree; absent: more than half, which is 3 of 4.
# ntp-minimum = 3
# Seconds between two questions to a server (it is the time in which servers that change their mind are noticed), and
# milliseconds that an answer is waited for.
# ntp-poll-seconds = 16
# ntp-timeout-milliseconds = 1000
# Seconds after which an answer counts no more, and what happens in mode kernel when too few are left: stop (no tokens) or
# warn (tokens on the kernel's word alone).
# ntp-lost-seconds = 64
# ntp-lost = "stop"
# Seconds by which the clock of an HSM that has one may differ before /readyz warns of it.
# max-token-difference-seconds = 5
"#;

/// What a `[token.NAME]` table is written from.
#[derive(Debug, Clone)]
pub struct TokenTable<'a> {
    /// The table's name.
    pub name: &'a str,
    /// `embedded`, or the path of a module.
    pub module: &'a str,
    /// URI of the token.
    pub uri: &'a str,
    /// The line that says where the PIN is, as `pin-file = "token/pin"`.
    pub pin_line: &'a str,
}

impl TokenTable<'_> {
    /// The table with its comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        format!(
            r#"
[token.{name}]
# embedded: the software token that is part of this program, its database in token/. Or the path of the PKCS#11 module
# of an HSM.
module = {module}
# Which of the module's tokens (RFC 7512).
uri = {uri}
# Where the PIN is, one of: pin-file = "path", pin-environment = "VARIABLE", pin-credential = "systemd credential".
{pin_line}
"#,
            name = self.name,
            module = quoted(self.module),
            uri = quoted(self.uri),
            pin_line = self.pin_line
        )
    }
}

/// What a `[ca.NAME]` table is written from.
#[derive(Debug, Clone)]
pub struct CaTable<'a> {
    /// The table's name.
    pub name: &'a str,
    /// Name of the token.
    pub token: &'a str,
    /// URI of the key.
    pub key: &'a str,
    /// The issuing CA; `None` for a root.
    pub issuer: Option<&'a str>,
    /// Days that a CRL is valid.
    pub crl_days: u32,
}

impl CaTable<'_> {
    /// The table with its comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let issuer = match self.issuer {
            Some(issuer) => {
                format!("# The CA that issued this one's certificate.\nissuer = {}\n", quoted(issuer))
            }
            None => String::new(),
        };
        format!(
            r#"
# A CA made by `attestamp init`; its certificate is certs/ca/{name}.pem.
[ca.{name}]
token = {token}
key = {key}
{issuer}# Days that a CRL is valid; the server issues the next at half of that.
crl-days = {crl_days}
"#,
            name = self.name,
            token = quoted(self.token),
            key = quoted(self.key),
            crl_days = self.crl_days
        )
    }
}

/// What the `[attestation]` table is written from.
#[derive(Debug, Clone)]
pub struct AttestationTable<'a> {
    /// Name of the token.
    pub token: &'a str,
    /// URIs of the attestation key and of the device key.
    pub keys: (&'a str, &'a str),
    /// Those of the post-quantum chain, if there is one.
    pub pq_keys: Option<(&'a str, &'a str)>,
}

impl AttestationTable<'_> {
    /// The table with its comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let (key, device_key) = self.keys;
        let post_quantum = match self.pq_keys {
            Some((key, device_key)) => {
                format!("pq-key = {}\npq-device-key = {}\n", quoted(key), quoted(device_key))
            }
            None => String::new(),
        };
        format!(
            r#"
# The keys that attest others (docs/auditing.md); their certificates are in certs/attestation/.
[attestation]
# The token whose keys are attested. It holds the keys that follow too.
token = {token}
# The attestation key, and the device key that signed its certificate.
key = {key}
device-key = {device_key}
{post_quantum}# PEM files with roots of the device's vendor. Evidence that verifies with them (`attestamp attest evidence`) makes a claim
# the device's own (deviceSigned); all others are the host's word.
# vendor-roots = []
# Attestations with a nonce that all clients together may ask for in a minute; beyond it the answer is 429. 0 refuses them.
# fresh-per-minute = 120
"#,
            token = quoted(self.token),
            key = quoted(key),
            device_key = quoted(device_key),
        )
    }
}

/// What the `[ledger]` table is written from.
#[derive(Debug, Clone)]
pub struct LedgerTable<'a> {
    /// The ledger's identity.
    pub origin: &'a str,
    /// Name of the token.
    pub token: &'a str,
    /// URI of the Ed25519 key.
    pub key: &'a str,
    /// URI of the ML-DSA-44 key, if there is one.
    pub pq_key: Option<&'a str>,
}

impl LedgerTable<'_> {
    /// The table with its comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let pq_key = self.pq_key.map(|key| format!("pq-key = {}\n", quoted(key))).unwrap_or_default();
        format!(
            r#"
# The record of every token issued, in ledger/ (docs/ledger.md). Changes here need a restart.
[ledger]
# Whether tokens are recorded. Without it nobody can tell later which tokens were issued.
# enabled = true
# The ledger's identity, in every checkpoint. It must never change: `attestamp ledger init --new` begins another ledger.
origin = {origin}
# The token with the keys that sign checkpoints. Their public keys: certs/ledger/keys.txt.
token = {token}
key = {key}
{pq_key}# Seconds from one checkpoint to the next: a proof for a token exists after at most so long.
# checkpoint-seconds = 10
# A new segment begins after so many mebibytes, and with a new month (UTC).
# segment-mebibytes = 1024
# segment-monthly = true
# Keeps the last checkpoint outside of ledger/, so that an older copy of that is found out. Best on another disk.
# anchor-file = "state/ledger-anchor"
"#,
            origin = quoted(self.origin),
            token = quoted(self.token),
            key = quoted(self.key),
        )
    }
}

/// What a `[tsu.NAME]` table is written from.
#[derive(Debug, Clone)]
pub struct TsuTable<'a> {
    /// The table's name.
    pub name: &'a str,
    /// Name of the token.
    pub token: &'a str,
    /// URI of the key.
    pub key: &'a str,
    /// Policy OID of the TSU's tokens.
    pub default_policy: &'a str,
    /// Whether its tokens could carry those of a post-quantum TSU.
    pub can_carry: bool,
    /// Accuracy in seconds, where the default would leave no time for a signature.
    pub accuracy_seconds: Option<u32>,
}

impl TsuTable<'_> {
    /// The table with its comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let _ = write!(
            text,
            r#"
# Its certificate and those above it: certs/tsu/{name}.pem.
[tsu.{name}]
token = {token}
key = {key}
# Policy of tokens whose request names none, and further ones that a request may name.
default-policy = {policy}
"#,
            name = self.name,
            token = quoted(self.token),
            key = quoted(self.key),
            policy = quoted(self.default_policy)
        );
        let mut defaults = TSU_DEFAULTS.to_owned();
        if let Some(seconds) = self.accuracy_seconds {
            let line = format!("\naccuracy-seconds = {seconds}\n");
            defaults = defaults.replacen("\n# accuracy-seconds = 2\n", &line, 1);
        }
        if !self.can_carry {
            defaults = defaults.replacen(NESTED_TSU, "", 1);
        }
        text.push_str(&defaults);
        text
    }
}

const TSU_DEFAULTS: &str = r#"# accepted-policies = []
# Hash algorithms that a request may use.
# accepted-hashes = ["sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512"]
# Accuracy that tokens claim. It must cover the step of genTime, the error of the clock and the time of a signature: with
# genTime in whole seconds no less than 2. Several clients refuse fractions of a second.
# accuracy-seconds = 2
# accuracy-milliseconds = 0
# accuracy-microseconds = 0
# Precision of genTime: seconds, milliseconds or microseconds. Several clients refuse anything but seconds.
# time-precision = "seconds"
# Whether tokens name the TSU in the field tsa.
# include-tsa-name = false
# Hash of the certificate in the signing certificate attribute: sha256, sha384, sha512, or compatibility-sha1
# (ESSCertID version 1, for clients from before RFC 5816).
# ess-hash = "sha256"
# Certificates above the TSU's own in a token that asks for certificates; absent: all but the root.
# chain-depth = 1
# ETSI EN 319 422: off, etsi, or qualified.
# etsi = "off"
# Sessions open for signing, requests that may wait for one (more get 503), and seconds that they may wait.
# The embedded token has at least one session for each processor; where it signs on the threads that serve requests, as
# many may wait as can be signed in a second, unless queue-length says otherwise.
# sessions = 8
# queue-length = 256
# sign-seconds = 10
# How signatures reach the token: auto (measured at start), inline (software token), threads (network HSM).
# dispatch = "auto"
# Seconds between signatures that the server makes by itself, to see whether the key still does; 0 for none.
# probe-seconds = 60
# Which tokens are verified before they leave: the first of each session in the token, or always (docs/operating.md says
# what that costs; with a network HSM it is well spent).
# verify-before-release = "first"
# Further keys, or the same key in further tokens, are tables [[tsu.NAME.standby]] at the end of this one
# (docs/operating.md). Of several, the first that is healthy signs (failover), or each in turn (balance).
# use = "failover"
# How long a request waits for one of them while another is healthy, and how long one that failed must be well again before
# it is preferred.
# failover-milliseconds = 500
# return-seconds = 30
# The TSU whose token over the signature goes into each token, as an unsigned attribute: one with a post-quantum key
# (docs/post-quantum.md).
# nested-tsu = "pq"
# Issue also with a key that was imported, can leave its token, or does more than sign. Attestations and /readyz say so.
# accept-unattested = false
# Set by `attestamp tsu retire`.
# retired = false
"#;

/// The part of [`TSU_DEFAULTS`] that is for classical TSUs.
const NESTED_TSU: &str = r#"# The TSU whose token over the signature goes into each token, as an unsigned attribute: one with a post-quantum key
# (docs/post-quantum.md).
# nested-tsu = "pq"
"#;

/// The file's head with its two variable lines filled in.
#[must_use]
pub fn head(public_url: Option<&str>, default_tsu: &str) -> String {
    let public_url = match public_url {
        Some(url) => format!("public-url = {}", quoted(url)),
        None => "# public-url = \"https://tsa.example.org\"".to_owned(),
    };
    HEAD.replace("PUBLIC_URL", &public_url).replace("DEFAULT_TSU", default_tsu)
}

/// `text` as a TOML string.
#[must_use]
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
