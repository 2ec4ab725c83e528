//! The line itself: its members, their order, their number, and what CAs above a device may be.

use super::*;
use crate::test_chain::{attester, device, root};
use attestamp_certs::SignatureAlgorithm;

/// A chain below CAs of an organisation: root, then `authorities` CAs, the last of which issued the device.
struct Organisation {
    root: Certificate,
    /// The device's CA first.
    authorities: Vec<Certificate>,
    device: Certificate,
    attester: Certificate,
    attestation: Certificate,
}

impl Organisation {
    fn new(authorities: u8, change: impl Fn(u8, Forgery) -> Forgery) -> Self {
        let root_key = TestKey::p384(100);
        let root = root("Organisation", &root_key);
        let mut above: Vec<(Certificate, TestKey)> = vec![(root.clone(), root_key)];
        for number in 0..authorities {
            let (issuer, issuer_key) = above.last().unwrap();
            let key = TestKey::p384(101 + number);
            let mut forgery = Forgery::below(issuer, &format!("CA {number}"), &key)
                .with(extensions::certificate_authority(None))
                .with(extensions::key_usage(&extensions::KEY_CERT_SIGN))
                .with(extensions::subject_key_identifier(&[number; 20]));
            forgery.validity = crate::test_chain::years(25);
            let certificate = change(number, forgery).sign(issuer_key);
            above.push((certificate, key));
        }
        let (issuer, issuer_key) = above.pop().unwrap();
        let chain = TestChain::classical();
        let device = device(&issuer, &issuer_key, &chain.device_key);
        let attester = attester(&device, &chain.device_key, &chain.attestation_key);
        let chain = TestChain { attester: attester.clone(), device: device.clone(), ..chain };
        let attestation = chain.attest(&claims());
        let mut authorities: Vec<Certificate> = above.into_iter().skip(1).map(|(it, _)| it).collect();
        authorities.push(issuer);
        authorities.reverse();
        Self { root, authorities, device, attester, attestation }
    }

    fn verdict(&self) -> Result<Verified, NotVerified> {
        let mut above = vec![self.attester.clone(), self.device.clone()];
        above.extend(self.authorities.clone());
        verify(&self.attestation, &above, &self.root, at(NOW))
    }
}

#[test]
fn cas_may_stand_between_device_and_root() {
    for authorities in 1..=6 {
        let organisation = Organisation::new(authorities, |_, forgery| forgery);
        assert_eq!(organisation.authorities.len(), usize::from(authorities));
        assert!(organisation.verdict().is_ok(), "{authorities}");
    }
    let organisation = Organisation::new(7, |_, forgery| forgery);
    assert_eq!(organisation.verdict(), Err(NotVerified::ChainTooLong { found: 9 }));
}

#[test]
fn rfc_5280_4_2_1_9_path_lengths_count_the_cas_below() {
    // Below CA 0 stand CA 1, the device and the attestation key.
    for (path_length, number, holds) in [(3, 0, true), (2, 0, false), (2, 1, true)] {
        let organisation = Organisation::new(2, |this, forgery| match this == number {
            true => forgery.with(extensions::certificate_authority(Some(path_length))),
            false => forgery,
        });
        let verdict = organisation.verdict();
        assert_eq!(verdict.is_ok(), holds, "{path_length} {number} {verdict:?}");
        if !holds {
            let position = Position::Authority { above_device: 2 };
            assert_eq!(verdict, Err(NotVerified::PathTooLong { position, allowed: 2, found: 3 }));
        }
    }
}

#[test]
fn cas_of_an_organisation_are_cas() {
    let position = Position::Authority { above_device: 1 };
    let verdict = |change: &dyn Fn(Forgery) -> Forgery| {
        let chain = TestChain::classical();
        let key = TestKey::p384(110);
        let forgery = Forgery::below(&chain.root, "CA", &key)
            .with(extensions::certificate_authority(None))
            .with(extensions::key_usage(&extensions::KEY_CERT_SIGN));
        let authority = change(forgery).sign(&chain.root_key);
        let mut device = Forgery::of(&chain.device);
        device.issuer_der = authority.subject_der().to_vec();
        let device = device.without(&crate::certificate::AUTHORITY_KEY_IDENTIFIER).sign(&key);
        let above = [chain.attester.clone(), device, authority];
        verify_at_now(&chain, &chain.attest(&claims()), &above)
    };
    assert!(verdict(&|forgery| forgery).is_ok());
    let not_critical = extensions::extension(&BASIC_CONSTRAINTS, false, &[0x30, 3, 1, 1, 0xff]);
    assert_eq!(
        verdict(&|forgery| forgery.with(not_critical.clone())),
        Err(NotVerified::NotAuthority { position })
    );
    assert_eq!(
        verdict(&|forgery| forgery.without(&BASIC_CONSTRAINTS)),
        Err(NotVerified::NotAuthority { position })
    );
    assert_eq!(
        verdict(&|forgery| forgery.without(&KEY_USAGE)),
        Err(NotVerified::MayNotSignCertificates { position })
    );
    let for_servers = extensions::only_for(&hex_literal::hex!("2b06010505070301"));
    assert_eq!(
        verdict(&|forgery| forgery.with(for_servers.clone())),
        Err(NotVerified::AuthorityForOtherPurposes { position })
    );
    let for_all = extensions::only_for(&hex_literal::hex!("551d2500"));
    assert!(verdict(&|forgery| forgery.with(for_all.clone())).is_ok());
    let unknown = extensions::extension(&hex_literal::hex!("551d1e"), true, &[0x30, 0]);
    let refused = verdict(&|forgery| forgery.with(unknown.clone())).unwrap_err();
    let identifier = hex_literal::hex!("551d1e").to_vec();
    assert_eq!(refused, NotVerified::UnknownCriticalExtension { position, identifier });
    assert!(refused.to_string().contains("2.5.29.30"), "{refused}");
}

