//! From a bundle and an auditor's question to a verdict, and to what it rests on.
//!
//! The order: which chain leads to which pinned root ([`chains`](self)), which keys are asked for, then each key under each
//! of these chains. What nothing pinned stands behind is named and not looked into: its claims are nobody's.
//!
//! | found | verdict |
//! |---|---|
//! | a pinned root that no chain names | does not hold |
//! | a key without an attestation under one of the pinned roots, or one that does not verify | does not hold |
//! | a key with shortcomings (D6) | does not hold |
//! | a nonce was asked for, and another or none is there (D4, D8) | does not hold |
//! | no nonce was asked for | "not fresh" is said, the verdict is the same |
//! | the TSU's certificate has another key than the attested one (D7) | does not hold |
//! | the key of the given certificate or token is not attested (D7) | does not hold |
//! | a token from after the end of its key, or after the last use that the claims allow | does not hold |
//! | a key of another type or parameter set than is claimed | does not hold |
//! | a key of a kind that is not known here | not judged |
//! | claims of another TSU than the file's name says, or for another purpose | does not hold |
//! | one key in use under two names | does not hold |
//! | attested after the time of judging, or an end of use after the attestation | does not hold |
//! | the chains say different things of one key | does not hold |
//! | `deviceSigned` without evidence (D11) | does not hold |
//! | `deviceSigned` with evidence, and no vendor's root pinned | not judged |
//! | a vendor's root is pinned, and a key has no evidence that leads to it | does not hold |
//! | evidence in the bundle that is not the attested one, or is of another device | does not hold |
//! | `deviceSigned` was required and not shown | does not hold |
//!
//! Every [`Statement`] says who asserts it. What no verdict says: that the host told the truth where it alone asserts.

mod chains;
mod consistency;
mod difference;
mod evidence;
mod finding;
mod key;
mod reason;
mod selection;
mod statement;

use attestamp_certs::{CertificateDer, UnixTime};

use crate::bundle::Bundle;
use crate::certificate::Certificate;
use crate::chain_kind::ChainKind;
use crate::claims::Nonce;

pub use difference::ClaimsDifference;
pub use finding::{
    ChainFinding, EvidenceFinding, EvidenceOutcome, Finding, Freshness, KeyFinding, TsuCertificateFinding,
};
pub use reason::{AskedKey, Reason};
pub use statement::{Asserter, Statement};

/// What an auditor asks of a bundle.
#[derive(Debug, Clone)]
pub struct Question {
    /// The roots that the auditor pinned (D9); one at least.
    pub roots: Vec<Certificate>,
    /// The nonce that the attestations must carry.
    pub nonce: Option<Nonce>,
    /// The time at which validity is judged (D8).
    pub at: UnixTime,
    /// Only the key of this name.
    pub key: Option<String>,
    /// The key that must be attested: that of a TSU's certificate (DER SubjectPublicKeyInfo). Only its attestations decide.
    pub tsu_spki_der: Option<Vec<u8>>,
    /// The token whose signer must be attested. Only its key's attestations decide.
    pub token: Option<TokenSigner>,
    /// Vendors' roots that the auditor pinned. With one, a key without verified evidence does not hold.
    pub vendor_roots: Vec<CertificateDer<'static>>,
    /// Whether every attestation must be `deviceSigned`, and shown to be.
    pub require_device_signed: bool,
}

/// Who signed a token, as its verifier found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSigner {
    /// The key that verifies its signature (DER SubjectPublicKeyInfo).
    pub spki_der: Vec<u8>,
    /// The token's time.
    pub gen_time: UnixTime,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was asked for holds.
    Holds,
    /// Something does not.
    DoesNotHold,
    /// Something could not be judged, and nothing was found wrong.
    NotJudged,
}

impl Verdict {
    /// That of both together: what does not hold outweighs what was not judged, and that what holds.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::DoesNotHold, _) | (_, Self::DoesNotHold) => Self::DoesNotHold,
            (Self::NotJudged, _) | (_, Self::NotJudged) => Self::NotJudged,
            (Self::Holds, Self::Holds) => Self::Holds,
        }
    }
}

