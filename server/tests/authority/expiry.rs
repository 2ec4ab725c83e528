//! EN 319 421 7.7.1-09: after the end of the private key's usage period not one call of the HSM is made.

use std::time::Duration;

use attestamp::clock::rfc3339;
use attestamp::issue::Outcome;
use attestamp_tsa::PkiFailureInfo;

use crate::harness::{Fixture, query, rejection};
use crate::signers::{Signer, inline};
use crate::web::Web;

const DAY: Duration = Duration::from_secs(86_400);

fn left(fixture: &Fixture) -> Duration {
    let running = fixture.authority.running();
    let end = running.select(Some("default"), None).unwrap().key_not_after();
    Duration::from_secs(end.as_secs() - fixture.clock.unverified_time().as_secs())
}

#[tokio::test]
async fn en_319_421_7_7_1_09_after_the_key_s_end_the_signer_is_not_called() {
    let fixture = Fixture::new();
    let (signer, _) = Signer::of(&fixture, "default", inline());
    let web = Web::before(&fixture);
    // The key's end comes long before the certificate's (7.6.7-02).
    let certificate = fixture.granted(None).await.certificate;
    assert!(left(&fixture) > 700 * DAY);
    assert!(certificate.not_after().as_secs() > (fixture.time.realtime() + 3_000 * DAY).as_secs());

    fixture.pass(left(&fixture));
    fixture.granted(None).await;
    assert_eq!(fixture.reasons(), [""; 0]);
    let calls = signer.calls();
    fixture.pass(Duration::from_secs(1));
    for tsu in [None, Some("default")] {
        let refused = rejection(fixture.stamp(tsu, query().to_der()).await);
        assert_eq!(refused, (PkiFailureInfo::SystemFailure, Outcome::SystemFailure));
    }
    assert_eq!(web.post("/", &query().to_der()).await.status, 200);
    let ready = web.get("/readyz").await;
    assert_eq!(ready.status, 503);
    let reason = &ready.json()["reasons"][0];
    assert_eq!((reason["code"].as_str(), reason["tsu"].as_str()), (Some("key-expired"), Some("default")));
    assert!(!fixture.authority.tsus()[0].ready);
    // A reload tests nothing with a key that is over.
    fixture.reload().unwrap();
    assert_eq!(fixture.reasons(), ["key-expired"]);
    assert_eq!(signer.calls(), calls);
}

#[tokio::test]
async fn en_319_421_7_6_7_07_the_end_is_warned_of_ninety_days_before() {
    let fixture = Fixture::new();
    let end = fixture.authority.running().select(None, None).unwrap().key_not_after();
    fixture.pass(left(&fixture) - 90 * DAY - Duration::from_secs(1));
    assert!(!fixture.warnings().contains(&"expires-soon"));
    fixture.pass(Duration::from_secs(1));
    let readiness = fixture.authority.readiness();
    let note = readiness.warnings.iter().find(|note| note.code == "expires-soon").unwrap();
    assert!(note.detail.contains(&rfc3339(end)) && note.detail.contains("90 days"), "{note:?}");
    assert!(readiness.ready);
    fixture.granted(None).await;
}

#[tokio::test]
async fn a_key_that_is_over_is_replaced_by_a_new_certificate_and_a_reload() {
    let fixture = Fixture::new();
    fixture.renew_certificate();
    fixture.reload().unwrap();
    assert!(left(&fixture) <= 100 * DAY);
    fixture.pass(left(&fixture) + DAY);
    assert_eq!(fixture.refused().await, PkiFailureInfo::SystemFailure);
    // The program's own commands go by the system's clock, for which nothing has ended.
    fixture.place.run(&["check", "--quiet"]).succeeded();
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_issues_nothing_and_is_named() {
    let fixture = Fixture::new();
    let early = fixture.time.realtime() - 2 * DAY;
    let place = fixture.place.copy();
    let time = attestamp::clock::fake::DangerousFakeTime::synchronised_at(early.as_secs());
    let authority = place.start_at(std::sync::Arc::new(time)).unwrap();
    let codes: Vec<_> = authority.readiness().reasons.iter().map(|note| note.code).collect();
    assert_eq!(codes, ["not-yet-valid"]);
}
