//! The chain from a TSU's certificate to a trusted root, at one instant.
//!
//! The path is found and checked by `rustls-webpki` (RFC 5280 §6: validity, signatures, basic constraints, path length,
//! name constraints, extended key usage of every certificate below the root, all under a budget), with RustCrypto
//! beneath it. Added here, because webpki leaves it out and `openssl verify` does not: the root's own validity and path
//! length ([`anchors`]), the `keyCertSign` of every CA, and revocation by the rules of timestamps ([`revocation`]).
//! What it does not do: decide whether the leaf may sign timestamps at all; that is
//! [`TsuCertificate::parse`](crate::TsuCertificate::parse).

mod algorithm_identifier;
pub mod anchors;
mod path;
mod reachable;
pub mod revocation;
mod webpki_algorithms;

use std::cell::RefCell;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

pub use anchors::{TrustAnchors, TrustAnchorsInvalid, is_self_issued};
pub use revocation::{RevocationList, RevocationListInvalid, RevocationReason};

use crate::SignatureAlgorithmRefused;
use crate::utc::Utc;
use webpki_algorithms::WebpkiAlgorithm;

/// id-kp-timeStamping, 1.3.6.1.5.5.7.3.8 (RFC 3161 §2.3), as the content octets of its OBJECT IDENTIFIER.
const ID_KP_TIME_STAMPING: &[u8] = &hex_literal::hex!("2b06010505070308");

/// Most intermediates that a path is searched among; chains of timestamps have one or two.
pub const MAX_INTERMEDIATES: usize = 64;

/// A chain that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedChain {
    /// The subject of the root, as RFC 4514 writes it.
    pub anchor_subject: String,
    /// How many CAs stand between the leaf and the root.
    pub intermediates: usize,
    /// Whether every signature of the chain is one of ML-DSA or SLH-DSA: each certificate's, and so the root's key.
    pub is_post_quantum: bool,
    /// Whether a revocation list spoke for the leaf.
    pub leaf_revocation_checked: bool,
}

/// Which certificate of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainRole {
    /// The TSU's own.
    Leaf,
    /// A CA's between leaf and root.
    Intermediate,
    /// The root's.
    Anchor,
}

impl ChainRole {
    const fn name(self) -> &'static str {
        match self {
            Self::Leaf => "the TSU's certificate",
            Self::Intermediate => "an intermediate CA's certificate",
            Self::Anchor => "the root's certificate",
        }
    }
}

