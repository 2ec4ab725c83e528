//! The request path: from the body of a request to the body of its answer.

use bytes::Bytes;

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
    /// The queue in front of the HSM is full: HTTP 503 with `Retry-After`.
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
