//! Hostile HTTP/1: sizes, framing, slowness, leaving.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{GOOD, GRANTED, Harness, QUERY, Setup, post, within};

const SOON: Duration = Duration::from_millis(200);

fn impatient() -> Harness {
    Setup::limits(|limits| {
        limits.header_read = SOON;
        limits.body_read = SOON;
        limits.write = SOON;
        limits.linger = SOON;
    })
    .start()
}

/// Sends until the server takes no more or all is sent; returns what it answered.
async fn send_much(server: &Harness, head: &str, piece: &[u8], pieces: usize) -> String {
    let mut client = server.client().await;
    client.send(head.as_bytes()).await;
    let (mut reader, mut writer) = client.socket.split();
    let write = async {
        for _ in 0..pieces {
            if writer.write_all(piece).await.is_err() {
                break;
            }
        }
    };
    let mut answered = Vec::new();
    let read = async {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut bytes).await {
            answered.extend_from_slice(&bytes[..count]);
        }
    };
    within(async { tokio::join!(write, read) }).await;
    String::from_utf8(answered).unwrap()
}

#[tokio::test]
async fn large_bodies_are_refused_without_being_read() {
    let server = Harness::start();
    let piece = vec![b'x'; 65_536];
    for megabytes in [1, 100] {
        let length = megabytes * 1_048_576;
        let head = format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}Content-Length: {length}\r\n\r\n");
        let answered = send_much(&server, &head, &piece, megabytes * 16).await;
        // Of 100 MB the client may send more than the server discards, and lose the answer to a reset.
        assert!(
            answered.starts_with("HTTP/1.1 413 ") || (megabytes == 100 && answered.is_empty()),
            "{answered}"
        );
        server.assert_serves().await;
    }
    assert_eq!(server.metric("attestamp_requests_total{route=\"stamp\",status=\"413\"}"), "2");
}

#[tokio::test]
async fn a_client_that_waits_after_a_large_length_reads_why() {
    let server = Harness::start();
    let head = format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}Content-Length: 104857600\r\n\r\n");
    server.ask(head.as_bytes()).await.assert_problem(413, "body-too-large");
}

#[tokio::test]
async fn what_comes_after_a_refusal_is_discarded_and_does_not_reset_the_connection() {
    let server = Setup::limits(|limits| limits.linger = Duration::from_secs(30)).start();
    let head = format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}Content-Length: 104857600\r\n\r\n");
    let mut client = server.client().await;
    client.ask(head.as_bytes()).await.assert_problem(413, "body-too-large");
    assert!(client.closed().await.is_empty());
    for _ in 0..8 {
        client.send(&[b'x'; 65_536]).await;
    }
    drop(client);
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn a_chunked_body_without_end_is_refused() {
    let server = Harness::start();
    let head = format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}Transfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"1000\r\n".as_slice(), &[b'x'; 0x1000], b"\r\n"].concat();
    let answered = send_much(&server, &head, &chunk, 100).await;
    assert!(answered.starts_with("HTTP/1.1 413 "), "{answered}");
    let answered = send_much(&server, &head, b"1\r\nx\r\n", 20_000).await;
    assert!(answered.starts_with("HTTP/1.1 413 "), "{answered}");
    server.assert_serves().await;
}

#[tokio::test]
async fn broken_chunks_are_refused() {
    let server = impatient();
    for chunks in ["zz\r\n", "-1\r\nx\r\n", "ffffffffffffffffff\r\nx", "4\r\ngoodgood\r\n0\r\n\r\n"] {
        let head = format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        let mut client = server.client().await;
        client.ask(head.as_bytes()).await.assert_problem(400, "incomplete-body");
        assert!(client.closed().await.is_empty(), "{chunks}");
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn content_length_beside_transfer_encoding_smuggles_nothing() {
    // RFC 9112 §6.3: Transfer-Encoding counts, and the connection ends with the answer.
    let server = Harness::start();
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 100\r\n",
    ] {
        let smuggled = String::from_utf8(GOOD.to_vec()).unwrap();
        let request = format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}{fields}\r\n0\r\n\r\n{smuggled}");
        let mut client = server.client().await;
        let answer = client.ask(request.as_bytes()).await;
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")), "{fields}");
        assert!(client.closed().await.is_empty(), "a second answer after {fields}");
    }
    let bodies = server.double.seen.lock().unwrap().iter().map(|(_, body)| body.len()).sum::<usize>();
    assert_eq!(bodies, 0, "the smuggled request reached the authority");
    server.assert_serves().await;
}

#[tokio::test]
async fn contradictory_or_strange_framing_is_refused() {
    let server = Harness::start();
    for fields in [
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: -4\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 4, 4\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}{fields}\r\ngood");
        let mut client = server.client().await;
        client.send(request.as_bytes()).await;
        let answered = String::from_utf8(client.closed().await).unwrap();
        assert!(
            answered.starts_with("HTTP/1.1 400 ") || answered.starts_with("HTTP/1.1 413 "),
            "{fields}{answered}"
        );
        assert!(!answered.contains(" 200 "), "{fields}");
    }
    assert!(server.double.seen.lock().unwrap().is_empty());
    server.assert_serves().await;
}

