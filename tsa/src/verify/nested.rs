//! Tokens in the unsigned attributes of a token, over its signature value (RFC 3161 appendix A).
//!
//! A post-quantum token there keeps a classical one worth something after its own signature can be forged: it proves that
//! this signature value existed at its time. But the attribute is unsigned. Whoever can take it out leaves a token that
//! verifies, so that only a verifier who insists on it ([`VerifiedToken::require_post_quantum`]) gains by it. What is there
//! must not be a forgery; but where it cannot be judged (an unknown root, no certificate, an algorithm that is not accepted)
//! the token stands for itself, so that somebody who trusts the classical root alone is not worse off than with a stripped
//! token. Tokens within nested tokens are not looked into.

use std::sync::Arc;
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
    /// It proves nothing to this verifier, and shows no forgery either.
    NotJudged {
        /// What is missing, mostly its root.
        reason: Arc<TokenInvalid>,
    },
}

/// How much later than the token it is over a nested token may be, beside their accuracies, to be of the same moment. They
/// are issued one after the other; a network HSM under load takes seconds.
const SAME_MOMENT: Duration = Duration::from_secs(60);

impl VerifiedToken {
    /// Whether no classical signature stands between the token and the trusted root.
    #[must_use]
    pub const fn is_post_quantum(&self) -> bool {
        self.signature_algorithm.is_post_quantum() && self.chain.is_post_quantum
    }

    /// Demands that the token, or one over its signature and of the same moment, is a post-quantum one up to the trusted
    /// root. Whoever forges classical signatures can write any time into a classical token and have a nested one made over it
    /// today; so the nested one's time decides, and must be the token's own.
    ///
    /// # Errors
    /// [`TokenInvalid::NotPostQuantum`], with what is missing.
    pub fn require_post_quantum(&self) -> Result<(), TokenInvalid> {
        let Some(own) = self.lack() else { return Ok(()) };
        let mut of_nested = None;
        for nested in &self.nested {
            let lack = match nested {
                NestedToken::Holds(token) => token.lack().or_else(|| self.is_long_before(token)),
                NestedToken::NotJudged { .. } => Some(PostQuantumLack::NestedNotTrusted),
            };
            match lack {
                None => return Ok(()),
                lack => of_nested = of_nested.or(lack),
            }
        }
        let lack = match (own, of_nested) {
            (_, Some(of_nested)) => of_nested,
            (PostQuantumLack::ClassicalSignature, None) => PostQuantumLack::NoNestedToken,
            (own, None) => own,
        };
        Err(TokenInvalid::NotPostQuantum { lack })
    }

    /// The earliest time that is proved without a classical signature: the token's, or that of a nested one.
    #[must_use]
    pub fn post_quantum_time(&self) -> Option<UtcInstant> {
        let nested = self.nested.iter().filter_map(|nested| match nested {
            NestedToken::Holds(token) if token.is_post_quantum() => Some(token.gen_time),
            NestedToken::Holds(_) | NestedToken::NotJudged { .. } => None,
        });
        if self.is_post_quantum() { Some(self.gen_time) } else { nested.min() }
    }

    fn is_long_before(&self, nested: &Self) -> Option<PostQuantumLack> {
        let ((time, error), (nested_time, nested_error)) = (self.time_and_error(), nested.time_and_error());
        let latest = [error, nested_error, SAME_MOMENT]
            .iter()
            .fold(time.as_secs(), |latest, allowed| latest.saturating_add(allowed.as_secs()));
        (nested_time.as_secs() > latest)
            .then_some(PostQuantumLack::NestedMuchLater { nested: nested_time, gen_time: time })
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
    let judged = |error: TokenInvalid| {
        if matches!(error, TokenInvalid::Imprint { .. }) {
            Err(TokenInvalid::NestedForAnotherToken)
        } else if cannot_be_judged(&error) {
            Ok(NestedToken::NotJudged { reason: Arc::new(error) })
        } else {
            Err(TokenInvalid::Nested { source: Box::new(error) })
        }
    };
    let token = match UnverifiedToken::parse_token(der) {
        Ok(token) => token,
        Err(error) => return judged(error),
    };
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
        Err(error) => judged(error),
    }
}

/// What a verifier lacks to judge a token, as against what shows that the token is not what it seems.
const fn cannot_be_judged(error: &TokenInvalid) -> bool {
    matches!(
        error,
        TokenInvalid::SignerCertificateMissing
            | TokenInvalid::HashNotAccepted { .. }
            | TokenInvalid::SignatureAlgorithmNotAccepted { .. }
            | TokenInvalid::Chain {
                source: ChainError::UnknownIssuer
                    | ChainError::UnsupportedAlgorithm { .. }
                    | ChainError::Expired { .. }
                    | ChainError::NotYetValid { .. }
                    | ChainError::AnchorNotValid { .. }
                    | ChainError::TooManyIntermediates { .. }
                    | ChainError::BudgetExceeded { .. }
                    | ChainError::RevocationListTooOld { .. },
                ..
            }
    )
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
