//! What a timestamp client meets: RFC 3161 §3.4 and the transport failures around it.

use super::harness::{GOOD, GRANTED, Harness, QUERY, Setup, post, within};
use attestamp::http::AddressRate;

#[tokio::test]
async fn a_stamp_has_exactly_the_type_that_tsget_compares() {
    let server = Harness::start();
    for path in ["/", "/tsa", "/tsa/rsa", "http://t/tsa"] {
        let answer = server.ask(&post(path, QUERY, "good")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.field("content-type"), Some("application/timestamp-reply"));
        assert_eq!(answer.field("content-length"), Some("7"));
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field("content-encoding"), None);
        assert_eq!(answer.body, GRANTED);
    }
    let names: Vec<_> = server.double.seen.lock().unwrap().iter().map(|(tsu, _)| tsu.clone()).collect();
    assert_eq!(names, [None, None, Some("rsa".to_owned()), None]);
}

#[tokio::test]
async fn one_connection_serves_many_requests_also_pipelined() {
    let server = Harness::start();
    let mut client = server.client().await;
    for _ in 0..3 {
        assert_eq!(client.ask(GOOD).await.body, GRANTED);
    }
    client.send(&[GOOD, GOOD, GOOD].concat()).await;
    for _ in 0..3 {
        assert_eq!(client.answer(true).await.body, GRANTED);
    }
}

#[tokio::test]
async fn http_1_0_is_accepted() {
    let server = Harness::start();
    let mut client = server.client().await;
    let request = String::from_utf8(GOOD.to_vec()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(client.ask(request.as_bytes()).await.body, GRANTED);
    assert!(client.closed().await.is_empty());
}

#[tokio::test]
async fn a_client_that_has_said_all_gets_its_answer() {
    use tokio::io::AsyncWriteExt;
    let server = Harness::start();
    let mut client = server.client().await;
    client.send(&post("/", QUERY, "hold")).await;
    client.socket.shutdown().await.unwrap();
    within(server.double.held.acquire()).await.unwrap().forget();
    // The end has been read by the time that the next request is answered.
    server.assert_serves().await;
    server.double.release.add_permits(1);
    assert_eq!(client.answer(true).await.body, GRANTED);
    assert!(client.closed().await.is_empty());
}

#[tokio::test]
async fn media_types_are_parsed() {
    let server = Harness::start();
    for accepted in ["Application/Timestamp-Query", "application/timestamp-query; charset=binary"] {
        let answer = server.ask(&post("/", &format!("Content-Type: {accepted}\r\n"), "good")).await;
        assert_eq!(answer.status, 200, "{accepted}");
    }
    for lines in [
        String::new(),
        format!("{QUERY}{QUERY}"),
        "Content-Type: multipart/form-data; boundary=application/timestamp-query\r\n".to_owned(),
        "Content-Type: application/timestamp-reply\r\n".to_owned(),
        "Content-Type: \r\n".to_owned(),
    ] {
        let answer = server.ask(&post("/", &lines, "good")).await;
        answer.assert_problem(415, "wrong-media-type");
        assert_eq!(answer.field("accept-post"), Some("application/timestamp-query"));
    }
    server.assert_serves().await;
}

#[tokio::test]
async fn compressed_bodies_are_refused() {
    let server = Harness::start();
    for coding in ["gzip", "identity, br", "zstd"] {
        let answer = server.ask(&post("/", &format!("{QUERY}Content-Encoding: {coding}\r\n"), "good")).await;
        answer.assert_problem(415, "encoded-body");
        assert_eq!(answer.field("accept-encoding"), Some("identity"));
    }
    let answer = server.ask(&post("/", &format!("{QUERY}Content-Encoding: identity\r\n"), "good")).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_empty_body_is_the_protocol_s_to_refuse() {
    // A1.10: badDataFormat in a TimeStampResp, which is status 200.
    let server = Harness::start();
    assert_eq!(server.ask(&post("/", QUERY, "")).await.status, 200);
    assert!(server.double.seen.lock().unwrap()[0].1.is_empty());
}

#[tokio::test]
async fn a_body_of_just_the_limit_passes_and_one_byte_more_does_not() {
    let server = Setup::limits(|limits| limits.body_bytes = 100).start();
    assert_eq!(server.ask(&post("/", QUERY, &"x".repeat(100))).await.status, 200);
    server.ask(&post("/", QUERY, &"x".repeat(101))).await.assert_problem(413, "body-too-large");
}

#[tokio::test]
async fn chunked_bodies_arrive_whole() {
    let server = Harness::start();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: t\r\n{QUERY}Transfer-Encoding: chunked\r\n\r\n\
         2\r\ngo\r\n1;ext=1\r\no\r\n1\r\nd\r\n0\r\nTrailer: x\r\n\r\n"
    );
    let mut client = server.client().await;
    assert_eq!(client.ask(request.as_bytes()).await.body, GRANTED);
    assert_eq!(server.double.seen.lock().unwrap()[0].1, "good");
    assert_eq!(client.ask(GOOD).await.body, GRANTED);
}

#[tokio::test]
async fn expect_is_answered_and_not_before_the_media_type_is_right() {
    let server = Harness::start();
    let head = |lines: &str| {
        format!("POST / HTTP/1.1\r\nHost: t\r\n{lines}Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut client = server.client().await;
    assert_eq!(client.ask(head(QUERY).as_bytes()).await.status, 100);
    assert_eq!(client.ask(b"good").await.body, GRANTED);

    let mut client = server.client().await;
    client.ask(head("Content-Type: text/plain\r\n").as_bytes()).await.assert_problem(415, "wrong-media-type");
}

#[tokio::test]
async fn a_full_queue_is_503_with_retry_after() {
    let server = Harness::start();
    let answer = server.ask(&post("/", QUERY, "busy")).await;
    answer.assert_problem(503, "busy");
    assert_eq!(answer.field("retry-after"), Some("7"));
}

#[tokio::test]
async fn an_unknown_tsu_is_404() {
    let server = Harness::start();
    server.ask(&post("/tsa/none", QUERY, "good")).await.assert_problem(404, "unknown-tsu");
}

#[tokio::test]
async fn past_its_rate_an_address_gets_429_and_probes_go_on() {
    let server = Setup::limits(|limits| {
        limits.address_rate = Some(AddressRate { requests_per_second: 1, burst: 2 });
    })
    .start();
    let mut client = server.client().await;
    let mut statuses = Vec::new();
    let limited = loop {
        let answer = client.ask(GOOD).await;
        if answer.status != 200 {
            break answer;
        }
        statuses.push(answer.status);
    };
    limited.assert_problem(429, "too-many-requests");
    let seconds: u32 = limited.field("retry-after").unwrap().parse().unwrap();
    assert!(seconds >= 1);
    assert!(statuses.len() >= 2);
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/metrics").await.status, 200);
}
