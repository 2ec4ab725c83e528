//! One key, under each chain that leads to a pinned root.

use super::chains::Pair;
use super::difference::difference;
use super::evidence::{self, Examined};
use super::{
    Finding, Freshness, KeyFinding, Question, Reason, TsuCertificateFinding, consistency, statement,
};
use crate::acceptance::shortcomings;
use crate::bundle::Bundle;
use crate::claims::Claims;
use crate::verify::Verified;

pub(super) fn find(bundle: &Bundle, question: &Question, pairs: &[Pair<'_>], name: &str) -> KeyFinding {
    let attestations: Vec<Finding> =
        pairs.iter().map(|pair| attestation(bundle, question, pair, name)).collect();
    let verified: Vec<&Verified> = attestations.iter().filter_map(Finding::verified).collect();
    let tsu_certificate = tsu_certificate(bundle, name, &verified);
    let mut reasons = Vec::new();
    match tsu_certificate {
        TsuCertificateFinding::OtherKey => reasons.push(Reason::TsuCertificateOfAnotherKey),
        // Where nothing is verified that is reason enough.
        TsuCertificateFinding::Absent
        | TsuCertificateFinding::NotCompared
        | TsuCertificateFinding::SameKey => {}
    }
    if let Some((first, others)) = verified.split_first() {
        let differences = others.iter().filter_map(|other| difference(first, other));
        reasons.extend(differences.map(|difference| Reason::ChainsDisagree { difference }));
    }
    KeyFinding { key: name.to_owned(), attestations, tsu_certificate, reasons }
}

fn attestation(bundle: &Bundle, question: &Question, pair: &Pair<'_>, name: &str) -> Finding {
    let nothing = |verified, reason| Finding {
        chain: pair.kind,
        verified,
        shortcomings: Vec::new(),
        freshness: None,
        evidence: Vec::new(),
        statements: Vec::new(),
        reasons: vec![reason],
    };
    let Some(attestation) = bundle.attestation(name, pair.kind) else {
        return nothing(None, Reason::AttestationMissing);
    };
    match pair.verifier.verify(attestation, question.at) {
        Ok(verified) => of_verified(bundle, question, pair, name, verified),
        Err(source) => nothing(Some(Err(source.clone())), Reason::NotVerified { source }),
    }
}

fn of_verified(
    bundle: &Bundle,
    question: &Question,
    pair: &Pair<'_>,
    name: &str,
    verified: Verified,
) -> Finding {
    let claims = &verified.claims;
    let mut reasons = Vec::new();
    let freshness = freshness(question, claims);
    match (freshness, &claims.nonce) {
        (Freshness::NonceAbsent { .. }, _) => reasons.push(Reason::NonceAbsent),
        (Freshness::NonceDiffers { .. }, Some(found)) => {
            reasons.push(Reason::NonceDiffers { found: found.clone() });
        }
        (Freshness::NonceDiffers { .. }, None)
        | (Freshness::Fresh { .. } | Freshness::NotFresh { .. } | Freshness::Ended { .. }, _) => {}
    }
    let shortcomings = shortcomings(&claims.key);
    reasons.extend(shortcomings.iter().copied().map(Reason::Shortcoming));
    let file_name = bundle.names_keys().then_some(name);
    reasons.extend(consistency::against(question, claims, &verified.spki_der, file_name));
    let Examined { evidence, reasons: of_evidence, device_confirms } =
        evidence::examine(bundle, question, name, &verified);
    reasons.extend(of_evidence);
    let mut finding = Finding {
        chain: pair.kind,
        verified: None,
        shortcomings,
        freshness: Some(freshness),
        evidence,
        statements: Vec::new(),
        reasons,
    };
    finding.statements = statement::all(&verified, &finding, pair.root, question.at, device_confirms);
    finding.verified = Some(Ok(verified));
    finding
}

fn freshness(question: &Question, claims: &Claims) -> Freshness {
    let attested_at = claims.attested_at;
    match (&question.nonce, &claims.nonce) {
        (None, _) => Freshness::NotFresh { attested_at },
        (Some(asked), Some(found)) if asked == found => Freshness::Fresh { attested_at },
        (Some(_), Some(_)) => Freshness::NonceDiffers { attested_at },
        (Some(_), None) if claims.end.is_some() => Freshness::Ended { attested_at },
        (Some(_), None) => Freshness::NonceAbsent { attested_at },
    }
}

fn tsu_certificate(bundle: &Bundle, name: &str, verified: &[&Verified]) -> TsuCertificateFinding {
    let Some(certificate) = bundle.tsu_certificate(name) else { return TsuCertificateFinding::Absent };
    if verified.is_empty() {
        return TsuCertificateFinding::NotCompared;
    }
    if verified.iter().all(|verified| verified.spki_der == certificate.spki_der()) {
        TsuCertificateFinding::SameKey
    } else {
        TsuCertificateFinding::OtherKey
    }
}
