//! The answer in words. Each line says on whose word it rests, and the last line is the verdict.
//!
//! Labels, names in certificates and the names of files are a stranger's: they stand in quotation marks, and what a terminal
//! does not show of them, or could take for the next line, is escaped.

mod json;

use std::io::{self, Write};

use attestamp_attestation::judgement::{ChainFinding, EvidenceOutcome, KeyFinding, TsuCertificateFinding};
use attestamp_attestation::{Asserter, Assurance, Finding, Judgement, Verdict};
use attestamp_certs::HashAlgorithm;
use attestamp_certs::subject::name_text;
use attestamp_certs::utc::Utc;
use attestamp_tsa::verify::{SignedToken, TokenInvalid};

use super::{Answer, TokenFinding};
use crate::cli::text::{printable, quoted, sentence};
use crate::cli::verify::report::instant;
use crate::hex;

/// Prints the answer.
pub(super) fn print(out: &mut impl Write, answer: &Answer, is_json: bool) -> io::Result<()> {
    if is_json { json::print(out, answer) } else { text(out, answer) }
}

/// Everything against the verdict: the key and the chain, where it is of one, and the reason with its causes.
struct Against {
    key: Option<String>,
    chain: Option<&'static str>,
    reason: String,
    consequence: Verdict,
}

fn against(answer: &Answer) -> Vec<Against> {
    let whole = |reason, consequence| Against { key: None, chain: None, reason, consequence };
    let mut all: Vec<Against> = match &answer.judgement {
        Err(invalid) => vec![whole(sentence(invalid), Verdict::DoesNotHold)],
        Ok(judgement) => {
            let located = judgement.located_reasons().map(|located| Against {
                key: located.key.map(|key| key.key.clone()),
                chain: located.finding.map(|finding| finding.chain.name()),
                reason: sentence(located.reason),
                consequence: located.reason.consequence(),
            });
            located.collect()
        }
    };
    if let Some(token) = &answer.token {
        let chain = token.chain.as_ref().and_then(|chain| chain.as_ref().err());
        for error in [token.signed.as_ref().err(), chain].into_iter().flatten() {
            let advice = if matches!(error, TokenInvalid::SignerCertificateMissing) {
                "; give it with --tsu-certificate"
            } else {
                ""
            };
            all.push(whole(format!("the token: {}{advice}", sentence(error)), token.verdict()));
        }
    }
    all
}

/// The keys whose verified attestation is of the key that signed the token.
fn attested_signers<'a>(judgement: &'a Judgement, signed: &SignedToken) -> Vec<&'a str> {
    let is_signer = |finding: &Finding| {
        finding.verified().is_some_and(|verified| verified.spki_der == signed.certificate.spki_der())
    };
    let keys = judgement.keys.iter().filter(|key| key.attestations.iter().any(is_signer));
    keys.map(|key| key.key.as_str()).collect()
}

fn text(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let source = if answer.is_at_given { "as given with --at" } else { "by this machine's clock" };
    line(out, "Judged at", &format!("{} ({source})", Utc(answer.at)))?;
    if let Ok(judgement) = &answer.judgement {
        judgement.chains.iter().try_for_each(|chain| line(out, "Chain", &chain_line(chain)))?;
        judgement.not_looked_at.iter().try_for_each(|path| line(out, "Not looked at", &quoted(path)))?;
        line(
            out,
            "Who says it",
            "host: whoever ran the token when it was attested; device: the device itself, in evidence that was verified; \
             issuer: whoever issued the device's certificate; verifier: this program",
        )?;
        judgement.keys.iter().try_for_each(|key| key_lines(out, key))?;
    }
    if let Some(token) = &answer.token {
        token_lines(out, token, answer.judgement.as_ref().ok())?;
    }
    let against = against(answer);
    if !against.is_empty() {
        writeln!(out)?;
    }
    for Against { key, chain, reason, .. } in against {
        let place: String =
            [key.map(|key| format!("key {key}, ")), chain.map(|chain| format!("{chain} chain, "))]
                .into_iter()
                .flatten()
                .collect();
        let place = place.strip_suffix(", ").map(|place| format!("{place}: ")).unwrap_or_default();
        line(out, "Against it", &format!("{place}{reason}"))?;
    }
    writeln!(out)?;
    line(out, "Verdict", &verdict_line(answer))
}

fn chain_line(chain: &ChainFinding) -> String {
    let kind = chain.kind;
    match &chain.root {
        Some(root) => format!(
            "{kind}: it names the pinned root {}, SHA-256 {}",
            quoted_name(root.subject_der()),
            fingerprint(root.der())
        ),
        None => format!(
            "{kind}: not looked at, because its root is not pinned; its issuer is named {}: give that root with --root",
            quoted_name(&chain.issuer_der)
        ),
    }
}

fn key_lines(out: &mut impl Write, key: &KeyFinding) -> io::Result<()> {
    for finding in &key.attestations {
        writeln!(out, "\nKey {}, {} chain", printable(&key.key), finding.chain)?;
        match &finding.verified {
            None => said(out, VERIFIER, "signatures", "there is no attestation")?,
            Some(Err(error)) => {
                let text = format!("{}; what it claims is not shown", sentence(error));
                said(out, VERIFIER, "signatures", &text)?;
            }
            Some(Ok(_)) => finding.statements.iter().try_for_each(|statement| {
                let value = if statement.is_free_text { &quoted(&statement.value) } else { &statement.value };
                said(out, column(statement.asserted_by), statement.name, value)
            })?,
        }
        if let Some(word) = worth(finding) {
            said(out, VERIFIER, "what the claims are worth", word)?;
        }
    }
    writeln!(out, "\nKey {}", printable(&key.key))?;
    let tsu = match key.tsu_certificate {
        TsuCertificateFinding::Absent => "there is none in the bundle, and none was compared",
        TsuCertificateFinding::NotCompared => "not compared: no attestation of the key is verified",
        TsuCertificateFinding::SameKey => "its key is the attested one; who issued it was not asked",
        TsuCertificateFinding::OtherKey => "its key is not the attested one",
    };
    said(out, VERIFIER, "TSU certificate", tsu)
}

