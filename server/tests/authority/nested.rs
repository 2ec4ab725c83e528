//! The option `nested-tsu`: a classical token that carries a post-quantum one over its signature, or no token at all.

use std::num::NonZeroUsize;
use std::time::Duration;

use attestamp::authority::AuthorityError;
use attestamp::issue::{Outcome, StampOutcome};
use attestamp::tsu::TsuError;
use attestamp_certs::TrustAnchors;
use attestamp_hsm::PoolConfig;
use attestamp_tsa::PkiFailureInfo;
use attestamp_tsa::verify::{
    Expectations, ExpectedImprint, ExpectedNonce, NestedToken, VerifiedToken, verify_token,
};

use crate::harness::{DATA, Fixture, granted, query, rejection};
use crate::place::Place;
use crate::signers::{Signer, ckr, inline};

const SET: (&str, &str) = ("# nested-tsu = \"pq\"", "nested-tsu = \"pq\"");

fn place() -> Place {
    let place = Place::new(&["default", "pq:ml-dsa-65"]);
    place.edit(SET.0, SET.1);
    place
}

/// Against these files of roots.
fn verified(fixture: &Fixture, reply: &[u8], roots: &[&str]) -> VerifiedToken {
    let pem: String = roots
        .iter()
        .map(|name| String::from_utf8(fixture.authority.pki_file(name).unwrap().body.to_vec()).unwrap())
        .collect();
    let expectations = Expectations {
        imprint: ExpectedImprint::Data(DATA),
        nonce: ExpectedNonce::Absent,
        policy: None,
        anchors: &TrustAnchors::from_pem(&pem).unwrap(),
        certificates: &[],
        crls: &[],
        at: None,
    };
    verify_token(reply, &expectations).unwrap()
}

#[tokio::test]
async fn a_token_carries_one_of_the_other_tsu_over_its_signature() {
    let fixture = Fixture::on(place());
    let reply = granted(fixture.stamp(Some("default"), query().with_cert_req(true).to_der()).await);
    let token = verified(&fixture, &reply, &["root.pem", "pq-root.pem"]);
    let [NestedToken::Holds(nested)] = token.nested.as_slice() else { panic!("{:?}", token.nested) };
    assert!(nested.is_post_quantum());
    assert_ne!(nested.policy, token.policy);
    assert_ne!(nested.serial, token.serial);
    token.require_post_quantum().unwrap();
    assert_eq!(token.post_quantum_time(), Some(nested.gen_time));
    // Whoever trusts the classical root alone has a classical token.
    let token = verified(&fixture, &reply, &["root.pem"]);
    assert!(matches!(token.nested.as_slice(), [NestedToken::NotJudged { .. }]));
    assert!(token.require_post_quantum().is_err());
    // The classical roots are classical, and the post-quantum TSU's own tokens carry nothing.
    let reply = granted(fixture.stamp(Some("pq"), query().with_cert_req(true).to_der()).await);
    let token = verified(&fixture, &reply, &["pq-root.pem"]);
    assert!(token.is_post_quantum() && token.nested.is_empty());
}

/// `openssl ts -query` asks for no certificates unless it is told to.
#[tokio::test]
async fn a_nested_token_has_its_certificates_also_where_the_token_has_none() {
    let fixture = Fixture::on(place());
    let reply = granted(fixture.stamp(Some("default"), query().to_der()).await);
    let chain = String::from_utf8(fixture.authority.chain_pem("default").unwrap().to_vec()).unwrap();
    let pem = |name| String::from_utf8(fixture.authority.pki_file(name).unwrap().body.to_vec()).unwrap();
    for (roots, is_post_quantum) in [(pem("root.pem"), false), (pem("root.pem") + &pem("pq-root.pem"), true)]
    {
        let expectations = Expectations {
            imprint: ExpectedImprint::Data(DATA),
            nonce: ExpectedNonce::Absent,
            policy: None,
            anchors: &TrustAnchors::from_pem(&roots).unwrap(),
            certificates: &attestamp_certs::pem::certificates_from_pem(&chain).unwrap(),
            crls: &[],
            at: None,
        };
        let token = verify_token(&reply, &expectations).unwrap();
        assert_eq!(token.require_post_quantum().is_ok(), is_post_quantum);
    }
}

#[tokio::test]
async fn without_the_nested_token_there_is_no_token() {
    let fixture = Fixture::on(place());
    let (signer, _pool) = Signer::of(&fixture, "pq", inline());
    signer.fails(ckr(0x20));
    let (info, outcome) = rejection(fixture.stamp(Some("default"), query().to_der()).await);
    assert_eq!((info, outcome), (PkiFailureInfo::SystemFailure, Outcome::SystemFailure));
}

/// The verdict on the clock that the outer token was begun with is too old for the nested one.
#[tokio::test]
async fn a_clock_that_is_no_longer_trusted_for_the_nested_token_is_told_as_such() {
    let fixture = Fixture::on(place());
    let (signer, _pool) = Signer::of(&fixture, "default", inline());
    signer.takes(&fixture, Duration::from_secs(3));
    let (info, outcome) = rejection(fixture.stamp(Some("default"), query().to_der()).await);
    assert_eq!((info, outcome), (PkiFailureInfo::TimeNotAvailable, Outcome::TimeNotAvailable));
}

