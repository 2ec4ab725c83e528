//! Tokens that carry a token over their signature value: what must hold of it, and what a verifier who insists gains.

use std::time::Duration;

use attestamp_certs::{
    CertificateDer, CertificateSerial, HashAlgorithm, Issuer, MlDsa, RootParameters, SignatureAlgorithm,
    Subject, SubjectFields, TrustAnchors, TsuParameters, UnixTime, UnsignedCertificate, Validity,
};
use ml_dsa::signature::Signer as _;
use rcgen::{KeyPair, SigningKey as _};

use super::forgery::DATA;
use crate::token::ID_AA_TIME_STAMP_TOKEN;
use crate::verify::{
    Expectations, ExpectedImprint, ExpectedNonce, NestedToken, PostQuantumLack, TokenInvalid, TokenPart,
    VerifiedToken, verify_token,
};
use crate::{
    Profile, ProfileConfig, Query, Serial, SerialPrefix, TimeStampReq, TimeStampToken, TokenTemplate,
    UnsignedToken, UtcInstant,
};
use attestamp_strict_der::{element, tag};

/// 2026-02-03T04:05:06Z.
const NOW: u64 = 1_770_091_506;
const YEAR: u64 = 365 * 86_400;

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

struct Key {
    spki_der: Vec<u8>,
    algorithm: SignatureAlgorithm,
    sign: Sign,
}

impl Key {
    fn p256() -> Self {
        let key = KeyPair::generate().unwrap();
        let spki_der = rcgen::PublicKeyData::subject_public_key_info(&key);
        let sign = Box::new(move |message: &[u8]| key.sign(message).unwrap());
        Self { spki_der, algorithm: SignatureAlgorithm::EcdsaP256Sha256, sign }
    }

    fn ml_dsa_65(seed: u8) -> Self {
        let key = ml_dsa::SigningKey::<ml_dsa::MlDsa65>::from_seed(&[seed; 32].into());
        let algorithm = SignatureAlgorithm::MlDsa(MlDsa::MlDsa65);
        let public = ml_dsa::signature::Keypair::verifying_key(&key).encode();
        let bits = element(tag::BIT_STRING, &[&[0], public.as_slice()]);
        let spki_der = element(tag::SEQUENCE, &[algorithm.key_algorithm_identifier_der(), &bits]);
        let sign = Box::new(move |message: &[u8]| key.sign(message).encode().to_vec());
        Self { spki_der, algorithm, sign }
    }
}

struct Tsa {
    key: Key,
    leaf: CertificateDer<'static>,
    root: CertificateDer<'static>,
}

fn at(unix_seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(unix_seconds))
}

fn subject(common_name: &str) -> Subject {
    let fields = SubjectFields {
        country: "FI",
        organization: "Example Oy",
        organization_identifier: None,
        common_name,
    };
    Subject::new(fields).unwrap()
}

impl Tsa {
    fn new(name: &str, root_key: &Key, key: Key) -> Self {
        let root = UnsignedCertificate::root(RootParameters {
            subject: &subject(&format!("{name} root")),
            spki_der: &root_key.spki_der,
            signature_algorithm: root_key.algorithm,
            serial: &CertificateSerial::from_random([1; 16]),
            validity: Validity::new(at(NOW - 100), at(NOW + 20 * YEAR)).unwrap(),
        })
        .unwrap();
        let signature = (root_key.sign)(root.to_be_signed());
        let root = root.attach(&signature).unwrap();
        let leaf = UnsignedCertificate::tsu(TsuParameters {
            issuer: &Issuer::from_certificate(&root).unwrap(),
            signature_algorithm: root_key.algorithm,
            subject: &subject(&format!("{name} TSU")),
            spki_der: &key.spki_der,
            serial: &CertificateSerial::from_random([2; 16]),
            validity: Validity::new(at(NOW - 50), at(NOW + 10 * YEAR)).unwrap(),
            private_key_usage_not_after: at(NOW + YEAR),
            policies: &[],
            issuer_crl_url: None,
            issuer_certificate_url: None,
        })
        .unwrap();
        let signature = (root_key.sign)(leaf.to_be_signed());
        Self { key, leaf: leaf.attach(&signature).unwrap(), root }
    }

