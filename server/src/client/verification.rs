//! The check of `stamp --ca`: the strict verifier, with what the request asked for and the roots that the user trusts.
//!
//! The chain must hold at the token's own time. Revocation is not looked at: lists are for `attestamp verify`.

use std::path::PathBuf;
use std::sync::Arc;

use attestamp_certs::TrustAnchors;
use attestamp_certs::chain::TrustAnchorsInvalid;
use attestamp_certs::pem::{PemInvalid, certificates_from_pem};
use attestamp_tsa::verify::{Expectations, ExpectedImprint, ExpectedNonce, verify_token};

use super::query::Query;
use super::stamper::TokenCheck;

/// Why nothing can be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerificationSetupError {
    /// A file of roots cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of roots holds no certificates in PEM.
    #[error("{} cannot be used", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PemInvalid,
    },
    /// The files hold no roots that can be used.
    #[error("the certificates of --ca cannot be used")]
    Roots {
        /// Why.
        source: TrustAnchorsInvalid,
    },
}

/// A check against the roots (and with the intermediates) of PEM files, which all replies are held against.
///
/// # Errors
/// When a file cannot be used.
pub fn against_roots(paths: &[PathBuf]) -> Result<Arc<TokenCheck>, VerificationSetupError> {
    let mut certificates = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path)
            .map_err(|source| VerificationSetupError::Unreadable { path: path.clone(), source })?;
        let found = certificates_from_pem(&text)
            .map_err(|source| VerificationSetupError::Pem { path: path.clone(), source })?;
        certificates.extend(found);
    }
    let anchors = TrustAnchors::from_certificates(certificates)
        .map_err(|source| VerificationSetupError::Roots { source })?;
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
        verify_token(reply, &expected).map(|token| token.signature_algorithm)
    }))
}
