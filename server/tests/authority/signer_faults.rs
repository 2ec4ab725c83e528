//! A1.9: whatever the signer does wrong, the client learns systemFailure and no more, and there is no token.

use std::sync::Arc;
use std::time::Duration;

use attestamp::issue::{Outcome, StampOutcome};
use attestamp_hsm::{HsmError, KeyAlgorithm, KeyId};
use attestamp_tsa::PkiFailureInfo;

use crate::harness::{Fixture, PATIENCE, granted, query, rejection, until};
use crate::signers::{Signer, ckr, inline, one_thread};
use crate::web::Web;

/// CKR_DATA_INVALID, _DATA_LEN_RANGE, _FUNCTION_CANCELED, _FUNCTION_REJECTED.
const OF_ONE_REQUEST: [u64; 4] = [0x20, 0x21, 0x50, 0x200];
/// CKR_OPERATION_ACTIVE, _OPERATION_NOT_INITIALIZED, _SESSION_CLOSED, _SESSION_HANDLE_INVALID.
const SESSION_LOST: [u64; 4] = [0x90, 0x91, 0xB0, 0xB3];
/// CKR_HOST_MEMORY, _GENERAL_ERROR, _FUNCTION_FAILED, _DEVICE_ERROR, _DEVICE_MEMORY, _DEVICE_REMOVED,
/// _KEY_HANDLE_INVALID, _TOKEN_NOT_PRESENT, _USER_NOT_LOGGED_IN, _CRYPTOKI_NOT_INITIALIZED and a vendor's own.
const RECOVERABLE: [u64; 11] = [0x02, 0x05, 0x06, 0x30, 0x31, 0x32, 0x60, 0xE0, 0x101, 0x190, 0x8000_0001];
/// CKR_PIN_INCORRECT, _PIN_INVALID, _PIN_EXPIRED, _PIN_LOCKED.
const PIN_REFUSED: [u64; 4] = [0xA0, 0xA1, 0xA3, 0xA4];

const FAILURE: (PkiFailureInfo, Outcome) = (PkiFailureInfo::SystemFailure, Outcome::SystemFailure);

#[tokio::test]
async fn a1_9_a_fault_of_one_request_or_of_the_device_is_system_failure_and_the_next_is_granted() {
    let fixture = Fixture::new();
    let (signer, pool) = Signer::of(&fixture, "default", inline());
    for code in OF_ONE_REQUEST.into_iter().chain(RECOVERABLE) {
        signer.fails(ckr(code));
        assert_eq!(rejection(fixture.stamp(None, query().to_der()).await), FAILURE, "{code:#x}");
        assert!(pool.wait_while_recovering(PATIENCE).is_up(), "{code:#x}");
        fixture.granted(None).await;
    }
    let count = OF_ONE_REQUEST.len() + RECOVERABLE.len();
    let text = fixture.metrics.render();
    let line = format!("attestamp_stamps_total{{tsu=\"default\",outcome=\"system-failure\"}} {count}\n");
    assert!(text.contains(&line), "{text}");
}

#[tokio::test]
async fn a1_9_a_lost_session_is_opened_again_once_within_the_request() {
    let fixture = Fixture::new();
    let (signer, pool) = Signer::of(&fixture, "default", inline());
    for code in SESSION_LOST {
        signer.fails(ckr(code));
        fixture.granted(None).await;
        signer.fails(ckr(code));
        signer.fails(ckr(code));
        assert_eq!(rejection(fixture.stamp(None, query().to_der()).await), FAILURE, "{code:#x}");
        assert!(pool.wait_while_recovering(PATIENCE).is_up(), "{code:#x}");
    }
    fixture.granted(None).await;
}

#[tokio::test]
async fn a1_9_a_refused_pin_stops_the_tsu_and_a_reload_tries_again() {
    let fixture = Fixture::new();
    let (signer, pool) = Signer::of(&fixture, "default", inline());
    for code in PIN_REFUSED {
        signer.fails(ckr(code));
        assert_eq!(rejection(fixture.stamp(None, query().to_der()).await), FAILURE, "{code:#x}");
        let calls = signer.calls();
        assert_eq!(rejection(fixture.stamp(None, query().to_der()).await), FAILURE, "{code:#x}");
        // Not one more try of the PIN's.
        assert_eq!(signer.calls(), calls);
        assert_eq!(fixture.reasons(), ["hsm-unavailable"]);
        // Still wrong: one try, and all stays as it was.
        signer.refuses_to_connect(ckr(code));
        assert!(fixture.reload().is_err());
        assert_eq!(signer.calls(), calls + 1);
        // Put right.
        fixture.reload().unwrap();
        assert!(pool.state().is_up());
        assert_eq!(fixture.reasons(), [""; 0]);
        fixture.granted(None).await;
    }
}

