//! The rows D1 to D11 of the requirements, as far as one attestation and its chain can show them; on both chains.

use super::*;
use crate::acceptance::shortcomings;
use crate::claims::Assurance;

/// The verdict on an attestation that says the same but for what `change` changes.
fn forged_attestation(
    chain: &TestChain,
    change: impl FnOnce(Forgery) -> Forgery,
) -> Result<Verified, NotVerified> {
    let forged = change(Forgery::of(&chain.attest(&claims()))).sign(&chain.attestation_key);
    verify_at_now(chain, &forged, &chain.chain())
}

/// The verdict on an attestation whose attestation key's certificate is changed and signed anew by the device.
fn forged_attester(
    chain: &TestChain,
    change: impl FnOnce(Forgery) -> Forgery,
) -> Result<Verified, NotVerified> {
    let attester = change(Forgery::of(&chain.attester)).sign(&chain.device_key);
    verify_at_now(chain, &chain.attest(&claims()), &[attester, chain.device.clone()])
}

#[test]
fn d1_the_attested_key_is_the_subject_and_the_attestation_key_the_issuer() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        assert_eq!(attestation.spki_der(), chain.attested_key.spki_der);
        assert_eq!(attestation.issuer_der(), chain.attester.subject_der());
        assert_eq!(attestation.authority_key_identifier(), chain.attester.key_identifier());
        let verified = verify_at_now(&chain, &attestation, &chain.chain()).unwrap();
        assert_eq!(verified.spki_der, chain.attested_key.spki_der);
    }
}

#[test]
fn d1_an_attestation_has_claims_in_one_extension_that_is_not_critical() {
    for chain in TestChain::both() {
        let without = forged_attestation(&chain, |forgery| forgery.without(&KEY_ATTESTATION));
        assert_eq!(without, Err(NotVerified::ClaimsMissing));
        let forgery = Forgery::of(&chain.attest(&claims()));
        let critical = extensions::extension(&KEY_ATTESTATION, true, &claims().to_der());
        assert!(forgery.with(critical).try_sign(&chain.attestation_key).is_err());
        let mut twice = Forgery::of(&chain.attest(&claims()));
        twice.extensions.push(extensions::key_attestation(&full_claims().to_der()));
        assert!(twice.try_sign(&chain.attestation_key).is_err());
    }
}

#[test]
fn d2_the_only_purpose_is_attestation_only_and_critical() {
    use attestamp_strict_der::element;

    let time_stamping = hex_literal::hex!("06082b06010505070308");
    let attestation_only = element(0x06, &[&ATTESTATION_ONLY]);
    let purposes = |is_critical, purposes: &[&[u8]]| {
        extensions::extension(&EXTENDED_KEY_USAGE, is_critical, &element(0x30, purposes))
    };
    for chain in TestChain::both() {
        for other in [
            purposes(false, &[&attestation_only]),
            purposes(true, &[&attestation_only, &time_stamping]),
            purposes(true, &[&time_stamping]),
            purposes(true, &[&hex_literal::hex!("0604551d2500")]),
        ] {
            let verdict = forged_attestation(&chain, |forgery| forgery.with(other));
            assert_eq!(verdict, Err(NotVerified::AttestationPurpose));
        }
        let verdict = forged_attestation(&chain, |forgery| forgery.without(&EXTENDED_KEY_USAGE));
        assert_eq!(verdict, Err(NotVerified::AttestationPurpose));
    }
}

#[test]
fn d2_the_attested_key_signs_and_is_no_ca() {
    for chain in TestChain::both() {
        let usage = extensions::key_usage(&extensions::KEY_CERT_SIGN_AND_DIGITAL_SIGNATURE);
        let verdict = forged_attestation(&chain, |forgery| forgery.with(usage));
        assert_eq!(verdict, Err(NotVerified::AttestationKeyUsage));
        let verdict = forged_attestation(&chain, |forgery| forgery.without(&KEY_USAGE));
        assert_eq!(verdict, Err(NotVerified::AttestationKeyUsage));
        let authority = extensions::certificate_authority(None);
        let verdict = forged_attestation(&chain, |forgery| forgery.with(authority));
        assert_eq!(verdict, Err(NotVerified::AttestationIsAuthority));
    }
}

