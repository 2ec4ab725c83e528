use super::*;
use crate::test_chain::{NOW, TestChain, YEAR, at, claims, platform};
use attestamp_certs::{MlDsa, SerialInvalid, SignatureAlgorithmRefused, ValidityInvalid};
use attestamp_strict_der::element;
use hex_literal::hex;

mod extension_rules;

/// A certificate in its parts, each a whole element, so that a test can replace one.
#[derive(Clone)]
struct Parts {
    version: Vec<u8>,
    serial: Vec<u8>,
    inner_algorithm: Vec<u8>,
    issuer: Vec<u8>,
    validity: Vec<u8>,
    subject: Vec<u8>,
    spki: Vec<u8>,
    /// Whole extensions.
    extensions: Vec<Vec<u8>>,
    /// What follows the extensions.
    after_extensions: Vec<u8>,
    outer_algorithm: Vec<u8>,
    signature: Vec<u8>,
}

const ECDSA_WITH_SHA384: [u8; 12] = hex!("300a06082a8648ce3d040303");

impl Parts {
    /// A certificate with the least that is read.
    fn good() -> Self {
        Self {
            version: hex!("a003020102").to_vec(),
            serial: hex!("020105").to_vec(),
            inner_algorithm: ECDSA_WITH_SHA384.to_vec(),
            issuer: name("issuer"),
            validity: element(tag::SEQUENCE, &[b"\x17\x0d260101000000Z", b"\x18\x0f20560101000000Z"]),
            subject: name("subject"),
            spki: hex!("3011 300b 0607 2a8648ce3d0201 0500 0302 00 04").to_vec(),
            extensions: vec![hex!("3009 0603551d0e 0402 0400").to_vec()],
            after_extensions: Vec::new(),
            outer_algorithm: ECDSA_WITH_SHA384.to_vec(),
            signature: hex!("0303 00 abcd").to_vec(),
        }
    }

    fn der(&self) -> Vec<u8> {
        let extensions = element(tag::SEQUENCE, &[&self.extensions.concat()]);
        let extensions = element(tag::CONTEXT_3, &[&extensions]);
        let to_be_signed = [
            &self.version,
            &self.serial,
            &self.inner_algorithm,
            &self.issuer,
            &self.validity,
            &self.subject,
            &self.spki,
            &extensions,
            &self.after_extensions,
        ];
        let to_be_signed = element(tag::SEQUENCE, &to_be_signed.map(Vec::as_slice));
        element(tag::SEQUENCE, &[&to_be_signed, &self.outer_algorithm, &self.signature])
    }

    fn parse(&self) -> Result<Certificate, CertificateInvalid> {
        Certificate::parse(&self.der())
    }
}

/// A `Name` with one common name.
fn name(text: &str) -> Vec<u8> {
    let attribute =
        element(tag::SEQUENCE, &[&hex!("0603550403"), &element(tag::UTF8_STRING, &[text.as_bytes()])]);
    element(tag::SEQUENCE, &[&element(tag::SET, &[&attribute])])
}

/// The refusal of a certificate in which `change` has been made.
fn refusal(change: impl FnOnce(&mut Parts)) -> CertificateInvalid {
    let mut parts = Parts::good();
    change(&mut parts);
    parts.parse().unwrap_err()
}

fn reason(change: impl FnOnce(&mut Parts)) -> Reason {
    let refused = refusal(change);
    let CertificateInvalid::Malformed(malformed) = refused else { panic!("{refused:?}") };
    malformed.reason
}

#[test]
fn every_part_is_found() {
    let parts = Parts::good();
    let certificate = parts.parse().unwrap();
    assert_eq!(certificate.der(), parts.der());
    assert_eq!(certificate.serial(), [5]);
    assert_eq!(certificate.issuer_der(), parts.issuer);
    assert_eq!(certificate.subject_der(), parts.subject);
    assert_eq!(certificate.spki_der(), parts.spki);
    assert_eq!(certificate.signature(), [0xab, 0xcd]);
    assert_eq!(certificate.signature_algorithm(), SignatureAlgorithm::EcdsaP384Sha384);
    assert_eq!(certificate.validity().not_before(), at(NOW));
    assert_eq!(certificate.validity().not_after().as_secs(), 2_713_910_400);
    assert_eq!(certificate.key_identifier(), Some(&[][..]));
    let end_of_signed = parts.der().len() - parts.outer_algorithm.len() - parts.signature.len();
    assert!(parts.der()[..end_of_signed].ends_with(certificate.to_be_signed()));
    assert!(certificate.to_be_signed().starts_with(&[tag::SEQUENCE]));
    assert_eq!(certificate.basic_constraints(), None);
    assert_eq!(certificate.key_usage(), None);
    assert_eq!(certificate.extended_key_usage(), None);
    assert_eq!(certificate.platform(), None);
    assert_eq!(certificate.claims_der(), None);
}

