//! From path and method to a route: a closed set, which is also the `route` label of the log and the metrics.
//!
//! A client's path never becomes a label or a log field (sigstore's CVE-2026-49835 grew memory so). Paths are compared as
//! they come, without percent-decoding: no name of ours needs it.

use attestamp_attestation::ChainKind;
use attestamp_ledger::TilePath;
use hyper::Method;

/// Longest file name under `/pki/`.
const FILE_NAME_BYTES: usize = 128;
/// Longest path below `/ledger/`: a tile's, with an index of 20 digits, has less.
const LEDGER_PATH_BYTES: usize = 128;

/// What a path leads to. Names are the client's own and unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// `/`: stamps with the default TSU, or shows the page.
    Root,
    /// `/tsa`: stamps with the default TSU, or lists the TSUs.
    Tsa,
    /// `/tsa/{tsu}`
    Tsu(&'a str),
    /// `/tsa/{tsu}/certificate.pem`
    Certificate(&'a str),
    /// `/tsa/{tsu}/chain.pem`
    Chain(&'a str),
    /// `/pki/{file}`
    PkiFile(&'a str),
    /// `/attestation/keys`
    AttestedKeys,
    /// `/attestation/keys/{key}`
    Attestation(&'a str),
    /// `/attestation/chain.pem`, `/attestation/pq-chain.pem`
    AttestationChain(ChainKind),
    /// `/attestation/bundle.tar`
    AttestationBundle,
    /// `/ledger/checkpoint`
    LedgerCheckpoint,
    /// `/ledger/keys`
    LedgerKeys,
    /// `/ledger/tile/…`
    LedgerTile(TilePath),
    /// `/ledger/proof/{serial}`
    LedgerProof(&'a str),
    /// `/healthz`
    Health,
    /// `/readyz`
    Ready,
    /// `/metrics`
    Metrics,
    /// `/page.css`
    Style,
    /// Nothing.
    Unknown,
}

/// The `route` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Timestamp requests, whatever their path.
    Stamp,
    /// `GET /tsa`
    Tsus,
    /// Certificates and chains.
    Certificate,
    /// Files under `/pki/`.
    Pki,
    /// `GET /attestation/…`
    Attestation,
    /// `GET /ledger/…`
    Ledger,
    /// `GET /healthz`
    Health,
    /// `GET /readyz`
    Ready,
    /// `GET /metrics`
    Metrics,
    /// The page and its style sheet.
    Page,
    /// Unknown paths and methods.
    Other,
}

impl Route {
    /// All of them, in the order of their metric series.
    pub const ALL: [Self; 11] = [
        Self::Stamp,
        Self::Tsus,
        Self::Certificate,
        Self::Pki,
        Self::Attestation,
        Self::Ledger,
        Self::Health,
        Self::Ready,
        Self::Metrics,
        Self::Page,
        Self::Other,
    ];

    /// The label's value.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stamp => "stamp",
            Self::Tsus => "tsus",
            Self::Certificate => "certificate",
            Self::Pki => "pki",
            Self::Attestation => "attestation",
            Self::Ledger => "ledger",
            Self::Health => "healthz",
            Self::Ready => "readyz",
            Self::Metrics => "metrics",
            Self::Page => "page",
            Self::Other => "other",
        }
    }

    /// Whether only machines ask this, every few seconds: logged one level lower.
    pub(crate) const fn is_probe(self) -> bool {
        match self {
            Self::Health | Self::Ready | Self::Metrics => true,
            Self::Stamp
            | Self::Tsus
            | Self::Certificate
            | Self::Pki
            | Self::Attestation
            | Self::Ledger
            | Self::Page
            | Self::Other => false,
        }
    }
}

impl<'a> Target<'a> {
    pub(crate) fn from_path(path: &'a str) -> Self {
        match path {
            "/" => return Self::Root,
            "/tsa" => return Self::Tsa,
            "/healthz" => return Self::Health,
            "/readyz" => return Self::Ready,
            "/metrics" => return Self::Metrics,
            "/page.css" => return Self::Style,
            "/attestation/keys" => return Self::AttestedKeys,
            "/attestation/bundle.tar" => return Self::AttestationBundle,
            _ => {}
        }
        if let Some(name) = path.strip_prefix("/pki/") {
            return if plain_file_name(name) { Self::PkiFile(name) } else { Self::Unknown };
        }
        if let Some(name) = path.strip_prefix("/attestation/") {
            if let Some(kind) = ChainKind::ALL.into_iter().find(|kind| kind.chain_file() == name) {
                return Self::AttestationChain(kind);
            }
            return match name.strip_prefix("keys/") {
                Some(key) if !key.is_empty() && !key.contains('/') => Self::Attestation(key),
                Some(_) | None => Self::Unknown,
            };
        }
        if let Some(rest) = path.strip_prefix("/ledger/") {
            return Self::from_ledger_path(rest);
        }
        let Some(rest) = path.strip_prefix("/tsa/") else { return Self::Unknown };
        match rest.split_once('/') {
            None if !rest.is_empty() => Self::Tsu(rest),
            Some((tsu, "certificate.pem")) if !tsu.is_empty() => Self::Certificate(tsu),
            Some((tsu, "chain.pem")) if !tsu.is_empty() => Self::Chain(tsu),
            _ => Self::Unknown,
        }
    }

    fn from_ledger_path(path: &'a str) -> Self {
        match path {
            "checkpoint" => return Self::LedgerCheckpoint,
            "keys" => return Self::LedgerKeys,
            _ if path.len() > LEDGER_PATH_BYTES => return Self::Unknown,
            _ => {}
        }
        match path.strip_prefix("proof/") {
            Some(serial) if !serial.is_empty() && !serial.contains('/') => Self::LedgerProof(serial),
            Some(_) => Self::Unknown,
            None => TilePath::parse(path).map_or(Self::Unknown, Self::LedgerTile),
        }
    }

    /// The methods allowed, as the `Allow` field has them; `None` if there is nothing here.
    pub(crate) const fn allowed(self) -> Option<&'static str> {
        match self {
            Self::Root | Self::Tsa => Some("GET, HEAD, POST"),
            Self::Tsu(_) => Some("POST"),
            Self::Certificate(_)
            | Self::Chain(_)
            | Self::PkiFile(_)
            | Self::AttestedKeys
            | Self::Attestation(_)
            | Self::AttestationChain(_)
            | Self::AttestationBundle
            | Self::LedgerCheckpoint
            | Self::LedgerKeys
            | Self::LedgerTile(_)
            | Self::LedgerProof(_)
            | Self::Health
            | Self::Ready
            | Self::Metrics
            | Self::Style => Some("GET, HEAD"),
            Self::Unknown => None,
        }
    }

    /// The route of a request with this method; [`Route::Other`] if the method is not allowed here.
    pub(crate) fn route(self, method: MethodLabel) -> Route {
        match (self, method) {
            (Self::Root | Self::Tsa | Self::Tsu(_), MethodLabel::Post) => Route::Stamp,
            (Self::Unknown | Self::Tsu(_), _) | (_, MethodLabel::Post | MethodLabel::Other) => Route::Other,
            (Self::Root | Self::Style, MethodLabel::Get | MethodLabel::Head) => Route::Page,
            (Self::Tsa, MethodLabel::Get | MethodLabel::Head) => Route::Tsus,
            (Self::Certificate(_) | Self::Chain(_), MethodLabel::Get | MethodLabel::Head) => {
                Route::Certificate
            }
            (Self::PkiFile(_), MethodLabel::Get | MethodLabel::Head) => Route::Pki,
            (
                Self::AttestedKeys
                | Self::Attestation(_)
                | Self::AttestationChain(_)
                | Self::AttestationBundle,
                MethodLabel::Get | MethodLabel::Head,
            ) => Route::Attestation,
            (
                Self::LedgerCheckpoint | Self::LedgerKeys | Self::LedgerTile(_) | Self::LedgerProof(_),
                MethodLabel::Get | MethodLabel::Head,
            ) => Route::Ledger,
            (Self::Health, MethodLabel::Get | MethodLabel::Head) => Route::Health,
            (Self::Ready, MethodLabel::Get | MethodLabel::Head) => Route::Ready,
            (Self::Metrics, MethodLabel::Get | MethodLabel::Head) => Route::Metrics,
        }
    }
}

/// A method as the log names it: anything but the three that we serve is `other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MethodLabel {
    Get,
    Head,
    Post,
    Other,
}

