//! The verdict in words, and in JSON.
//!
//! Names in certificates and texts of a response are a stranger's: control characters and those that reorder text are
//! escaped before they reach a terminal.

use std::io::{self, Write};

use attestamp_certs::utc::Utc;
use attestamp_tsa::verify::{NestedToken, TokenInvalid, VerifiedToken};
use attestamp_tsa::{TimeStampResp, UtcInstant};
use serde::Serialize;

use crate::cli::text::{printable, sentence};
use crate::hex::encode as hexadecimal;

/// The verdict as JSON; fields that do not apply are absent.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    holds: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tsa_says: Vec<String>,
    #[serde(flatten)]
    token: Option<Token>,
    /// Time that is proved without trust in classical signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    post_quantum_time: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nested: Vec<Nested>,
}

/// A token over this one's signature.
#[derive(Debug, Serialize)]
struct Nested {
    /// Whether it holds up to one of the roots given; otherwise it proves nothing.
    trusted: bool,
    /// Why it proves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(flatten)]
    token: Option<Token>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    time: String,
    accuracy_microseconds: Option<u64>,
    ordering: bool,
    serial: String,
    policy: String,
    hash: &'static str,
    digest: String,
    nonce: Option<String>,
    signer: String,
    issuer: String,
    root: String,
    signature_algorithm: &'static str,
    certificate_serial: String,
    certificate_not_before: String,
    certificate_not_after: String,
    chain_verified_at: String,
    revocation_checked: bool,
}

impl From<&VerifiedToken> for Token {
    fn from(token: &VerifiedToken) -> Self {
        let certificate = &token.certificate;
        Self {
            time: instant(token.gen_time),
            accuracy_microseconds: token.accuracy.map(|accuracy| accuracy.total_microseconds()),
            ordering: token.ordering,
            serial: hexadecimal(&token.serial),
            policy: token.policy.to_string(),
            hash: token.hash.name(),
            digest: hexadecimal(&token.hashed_message),
            nonce: token.nonce.as_deref().map(hexadecimal),
            signer: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            root: token.chain.anchor_subject.clone(),
            signature_algorithm: token.signature_algorithm.name(),
            certificate_serial: hexadecimal(certificate.serial()),
            certificate_not_before: Utc(certificate.not_before()).to_string(),
            certificate_not_after: Utc(certificate.not_after()).to_string(),
            chain_verified_at: Utc(token.chain_verified_at).to_string(),
            revocation_checked: token.chain.leaf_revocation_checked,
        }
    }
}

impl From<&NestedToken> for Nested {
    fn from(nested: &NestedToken) -> Self {
        match nested {
            NestedToken::Holds(token) => {
                Self { trusted: true, reason: None, token: Some(Token::from(&**token)) }
            }
            NestedToken::NotJudged { reason } => {
                Self { trusted: false, reason: Some(sentence(&**reason)), token: None }
            }
        }
    }
}

pub(super) fn holds(out: &mut impl Write, verified: &VerifiedToken, json: bool) -> io::Result<()> {
    let token = Token::from(verified);
    let nested: Vec<Nested> = verified.nested.iter().map(Nested::from).collect();
    let post_quantum_time = verified.post_quantum_time().map(instant);
    if json {
        let token = Some(token);
        let verdict = Verdict { holds: true, token, nested, post_quantum_time, ..Verdict::default() };
        return print_json(out, &verdict);
    }
    let accuracy =
        token.accuracy_microseconds.map_or_else(|| "accuracy not stated".to_owned(), plus_or_minus);
    let revocation = if token.revocation_checked {
        "checked, not revoked"
    } else {
        "not checked: no --crl is of its issuer"
    };
    let lines = [
        ("Verdict", "the timestamp holds".to_owned()),
        ("Time", format!("{} ({accuracy})", token.time)),
        ("Signed by", token.signer),
        ("Issued by", token.issuer),
        ("Root", token.root),
        ("Policy", token.policy),
        ("Serial", token.serial),
        ("Digest", format!("{} {}", token.hash, token.digest)),
        ("Nonce", token.nonce.unwrap_or_else(|| "none".to_owned())),
        ("Signature", token.signature_algorithm.to_owned()),
        (
            "Certificate",
            format!(
                "{}, valid from {} to {}",
                token.certificate_serial, token.certificate_not_before, token.certificate_not_after
            ),
        ),
        ("Chain", format!("holds at {}", token.chain_verified_at)),
        ("Revocation", revocation.to_owned()),
    ];
    lines.iter().try_for_each(|(label, text)| line(out, label, text))?;
    nested.iter().try_for_each(|nested| line(out, "Nested", &nested_line(nested)))?;
    let quantum = match post_quantum_time {
        Some(time) => format!("yes: {time} is proved without a classical signature"),
        None => "no".to_owned(),
    };
    line(out, "Post-quantum", &quantum)
}

fn nested_line(nested: &Nested) -> String {
    match (&nested.token, &nested.reason) {
        (Some(token), _) => format!(
            "a token over this signature holds: {}, {}, by {}, root {}, revocation {}",
            token.time,
            token.signature_algorithm,
            token.signer,
            token.root,
            if token.revocation_checked { "checked" } else { "not checked" }
        ),
        (None, reason) => format!(
            "a token over this signature proves nothing here: {}",
            reason.as_deref().unwrap_or("it cannot be judged")
        ),
    }
}

pub(super) fn does_not_hold(
    out: &mut impl Write,
    invalid: &TokenInvalid,
    timestamp: &[u8],
    json: bool,
) -> io::Result<()> {
    let reason = sentence(invalid);
    let tsa_says =
        TimeStampResp::decode(timestamp).map(|response| response.status_strings).unwrap_or_default();
    if json {
        return print_json(out, &Verdict { reason: Some(reason), tsa_says, ..Verdict::default() });
    }
    line(out, "Verdict", "the timestamp does NOT hold")?;
    line(out, "Reason", &reason)?;
    tsa_says.iter().try_for_each(|text| line(out, "TSA says", text))
}

fn line(out: &mut impl Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{label:<13}{}", printable(text))
}

fn print_json(out: &mut impl Write, verdict: &Verdict) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, verdict)?;
    writeln!(out)
}

/// RFC 3339 with as many digits as there are.
pub(in crate::cli) fn instant(instant: UtcInstant) -> String {
    let seconds = Utc(instant.unix_time()).to_string();
    if instant.nanoseconds() == 0 {
        return seconds;
    }
    let fraction = format!("{:09}", instant.nanoseconds());
    format!("{}.{}Z", seconds.trim_end_matches('Z'), fraction.trim_end_matches('0'))
}

fn plus_or_minus(microseconds: u64) -> String {
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    if rest == 0 {
        return format!("± {seconds} s");
    }
    let fraction = format!("{rest:06}");
    format!("± {seconds}.{} s", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_accuracies_have_no_trailing_zeros() {
        assert_eq!(instant(UtcInstant::new(1_770_091_506, 0).unwrap()), "2026-02-03T04:05:06Z");
        assert_eq!(instant(UtcInstant::new(1_770_091_506, 120_000_000).unwrap()), "2026-02-03T04:05:06.12Z");
        assert_eq!(plus_or_minus(1_000_000), "± 1 s");
        assert_eq!(plus_or_minus(500), "± 0.0005 s");
    }
}
