//! RFC 7512's own examples and what is refused.

use super::{ObjectType, Pkcs11Uri, UriError};
use crate::key::{KeyId, SlotId};

fn parse(text: &str) -> Result<Pkcs11Uri, UriError> {
    text.parse()
}

#[test]
fn rfc7512_section_3_examples_parse() {
    assert_eq!(parse("pkcs11:"), Ok(Pkcs11Uri::default()));
    let uri = parse(
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;\
         object=my-certificate;type=private;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin",
    )
    .unwrap();
    assert_eq!(uri.token.as_deref(), Some("The Software PKCS#11 Softtoken"));
    assert_eq!(uri.manufacturer.as_deref(), Some("Snake Oil, Inc."));
    assert_eq!(uri.model.as_deref(), Some("1.0"));
    assert_eq!(uri.serial.as_deref(), Some(""));
    assert_eq!(uri.object_type, Some(ObjectType::Private));
    assert_eq!(uri.id, KeyId::new(vec![0x69, 0x95, 0x3E, 0x5C, 0xF4, 0xBD, 0xEC, 0x91]));
    assert_eq!(uri.pin_source.as_deref(), Some(std::path::Path::new("/etc/token_pin")));
    let uri = parse("PKCS11:slot-id=17;id=%01?module-path=/usr/lib/softhsm/libsofthsm2.so").unwrap();
    assert_eq!(uri.slot_id, Some(SlotId(17)));
    assert_eq!(uri.module_path.unwrap().to_str(), Some("/usr/lib/softhsm/libsofthsm2.so"));
}

#[test]
fn what_is_displayed_parses_to_the_same_uri() {
    let uri = Pkcs11Uri {
        token: Some("a;b?c=d%e é/".to_owned()),
        serial: Some("00 1".to_owned()),
        manufacturer: Some("m".to_owned()),
        model: Some("v3".to_owned()),
        slot_id: Some(SlotId(u64::MAX)),
        object: Some("tsu&default".to_owned()),
        id: KeyId::new(vec![0, 255, b'a']),
        object_type: Some(ObjectType::Public),
        module_path: Some("/usr/lib/x y.so".into()),
        pin_source: Some("/run/pin".into()),
    };
    assert_eq!(parse(&uri.to_string()), Ok(uri.clone()));
    assert!(uri.to_string().contains("id=%00%FF%61"), "{uri}");
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    assert_eq!(parse("http://x"), Err(UriError::Scheme));
    assert_eq!(parse("pkcs11"), Err(UriError::Scheme));
    assert_eq!(parse("pkcs11:token"), Err(UriError::NoValue { offset: 7 }));
    assert_eq!(parse("pkcs11:token=a;token=b"), Err(UriError::Repeated { name: "token".into(), offset: 21 }));
    assert_eq!(parse("pkcs11:tokem=a"), Err(UriError::Attribute { name: "tokem".into(), offset: 13 }));
    assert_eq!(
        parse("pkcs11:module-path=/a"),
        Err(UriError::Attribute { name: "module-path".into(), offset: 19 })
    );
    assert_eq!(parse("pkcs11:token=a%2"), Err(UriError::Escape { offset: 14 }));
    assert_eq!(parse("pkcs11:token=a b"), Err(UriError::Escape { offset: 14 }));
    assert!(matches!(parse("pkcs11:token=%FF"), Err(UriError::Value { rule: "UTF-8", .. })));
    assert!(matches!(parse("pkcs11:id="), Err(UriError::Value { rule: "1 to 64 bytes", .. })));
    assert!(matches!(parse("pkcs11:slot-id=x"), Err(UriError::Value { .. })));
    assert!(matches!(parse("pkcs11:type=cert"), Err(UriError::Value { .. })));
    assert!(matches!(parse("pkcs11:?pin-source=pin"), Err(UriError::Value { rule: "an absolute path", .. })));
    assert!(matches!(parse(&format!("pkcs11:token={}", "a".repeat(5000))), Err(UriError::TooLong { .. })));
}

#[test]
fn a_pin_in_a_uri_is_refused_and_not_repeated() {
    for text in ["pkcs11:token=a?pin-value=1234", "pkcs11:pin-value=1234"] {
        let refused = parse(text).unwrap_err();
        assert_eq!(refused, UriError::PinInUri);
        assert!(!refused.to_string().contains("1234"));
    }
}
