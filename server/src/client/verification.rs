//! The check of `stamp --ca`: the strict verifier, with what the request asked for and the roots that the user trusts.
//!
//! The chain must hold at the token's own time. Revocation is not looked at: lists are for `attestamp verify`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use attestamp_certs::TrustAnchors;
use attestamp_certs::chain::TrustAnchorsInvalid;
use attestamp_tsa::verify::{Expectations, ExpectedImprint, ExpectedNonce, verify_token};

use super::query::Query;
use super::stamper::TokenCheck;

/// Why nothing can be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerificationSetupError {
    /// The file of roots cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no roots that can be used.
    #[error("{} cannot be used", path.display())]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TrustAnchorsInvalid,
    },
}

/// A check against the roots (and with the intermediates) of a PEM file.
///
/// # Errors
/// When the file cannot be used.
pub fn against_roots(path: &Path) -> Result<Arc<TokenCheck>, VerificationSetupError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| VerificationSetupError::Unreadable { path: path.to_owned(), source })?;
    let anchors = TrustAnchors::from_pem(&text)
        .map_err(|source| VerificationSetupError::Roots { path: path.to_owned(), source })?;
    Ok(Arc::new(move |reply: &[u8], query: &Query| {
        let expected = Expectations {
            imprint: ExpectedImprint::DigestOf(query.hash, query.imprint.as_ref()),
            nonce: query
                .nonce
                .as_ref()
                .map_or(ExpectedNonce::Absent, |nonce| ExpectedNonce::Value(nonce.content())),
            policy: query.policy.as_ref(),
            anchors: &anchors,
            certificates: anchors.intermediates(),
            crls: &[],
            at: None,
        };
        verify_token(reply, &expected).map(drop)
    }))
}