#[test]
fn an_unknown_critical_extension_of_the_attestation_is_refused() {
    for chain in TestChain::both() {
        let unknown = extensions::extension(&[0x2a, 3], true, &[5, 0]);
        let forged = Forgery::of(&chain.attest(&claims())).with(unknown).sign(&chain.attestation_key);
        let (position, identifier) = (Position::Attestation, vec![0x2a, 3]);
        let expected = NotVerified::UnknownCriticalExtension { position, identifier };
        assert_eq!(verify_at_now(&chain, &forged, &chain.chain()), Err(expected));
    }
}

#[test]
fn the_line_has_an_attestation_key_a_device_and_a_root_above_it() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        let verdict = |above: &[Certificate]| verify_at_now(&chain, &attestation, above);
        let TestChain { root, device, attester, .. } = &chain;
        assert_eq!(verdict(&[]), Err(NotVerified::ChainEmpty));
        let too_short = |found| Err(NotVerified::ChainTooShort { found, required: 4 });
        assert_eq!(verdict(std::slice::from_ref(attester)), too_short(3));
        assert_eq!(verdict(std::slice::from_ref(root)), too_short(2));
        assert_eq!(verdict(&[attester.clone(), root.clone()]), too_short(3));
        // The device itself as the pin: nothing vouches for its names.
        let verdict = verify(&attestation, &chain.chain(), device, at(NOW));
        assert_eq!(verdict, too_short(3));
    }
}

#[test]
fn the_certificate_above_the_attestation_keys_names_a_token() {
    for chain in TestChain::both() {
        let device = Forgery::of(&chain.device).without(&crate::oid::DEVICE_PLATFORM).sign(&chain.root_key);
        let verdict = verify_at_now(&chain, &chain.attest(&claims()), &[chain.attester.clone(), device]);
        assert_eq!(verdict, Err(NotVerified::DeviceUnnamed));
    }
}

#[test]
fn the_order_is_that_of_the_signatures_and_nothing_else_stands_among_them() {
    for chain in TestChain::both() {
        let attestation = chain.attest(&claims());
        let TestChain { root, device, attester, .. } = &chain;
        let repeated = |position| Err(NotVerified::Repeated { position });
        let issuer_differs = |position, issuer| Err(NotVerified::IssuerDiffers { position, issuer });
        let verdict = |above: &[&Certificate]| {
            let above: Vec<Certificate> = above.iter().copied().cloned().collect();
            verify_at_now(&chain, &attestation, &above)
        };
        assert_eq!(verdict(&[device, attester]), issuer_differs(Position::Device, Position::Root));
        assert_eq!(
            verdict(&[attester, device, attester, root]),
            repeated(Position::Authority { above_device: 1 })
        );
        assert_eq!(verdict(&[attester, attester, device]), repeated(Position::Device));
        assert_eq!(verdict(&[attester, device, root, root]), repeated(Position::Root));
        assert_eq!(verdict(&[attester, root, device]), repeated(Position::Root));
        assert_eq!(verdict(&[&attestation, attester, device]), repeated(Position::AttestationKey));
        let stranger = crate::test_chain::root("Stranger", &TestKey::p384(120));
        assert_eq!(
            verdict(&[attester, device, &stranger]),
            Err(NotVerified::SelfIssued { position: Position::Authority { above_device: 1 } })
        );
        assert_eq!(
            verdict(&[attester, device, &stranger, root]),
            Err(NotVerified::SelfIssued { position: Position::Authority { above_device: 1 } })
        );
    }
}

