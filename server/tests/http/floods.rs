//! Hostile HTTP/2, in frames written by hand.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::harness::{Harness, Setup, within};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn preface(settings: &[u8]) -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, settings)].concat()
}

/// `POST http://t/` with the right media type, in HPACK by hand (RFC 7541, static table, no Huffman).
fn post_fields() -> Vec<u8> {
    let media_type = b"application/timestamp-query";
    let length = u8::try_from(media_type.len()).unwrap();
    [&[0x83, 0x86, 0x84, 0x01, 1, b't', 0x0f, 0x10, length], media_type.as_slice()].concat()
}

/// Sends all, and reads until the server closes: the sending side stays open, so that the end is the server's doing.
/// Returns what it sent. A reset is an end too: there may be something of ours that it never read.
async fn flood(server: &Harness, start: &[u8], piece: impl Fn(u32) -> Vec<u8>, pieces: u32) -> Vec<u8> {
    let socket = within(TcpStream::connect(server.address)).await.unwrap();
    let (mut reader, mut writer) = socket.into_split();
    let start = start.to_vec();
    let all: Vec<u8> = (0..pieces).flat_map(piece).collect();
    let write = async {
        let _ = writer.write_all(&start).await;
        let _ = writer.write_all(&all).await;
    };
    let mut answered = Vec::new();
    let read = async {
        let mut bytes = [0; 16_384];
        while let Ok(count @ 1..) = reader.read(&mut bytes).await {
            answered.extend_from_slice(&bytes[..count]);
        }
    };
    within(async { tokio::join!(write, read) }).await;
    drop(writer);
    answered
}

/// Kinds of the frames in order.
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [a, b, c, kind, rest @ ..] = bytes {
        kinds.push(*kind);
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        bytes = rest.get(5 + length..).unwrap_or_default();
    }
    kinds
}

