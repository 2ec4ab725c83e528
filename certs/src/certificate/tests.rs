//! Tests of the three profiles: what each says, what each refuses, and that the leaf is the shortest.

use der::{Decode, Encode};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, PrivateKeyUsagePeriod};

use x509_cert::Version;

use super::*;
use crate::test_keys::post_quantum::spki;
use crate::test_keys::{
    Hierarchy, NOW, TestKey, YEAR, at, finish, hierarchy, intermediate, root, serial, subject, years,
};
use crate::{MlDsa, SlhDsa};

const BASE: &str = "https://tsa.example";

/// Falcon-512 by its sizes: a 897-octet key under an OID that nothing in this crate knows.
fn unknown_algorithm_spki() -> Vec<u8> {
    spki(&hex_literal::hex!("3007 0605 2bce0f0306"), &[0x5a; 897])
}

fn every_key() -> Vec<TestKey> {
    let mut keys = vec![TestKey::p256(7), TestKey::p384(8), TestKey::ed25519(9), TestKey::rsa2048(10)];
    keys.extend([MlDsa::MlDsa44, MlDsa::MlDsa65, MlDsa::MlDsa87].map(|set| TestKey::ml_dsa(set, 11)));
    keys.push(TestKey::slh_dsa(SlhDsa::Sha2_128f, 12));
    keys
}

fn post_quantum_keys() -> impl Iterator<Item = TestKey> {
    every_key().into_iter().filter(|key| key.algorithm.is_post_quantum())
}

#[test]
fn certificates_decode_and_encode_to_the_same_octets_with_every_algorithm() {
    for key in every_key() {
        let Hierarchy { root, intermediate, tsu } = hierarchy(&key, &key, &key, Some(BASE));
        for der in [&root, &intermediate, &tsu] {
            let certificate = Certificate::from_der(der).unwrap();
            assert_eq!(certificate.to_der().unwrap(), der.as_ref(), "{:?}", key.algorithm);
            let algorithm = certificate.signature_algorithm();
            assert_eq!(algorithm, certificate.tbs_certificate().signature());
            assert_eq!(algorithm.to_der().unwrap(), key.algorithm.algorithm_identifier_der());
        }
    }
}

#[test]
fn c1_neither_keys_nor_signatures_of_post_quantum_certificates_have_parameters() {
    for key in post_quantum_keys() {
        let Hierarchy { root, intermediate, tsu } = hierarchy(&key, &key, &key, Some(BASE));
        for der in [&root, &intermediate, &tsu] {
            let certificate = Certificate::from_der(der).unwrap();
            let tbs = certificate.tbs_certificate();
            for algorithm in
                [certificate.signature_algorithm(), tbs.signature(), &tbs.subject_public_key_info().algorithm]
            {
                assert_eq!(algorithm.parameters, None, "{}", key.algorithm.name());
                assert_eq!(algorithm.to_der().unwrap(), key.algorithm.algorithm_identifier_der());
            }
        }
    }
}

#[test]
fn c5_post_quantum_keys_are_for_signatures_alone() {
    for key in post_quantum_keys() {
        let Hierarchy { root, intermediate, tsu } = hierarchy(&key, &key, &key, None);
        for (der, expected) in [
            (&root, KeyUsages::KeyCertSign | KeyUsages::CRLSign),
            (&intermediate, KeyUsages::KeyCertSign | KeyUsages::CRLSign),
            (&tsu, KeyUsages::DigitalSignature.into()),
        ] {
            let certificate = Certificate::from_der(der).unwrap();
            let (critical, usage) =
                certificate.tbs_certificate().get_extension::<KeyUsage>().unwrap().unwrap();
            assert!(critical);
            assert_eq!(usage.0, expected, "RFC 9881 §5, RFC 9909 §6: {}", key.algorithm.name());
        }
    }
}

#[test]
fn a_key_of_an_unknown_algorithm_is_certified_as_it_is() {
    let (key, spki_der) = (TestKey::p256(7), unknown_algorithm_spki());
    let tsu = hierarchy(&key, &key, &TestKey { spki_der: spki_der.clone(), ..TestKey::p256(8) }, None).tsu;
    let certificate = Certificate::from_der(&tsu).unwrap();
    assert_eq!(certificate.tbs_certificate().subject_public_key_info().to_der().unwrap(), spki_der);
}

