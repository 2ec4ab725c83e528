//! One TSU as clients see it: what `GET /tsa` and the page say of it, and which tools verify its tokens.
//!
//! A client that wants a post-quantum timestamp, or must not get one, finds the TSU here, and the root that its tokens
//! are held against. The root's address is a convenience: whoever trusts it must have it by another way.

use attestamp_attestation::Assurance;
use attestamp_certs::pem::certificates_from_pem;
use attestamp_hsm::KeyAlgorithm;
use serde::Serialize;

use super::attestation::assurance_name;
use super::backend::Backend;
use super::origin::PublicUrl;
use crate::authority::TsuSummary;
use crate::hierarchy::Family;

/// The files under `/pki/` that may hold a TSU's root: all classical ones together, and the post-quantum one.
const ROOT_FILES: [&str; 2] = ["root.pem", "pq-root.pem"];

/// Whose verifiers take the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RSA and ECDSA: everybody's, with `openssl ts -verify`.
    Classical,
    /// Ed25519: `openssl ts -verify` does not take it, `openssl cms -verify` does from 3.5 on.
    EdDsa,
    /// ML-DSA and SLH-DSA: as Ed25519. Whether its tokens are post-quantum is in the summary: the CAs above count too.
    PostQuantum,
}

impl Kind {
    fn of(algorithm: &str) -> Self {
        match algorithm.parse::<KeyAlgorithm>() {
            Ok(KeyAlgorithm::Ed25519) => Self::EdDsa,
            Ok(known) if Family::of(known) == Family::PostQuantum => Self::PostQuantum,
            Ok(_) | Err(_) => Self::Classical,
        }
    }
}

/// A TSU, and where things are. Paths are relative to the server's address.
#[derive(Debug, Clone)]
pub(crate) struct TsuView {
    pub(crate) summary: TsuSummary,
    pub(crate) kind: Kind,
    /// The root, alone or with other roots; the TSU's whole chain where the server has no file with its root.
    pub(crate) root: String,
    /// On whose word its key is attested; `None` where it is not.
    pub(crate) assurance: Option<Assurance>,
}

/// A member of `tsus` in `GET /tsa`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    summary: &'a TsuSummary,
    /// Where requests for this TSU go.
    url: String,
    chain_url: String,
    root_url: String,
    /// Where its key's attestation is.
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation_url: Option<String>,
    /// `hostAsserted` or `deviceSigned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation_assurance: Option<&'static str>,
}

impl TsuView {
    /// All TSUs, the default first.
    pub(crate) fn all(backend: &impl Backend) -> Vec<Self> {
        let attestations = backend.attestations();
        let view = |summary: TsuSummary| {
            let (kind, root) = (Kind::of(&summary.algorithm), root_path(backend, &summary.name));
            let claims = attestations.keys.get(&summary.name).and_then(|key| key.claims.as_ref());
            Self { summary, kind, root, assurance: claims.map(|claims| claims.assurance) }
        };
        backend.tsus().into_iter().map(view).collect()
    }

    /// Where its requests go: the default TSU answers without being named.
    pub(crate) fn path(&self) -> String {
        if self.summary.default { "tsa".to_owned() } else { format!("tsa/{}", self.summary.name) }
    }

    /// The path of its key's attestation, if there is one.
    pub(crate) fn attestation(&self) -> Option<String> {
        self.assurance.map(|_| format!("attestation/keys/{}", self.summary.name))
    }

    /// The path of its chain.
    pub(crate) fn chain(&self) -> String {
        chain_path(&self.summary.name)
    }

    /// The root's file, as it is called where it was fetched.
    pub(crate) fn root_file(&self) -> &str {
        self.root.rsplit('/').next().unwrap_or(&self.root)
    }
}

/// The member `tsus` of a JSON document.
pub(crate) fn documents(tsus: &[TsuView], url: &PublicUrl) -> serde_json::Value {
    let document = |tsu: &TsuView| {
        let document = Document {
            summary: &tsu.summary,
            url: format!("{url}/tsa/{}", tsu.summary.name),
            chain_url: format!("{url}/{}", tsu.chain()),
            root_url: format!("{url}/{}", tsu.root),
            attestation_url: tsu.attestation().map(|path| format!("{url}/{path}")),
            attestation_assurance: tsu.assurance.map(assurance_name),
        };
        // Keys are strings and numbers are finite: nothing in it can fail to serialise.
        serde_json::to_value(document).unwrap_or_default()
    };
    tsus.iter().map(document).collect()
}

fn chain_path(tsu: &str) -> String {
    format!("tsa/{tsu}/chain.pem")
}

/// The file that the last certificate of the TSU's chain is in.
fn root_path(backend: &impl Backend, tsu: &str) -> String {
    let certificates = |pem: &[u8]| {
        let text = std::str::from_utf8(pem).ok()?;
        certificates_from_pem(text).ok()
    };
    let root = backend.chain_pem(tsu).and_then(|chain| certificates(&chain)?.pop());
    let holds_root = |file: &&str| {
        let found = backend.pki_file(file).and_then(|file| certificates(&file.body));
        root.as_ref().zip(found).is_some_and(|(root, found)| found.contains(root))
    };
    match ROOT_FILES.iter().find(|file| holds_root(file)) {
        Some(file) => format!("pki/{file}"),
        None => chain_path(tsu),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_of_the_kind_that_its_verifiers_make_it() {
        for algorithm in KeyAlgorithm::ALL {
            let name = algorithm.name();
            let expected = match name {
                "ed25519" => Kind::EdDsa,
                _ if name.starts_with("ml-dsa-") || name.starts_with("slh-dsa-") => Kind::PostQuantum,
                _ => Kind::Classical,
            };
            assert_eq!(Kind::of(name), expected, "{name}");
        }
    }
}