/// A verdict, and what it rests on.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The answer.
    pub verdict: Verdict,
    /// Every chain of the bundle.
    pub chains: Vec<ChainFinding>,
    /// Every key that was asked for.
    pub keys: Vec<KeyFinding>,
    /// What is against the whole; what is against one key is in [`keys`](Self::keys).
    pub reasons: Vec<Reason>,
    /// Files of the bundle that decide nothing.
    pub not_looked_at: Vec<String>,
}

/// A reason, and what it is said of.
#[derive(Debug, Clone, Copy)]
pub struct Located<'a> {
    /// The key, if it is one key's.
    pub key: Option<&'a KeyFinding>,
    /// The attestation, if it is one attestation's.
    pub finding: Option<&'a Finding>,
    /// The reason.
    pub reason: &'a Reason,
}

impl Judgement {
    /// All that keeps the verdict from "holds": of the whole, then key by key.
    pub fn located_reasons(&self) -> impl Iterator<Item = Located<'_>> {
        let whole = self.reasons.iter().map(|reason| Located { key: None, finding: None, reason });
        whole.chain(self.keys.iter().flat_map(|key| {
            let of_key = key.reasons.iter().map(|reason| Located { key: Some(key), finding: None, reason });
            of_key.chain(key.attestations.iter().flat_map(|finding| {
                let located = |reason| Located { key: Some(key), finding: Some(finding), reason };
                finding.reasons.iter().map(located)
            }))
        }))
    }

    /// The worst consequence of a reason. Without a reason there is something that was verified.
    fn weigh(&self) -> Verdict {
        let consequences = self.located_reasons().map(|located| located.reason.consequence());
        consequences.fold(Verdict::Holds, Verdict::and)
    }
}

/// Judges a bundle.
#[must_use]
pub fn judge(bundle: &Bundle, question: &Question) -> Judgement {
    let chains::Led { pairs, chains, mut reasons } = chains::lead(bundle, question);
    let selected = selection::select(bundle, question, &pairs);
    reasons.extend(selected.reasons);
    let keys: Vec<KeyFinding> =
        selected.names.iter().map(|name| key::find(bundle, question, &pairs, name)).collect();
    reasons.extend(consistency::keys_of_two_names(&keys));
    if question.nonce.is_some() {
        reasons.extend(pairs.iter().filter_map(|pair| nothing_fresh(&keys, pair.kind)));
    }
    if reasons.is_empty() && keys.is_empty() {
        reasons.push(Reason::NothingAttested);
    }
    let not_looked_at = not_looked_at(bundle, &keys);
    let judgement = Judgement { verdict: Verdict::NotJudged, chains, keys, reasons, not_looked_at };
    Judgement { verdict: judgement.weigh(), ..judgement }
}

/// Keys whose use has ended need no nonce, but something beside them must show that the bundle is of now.
fn nothing_fresh(keys: &[KeyFinding], chain: ChainKind) -> Option<Reason> {
    let of_chain = keys.iter().flat_map(|key| &key.attestations).filter(|finding| finding.chain == chain);
    let freshness: Vec<_> = of_chain.filter_map(|finding| finding.freshness).collect();
    let has_ended = freshness.iter().any(|it| matches!(it, Freshness::Ended { .. }));
    let is_fresh = freshness.iter().any(|it| matches!(it, Freshness::Fresh { .. }));
    (has_ended && !is_fresh).then_some(Reason::NothingFresh { chain })
}

/// Files without a meaning, and evidence of a key that was looked at which no attestation of it names.
fn not_looked_at(bundle: &Bundle, keys: &[KeyFinding]) -> Vec<String> {
    let mut paths = bundle.not_looked_at().to_vec();
    for key in keys {
        let named: Vec<&[u8]> = key
            .attestations
            .iter()
            .flat_map(|finding| &finding.evidence)
            .map(|evidence| evidence.format.as_slice())
            .collect();
        paths.extend(bundle.evidence_paths_but(&key.key, &named));
    }
    paths
}

#[cfg(test)]
mod tests;
