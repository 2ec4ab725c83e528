//! One HTTP exchange: a timestamp query goes out, what the server answered comes back, within a time and a size.
//!
//! HTTP/1.1 or, over TLS where the server offers it, HTTP/2; connections are kept for the next file. Redirects are not
//! followed: a request that was meant for one authority must not silently go to another. What the answer means is
//! decided in `answer.rs`, whether to ask again in `retry.rs`.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Media type of a request (RFC 3161 §3.4).
pub const QUERY_MEDIA_TYPE: &str = "application/timestamp-query";
/// Media type of a reply (RFC 3161 §3.4).
pub const REPLY_MEDIA_TYPE: &str = "application/timestamp-reply";
/// What this program calls itself.
pub const USER_AGENT_NAME: &str = concat!("attestamp/", env!("CARGO_PKG_VERSION"));
/// Longest body that is read. The largest reply known, SLH-DSA-SHA2-256f with a chain, stays below 160 KiB.
pub const BODY_LIMIT_OCTETS: usize = 256 * 1024;
/// Longest header that is read.
const HEADER_LIMIT_OCTETS: usize = 64 * 1024;
/// How long an unused connection is kept.
const IDLE_SECONDS: u64 = 30;

/// How long one exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// To a TCP connection.
    pub connect: Duration,
    /// From the start to the last octet of the answer.
    pub total: Duration,
}

/// The HTTP client, cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    deadlines: Deadlines,
}

/// What a server answered, whatever it was.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header.
    pub header: HeaderMap,
    /// The whole body, at most [`BODY_LIMIT_OCTETS`].
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The URL is no HTTP request target.
    #[error("the URL cannot be requested")]
    Url {
        /// Why.
        source: hyper::http::Error,
    },
    /// No connection could be made.
    #[error("cannot connect")]
    Connect {
        /// Why.
        source: hyper_util::client::legacy::Error,
    },
    /// The server's certificate or TLS itself was refused.
    #[error("TLS failed")]
    Tls {
        /// Why.
        source: hyper_util::client::legacy::Error,
    },
    /// The connection broke while the request was sent or the answer awaited.
    #[error("the connection broke before the answer")]
    Interrupted {
        /// Why.
        source: hyper_util::client::legacy::Error,
    },
    /// The connection broke within the body.
    #[error("the connection broke within the answer")]
    BodyInterrupted {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The body is longer than any reply could be.
    #[error("the answer is longer than {limit_octets} octets")]
    TooLong {
        /// Where reading stopped.
        limit_octets: usize,
    },
    /// The time for the exchange is over.
    #[error("no complete answer within {} s", after.as_secs_f64())]
    TimedOut {
        /// How long it was waited.
        after: Duration,
    },
}

impl Transport {
    /// A client with these deadlines that trusts what `tls` trusts.
    #[must_use]
    pub fn new(tls: rustls::ClientConfig, deadlines: Deadlines) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(deadlines.connect));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(IDLE_SECONDS))
            .http1_max_buf_size(HEADER_LIMIT_OCTETS)
            .build(connector);
        Self { client, deadlines }
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// When no answer came, in time and within the size; any HTTP status is an answer.
    pub async fn fetch(&self, url: &Uri) -> Result<Answer, TransportError> {
        let request = Request::builder().method(Method::GET).uri(url);
        let request = request.header(USER_AGENT, HeaderValue::from_static(USER_AGENT_NAME));
        let request = request.body(Full::default()).map_err(|source| TransportError::Url { source })?;
        let after = self.deadlines.total;
        tokio::time::timeout(after, self.exchange(request))
            .await
            .unwrap_or(Err(TransportError::TimedOut { after }))
    }

    /// Posts a timestamp query and reads the whole answer.
    ///
    /// # Errors
    /// When no answer came, in time and within the size; any HTTP status is an answer.
    pub async fn post(&self, url: &Uri, query: Bytes) -> Result<Answer, TransportError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, HeaderValue::from_static(QUERY_MEDIA_TYPE))
            .header(ACCEPT, HeaderValue::from_static(REPLY_MEDIA_TYPE))
            .header(USER_AGENT, HeaderValue::from_static(USER_AGENT_NAME))
            .body(Full::new(query))
            .map_err(|source| TransportError::Url { source })?;
        let after = self.deadlines.total;
        tokio::time::timeout(after, self.exchange(request))
            .await
            .unwrap_or(Err(TransportError::TimedOut { after }))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, TransportError> {
        let response = self.client.request(request).await.map_err(no_response)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, BODY_LIMIT_OCTETS).collect().await.map_err(no_body)?.to_bytes();
        Ok(Answer { status: head.status, header: head.headers, body })
    }
}

fn no_response(source: hyper_util::client::legacy::Error) -> TransportError {
    if is_about_tls(&source) {
        TransportError::Tls { source }
    } else if source.is_connect() {
        TransportError::Connect { source }
    } else {
        TransportError::Interrupted { source }
    }
}

fn no_body(source: Box<dyn std::error::Error + Send + Sync>) -> TransportError {
    if source.is::<LengthLimitError>() {
        TransportError::TooLong { limit_octets: BODY_LIMIT_OCTETS }
    } else {
        TransportError::BodyInterrupted { source }
    }
}

/// Whether rustls is the one who complains: it does so from within an [`std::io::Error`], or one in another, whose
/// `source` passes over what they hold.
fn is_about_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => is_about_tls(inner),
        None => error.source().is_some_and(is_about_tls),
    }
}

#[cfg(test)]
mod tests;
