//! What does not start, and the sentence that says why.

use std::error::Error;
use std::sync::Arc;

use attestamp::authority::{Authority, AuthorityError};
use attestamp::clock::fake::DangerousFakeTime;
use attestamp::clock::{ClockGate, ClockStartError, HighWaterMark, system_time};
use attestamp::tokens::TokenError;
use attestamp::tsu::TsuError;
use attestamp_hsm::HsmError;

use crate::place::Place;

/// Why the TSU `default` does not start.
fn refusal(started: Result<Authority, AuthorityError>) -> TsuError {
    match started {
        Err(AuthorityError::Tsu { name, source }) => {
            assert_eq!(&*name, "default");
            source
        }
        other => panic!("{other:?}"),
    }
}

/// Why its token does not open, and the whole chain of causes in one line.
fn token_refusal(started: Result<Authority, AuthorityError>) -> (HsmError, String) {
    let error = refusal(started);
    let sentence = chain(&error);
    match error {
        TsuError::Token(TokenError::Open { source, .. }) => (source, sentence),
        other => panic!("{other:?}"),
    }
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

#[test]
fn a_certificate_for_another_key_is_a_key_mismatch() {
    let place = Place::new(&["default", "second"]);
    let layout = place.layout();
    std::fs::copy(layout.tsu_chain("second"), layout.tsu_chain("default")).unwrap();
    let error = refusal(place.start());
    assert!(matches!(error, TsuError::KeyMismatch { .. }), "{error:?}");
    let sentence = error.to_string();
    for word in ["certs/tsu/default.pem", "is for another key", "pkcs11:", "`attestamp tsu csr default`"] {
        assert!(sentence.contains(word), "{word} is not in {sentence}");
    }
}

#[test]
fn a_tsu_without_a_certificate_waits_and_the_others_start() {
    let place = Place::new(&["default", "second"]);
    std::fs::remove_file(place.layout().tsu_chain("second")).unwrap();
    let authority = place.start().unwrap();
    let readiness = authority.readiness();
    assert!(readiness.ready);
    let note = readiness.warnings.iter().find(|note| note.code == "no-certificate").unwrap();
    assert_eq!(note.tsu.as_deref(), Some("second"));
    assert!(note.detail.contains("attestamp tsu import second"), "{note:?}");
    assert!(authority.running().select(Some("second"), None).is_none());
}

#[test]
fn where_all_tsus_wait_nothing_starts() {
    let place = Place::new(&["default", "second"]);
    for name in ["default", "second"] {
        std::fs::remove_file(place.layout().tsu_chain(name)).unwrap();
    }
    let error = place.start().unwrap_err();
    assert!(matches!(error, AuthorityError::NoCertificate { .. }), "{error:?}");
    assert!(error.to_string().contains("attestamp tsu csr"), "{error}");
}

#[test]
fn a_wrong_pin_is_refused_and_not_shown() {
    // Elsewhere, since this process is logged in to the token that `init` made.
    let place = Place::new(&["default"]).copy();
    std::fs::write(place.layout().pin_file(), "a-wrong-pin-0123456789\n").unwrap();
    let (error, sentence) = token_refusal(place.start());
    assert!(matches!(error, HsmError::PinRefused { .. }), "{error:?}");
    assert!(sentence.contains("CKR_PIN_INCORRECT") && !sentence.contains("0123456789"), "{sentence}");
}

#[test]
fn a_missing_pin_file_is_named() {
    let place = Place::new(&["default"]);
    std::fs::remove_file(place.layout().pin_file()).unwrap();
    let error = refusal(place.start());
    assert!(matches!(error, TsuError::Token(TokenError::Pin { .. })), "{error:?}");
    assert!(chain(&error).contains("token/pin"), "{}", chain(&error));
}

#[test]
fn a_missing_module_is_named() {
    let place = Place::new(&["default"]);
    place.edit("module = \"embedded\"", "module = \"/nonexistent/pkcs11.so\"");
    let (error, sentence) = token_refusal(place.start());
    assert!(matches!(error, HsmError::LibraryMissing { .. }), "{error:?}");
    assert!(sentence.contains("/nonexistent/pkcs11.so"), "{sentence}");
}

#[test]
fn a_deleted_database_is_named_and_not_made_anew() {
    // Elsewhere, since this process has the original open.
    let place = Place::new(&["default"]).copy();
    let database = place.layout().token_database();
    std::fs::remove_file(&database).unwrap();
    let error = refusal(place.start());
    assert!(matches!(error, TsuError::Token(TokenError::DatabaseMissing { .. })), "{error:?}");
    assert!(chain(&error).contains("token/token.sql"), "{error}");
    assert!(!database.exists());
}

#[test]
fn an_accuracy_that_an_assured_clock_cannot_keep_is_refused() {
    let place = Place::new(&["default"]);
    place.edit("\nmode = \"system\"", "\nmode = \"kernel\"");
    place.edit("# accuracy-seconds = 2", "accuracy-seconds = 1");
    let error = refusal(place.start());
    assert!(matches!(error, TsuError::Accuracy(_)), "{error:?}");
    assert!(error.to_string().contains("accuracy of 1s"), "{error}");
    // Stated more finely, it can be kept.
    place.edit("# time-precision = \"seconds\"", "time-precision = \"milliseconds\"");
    place.start().unwrap();
}

#[test]
fn f8_kernel_mode_does_not_start_on_a_clock_that_nobody_vouches_for() {
    let place = Place::new(&["default"]);
    place.edit("\nmode = \"system\"", "\nmode = \"kernel\"");
    let time = DangerousFakeTime::synchronised_at(system_time().as_secs());
    time.unsynchronise();
    let mark = Arc::new(HighWaterMark::in_memory());
    let error = ClockGate::start(place.config().clock, Arc::new(time), mark).unwrap_err();
    assert!(matches!(error, ClockStartError::NotAssured { .. }), "{error:?}");
}

/// EN 319 421 7.7.1 and 319 422 §6.2, beyond what the profile alone can keep.
#[test]
fn etsi_is_held_against_the_clock_and_the_certificate() {
    let place = Place::new(&["default"]);
    place.edit("# etsi = \"off\"", "etsi = \"etsi\"");
    place.edit("# accuracy-seconds = 2", "accuracy-seconds = 1");
    place.edit("# time-precision = \"seconds\"", "time-precision = \"milliseconds\"");
    let error = refusal(place.start());
    assert!(matches!(error, TsuError::Etsi(_)) && error.to_string().contains("clock.mode"), "{error}");
    place.edit("\nmode = \"system\"", "\nmode = \"kernel\"");
    let error = refusal(place.start());
    assert!(error.to_string().contains("organizationIdentifier"), "{error}");
}
