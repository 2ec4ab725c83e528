//! Loads against server doubles: what is counted, and what is caught.

use super::*;
use crate::client::test_server::{GrantedReply, Nobody, TestServer, busy, granted, rejection, reply};
use crate::client::tls;
use attestamp_certs::HashAlgorithm;
use attestamp_tsa::PkiFailureInfo;
use std::sync::Mutex;

/// Within the second of the doubles' tokens, 2026-01-02T03:04:05Z.
const CLOCK: Clock = || Duration::new(1_767_323_045, 400_000_000);

fn options(server: &TestServer, requests: u64) -> LoadOptions {
    let tls = Arc::new(tls::client_config(None).unwrap());
    LoadOptions {
        target: Target { address: server.address.clone(), http2: false, tls },
        connections: 4,
        until: Until::Requests(requests),
        rate: None,
        warm_up_requests: 10,
        template: RequestTemplate::new(HashAlgorithm::Sha256, false).unwrap(),
        check_serials: Some(CLOCK),
    }
}

async fn load(options: &LoadOptions) -> LoadResult {
    let progress = Arc::new(Progress::default());
    let (mut began, mut ended) = (false, false);
    let result = run(options, &progress, || began = true, || ended = true).await.unwrap();
    assert!(began && ended && progress.is_measuring());
    assert_eq!(progress.answered(), result.tally.granted + result.tally.failures());
    result
}

/// Answers every request, each with another serial number.
async fn numbering_server() -> TestServer {
    TestServer::start(|number, request| {
        let serial = u32::try_from(number).unwrap().to_be_bytes();
        reply(granted(&GrantedReply { serial: &serial, ..GrantedReply::to(request) }))
    })
    .await
}

#[tokio::test]
async fn every_request_is_counted_and_the_warm_up_is_not() {
    for http2 in [false, true] {
        let server = numbering_server().await;
        let mut options = options(&server, 200);
        options.target.http2 = http2;
        let result = load(&options).await;
        assert_eq!((result.tally.granted, result.tally.failures()), (200, 0));
        assert_eq!(server.hits(), 210);
        let serials = result.tally.serials.as_ref().unwrap();
        assert_eq!((serials.distinct(), serials.repeated, serials.outside_wait), (200, 0, 0));
        assert!(result.tally.latency_at(0.5) <= result.tally.latency_at(1.0));
        assert!(result.tally.latency_at(0.5) > Duration::ZERO);
    }
}

#[tokio::test]
async fn every_request_has_its_own_imprint_and_nonce() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let server = TestServer::start({
        let seen = Arc::clone(&seen);
        move |_, request| {
            let fields = GrantedReply::to(request);
            seen.lock().unwrap().push((fields.imprint.to_vec(), fields.nonce.unwrap().to_vec()));
            reply(granted(&fields))
        }
    })
    .await;
    load(&LoadOptions { warm_up_requests: 0, ..options(&server, 100) }).await;
    let requests = seen.lock().unwrap().clone();
    let imprints: std::collections::HashSet<_> = requests.iter().map(|(imprint, _)| imprint).collect();
    let nonces: std::collections::HashSet<_> = requests.iter().map(|(_, nonce)| nonce).collect();
    assert_eq!((imprints.len(), nonces.len()), (100, 100));
}

#[tokio::test]
async fn what_is_no_token_is_counted_by_kind() {
    let server = TestServer::start(|number, request| match number % 4 {
        0 => reply(granted(&GrantedReply::to(request))),
        1 => reply(rejection(PkiFailureInfo::TimeNotAvailable, "no time")),
        2 => busy("1"),
        _ => reply(granted(&GrantedReply { imprint: &[0; 32], ..GrantedReply::to(request) })),
    })
    .await;
    let tally = load(&LoadOptions { warm_up_requests: 0, ..options(&server, 100) }).await.tally;
    assert_eq!(tally.granted, 25);
    let expected = [
        (Fate::Rejected(Some(PkiFailureInfo::TimeNotAvailable)), 25),
        (Fate::HttpStatus(503), 25),
        (Fate::ForAnotherRequest, 25),
    ];
    assert_eq!(tally.failed, expected.into_iter().collect());
    assert_eq!(tally.for_another_request(), 25);
}

#[tokio::test]
async fn a_repeated_serial_number_is_caught_on_any_connection() {
    let server = TestServer::start(|_, request| reply(granted(&GrantedReply::to(request)))).await;
    let tally = load(&options(&server, 20)).await.tally;
    let serials = tally.serials.unwrap();
    assert_eq!((serials.distinct(), serials.repeated), (1, 19));
}

#[tokio::test]
async fn a_time_outside_the_wait_is_caught() {
    let before: Clock = || Duration::new(1_767_323_044, 999_999_999);
    let after: Clock = || Duration::new(1_767_323_046, 0);
    for clock in [before, after] {
        let server = numbering_server().await;
        let options = LoadOptions { check_serials: Some(clock), ..options(&server, 20) };
        assert_eq!(load(&options).await.tally.serials.unwrap().outside_wait, 20);
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_said_at_the_start() {
    let server = numbering_server().await;
    let mut options = options(&server, 1);
    let nobody = Nobody::new();
    options.target.address = nobody.address.clone();
    let result = run(&options, &Arc::default(), || (), || ()).await;
    assert!(matches!(result, Err(ConnectionError::Connect(_))), "{result:?}");
}

#[test]
fn requests_are_due_at_a_rate_whatever_became_of_those_before() {
    let server = "http://127.0.0.1:1/".parse().expect("an address");
    let tls = Arc::new(tls::client_config(None).expect("TLS"));
    let options = LoadOptions {
        target: Target { address: server, http2: false, tls },
        connections: 1,
        until: Until::Requests(1),
        rate: Some(250.0),
        warm_up_requests: 0,
        template: RequestTemplate::new(HashAlgorithm::Sha256, false).expect("a template"),
        check_serials: None,
    };
    let started = Instant::now();
    assert_eq!(options.due(started, 0), Some(started));
    assert_eq!(options.due(started, 1), Some(started + Duration::from_millis(4)));
    assert_eq!(options.due(started, 1000), Some(started + Duration::from_secs(4)));
    assert_eq!(LoadOptions { rate: None, ..options }.due(started, 1), None);
}