#[test]
fn tsu_certificate_is_that_of_rfc_3161_2_3_and_en_319_422_6() {
    let key = TestKey::p256(7);
    let certificate = Certificate::from_der(&hierarchy(&key, &key, &key, Some(BASE)).tsu).unwrap();
    let tbs = certificate.tbs_certificate();
    assert_eq!(tbs.version(), Version::V3);
    assert_eq!(tbs.get_extension::<BasicConstraints>().unwrap(), None, "absent is CA FALSE");
    let (critical, usage) = tbs.get_extension::<KeyUsage>().unwrap().unwrap();
    assert!(critical && usage.digital_signature() && usage.0.bits().count_ones() == 1);
    let (critical, purposes) = tbs.get_extension::<ExtendedKeyUsage>().unwrap().unwrap();
    assert!(critical);
    assert_eq!(purposes.0, [ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8")]);
    let (critical, period) = tbs.get_extension::<PrivateKeyUsagePeriod>().unwrap().unwrap();
    assert!(!critical && period.not_before.is_none());
    assert_eq!(period.not_after.unwrap().to_unix_duration().as_secs(), NOW + YEAR);
    let found: Vec<_> =
        tbs.extensions().unwrap().iter().map(|extension| extension.extn_id.to_string()).collect();
    assert_eq!(
        found,
        ["2.5.29.15", "2.5.29.37", "2.5.29.16", "2.5.29.14", "2.5.29.35", "2.5.29.31", "1.3.6.1.5.5.7.1.1"]
    );
}

#[test]
fn timestamping_ca_issues_to_end_entities_and_for_timestamping_only() {
    let key = TestKey::p256(7);
    let certificate = Certificate::from_der(&hierarchy(&key, &key, &key, Some(BASE)).intermediate).unwrap();
    let tbs = certificate.tbs_certificate();
    let constraints = tbs.get_extension::<BasicConstraints>().unwrap().unwrap();
    assert_eq!(constraints, (true, BasicConstraints { ca: true, path_len_constraint: Some(0) }));
    let (_, purposes) = tbs.get_extension::<ExtendedKeyUsage>().unwrap().unwrap();
    assert_eq!(purposes.0, [ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8")]);
    let (critical, usage) = tbs.get_extension::<KeyUsage>().unwrap().unwrap();
    assert!(critical && usage.key_cert_sign() && usage.crl_sign() && usage.0.bits().count_ones() == 2);
}

#[test]
fn names_and_key_identifiers_chain() {
    let (root_key, ca_key, tsu_key) = (TestKey::p384(1), TestKey::p256(2), TestKey::ed25519(3));
    let Hierarchy { root, intermediate, tsu } = hierarchy(&root_key, &ca_key, &tsu_key, None);
    for (below, above) in [(&tsu, &intermediate), (&intermediate, &root), (&root, &root)] {
        let below = Certificate::from_der(below).unwrap();
        let issuer = Issuer::from_certificate(above).unwrap();
        assert_eq!(below.tbs_certificate().issuer().to_der().unwrap(), issuer.name_der());
        if let Some((_, authority)) =
            below.tbs_certificate().get_extension::<x509_cert::ext::pkix::AuthorityKeyIdentifier>().unwrap()
        {
            assert_eq!(authority.key_identifier.unwrap().as_bytes(), issuer.key_identifier());
        }
    }
}

#[test]
fn without_addresses_there_are_no_distribution_points() {
    let key = TestKey::p256(7);
    let with = hierarchy(&key, &key, &key, Some(BASE));
    let without = hierarchy(&key, &key, &key, None);
    for (der, count) in [(with.tsu, 7), (without.tsu, 5), (with.intermediate, 8), (without.intermediate, 6)] {
        let certificate = Certificate::from_der(&der).unwrap();
        assert_eq!(certificate.tbs_certificate().extensions().unwrap().len(), count);
    }
}

#[test]
fn the_tsu_certificate_is_shorter_than_the_intermediate() {
    for key in every_key() {
        for base in [None, Some(BASE)] {
            let Hierarchy { intermediate, tsu, .. } = hierarchy(&key, &key, &key, base);
            assert!(
                tsu.len() < intermediate.len(),
                "{:?}: {} {}",
                key.algorithm,
                tsu.len(),
                intermediate.len()
            );
            assert!(tsu.as_ref() < intermediate.as_ref(), "the signer sorts first in a DER SET");
        }
    }
}

#[test]
fn the_tsu_certificate_is_shorter_whatever_the_length_of_the_ecdsa_signatures() {
    let key = TestKey::p256(7);
    let issuer = Issuer::from_certificate(&intermediate(&root(&key), &key, &key, None)).unwrap();
    let subject = subject("Time-Stamping Unit 1");
    let tsu = UnsignedCertificate::tsu(tsu_parameters(&issuer, &subject, &key)).unwrap();
    let ca_subject = crate::test_keys::subject("Time-Stamping CA");
    let root = Issuer::from_certificate(&root(&key)).unwrap();
    let ca = UnsignedCertificate::timestamping_ca(ca_parameters(&root, &ca_subject, &key)).unwrap();
    // An ECDSA signature on P-256 has 70 to 72 octets as a rule, and fewer than 67 once in more than 2^30.
    let longest = tsu.attach(&[0x30; 72]).unwrap();
    let shortest = ca.attach(&[0x30; 67]).unwrap();
    assert!(longest.len() < shortest.len(), "{} {}", longest.len(), shortest.len());
}

fn tsu_parameters<'a>(issuer: &'a Issuer, subject: &'a Subject, key: &'a TestKey) -> TsuParameters<'a> {
    TsuParameters {
        issuer,
        signature_algorithm: key.algorithm,
        subject,
        spki_der: &key.spki_der,
        serial: Box::leak(Box::new(serial(3))),
        validity: years(5),
        private_key_usage_not_after: at(NOW + YEAR),
        policies: &[],
        issuer_crl_url: None,
        issuer_certificate_url: None,
    }
}

fn ca_parameters<'a>(
    issuer: &'a Issuer,
    subject: &'a Subject,
    key: &'a TestKey,
) -> TimestampingCaParameters<'a> {
    TimestampingCaParameters {
        issuer,
        signature_algorithm: key.algorithm,
        subject,
        spki_der: &key.spki_der,
        serial: Box::leak(Box::new(serial(2))),
        validity: years(20),
        issuer_crl_url: None,
        issuer_certificate_url: None,
    }
}