#[tokio::test]
async fn no_http_at_all_is_refused() {
    let server = impatient();
    for garbage in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage".as_slice(),
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
    ] {
        let mut client = server.client().await;
        client.send(garbage).await;
        let answered = client.closed().await;
        assert!(
            answered.is_empty() || answered.starts_with(b"HTTP/1.1 400 "),
            "{}",
            String::from_utf8_lossy(&answered)
        );
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn headers_too_large_or_too_many_are_refused() {
    let server = Harness::start();
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    for lines in [format!("X: {}\r\n", "x".repeat(17_000)), many] {
        let mut client = server.client().await;
        let answer = client.ask(format!("GET / HTTP/1.1\r\nHost: t\r\n{lines}\r\n").as_bytes()).await;
        assert_eq!(answer.status, 431);
        assert!(client.closed().await.is_empty());
    }
    let endless = send_much(&server, "GET / HTTP/1.1\r\nX: ", &[b'x'; 4096], 1000).await;
    assert!(endless.is_empty() || endless.starts_with("HTTP/1.1 431 "), "{endless}");
    server.assert_serves().await;
}

#[tokio::test]
async fn slow_headers_are_closed() {
    let server = impatient();
    let mut silent = server.client().await;
    let mut partial = server.client().await;
    partial.send(b"POST / HTTP/1.1\r\nHost: t\r\n").await;
    let mut after_one = server.client().await;
    assert_eq!(after_one.ask(GOOD).await.status, 200);
    after_one.send(b"POST / HT").await;
    // A byte now and then must not help.
    let mut trickle = server.client().await;
    let (mut reader, mut writer) = trickle.socket.split();
    let mut end = [0; 1];
    within(async {
        loop {
            tokio::select! {
                read = reader.read(&mut end) => break assert!(!matches!(read, Ok(1..))),
                () = tokio::time::sleep(SOON / 10) => {
                    let _ = writer.write_all(b"x").await;
                }
            }
        }
    })
    .await;
    for client in [&mut silent, &mut partial, &mut after_one] {
        assert!(client.closed().await.is_empty());
    }
    assert_eq!(server.metric("attestamp_connections_dropped_total{reason=\"head\"}"), "4");
    server.assert_serves().await;
}

#[tokio::test]
async fn slow_bodies_are_408_and_closed() {
    let server = impatient();
    let framed = format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}");
    for request in [
        format!("{framed}Content-Length: 100\r\n\r\n"),
        format!("{framed}Content-Length: 100\r\n\r\ngood"),
        format!("{framed}Transfer-Encoding: chunked\r\n\r\n4\r\ngo"),
    ] {
        let mut client = server.client().await;
        let answer = client.ask(request.as_bytes()).await;
        answer.assert_problem(408, "body-too-slow");
        assert_eq!(answer.field("connection"), Some("close"));
        assert!(client.closed().await.is_empty());
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn a_stalled_expectation_is_408() {
    let server = impatient();
    let mut client = server.client().await;
    let head =
        format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.ask(head.as_bytes()).await.status, 100);
    client.answer(true).await.assert_problem(408, "body-too-slow");
    assert!(client.closed().await.is_empty());
    server.assert_serves().await;
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_never_stamped() {
    let server = impatient();
    let mut client = server.client().await;
    client
        .send(format!("POST / HTTP/1.1\r\nHost: t\r\n{QUERY}Content-Length: 100\r\n\r\ngood").as_bytes())
        .await;
    client.socket.shutdown().await.unwrap();
    let answered = String::from_utf8(client.closed().await).unwrap();
    assert!(!answered.contains(" 200 "), "{answered}");
    assert!(server.double.seen.lock().unwrap().is_empty());
    server.assert_serves().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    let server = impatient();
    let mut client = server.client().await;
    let request = post("/", QUERY, "large");
    let flood = request.repeat(50);
    // Pipelines until the server takes no more, and never reads.
    within(async { while client.socket.write_all(&flood).await.is_ok() {} }).await;
    server.until_connections(0).await;
    assert_eq!(server.metric("attestamp_connections_dropped_total{reason=\"write\"}"), "1");
    server.assert_serves().await;
}

#[tokio::test]
async fn clients_that_leave_leave_nothing_behind() {
    let server = Harness::start();
    for _ in 0..50 {
        let mut client = server.client().await;
        client.send(&post("/", QUERY, "hold")).await;
        within(server.double.held.acquire()).await.unwrap().forget();
        client.socket.set_zero_linger().unwrap();
    }
    // The signatures are made all the same, and their answers dropped.
    server.double.release.add_permits(50);
    server.until_connections(0).await;
    server.assert_serves().await;
}

#[tokio::test]
async fn a_request_without_end_ends_with_its_connection() {
    let server = Setup::limits(|limits| limits.request = SOON).start();
    let mut client = server.client().await;
    client.send(&post("/", QUERY, "hold")).await;
    assert!(client.closed().await.is_empty());
    assert_eq!(server.metric("attestamp_connections_dropped_total{reason=\"request\"}"), "1");
    assert_eq!(server.double.abandoned.load(std::sync::atomic::Ordering::SeqCst), 1);
    server.assert_serves().await;
}

#[tokio::test]
async fn ten_thousand_bad_requests_on_one_connection_change_nothing() {
    let server = Harness::start();
    let mut client = server.client().await;
    let bad = post("/", "Content-Type: text/plain\r\n", "");
    for _ in 0..100 {
        client.send(&bad.repeat(100)).await;
        for _ in 0..100 {
            assert_eq!(client.answer(true).await.status, 415);
        }
    }
    assert_eq!(client.ask(GOOD).await.body, GRANTED);
}
