//! The answer as JSON. Fields that do not apply are absent. Texts are the bundle's own; what a terminal does not show of
//! them, or shows elsewhere, is escaped.

use std::io::{self, Write};

use attestamp_attestation::judgement::{ChainFinding, KeyFinding, TsuCertificateFinding};
use attestamp_attestation::{Asserter, Assurance, Finding, Freshness, Verdict};
use attestamp_certs::utc::Utc;
use serde::Serialize;

use super::super::{Answer, TokenFinding};
use super::{against, attested_signers, fingerprint, name};
use crate::cli::text::printable_json;
use crate::cli::verify::report::instant;
use crate::hex;

/// The whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// `holds`, `doesNotHold` or `notJudged`.
    verdict: &'static str,
    /// What keeps the verdict from `holds`; empty where it is that.
    reasons: Vec<Reason>,
    /// The time at which validity was judged, RFC 3339.
    judged_at: String,
    /// Every chain of the bundle.
    chains: Vec<Chain>,
    /// Every key that was asked for.
    keys: Vec<Key>,
    /// The token of `--token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
    /// Files of the bundle that decide nothing.
    not_looked_at: Vec<String>,
}

/// A reason.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reason {
    /// The key that it is said of.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The chain that it is said of: `classical` or `post-quantum`.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<&'static str>,
    /// In words.
    reason: String,
    /// The verdict that it leads to: `doesNotHold` or `notJudged`.
    verdict: &'static str,
}

/// A chain.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Chain {
    /// `classical` or `post-quantum`.
    chain: &'static str,
    /// Whether a pinned root stands above it. What is under another is not shown.
    looked_at: bool,
    /// The issuer that its last certificate names; not verified where it was not looked at.
    issuer: String,
    /// SHA-256 of the pinned root's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    root_sha256: Option<String>,
}

/// A key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    /// Its name in the bundle.
    key: String,
    /// The TSU's certificate in the bundle: `absent`, `notCompared`, `sameKey` or `otherKey`.
    tsu_certificate: &'static str,
    /// One for each pinned root.
    attestations: Vec<Attestation>,
}

/// An attestation; but for the first two fields absent where it is not verified.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Attestation {
    /// `classical` or `post-quantum`.
    chain: &'static str,
    /// Whether the signatures hold up to the pinned root, and the certificates are valid.
    verified: bool,
    /// Whether every signature up to the root is post-quantum.
    #[serde(skip_serializing_if = "Option::is_none")]
    post_quantum: Option<bool>,
    /// `hostAsserted` or `deviceSigned`, as it is claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    assurance: Option<&'static str>,
    /// When it was made, by its own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    attested_at: Option<String>,
    /// Whether it carries the nonce of `--nonce`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fresh: Option<bool>,
    /// SHA-256 of the attested key's SubjectPublicKeyInfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key_sha256: Option<String>,
    /// What the key misses of the default policy (D6).
    #[serde(skip_serializing_if = "Option::is_none")]
    shortcomings: Option<Vec<String>>,
    /// Everything that is said of the key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<Statement>,
}

/// One thing that is said.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    /// Of what, as `CKA_LOCAL`.
    name: &'static str,
    /// What, as `TRUE`.
    value: String,
    /// On whose word: `host`, `device`, `deviceCertificateIssuer` or `verifier`.
    asserted_by: &'static str,
}

/// A token; but for the first two fields absent where its signature does not hold.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    /// Whether its signature holds with the key of the certificate that it binds.
    signature_holds: bool,
    /// The names of the attested keys that it was signed with; empty where none is.
    attested_keys: Vec<String>,
    /// Its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    /// The subject of the signer's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    /// SHA-256 of the signer's SubjectPublicKeyInfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key_sha256: Option<String>,
    /// The hash of what is stamped, and its value. It was compared with nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// Whether the signer's certificate leads to a root of `--ca`; absent without that option.
    #[serde(skip_serializing_if = "Option::is_none")]
    chain_holds: Option<bool>,
}