#[test]
fn the_key_must_retire_within_the_validity() {
    let key = TestKey::p256(7);
    let issuer = Issuer::from_certificate(&intermediate(&root(&key), &key, &key, None)).unwrap();
    let subject = subject("Time-Stamping Unit 1");
    for (end, fits) in [
        (NOW, false),
        (NOW + 1, true),
        (NOW + 5 * YEAR - 1, true),
        (NOW + 5 * YEAR, false),
        (NOW + 6 * YEAR, false),
    ] {
        let parameters =
            TsuParameters { private_key_usage_not_after: at(end), ..tsu_parameters(&issuer, &subject, &key) };
        let built = UnsignedCertificate::tsu(parameters);
        assert_eq!(built.is_ok(), fits, "EN 319 421 7.6.7-02: {end}");
        if let Err(error) = built {
            assert!(matches!(error, CertificateInvalid::PrivateKeyUsage { .. }), "{error}");
        }
    }
}

#[test]
fn a_certificate_stays_within_its_issuers_validity() {
    let key = TestKey::p256(7);
    let issuer = Issuer::from_certificate(&intermediate(&root(&key), &key, &key, None)).unwrap();
    let subject = subject("Time-Stamping Unit 1");
    let build = |not_before, not_after| {
        let validity = Validity::new(at(not_before), at(not_after)).unwrap();
        UnsignedCertificate::tsu(TsuParameters { validity, ..tsu_parameters(&issuer, &subject, &key) })
    };
    assert!(build(NOW, NOW + 20 * YEAR).is_ok());
    assert_eq!(
        build(NOW, NOW + 20 * YEAR + 1),
        Err(CertificateInvalid::OutlivesIssuer {
            not_after_unix_seconds: NOW + 20 * YEAR + 1,
            issuer_unix_seconds: NOW + 20 * YEAR,
        })
    );
    assert!(matches!(build(NOW - 1, NOW + 2 * YEAR), Err(CertificateInvalid::PredatesIssuer { .. })));
}