#[test]
fn what_is_built_here_is_read_with_all_that_it_says() {
    for chain in TestChain::both() {
        let TestChain { root, device, attester, .. } = &chain;
        let attestation = chain.attest(&claims());
        for certificate in [root, device, attester] {
            let constraints = certificate.basic_constraints().unwrap();
            assert!(constraints.is_ca && constraints.is_critical);
            assert!(certificate.key_usage().unwrap().key_cert_sign());
            assert_eq!(certificate.unknown_critical_extension(), None);
        }
        let path_lengths = [root, device, attester].map(|it| it.basic_constraints().unwrap().path_length);
        assert_eq!(path_lengths, [None, Some(1), Some(0)]);
        let usages = [root, device, attester].map(|it| it.key_usage().unwrap().digital_signature());
        assert_eq!(usages, [false, false, true]);
        assert_eq!(device.platform(), Some(&platform()));
        assert_eq!(root.validity().not_after(), at(NOW + 30 * YEAR));
        assert_eq!(attestation.claims_der(), Some(claims().to_der().as_slice()));
        for (certificate, issuer) in
            [(root, root), (device, root), (attester, device), (&attestation, attester)]
        {
            assert_eq!(certificate.verify_signature(issuer), Ok(()));
            assert!(certificate.names_as_issuer(issuer));
        }
        assert!(device.verify_signature(device).is_err());
        assert!(!attester.names_as_issuer(root));
    }
}

#[test]
fn every_octet_is_read_and_every_length_is_true() {
    let der = Parts::good().der();
    for length in 0..der.len() {
        assert!(Certificate::parse(&der[..length]).is_err(), "{length}");
    }
    let trailing = [der.clone(), vec![0]].concat();
    let octets = 1;
    let malformed = Malformed { offset: der.len(), reason: Reason::TrailingData { octets } };
    assert_eq!(Certificate::parse(&trailing), Err(CertificateInvalid::Malformed(malformed)));
    for change in [
        |parts: &mut Parts| parts.signature.extend(hex!("0500")),
        |parts: &mut Parts| parts.after_extensions.extend(hex!("0500")),
        |parts: &mut Parts| {
            parts.validity = element(0x30, &[b"\x17\x0d260101000000Z", b"\x17\x0d270101000000Z", &[5, 0]])
        },
        |parts: &mut Parts| parts.version = hex!("a005 020102 0500").to_vec(),
        |parts: &mut Parts| parts.spki = hex!("3013 300b 0607 2a8648ce3d0201 0500 0302 00 04 0500").to_vec(),
        |parts: &mut Parts| parts.spki = hex!("3013 300d 0607 2a8648ce3d0201 0500 0500 0302 00 04").to_vec(),
    ] {
        assert_eq!(reason(change), Reason::TrailingData { octets: 2 });
    }
    let length = MAX_CERTIFICATE_OCTETS + 1;
    assert_eq!(Certificate::parse(&vec![0x30; length]), Err(CertificateInvalid::TooLong { length }));
}

#[test]
fn only_version_3_is_read() {
    for version in [&[][..], &hex!("a003020100"), &hex!("a003020101"), &hex!("a003020103")] {
        assert_eq!(refusal(|parts| parts.version = version.to_vec()), CertificateInvalid::Version);
    }
}

#[test]
fn serial_numbers_are_positive_and_short() {
    let refused = |content: &[u8]| {
        let serial = element(tag::INTEGER, &[content]);
        let refused = refusal(|parts| parts.serial = serial);
        let CertificateInvalid::Serial { source, .. } = refused else { panic!("{refused:?}") };
        source
    };
    assert_eq!(refused(&[0]), SerialInvalid::Zero);
    assert_eq!(refused(&[0x80]), SerialInvalid::Negative);
    assert_eq!(refused(&[0x7f; 21]), SerialInvalid::TooLong { found: 21, allowed: 20 });
    assert_eq!(reason(|parts| parts.serial = hex!("02020005").to_vec()), Reason::IntegerNotMinimal);
}

#[test]
fn both_signature_algorithms_are_one() {
    // The same algorithm with NULL parameters beside it is another encoding: one of the two was not signed.
    for other in [&hex!("300a06082a8648ce3d040302")[..], &hex!("300c06082a8648ce3d0403030500")] {
        let refused = refusal(|parts| parts.inner_algorithm = other.to_vec());
        assert!(matches!(refused, CertificateInvalid::AlgorithmsDiffer { .. }), "{refused:?}");
    }
}

