use super::*;
use crate::certificate::BASIC_CONSTRAINTS;
use crate::claims::Date;
use crate::test_chain::{
    Forgery, NOW, TestChain, TestKey, YEAR, at, claims, finish, platform, serial, subject, years,
};
use crate::{CertificateInvalid, ClaimsInvalid};
use attestamp_certs::Validity;
use attestamp_strict_der::{Reader, element, tag};

/// The tags of the extensions' values and the identifiers, in order, with whether each is critical.
fn extensions_of(certificate: &Certificate) -> Vec<(Vec<u8>, bool)> {
    Forgery::of(certificate)
        .extensions
        .iter()
        .map(|extension| {
            let mut fields = Reader::new(extension).required(tag::SEQUENCE).unwrap().reader();
            let identifier = fields.required(tag::OBJECT_IDENTIFIER).unwrap().content.to_vec();
            (identifier, fields.optional(tag::BOOLEAN).unwrap().is_some())
        })
        .collect()
}

#[test]
fn d1_to_d3_each_certificate_has_the_extensions_of_its_profile_and_no_other() {
    use crate::certificate::{
        AUTHORITY_KEY_IDENTIFIER as AKI, EXTENDED_KEY_USAGE, KEY_USAGE, SUBJECT_KEY_IDENTIFIER as SKI,
    };
    use crate::oid::{DEVICE_PLATFORM, KEY_ATTESTATION};

    let list = |members: &[(&[u8], bool)]| -> Vec<(Vec<u8>, bool)> {
        members.iter().map(|(identifier, critical)| (identifier.to_vec(), *critical)).collect()
    };
    let authority: [(&[u8], bool); 2] = [(&BASIC_CONSTRAINTS, true), (&KEY_USAGE, true)];
    let identifiers: [(&[u8], bool); 2] = [(&SKI, false), (&AKI, false)];
    for chain in TestChain::both() {
        let root = [&authority[..], &[(&SKI, false)]].concat();
        assert_eq!(extensions_of(&chain.root), list(&root));
        let device = [&authority[..], &[(&DEVICE_PLATFORM, false)], &identifiers].concat();
        assert_eq!(extensions_of(&chain.device), list(&device));
        assert_eq!(extensions_of(&chain.attester), list(&[authority, identifiers].concat()));
        let attestation: [(&[u8], bool); 3] =
            [(&KEY_USAGE, true), (&EXTENDED_KEY_USAGE, true), (&KEY_ATTESTATION, false)];
        let attestation = [&attestation[..], &identifiers].concat();
        assert_eq!(extensions_of(&chain.attest(&claims())), list(&attestation));
    }
}

#[test]
fn d2_the_purpose_is_the_one_of_our_arc_alone() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        let usage = attestation.extended_key_usage().unwrap();
        assert!(usage.is_critical && usage.is_only(&ATTESTATION_ONLY));
        assert!(attestation.key_usage().unwrap().is_only_digital_signature());
        assert_eq!(attestation.basic_constraints(), None);
    }
}

#[test]
fn key_identifiers_are_those_of_the_tsus_certificates() {
    use attestamp_certs::HashAlgorithm;

    let chain = TestChain::classical();
    let attestation = chain.attest(&claims());
    // The point, after 26 octets of header and the count of unused bits.
    let point = &chain.attested_key.spki_der[26..];
    let digest = HashAlgorithm::Sha256.digest(point);
    assert_eq!(attestation.key_identifier(), Some(&digest.as_ref()[..20]));
}

#[test]
fn serial_names_and_validity_are_those_given() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        assert_eq!(attestation.serial(), serial(4).content_octets());
        assert_eq!(attestation.subject_der(), subject("Key of tsu default").der());
        assert_eq!(attestation.validity(), years(1));
        assert_eq!(chain.root.issuer_der(), chain.root.subject_der());
    }
}

