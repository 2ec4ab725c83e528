//! Transport failures as problem documents (RFC 9457): what HTTP refuses before or after the protocol speaks.
//!
//! A refusal by the protocol is no problem document but a `TimeStampResp` with status 200 (RFC 3161 §3.4), made behind
//! the [`Backend`](super::Backend). Texts say what to do and repeat nothing that the client sent.

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{ACCEPT_ENCODING, ALLOW, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde::Serialize;

use super::{
    backend::RequestId,
    media_type::TIMESTAMP_QUERY,
    reply::{Reply, reply},
};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request gets no answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// 400: the body could not be read to its end.
    IncompleteBody,
    /// 404: nothing at this path.
    NotFound,
    /// 404: no TSU of this name.
    UnknownTsu,
    /// 404: no attested key of this name.
    UnknownKey,
    /// 404: no attestation keys here, or none of that chain.
    NoAttestation,
    /// 400: a parameter behind the path that is not known, doubled, or has a value that is not possible.
    WrongParameter { expected: &'static str },
    /// 403: the operator allows no attestations with a nonce.
    NoFreshAttestation,
    /// 409: the key is used no more, or is in a token that is not attested.
    NotAttestedNow,
    /// 429: the budget of all clients is spent.
    TooManyAttestations { retry_after_seconds: u32 },
    /// 503: the token, or a file, did not do.
    AttestationFailed,
    /// 404: no ledger is kept here.
    NoLedger,
    /// 404: no token with this serial number, or no such tile.
    NotInLedger,
    /// 400: not a serial number.
    WrongSerial,
    /// 503: the next checkpoint includes it.
    CheckpointAwaited { retry_after_seconds: u32 },
    /// 503: the ledger's files could not be read.
    LedgerUnreadable,
    /// 405, with the methods allowed.
    MethodNotAllowed { allow: &'static str },
    /// 408: the body did not come in time.
    BodyTooSlow,
    /// 413
    BodyTooLarge { limit_bytes: usize },
    /// 415: `Content-Type` is missing, doubled or another one.
    WrongMediaType,
    /// 415: compressed.
    EncodedBody,
    /// 429
    TooManyRequests { retry_after_seconds: u32 },
    /// 503: the queue in front of the HSM is full.
    Busy { retry_after_seconds: u32 },
}

#[derive(Serialize)]
struct Document {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(rename = "requestId")]
    request_id: String,
}

impl Problem {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::IncompleteBody => StatusCode::BAD_REQUEST,
            Self::WrongParameter { .. } | Self::WrongSerial => StatusCode::BAD_REQUEST,
            Self::NoFreshAttestation => StatusCode::FORBIDDEN,
            Self::NotFound
            | Self::UnknownTsu
            | Self::UnknownKey
            | Self::NoAttestation
            | Self::NoLedger
            | Self::NotInLedger => StatusCode::NOT_FOUND,
            Self::NotAttestedNow => StatusCode::CONFLICT,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongMediaType | Self::EncodedBody => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests { .. } | Self::TooManyAttestations { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy { .. }
            | Self::AttestationFailed
            | Self::CheckpointAwaited { .. }
            | Self::LedgerUnreadable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A fixed word for programs; also the `outcome` field of the log.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::IncompleteBody => "incomplete-body",
            Self::NotFound => "not-found",
            Self::UnknownTsu => "unknown-tsu",
            Self::UnknownKey => "unknown-key",
            Self::NoAttestation => "no-attestation",
            Self::WrongParameter { .. } => "wrong-parameter",
            Self::NoFreshAttestation => "no-fresh-attestation",
            Self::NotAttestedNow => "not-attested-now",
            Self::TooManyAttestations { .. } => "too-many-attestations",
            Self::AttestationFailed => "attestation-failed",
            Self::NoLedger => "no-ledger",
            Self::NotInLedger => "not-in-ledger",
            Self::WrongSerial => "wrong-serial",
            Self::CheckpointAwaited { .. } => "checkpoint-awaited",
            Self::LedgerUnreadable => "ledger-unreadable",
            Self::MethodNotAllowed { .. } => "method-not-allowed",
            Self::BodyTooSlow => "body-too-slow",
            Self::BodyTooLarge { .. } => "body-too-large",
            Self::WrongMediaType => "wrong-media-type",
            Self::EncodedBody => "encoded-body",
            Self::TooManyRequests { .. } => "too-many-requests",
            Self::Busy { .. } => "busy",
        }
    }

    fn detail(self) -> String {
        match self {
            Self::IncompleteBody => "The request body ended early or was not well formed.".to_owned(),
            Self::NotFound => "There is nothing here. GET / shows what this server offers.".to_owned(),
            Self::UnknownTsu => "There is no TSU of this name. GET /tsa lists the TSUs.".to_owned(),
            Self::UnknownKey => {
                "There is no attested key of this name or id. GET /attestation/keys lists them.".to_owned()
            }
            Self::NoAttestation => {
                "This server has no attestation keys for that chain. GET /attestation/keys lists what is attested."
                    .to_owned()
            }
            Self::WrongParameter { expected } => format!("The query of this address is not usable: {expected}."),
            Self::NoFreshAttestation => {
                "This server makes no attestations with a nonce. Without one, the stored attestation is served."
                    .to_owned()
            }
            Self::NotAttestedNow => {
                "This key cannot be attested afresh: it is used no more. Without a nonce, its last attestation is served."
                    .to_owned()
            }
            Self::TooManyAttestations { retry_after_seconds } => format!(
                "All clients together have asked for as many attestations as the operator allows. Try again in \
                 {retry_after_seconds} s; the stored attestation needs no nonce."
            ),
            Self::AttestationFailed => {
                "The attestation could not be made; the server's log says why. Try again later.".to_owned()
            }
            Self::NoLedger => "This server keeps no record of the tokens that it issues.".to_owned(),
            Self::NotInLedger => {
                "The ledger has nothing there. A serial number is written as `openssl ts -reply -text` prints it; tiles exist \
                 up to the size in /ledger/checkpoint."
                    .to_owned()
            }
            Self::WrongSerial => {
                "A serial number is hexadecimal, as 0x4F0012…, or decimal, and has at most 20 octets.".to_owned()
            }
            Self::CheckpointAwaited { retry_after_seconds } => format!(
                "It is on record, and the next checkpoint includes it. Try again in {retry_after_seconds} s."
            ),
            Self::LedgerUnreadable => {
                "The ledger could not be read; the server's log says why. Try again later.".to_owned()
            }
            Self::MethodNotAllowed { allow } => format!("Allowed here: {allow}."),
            Self::BodyTooSlow => "The request body did not arrive in time.".to_owned(),
            Self::BodyTooLarge { limit_bytes } => format!(
                "The request body is larger than {limit_bytes} bytes. Send the TimeStampReq, which carries a hash, and \
                 not the file."
            ),
            Self::WrongMediaType => format!("Send one Content-Type field: {TIMESTAMP_QUERY}."),
            Self::EncodedBody => "Send the body without Content-Encoding.".to_owned(),
            Self::TooManyRequests { retry_after_seconds } => format!(
                "Too many requests from this address. Try again in {retry_after_seconds} s, or ask the operator for a \
                 higher rate."
            ),
            Self::Busy { retry_after_seconds } => {
                format!("All signers are busy. Try again in {retry_after_seconds} s.")
            }
        }
    }

    pub(crate) fn response(self, id: RequestId) -> Response<Reply> {
        let status = self.status();
        let id = id.to_string();
        let document = Document {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.detail(),
            code: self.code(),
            request_id: id.clone(),
        };
        // Strings and a number: nothing in it can fail to serialise.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = reply(status, PROBLEM_JSON, Bytes::from(body));
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&id) {
            headers.insert(X_REQUEST_ID, id);
        }
        match self {
            Self::MethodNotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::TooManyRequests { retry_after_seconds }
            | Self::TooManyAttestations { retry_after_seconds }
            | Self::CheckpointAwaited { retry_after_seconds }
            | Self::Busy { retry_after_seconds } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds));
            }
            Self::WrongMediaType => {
                headers.insert(ACCEPT_POST, HeaderValue::from_static(TIMESTAMP_QUERY));
            }
            Self::EncodedBody => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            // RFC 9110 §15.5.9: the connection cannot be used again, the rest of the body may still come.
            Self::BodyTooSlow | Self::IncompleteBody => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::NotFound
            | Self::UnknownTsu
            | Self::UnknownKey
            | Self::NoAttestation
            | Self::WrongParameter { .. }
            | Self::NoFreshAttestation
            | Self::NotAttestedNow
            | Self::AttestationFailed
            | Self::NoLedger
            | Self::NotInLedger
            | Self::WrongSerial
            | Self::LedgerUnreadable
            | Self::BodyTooLarge { .. } => {}
        }
        response
    }
}

