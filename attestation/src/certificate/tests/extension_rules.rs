//! The extensions: each in its one form, none twice, ours never critical (D1).

use super::*;
use crate::oid::{ATTESTATION_ONLY, DEVICE_PLATFORM, KEY_ATTESTATION};
use crate::unsigned::extensions::extension;

fn with(extensions: &[Vec<u8>]) -> Result<Certificate, CertificateInvalid> {
    let mut parts = Parts::good();
    parts.extensions = extensions.to_vec();
    parts.parse()
}

fn only(identifier: &[u8], value: &[u8]) -> Result<Certificate, CertificateInvalid> {
    with(&[extension(identifier, true, value)])
}

fn reason_of(result: Result<Certificate, CertificateInvalid>) -> Reason {
    match result {
        Err(CertificateInvalid::Malformed(malformed)) => malformed.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn there_are_extensions_and_none_is_there_twice() {
    assert_eq!(reason_of(with(&[])), Reason::EmptyList);
    let identifier = extension(&SUBJECT_KEY_IDENTIFIER, false, &hex!("0400"));
    assert_eq!(reason_of(with(&[identifier.clone(), identifier])), Reason::DuplicateExtension);
    let unknown: Vec<Vec<u8>> = (0..33).map(|arc| extension(&[0x2a, arc], false, &[5, 0])).collect();
    assert_eq!(reason_of(with(&unknown)), Reason::TooManyExtensions { limit: 32 });
    assert!(with(&unknown[..32]).is_ok());
}

#[test]
fn d1_two_extensions_with_our_identifier_are_refused() {
    let claims = claims().to_der();
    for second in [claims.as_slice(), &[], &[5, 0]] {
        let twice = [extension(&KEY_ATTESTATION, false, &claims), extension(&KEY_ATTESTATION, false, second)];
        assert_eq!(reason_of(with(&twice)), Reason::DuplicateExtension);
    }
    let platform = extension(&DEVICE_PLATFORM, false, &platform().to_der());
    assert_eq!(reason_of(with(&[platform.clone(), platform])), Reason::DuplicateExtension);
}

#[test]
fn d1_our_extensions_are_not_critical() {
    for (identifier, value, expected) in [
        (KEY_ATTESTATION, claims().to_der(), ProjectExtension::Claims),
        (DEVICE_PLATFORM, platform().to_der(), ProjectExtension::Platform),
    ] {
        assert!(with(&[extension(&identifier, false, &value)]).is_ok());
        let refused = with(&[extension(&identifier, true, &value)]).unwrap_err();
        assert!(
            matches!(refused, CertificateInvalid::ExtensionCritical { extension, .. } if extension == expected),
            "{refused:?}"
        );
    }
}

#[test]
fn the_names_of_the_token_are_read_at_once() {
    let refused = with(&[extension(&DEVICE_PLATFORM, false, &hex!("3000"))]).unwrap_err();
    assert!(matches!(refused, CertificateInvalid::Platform { .. }), "{refused:?}");
    let read = with(&[extension(&DEVICE_PLATFORM, false, &platform().to_der())]).unwrap();
    assert_eq!(read.platform(), Some(&platform()));
}

#[test]
fn a_false_that_is_the_default_is_not_encoded() {
    let critical = hex!("300c 0603551d0e 010100 0402 0400").to_vec();
    assert_eq!(reason_of(with(&[critical])), Reason::EncodedDefault);
    assert_eq!(reason_of(only(&BASIC_CONSTRAINTS, &hex!("3003 010100"))), Reason::EncodedDefault);
    let true_of_ber = hex!("300c 0603551d0e 010101 0402 0400").to_vec();
    assert_eq!(reason_of(with(&[true_of_ber])), Reason::Boolean);
}

#[test]
fn basic_constraints() {
    let read = |value: &[u8]| only(&BASIC_CONSTRAINTS, value).map(|it| it.basic_constraints().unwrap());
    let of = |is_ca, path_length| Ok(BasicConstraints { is_ca, path_length, is_critical: true });
    assert_eq!(read(&hex!("3000")), of(false, None));
    assert_eq!(read(&hex!("3003 0101ff")), of(true, None));
    assert_eq!(read(&hex!("3006 0101ff 020100")), of(true, Some(0)));
    assert_eq!(read(&hex!("3006 0101ff 02017f")), of(true, Some(127)));
    assert_eq!(read(&hex!("3007 0101ff 020200ff")), of(true, Some(255)));
    for value in [&hex!("3003 020100")[..], &hex!("3006 0101ff 0201ff"), &hex!("3007 0101ff 02020100")] {
        let refused = read(value).unwrap_err();
        assert!(matches!(refused, CertificateInvalid::PathLength { .. }), "{refused:?}");
    }
    for value in
        [&hex!("3006 020100 0101ff")[..], &hex!("3003 0101ff 0500"), &hex!("3008 0101ff 020100 0500")]
    {
        assert!(read(value).is_err());
    }
    let not_critical = with(&[extension(&BASIC_CONSTRAINTS, false, &hex!("3003 0101ff"))]).unwrap();
    assert!(!not_critical.basic_constraints().unwrap().is_critical);
}

#[test]
fn x690_11_2_2_key_usage_is_in_its_shortest_form() {
    let read = |value: &[u8]| only(&KEY_USAGE, value).map(|certificate| certificate.key_usage().unwrap());
    let usage = read(&hex!("03020780")).unwrap();
    assert!(usage.digital_signature() && usage.is_only_digital_signature() && !usage.key_cert_sign());
    let usage = read(&hex!("03020204")).unwrap();
    assert!(usage.key_cert_sign() && !usage.digital_signature());
    let usage = read(&hex!("03020106")).unwrap();
    assert!(usage.key_cert_sign());
    let usage = read(&hex!("0303078480")).unwrap();
    assert!(usage.key_cert_sign() && usage.digital_signature() && !usage.is_only_digital_signature());
    for value in [
        hex!("0300").as_slice(),
        &hex!("0301 00"),
        &hex!("0302 00 00"),
        &hex!("0302 07 00"),
        &hex!("0302 06 80"),
        &hex!("0302 00 84"),
        &hex!("0302 03 84"),
        &hex!("0303 07 80 00"),
        &hex!("0303 06 80 40"),
        &hex!("0304 07 80 00 80"),
    ] {
        let refused = read(value).unwrap_err();
        assert!(matches!(refused, CertificateInvalid::KeyUsage { .. }), "{value:02x?} {refused:?}");
    }
}

#[test]
fn d2_extended_key_usage_tells_whether_a_purpose_is_the_only_one() {
    let purposes = |list: &[&[u8]]| {
        let list: Vec<u8> = list.iter().flat_map(|oid| element(tag::OBJECT_IDENTIFIER, &[oid])).collect();
        element(tag::SEQUENCE, &[&list])
    };
    let read =
        |value: &[u8]| only(&EXTENDED_KEY_USAGE, value).map(|it| it.extended_key_usage().unwrap().clone());
    let (timestamping, any) = (hex!("2b06010505070308"), hex!("551d2500"));
    let usage = read(&purposes(&[&ATTESTATION_ONLY])).unwrap();
    assert!(usage.is_critical && usage.is_only(&ATTESTATION_ONLY) && usage.allows(&ATTESTATION_ONLY));
    let usage = read(&purposes(&[&ATTESTATION_ONLY, &timestamping])).unwrap();
    assert!(!usage.is_only(&ATTESTATION_ONLY) && usage.allows(&ATTESTATION_ONLY));
    let usage = read(&purposes(&[&timestamping])).unwrap();
    assert!(!usage.is_only(&ATTESTATION_ONLY) && !usage.allows(&ATTESTATION_ONLY));
    let usage = read(&purposes(&[&any])).unwrap();
    assert!(!usage.is_only(&ATTESTATION_ONLY) && usage.allows(&ATTESTATION_ONLY));
    assert!(matches!(read(&hex!("3000")), Err(CertificateInvalid::Malformed(_))));
    assert!(matches!(
        read(&purposes(&[[0x2a].as_slice(); 33])),
        Err(CertificateInvalid::TooManyPurposes { .. })
    ));
}

#[test]
fn key_identifiers() {
    let ski = extension(&SUBJECT_KEY_IDENTIFIER, false, &hex!("0402 0708"));
    let aki = extension(&AUTHORITY_KEY_IDENTIFIER, false, &hex!("3004 8002 090a"));
    let certificate = with(&[ski, aki]).unwrap();
    assert_eq!(certificate.key_identifier(), Some(&[7, 8][..]));
    assert_eq!(certificate.authority_key_identifier(), Some(&[9, 10][..]));
    // Of a CA that names its own certificate too: issuer and serial number.
    let long = hex!("3010 8002 090a a107 a405 3003 3101 00 820105");
    assert!(with(&[extension(&AUTHORITY_KEY_IDENTIFIER, false, &long)]).is_err());
    let long = hex!("300d 8002 090a a104 8202 4141 820105");
    let certificate = with(&[extension(&AUTHORITY_KEY_IDENTIFIER, false, &long)]).unwrap();
    assert_eq!(certificate.authority_key_identifier(), Some(&[9, 10][..]));
    let none = with(&[extension(&AUTHORITY_KEY_IDENTIFIER, false, &hex!("3000"))]).unwrap();
    assert_eq!(none.authority_key_identifier(), None);
}

#[test]
fn the_first_unknown_critical_extension_is_named() {
    let extensions = [
        extension(&hex!("2a01"), false, &[5, 0]),
        extension(&hex!("2a02"), true, &[5, 0]),
        extension(&hex!("2a03"), true, &[]),
    ];
    assert_eq!(with(&extensions).unwrap().unknown_critical_extension(), Some(&hex!("2a02")[..]));
    assert_eq!(with(&extensions[..1]).unwrap().unknown_critical_extension(), None);
}
