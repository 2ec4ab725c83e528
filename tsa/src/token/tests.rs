//! Tokens octet by octet, over a certificate made by hand.
//!
//! Whether others verify a token is shown by `tests/issuing`; here is what it must look like, and that the buffers are
//! allocated once.

use attestamp_certs::{CertificateDer, HashAlgorithm, SignatureAlgorithm};
use hex_literal::hex;

use super::*;
use crate::{
    Accuracy, ChainDepth, EssHash, Etsi, GenTimePrecision, Profile, ProfileConfig, Query, SerialPrefix,
    TimeStampReq, TimeStampResp, UtcInstant,
};
use attestamp_strict_der::element;

const EC_KEY: [u8; 21] = hex!("3013 0607 2a8648ce3d0201 0608 2a8648ce3d030107");
const RSA_KEY: [u8; 15] = hex!("300d 0609 2a864886f70d010101 0500");

/// `CN=<letter>`.
fn name(letter: u8) -> Vec<u8> {
    [hex!("300c 310a 3008 0603 550403 0c01").as_slice(), &[letter]].concat()
}

/// What a template reads of a certificate, with `padding` octets of key.
fn certificate(
    issuer: &[u8],
    subject: &[u8],
    key_algorithm: &[u8],
    padding: usize,
) -> CertificateDer<'static> {
    let key = element(0x03, &[&vec![0; padding + 1]]);
    let key_info = element(0x30, &[key_algorithm, &key]);
    let tbs = element(
        0x30,
        &[
            &hex!("a003 020102"),
            &hex!("0202 00ff"),
            &hex!("300a 0608 2a8648ce3d040302"),
            issuer,
            &hex!("3000"),
            subject,
            &key_info,
        ],
    );
    element(0x30, &[&tbs, &hex!("300a 0608 2a8648ce3d040302"), &hex!("0301 00")]).into()
}

/// Leaf, sub-CA, root.
fn chain(key_algorithm: &[u8]) -> [CertificateDer<'static>; 3] {
    [
        certificate(&name(b'S'), &name(b'T'), key_algorithm, 8),
        certificate(&name(b'R'), &name(b'S'), &EC_KEY, 0),
        certificate(&name(b'R'), &name(b'R'), &EC_KEY, 4),
    ]
}

fn config() -> ProfileConfig {
    ProfileConfig::new("1.2.3.4".parse().unwrap())
}

fn template(config: ProfileConfig, algorithm: SignatureAlgorithm) -> TokenTemplate {
    let key = algorithm.key_algorithm_identifier_der();
    TokenTemplate::new(&Profile::new(config).unwrap(), &chain(key), algorithm).unwrap()
}

fn query() -> Query {
    Query::new(HashAlgorithm::Sha256, &[0x5a; 32]).unwrap()
}

fn build(config: ProfileConfig, algorithm: SignatureAlgorithm, query: &Query) -> UnsignedToken {
    let der = query.to_der();
    let profile = Profile::new(config.clone()).unwrap();
    let now = UtcInstant::new(1_795_351_623, 120_000_000).unwrap();
    let grant = profile.decide(&TimeStampReq::decode(&der).unwrap(), now).unwrap();
    let serial = Serial::new(SerialPrefix::from_random([0x41; 6]), 7, [0xee; 6]);
    UnsignedToken::build(&grant, &template(config, algorithm), serial)
}

fn build_p256(config: ProfileConfig, query: &Query) -> UnsignedToken {
    build(config, SignatureAlgorithm::EcdsaP256Sha256, query)
}

#[test]
fn tst_info_of_the_default_profile() {
    let imprint = [hex!("302f 300b 0609 608648016503040201 0420").as_slice(), &[0x5a; 32]].concat();
    let expected = [
        hex!("3065 020101 0603 2a0304").as_slice(),
        &imprint,
        &hex!("0214 414141414141 0000000000000007 eeeeeeeeeeee"),
        b"\x18\x0f20261122124703Z",
        &hex!("3003 020101"),
    ]
    .concat();
    assert_eq!(build_p256(config(), &query()).tst_info(), expected);
}

