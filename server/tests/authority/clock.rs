//! A1.8 and F1: no token without a fresh verdict on the clock, and the signer is not asked.

use std::time::Duration;

use attestamp::issue::Outcome;
use attestamp_tsa::PkiFailureInfo;
use jiff::SignedDuration;

use crate::harness::{Fixture, query, rejection};
use crate::signers::{Signer, inline};
use crate::web::Web;

#[tokio::test]
async fn a1_8_a_clock_that_jumped_is_time_not_available_and_no_call_of_the_signer() {
    let fixture = Fixture::new();
    let (signer, _) = Signer::of(&fixture, "default", inline());
    fixture.granted(None).await;
    let calls = signer.calls();
    assert!(calls > 0);

    fixture.time.step(SignedDuration::from_secs(90));
    // Before the next sample and after it.
    for _ in 0..2 {
        let refused = rejection(fixture.stamp(None, query().to_der()).await);
        assert_eq!(refused, (PkiFailureInfo::TimeNotAvailable, Outcome::TimeNotAvailable));
        fixture.clock.refresh();
    }
    assert_eq!(signer.calls(), calls);
    assert_eq!(fixture.authority.tsus().len(), 1);

    fixture.time.step(SignedDuration::from_secs(-90));
    fixture.pass(Duration::from_millis(500));
    fixture.pass(Duration::from_secs(120));
    fixture.granted(None).await;
    assert!(signer.calls() > calls);
}

#[tokio::test]
async fn f1_a_verdict_of_more_than_two_seconds_is_time_not_available() {
    let fixture = Fixture::new();
    let (signer, _) = Signer::of(&fixture, "default", inline());
    fixture.time.advance(Duration::from_millis(1_999));
    fixture.granted(None).await;
    let calls = signer.calls();
    fixture.time.advance(Duration::from_millis(2));
    assert_eq!(fixture.refused().await, PkiFailureInfo::TimeNotAvailable);
    assert_eq!(signer.calls(), calls);
    fixture.clock.refresh();
    fixture.granted(None).await;
}

#[tokio::test]
async fn f2_a_kernel_that_loses_its_synchronisation_is_time_not_available() {
    let place = crate::place::Place::new(&["default"]);
    place.edit("\nmode = \"system\"", "\nmode = \"kernel\"");
    let fixture = Fixture::on(place);
    assert!(fixture.authority.readiness().time_assured);
    fixture.granted(None).await;
    fixture.time.unsynchronise();
    fixture.clock.refresh();
    assert_eq!(fixture.refused().await, PkiFailureInfo::TimeNotAvailable);
    assert!(!fixture.authority.readiness().time_assured);
    fixture.time.set_kernel(Ok(attestamp::clock::fake::DangerousFakeTime::synchronised_reading()));
    fixture.clock.refresh();
    fixture.granted(None).await;
}

#[tokio::test]
async fn a1_8_readyz_says_what_a_request_would_meet() {
    let fixture = Fixture::new();
    let web = Web::before(&fixture);
    assert_eq!(web.get("/readyz").await.status, 200);
    fixture.time.advance(Duration::from_secs(3));
    let answer = web.get("/readyz").await;
    assert_eq!((answer.status, answer.json()["ready"].as_bool()), (503, Some(false)));
    assert_eq!(answer.json()["reasons"][0]["code"].as_str(), fixture.reasons().first().copied());
    assert!(answer.json()["reasons"][0]["code"].as_str().unwrap().contains("stale"), "{:?}", answer.json());
    // A refusal of the protocol is an answer like any other.
    let answer = web.post("/", &query().to_der()).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header.contains("content-type: application/timestamp-reply"));
    fixture.clock.refresh();
    assert_eq!(web.get("/readyz").await.status, 200);
}
