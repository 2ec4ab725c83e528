//! From path and method to a route: a closed set, which is also the `route` label of the log and the metrics.
//!
//! A client's path never becomes a label or a log field (sigstore's CVE-2026-49835 grew memory so). Paths are compared as
//! they come, without percent-decoding: no name of ours needs it.

use attestamp_attestation::ChainKind;
use hyper::Method;

/// Longest file name under `/pki/`.
const FILE_NAME_BYTES: usize = 128;

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
    pub const ALL: [Self; 10] = [
        Self::Stamp,
        Self::Tsus,
        Self::Certificate,
        Self::Pki,
        Self::Attestation,
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
        let Some(rest) = path.strip_prefix("/tsa/") else { return Self::Unknown };
        match rest.split_once('/') {
            None if !rest.is_empty() => Self::Tsu(rest),
            Some((tsu, "certificate.pem")) if !tsu.is_empty() => Self::Certificate(tsu),
            Some((tsu, "chain.pem")) if !tsu.is_empty() => Self::Chain(tsu),
            _ => Self::Unknown,
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
