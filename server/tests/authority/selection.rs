//! Which TSU answers: by path, else by the policy that the request names, else the default. A1.5: never another policy.

use attestamp::issue::{Outcome, StampOutcome};
use attestamp_tsa::PkiFailureInfo;

use crate::harness::{Fixture, granted, query, rejection};
use crate::place::Place;
use crate::web::Web;

const OF_DEFAULT: &str = "2.999.3161.1";
const OF_SECOND: &str = "2.999.3161.2";

fn asking(policy: &str) -> Vec<u8> {
    query().with_policy(policy.parse().unwrap()).to_der()
}

#[tokio::test]
async fn the_path_names_the_tsu_and_without_it_the_default_answers() {
    let fixture = Fixture::on(Place::new(&["default", "second"]));
    let policy = async |tsu| fixture.granted(tsu).await.policy.to_string();
    assert_eq!(policy(None).await, OF_DEFAULT);
    assert_eq!(policy(Some("default")).await, OF_DEFAULT);
    assert_eq!(policy(Some("second")).await, OF_SECOND);
    let keys = [fixture.granted(None).await, fixture.granted(Some("second")).await];
    assert_ne!(keys[0].certificate.spki_der(), keys[1].certificate.spki_der());
}

#[tokio::test]
async fn a_policy_is_answered_by_the_tsu_that_offers_it() {
    let fixture = Fixture::on(Place::new(&["default", "second"]));
    for policy in [OF_DEFAULT, OF_SECOND] {
        let token = fixture.verified(&granted(fixture.stamp(None, asking(policy)).await));
        assert_eq!(token.policy.to_string(), policy);
    }
}

#[tokio::test]
async fn a1_5_a_policy_that_nobody_offers_is_unaccepted_policy_from_the_default_tsu() {
    let fixture = Fixture::on(Place::new(&["default", "second"]));
    let refusal = (PkiFailureInfo::UnacceptedPolicy, Outcome::Refused);
    assert_eq!(rejection(fixture.stamp(None, asking("2.999.3161.3")).await), refusal);
    // The path is not overruled, though another TSU would grant it.
    assert_eq!(rejection(fixture.stamp(Some("default"), asking(OF_SECOND)).await), refusal);
    assert_eq!(rejection(fixture.stamp(Some("second"), asking(OF_DEFAULT)).await), refusal);
    let text = fixture.metrics.render();
    for (tsu, count) in [("default", 2), ("second", 1)] {
        let line = format!("attestamp_stamps_total{{tsu=\"{tsu}\",outcome=\"refused\"}} {count}\n");
        assert!(text.contains(&line), "{text}");
    }
}

#[tokio::test]
async fn a_name_that_no_tsu_has_is_404() {
    let fixture = Fixture::new();
    let web = Web::before(&fixture);
    for name in ["second", "DEFAULT", "default.pem", ""] {
        let outcome = fixture.stamp(Some(name), query().to_der()).await;
        assert!(matches!(outcome, StampOutcome::UnknownTsu), "{name}: {outcome:?}");
    }
    assert_eq!(web.post("/tsa/second", &query().to_der()).await.status, 404);
    assert_eq!(web.post("/tsa/default", &query().to_der()).await.status, 200);
}