#[test]
fn a_renewed_root_of_the_same_key_is_not_a_link() {
    let chain = TestChain::classical();
    let mut forgery = Forgery::of(&chain.root);
    forgery.validity = crate::test_chain::years(29);
    let renewed = forgery.sign(&chain.root_key);
    let attestation = chain.attest(&claims());
    // As the pin it is a root like the first: the same name and key.
    assert!(verify(&attestation, &chain.chain(), &renewed, at(NOW)).is_ok());
    let above = [chain.chain(), vec![chain.root.clone()]].concat();
    let position = Position::Authority { above_device: 1 };
    assert_eq!(verify(&attestation, &above, &renewed, at(NOW)), Err(NotVerified::SelfIssued { position }));
}

#[test]
fn one_classical_signature_makes_the_line_classical() {
    use attestamp_certs::MlDsa;

    let ml_dsa = |octet| TestKey::ml_dsa(MlDsa::MlDsa65, octet);
    for (keys, is_post_quantum) in [
        ([ml_dsa(1), ml_dsa(2), ml_dsa(3), TestKey::p256(4)], true),
        ([TestKey::p384(1), ml_dsa(2), ml_dsa(3), TestKey::p256(4)], false),
        ([ml_dsa(1), TestKey::p384(2), ml_dsa(3), TestKey::p256(4)], false),
        ([ml_dsa(1), ml_dsa(2), TestKey::p384(3), TestKey::p256(4)], false),
    ] {
        let chain = TestChain::of(keys);
        let verified = verify_at_now(&chain, &chain.attest(&claims()), &chain.chain()).unwrap();
        assert_eq!(verified.is_post_quantum, is_post_quantum);
    }
}

#[test]
fn ecdsa_with_another_hash_than_its_curves_could_not_be_judged() {
    let chain = TestChain::classical();
    // A root on P-384 that signs with SHA-256: good X.509, and no row of the table.
    let mut unusual = TestKey::p384(11);
    unusual.algorithm = SignatureAlgorithm::EcdsaP256Sha256;
    let device = Forgery::of(&chain.device).sign(&unusual);
    let verdict = verify_at_now(&chain, &chain.attest(&claims()), &[chain.attester.clone(), device]);
    let refused = verdict.unwrap_err();
    assert!(
        matches!(
            refused,
            NotVerified::SignatureNotJudged { position: Position::Device, issuer: Position::Root, .. }
        ),
        "{refused:?}"
    );
    assert!(refused.is_unjudgeable());
    // A key of another kind altogether cannot have signed it.
    let mut impossible = TestKey::p384(11);
    impossible.algorithm = SignatureAlgorithm::Ed25519;
    let device = Forgery::of(&chain.device).sign(&impossible);
    let verdict = verify_at_now(&chain, &chain.attest(&claims()), &[chain.attester.clone(), device]);
    assert!(!verdict.unwrap_err().is_unjudgeable());
}

#[test]
fn claims_of_another_version_could_not_be_judged() {
    for chain in TestChain::both() {
        let mut newer = claims().to_der();
        let place = newer.windows(3).position(|window| window == [2, 1, 1]).unwrap();
        newer[place + 2] = 2;
        let attestation = Forgery::of(&chain.attest(&claims())).with(extensions::key_attestation(&newer));
        let refused =
            verify_at_now(&chain, &attestation.sign(&chain.attestation_key), &chain.chain()).unwrap_err();
        assert!(matches!(refused, NotVerified::Claims { .. }) && refused.is_unjudgeable(), "{refused:?}");
        // Under a signature that does not hold they are nothing at all.
        let unsigned = attestation.sign(&TestKey::p256(1));
        assert!(!verify_at_now(&chain, &unsigned, &chain.chain()).unwrap_err().is_unjudgeable());
    }
}

/// One chain, many keys: the same is found of each as if the chain were held against the root for it alone.
#[test]
fn a_chain_that_is_verified_once_gives_each_attestation_its_own_verdict() {
    for chain in TestChain::both() {
        let good = chain.attest(&claims());
        let forged = Forgery::of(&good).sign(&TestKey::p384(99));
        let mut broken = chain.chain();
        broken[1] = Forgery::of(&chain.device).sign(&TestKey::p384(99));
        let with_root = [chain.chain(), vec![chain.root.clone()]].concat();
        let many = vec![chain.device.clone(); 9];
        for above in [chain.chain(), with_root, broken, Vec::new(), chain.chain()[..1].to_vec(), many] {
            let verifier = ChainVerifier::new(&above, &chain.root);
            for attestation in [&good, &forged, &chain.attester, &good] {
                for when in [at(NOW), at(NOW + 2 * YEAR)] {
                    let alone = verify(attestation, &above, &chain.root, when);
                    assert_eq!(verifier.verify(attestation, when), alone);
                }
            }
        }
    }
}
