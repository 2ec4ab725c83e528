//! What a client below `/attestation/` is refused, and in which words. What it is given is tested with a real authority.

use super::harness::{Harness, Setup, post};

fn fresh(first_octet: u8) -> String {
    format!("/attestation/keys/rsa?nonce={first_octet:02x}{}", "00".repeat(15))
}

#[tokio::test]
async fn every_refusal_is_a_problem_document() {
    let server = Harness::start();
    for (first_octet, status, code) in [
        (0, 404, "no-attestation"),
        (1, 409, "not-attested-now"),
        (2, 403, "no-fresh-attestation"),
        (3, 429, "too-many-attestations"),
        (4, 503, "attestation-failed"),
    ] {
        let answer = server.get(&fresh(first_octet)).await;
        answer.assert_problem(status, code);
        assert_eq!(answer.field("retry-after"), (first_octet == 3).then_some("9"), "{code}");
    }
    server.get("/attestation/keys/other").await.assert_problem(404, "unknown-key");
    server.get("/attestation/keys/rsa").await.assert_problem(404, "no-attestation");
    server.get("/attestation/chain.pem").await.assert_problem(404, "no-attestation");
    server.get("/attestation/bundle.tar").await.assert_problem(404, "no-attestation");
    server.get("/attestation/").await.assert_problem(404, "not-found");
    server.ask(&post("/attestation/keys", "", "")).await.assert_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn one_address_cannot_spend_what_all_have_and_head_costs_nothing() {
    let server = Setup::limits(|limits| limits.attestations_per_minute = Some(2)).start();
    let head = format!("HEAD {} HTTP/1.1\r\nHost: t\r\n\r\n", fresh(0));
    let mut client = server.client().await;
    client.send(head.as_bytes()).await;
    assert_eq!(client.answer(false).await.status, 405);
    server.get(&fresh(4)).await.assert_problem(503, "attestation-failed");
    server.get(&fresh(4)).await.assert_problem(503, "attestation-failed");
    let limited = server.get(&fresh(4)).await;
    limited.assert_problem(429, "too-many-requests");
    assert!(limited.field("retry-after").is_some());
    // What comes from memory costs nothing.
    assert_eq!(server.get("/attestation/keys").await.status, 200);
}

#[tokio::test]
async fn a_parameter_that_is_not_known_or_not_possible_is_refused_on_every_path() {
    let server = Harness::start();
    for path in ["keys", "keys/rsa", "chain.pem", "bundle.tar"] {
        let useless = match path {
            "keys/rsa" => None,
            "bundle.tar" => Some("chain=pq"),
            _ => Some("nonce=00112233445566778899aabbccddeeff"),
        };
        let wrong = ["nonce=00", "nonce=xyz", "chain=other", "format=der", "chain=pq&chain=pq", "a"];
        for query in wrong.into_iter().chain(useless) {
            let answer = server.get(&format!("/attestation/{path}?{query}")).await;
            answer.assert_problem(400, "wrong-parameter");
            assert!(!answer.text().contains("xyz"), "the client's text comes back");
        }
    }
}

#[tokio::test]
async fn the_list_of_keys_is_json() {
    let server = Harness::start();
    let answer = server.get("/attestation/keys").await;
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/json")));
    let list = answer.json();
    assert_eq!(list["keys"], serde_json::json!([]), "a key without attestation is none");
    assert!(list["bundleUrl"].as_str().unwrap().ends_with("/attestation/bundle.tar"));
    assert_eq!(server.metric("attestamp_requests_total{route=\"attestation\",status=\"200\"}"), "1");
}