#[test]
fn an_algorithm_that_is_not_known_is_an_error_of_its_own_kind() {
    let with = |identifier: &[u8]| {
        let mut parts = Parts::good();
        parts.inner_algorithm = identifier.to_vec();
        parts.outer_algorithm = identifier.to_vec();
        parts
    };
    // sha1WithRSAEncryption, ecdsa-with-SHA512, Ed448, and one that nobody has.
    for identifier in [
        &hex!("300d06092a864886f70d0101050500")[..],
        &hex!("300a06082a8648ce3d040304"),
        &hex!("300506032b6571"),
        &hex!("300406022a03"),
    ] {
        let refused = with(identifier).parse().unwrap_err();
        let unknown = SignatureAlgorithmRefused::Unknown;
        assert!(
            matches!(refused, CertificateInvalid::SignatureAlgorithm { source, .. } if source == unknown),
            "{refused:?}"
        );
        assert!(refused.is_unjudgeable());
        // What is wrong besides is said first.
        let mut wrong = with(identifier);
        wrong.signature = hex!("0303 01 abcc").to_vec();
        assert!(!wrong.parse().unwrap_err().is_unjudgeable());
    }
    // HashML-DSA-65, and ML-DSA-65 with NULL parameters: known, and forbidden.
    let parameters = with(&hex!("300d 0609 608648016503040312 0500")).parse().unwrap_err();
    let algorithm = SignatureAlgorithm::MlDsa(MlDsa::MlDsa65);
    let source = SignatureAlgorithmRefused::Parameters { algorithm };
    assert!(
        matches!(parameters, CertificateInvalid::SignatureAlgorithm { source: found, .. } if found == source),
        "{parameters:?}"
    );
    assert!(!parameters.is_unjudgeable());
    assert!(!with(&hex!("300b 0609 608648016503040321")).parse().unwrap_err().is_unjudgeable());
}

#[test]
fn names_have_an_attribute_at_least() {
    assert_eq!(reason(|parts| parts.issuer = hex!("3000").to_vec()), Reason::EmptyList);
    assert_eq!(reason(|parts| parts.subject = hex!("3000").to_vec()), Reason::EmptyList);
    assert_eq!(reason(|parts| parts.subject = hex!("3002 3100").to_vec()), Reason::EmptyList);
    let (expected, found) = (tag::SET, Some(tag::SEQUENCE));
    let nested = |parts: &mut Parts| parts.subject = hex!("3002 3000").to_vec();
    assert_eq!(reason(nested), Reason::UnexpectedTag { expected, found });
    let without_value = |parts: &mut Parts| parts.subject = hex!("3009 3107 3005 0603550403").to_vec();
    assert_eq!(reason(without_value), Reason::Truncated { needed: 1, available: 0 });
}

#[test]
fn times_are_in_the_form_of_their_year() {
    let validity = |not_before: &[u8], not_after: &[u8]| {
        let mut parts = Parts::good();
        parts.validity = element(tag::SEQUENCE, &[not_before, not_after]);
        parts.parse().map(|certificate| certificate.validity())
    };
    let begin = b"\x17\x0d260101000000Z".as_slice();
    assert!(validity(begin, b"\x17\x0d491231235959Z").is_ok());
    for end in [
        b"\x18\x0f20491231235959Z".as_slice(),
        b"\x17\x0b2701010000Z",
        b"\x17\x0f2701010000+0000",
        b"\x18\x1120560101000000.5Z",
    ] {
        let refused = validity(begin, end).unwrap_err();
        assert!(matches!(refused, CertificateInvalid::Time { .. }), "{refused:?}");
    }
    let refused = validity(begin, begin).unwrap_err();
    assert!(matches!(
        refused,
        CertificateInvalid::Validity { source: ValidityInvalid::EndsBeforeItBegins { .. }, .. }
    ));
}

#[test]
fn keys_and_signatures_are_whole_octets() {
    for signature in [&hex!("0300")[..], &hex!("0301 00"), &hex!("0303 01 abcc"), &hex!("0303 08 abcd")] {
        let refused = refusal(|parts| parts.signature = signature.to_vec());
        assert!(matches!(refused, CertificateInvalid::UnusedBits { .. }), "{refused:?}");
    }
    let refused =
        refusal(|parts| parts.spki = hex!("3011 300b 0607 2a8648ce3d0201 0500 0302 01 04").to_vec());
    assert!(matches!(refused, CertificateInvalid::UnusedBits { .. }), "{refused:?}");
}

#[test]
fn rfc_5280_4_1_2_8_unique_identifiers_are_refused() {
    let refused = reason(|parts| parts.spki.extend(hex!("8102 0001")));
    assert_eq!(refused, Reason::UnexpectedTag { expected: tag::CONTEXT_3, found: Some(0x81) });
}

#[test]
fn no_single_flipped_bit_panics_or_goes_unnoticed() {
    let chain = TestChain::classical();
    let attestation = chain.attest(&claims());
    for bit in 0..attestation.der().len() * 8 {
        let mut flipped = attestation.der().to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = Certificate::parse(&flipped) {
            assert_ne!(read, attestation);
        }
    }
}
