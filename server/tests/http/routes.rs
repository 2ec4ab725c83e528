//! What else is served, and what is not.

use super::harness::{Harness, Setup};

const SHOWN: [&str; 8] = [
    "/",
    "/tsa",
    "/tsa/rsa/certificate.pem",
    "/tsa/rsa/chain.pem",
    "/pki/root.pem",
    "/healthz",
    "/readyz",
    "/page.css",
];

#[tokio::test]
async fn files_and_lists_are_served() {
    let server = Harness::start();
    assert_eq!(server.get("/tsa/rsa/certificate.pem").await.text(), "certificate");
    assert_eq!(server.get("/tsa/rsa/chain.pem").await.text(), "chain");
    let root = server.get("/pki/root.pem").await;
    assert_eq!((root.text(), root.field("content-type")), ("root", Some("application/x-pem-file")));
    assert_eq!(server.get("/tsa").await.json()["tsus"][0]["name"], "rsa");
    assert_eq!(server.get("/healthz").await.json()["alive"], true);
    server.get("/tsa/none/chain.pem").await.assert_problem(404, "unknown-tsu");
    server.get("/pki/none.pem").await.assert_problem(404, "not-found");
}

#[tokio::test]
async fn head_has_the_header_of_get_and_no_body() {
    let server = Harness::start();
    for path in SHOWN {
        let get = server.get(path).await;
        let mut client = server.client().await;
        let head = client
            .ask(format!("HEAD {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        assert_eq!(
            (head.status, head.field("content-length")),
            (get.status, get.field("content-length")),
            "{path}"
        );
        assert_eq!(head.field("content-type"), get.field("content-type"));
        assert!(client.closed().await.is_empty(), "{path} had a body");
    }
}

#[tokio::test]
async fn other_methods_are_405_with_those_allowed() {
    let server = Harness::start();
    for (method, path, allow) in [
        ("GET", "/tsa/rsa", "POST"),
        ("HEAD", "/tsa/rsa", "POST"),
        ("DELETE", "/", "GET, HEAD, POST"),
        ("OPTIONS", "/tsa", "GET, HEAD, POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("TRACE", "/pki/root.pem", "GET, HEAD"),
        ("BREW", "/metrics", "GET, HEAD"),
    ] {
        let answer = server.ask(format!("{method} {path} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes()).await;
        assert_eq!((answer.status, answer.field("allow")), (405, Some(allow)), "{method} {path}");
    }
}

#[tokio::test]
async fn readiness_is_200_or_503_with_the_reasons() {
    let answer = Harness::start().get("/readyz").await;
    assert_eq!((answer.status, answer.json()["ready"].as_bool()), (200, Some(true)));
    let server = Setup { ready: false, ..Setup::default() }.start();
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"][0]["code"], "clock");
}

#[tokio::test]
async fn metrics_count_what_was_asked() {
    let server = Harness::start();
    server.assert_serves().await;
    let answer = server.get("/metrics").await;
    assert_eq!(answer.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.text().contains("attestamp_requests_total{route=\"stamp\",status=\"200\"} 1\n"));
}

#[tokio::test]
async fn random_methods_and_paths_make_no_metric_series() {
    let server = Harness::start();
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    let before = series(&server.metrics.render());
    let mut client = server.client().await;
    for number in 0..500 {
        let request = format!(
            "M{number} /p{number}/{number}?q={number} HTTP/1.1\r\nHost: h{number}\r\nX-{number}: 1\r\n\r\n"
        );
        assert_eq!(client.ask(request.as_bytes()).await.status, 404);
        let request = format!("GET /tsa/t{number}/chain.pem HTTP/1.1\r\nHost: t\r\n\r\n");
        assert_eq!(client.ask(request.as_bytes()).await.status, 404);
    }
    assert_eq!(series(&server.metrics.render()), before);
    assert_eq!(server.metric("attestamp_requests_total{route=\"other\",status=\"404\"}"), "500");
    server.assert_serves().await;
}
