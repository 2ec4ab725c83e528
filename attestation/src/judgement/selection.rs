//! Which keys of a bundle are asked for.
//!
//! All of them; or the one of a name; or, where the auditor has a TSU's certificate or a token, those whose attestation
//! under a pinned root is of the same public key (D7). An attestation is chosen by what it says before it is verified: one
//! that was put there with the right key and is not verified keeps the verdict from "holds".

use super::chains::Pair;
use super::{AskedKey, Question, Reason};
use crate::bundle::Bundle;

#[derive(Default)]
pub(super) struct Selected {
    pub(super) names: Vec<String>,
    pub(super) reasons: Vec<Reason>,
}

pub(super) fn select(bundle: &Bundle, question: &Question, pairs: &[Pair<'_>]) -> Selected {
    let mut selected = Selected { names: bundle.keys().map(str::to_owned).collect(), ..Selected::default() };
    if let Some(asked) = &question.key {
        if !selected.names.contains(asked) {
            let known = std::mem::take(&mut selected.names);
            selected.reasons.push(Reason::KeyUnknown { asked: asked.clone(), known });
            return selected;
        }
        selected.names.retain(|name| name == asked);
    }
    let certificate = question.tsu_spki_der.as_deref().map(|key| (AskedKey::TsuCertificate, key));
    let token = question.token.as_ref().map(|token| (AskedKey::Token, token.spki_der.as_slice()));
    if let (Some((_, one)), Some((_, other))) = (certificate, token)
        && one != other
    {
        selected.reasons.push(Reason::TokenOfAnotherCertificate);
    }
    if pairs.is_empty() {
        // That is said already, and nothing can be said of any key.
        selected.names.clear();
        return selected;
    }
    for (asked, spki_der) in [certificate, token].into_iter().flatten() {
        selected.names.retain(|name| is_attested(bundle, pairs, name, spki_der));
        if selected.names.is_empty() {
            selected.reasons.push(Reason::KeyNotAttested { asked });
            break;
        }
    }
    selected
}

fn is_attested(bundle: &Bundle, pairs: &[Pair<'_>], name: &str, spki_der: &[u8]) -> bool {
    let mut attestations = pairs.iter().filter_map(|pair| bundle.attestation(name, pair.kind));
    attestations.any(|attestation| attestation.spki_der() == spki_der)
}