#[tokio::test]
async fn rapid_reset_ends_the_connection() {
    let server = Harness::start();
    let answered = flood(
        &server,
        &preface(&[]),
        |number| {
            let stream = 2 * number + 1;
            let headers = frame(HEADERS, END_HEADERS, stream, &post_fields());
            [headers, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        },
        5_000,
    )
    .await;
    assert!(kinds(&answered).contains(&GOAWAY), "{:?}", kinds(&answered));
    assert!(server.double.seen.lock().unwrap().is_empty());
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn continuations_without_end_end_the_connection() {
    let server = Harness::start();
    let start = [preface(&[]), frame(HEADERS, END_STREAM, 1, &post_fields())].concat();
    // Literal fields of 4 KB each.
    let field = [&[0x00, 1, b'x', 0x7f, 0xa1, 0x1f], [b'y'; 4128].as_slice()].concat();
    let answered = flood(&server, &start, |_| frame(CONTINUATION, 0, 1, &field), 2_000).await;
    let kinds = kinds(&answered);
    assert!(kinds.contains(&GOAWAY) || kinds.contains(&RST_STREAM), "{kinds:?}");
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn tiny_continuations_without_end_end_the_connection() {
    let server = Harness::start();
    let start = [preface(&[]), frame(HEADERS, END_STREAM, 1, &post_fields())].concat();
    let answered = flood(&server, &start, |_| frame(CONTINUATION, 0, 1, &[]), 20_000).await;
    assert!(kinds(&answered).contains(&GOAWAY), "{:?}", kinds(&answered));
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn empty_data_without_end_is_refused() {
    let server = Harness::start();
    let start = [preface(&[]), frame(HEADERS, END_HEADERS, 1, &post_fields())].concat();
    // The body does end, so that only their number can be the reason.
    let piece = |number| frame(DATA, if number == 19_999 { END_STREAM } else { 0 }, 1, &[]);
    let answered = flood(&server, &start, piece, 20_000).await;
    assert!(kinds(&answered).contains(&GOAWAY), "{:?}", kinds(&answered));
    assert!(server.double.seen.lock().unwrap().is_empty());
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn control_frames_without_end_end_the_connection() {
    let server = Harness::start();
    let endless = [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 0, 0, &[]),
        frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 7]),
        // A kind that nobody knows is ignored (RFC 9113 §4.1), and not for ever.
        frame(0xee, 0xff, 7, &[0; 100]),
    ];
    for piece in &endless {
        let pieces = u32::try_from(2 * (1 << 20) / piece.len()).unwrap();
        flood(&server, &preface(&[]), |_| piece.clone(), pieces).await;
        server.until_connections(0).await;
    }
    let dropped = server.metric("attestamp_connections_dropped_total{reason=\"flood\"}");
    assert_eq!(dropped, endless.len().to_string());
    server.assert_serves().await;
}

#[tokio::test]
async fn control_frames_beside_a_request_that_is_held_end_the_connection_too() {
    let server = Harness::start();
    let start =
        [preface(&[]), frame(HEADERS, END_HEADERS, 1, &post_fields()), frame(DATA, END_STREAM, 1, b"hold")]
            .concat();
    flood(&server, &start, |_| frame(PING, 0, 0, &[0; 8]), 200_000).await;
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn frames_that_make_no_sense_end_the_connection() {
    let server = Harness::start();
    for nonsense in [
        frame(HEADERS, END_HEADERS, 2, &post_fields()),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 64]),
        frame(DATA, 0, 1, b"x"),
        frame(PING, 0, 1, &[0; 8]),
        vec![0xff; 100_000],
    ] {
        let answered = flood(&server, &preface(&[]), |_| nonsense.clone(), 1).await;
        assert!(kinds(&answered).contains(&GOAWAY), "{:?}", kinds(&answered));
        server.until_connections(0).await;
    }
    assert!(server.double.seen.lock().unwrap().is_empty());
    server.assert_serves().await;
}

#[tokio::test]
async fn a_window_that_never_opens_does_not_hold_a_request() {
    let server = Setup::limits(|limits| limits.request = Duration::from_millis(200)).start();
    // SETTINGS_INITIAL_WINDOW_SIZE = 0: the answer's body cannot be sent.
    let mut socket = within(TcpStream::connect(server.address)).await.unwrap();
    let request = [
        preface(&[0, 4, 0, 0, 0, 0]),
        frame(HEADERS, END_HEADERS, 1, &post_fields()),
        frame(DATA, END_STREAM, 1, b"good"),
    ]
    .concat();
    socket.write_all(&request).await.unwrap();
    let mut rest = Vec::new();
    let _ = within(socket.read_to_end(&mut rest)).await;
    assert!(kinds(&rest).contains(&HEADERS));
    assert!(!kinds(&rest).contains(&DATA));
    assert_eq!(server.metric("attestamp_connections_dropped_total{reason=\"request\"}"), "1");
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn a_slow_http2_body_is_408() {
    let server = Setup::limits(|limits| limits.body_read = Duration::from_millis(200)).start();
    let mut socket = within(TcpStream::connect(server.address)).await.unwrap();
    let request =
        [preface(&[]), frame(HEADERS, END_HEADERS, 1, &post_fields()), frame(DATA, 0, 1, b"go")].concat();
    socket.write_all(&request).await.unwrap();
    // The problem document is the first DATA frame that the server sends.
    let mut answered = Vec::new();
    while !kinds(&answered).contains(&DATA) {
        assert!(within(socket.read_buf(&mut answered)).await.unwrap() > 0, "closed without an answer");
    }
    assert_eq!(server.metric("attestamp_requests_total{route=\"stamp\",status=\"408\"}"), "1");
    server.assert_serves().await;
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_politely() {
    let server = Setup::limits(|limits| {
        limits.keep_alive_idle = Duration::from_millis(200);
        limits.linger = Duration::from_millis(200);
    })
    .start();
    let mut socket = within(TcpStream::connect(server.address)).await.unwrap();
    socket.write_all(&preface(&[])).await.unwrap();
    let mut rest = Vec::new();
    let _ = within(socket.read_to_end(&mut rest)).await;
    assert!(kinds(&rest).contains(&GOAWAY));
    server.until_connections(0).await;
}
