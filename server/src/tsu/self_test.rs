//! One whole token, made and verified, before a TSU may issue: what a client would find wrong is found here first.

use std::time::{Duration, Instant};

use attestamp_certs::{HashAlgorithm, TrustAnchors, TrustAnchorsInvalid, UnixTime};
use attestamp_hsm::SignError;
use attestamp_tsa::verify::{Expectations, ExpectedImprint, ExpectedNonce, TokenInvalid, verify_token};
use attestamp_tsa::{
    Failure, HashLengthMismatch, InstantOutOfRange, Profile, Query, Serial, SerialPrefix, TimeStampReq,
    UnsignedToken, UtcInstant,
};

use super::CertificateChain;
use super::signer::Signing;

/// Why the test token is not good.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// The clock is outside the years that X.690 can write.
    #[error(transparent)]
    Time(#[from] InstantOutOfRange),
    /// The request for the test cannot be made.
    #[error(transparent)]
    Query(#[from] HashLengthMismatch),
    /// The profile refuses a plain request.
    #[error("the profile refuses a plain request")]
    Refused(#[source] Failure),
    /// The token does not sign.
    #[error("the token does not sign")]
    Sign(#[from] SignError),
    /// The chain has no certificate to trust.
    #[error(transparent)]
    Anchor(#[from] TrustAnchorsInvalid),
    /// The strict verifier refuses the token.
    #[error(transparent)]
    Invalid(#[from] TokenInvalid),
}

/// Makes a token for a made-up message at `now` and verifies it strictly. Returns how long the signature took.
pub(super) fn run(
    signing: &Signing,
    chain: &CertificateChain,
    profile: &Profile,
    now: UnixTime,
) -> Result<Duration, SelfTestError> {
    let now = UtcInstant::new(now.as_secs(), 0)?;
    let hash = profile.config().accepted_hashes.first().copied().unwrap_or(HashAlgorithm::Sha256);
    let digest = hash.digest(b"attestamp self-test");
    let query = Query::new(hash, digest.as_ref())?.with_cert_req(true).to_der();
    let request =
        TimeStampReq::decode(&query).map_err(|malformed| SelfTestError::Refused(malformed.into()))?;
    let grant = profile.decide(&request, now).map_err(|refusal| SelfTestError::Refused(refusal.into()))?;
    // The token is thrown away, so its serial number is none of those issued.
    let serial = Serial::new(SerialPrefix::from_random([0; 6]), 0, [0; 6]);
    let token = UnsignedToken::build(&grant, &signing.template, serial);
    let started = Instant::now();
    let signature = signing.pool.sign_now(token.to_be_signed())?;
    let duration = started.elapsed();
    let token = token.attach(&signature);
    let Some((top, below)) = chain.all().split_last() else { return Ok(duration) };
    let expectations = Expectations {
        imprint: ExpectedImprint::DigestOf(hash, digest.as_ref()),
        nonce: ExpectedNonce::Absent,
        policy: None,
        anchors: &TrustAnchors::partial(top)?,
        certificates: below,
        crls: &[],
        at: None,
    };
    verify_token(token.as_der(), &expectations)?;
    Ok(duration)
}