    fn classical() -> Self {
        Self::new("Classical", &Key::p256(), Key::p256())
    }

    fn post_quantum() -> Self {
        Self::new("Post-quantum", &Key::ml_dsa_65(1), Key::ml_dsa_65(2))
    }

    fn unsigned(&self, data: &[u8], unix_seconds: u64, cert_req: bool) -> UnsignedToken {
        let profile = Profile::new(ProfileConfig::new("1.2.3.4".parse().unwrap())).unwrap();
        let chain = [self.leaf.clone(), self.root.clone()];
        let template = TokenTemplate::new(&profile, &chain, self.key.algorithm).unwrap();
        let hash = HashAlgorithm::Sha512;
        let query = Query::new(hash, hash.digest(data).as_ref()).unwrap().with_cert_req(cert_req).to_der();
        let request = TimeStampReq::decode(&query).unwrap();
        let grant = profile.decide(&request, UtcInstant::new(unix_seconds, 0).unwrap()).unwrap();
        UnsignedToken::build(
            &grant,
            &template,
            Serial::new(SerialPrefix::from_random([0x41; 6]), 7, [0xee; 6]),
        )
    }

    fn token(&self, data: &[u8], unix_seconds: u64) -> TimeStampToken {
        self.token_with(data, unix_seconds, true)
    }

    fn token_with(&self, data: &[u8], unix_seconds: u64, cert_req: bool) -> TimeStampToken {
        let unsigned = self.unsigned(data, unix_seconds, cert_req);
        let signature = (self.key.sign)(unsigned.to_be_signed());
        unsigned.attach(&signature)
    }

    /// A token of [`DATA`] that carries what `nested` makes for its signature value.
    fn hybrid(&self, nested: impl FnOnce(&[u8]) -> TimeStampToken) -> Vec<u8> {
        let unsigned = self.unsigned(DATA, NOW, true);
        let signature = (self.key.sign)(unsigned.to_be_signed());
        let nested = nested(&signature);
        unsigned.attach_with_nested(&signature, &nested).as_der().to_vec()
    }
}

fn verify(token: &[u8], roots: &[&Tsa]) -> Result<VerifiedToken, TokenInvalid> {
    let roots = roots.iter().map(|tsa| tsa.root.clone()).collect();
    verify_token(
        token,
        &Expectations {
            imprint: ExpectedImprint::Data(DATA),
            nonce: ExpectedNonce::Absent,
            policy: None,
            anchors: &TrustAnchors::from_certificates(roots).unwrap(),
            certificates: &[],
            crls: &[],
            at: None,
        },
    )
}