fn refused(chain: &TestChain, change: impl FnOnce(&mut AttestationParameters<'_>)) -> UnsignedInvalid {
    let claims = claims();
    let mut parameters = chain.parameters(&claims);
    change(&mut parameters);
    UnsignedCertificate::attestation(parameters).unwrap_err()
}

#[test]
fn an_attestation_is_issued_by_an_attestation_key_alone() {
    for chain in TestChain::both() {
        let algorithm = chain.device_key.algorithm;
        let from_device = UnsignedCertificate::attestation(AttestationParameters {
            issuer: &chain.device,
            signature_algorithm: algorithm,
            ..chain.parameters(&claims())
        });
        assert_eq!(from_device, Err(UnsignedInvalid::IssuerNotAttestationKey));
        let attestation = chain.attest(&claims());
        let from_attestation = UnsignedCertificate::attestation(AttestationParameters {
            issuer: &attestation,
            signature_algorithm: chain.attested_key.algorithm,
            spki_der: &TestKey::p256(33).spki_der,
            subject: &subject("Another"),
            ..chain.parameters(&claims())
        });
        assert_eq!(from_attestation, Err(UnsignedInvalid::IssuerNotAuthority));
    }
}

#[test]
fn an_attestation_key_is_issued_by_a_device_alone() {
    for chain in TestChain::both() {
        let (key, name) = (TestKey::p384(34), subject("Another"));
        let below = |issuer: &Certificate, issuer_key: &TestKey| {
            UnsignedCertificate::attestation_key(AttestationKeyParameters {
                issuer,
                signature_algorithm: issuer_key.algorithm,
                subject: &name,
                spki_der: &key.spki_der,
                serial: &serial(7),
                validity: years(1),
            })
        };
        assert_eq!(below(&chain.root, &chain.root_key), Err(UnsignedInvalid::IssuerNotDevice));
        // A device that may not have an attestation key below it.
        let authority = extensions::certificate_authority(Some(0));
        let device = Forgery::of(&chain.device).with(authority).sign(&chain.root_key);
        let exhausted = UnsignedInvalid::PathLengthExhausted { allowed: 0, required: 1 };
        assert_eq!(below(&device, &chain.device_key), Err(exhausted));
        assert!(below(&chain.device, &chain.device_key).is_ok());
    }
}

#[test]
fn a_device_needs_an_issuer_with_room_for_two_cas() {
    for chain in TestChain::both() {
        let (key, name, token) = (TestKey::p384(34), subject("Another"), platform());
        let below = |issuer: &Certificate| {
            UnsignedCertificate::device(DeviceParameters {
                issuer,
                signature_algorithm: chain.root_key.algorithm,
                subject: &name,
                spki_der: &key.spki_der,
                serial: &serial(7),
                validity: years(1),
                platform: &token,
            })
        };
        for (path_length, holds) in [(Some(1), false), (Some(2), true), (None, true)] {
            let authority = extensions::certificate_authority(path_length);
            let root = Forgery::of(&chain.root).with(authority).sign(&chain.root_key);
            assert_eq!(below(&root).is_ok(), holds, "{path_length:?}");
        }
        let no_ca = Forgery::of(&chain.root).without(&BASIC_CONSTRAINTS).sign(&chain.root_key);
        assert_eq!(below(&no_ca), Err(UnsignedInvalid::IssuerNotAuthority));
        let unnamed = crate::certificate::SUBJECT_KEY_IDENTIFIER;
        let unnamed = Forgery::of(&chain.root).without(&unnamed).sign(&chain.root_key);
        assert_eq!(below(&unnamed), Err(UnsignedInvalid::IssuerKeyIdentifierMissing));
    }
}

#[test]
fn d10_the_key_and_the_name_are_not_the_issuers() {
    for chain in TestChain::both() {
        let claims = claims();
        let spki_der = chain.attester.spki_der();
        let parameters = AttestationParameters { spki_der, ..chain.parameters(&claims) };
        let refusal = UnsignedCertificate::attestation(parameters).unwrap_err();
        assert_eq!(refusal, UnsignedInvalid::KeyIsIssuers);
        let name = subject("Attestation key");
        let parameters = AttestationParameters { subject: &name, ..chain.parameters(&claims) };
        let refusal = UnsignedCertificate::attestation(parameters).unwrap_err();
        assert_eq!(refusal, UnsignedInvalid::SubjectIsIssuer);
    }
}

#[test]
fn a_key_signs_with_its_own_algorithm() {
    for chain in TestChain::both() {
        let algorithm = SignatureAlgorithm::Ed25519;
        let refusal = refused(&chain, |parameters| parameters.signature_algorithm = algorithm);
        assert_eq!(refusal, UnsignedInvalid::SignatureAlgorithm { algorithm });
        let refusal = refused(&chain, |parameters| parameters.spki_der = &[0x30, 0]);
        assert!(
            matches!(refusal, UnsignedInvalid::PublicKey { source: CertificateInvalid::Malformed(_) }),
            "{refusal:?}"
        );
    }
}

#[test]
fn validity_is_within_the_issuers_and_the_time_of_attestation_within_it() {
    for chain in TestChain::both() {
        let begins = |not_before, not_after| Validity::new(at(not_before), at(not_after)).unwrap();
        let refusal = refused(&chain, |parameters| parameters.validity = begins(NOW - 1, NOW + 9));
        let (not_before_unix_seconds, issuer_unix_seconds) = (NOW - 1, NOW);
        let expected = UnsignedInvalid::PredatesIssuer { not_before_unix_seconds, issuer_unix_seconds };
        assert_eq!(refusal, expected);
        let end = NOW + 10 * YEAR;
        let refusal = refused(&chain, |parameters| parameters.validity = begins(NOW, end + 1));
        let (not_after_unix_seconds, issuer_unix_seconds) = (end + 1, end);
        let expected = UnsignedInvalid::OutlivesIssuer { not_after_unix_seconds, issuer_unix_seconds };
        assert_eq!(refusal, expected);
        let refusal = refused(&chain, |parameters| parameters.validity = begins(NOW + 1, NOW + 9));
        assert_eq!(
            refusal,
            UnsignedInvalid::AttestedOutsideValidity {
                attested_at_unix_seconds: NOW,
                not_before_unix_seconds: NOW + 1,
                not_after_unix_seconds: NOW + 9,
            }
        );
    }
}

#[test]
fn nothing_is_built_that_a_verifier_would_not_read() {
    let chain = TestChain::classical();
    let mut long = claims();
    long.key.label = "x".repeat(256);
    let refusal = UnsignedCertificate::attestation(chain.parameters(&long)).unwrap_err();
    assert!(
        matches!(refusal, UnsignedInvalid::Claims { source: ClaimsInvalid::TextTooLong { found: 256, .. } }),
        "{refusal:?}"
    );
    let mut late = claims();
    late.policy.as_mut().unwrap().not_after = at(253_402_300_800);
    let refusal = UnsignedCertificate::attestation(chain.parameters(&late)).unwrap_err();
    assert_eq!(refusal, UnsignedInvalid::ClaimsChanged);
    let mut undated = claims();
    undated.key.start_date = Some(Date { year: 10_000, month: 1, day: 1 });
    let refusal = UnsignedCertificate::attestation(chain.parameters(&undated)).unwrap_err();
    assert!(matches!(refusal, UnsignedInvalid::Claims { source: ClaimsInvalid::Date { .. } }), "{refusal:?}");

    let mut token = platform();
    token.model = "x".repeat(256);
    let key = TestKey::p384(34);
    let request = UnsignedCsr::device(DeviceCsrParameters {
        subject: &subject("Device"),
        spki_der: &key.spki_der,
        signature_algorithm: key.algorithm,
        platform: &token,
    });
    assert!(matches!(request, Err(UnsignedInvalid::Platform { .. })), "{request:?}");
}

#[test]
fn a_signature_is_attached_as_it_is() {
    for chain in TestChain::both() {
        let claims = claims();
        let unsigned = UnsignedCertificate::attestation(chain.parameters(&claims)).unwrap();
        assert_eq!(unsigned.clone().attach(&[]), Err(AttachError::SignatureEmpty));
        assert_eq!(unsigned.signature_algorithm(), chain.attestation_key.algorithm);
        let certificate = Certificate::parse(&unsigned.clone().attach(&[1, 2, 3]).unwrap()).unwrap();
        assert_eq!(certificate.signature(), [1, 2, 3]);
        assert_eq!(certificate.to_be_signed(), unsigned.to_be_signed());
        assert_eq!(finish(unsigned, &chain.attestation_key), chain.attest(&claims));
    }
}

#[test]
fn a_request_is_signed_by_its_own_key_and_asks_for_the_devices_extensions() {
    for key in [TestKey::p384(34), TestKey::ml_dsa(attestamp_certs::MlDsa::MlDsa87, 35)] {
        let unsigned = UnsignedCsr::device(DeviceCsrParameters {
            subject: &subject("Device"),
            spki_der: &key.spki_der,
            signature_algorithm: key.algorithm,
            platform: &platform(),
        })
        .unwrap();
        assert_eq!(unsigned.clone().attach(&[]), Err(AttachError::SignatureEmpty));
        assert_eq!(unsigned.signature_algorithm(), key.algorithm);
        let to_be_signed = unsigned.to_be_signed().to_vec();
        let wanted = [
            extensions::certificate_authority(Some(1)),
            extensions::key_usage(&extensions::KEY_CERT_SIGN),
            extensions::device_platform(&platform()),
        ];
        assert!(to_be_signed.ends_with(&element(tag::SEQUENCE, &[&wanted.concat()])));
        let request = unsigned.attach(&key.sign(&to_be_signed)).unwrap();
        let mut parts = Reader::new(&request).required(tag::SEQUENCE).unwrap().reader();
        assert_eq!(parts.any().unwrap().der, to_be_signed);
        assert_eq!(parts.any().unwrap().der, key.algorithm.algorithm_identifier_der());
        let signature = parts.required(tag::BIT_STRING).unwrap().content;
        assert_eq!(key.algorithm.verify(&key.spki_der, &to_be_signed, &signature[1..]), Ok(()));
    }
    let (key, wrong) = (TestKey::p384(34), SignatureAlgorithm::Ed25519);
    let request = UnsignedCsr::device(DeviceCsrParameters {
        subject: &subject("Device"),
        spki_der: &key.spki_der,
        signature_algorithm: wrong,
        platform: &platform(),
    });
    assert_eq!(request, Err(UnsignedInvalid::SignatureAlgorithm { algorithm: wrong }));
}
