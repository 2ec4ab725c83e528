//! HTTP/2 with prior knowledge, by hyper's own client.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode, Version,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::harness::{GRANTED, Harness, within};

pub(crate) async fn client<T>(socket: T) -> SendRequest<Full<Bytes>>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = within(handshake(TokioExecutor::new(), TokioIo::new(socket))).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("http://t{path}"))
        .version(Version::HTTP_2)
        .header("content-type", "application/timestamp-query")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn whole(response: Response<hyper::body::Incoming>) -> (StatusCode, Bytes) {
    let status = response.status();
    (status, within(response.into_body().collect()).await.unwrap().to_bytes())
}

async fn connect(server: &Harness) -> SendRequest<Full<Bytes>> {
    client(within(TcpStream::connect(server.address)).await.unwrap()).await
}

#[tokio::test]
async fn stamps_over_http2() {
    let server = Harness::start();
    let mut client = connect(&server).await;
    let response = within(client.send_request(request("POST", "/tsa", "good"))).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(response.headers()["content-type"], "application/timestamp-reply");
    assert_eq!(response.headers()["content-length"], "7");
    assert_eq!(whole(response).await, (StatusCode::OK, Bytes::from_static(GRANTED)));
}

#[tokio::test]
async fn many_streams_share_a_connection_for_long() {
    // Small DATA frames count against a budget that h2 keeps per connection: honest requests must not exhaust it.
    let server = Harness::start();
    let client = connect(&server).await;
    for _ in 0..50 {
        let answers = (0..100).map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                whole(client.send_request(request("POST", "/", "good")).await.unwrap()).await
            })
        });
        for answer in answers.collect::<Vec<_>>() {
            assert_eq!(within(answer).await.unwrap(), (StatusCode::OK, Bytes::from_static(GRANTED)));
        }
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_largest_bodies_that_are_taken_go_on_for_as_long_as_the_client_likes() {
    // What belongs to no request is bounded, and these octets all belong to one.
    let server = Harness::start();
    let client = connect(&server).await;
    for _ in 0..5 {
        let answers = (0..100).map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move {
                whole(client.send_request(request("POST", "/", vec![0; 16 * 1024])).await.unwrap()).await
            })
        });
        for answer in answers.collect::<Vec<_>>() {
            assert_eq!(within(answer).await.unwrap(), (StatusCode::OK, Bytes::from_static(GRANTED)));
        }
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn head_has_a_length_and_no_body() {
    let server = Harness::start();
    let mut client = connect(&server).await;
    let response = within(client.send_request(request("HEAD", "/pki/root.pem", ""))).await.unwrap();
    assert_eq!(response.headers()["content-length"], "4");
    assert_eq!(whole(response).await, (StatusCode::OK, Bytes::new()));
}

#[tokio::test]
async fn problems_are_the_same_as_in_http1() {
    let server = Harness::start();
    let mut client = connect(&server).await;
    for (request, status) in [
        (request("POST", "/", vec![0; 20_000]), 413),
        (request("GET", "/none", ""), 404),
        (request("PUT", "/", ""), 405),
        (request("POST", "/", "busy"), 503),
    ] {
        let response = within(client.send_request(request)).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        whole(response).await;
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn header_lists_are_bounded() {
    let server = Harness::start();
    let mut client = connect(&server).await;
    let mut large = request("GET", "/", "");
    large.headers_mut().insert("x", "y".repeat(20_000).parse().unwrap());
    let refused = within(client.send_request(large)).await;
    assert!(refused.is_err() || refused.is_ok_and(|response| response.status() == 431));
    server.assert_serves().await;
}

#[tokio::test]
async fn a_stream_that_its_client_gives_up_drops_the_request() {
    let server = Harness::start();
    let mut client = connect(&server).await;
    let pending = tokio::spawn(client.send_request(request("POST", "/", "hold")));
    within(server.double.held.acquire()).await.unwrap().forget();
    pending.abort();
    within(async {
        while server.double.abandoned.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let response = within(client.send_request(request("POST", "/", "good"))).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_stop_finishes_the_streams_in_flight() {
    let mut server = Harness::start();
    let mut client = connect(&server).await;
    let pending = tokio::spawn(client.send_request(request("POST", "/", "hold")));
    within(server.double.held.acquire()).await.unwrap().forget();
    server.begin_stop();
    server.double.release.add_permits(1);
    let answer = whole(within(pending).await.unwrap().unwrap()).await;
    assert_eq!(answer, (StatusCode::OK, Bytes::from_static(GRANTED)));
    server.stopped().await;
}