#[test]
fn d3_an_attestation_key_is_a_ca_with_pathlen_0_that_signs() {
    let position = Position::AttestationKey;
    for chain in TestChain::both() {
        let verdict = forged_attester(&chain, |forgery| forgery.without(&BASIC_CONSTRAINTS));
        assert_eq!(verdict, Err(NotVerified::NotAuthority { position }));
        let no_ca = extensions::extension(&BASIC_CONSTRAINTS, true, &[0x30, 0]);
        let verdict = forged_attester(&chain, |forgery| forgery.with(no_ca));
        assert_eq!(verdict, Err(NotVerified::NotAuthority { position }));
        for path_length in [None, Some(1)] {
            let authority = extensions::certificate_authority(path_length);
            let verdict = forged_attester(&chain, |forgery| forgery.with(authority));
            assert_eq!(verdict, Err(NotVerified::NotAttestationKey));
        }
        let usage = extensions::key_usage(&extensions::KEY_CERT_SIGN);
        let verdict = forged_attester(&chain, |forgery| forgery.with(usage));
        assert_eq!(verdict, Err(NotVerified::NotAttestationKey));
        let usage = extensions::key_usage(&extensions::DIGITAL_SIGNATURE);
        let verdict = forged_attester(&chain, |forgery| forgery.with(usage));
        assert_eq!(verdict, Err(NotVerified::MayNotSignCertificates { position }));
        let verdict = forged_attester(&chain, |forgery| forgery.without(&KEY_USAGE));
        assert_eq!(verdict, Err(NotVerified::MayNotSignCertificates { position }));
    }
}

#[test]
fn d4_and_d5_the_claims_come_out_as_they_went_in() {
    for chain in TestChain::both() {
        let verified = verify_at_now(&chain, &chain.attest(&full_claims()), &chain.chain()).unwrap();
        assert_eq!(verified.claims, full_claims());
        assert_eq!(verified.claims.nonce.unwrap().as_bytes(), (0..32).collect::<Vec<u8>>());
    }
}

#[test]
fn d4_claims_are_of_the_device_that_the_chain_names() {
    for chain in TestChain::both() {
        type Change = fn(&mut Platform);
        let changes: [Change; 3] = [
            |platform| platform.manufacturer.push('x'),
            |platform| platform.model.push('x'),
            |platform| platform.serial.push('x'),
        ];
        for change in changes {
            let mut other = claims();
            change(&mut other.platform);
            let verdict = verify_at_now(&chain, &chain.attest(&other), &chain.chain());
            assert_eq!(verdict, Err(NotVerified::PlatformDiffers));
        }
        // An upgrade since the device certificate was issued.
        let mut upgraded = claims();
        upgraded.platform.firmware = "3.0".to_owned();
        let verified = verify_at_now(&chain, &chain.attest(&upgraded), &chain.chain()).unwrap();
        assert_eq!((verified.claims.platform.firmware, verified.device), ("3.0".to_owned(), platform()));
    }
}

#[test]
fn d4_the_time_of_attestation_is_in_the_validity_of_the_attestation_and_its_key() {
    for chain in TestChain::both() {
        for (attested_at, position) in [
            (NOW - 1, Position::Attestation),
            (NOW + YEAR + 1, Position::Attestation),
            (0, Position::Attestation),
        ] {
            let mut other = claims();
            other.attested_at = at(attested_at);
            let extension = extensions::key_attestation(&other.to_der());
            let verdict = forged_attestation(&chain, |forgery| forgery.with(extension));
            let (not_before, not_after) = (at(NOW), at(NOW + YEAR));
            let attested_at = at(attested_at);
            let expected =
                NotVerified::AttestedOutsideValidity { position, attested_at, not_before, not_after };
            assert_eq!(verdict, Err(expected));
        }
        // An attestation that outlives the key that signed it, made after that key's end.
        let mut late = claims();
        late.attested_at = at(NOW + 11 * YEAR);
        let mut forgery =
            Forgery::of(&chain.attest(&claims())).with(extensions::key_attestation(&late.to_der()));
        forgery.validity = crate::test_chain::years(12);
        let late = forgery.sign(&chain.attestation_key);
        let verdict = verify_at_now(&chain, &late, &chain.chain());
        let position = Position::AttestationKey;
        assert!(
            matches!(verdict, Err(NotVerified::AttestedOutsideValidity { position: found, .. }) if found == position),
            "{verdict:?}"
        );
    }
}

#[test]
fn d6_a_verified_key_is_not_yet_an_accepted_one() {
    use crate::claims::KeyFlag;

    for chain in TestChain::both() {
        let mut extractable = claims();
        extractable.key.flags = extractable.key.flags.with(KeyFlag::Extractable, Some(true));
        let verified = verify_at_now(&chain, &chain.attest(&extractable), &chain.chain()).unwrap();
        assert_eq!(shortcomings(&verified.claims.key).len(), 1);
    }
}

#[test]
fn d7_the_attested_key_cannot_be_exchanged() {
    for chain in TestChain::both() {
        // Whoever cannot sign can only write another key into an attestation that was signed.
        let other_key = TestKey::p256(77);
        let der = chain.attest(&claims()).der().to_vec();
        let place = der.windows(91).position(|window| window == chain.attested_key.spki_der).unwrap();
        let mut exchanged = der;
        exchanged[place..place + 91].copy_from_slice(&other_key.spki_der);
        let verdict = verify_at_now(&chain, &Certificate::parse(&exchanged).unwrap(), &chain.chain());
        let position = Position::Attestation;
        assert!(
            matches!(verdict, Err(NotVerified::Signature { position: found, .. }) if found == position),
            "{verdict:?}"
        );
    }
}

