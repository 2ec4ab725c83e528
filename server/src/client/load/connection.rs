//! One connection that sends one request after the other, on hyper's connection level.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::client::address::Address;
use crate::client::transport::{Answer, BODY_LIMIT_OCTETS, QUERY_MEDIA_TYPE, USER_AGENT_NAME};

/// Where connections go, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// The URL.
    pub address: Address,
    /// HTTP/2 (with prior knowledge where there is no TLS) in place of HTTP/1.1.
    pub http2: bool,
    /// Whom to trust, for `https`.
    pub tls: Arc<rustls::ClientConfig>,
}

/// A connection that is open.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    uri: Uri,
    host: HeaderValue,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Why a connection gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// TCP or TLS failed.
    #[error("cannot connect")]
    Connect(#[from] std::io::Error),
    /// The host can be no TLS server's name.
    #[error("not a server name for TLS")]
    ServerName(#[from] rustls_pki_types::InvalidDnsNameError),
    /// HTTP failed.
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    /// The request cannot be made of this URL.
    #[error("the URL cannot be requested")]
    Request(#[from] hyper::http::Error),
    /// The body broke off or is too long.
    #[error("the answer broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Target {
    /// Opens a connection; its driver runs as a task of the runtime until the connection is dropped.
    ///
    /// # Errors
    /// When TCP, TLS or the HTTP preface fails.
    pub async fn connect(&self) -> Result<Connection, ConnectionError> {
        let tcp = TcpStream::connect((self.address.host(), self.address.port())).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if self.address.is_tls() {
            let name = ServerName::try_from(self.address.host().to_owned())?;
            let mut config = rustls::ClientConfig::clone(&self.tls);
            config.alpn_protocols = vec![if self.http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
            Box::new(tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await?)
        } else {
            Box::new(tcp)
        };
        let io = TokioIo::new(stream);
        let sender = if self.http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            let (sender, driver) = builder.timer(TokioTimer::new()).handshake(io).await?;
            tokio::spawn(driver);
            Sender::Http2(sender)
        } else {
            let (sender, driver) = http1::handshake(io).await?;
            tokio::spawn(driver);
            Sender::Http1(sender)
        };
        self.opened(sender)
    }

    /// HTTP/1.1 wants the path as target and a `Host`; HTTP/2 the whole URL (RFC 9112 §3.2, RFC 9113 §8.3.1).
    fn opened(&self, sender: Sender) -> Result<Connection, ConnectionError> {
        let url = self.address.uri();
        let authority = url.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
        let host = HeaderValue::from_str(authority).map_err(hyper::http::Error::from)?;
        let path = url.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
        let uri = if self.http2 { url.clone() } else { Uri::builder().path_and_query(path).build()? };
        Ok(Connection { sender, uri, host })
    }
}

impl Connection {
    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// When the connection broke; it cannot be used again then.
    pub async fn post(&mut self, body: Bytes) -> Result<Answer, ConnectionError> {
        let request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static(QUERY_MEDIA_TYPE))
            .header(USER_AGENT, HeaderValue::from_static(USER_AGENT_NAME));
        let response = match &mut self.sender {
            Sender::Http1(sender) => {
                let request = request.header(HOST, self.host.clone()).body(Full::new(body))?;
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Http2(sender) => {
                let request = request.version(Version::HTTP_2).body(Full::new(body))?;
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        read(response).await
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, ConnectionError> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, BODY_LIMIT_OCTETS).collect().await.map_err(ConnectionError::Body)?;
    Ok(Answer { status: head.status, header: head.headers, body: body.to_bytes() })
}
