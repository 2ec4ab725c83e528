//! A token over the signature value of another one, which carries it (RFC 3161 appendix A): the option `nested-tsu`.
//!
//! The nested token is issued as any other, by the rules of its own TSU and with the time of its own moment, for a request
//! that is made here. It always carries its certificates, whether or not the client asked for those of the outer token: it is
//! evidence for decades, and stands for itself. Without it the outer token is not issued either: who asked for a hybrid is not given less.

use std::pin::Pin;
use std::sync::Arc;

use attestamp_certs::HashAlgorithm;
use attestamp_tsa::{HashLengthMismatch, Malformed, Query, Refusal, TimeStampReq, TimeStampToken};

use crate::clock::{ClockRefusal, TooLate};
use crate::ledger::TokenRecord;
use crate::tsu::{LifeOver, Tsu};

use super::signing::{self, SigningFault, Surroundings};

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
    /// The nested TSU makes no token.
    #[error("the nested TSU does not sign")]
    Signing(#[source] SigningFault),
    /// The nested token's signature took longer than its accuracy allows.
    #[error("the nested token came too late")]
    Late(#[from] TooLate),
}

/// A token that another carries.
pub(super) struct Nested {
    /// The token.
    pub(super) token: TimeStampToken,
    /// What the ledger is told of it: it goes on record with the token that carries it.
    pub(super) record: Option<TokenRecord>,
    /// Who issued it.
    pub(super) tsu: Arc<Tsu>,
}

/// The token of the TSU `name` over this signature. In a box, for it is issued as the one that will carry it is.
pub(super) fn over_signature<'a>(
    around: Surroundings<'a>,
    name: &'a str,
    signature: &'a [u8],
) -> Pin<Box<dyn Future<Output = Result<Nested, NestedFault>> + Send + 'a>> {
    Box::pin(async move {
        let nested = around.running.tsu(name).ok_or(NestedFault::Missing)?;
        let now = around.clock.now().map_err(NestedFault::Time)?.instant;
        nested.check_life(now).map_err(NestedFault::Life)?;
        let hash = hash_for(nested);
        let query = Query::new(hash, hash.digest(signature).as_ref())?.with_cert_req(true).to_der();
        let request = TimeStampReq::decode(&query)?;
        let grant = nested.profile().decide(&request, now)?;
        let issued = signing::token(around, nested, &request, grant, now).await;
        let issued = issued.map_err(NestedFault::Signing)?;
        around.clock.check_age(issued.gen_time, nested.accuracy())?;
        Ok(Nested { token: issued.token, record: issued.record, tsu: Arc::clone(nested) })
    })
}

/// SHA-512, beside which no signature is the stronger; the profile's first hash where it does not accept that.
fn hash_for(tsu: &Tsu) -> HashAlgorithm {
    let accepted = &tsu.profile().config().accepted_hashes;
    let preferred = accepted.iter().find(|hash| **hash == HashAlgorithm::Sha512);
    preferred.or(accepted.first()).copied().unwrap_or(HashAlgorithm::Sha512)
}