impl MethodLabel {
    pub(crate) fn of(method: &Method) -> Self {
        if method == Method::POST {
            Self::Post
        } else if method == Method::GET {
            Self::Get
        } else if method == Method::HEAD {
            Self::Head
        } else {
            Self::Other
        }
    }

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Other => "other",
        }
    }
}

/// Whether a name can be a file under `/pki/`: letters, digits, `.`, `-` and `_`, no leading dot, at most 128 bytes.
#[must_use]
pub fn plain_file_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= FILE_NAME_BYTES
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_they_should() {
        for (path, target) in [
            ("/", Target::Root),
            ("/tsa", Target::Tsa),
            ("/tsa/rsa", Target::Tsu("rsa")),
            ("/tsa/rsa/certificate.pem", Target::Certificate("rsa")),
            ("/tsa/rsa/chain.pem", Target::Chain("rsa")),
            ("/pki/root.pem", Target::PkiFile("root.pem")),
            ("/attestation/keys", Target::AttestedKeys),
            ("/attestation/keys/rsa", Target::Attestation("rsa")),
            ("/attestation/chain.pem", Target::AttestationChain(ChainKind::Classical)),
            ("/attestation/pq-chain.pem", Target::AttestationChain(ChainKind::PostQuantum)),
            ("/attestation/bundle.tar", Target::AttestationBundle),
            ("/attestation/", Target::Unknown),
            ("/attestation/keys/", Target::Unknown),
            ("/attestation/keys/a/b", Target::Unknown),
            ("/attestation/other.pem", Target::Unknown),
            ("/ledger/checkpoint", Target::LedgerCheckpoint),
            ("/ledger/keys", Target::LedgerKeys),
            ("/ledger/proof/0x4f01", Target::LedgerProof("0x4f01")),
            ("/ledger/tile/0/000", Target::LedgerTile(TilePath::Hashes { level: 0, index: 0, width: 256 })),
            (
                "/ledger/tile/entries/x001/234.p/12",
                Target::LedgerTile(TilePath::Entries { index: 1234, width: 12 }),
            ),
            ("/ledger", Target::Unknown),
            ("/ledger/", Target::Unknown),
            ("/ledger/proof/", Target::Unknown),
            ("/ledger/proof/1/2", Target::Unknown),
            ("/ledger/tile/0/0", Target::Unknown),
            ("/ledger/tile/../checkpoint", Target::Unknown),
            (&format!("/ledger/proof/{}", "1".repeat(200)), Target::Unknown),
            ("/healthz", Target::Health),
            ("/tsa/", Target::Unknown),
            ("/tsa//chain.pem", Target::Unknown),
            ("/tsa/rsa/other", Target::Unknown),
            ("/tsa/rsa/chain.pem/x", Target::Unknown),
            ("/pki/", Target::Unknown),
            ("/pki/..", Target::Unknown),
            ("/pki/../etc/passwd", Target::Unknown),
            ("/pki/%2e%2e", Target::Unknown),
            ("/HEALTHZ", Target::Unknown),
            ("", Target::Unknown),
            ("*", Target::Unknown),
        ] {
            assert_eq!(Target::from_path(path), target, "{path}");
        }
    }

    #[test]
    fn a_method_that_is_not_allowed_is_route_other() {
        assert_eq!(Target::Tsu("rsa").route(MethodLabel::Get), Route::Other);
        assert_eq!(Target::Health.route(MethodLabel::Post), Route::Other);
        assert_eq!(Target::Root.route(MethodLabel::Other), Route::Other);
        assert_eq!(Target::Root.route(MethodLabel::Post), Route::Stamp);
        assert_eq!(Target::Root.route(MethodLabel::Head), Route::Page);
    }
}
