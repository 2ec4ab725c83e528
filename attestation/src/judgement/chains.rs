//! Which chain of a bundle leads to which pinned root.
//!
//! A chain is taken for a root's by the name that its top has as issuer, where the root's key could have made the top's
//! signature: a root of P-384 has signed nothing with ML-DSA. Whether the signature agrees is found key by key, with the
//! reason; so a chain does not become one that is not looked at because a bit of it is wrong. Where two roots have one
//! name and fit, the signature of the top decides.

use super::{ChainFinding, Question, Reason};
use crate::bundle::Bundle;
use crate::certificate::{Certificate, PublicKey};
use crate::chain_kind::ChainKind;
use crate::verify::ChainVerifier;

/// A chain and the root that it leads to.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) kind: ChainKind,
    pub(super) root: &'a Certificate,
    pub(super) verifier: ChainVerifier<'a>,
}

pub(super) struct Led<'a> {
    pub(super) pairs: Vec<Pair<'a>>,
    pub(super) chains: Vec<ChainFinding>,
    pub(super) reasons: Vec<Reason>,
}

pub(super) fn lead<'a>(bundle: &'a Bundle, question: &'a Question) -> Led<'a> {
    let mut roots: Vec<&Certificate> = Vec::new();
    for root in &question.roots {
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    let mut reasons = Vec::new();
    if roots.is_empty() {
        reasons.push(Reason::NoRootPinned);
    }
    let pairs: Vec<Pair<'_>> =
        bundle.chains().filter_map(|(kind, chain)| pair(kind, chain, &roots)).collect();
    for root in roots {
        if !pairs.iter().any(|pair| pair.root == root) {
            reasons.push(Reason::RootWithoutChain { root_subject_der: root.subject_der().to_vec() });
        }
    }
    let chains = bundle
        .chains()
        .map(|(kind, chain)| {
            let root = pairs.iter().find(|pair| pair.kind == kind).map(|pair| pair.root.clone());
            let issuer_der = chain.last().map_or(&[][..], |top| top.issuer_der()).to_vec();
            ChainFinding { kind, root, issuer_der }
        })
        .collect();
    Led { pairs, chains, reasons }
}

/// The chain with the root that it names. An organisation's root may stand above both chains; both must hold then.
fn pair<'a>(kind: ChainKind, chain: &'a [Certificate], roots: &[&'a Certificate]) -> Option<Pair<'a>> {
    let top = chain.last()?;
    let named: Vec<&'a Certificate> =
        roots.iter().copied().filter(|root| top == *root || may_be_signed_by(top, root)).collect();
    let root = match named.as_slice() {
        [] => None,
        [root] => Some(*root),
        // Where none has signed it, it is held against one of them all the same, and does not hold.
        [first, ..] => Some(
            named
                .iter()
                .copied()
                .find(|root| top == *root || top.verify_signature(root).is_ok())
                .unwrap_or(first),
        ),
    };
    root.map(|root| Pair { kind, root, verifier: ChainVerifier::new(chain, root) })
}

/// Whether the top names this root, and its signature is of a kind that the root's key makes.
fn may_be_signed_by(top: &Certificate, root: &Certificate) -> bool {
    let key = PublicKey::from_der(root.spki_der());
    top.issuer_der() == root.subject_der() && key.is_ok_and(|key| key.may_make(top.signature_algorithm()))
}
