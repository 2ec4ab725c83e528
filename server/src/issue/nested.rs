//! A token over the signature value of another one, which carries it (RFC 3161 appendix A): the option `nested-tsu`.
//!
//! The nested token is issued as any other, by the rules of its own TSU and with the time of its own moment, for a request
//! that is made here. It always carries its certificates, whether or not the client asked for those of the outer token: it is
//! evidence for decades, and stands for itself. Without it the outer token is not issued either: who asked for a hybrid is not given less.

use attestamp_certs::HashAlgorithm;
use attestamp_tsa::{
    HashLengthMismatch, Malformed, Query, Refusal, TimeStampReq, TimeStampToken, UnsignedToken,
};

use crate::authority::Running;
use crate::clock::{ClockGate, ClockRefusal, TooLate};
use crate::serial::{SerialError, SerialSource};
use crate::tsu::{LifeOver, SignFault, Tsu};

use super::Outcome;

/// Why there is no nested token, and so no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum NestedFault {
    /// The TSU that `nested-tsu` names does not run.
    #[error("the nested TSU does not run")]
    Missing,
    /// The clock has become untrusted meanwhile.
    #[error("the clock is no longer trusted for the nested token")]
    Time(#[source] ClockRefusal),
    /// The nested TSU's key or certificate has ended.
    #[error("the nested TSU may not issue")]
    Life(#[source] LifeOver),
    /// No request can be made for the signature's hash.
    #[error("no request for the nested token can be made")]
    Query(#[from] HashLengthMismatch),
    /// The request made here cannot be read.
    #[error("the request for the nested token cannot be read")]
    Malformed(#[from] Malformed),
    /// The nested TSU's profile refuses the request.
    #[error("the nested TSU refuses the request")]
    Refused(#[from] Refusal),
    /// No serial number is left.
    #[error("the nested token gets no serial number")]
    Serial(#[from] SerialError),
    /// The nested TSU's key does not sign.
    #[error("the nested TSU does not sign")]
    Sign(#[from] SignFault),
    /// The nested token's signature took longer than its accuracy allows.
    #[error("the nested token came too late")]
    Late(#[from] TooLate),
}

/// The token that `tsu` is to carry over this signature of its own; `None` where its configuration asks for none.
pub(super) async fn over_signature(
    running: &Running,
    tsu: &Tsu,
    signature: &[u8],
    clock: &ClockGate,
    serials: &SerialSource,
) -> Result<Option<TimeStampToken>, NestedFault> {
    let Some(name) = tsu.nested_name() else { return Ok(None) };
    let nested = running.tsu(name).ok_or(NestedFault::Missing)?;
    let now = clock.now().map_err(NestedFault::Time)?;
    nested.check_life(now.instant).map_err(NestedFault::Life)?;
    let hash = hash_for(nested);
    let query = Query::new(hash, hash.digest(signature).as_ref())?.with_cert_req(true).to_der();
    let request = TimeStampReq::decode(&query)?;
    let grant = nested.profile().decide(&request, now.instant)?;
    let token = UnsignedToken::build(&grant, nested.template(), serials.next()?);
    let signature = nested.sign(token.to_be_signed()).await?;
    clock.check_age(grant.gen_time, nested.accuracy())?;
    Ok(Some(token.attach(&signature)))
}

/// Counts a nested token, when the token that carries it is on its way.
pub(super) fn count(running: &Running, tsu: &Tsu) {
    if let Some(nested) = tsu.nested_name().and_then(|name| running.tsu(name)) {
        nested.metrics().stamp(Outcome::Granted);
    }
}

/// SHA-512, beside which no signature is the stronger; the profile's first hash where it does not accept that.
fn hash_for(tsu: &Tsu) -> HashAlgorithm {
    let accepted = &tsu.profile().config().accepted_hashes;
    let preferred = accepted.iter().find(|hash| **hash == HashAlgorithm::Sha512);
    preferred.or(accepted.first()).copied().unwrap_or(HashAlgorithm::Sha512)
}