/// The answer to a connection that cannot be admitted, whole and as bytes: there is no HTTP state for it.
pub(crate) const OVERLOADED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Content-Type: application/problem+json\r\n\
    Content-Length: 141\r\n\
    Cache-Control: no-store\r\n\
    Retry-After: 5\r\n\
    Connection: close\r\n\
    \r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"detail\":\"Too many open connections. Try again in 5 s.\",\"code\":\"overloaded\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overload_answer_states_its_own_length() {
        let text = std::str::from_utf8(OVERLOADED).unwrap();
        let (header, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(header.contains(&format!("Content-Length: {}\r\n", body.len())), "body has {}", body.len());
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(document["status"], 503);
    }

    #[test]
    fn a_problem_document_has_the_members_of_rfc_9457() {
        let response =
            Problem::MethodNotAllowed { allow: "POST" }.response(RequestId { run: 1, sequence: 2 });
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "POST");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["x-request-id"], "00000001-2");
    }

    #[test]
    fn waiting_problems_say_how_long() {
        for problem in
            [Problem::Busy { retry_after_seconds: 3 }, Problem::TooManyRequests { retry_after_seconds: 3 }]
        {
            assert_eq!(problem.response(RequestId { run: 0, sequence: 0 }).headers()["retry-after"], "3");
        }
    }
}
