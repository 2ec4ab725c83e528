//! Retries, failover and refusals against server doubles; pauses are counted, not made.

use super::*;
use crate::client::answer::NoReply;
use crate::client::attempt::Field;
use crate::client::test_server::{
    GrantedReply, Nobody, TestServer, busy, granted, rejection, reply, response,
};
use crate::client::tls;
use crate::client::transport::{BODY_LIMIT_OCTETS, Deadlines, TransportError};
use attestamp_tsa::PkiFailureInfo;
use attestamp_tsa::verify::TokenInvalid;
use hyper::header::CONTENT_TYPE;
use std::sync::Mutex;
use std::time::Duration;

/// Longer than any of these tests takes on a slow machine: nothing here waits for it.
const NEVER: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Default)]
struct CountedPauses(Arc<Mutex<Vec<Duration>>>);

impl Pause for CountedPauses {
    async fn pause(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration);
    }
}

fn stamper(addresses: &[&Address]) -> Stamper<CountedPauses> {
    let deadlines = Deadlines { connect: NEVER, total: NEVER };
    Stamper {
        transport: Transport::new(tls::client_config(None).unwrap(), deadlines),
        addresses: addresses.iter().map(|address| (*address).clone()).collect(),
        options: StampOptions {
            hash: HashAlgorithm::Sha256,
            policy: None,
            nonce: true,
            certificates: true,
            retries: 3,
        },
        check: None,
        pause: CountedPauses::default(),
    }
}

fn imprint() -> Digest {
    HashAlgorithm::Sha256.digest(b"data")
}

fn good(request: &[u8]) -> hyper::Response<http_body_util::Full<Bytes>> {
    reply(granted(&GrantedReply::to(request)))
}

fn last_error(failure: NotStamped) -> AttemptError {
    failure.failed_attempts.into_iter().next_back().unwrap().error
}

#[tokio::test]
async fn a_token_is_kept_with_what_it_claims() {
    let server = TestServer::start(|_, request| good(request)).await;
    let stamped = stamper(&[&server.address]).stamp(imprint()).await.unwrap();
    assert_eq!(stamped.time, "2026-01-02T03:04:05Z");
    assert_eq!((stamped.serial.as_str(), stamped.policy.as_str()), ("1122", "1.2.3.4"));
    assert_eq!(stamped.address, server.address);
    assert!(matches!(reply::read(&stamped.reply), Ok(Reply::Granted(_))));
}

#[tokio::test]
async fn a_busy_server_is_asked_again_after_the_time_it_asks_for() {
    let server =
        TestServer::start(|number, request| if number < 2 { busy("7") } else { good(request) }).await;
    let stamper = stamper(&[&server.address]);
    let stamped = stamper.stamp(imprint()).await.unwrap();
    assert_eq!(server.hits(), 3);
    assert_eq!(stamped.failed_attempts.len(), 2);
    assert_eq!(*stamper.pause.0.lock().unwrap(), [Duration::from_secs(7); 2]);
}

#[tokio::test]
async fn passing_failures_are_retried_with_growing_pauses_and_then_given_up() {
    let server =
        TestServer::start(|_, _| reply(rejection(PkiFailureInfo::SystemFailure, "the HSM is away"))).await;
    let stamper = stamper(&[&server.address]);
    let failure = stamper.stamp(imprint()).await.unwrap_err();
    assert_eq!(server.hits(), 4);
    let pauses = stamper.pause.0.lock().unwrap().clone();
    assert_eq!(pauses.len(), 3);
    for (round, pause) in (1..).zip(pauses) {
        assert!(pause >= back_off(round, 0) && pause <= back_off(round, u32::MAX), "{round}: {pause:?}");
    }
    let text = failure.to_string();
    assert!(text.ends_with("refused (systemFailure): the HSM is away (4 attempts)"), "{text}");
}

#[tokio::test]
async fn the_next_address_is_asked_at_once_when_one_is_down() {
    let (nobody, server) = (Nobody::new(), TestServer::start(|_, request| good(request)).await);
    let stamper = stamper(&[&nobody.address, &server.address]);
    let stamped = stamper.stamp(imprint()).await.unwrap();
    assert_eq!(stamped.address, server.address);
    assert!(stamper.pause.0.lock().unwrap().is_empty());
    let [attempt] = stamped.failed_attempts.as_slice() else { panic!("{:?}", stamped.failed_attempts) };
    assert!(matches!(attempt.error, AttemptError::Transport(TransportError::Connect { .. })), "{attempt}");
    assert!(attempt.to_string().starts_with(&format!("{}: cannot connect", nobody.address)), "{attempt}");
}

#[tokio::test]
async fn a_refusal_is_final_and_shows_failure_and_text() {
    let refusing = TestServer::start(|_, _| reply(rejection(PkiFailureInfo::BadAlg, "use SHA-256"))).await;
    let other = TestServer::start(|_, request| good(request)).await;
    let failure = stamper(&[&refusing.address, &other.address]).stamp(imprint()).await.unwrap_err();
    assert_eq!((refusing.hits(), other.hits()), (1, 0));
    assert_eq!(
        failure.to_string(),
        format!("{}: the authority refused (badAlg): use SHA-256", refusing.address)
    );
}

