//! The page for browsers, over the wire.

use super::harness::{Harness, Setup};

#[tokio::test]
async fn a_browser_gets_a_page_that_runs_nothing() {
    let server = Harness::start();
    let answer = server
        .ask(b"GET / HTTP/1.1\r\nHost: tsa.example.org:8080\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\r\n")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.field("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("script") && !policy.contains("unsafe")
    );
    assert!(!answer.text().contains("<script"));
    assert!(answer.text().contains("http://tsa.example.org:8080/tsa</code></pre>"));
    assert!(answer.text().contains("The time is not assured."));
    assert_eq!(server.get("/page.css").await.field("content-type"), Some("text/css; charset=utf-8"));
}

#[tokio::test]
async fn a_host_that_is_no_host_is_not_repeated() {
    let server = Harness::start();
    for host in ["\"><script>alert(1)</script>", "a$(id)", "a'b", "user@host", "a/../b"] {
        let answer = server.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
        assert_eq!(answer.status, 200, "{host}");
        assert!(!answer.text().contains(host), "{host}");
        assert!(!answer.header.contains(host), "{host}");
        assert!(answer.text().contains(&format!("http://{}/tsa</code></pre>", server.address)), "{host}");
    }
}

#[tokio::test]
async fn the_configured_address_wins_over_the_host() {
    let public_url = Some("https://time.example.org/stamp".parse().unwrap());
    let server = Setup { public_url, ..Setup::default() }.start();
    assert!(server.get("/").await.text().contains("https://time.example.org/stamp/tsa</code></pre>"));
}

#[tokio::test]
async fn a_program_gets_json() {
    let server = Harness::start();
    let answer = server.ask(b"GET / HTTP/1.1\r\nHost: t\r\nAccept: application/json\r\n\r\n").await;
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let document = answer.json();
    assert_eq!(document["timeAssured"], false);
    assert_eq!(document["tsus"][0]["algorithm"], "rsa-3072");
    // A pipeline finds there which TSU is post-quantum, and what to verify its tokens with.
    assert_eq!(server.get("/tsa").await.json()["tsus"][0]["postQuantum"], false);
    let tsu = &document["tsus"][0];
    assert_eq!(tsu["postQuantum"], false);
    assert_eq!(tsu["url"], "http://t/tsa/rsa");
    // The double's files are no certificates, so no root is found in them; the chain then serves.
    assert_eq!((&tsu["chainUrl"], &tsu["rootUrl"]), (&tsu["rootUrl"], &"http://t/tsa/rsa/chain.pem".into()));
}