#[test]
fn what_the_issuer_may_not_issue_is_refused() {
    let key = TestKey::p256(7);
    let ca = Issuer::from_certificate(&intermediate(&root(&key), &key, &key, None)).unwrap();
    let above = Issuer::from_certificate(&root(&key)).unwrap();
    let (unit, root_subject) = (subject("Time-Stamping Unit 1"), subject("Time-Stamping Root CA"));
    assert_eq!(
        UnsignedCertificate::timestamping_ca(ca_parameters(&ca, &unit, &key)),
        Err(CertificateInvalid::PathLengthExhausted)
    );
    assert_eq!(
        UnsignedCertificate::tsu(tsu_parameters(&above, &root_subject, &key)),
        Err(CertificateInvalid::SubjectIsIssuer)
    );
    let (timestamping, server) =
        (hex_literal::hex!("2b06010505070308"), hex_literal::hex!("2b06010505070301"));
    let mut der = intermediate(&root(&key), &key, &key, None).to_vec();
    let start = der.windows(8).position(|window| window == timestamping).unwrap();
    der[start..start + 8].copy_from_slice(&server);
    let for_servers = Issuer::from_certificate(&CertificateDer::from(der)).unwrap();
    assert_eq!(
        UnsignedCertificate::tsu(tsu_parameters(&for_servers, &unit, &key)),
        Err(CertificateInvalid::IssuerNotForTimestamping)
    );
    let garbage = TsuParameters { spki_der: b"\x30\x00", ..tsu_parameters(&ca, &unit, &key) };
    assert!(matches!(UnsignedCertificate::tsu(garbage), Err(CertificateInvalid::PublicKeyMalformed { .. })));
}

#[test]
fn an_issuer_is_a_ca() {
    let key = TestKey::p256(7);
    let tsu = hierarchy(&key, &key, &key, None).tsu;
    let extension = crate::IssuerExtension::BasicConstraints;
    assert_eq!(
        Issuer::from_certificate(&tsu).unwrap_err(),
        crate::IssuerInvalid::ExtensionMissing { extension }
    );
    let truncated = CertificateDer::from(&tsu[..tsu.len() - 1]);
    assert!(matches!(Issuer::from_certificate(&truncated), Err(crate::IssuerInvalid::Malformed { .. })));
}

#[test]
fn policies_are_listed_as_given() {
    let key = TestKey::p256(7);
    let issuer = Issuer::from_certificate(&intermediate(&root(&key), &key, &key, None)).unwrap();
    let policies = [ObjectIdentifier::new_unwrap("0.4.0.2023.1.1"), ObjectIdentifier::new_unwrap("1.2.3")];
    let subject = subject("Time-Stamping Unit 1");
    let parameters = TsuParameters { policies: &policies, ..tsu_parameters(&issuer, &subject, &key) };
    let certificate = finish(UnsignedCertificate::tsu(parameters).unwrap(), &key);
    let certificate = Certificate::from_der(&certificate).unwrap();
    let (critical, found) = certificate
        .tbs_certificate()
        .get_extension::<x509_cert::ext::pkix::CertificatePolicies>()
        .unwrap()
        .unwrap();
    let found: Vec<_> = found.0.iter().map(|information| information.policy_identifier).collect();
    assert!(!critical);
    assert_eq!(found, policies);
}

#[test]
fn an_empty_signature_is_not_attached() {
    let key = TestKey::p256(7);
    let issuer = Issuer::from_certificate(&intermediate(&root(&key), &key, &key, None)).unwrap();
    let unit = subject("Time-Stamping Unit 1");
    let unsigned = UnsignedCertificate::tsu(tsu_parameters(&issuer, &unit, &key)).unwrap();
    assert_eq!(unsigned.attach(b""), Err(AttachError::SignatureEmpty));
}