/// Why a chain does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The leaf cannot be parsed, or has a critical extension that nobody here knows.
    #[error("the TSU's certificate cannot be used in a chain")]
    Leaf {
        /// What webpki says.
        #[source]
        source: webpki::Error,
    },
    /// More intermediates than a path is searched among.
    #[error("{found} intermediate certificates were given and at most {MAX_INTERMEDIATES} are searched")]
    TooManyIntermediates {
        /// How many were given.
        found: usize,
    },
    /// A certificate of the chain has expired.
    #[error("a certificate of the chain expired at {}, before {}", Utc(*not_after), Utc(*at))]
    Expired {
        /// The instant verified at.
        at: UnixTime,
        /// The end of the validity.
        not_after: UnixTime,
    },
    /// A certificate of the chain is not valid yet.
    #[error("a certificate of the chain is valid only from {}, after {}", Utc(*not_before), Utc(*at))]
    NotYetValid {
        /// The instant verified at.
        at: UnixTime,
        /// The begin of the validity.
        not_before: UnixTime,
    },
    /// The root's own validity does not contain the instant.
    #[error("the root's certificate is valid from {} to {}, not at {}", Utc(*not_before), Utc(*not_after), Utc(*at))]
    AnchorNotValid {
        /// The instant verified at.
        at: UnixTime,
        /// The begin of its validity.
        not_before: UnixTime,
        /// The end of its validity.
        not_after: UnixTime,
    },
    /// No path leads to a trusted root.
    #[error(
        "no path leads from the TSU's certificate to a trusted root: an issuer is missing or not trusted"
    )]
    UnknownIssuer,
    /// A certificate was not signed by the issuer that it names.
    #[error("the signature of a certificate of the chain does not verify with its issuer's key")]
    BadSignature,
    /// A certificate is signed with an algorithm, or by a key, that is not accepted.
    #[error(
        "a certificate of the chain is signed with an algorithm, or by a kind of key, that is not accepted"
    )]
    UnsupportedAlgorithm {
        /// What webpki says.
        #[source]
        source: webpki::Error,
    },
    /// As [`ChainError::UnsupportedAlgorithm`], where the standard's rule for the algorithm can be named; of the leaf, its
    /// own key too.
    #[error("{} names an algorithm that is not accepted", role.name())]
    AlgorithmRefused {
        /// Which certificate.
        role: ChainRole,
        /// Why.
        #[source]
        source: SignatureAlgorithmRefused,
    },
    /// A key of ML-DSA or SLH-DSA that its certificate gives to encryption too (RFC 9881 §5, RFC 9909 §6).
    #[error("{} allows a key of ML-DSA or SLH-DSA to encrypt or to agree on keys", role.name())]
    KeyUsageOfSignatureKey {
        /// Which certificate.
        role: ChainRole,
    },
    /// A certificate below the root is for other purposes.
    #[error("a certificate of the chain has an extended key usage without timeStamping")]
    NotForTimeStamping,
    /// A certificate that issued another is not a CA's, or the leaf is.
    #[error("a certificate of the chain is used as a CA's and is none, or the reverse")]
    NotAuthority {
        /// What webpki says.
        #[source]
        source: webpki::Error,
    },
    /// A CA whose key usage does not allow signing certificates.
    #[error("{} has a key usage without keyCertSign", role.name())]
    MayNotSignCertificates {
        /// Which certificate.
        role: ChainRole,
    },
    /// A path longer than a CA of it allows.
    #[error("the chain is longer than the path length constraint of one of its CAs allows")]
    PathTooLong,
    /// The search would take too many steps or signatures.
    #[error("the search for a path was given up: too many certificates lead to each other")]
    BudgetExceeded {
        /// What webpki says.
        #[source]
        source: webpki::Error,
    },
    /// Something else that webpki refuses: name constraints, unknown critical extensions, malformed certificates.
    #[error("the chain does not satisfy RFC 5280")]
    NotValid {
        /// What webpki says.
        #[source]
        source: webpki::Error,
    },
    /// A certificate on the path that webpki could parse and the strict parser cannot.
    #[error("{} is malformed", role.name())]
    Malformed {
        /// Which certificate.
        role: ChainRole,
        /// What the parser says.
        #[source]
        source: der::Error,
    },
    /// A certificate is revoked, and the revocation counts at the instant.
    #[error(
        "{} was revoked at {} ({})",
        role.name(),
        Utc(*revoked_at),
        reason.map_or("no reason given", RevocationReason::name)
    )]
    Revoked {
        /// Which certificate.
        role: ChainRole,
        /// The revocation date.
        revoked_at: UnixTime,
        /// The reason, where the list gives one.
        reason: Option<RevocationReason>,
    },
    /// The revocation lists of an issuer all end before the instant, so that they say nothing of it.
    #[error("the revocation list for {} ended at {}, before {}", role.name(), Utc(*next_update), Utc(*at))]
    RevocationListTooOld {
        /// The certificate that the list is for.
        role: ChainRole,
        /// The list's `nextUpdate`, the latest of several.
        next_update: UnixTime,
        /// The instant verified at.
        at: UnixTime,
    },
    /// A revocation list in an issuer's name that the issuer did not sign.
    #[error("the revocation list for {} is not signed by the certificate's issuer", role.name())]
    RevocationListNotSigned {
        /// The certificate that the list is for.
        role: ChainRole,
        /// What the verifier says.
        #[source]
        source: crate::verify_signature::SignatureInvalid,
    },
    /// A revocation list whose issuer may not sign any.
    #[error("the issuer of the revocation list for {} has a key usage without cRLSign", role.name())]
    MayNotSignRevocationLists {
        /// The certificate that the list is for.
        role: ChainRole,
    },
}

