//! What is served under `/ledger/`: paths, methods, types, caching, and every refusal.

use crate::harness::Harness;

#[tokio::test]
async fn files_have_their_types_and_may_be_kept_as_long_as_they_are_true() {
    let server = Harness::start();
    let text = "text/plain; charset=utf-8";
    let octets = "application/octet-stream";
    let for_ever = "public, max-age=31536000, immutable";
    for (path, kind, kept, content) in [
        ("checkpoint", text, "max-age=2", "Checkpoint"),
        ("keys", text, "max-age=300", "Keys"),
        ("tile/0/000", octets, for_ever, "Tile(Hashes { level: 0, index: 0, width: 256 })"),
        ("tile/1/000.p/7", octets, for_ever, "Tile(Hashes { level: 1, index: 0, width: 7 })"),
        ("tile/entries/000.p/255", octets, for_ever, "Tile(Entries { index: 0, width: 255 })"),
        ("proof/0x09", text, "max-age=300", "Proof([9])"),
        ("proof/9", text, "max-age=300", "Proof([9])"),
    ] {
        let answer = server.get(&format!("/ledger/{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.field("content-type"), Some(kind), "{path}");
        assert_eq!(answer.field("cache-control"), Some(kept), "{path}");
        assert_eq!(answer.text(), content, "{path}");
    }
}

#[tokio::test]
async fn each_refusal_is_a_problem_of_its_own() {
    let server = Harness::start();
    server.get("/ledger/proof/0x01").await.assert_problem(404, "not-in-ledger");
    server.get("/ledger/tile/0/001").await.assert_problem(404, "not-in-ledger");
    let awaited = server.get("/ledger/proof/0x02").await;
    awaited.assert_problem(503, "checkpoint-awaited");
    assert_eq!(awaited.field("retry-after"), Some("11"));
    server.get("/ledger/proof/0x03").await.assert_problem(503, "ledger-unreadable");
    server.get("/ledger/proof/0x04").await.assert_problem(404, "no-ledger");
    for wrong in ["0x", "zz", "-1", "0x1%30", &"f".repeat(41)] {
        server.get(&format!("/ledger/proof/{wrong}")).await.assert_problem(400, "wrong-serial");
    }
    for nothing in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/64/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "proof/",
        "proof/1/2",
    ] {
        server.get(&format!("/ledger/{nothing}")).await.assert_problem(404, "not-found");
    }
    let long = format!("/ledger/proof/{}", "1".repeat(300));
    server.get(&long).await.assert_problem(404, "not-found");
    server.assert_serves().await;
}

#[tokio::test]
async fn it_is_read_only_and_head_works() {
    let server = Harness::start();
    let head = server.ask(b"HEAD /ledger/checkpoint HTTP/1.1\r\nHost: t\r\n\r\n").await;
    assert_eq!((head.status, head.field("content-length")), (200, Some("10")));
    assert!(head.body.is_empty());
    for path in ["checkpoint", "keys", "tile/0/000", "proof/1"] {
        for method in ["POST", "PUT", "DELETE"] {
            let request = format!("{method} /ledger/{path} HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n");
            let answer = server.ask(request.as_bytes()).await;
            answer.assert_problem(405, "method-not-allowed");
            assert_eq!(answer.field("allow"), Some("GET, HEAD"));
        }
    }
}

#[tokio::test]
async fn all_paths_of_the_ledger_count_under_one_label() {
    let server = Harness::start();
    for path in ["checkpoint", "keys", "tile/0/000", "proof/9"] {
        assert_eq!(server.get(&format!("/ledger/{path}")).await.status, 200);
    }
    assert_eq!(server.metric("attestamp_requests_total{route=\"ledger\",status=\"200\"}"), "4");
}

#[tokio::test]
async fn the_page_leads_to_it() {
    let page = Harness::start().get("/").await;
    assert!(page.text().contains("href=\"ledger/checkpoint\""), "{}", page.text());
    assert!(page.text().contains("attestamp ledger prove FILE.tsr --url http://t"), "{}", page.text());
}
