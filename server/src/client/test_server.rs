//! A server double on a loopback port: answers requests as a test says, and builds replies without a signature.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use attestamp_tsa::{PkiFailureInfo, TimeStampReq, TimeStampResp};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket};

use super::address::Address;

/// A server that lives as long as the test's runtime.
pub(crate) struct TestServer {
    /// Its URL.
    pub(crate) address: Address,
    /// How many requests it had.
    hits: Arc<AtomicUsize>,
}

impl TestServer {
    /// Starts a server that answers its request number `n` (from 0) with `answer(n, body)`.
    pub(crate) async fn start(
        answer: impl Fn(usize, &[u8]) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/tsa", listener.local_addr().unwrap()).parse().unwrap();
        let hits = Arc::new(AtomicUsize::new(0));
        let (answer, counted) = (Arc::new(answer), Arc::clone(&hits));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answer, counted) = (Arc::clone(&answer), Arc::clone(&counted));
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let number = counted.fetch_add(1, Ordering::SeqCst);
                        Ok::<_, Infallible>(answer(number, &body))
                    }
                });
                tokio::spawn(async move {
                    let _closed = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, hits }
    }

    /// How many requests came.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// A port on which nothing listens, and which nobody else gets while this lives.
pub(crate) struct Nobody {
    /// Its URL.
    pub(crate) address: Address,
    _bound: TcpSocket,
}

impl Nobody {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = format!("http://{}/", socket.local_addr().unwrap()).parse().unwrap();
        Self { address, _bound: socket }
    }
}

/// Status 200 with a timestamp reply.
pub(crate) fn reply(der: Vec<u8>) -> Response<Full<Bytes>> {
    response(200, &[(CONTENT_TYPE, "application/timestamp-reply")], der)
}

/// Any answer.
pub(crate) fn response(
    status: u16,
    header: &[(HeaderName, &str)],
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(status);
    for (name, value) in header {
        builder = builder.header(name, *value);
    }
    builder.body(Full::new(body.into())).unwrap()
}

/// Status 503 that asks to wait.
pub(crate) fn busy(retry_after_seconds: &str) -> Response<Full<Bytes>> {
    response(503, &[(RETRY_AFTER, retry_after_seconds)], "")
}

/// The fields of a token, as content octets.
#[derive(Clone, Copy)]
pub(crate) struct GrantedReply<'a> {
    pub(crate) policy: &'a [u8],
    pub(crate) hash: &'a [u8],
    pub(crate) imprint: &'a [u8],
    pub(crate) nonce: Option<&'a [u8]>,
    pub(crate) serial: &'a [u8],
    pub(crate) gen_time: &'a str,
}

impl<'a> GrantedReply<'a> {
    /// What answers a request.
    pub(crate) fn to(request: &'a [u8]) -> Self {
        let request = TimeStampReq::decode(request).unwrap();
        let (hash, imprint) = (
            request.message_imprint().hash_algorithm().content(),
            request.message_imprint().hashed_message(),
        );
        let policy = request.req_policy().map_or([0x2a, 0x03, 0x04].as_slice(), |policy| policy.content());
        let nonce = request.nonce();
        Self { policy, hash, imprint, nonce, serial: &[0x11, 0x22], gen_time: "20260102030405Z" }
    }
}

/// A reply with a token that has everything but a signature.
pub(crate) fn granted(fields: &GrantedReply<'_>) -> Vec<u8> {
    let hash = element(0x30, &[element(0x06, fields.hash), element(0x05, &[])].concat());
    let info = [
        element(0x02, &[1]),
        element(0x06, fields.policy),
        element(0x30, &[hash, element(0x04, fields.imprint)].concat()),
        element(0x02, fields.serial),
        element(0x18, fields.gen_time.as_bytes()),
        element(0x30, &element(0x02, &[1])),
        fields.nonce.map(|nonce| element(0x02, nonce)).unwrap_or_default(),
    ];
    let info = element(0x30, &info.concat());
    let content_type = element(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02]);
    let tst_info = element(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04]);
    let encapsulated = element(0x30, &[tst_info, element(0xa0, &element(0x04, &info))].concat());
    let signed = [element(0x02, &[3]), element(0x31, &[]), encapsulated, element(0x31, &[])].concat();
    let token = element(0x30, &[content_type, element(0xa0, &element(0x30, &signed))].concat());
    element(0x30, &[element(0x30, &element(0x02, &[0])), token].concat())
}

/// A rejection.
pub(crate) fn rejection(failure: PkiFailureInfo, text: &str) -> Vec<u8> {
    TimeStampResp::rejection(failure, text)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let head = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}
