//! Modules, tokens and logins.

use attestamp_hsm::{HsmError, Module, PinSource, PinTries, Pkcs11Uri, SlotId};

use super::fixture::{Fixture, LABEL, SO_PIN, USER_PIN, pin};

pub(crate) fn a_token_is_found_by_what_it_says_of_itself(fixture: &Fixture) {
    let info = fixture.token.info().unwrap();
    assert_eq!(info.label, LABEL);
    assert!(info.is_initialised && info.is_login_required && info.has_user_pin);
    assert!(!info.manufacturer.is_empty() && !info.model.is_empty() && !info.serial.is_empty());
    assert!(fixture.module.tokens().unwrap().contains(&info));
    let names = fixture.module.mechanisms(info.slot).unwrap();
    assert!(names.iter().any(|name| name == "CKM_ECDSA"), "{names:?}");

    // The PIN from the environment, and the URI in the form that people copy it.
    let from_environment = PinSource::Environment("ATTESTAMP_HSM_TEST_PIN".to_owned()).read().unwrap();
    let wanted: Pkcs11Uri = info.uri().to_string().parse().unwrap();
    assert_eq!(fixture.module.open_token(&wanted, from_environment).unwrap().info().unwrap(), info);

    // The same as a systemd credential.
    std::fs::write(fixture.folder.join("user-pin"), USER_PIN).unwrap();
    let credential = PinSource::Credential("user-pin".to_owned()).read().unwrap();
    fixture.module.open_token(&wanted, credential).unwrap();

    for wrong in [
        Pkcs11Uri::for_token("another"),
        Pkcs11Uri { serial: Some("0".to_owned()), ..info.uri() },
        Pkcs11Uri { model: Some("none".to_owned()), ..info.uri() },
        Pkcs11Uri { slot_id: Some(SlotId(info.slot.0 + 1)), ..info.uri() },
    ] {
        let missing = fixture.module.open_token(&wrong, pin(USER_PIN)).unwrap_err();
        assert!(
            matches!(&missing, HsmError::TokenMissing { present, .. } if present == &[LABEL]),
            "{missing}"
        );
    }
}

pub(crate) fn a_wrong_pin_is_refused_and_costs_one_try(fixture: &Fixture) {
    // A fresh start, for whoever is logged in is not asked for a PIN again.
    fixture.module.dangerous_finalise().unwrap();
    let module = Module::open(&fixture.source).unwrap();
    let wrong = module.open_token(&Pkcs11Uri::for_token(LABEL), pin("not-the-user-pin")).unwrap_err();
    let HsmError::PinRefused { label, tries, source } = &wrong else { panic!("{wrong}") };
    assert_eq!(label, LABEL);
    assert_eq!(source.to_string(), "C_Login returned CKR_PIN_INCORRECT");
    assert_ne!(*tries, PinTries::Locked);
    assert!(!wrong.to_string().contains("not-the-user-pin"));
    module.open_token(&Pkcs11Uri::for_token(LABEL), pin(USER_PIN)).unwrap();
}

pub(crate) fn opening_twice_shares_the_module(fixture: &Fixture) {
    let again = Module::open(&fixture.source).unwrap();
    assert_eq!(again.tokens().unwrap(), fixture.module.tokens().unwrap());
    let token = again.open_token(&Pkcs11Uri::for_token(LABEL), pin(USER_PIN)).unwrap();
    drop(again);
    assert_eq!(token.info().unwrap(), fixture.token.info().unwrap());
}

pub(crate) fn a_second_token_of_the_same_label_is_refused(fixture: &Fixture) {
    let again = fixture.module.initialise_token(LABEL, &pin(SO_PIN), &pin(USER_PIN)).unwrap_err();
    assert!(matches!(again, HsmError::TokenExists { .. }), "{again}");
    let long = fixture.module.initialise_token(&"x".repeat(33), &pin(SO_PIN), &pin(USER_PIN)).unwrap_err();
    assert!(matches!(long, HsmError::TokenLabelLength { found: 33, maximum: 32 }), "{long}");
}