pub(super) fn print(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let judgement = answer.judgement.as_ref().ok();
    let reasons = against(answer).into_iter().map(|against| Reason {
        key: against.key,
        chain: against.chain,
        reason: against.reason,
        verdict: verdict(against.consequence),
    });
    let report = Report {
        verdict: verdict(answer.verdict()),
        reasons: reasons.collect(),
        judged_at: Utc(answer.at).to_string(),
        chains: judgement.map(|it| it.chains.iter().map(Chain::from).collect()).unwrap_or_default(),
        keys: judgement.map(|it| it.keys.iter().map(Key::from).collect()).unwrap_or_default(),
        token: answer.token.as_ref().map(|token| Token::new(token, answer)),
        not_looked_at: judgement.map(|it| it.not_looked_at.clone()).unwrap_or_default(),
    };
    writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&report)?))
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::DoesNotHold => "doesNotHold",
        Verdict::NotJudged => "notJudged",
    }
}

impl From<&ChainFinding> for Chain {
    fn from(chain: &ChainFinding) -> Self {
        Self {
            chain: chain.kind.name(),
            looked_at: chain.root.is_some(),
            issuer: name(&chain.issuer_der),
            root_sha256: chain.root.as_ref().map(|root| fingerprint(root.der())),
        }
    }
}

impl From<&KeyFinding> for Key {
    fn from(key: &KeyFinding) -> Self {
        Self {
            key: key.key.clone(),
            tsu_certificate: match key.tsu_certificate {
                TsuCertificateFinding::Absent => "absent",
                TsuCertificateFinding::NotCompared => "notCompared",
                TsuCertificateFinding::SameKey => "sameKey",
                TsuCertificateFinding::OtherKey => "otherKey",
            },
            attestations: key.attestations.iter().map(Attestation::from).collect(),
        }
    }
}

impl From<&Finding> for Attestation {
    fn from(finding: &Finding) -> Self {
        let chain = finding.chain.name();
        let Some(verified) = finding.verified() else { return Self { chain, ..Self::default() } };
        let claims = &verified.claims;
        let statements = finding.statements.iter().map(|statement| Statement {
            name: statement.name,
            value: statement.value.clone(),
            asserted_by: match statement.asserted_by {
                Asserter::Host => "host",
                Asserter::Device => "device",
                Asserter::DeviceCertificateIssuer => "deviceCertificateIssuer",
                Asserter::Verifier => "verifier",
            },
        });
        Self {
            chain,
            verified: true,
            post_quantum: Some(verified.is_post_quantum),
            assurance: Some(match claims.assurance {
                Assurance::HostAsserted => "hostAsserted",
                Assurance::DeviceSigned => "deviceSigned",
            }),
            attested_at: Some(Utc(claims.attested_at).to_string()),
            fresh: Some(matches!(finding.freshness, Some(Freshness::Fresh { .. }))),
            public_key_sha256: Some(fingerprint(&verified.spki_der)),
            shortcomings: Some(finding.shortcomings.iter().map(ToString::to_string).collect()),
            statements: statements.collect(),
        }
    }
}

impl Token {
    fn new(token: &TokenFinding, answer: &Answer) -> Self {
        let Ok(signed) = &token.signed else { return Self::default() };
        let signers = match &answer.judgement {
            Ok(judgement) => attested_signers(judgement, signed),
            Err(_) => Vec::new(),
        };
        Self {
            signature_holds: true,
            attested_keys: signers.into_iter().map(str::to_owned).collect(),
            time: Some(instant(signed.gen_time)),
            signer: Some(signed.certificate.subject().to_owned()),
            public_key_sha256: Some(fingerprint(signed.certificate.spki_der())),
            digest: Some(format!("{}:{}", signed.hash.name(), hex::encode(&signed.hashed_message))),
            chain_holds: token.chain.as_ref().map(Result::is_ok),
        }
    }
}
