//! Why one attempt at one address gave no token, and what that means for the next.

use attestamp_tsa::verify::{DecodedResponse, TokenInvalid};
use attestamp_tsa::{HashLengthMismatch, PkiFailureInfo};
use hyper::StatusCode;

use super::address::Address;
use super::answer::{NoReply, ServerText};
use super::reply::Unreadable;
use super::retry::Remedy;
use super::transport::TransportError;

/// Why there is no token that can be kept.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// No HTTP answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An HTTP answer that is no timestamp reply.
    #[error(transparent)]
    NoReply(#[from] NoReply),
    /// A reply that cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The authority refused: a rejection, or a reply that it is still waiting.
    #[error("the authority refused ({}){}", failure.map_or("without a reason", PkiFailureInfo::name), said(text.as_ref()))]
    Rejected {
        /// Why, by RFC 3161 §2.4.2.
        failure: Option<PkiFailureInfo>,
        /// Why, in the authority's words.
        text: Option<ServerText>,
    },
    /// A token for something else than was asked for: another's reply, or a forged one (RFC 3161 §2.2).
    #[error("the token is not for this request: its {field} is another")]
    ForAnotherRequest {
        /// The field that differs.
        field: Field,
    },
    /// The system gave no random bits for a nonce.
    #[error("no random bits for a nonce")]
    NoRandomness(#[from] getrandom::Error),
    /// The token does not verify against the roots that were given.
    #[error("the token does not verify")]
    Invalid {
        /// The first thing that is wrong.
        source: Box<TokenInvalid>,
    },
    /// The hash value is not of the hash.
    #[error("nothing can be asked for this hash value")]
    HashValue(#[from] HashLengthMismatch),
}

/// A field of `TSTInfo` that must match the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The hash algorithm of the imprint.
    Hash,
    /// The hash value.
    Imprint,
    /// The nonce.
    Nonce,
    /// The policy.
    Policy,
}

impl std::fmt::Display for Field {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Hash => "hash algorithm",
            Self::Imprint => "hash value",
            Self::Nonce => "nonce",
            Self::Policy => "policy",
        })
    }
}

/// An attempt that failed, and where.
#[derive(Debug)]
pub struct FailedAttempt {
    /// Who was asked.
    pub address: Address,
    /// What went wrong.
    pub error: AttemptError,
}

impl AttemptError {
    /// The error of a response without token.
    #[must_use]
    pub fn rejected(response: &DecodedResponse<'_>) -> Self {
        let text = response.status_strings.first().map(|text| ServerText::new(text));
        Self::Rejected { failure: response.failure_info, text }
    }

    /// What to do next.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Transport(error) => after_transport_error(error),
            Self::NoReply(NoReply::Status { status, retry_after, .. }) => after_status(*status, *retry_after),
            Self::NoReply(NoReply::MediaType { .. })
            | Self::Unreadable(_)
            | Self::ForAnotherRequest { .. }
            | Self::Invalid { .. } => Remedy::AskElsewhere,
            Self::Rejected { failure, .. } => after_rejection(*failure),
            Self::NoRandomness(_) | Self::HashValue(_) => Remedy::GiveUp,
        }
    }
}

const fn after_transport_error(error: &TransportError) -> Remedy {
    match error {
        TransportError::Connect { .. }
        | TransportError::Interrupted { .. }
        | TransportError::BodyInterrupted { .. }
        | TransportError::TimedOut { .. } => Remedy::AskAgain { wait: None },
        TransportError::Tls { .. } | TransportError::TooLong { .. } => Remedy::AskElsewhere,
        TransportError::Url { .. } => Remedy::AskElsewhere,
    }
}

/// The statuses that may pass (RFC 9110 §15.5.9, §15.6; RFC 6585 §4).
fn after_status(status: StatusCode, wait: Option<std::time::Duration>) -> Remedy {
    const PASSING: [StatusCode; 5] = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ];
    if PASSING.contains(&status) { Remedy::AskAgain { wait } } else { Remedy::AskElsewhere }
}

/// A fault of the authority may pass; what it refuses, it refuses again.
fn after_rejection(failure: Option<PkiFailureInfo>) -> Remedy {
    if matches!(failure, Some(PkiFailureInfo::SystemFailure | PkiFailureInfo::TimeNotAvailable)) {
        Remedy::AskAgain { wait: None }
    } else {
        Remedy::GiveUp
    }
}

fn said(text: Option<&ServerText>) -> String {
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn status(code: u16) -> AttemptError {
        let status = StatusCode::from_u16(code).unwrap();
        NoReply::Status { status, explanation: None, retry_after: Some(Duration::from_secs(3)) }.into()
    }

    #[test]
    fn passing_statuses_are_asked_again_after_the_wait_and_others_elsewhere() {
        for code in [408, 429, 502, 503, 504] {
            assert_eq!(
                status(code).remedy(),
                Remedy::AskAgain { wait: Some(Duration::from_secs(3)) },
                "{code}"
            );
        }
        for code in [301, 400, 401, 404, 405, 413, 415, 500, 501] {
            assert_eq!(status(code).remedy(), Remedy::AskElsewhere, "{code}");
        }
    }

    #[test]
    fn faults_of_the_authority_pass_and_its_refusals_stay() {
        for failure in PkiFailureInfo::ALL {
            let passes = ["systemFailure", "timeNotAvailable"].contains(&failure.name());
            let expected = if passes { Remedy::AskAgain { wait: None } } else { Remedy::GiveUp };
            let error = AttemptError::Rejected { failure: Some(failure), text: None };
            assert_eq!(error.remedy(), expected, "{failure:?}");
        }
        assert_eq!(AttemptError::Rejected { failure: None, text: None }.remedy(), Remedy::GiveUp);
    }

    #[test]
    fn a_refusal_names_failure_and_text() {
        let text = Some(ServerText::new("SHA-1 is not accepted"));
        let error = AttemptError::Rejected { failure: Some(PkiFailureInfo::BadAlg), text };
        assert_eq!(error.to_string(), "the authority refused (badAlg): SHA-1 is not accepted");
    }
}