/// D11 in plain words; `None` where nothing is verified.
fn worth(finding: &Finding) -> Option<&'static str> {
    let is_by_device = finding.statements.iter().any(|statement| {
        statement.asserted_by == Asserter::Device
            && statement.name == attestamp_attestation::KeyFlag::Local.name()
    });
    let is_evidence_verified =
        finding.evidence.iter().any(|it| matches!(it.outcome, EvidenceOutcome::Verified(_)));
    Some(match finding.verified()?.claims.assurance {
        Assurance::HostAsserted if is_evidence_verified => {
            "hostAsserted: they are the host's word; what the device says stands beside them"
        }
        Assurance::HostAsserted => {
            "hostAsserted: they are the host's word, and whoever ran it could have had anything signed"
        }
        Assurance::DeviceSigned if is_by_device => {
            "deviceSigned: the device itself says so where `device` stands in front; the rest is the host's word"
        }
        Assurance::DeviceSigned => {
            "they claim to be deviceSigned, and nothing shows it: take them for the host's word"
        }
    })
}

fn token_lines(out: &mut impl Write, token: &TokenFinding, judgement: Option<&Judgement>) -> io::Result<()> {
    writeln!(out, "\nToken")?;
    let signed = match &token.signed {
        Ok(signed) => signed,
        Err(error) => return said(out, VERIFIER, "signature", &sentence(error)),
    };
    let certificate = &signed.certificate;
    let text = format!(
        "holds ({}), by the key of {}",
        signed.signature_algorithm.name(),
        quoted(certificate.subject())
    );
    said(out, VERIFIER, "signature", &text)?;
    said(out, VERIFIER, "public key, SHA-256", &fingerprint(certificate.spki_der()))?;
    said(out, "token", "time", &instant(signed.gen_time))?;
    let signers = judgement.map(|judgement| attested_signers(judgement, signed)).unwrap_or_default();
    let attested = if signers.is_empty() {
        "no verified attestation is of that key".to_owned()
    } else {
        format!("yes, as the key {}", signers.join(", "))
    };
    said(out, VERIFIER, "attested", &attested)?;
    let chain = match &token.chain {
        None => {
            "not asked: without --ca nobody vouches here for the name in the TSU's certificate".to_owned()
        }
        Some(Ok(verified)) => format!(
            "holds at {} up to {}; revocation was not checked",
            Utc(verified.chain_verified_at),
            quoted(&verified.chain.anchor_subject)
        ),
        Some(Err(error)) => sentence(error),
    };
    said(out, VERIFIER, "chain of the TSU", &chain)?;
    let stamped = format!(
        "{} {}; not compared with any file, `attestamp verify` does that",
        signed.hash.name(),
        hex::encode(&signed.hashed_message)
    );
    said(out, "token", "what is stamped", &stamped)
}

fn verdict_line(answer: &Answer) -> String {
    match answer.verdict() {
        Verdict::DoesNotHold => "the attestation does NOT hold".to_owned(),
        Verdict::NotJudged => "the attestation could not be judged".to_owned(),
        Verdict::Holds => {
            let signed = answer.token.as_ref().and_then(|token| token.signed.as_ref().ok());
            match (signed, &answer.judgement) {
                (Some(signed), Ok(judgement)) => format!(
                    "the attestation holds{}, and this token was signed by the attested key {}",
                    whose_word(judgement),
                    attested_signers(judgement, signed).join(", ")
                ),
                (None, Ok(judgement)) => format!("the attestation holds{}", whose_word(judgement)),
                (_, Err(_)) => "the attestation holds".to_owned(),
            }
        }
    }
}

/// D11: nobody may read the verdict without it.
fn whose_word(judgement: &Judgement) -> &'static str {
    let findings = judgement.keys.iter().flat_map(|key| &key.attestations).filter_map(Finding::verified);
    let is_by_host = findings.map(|verified| verified.claims.assurance == Assurance::HostAsserted);
    if is_by_host.clone().all(|by_host| by_host) {
        " as the word of its host (hostAsserted)"
    } else if is_by_host.into_iter().any(|by_host| by_host) {
        ", of some keys by the device's word (deviceSigned), of others by the host's (hostAsserted)"
    } else {
        " by the device's word (deviceSigned)"
    }
}

const VERIFIER: &str = "verifier";

const fn column(asserter: Asserter) -> &'static str {
    match asserter {
        Asserter::Host => "host",
        Asserter::Device => "device",
        Asserter::DeviceCertificateIssuer => "issuer",
        Asserter::Verifier => VERIFIER,
    }
}

fn line(out: &mut impl Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{label:<14}{}", printable(text))
}

fn said(out: &mut impl Write, by: &str, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {by:<10}{name:<27}{}", printable(value))
}

fn name(name_der: &[u8]) -> String {
    name_text(name_der).unwrap_or_else(|| "(a name that cannot be shown)".to_owned())
}

fn quoted_name(name_der: &[u8]) -> String {
    name_text(name_der).map_or_else(|| "(a name that cannot be shown)".to_owned(), |name| quoted(&name))
}

fn fingerprint(der: &[u8]) -> String {
    hex::encode(HashAlgorithm::Sha256.digest(der).as_ref())
}