#[tokio::test]
async fn a1_9_a_signature_of_the_wrong_length_or_by_the_wrong_key_is_system_failure() {
    let fixture = Fixture::new();
    let (signer, pool) = Signer::of(&fixture, "default", inline());
    signer.fails(HsmError::SignatureForm { algorithm: KeyAlgorithm::EcdsaP256, expected: 64, found: 63 });
    assert_eq!(rejection(fixture.stamp(None, query().to_der()).await), FAILURE);
    assert!(pool.wait_while_recovering(PATIENCE).is_up());
    fixture.granted(None).await;

    signer.fails(ckr(0x30));
    let id = KeyId::random().unwrap();
    signer.refuses_to_connect(HsmError::KeyReplaced { id });
    assert_eq!(rejection(fixture.stamp(None, query().to_der()).await), FAILURE);
    assert!(!pool.wait_while_recovering(PATIENCE).is_up());
    assert_eq!(rejection(fixture.stamp(None, query().to_der()).await), FAILURE);
    assert_eq!(fixture.reasons(), ["hsm-unavailable"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_9_a_full_queue_is_busy_and_over_http_503_with_retry_after() {
    let fixture = Arc::new(Fixture::new());
    let web = Web::before(&fixture);
    let (signer, pool) = Signer::of(&fixture, "default", one_thread(PATIENCE));
    let stall = signer.stalls();
    let ask = || {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move { fixture.stamp(None, query().to_der()).await })
    };
    let first = ask();
    stall.begun();
    let second = ask();
    until(|| pool.queued() == 1).await;

    let third = fixture.stamp(None, query().to_der()).await;
    assert!(matches!(third, StampOutcome::Busy { retry_after_seconds: 1.. }), "{third:?}");
    let answer = web.post("/", &query().to_der()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header.contains("\r\nretry-after: 1"), "{}", answer.header);
    assert_eq!(answer.json()["code"], "busy");

    drop(stall);
    for waiting in [first, second] {
        fixture.verified(&granted(waiting.await.unwrap()));
    }
    assert_eq!(web.post("/", &query().to_der()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_9_a_signer_that_stalls_past_the_deadline_is_system_failure() {
    let fixture = Fixture::new();
    let (signer, _) = Signer::of(&fixture, "default", one_thread(Duration::from_millis(300)));
    let stall = signer.stalls();
    let stamp = fixture.stamp(None, query().to_der());
    let outcome = tokio::time::timeout(PATIENCE, stamp).await.expect("an answer at the deadline");
    assert_eq!(rejection(outcome), FAILURE);
    until(|| fixture.reasons() == ["hsm-unavailable"]).await;
    stall.begun();
    drop(stall);
    until(|| fixture.reasons().is_empty()).await;
    // On a loaded machine a good signature may pass the short deadline too: it must come in the end.
    let again = async { while !is_granted(&fixture.stamp(None, query().to_der()).await) {} };
    tokio::time::timeout(PATIENCE, again).await.expect("a token once the signer goes on");
}

/// RFC 3161 §2.4.2, accuracy: a token whose genTime is older than it claims does not leave.
#[tokio::test]
async fn a_signature_too_late_for_the_accuracy_is_system_failure() {
    let fixture = Fixture::new();
    let (signer, _pool) = Signer::of(&fixture, "default", inline());
    signer.takes(&fixture, Duration::from_secs(3));
    assert_eq!(rejection(fixture.stamp(None, query().to_der()).await), FAILURE);
    assert_eq!(signer.calls(), 1);
    fixture.pass(Duration::from_secs(1));
    fixture.granted(None).await;
}

fn is_granted(outcome: &StampOutcome) -> bool {
    matches!(outcome, StampOutcome::Reply { outcome: Outcome::Granted, .. })
}