#[test]
fn tst_info_with_everything() {
    let config = ProfileConfig {
        include_tsa_name: true,
        etsi: Etsi::Qualified,
        gen_time_precision: GenTimePrecision::Millis,
        accuracy: Accuracy::new(0, 500, 10).unwrap(),
        ..config()
    };
    let token = build_p256(config, &query().with_nonce(&[0x80]));
    let expected = [
        b"\x18\x1220261122124703.12Z".as_slice(),
        &hex!("3007 800201f4 81010a"),
        &hex!("0202 0080"),
        &hex!("a010 a40e 300c 310a 3008 0603 550403 0c0154"),
        &hex!("a11b 3019 0608 2b06010505070103 040d 300b 3009 0607 0400 81975e 0101"),
    ]
    .concat();
    assert!(token.tst_info().ends_with(&expected), "{:02x?}", token.tst_info());
}

#[test]
fn signed_attributes_are_what_rfc_5816_asks_for() {
    let token = build_p256(config(), &query());
    let [leaf, ..] = chain(&EC_KEY);
    let digest = HashAlgorithm::Sha256.digest(token.tst_info());
    let cert_hash = HashAlgorithm::Sha256.digest(&leaf);
    let expected = [
        hex!("31819e").as_slice(),
        &hex!("301a 0609 2a864886f70d010903 310d 060b 2a864886f70d0109100104"),
        &hex!("302f 0609 2a864886f70d010904 3122 0420"),
        digest.as_ref(),
        &hex!("304f 060b 2a864886f70d010910022f 3140 303e 303c 303a 0420"),
        cert_hash.as_ref(),
        &hex!("3016 3010 a40e"),
        &name(b'S'),
        &hex!("0202 00ff"),
    ]
    .concat();
    assert_eq!(token.to_be_signed(), expected);
}

#[test]
fn the_token_octet_by_octet() {
    let unsigned = build_p256(config(), &query().with_cert_req(false));
    let (tst_info, attributes) = (unsigned.tst_info().to_vec(), unsigned.to_be_signed().to_vec());
    let token = unsigned.attach(b"signature");
    let digest_algorithm = hex!("300b 0609 608648016503040201");
    let issuer_and_serial = element(0x30, &[&name(b'S'), &hex!("0202 00ff")]);
    let attributes_in_place = [&[0xa0], &attributes[1..]].concat();
    let signer_info = element(
        0x30,
        &[
            &hex!("020101"),
            &issuer_and_serial,
            &digest_algorithm,
            &attributes_in_place,
            &hex!("300a 0608 2a8648ce3d040302"),
            &element(0x04, &[b"signature"]),
        ],
    );
    let octets = element(0x04, &[&tst_info]);
    let encapsulated = element(0x30, &[&hex!("060b 2a864886f70d0109100104"), &element(0xa0, &[&octets])]);
    let digest_algorithms = element(0x31, &[&digest_algorithm]);
    let signer_infos = element(0x31, &[&signer_info]);
    let signed_data = element(0x30, &[&hex!("020103"), &digest_algorithms, &encapsulated, &signer_infos]);
    let expected = element(0x30, &[&hex!("0609 2a864886f70d010702"), &element(0xa0, &[&signed_data])]);
    assert_eq!(token.as_der(), expected);
    assert_eq!(TimeStampResp::granted(token), element(0x30, &[&hex!("3003 020100"), &expected]));
}

#[test]
fn a1_15_certificates_in_der_order_without_the_root() {
    let carried = |chain_depth, cert_req| {
        let config = ProfileConfig { chain_depth, ..config() };
        let token = build_p256(config, &query().with_cert_req(cert_req)).attach(b"signature");
        let [leaf, sub_ca, root] = chain(&EC_KEY).map(|certificate| {
            let der = token.as_der();
            der.windows(certificate.len()).position(|window| window == certificate.as_ref())
        });
        (leaf, sub_ca, root)
    };
    let (leaf, sub_ca, root) = carried(ChainDepth::Intermediates, true);
    assert!(root.is_none());
    assert!(sub_ca.unwrap() < leaf.unwrap(), "the shorter encoding comes first");
    let (leaf, sub_ca, root) = carried(ChainDepth::AtMost(0), true);
    assert!(leaf.is_some() && sub_ca.is_none() && root.is_none());
    assert_eq!(carried(ChainDepth::Intermediates, false), (None, None, None));
}

