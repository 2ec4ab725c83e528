//! Hostile requests, one row each: what a stranger may send, and what becomes of it.
//!
//! Rows are grouped as the threat list has them: encoding, size, imprint, versions and numbers. Each must end in an
//! answer; that memory stays flat follows from the decoder, which allocates nothing.

use hex_literal::hex;

use super::*;
use crate::{Failure, Profile, ProfileConfig, Refusal, UtcInstant};
use attestamp_strict_der::{element, tag};

const SHA_256: [u8; 13] = hex!("300b 0609 608648016503040201");

/// The fields of a request, to be replaced one at a time.
struct Fields {
    version: Vec<u8>,
    algorithm: Vec<u8>,
    hash: Vec<u8>,
    rest: Vec<u8>,
}

impl Fields {
    fn good() -> Self {
        let hash = element(tag::OCTET_STRING, &[&[0x5a; 32]]);
        Self { version: hex!("020101").to_vec(), algorithm: SHA_256.to_vec(), hash, rest: Vec::new() }
    }

    fn der(&self) -> Vec<u8> {
        let imprint = element(tag::SEQUENCE, &[&self.algorithm, &self.hash]);
        element(tag::SEQUENCE, &[&self.version, &imprint, &self.rest])
    }
}

fn good() -> Vec<u8> {
    Fields::good().der()
}

fn with_version(version: &[u8]) -> Vec<u8> {
    Fields { version: version.to_vec(), ..Fields::good() }.der()
}

fn with_algorithm(algorithm: &[u8]) -> Vec<u8> {
    Fields { algorithm: element(tag::SEQUENCE, &[algorithm]), ..Fields::good() }.der()
}

fn with_hash(hash: &[u8]) -> Vec<u8> {
    Fields { hash: element(tag::OCTET_STRING, &[hash]), ..Fields::good() }.der()
}

fn with_rest(rest: &[u8]) -> Vec<u8> {
    Fields { rest: rest.to_vec(), ..Fields::good() }.der()
}

fn with_policy(content: &[u8]) -> Vec<u8> {
    with_rest(&element(tag::OBJECT_IDENTIFIER, &[content]))
}

/// Parameters nested this deep behind the hash's identifier.
fn with_nested_parameters(levels: usize) -> Vec<u8> {
    let mut parameters = Vec::new();
    for _ in 0..levels {
        parameters = element(tag::SEQUENCE, &[&parameters]);
    }
    with_algorithm(&[&hex!("0609 608648016503040201"), parameters.as_slice()].concat())
}

/// Extensions with these last arcs.
fn with_extensions(arcs: impl Iterator<Item = u16>) -> Vec<u8> {
    let extension = |arc: u16| {
        let [high, low] = arc.to_be_bytes();
        // 1.2.3 and two arcs below 128.
        let id = element(tag::OBJECT_IDENTIFIER, &[&[0x2a, 3, high & 0x7f, low & 0x7f]]);
        element(tag::SEQUENCE, &[&id, &hex!("0400")])
    };
    with_rest(&element(tag::CONTEXT_0, &[&arcs.map(extension).collect::<Vec<_>>().concat()]))
}

fn outcome(der: &[u8]) -> Result<(), Failure> {
    let profile = Profile::new(ProfileConfig::new("1.2.3.4".parse().unwrap())).unwrap();
    let now = UtcInstant::new(1_795_351_623, 0).unwrap();
    let request = TimeStampReq::decode(der)?;
    profile.decide(&request, now)?;
    Ok(())
}