#[test]
fn d8_every_validity_is_judged_at_the_time_of_the_auditor() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        let judged = |when: u64| verify(&attestation, &chain.chain(), &chain.root, at(when));
        assert!(judged(NOW).is_ok() && judged(NOW + YEAR).is_ok());
        let position = Position::Attestation;
        let expected = NotVerified::NotYetValid { position, not_before: at(NOW), at: at(NOW - 1) };
        assert_eq!(judged(NOW - 1), Err(expected));
        let (not_after, late) = (at(NOW + YEAR), at(NOW + YEAR + 1));
        assert_eq!(judged(NOW + YEAR + 1), Err(NotVerified::Expired { position, not_after, at: late }));
    }
}

#[test]
fn d8_every_certificate_of_the_line_and_the_root_too_must_be_valid() {
    use crate::test_chain::years;
    use attestamp_certs::Validity;

    for chain in TestChain::both() {
        let when = at(NOW + 3 * YEAR);
        let long = |certificate: &Certificate, key: &TestKey, validity: Validity| {
            let mut forgery = Forgery::of(certificate);
            forgery.validity = validity;
            forgery.sign(key)
        };
        let future = Validity::new(at(NOW + 4 * YEAR), at(NOW + 20 * YEAR)).unwrap();
        for shortened in 0..4 {
            let validity = |index: usize, wrong| if index == shortened { wrong } else { years(20) };
            for wrong in [years(2), future] {
                let root = long(&chain.root, &chain.root_key, validity(3, wrong));
                let device = long(&chain.device, &chain.root_key, validity(2, wrong));
                let attester = long(&chain.attester, &chain.device_key, validity(1, wrong));
                let attestation = long(&chain.attest(&claims()), &chain.attestation_key, validity(0, wrong));
                let verdict = verify(&attestation, &[attester, device], &root, when);
                let expected =
                    [Position::Attestation, Position::AttestationKey, Position::Device, Position::Root]
                        [shortened];
                assert!(
                    matches!(
                        verdict,
                        Err(NotVerified::Expired { position, .. } | NotVerified::NotYetValid { position, .. })
                            if position == expected
                    ),
                    "{verdict:?}"
                );
            }
        }
    }
}

#[test]
fn d9_only_the_pinned_root_counts() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        // Another root of the same name, whose own chain would hold as well.
        let other = crate::test_chain::root("Device root", &TestKey::p384(99));
        let differs =
            Err(NotVerified::KeyIdentifierDiffers { position: Position::Device, issuer: Position::Root });
        assert_eq!(verify(&attestation, &chain.chain(), &other, at(NOW)), differs);
        // That the chain brings a root along, which would hold, is nothing to the pin.
        let above = [chain.chain(), vec![chain.root.clone()]].concat();
        let position = Position::Authority { above_device: 1 };
        assert_eq!(verify(&attestation, &above, &other, at(NOW)), Err(NotVerified::SelfIssued { position }));
        assert!(verify(&attestation, &above, &chain.root, at(NOW)).is_ok());
    }
}

#[test]
fn d10_no_key_serves_twice() {
    for chain in TestChain::both() {
        for (key, second) in [
            (&chain.attestation_key, Position::AttestationKey),
            (&chain.device_key, Position::Device),
            (&chain.root_key, Position::Root),
        ] {
            let verdict = forged_attestation(&chain, |mut forgery| {
                forgery.spki_der.clone_from(&key.spki_der);
                forgery
            });
            assert_eq!(verdict, Err(NotVerified::KeyReused { first: Position::Attestation, second }));
        }
        // The device's key as attestation key.
        let mut attester = Forgery::of(&chain.attester);
        attester.spki_der.clone_from(&chain.device_key.spki_der);
        let attester = attester.without(&crate::certificate::SUBJECT_KEY_IDENTIFIER).sign(&chain.device_key);
        let attestation = Forgery::of(&chain.attest(&claims())).sign(&chain.device_key);
        let verdict = verify_at_now(&chain, &attestation, &[attester, chain.device.clone()]);
        let (first, second) = (Position::AttestationKey, Position::Device);
        assert_eq!(verdict, Err(NotVerified::KeyReused { first, second }));
    }
}

#[test]
fn d11_who_asserts_the_claims_is_under_the_signature() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        let verified = verify_at_now(&chain, &attestation, &chain.chain()).unwrap();
        assert_eq!(verified.claims.assurance, Assurance::HostAsserted);
        let rewritten = refused::rewritten(&attestation, |claims| {
            claims.assurance = Assurance::DeviceSigned;
        });
        let verdict = verify_at_now(&chain, &rewritten, &chain.chain());
        assert!(matches!(verdict, Err(NotVerified::Signature { .. })), "{verdict:?}");
    }
}
