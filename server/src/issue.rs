//! The request path: from the body of a request to the body of its answer.
//!
//! [`stamp`] is the whole of it, in the order in which things happen; each line leads to one file. Nothing here decides
//! what may be stamped (`tsa::Profile`), when (`clock`) or how a key is used (`hsm`): it brings them in order, and turns
//! whatever goes wrong into one of the replies that RFC 3161 knows.

mod nested;
mod signing;

use std::error::Error;

use attestamp_tsa::{Failure, Fault, TimeStampReq, TimeStampResp};
use bytes::Bytes;

use crate::authority::Running;
use crate::clock::ClockGate;
use crate::http::{RequestId, StampRequest};
use crate::ledger::AuthorityLedger;
use crate::serial::SerialSource;
use crate::tsu::Tsu;
use signing::Surroundings;

/// What the authority answers to one timestamp request.
#[derive(Debug)]
pub enum StampOutcome {
    /// A `TimeStampResp` in DER: a granted token, or a rejection with its failure information. Sent as HTTP 200.
    Reply {
        /// The whole reply.
        der: Bytes,
        /// What became of the request, for the log and the metrics (a closed set).
        outcome: Outcome,
    },
    /// Too many wait already, for the HSM or for a processor: HTTP 503 with `Retry-After`.
    Busy {
        /// Seconds after which the client may try again.
        retry_after_seconds: u32,
    },
    /// No TSU has this name: HTTP 404.
    UnknownTsu,
}

/// What became of a request: the closed set of values of the `outcome` label in the log and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// A token was issued.
    Granted,
    /// The request could not be parsed (badDataFormat).
    Malformed,
    /// The request was understood and refused by the profile.
    Refused,
    /// The clock is not trusted (timeNotAvailable).
    TimeNotAvailable,
    /// The HSM or the server failed (systemFailure).
    SystemFailure,
}

/// Answers one request.
pub async fn stamp(
    running: &Running,
    clock: &ClockGate,
    serials: &SerialSource,
    ledger: Option<&AuthorityLedger>,
    request: &StampRequest<'_>,
) -> StampOutcome {
    // bytes -> request | malformed (tsa/src/request.rs)
    let (req, malformed) = match TimeStampReq::decode_with(&request.body, running.compatibility) {
        Ok(req) => (Some(req), None),
        Err(malformed) => (None, Some(malformed)),
    };
    // by path, else by policy (server/src/authority.rs)
    let policy = req.as_ref().and_then(TimeStampReq::req_policy);
    let Some(tsu) = running.select(request.tsu, policy) else {
        return StampOutcome::UnknownTsu;
    };
    let Some(req) = req else {
        let failure = malformed.map_or(Failure::Fault(Fault::SystemFailure), Failure::Malformed);
        return reject(tsu, Outcome::Malformed, &failure);
    };
    // its turn; beyond the bound at once a refusal (server/src/tsu/turns.rs)
    if tsu.take_turn().await.is_err() {
        return StampOutcome::Busy { retry_after_seconds: 1 };
    }
    // a verdict on the clock that is at most two seconds old (server/src/clock/gate.rs)
    let Ok(now) = clock.now() else { return time_not_available(tsu) };
    // the certificate's and the key's end, before the HSM is asked (server/src/tsu.rs)
    if let Err(over) = tsu.check_life(now.instant) {
        return fault(tsu, request.id, &over);
    }
    // request -> grant | refusal (tsa/src/profile.rs)
    let deciding = request.trace.step("decide");
    let grant = match tsu.profile().decide(&req, now.instant) {
        Ok(grant) => grant,
        Err(refusal) => return reject(tsu, Outcome::Refused, &Failure::Refusal(refusal)),
    };
    drop(deciding);
    // nothing is signed that could not go on record (server/src/ledger/recording.rs)
    if ledger.is_some_and(|ledger| ledger.check_open().is_err()) {
        return reject(tsu, Outcome::SystemFailure, &Failure::Fault(Fault::SystemFailure));
    }
    // serial, signature, token; on another of the TSU's signers if one fails (server/src/issue/signing.rs)
    let around = Surroundings { running, clock, serials, ledger, trace: request.trace };
    let issued = match signing::token(around, tsu, &req, grant, now.instant).await {
        Ok(issued) => issued,
        Err(failed) => {
            if let Some(retry_after_seconds) = failed.busy() {
                return StampOutcome::Busy { retry_after_seconds };
            }
            if failed.is_the_clocks() {
                return time_not_available(tsu);
            }
            return fault(tsu, request.id, &failed);
        }
    };
    // waiting for the signatures must not have made genTime older than the accuracy that the token claims
    if let Err(late) = clock.check_age(issued.gen_time, tsu.accuracy()) {
        return fault(tsu, request.id, &late);
    }
    // durable before it leaves, and still within its accuracy then (server/src/ledger/recording.rs)
    if let (Some(ledger), Some(record)) = (ledger, &issued.record) {
        let nested = issued.nested.as_ref().and_then(|nested| nested.record.as_ref());
        let _recording = request.trace.step("ledger");
        if let Err(error) = ledger.record(record, nested, clock).await {
            return fault(tsu, request.id, &error);
        }
    }
    if let Some(nested) = &issued.nested {
        nested.tsu.metrics().stamp(Outcome::Granted);
    }
    let der = TimeStampResp::granted(issued.token).into();
    tsu.metrics().stamp(Outcome::Granted);
    StampOutcome::Reply { der, outcome: Outcome::Granted }
}

/// The client's doing, or the clock's, which logs its own changes.
fn reject(tsu: &Tsu, outcome: Outcome, failure: &Failure) -> StampOutcome {
    tsu.metrics().rejection(outcome, failure.failure_info());
    StampOutcome::Reply { der: TimeStampResp::rejection_of(failure).into(), outcome }
}

/// The clock cannot be relied upon.
fn time_not_available(tsu: &Tsu) -> StampOutcome {
    reject(tsu, Outcome::TimeNotAvailable, &Failure::Fault(Fault::TimeNotAvailable))
}

/// Ours: the log has the whole chain of causes, the client learns systemFailure and no more.
fn fault(tsu: &Tsu, id: RequestId, error: &(dyn Error + 'static)) -> StampOutcome {
    tracing::error!(request = %id, tsu = tsu.name(), error = crate::log::chain(error), "no token");
    reject(tsu, Outcome::SystemFailure, &Failure::Fault(Fault::SystemFailure))
}