/// Reads a SET OF back and checks its order.
fn assert_sorted(set: &[u8]) {
    let mut members = attestamp_strict_der::Reader::new(set).any().unwrap().reader();
    let mut last: &[u8] = &[];
    let mut count = 0;
    while !members.is_empty() {
        let member = members.any().unwrap().der;
        assert!(last < member, "{last:02x?} before {member:02x?}");
        last = member;
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn invariant_every_buffer_is_allocated_once_and_every_set_is_sorted() {
    let esses = [EssHash::V2Sha256, EssHash::V2Sha384, EssHash::V2Sha512, EssHash::CompatibilityV1Sha1];
    for algorithm in SignatureAlgorithm::ALL {
        for ess in esses {
            for cert_req in [false, true] {
                let config = ProfileConfig { ess, ..config() };
                let token = build(config, algorithm, &query().with_cert_req(cert_req).with_nonce(&[1; 32]));
                assert_eq!(token.buffer.capacity(), token.buffer.len());
                assert_sorted(token.to_be_signed());
                let digest = algorithm.digest().digest(token.tst_info());
                let tbs = token.to_be_signed();
                let digest = digest.as_ref();
                assert!(tbs.windows(digest.len()).any(|window| window == digest));
                let signature = vec![0xaa; 3_309];
                let token = token.attach(&signature);
                assert_eq!(token.response.capacity(), token.response.len());
                attestamp_strict_der::Reader::new(token.as_der()).any().unwrap();
            }
        }
    }
}

#[test]
fn ess_cert_ids() {
    let attribute = |ess| {
        let token = build_p256(ProfileConfig { ess, ..config() }, &query());
        token.to_be_signed().to_vec()
    };
    let contains = |whole: &[u8], part: &[u8]| whole.windows(part.len()).any(|window| window == part);
    let [leaf, ..] = chain(&EC_KEY);
    let sha_384 = HashAlgorithm::Sha384.digest(&leaf);
    let v2 = [hex!("300b 0609 608648016503040202 0430").as_slice(), sha_384.as_ref()].concat();
    assert!(contains(&attribute(EssHash::V2Sha384), &v2));
    let v1 = [hex!("0414").as_slice(), &<sha1::Sha1 as sha1::Digest>::digest(&leaf)].concat();
    let with_v1 = attribute(EssHash::CompatibilityV1Sha1);
    assert!(contains(&with_v1, &v1));
    assert!(contains(&with_v1, &hex!("060b 2a864886f70d010910020c")));
    assert!(!contains(&with_v1, &hex!("060b 2a864886f70d010910022f")));
}

#[test]
fn rfc_5754_3_2_rsa_signer_infos_say_rsa_encryption() {
    for algorithm in [
        SignatureAlgorithm::RsaPkcs1Sha256,
        SignatureAlgorithm::RsaPkcs1Sha384,
        SignatureAlgorithm::RsaPkcs1Sha512,
    ] {
        let token = build(config(), algorithm, &query()).attach(b"signature");
        let end = [RSA_KEY.as_slice(), &element(0x04, &[b"signature"])].concat();
        assert!(token.as_der().ends_with(&end));
    }
}

#[test]
fn c2_digests_beside_post_quantum_signatures_are_those_of_rfc_9882_and_rfc_9814() {
    let sha_256 = hex!("300b 0609 608648016503040201");
    let sha_512 = hex!("300b 0609 608648016503040203");
    let shake_128 = hex!("300b 0609 60864801650304020b");
    let shake_256 = hex!("300b 0609 60864801650304020c");
    for algorithm in SignatureAlgorithm::ALL.into_iter().filter(|algorithm| algorithm.is_post_quantum()) {
        let name = algorithm.name();
        let expected = match name {
            "SLH-DSA-SHA2-128s" | "SLH-DSA-SHA2-128f" => &sha_256,
            "SLH-DSA-SHAKE-128s" | "SLH-DSA-SHAKE-128f" => &shake_128,
            _ if name.starts_with("SLH-DSA-SHAKE") => &shake_256,
            _ => &sha_512,
        };
        let unsigned = build(config(), algorithm, &query().with_cert_req(false));
        let attributes = [&[0xa0], &unsigned.to_be_signed()[1..]].concat();
        let token = unsigned.attach(b"signature");
        let der = token.as_der();
        let position = der.windows(attributes.len()).position(|window| window == attributes).unwrap();
        let (before, after) = (&der[..position], &der[position + attributes.len()..]);
        assert!(before.ends_with(expected), "{name}");
        let end = [algorithm.algorithm_identifier_der(), &element(0x04, &[b"signature"])].concat();
        assert_eq!(after, end, "{name}");
        let digest_algorithms = element(0x31, &[expected]);
        assert!(der.windows(15).any(|window| window == digest_algorithms), "{name}");
    }
}

#[test]
fn c1_a_tsu_certificate_whose_key_has_parameters_makes_no_token() {
    let profile = Profile::new(config()).unwrap();
    for algorithm in SignatureAlgorithm::ALL.into_iter().filter(|algorithm| algorithm.is_post_quantum()) {
        let identifier = algorithm.key_algorithm_identifier_der();
        let with_null = element(0x30, &[&identifier[2..], &hex!("0500")]);
        let result = TokenTemplate::new(&profile, &chain(&with_null), algorithm);
        assert_eq!(result.map(|_| ()).unwrap_err(), TemplateError::KeyAlgorithm { algorithm });
    }
}

#[test]
fn chains_that_no_token_can_be_issued_with() {
    let profile = Profile::new(config()).unwrap();
    let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
    let error = |chain: &[CertificateDer<'_>], algorithm| {
        TokenTemplate::new(&profile, chain, algorithm).map(|_| ()).unwrap_err()
    };
    assert_eq!(error(&[], algorithm), TemplateError::EmptyChain);
    let [leaf, sub_ca, root] = chain(&EC_KEY);
    assert_eq!(error(&[leaf.clone(), root.clone()], algorithm), TemplateError::ChainOrder { position: 0 });
    assert_eq!(
        error(&[leaf.clone(), sub_ca.clone(), leaf.clone()], algorithm),
        TemplateError::ChainOrder { position: 1 }
    );
    let cut = CertificateDer::from(&sub_ca[..10]);
    assert!(matches!(error(&[leaf.clone(), cut], algorithm), TemplateError::Certificate { position: 1, .. }));
    for other in SignatureAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
        let expected = TemplateError::KeyAlgorithm { algorithm: other };
        assert_eq!(error(std::slice::from_ref(&leaf), other), expected);
    }
    let nameless = certificate(&name(b'S'), &hex!("3000"), &EC_KEY, 8);
    let naming = Profile::new(ProfileConfig { include_tsa_name: true, ..config() }).unwrap();
    let result = TokenTemplate::new(&naming, std::slice::from_ref(&nameless), algorithm);
    assert_eq!(result.map(|_| ()).unwrap_err(), TemplateError::EmptySubject);
    assert!(TokenTemplate::new(&profile, &[nameless], algorithm).is_ok());
}

#[test]
fn a_certificate_cut_anywhere_is_an_error_and_no_panic() {
    let profile = Profile::new(config()).unwrap();
    let [leaf, ..] = chain(&EC_KEY);
    for length in 0..leaf.len() {
        let cut = [CertificateDer::from(&leaf[..length])];
        let result = TokenTemplate::new(&profile, &cut, SignatureAlgorithm::EcdsaP256Sha256);
        assert!(matches!(result, Err(TemplateError::Certificate { position: 0, .. })), "cut to {length}");
    }
}
