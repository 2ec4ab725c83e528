//! A1.10 and A1.11: what cannot be read is badDataFormat, counted as malformed, and the signer is not asked.

use attestamp::issue::{Outcome, StampOutcome};
use attestamp_tsa::PkiFailureInfo;

use crate::harness::{Fixture, granted, query, rejection};
use crate::signers::{Signer, inline};
use crate::web::Web;

#[tokio::test]
async fn a1_10_an_empty_or_mangled_body_is_bad_data_format() {
    let fixture = Fixture::new();
    let (signer, _) = Signer::of(&fixture, "default", inline());
    let good = query().to_der();
    let mut bodies = vec![Vec::new(), b"hello".to_vec(), vec![0x30, 0x80, 0, 0], [&*good, &[0]].concat()];
    // Every prefix of a good request.
    bodies.extend((0..good.len()).map(|length| good[..length].to_vec()));
    for body in bodies {
        let refused = rejection(fixture.stamp(None, body.clone()).await);
        assert_eq!(refused, (PkiFailureInfo::BadDataFormat, Outcome::Malformed), "{body:02x?}");
    }
    assert_eq!(signer.calls(), 0);
    // The name of a TSU that is not there comes first: nobody could refuse.
    assert!(matches!(fixture.stamp(Some("none"), Vec::new()).await, StampOutcome::UnknownTsu));
    fixture.verified(&granted(fixture.stamp(None, good).await));
}

#[tokio::test]
async fn a1_10_over_http_it_is_200_with_a_reply() {
    let fixture = Fixture::new();
    let web = Web::before(&fixture);
    for body in [&b""[..], b"0"] {
        let answer = web.post("/", body).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header.contains("content-type: application/timestamp-reply"));
        let reply = attestamp_tsa::TimeStampResp::decode(&answer.body).unwrap();
        assert_eq!(reply.failure_info, Some(PkiFailureInfo::BadDataFormat));
    }
}

#[tokio::test]
async fn a1_15_a1_16_certificates_come_where_they_are_asked_for_and_the_root_never_does() {
    let fixture = Fixture::new();
    let with = granted(fixture.stamp(None, query().to_der()).await);
    let without = granted(fixture.stamp(None, query().with_cert_req(false).to_der()).await);
    let running = fixture.authority.running();
    let chain = running.select(None, None).unwrap().chain().to_vec();
    let holds = |reply: &[u8], der: &[u8]| reply.windows(der.len()).any(|window| window == der);
    assert_eq!(chain.iter().map(|der| holds(&with, der)).collect::<Vec<_>>(), [true, true, false]);
    assert!(!chain.iter().any(|der| holds(&without, der)));
}