#[tokio::test]
async fn a_problem_document_is_shown_and_the_address_not_asked_again() {
    let problem = r#"{"type":"about:blank","title":"Not Found","detail":"no TSU has this name"}"#;
    let server =
        TestServer::start(move |_, _| response(404, &[(CONTENT_TYPE, "application/problem+json")], problem))
            .await;
    let failure = stamper(&[&server.address]).stamp(imprint()).await.unwrap_err();
    assert_eq!(server.hits(), 1);
    let text = failure.to_string();
    assert!(text.ends_with("the server answered 404 Not Found: no TSU has this name"), "{text}");
}

#[tokio::test]
async fn another_media_type_is_no_reply() {
    let server = TestServer::start(|_, _| response(200, &[(CONTENT_TYPE, "text/html")], "<html>")).await;
    let failure = stamper(&[&server.address]).stamp(imprint()).await.unwrap_err();
    assert_eq!(server.hits(), 1);
    assert!(matches!(last_error(failure), AttemptError::NoReply(NoReply::MediaType { .. })));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let long = vec![0; BODY_LIMIT_OCTETS + 1];
    let server = TestServer::start(move |_, _| reply(long.clone())).await;
    let failure = stamper(&[&server.address]).stamp(imprint()).await.unwrap_err();
    assert_eq!(server.hits(), 1);
    let error = last_error(failure);
    assert!(matches!(error, AttemptError::Transport(TransportError::TooLong { .. })), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_timed_out_and_passed_over() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_address: Address = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
    let server = TestServer::start(|_, request| good(request)).await;
    let mut stamper = stamper(&[&silent_address, &server.address]);
    let deadlines = Deadlines { connect: NEVER, total: Duration::from_millis(1500) };
    stamper.transport = Transport::new(tls::client_config(None).unwrap(), deadlines);
    let stamped = stamper.stamp(imprint()).await.unwrap();
    let attempt = stamped.failed_attempts.first().unwrap();
    assert!(matches!(attempt.error, AttemptError::Transport(TransportError::TimedOut { .. })), "{attempt}");
}

/// What a server's reply with these changes is taken for.
async fn field_refused(change: fn(&mut GrantedReply<'_>), options: fn(&mut StampOptions)) -> Field {
    let server = TestServer::start(move |_, request| {
        let mut fields = GrantedReply::to(request);
        change(&mut fields);
        reply(granted(&fields))
    })
    .await;
    let mut stamper = stamper(&[&server.address]);
    options(&mut stamper.options);
    let failure = stamper.stamp(imprint()).await.unwrap_err();
    assert_eq!(server.hits(), 1, "a wrong token is not asked for again");
    let error = last_error(failure);
    let AttemptError::ForAnotherRequest { field } = error else { panic!("{error}") };
    field
}

#[tokio::test]
async fn a_token_for_another_request_is_refused() {
    let as_is: fn(&mut StampOptions) = |_| ();
    assert_eq!(field_refused(|token| token.imprint = &[0xee; 32], as_is).await, Field::Imprint);
    assert_eq!(field_refused(|token| token.hash = &[0x2a], as_is).await, Field::Hash);
    assert_eq!(field_refused(|token| token.nonce = Some(&[0x42; 8]), as_is).await, Field::Nonce);
    assert_eq!(field_refused(|token| token.nonce = None, as_is).await, Field::Nonce);
    assert_eq!(
        field_refused(|token| token.nonce = Some(&[1]), |options| options.nonce = false).await,
        Field::Nonce
    );
    let policy: fn(&mut StampOptions) = |options| options.policy = Some("1.2.3".parse().unwrap());
    assert_eq!(field_refused(|token| token.policy = &[0x2a, 0x09], policy).await, Field::Policy);
}

#[tokio::test]
async fn each_attempt_has_its_own_nonce() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let server = TestServer::start({
        let seen = Arc::clone(&seen);
        move |_, request| {
            seen.lock().unwrap().push(GrantedReply::to(request).nonce.unwrap().to_vec());
            busy("0")
        }
    })
    .await;
    stamper(&[&server.address]).stamp(imprint()).await.unwrap_err();
    let mut nonces = seen.lock().unwrap().clone();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 4);
}

#[tokio::test]
async fn a_token_that_does_not_verify_is_refused_with_the_reason() {
    let server = TestServer::start(|_, request| good(request)).await;
    let mut stamper = stamper(&[&server.address]);
    stamper.check = Some(Arc::new(|_, _| Err(TokenInvalid::Policy)));
    let failure = stamper.stamp(imprint()).await.unwrap_err();
    assert_eq!(server.hits(), 1);
    assert!(failure.to_string().contains(&format!("does not verify: {}", TokenInvalid::Policy)), "{failure}");
}

#[tokio::test]
async fn what_a_verified_token_is_signed_with_is_kept() {
    let server = TestServer::start(|_, request| good(request)).await;
    let mut stamper = stamper(&[&server.address]);
    assert_eq!(stamper.stamp(imprint()).await.unwrap().verified, None);
    stamper.check = Some(Arc::new(|_, _| Ok(SignatureAlgorithm::Ed25519)));
    assert_eq!(stamper.stamp(imprint()).await.unwrap().verified, Some(SignatureAlgorithm::Ed25519));
}
