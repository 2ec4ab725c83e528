//! A finished token, verified before it leaves: its signature, its digest and the certificate that it binds.
//!
//! A token whose signature is wrong is worse than none: its owner learns of it when it is needed. A module that fails may
//! well return CKR_OK and rubbish. What is verified is the finished token, by the verifier that clients use, so that a
//! mistake of ours is found as well as one of the module's.

use attestamp_certs::CertificateDer;
use attestamp_tsa::TimeStampToken;
use attestamp_tsa::verify::{TokenInvalid, UnverifiedToken};

/// Why a finished token is not released.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckFailed {
    /// It does not verify.
    #[error("a finished token does not verify and was not released")]
    Invalid(#[from] TokenInvalid),
    /// It binds another certificate than the signer's.
    #[error("a finished token names another certificate than the signer's and was not released")]
    Certificate,
}

/// Verifies the token with the certificate that it must have been made for.
pub(super) fn run(token: &TimeStampToken, certificate: &CertificateDer<'_>) -> Result<(), SelfCheckFailed> {
    let found =
        UnverifiedToken::parse(token.as_der())?.verify_signature(std::slice::from_ref(certificate))?;
    if found.certificate.der() == certificate { Ok(()) } else { Err(SelfCheckFailed::Certificate) }
}
