//! The body of an answer: at most one piece of bytes, and the proof that the request is still in flight.
//!
//! The in-flight guard lives as long as the body, since an HTTP/2 answer may wait for a window that its client never
//! opens: such a request is not finished when the router returns.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
};

use super::activity::InFlight;

/// Answers that must not be stored: everything that says something about now.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Body of a response.
#[derive(Debug)]
pub(crate) struct Reply {
    bytes: Bytes,
    in_flight: Option<InFlight>,
}

impl Reply {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self { bytes, in_flight: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Keeps the request in flight until the body is gone.
    pub(crate) fn hold(&mut self, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.bytes.len()).unwrap_or(u64::MAX))
    }
}

/// A response that must not be stored.
pub(crate) fn reply(status: StatusCode, content_type: HeaderValue, bytes: Bytes) -> Response<Reply> {
    let mut headers = HeaderMap::with_capacity(6);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, NO_STORE);
    let mut response = Response::new(Reply::new(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The answer to `HEAD` that belongs to this answer to `GET`: its header with its length, no body (RFC 9110 §9.3.2).
pub(crate) fn without_body(mut response: Response<Reply>) -> Response<Reply> {
    let length = std::mem::take(&mut response.body_mut().bytes).len();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}