fn lack(token: &VerifiedToken) -> PostQuantumLack {
    match token.require_post_quantum() {
        Err(TokenInvalid::NotPostQuantum { lack }) => lack,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_over_the_signature_is_verified_with_the_token() {
    let (outer, inner) = (Tsa::classical(), Tsa::post_quantum());
    let der = outer.hybrid(|signature| inner.token(signature, NOW + 1));
    let token = verify(&der, &[&outer, &inner]).unwrap();
    let [NestedToken::Holds(nested)] = token.nested.as_slice() else { panic!("{:?}", token.nested) };
    assert_eq!(nested.signature_algorithm, SignatureAlgorithm::MlDsa(MlDsa::MlDsa65));
    assert!(nested.is_post_quantum() && !token.is_post_quantum());
    assert_eq!(nested.hash, HashAlgorithm::Sha512);
    token.require_post_quantum().unwrap();
    // What it proves is its own time, not the one that the classical signature vouches for.
    assert_eq!(token.post_quantum_time(), Some(UtcInstant::new(NOW + 1, 0).unwrap()));
}

#[test]
fn a_token_whose_nested_one_was_stripped_holds_and_is_no_post_quantum_one() {
    let outer = Tsa::classical();
    let token = verify(outer.token(DATA, NOW).as_der(), &[&outer]).unwrap();
    assert!(token.nested.is_empty());
    assert_eq!(lack(&token), PostQuantumLack::NoNestedToken);
    let error = token.require_post_quantum().unwrap_err().to_string();
    assert!(error.contains("stripped"), "{error}");
}

#[test]
fn a_nested_token_of_another_token_is_refused() {
    let (outer, inner) = (Tsa::classical(), Tsa::post_quantum());
    let der = outer.hybrid(|_| inner.token(b"another token's signature", NOW));
    let error = verify(&der, &[&outer, &inner]).unwrap_err();
    assert!(matches!(error, TokenInvalid::NestedForAnotherToken), "{error}");
    // Also where its root is unknown: whoever put it there meant to deceive.
    let error = verify(&der, &[&outer]).unwrap_err();
    assert!(matches!(error, TokenInvalid::NestedForAnotherToken), "{error}");
}

#[test]
fn a_nested_token_from_an_unknown_root_proves_nothing() {
    let (outer, inner) = (Tsa::classical(), Tsa::post_quantum());
    let der = outer.hybrid(|signature| inner.token(signature, NOW));
    let token = verify(&der, &[&outer]).unwrap();
    assert!(matches!(token.nested.as_slice(), [NestedToken::NotJudged { .. }]));
    assert_eq!(lack(&token), PostQuantumLack::NestedNotTrusted);
}

#[test]
fn a_nested_token_that_does_not_hold_spoils_the_token() {
    let (outer, inner) = (Tsa::classical(), Tsa::post_quantum());
    let mut der = outer.hybrid(|signature| inner.token(signature, NOW));
    // The last octet is the last of the nested signature.
    *der.last_mut().unwrap() ^= 1;
    let error = verify(&der, &[&outer, &inner]).unwrap_err();
    assert!(
        matches!(&error, TokenInvalid::Nested { source } if matches!(**source, TokenInvalid::Signature { .. })),
        "{error}"
    );
}

#[test]
fn a_nested_token_from_before_the_signature_is_refused() {
    let (outer, inner) = (Tsa::classical(), Tsa::post_quantum());
    // Both claim an accuracy of a second, and seconds are truncated.
    let der = outer.hybrid(|signature| inner.token(signature, NOW - 4));
    verify(&der, &[&outer, &inner]).unwrap();
    let der = outer.hybrid(|signature| inner.token(signature, NOW - 5));
    let error = verify(&der, &[&outer, &inner]).unwrap_err();
    assert!(matches!(error, TokenInvalid::NestedBefore { .. }), "{error}");
}

/// A forger of classical signatures writes an old time into a token, and has today's TSU stamp its signature.
#[test]
fn a_nested_token_of_long_after_proves_its_own_time_alone() {
    let (outer, inner) = (Tsa::classical(), Tsa::post_quantum());
    // Two accuracies of a second, each with the second that truncation takes, and a minute.
    for (seconds, same_moment) in [(64, true), (65, false), (YEAR / 2, false)] {
        let der = outer.hybrid(|signature| inner.token(signature, NOW + seconds));
        let token = verify(&der, &[&outer, &inner]).unwrap();
        assert_eq!(token.post_quantum_time(), Some(UtcInstant::new(NOW + seconds, 0).unwrap()));
        assert_eq!(token.require_post_quantum().is_ok(), same_moment, "{seconds}");
        if !same_moment {
            assert!(matches!(lack(&token), PostQuantumLack::NestedMuchLater { .. }));
            assert!(token.require_post_quantum().unwrap_err().to_string().contains("2026-02-03T04:05:06Z"));
        }
    }
}

#[test]
fn a_nested_token_without_its_certificate_cannot_be_judged() {
    let (outer, inner) = (Tsa::classical(), Tsa::post_quantum());
    let der = outer.hybrid(|signature| inner.token_with(signature, NOW, false));
    let token = verify(&der, &[&outer, &inner]).unwrap();
    let [NestedToken::NotJudged { reason }] = token.nested.as_slice() else { panic!("{:?}", token.nested) };
    assert!(matches!(**reason, TokenInvalid::SignerCertificateMissing));
    assert_eq!(lack(&token), PostQuantumLack::NestedNotTrusted);
}

#[test]
fn a_classical_nested_token_holds_and_is_no_post_quantum_one() {
    let (outer, inner) = (Tsa::classical(), Tsa::new("Other", &Key::p256(), Key::p256()));
    let token = verify(&outer.hybrid(|signature| inner.token(signature, NOW)), &[&outer, &inner]).unwrap();
    assert_eq!(lack(&token), PostQuantumLack::ClassicalSignature);
}

#[test]
fn a_post_quantum_key_under_a_classical_root_is_no_post_quantum_proof() {
    let (outer, inner) = (Tsa::classical(), Tsa::new("Mixed", &Key::p256(), Key::ml_dsa_65(3)));
    let token = verify(&outer.hybrid(|signature| inner.token(signature, NOW)), &[&outer, &inner]).unwrap();
    assert_eq!(lack(&token), PostQuantumLack::ClassicalChain);
    let token = verify(inner.token(DATA, NOW).as_der(), &[&inner]).unwrap();
    assert_eq!(lack(&token), PostQuantumLack::ClassicalChain);
}

#[test]
fn a_post_quantum_token_needs_no_nested_one() {
    let tsa = Tsa::post_quantum();
    let token = verify(tsa.token(DATA, NOW).as_der(), &[&tsa]).unwrap();
    token.require_post_quantum().unwrap();
    assert_eq!(token.post_quantum_time(), Some(token.gen_time));
}

/// The unsigned attributes of a token whose SignerInfo is the last element, replaced.
fn with_unsigned(tsa: &Tsa, attributes: &[&[u8]]) -> Vec<u8> {
    fn append(der: &[u8], appended: &[u8], depth: usize) -> Vec<u8> {
        let element_of = attestamp_strict_der::Reader::new(der).any().unwrap();
        let content = if depth == 0 {
            [element_of.content, appended].concat()
        } else {
            let mut members = Vec::new();
            let mut reader = element_of.reader();
            while !reader.is_empty() {
                members.push(reader.any().unwrap().der.to_vec());
            }
            let last = members.pop().unwrap();
            members.push(append(&last, appended, depth - 1));
            members.concat()
        };
        element(element_of.tag, &[&content])
    }
    // ContentInfo, [0], SignedData, SET, SignerInfo.
    append(tsa.token(DATA, NOW).as_der(), &element(tag::CONTEXT_1, attributes), 4)
}

fn nested_attribute(values: &[&[u8]]) -> Vec<u8> {
    element(tag::SEQUENCE, &[&ID_AA_TIME_STAMP_TOKEN, &element(tag::SET, values)])
}

#[test]
fn other_unsigned_attributes_are_passed_over_and_malformed_ones_are_not() {
    let tsa = Tsa::classical();
    let outer_token = tsa.token(DATA, NOW);
    let other = element(tag::SEQUENCE, &[&[6, 3, 0x2a, 3, 4], &element(tag::SET, &[&[5, 0]])]);
    assert!(verify(&with_unsigned(&tsa, &[&other]), &[&tsa]).unwrap().nested.is_empty());
    let nested = nested_attribute(&[outer_token.as_der()]);
    let as_set = [&[tag::SET], &nested[1..]].concat();
    let as_octets = [&[tag::OCTET_STRING], &nested[1..]].concat();
    let without_values = element(tag::SEQUENCE, &[&ID_AA_TIME_STAMP_TOKEN]);
    for malformed in [&[5, 0][..], &[0x30, 0], &without_values, &as_set, &as_octets] {
        let error = verify(&with_unsigned(&tsa, &[malformed]), &[&tsa]).unwrap_err();
        assert!(
            matches!(error, TokenInvalid::Malformed { part: TokenPart::UnsignedAttributes, .. }),
            "{error}"
        );
    }
    let unsorted = verify(&with_unsigned(&tsa, &[&nested, &other]), &[&tsa]).unwrap_err();
    assert!(
        matches!(unsorted, TokenInvalid::NotSorted { part: TokenPart::UnsignedAttributes }),
        "{unsorted}"
    );
    let nonsense = nested_attribute(&[&[0x30, 0]]);
    let error = verify(&with_unsigned(&tsa, &[&nonsense]), &[&tsa]).unwrap_err();
    assert!(matches!(error, TokenInvalid::Nested { .. }), "{error}");
    let many = nested_attribute(&[&[0x30, 0][..]; 4]);
    let error = verify(&with_unsigned(&tsa, &[&many]), &[&tsa]).unwrap_err();
    assert!(matches!(error, TokenInvalid::TooManyNestedTokens { found: 4 }), "{error}");
}