fn reason(der: &[u8]) -> Reason {
    match outcome(der) {
        Err(Failure::Malformed(malformed)) => malformed.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hostile_1_der() {
    let unexpected = |expected, found| Reason::UnexpectedTag { expected, found };
    let rows: [(&str, &[u8], Reason); 12] = [
        ("empty", &[], unexpected(0x30, None)),
        ("1 byte", &hex!("30"), Reason::Truncated { needed: 1, available: 0 }),
        ("indefinite", &hex!("3080"), Reason::IndefiniteLength),
        ("4 GiB", &hex!("3084ffffffff"), Reason::Truncated { needed: 0xffff_ffff, available: 0 }),
        ("beyond the body", &hex!("3010 020101"), Reason::Truncated { needed: 16, available: 3 }),
        ("9-byte length", &hex!("3089 000000000000000001 00"), Reason::LengthTooLong { octets: 9 }),
        ("high tag as first field", &hex!("3003 1f8100"), unexpected(0x02, Some(0x1f))),
        ("high tag as request", &hex!("3f8101 00"), unexpected(0x30, Some(0x3f))),
        ("a SET", &hex!("3100"), unexpected(0x30, Some(0x31))),
        ("no field", &hex!("3000"), unexpected(0x02, None)),
        ("text", b"GET / HTTP/1.1", unexpected(0x30, Some(b'G'))),
        ("base64", b"MDQCAQEw", unexpected(0x30, Some(b'M'))),
    ];
    for (name, der, expected) in rows {
        assert_eq!(reason(der), expected, "{name}");
    }
    assert_eq!(outcome(&good()), Ok(()));
    let good_length = good().len();
    let trailing = [good().as_slice(), &[0]].concat();
    assert_eq!(
        TimeStampReq::decode(&trailing),
        Err(Malformed { offset: good_length, reason: Reason::TrailingData { octets: 1 } })
    );
    let two = [good(), good()].concat();
    assert_eq!(reason(&two), Reason::TrailingData { octets: good_length });
    for length in 0..good_length {
        assert!(TimeStampReq::decode(&good()[..length]).is_err(), "truncated to {length}");
    }
}

#[test]
fn hostile_2_depth_and_number() {
    assert_eq!(outcome(&with_nested_parameters(16)), Err(Refusal::HashParameters.into()));
    assert_eq!(reason(&with_nested_parameters(17)), Reason::NestingTooDeep { limit: 16 });
    assert_eq!(reason(&with_nested_parameters(4_000)), Reason::NestingTooDeep { limit: 16 });
    let deep = with_nested_parameters(10_000);
    let limit = MAX_REQUEST_LENGTH;
    assert_eq!(reason(&deep), Reason::InputTooLong { length: deep.len(), limit });

    assert_eq!(outcome(&with_extensions(0..8)), Err(Refusal::UnknownExtension.into()));
    assert_eq!(reason(&with_extensions(0..9)), Reason::TooManyExtensions { limit: 8 });
    assert_eq!(reason(&with_extensions(0..1_000)), Reason::TooManyExtensions { limit: 8 });
    let many = with_extensions(0..10_000);
    assert_eq!(reason(&many), Reason::InputTooLong { length: many.len(), limit });
    assert_eq!(reason(&with_extensions([1, 2, 1].into_iter())), Reason::DuplicateExtension);
    assert_eq!(reason(&with_rest(&hex!("a000"))), Reason::EmptyList);
    assert_eq!(reason(&with_rest(&hex!("a00b 3009 0602 2a03 010100 0400"))), Reason::EncodedDefault);
}

#[test]
fn hostile_2_object_identifiers() {
    let rows: [(&str, Vec<u8>, Reason); 7] = [
        ("empty", vec![], Reason::OidEmpty),
        ("65 octets", vec![0x2a; 65], Reason::OidTooLong { length: 65, limit: 64 }),
        ("15 KB", vec![0x2a; 15_000], Reason::OidTooLong { length: 15_000, limit: 64 }),
        (
            "arc of 2^128",
            hex!("2a 84 8080808080 8080808080 8080808080 8080 00").to_vec(),
            Reason::OidArcTooLarge,
        ),
        ("continuation bit at the end", hex!("2a83").to_vec(), Reason::OidUnterminated),
        ("leading 80", hex!("2a8001").to_vec(), Reason::OidArcNotMinimal),
        ("leading 80 at once", hex!("802a").to_vec(), Reason::OidArcNotMinimal),
    ];
    for (name, content, expected) in rows {
        assert_eq!(reason(&with_policy(&content)), expected, "policy: {name}");
        let oid = element(tag::OBJECT_IDENTIFIER, &[&content]);
        assert_eq!(reason(&with_algorithm(&oid)), expected, "hash: {name}");
        let extension = element(tag::SEQUENCE, &[&oid, &hex!("0400")]);
        let extensions = element(tag::CONTEXT_0, &[&extension]);
        assert_eq!(reason(&with_rest(&extensions)), expected, "extension: {name}");
    }
    let huge = with_policy(&vec![0x2a; 100_000]);
    assert_eq!(reason(&huge), Reason::InputTooLong { length: huge.len(), limit: MAX_REQUEST_LENGTH });
    assert_eq!(outcome(&with_policy(&[0x2a; 64])), Err(Refusal::PolicyNotOffered.into()));
}

#[test]
fn hostile_3_imprints() {
    let hash = attestamp_certs::HashAlgorithm::Sha256;
    for found in [0, 1, 31, 33, 64, 16_000] {
        let expected = Refusal::ImprintLength { hash, found, required: 32 };
        assert_eq!(outcome(&with_hash(&vec![0; found])), Err(expected.into()));
    }
    let huge = with_hash(&vec![0; 1 << 20]);
    assert_eq!(reason(&huge), Reason::InputTooLong { length: huge.len(), limit: MAX_REQUEST_LENGTH });

    let sha_256 = hex!("0609 608648016503040201");
    let parameters = |parameters: &[u8]| with_algorithm(&[&sha_256, parameters].concat());
    assert_eq!(outcome(&parameters(&hex!("0500"))), Ok(()));
    assert_eq!(outcome(&parameters(&hex!("020105"))), Err(Refusal::HashParameters.into()));
    assert_eq!(reason(&parameters(&hex!("050100"))), Reason::NullNotEmpty);
    assert_eq!(reason(&parameters(&hex!("0500 0500"))), Reason::TrailingData { octets: 2 });
    assert_eq!(reason(&parameters(&hex!("3003 050100"))), Reason::NullNotEmpty);
    assert_eq!(reason(&parameters(&hex!("30"))), Reason::Truncated { needed: 1, available: 0 });

    let constructed = element(0x24, &[&element(tag::OCTET_STRING, &[&[0; 32]])]);
    let der = Fields { hash: constructed, ..Fields::good() }.der();
    assert_eq!(reason(&der), Reason::UnexpectedTag { expected: 0x04, found: Some(0x24) });
}

#[test]
fn hostile_4_versions_and_numbers() {
    for version in
        [hex!("020100").as_slice(), &hex!("0201ff"), &hex!("020102"), &hex!("0209 010000000000000000")]
    {
        assert_eq!(outcome(&with_version(version)), Err(Refusal::UnsupportedVersion.into()));
    }
    assert_eq!(reason(&with_version(&hex!("0200"))), Reason::IntegerEmpty);
    assert_eq!(reason(&with_version(&hex!("02020001"))), Reason::IntegerNotMinimal);
    assert_eq!(reason(&with_version(&hex!("0202ffff"))), Reason::IntegerNotMinimal);
    assert_eq!(reason(&with_rest(&hex!("0200"))), Reason::IntegerEmpty);
    assert_eq!(reason(&with_rest(&hex!("02020000"))), Reason::IntegerNotMinimal);

    let nonce = |octets: usize| with_rest(&element(tag::INTEGER, &[&vec![0x11; octets]]));
    assert_eq!(outcome(&nonce(64)), Ok(()));
    assert_eq!(outcome(&nonce(65)), Err(Refusal::NonceTooLong { found: 65, limit: 64 }.into()));
    assert_eq!(outcome(&nonce(16_000)), Err(Refusal::NonceTooLong { found: 16_000, limit: 64 }.into()));
    let length = nonce(1 << 20).len();
    assert_eq!(reason(&nonce(1 << 20)), Reason::InputTooLong { length, limit: MAX_REQUEST_LENGTH });

    assert_eq!(reason(&with_rest(&hex!("010101"))), Reason::Boolean);
    assert_eq!(reason(&with_rest(&hex!("0102ffff"))), Reason::Boolean);
    assert_eq!(reason(&with_rest(&hex!("0100"))), Reason::Boolean);
    assert_eq!(reason(&with_rest(&hex!("010100"))), Reason::EncodedDefault);
}

#[test]
fn hostile_4_fields_reordered_or_repeated() {
    for (name, rest, octets) in [
        ("certReq before nonce", hex!("0101ff 020105").as_slice(), 3),
        ("nonce before policy", &hex!("020105 0602 2a03"), 4),
        ("nonce twice", &hex!("020105 020105"), 3),
        ("certReq twice", &hex!("0101ff 0101ff"), 3),
        ("policy twice", &hex!("0602 2a03 0602 2a03"), 4),
        ("extensions before certReq", &hex!("a009 3007 0603 2a0304 0400 0101ff"), 3),
        ("a field of tomorrow", &hex!("a100"), 2),
    ] {
        assert_eq!(reason(&with_rest(rest)), Reason::TrailingData { octets }, "{name}");
    }
    let swapped = element(tag::SEQUENCE, &[&element(tag::SEQUENCE, &[]), &hex!("020101")]);
    assert_eq!(reason(&swapped), Reason::UnexpectedTag { expected: 0x02, found: Some(0x30) });
}
