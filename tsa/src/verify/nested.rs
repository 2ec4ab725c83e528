//! Tokens in the unsigned attributes of a token, over its signature value (RFC 3161 appendix A).
//!
//! A post-quantum token there keeps a classical one worth something after its own signature can be forged: it proves that
//! this signature value existed at its time. But the attribute is unsigned. Whoever can take it out leaves a token that
//! verifies, so that only a verifier who insists on it ([`VerifiedToken::require_post_quantum`]) gains by it. What is there
//! must hold; only where it comes from may be unknown, so that somebody who trusts the classical root alone is not
//! worse off than with a stripped token. Tokens within nested tokens are not looked into.

use std::time::Duration;

use attestamp_certs::UnixTime;
use attestamp_certs::chain::ChainError;

use super::invalid::{PostQuantumLack, TokenInvalid};
use super::signed_data::SignerInfo;
use super::{Expectations, ExpectedImprint, ExpectedNonce, UnverifiedToken, VerifiedToken};
use crate::gen_time::UtcInstant;

/// What became of a token over a token's signature.
#[derive(Debug, Clone)]
pub enum NestedToken {
    /// It holds.
    Holds(Box<VerifiedToken>),
    /// It is over this signature, and leads to none of the trusted roots: it proves nothing.
    NotTrusted,
}

impl VerifiedToken {
    /// Whether no classical signature stands between the token and the trusted root.
    #[must_use]
    pub const fn is_post_quantum(&self) -> bool {
        self.signature_algorithm.is_post_quantum() && self.chain.is_post_quantum
    }

    /// Demands that the token, or one over its signature, is a post-quantum one up to the trusted root, and gives the
    /// time that it proves: its own. Whoever forges classical signatures can write any time into a classical token and
    /// have a nested one made over it today, so that only the nested one's time counts then.
    ///
    /// # Errors
    /// [`TokenInvalid::NotPostQuantum`], with what is missing.
    pub fn require_post_quantum(&self) -> Result<UtcInstant, TokenInvalid> {
        let Some(own) = self.lack() else { return Ok(self.gen_time) };
        let mut earliest: Option<UtcInstant> = None;
        let mut of_nested = None;
        for nested in &self.nested {
            let lack = match nested {
                NestedToken::Holds(token) => token.lack(),
                NestedToken::NotTrusted => Some(PostQuantumLack::NestedNotTrusted),
            };
            match (lack, nested) {
                (None, NestedToken::Holds(token)) => {
                    let time = token.gen_time;
                    earliest = Some(earliest.map_or(time, |earlier| earlier.min(time)));
                }
                (lack, _) => of_nested = of_nested.or(lack),
            }
        }
        let lack = match (own, of_nested) {
            (_, Some(of_nested)) => of_nested,
            (PostQuantumLack::ClassicalSignature, None) => PostQuantumLack::NoNestedToken,
            (own, None) => own,
        };
        earliest.ok_or(TokenInvalid::NotPostQuantum { lack })
    }

    fn lack(&self) -> Option<PostQuantumLack> {
        if !self.signature_algorithm.is_post_quantum() {
            Some(PostQuantumLack::ClassicalSignature)
        } else if !self.chain.is_post_quantum {
            Some(PostQuantumLack::ClassicalChain)
        } else {
            None
        }
    }

    /// genTime and half the width of the interval that it stands for, in whole seconds, rounded outwards.
    fn time_and_error(&self) -> (UnixTime, Duration) {
        let microseconds = self.accuracy.map_or(0, |accuracy| accuracy.total_microseconds());
        (self.gen_time.unix_time(), Duration::from_secs(microseconds.div_ceil(1_000_000).saturating_add(1)))
    }
}

/// Judges the tokens over the signature of `signer`, whose token was found to hold.
pub(super) fn verify(
    signer: &SignerInfo<'_>,
    outer: &VerifiedToken,
    expected: &Expectations<'_>,
) -> Result<Vec<NestedToken>, TokenInvalid> {
    signer.nested_tokens.iter().map(|der| verify_one(der, signer.signature, outer, expected)).collect()
}

fn verify_one(
    der: &[u8],
    signature: &[u8],
    outer: &VerifiedToken,
    expected: &Expectations<'_>,
) -> Result<NestedToken, TokenInvalid> {
    let nested = |source| TokenInvalid::Nested { source: Box::new(source) };
    let token = UnverifiedToken::parse_token(der).map_err(nested)?;
    let expected = Expectations {
        imprint: ExpectedImprint::Data(signature),
        nonce: ExpectedNonce::Any,
        policy: None,
        ..*expected
    };
    match token.verify_alone(&expected) {
        Ok(token) => {
            check_order(&token, outer)?;
            Ok(NestedToken::Holds(Box::new(token)))
        }
        Err(TokenInvalid::Imprint { .. }) => Err(TokenInvalid::NestedForAnotherToken),
        Err(TokenInvalid::Chain { source: ChainError::UnknownIssuer, .. }) => Ok(NestedToken::NotTrusted),
        Err(source) => Err(nested(source)),
    }
}

/// What is over a signature cannot be older than it. Both times are known to their accuracy only.
fn check_order(nested: &VerifiedToken, outer: &VerifiedToken) -> Result<(), TokenInvalid> {
    let ((nested_time, nested_error), (outer_time, outer_error)) =
        (nested.time_and_error(), outer.time_and_error());
    let latest = nested_time.as_secs().saturating_add(nested_error.as_secs());
    let earliest = outer_time.as_secs().saturating_sub(outer_error.as_secs());
    if latest < earliest {
        return Err(TokenInvalid::NestedBefore { nested: nested_time, gen_time: outer_time });
    }
    Ok(())
}