/// Verifies that a path leads from `leaf` over some of `intermediates` to one of `anchors`, and that it holds at `at`.
///
/// `crls` are used for every certificate whose issuer they name; a certificate that no list speaks for passes, so that
/// giving no list means no revocation check ([`VerifiedChain::leaf_revocation_checked`] tells). The rules are in
/// [`revocation`]. Of several paths for a post-quantum key, one without classical signatures is preferred.
///
/// # Errors
/// [`ChainError`] names what does not hold; with several paths, the most telling failure.
pub fn verify_chain(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    at: UnixTime,
    crls: &[RevocationList],
) -> Result<VerifiedChain, ChainError> {
    let found = intermediates.len().saturating_add(anchors.intermediates().len());
    if found > MAX_INTERMEDIATES {
        return Err(ChainError::TooManyIntermediates { found });
    }
    let intermediates: Vec<CertificateDer<'_>> =
        intermediates.iter().chain(anchors.intermediates()).cloned().collect();
    let reachable::Reachable { certificates: intermediates, has_bad_signature } =
        reachable::from_anchors(intermediates, anchors);
    let entity = EndEntityCert::try_from(leaf).map_err(|source| ChainError::Leaf { source })?;

    // webpki asks for a verdict on each path that it finds valid; its error type has no room for ours.
    let refusal: RefCell<Option<ChainError>> = RefCell::new(None);
    let verified: RefCell<Option<VerifiedChain>> = RefCell::new(None);
    let has_post_quantum_key = path::has_post_quantum_key(leaf);
    let judge = |candidate: &VerifiedPath<'_>| match path::check(leaf, candidate, anchors, at, crls) {
        Ok(chain) => {
            // A cross-certificate by a classical CA must not hide the post-quantum path.
            let is_best = chain.is_post_quantum || !has_post_quantum_key;
            verified.replace(Some(chain));
            if is_best { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
        }
        Err(error) => {
            refusal.replace(Some(error));
            Err(webpki::Error::UnknownIssuer)
        }
    };
    let algorithms = WebpkiAlgorithm::all();
    let algorithms = WebpkiAlgorithm::as_dyn(&algorithms);
    // Of the leaf, `TsuCertificate` demands it; a CA without the extension may issue for every purpose (RFC 5280
    // §4.2.1.12).
    let usage = KeyUsage::required_if_present(ID_KP_TIME_STAMPING);
    let outcome = entity
        .verify_for_usage(&algorithms, anchors.webpki(), &intermediates, at, usage, None, Some(&judge))
        .map(|_| ());
    match (outcome, verified.take(), refusal.take()) {
        (_, Some(chain), _) => Ok(chain),
        (Ok(()), None, _) => Err(ChainError::UnknownIssuer),
        // A path that webpki accepted and we did not says more than the failures of the paths tried after it.
        (Err(_), _, Some(refused)) => Err(refused),
        (Err(error), _, None) => {
            let mut error = translate(error);
            if has_bad_signature && matches!(error, ChainError::UnknownIssuer) {
                error = ChainError::BadSignature;
            }
            let is_algorithm = matches!(error, ChainError::UnsupportedAlgorithm { .. });
            let refused = if is_algorithm {
                algorithm_identifier::refused(leaf, &intermediates, anchors)
            } else {
                None
            };
            Err(refused.unwrap_or(error))
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "webpki's list may grow; what is new is refused with its own words"
)]
fn translate(source: webpki::Error) -> ChainError {
    use webpki::Error;
    match source {
        Error::CertExpired { time, not_after } => ChainError::Expired { at: time, not_after },
        Error::CertNotValidYet { time, not_before } => ChainError::NotYetValid { at: time, not_before },
        Error::UnknownIssuer => ChainError::UnknownIssuer,
        Error::InvalidSignatureForPublicKey => ChainError::BadSignature,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            ChainError::UnsupportedAlgorithm { source }
        }
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => ChainError::NotForTimeStamping,
        Error::CaUsedAsEndEntity | Error::EndEntityUsedAsCa => ChainError::NotAuthority { source },
        Error::PathLenConstraintViolated => ChainError::PathTooLong,
        Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => ChainError::BudgetExceeded { source },
        source => ChainError::NotValid { source },
    }
}

#[cfg(test)]
mod tests;