/// The client may come again: nothing is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_nested_tsu_makes_the_answer_busy() {
    let fixture = std::sync::Arc::new(Fixture::on(place()));
    let (signer, _pool) = Signer::of(&fixture, "pq", PoolConfig { sessions: NonZeroUsize::MIN, ..inline() });
    let stall = signer.stalls();
    let first = tokio::spawn({
        let fixture = std::sync::Arc::clone(&fixture);
        async move { fixture.stamp(Some("default"), query().to_der()).await }
    });
    tokio::task::block_in_place(|| stall.begun());
    let second = fixture.stamp(Some("default"), query().to_der()).await;
    assert!(matches!(second, StampOutcome::Busy { .. }), "{second:?}");
    drop(stall);
    granted(first.await.unwrap());
}

#[tokio::test]
async fn a_nested_signature_that_takes_too_long_makes_the_token_late() {
    let fixture = Fixture::on(place());
    let (signer, _pool) = Signer::of(&fixture, "pq", inline());
    signer.takes(&fixture, Duration::from_secs(3));
    let (info, _) = rejection(fixture.stamp(Some("default"), query().to_der()).await);
    assert_eq!(info, PkiFailureInfo::SystemFailure);
}

fn refusal(place: &Place) -> TsuError {
    match place.start() {
        Err(AuthorityError::Tsu { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_nested_tsu_must_be_a_post_quantum_one_that_runs() {
    let place = Place::new(&["default", "pq"]);
    place.edit(SET.0, SET.1);
    let error = refusal(&place);
    assert!(matches!(error, TsuError::NestedClassical { .. }), "{error}");
    let place = self::place();
    std::fs::remove_file(place.layout().tsu_chain("pq")).unwrap();
    let error = refusal(&place);
    assert!(matches!(error, TsuError::NestedWaiting { .. }), "{error}");
}

#[test]
fn the_configuration_says_what_is_wrong_with_the_name() {
    let place = Place::new(&["default", "pq:ml-dsa-65"]);
    place.edit(SET.0, "nested-tsu = \"missing\"");
    place.run(&["check"]).refused(&["tsu.default.nested-tsu", "there is no [tsu.missing]"]);
    place.edit("nested-tsu = \"missing\"", "nested-tsu = \"default\"");
    place.run(&["check"]).refused(&["nested in itself"]);
    place.edit("nested-tsu = \"default\"", "nested-tsu = \"pq\"");
    place.run(&["check"]).succeeded();
    place.run(&["tsu", "retire", "pq"]).refused(&[
        "TSU `pq` is retired",
        "nested-tsu",
        "nothing was changed",
    ]);
    place.run(&["check"]).succeeded();
    place.edit("[tsu.pq]\n", "[tsu.pq]\nnested-tsu = \"default\"\n");
    place.run(&["check"]).refused(&["has a nested-tsu itself"]);
}

/// A classical CA certifies the post-quantum key: its tokens would prove no more than those that carry them.
#[test]
fn a_classical_chain_is_not_imported_for_a_tsu_that_others_carry() {
    let place = place();
    let pq = place.layout().tsu_chain("pq");
    let before = std::fs::read_to_string(&pq).unwrap();
    place.renew_certificate("pq", attestamp::clock::system_time());
    let classical = place.root().join("classical.pem");
    std::fs::rename(&pq, &classical).unwrap();
    std::fs::write(&pq, &before).unwrap();
    place.run(&["tsu", "import", "pq", classical.to_str().unwrap()]).refused(&[
        "TSU `default`",
        "nested-tsu",
        "nothing was changed",
    ]);
    assert_eq!(std::fs::read_to_string(&pq).unwrap(), before);
    place.edit("nested-tsu = \"pq\"", "# nested-tsu = \"pq\"");
    let finished = place.run(&["tsu", "import", "pq", classical.to_str().unwrap()]).succeeded();
    assert!(finished.error.contains("signed classically"), "{finished:?}");
}

/// Its test signatures take longer than a verdict on the clock lasts.
#[test]
fn check_finds_nothing_wrong_with_a_slow_key() {
    let place = Place::new(&["default", "small:slh-dsa-sha2-128s"]);
    place.run(&["check"]).succeeded();
    // Room for genTime's truncation and 0.1 s: plenty for P-256, and a nested signature takes 0.3 s and more.
    place.edit(
        "# accuracy-seconds = 2\n# accuracy-milliseconds = 0",
        "accuracy-seconds = 1\naccuracy-milliseconds = 100",
    );
    place.edit("# nested-tsu = \"pq\"", "nested-tsu = \"small\"");
    place.run(&["check"]).refused(&["TSU `default` does not start"]);
}

#[test]
fn readiness_names_the_nested_tsu() {
    let fixture = Fixture::on(place());
    assert!(fixture.reasons().is_empty());
    // Whoever asks for a signature waits for a recovery, which does not come here.
    let impatient = PoolConfig { deadline: Duration::from_millis(10), ..inline() };
    let (signer, pool) = Signer::of(&fixture, "pq", impatient);
    for _ in 0..100 {
        signer.refuses_to_connect(ckr(0x32));
    }
    signer.fails(ckr(0x32));
    assert!(pool.sign_now(b"anything").is_err());
    assert!(fixture.reasons().contains(&"nested-tsu"), "{:?}", fixture.reasons());
}
