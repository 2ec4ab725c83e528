//! Requirements A1.1 to A1.18: a request in, the whole reply out, octet by octet.

use attestamp_certs::SignatureAlgorithm;
use attestamp_tsa::{
    Compatibility, Failure, Fault, PkiFailureInfo, ProfileConfig, Query, Refusal, TimeStampResp,
};
use der::Encode;
use hex_literal::hex;
use std::sync::LazyLock;

use crate::cms_round_trip::signed_data;
use crate::test_tsu::TestTsu;

static TSU: LazyLock<TestTsu> = LazyLock::new(|| TestTsu::new(SignatureAlgorithm::EcdsaP256Sha256));

const SHA_256: [u8; 13] = hex!("300b 0609 608648016503040201");
const SHA_256_NULL: [u8; 15] = hex!("300d 0609 608648016503040201 0500");

/// A DER element, for contents below 64 KiB.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header: &[u8] = match length {
        [0, short @ 0..0x80] => &[tag, short],
        [0, low] => &[tag, 0x81, low],
        [high, low] => &[tag, 0x82, high, low],
    };
    [header, &content].concat()
}

fn imprint(algorithm: &[u8], hash: &[u8]) -> Vec<u8> {
    element(0x30, &[algorithm, &element(0x04, &[hash])])
}

fn request(version: &[u8], imprint: &[u8], rest: &[u8]) -> Vec<u8> {
    element(0x30, &[version, imprint, rest])
}

fn good(rest: &[u8]) -> Vec<u8> {
    request(&hex!("020101"), &imprint(&SHA_256, &[0x5a; 32]), rest)
}

fn config() -> ProfileConfig {
    ProfileConfig::new("1.2.3.4".parse().unwrap())
}

fn reply(request: &[u8]) -> Vec<u8> {
    TSU.reply(&config(), request)
}

/// The `TSTInfo` in the reply, which must be a granted one.
fn tst_info(request: &[u8]) -> Vec<u8> {
    let signed_data = signed_data(&reply(request));
    signed_data.encap_content_info.econtent.unwrap().value().to_vec()
}

fn expected_tst_info(policy: &[u8], imprint: &[u8], nonce: &[u8]) -> Vec<u8> {
    element(
        0x30,
        &[
            &hex!("020101"),
            policy,
            imprint,
            &hex!("0214 414141414141 0000000000000007 eeeeeeeeeeee"),
            b"\x18\x0f20261122124703Z",
            &hex!("3003 020101"),
            nonce,
        ],
    )
}

const POLICY: [u8; 5] = hex!("0603 2a0304");

#[track_caller]
fn assert_rejected(reply: &[u8], failure_info: &[u8], text: &str) {
    let free_text = element(0x30, &[&element(0x0c, &[text.as_bytes()])]);
    let status_info = element(0x30, &[&hex!("020102"), &free_text, failure_info]);
    assert_eq!(reply, element(0x30, &[&status_info]), "{}", String::from_utf8_lossy(reply));
}

const BAD_ALG: [u8; 4] = hex!("03020780");
const BAD_REQUEST: [u8; 4] = hex!("03020520");
const BAD_DATA_FORMAT: [u8; 4] = hex!("03020204");

#[test]
fn a1_1_granted_and_the_imprint_is_echoed() {
    for algorithm in [SHA_256.as_slice(), &SHA_256_NULL] {
        let imprint = imprint(algorithm, &[0x5a; 32]);
        let request = request(&hex!("020101"), &imprint, &[]);
        assert_eq!(tst_info(&request), expected_tst_info(&POLICY, &imprint, &[]));
    }
}

#[test]
fn a1_2_version_other_than_1() {
    for version in
        [hex!("020100").as_slice(), &hex!("020102"), &hex!("0201ff"), &hex!("0209 010000000000000000")]
    {
        let request = request(version, &imprint(&SHA_256, &[0x5a; 32]), &[]);
        assert_rejected(&reply(&request), &BAD_REQUEST, "only version 1 of the timestamp request is served");
    }
}

#[test]
fn a1_3_imprint_of_another_length() {
    for length in [0, 1, 31, 33, 64] {
        let request = request(&hex!("020101"), &imprint(&SHA_256, &vec![0; length]), &[]);
        let text = format!("the hash value has {length} octets, sha256 gives 32");
        assert_rejected(&reply(&request), &BAD_DATA_FORMAT, &text);
    }
}

#[test]
fn a1_4_unknown_or_weak_hash() {
    let text = "the hash algorithm of the request is not supported; use SHA-256 or another hash that this service lists";
    for (algorithm, length) in [
        (hex!("300c 0608 2a864886f70d0205 0500").as_slice(), 16),
        (&hex!("3007 0605 2b0e03021a"), 20),
        (&hex!("3009 0605 2b0e03021a 0500"), 20),
        (&hex!("300b 0609 608648016503040204"), 28),
        (&hex!("3004 0602 2a03"), 32),
    ] {
        let request = request(&hex!("020101"), &imprint(algorithm, &vec![0; length]), &[]);
        assert_rejected(&reply(&request), &BAD_ALG, text);
    }
    let request =
        request(&hex!("020101"), &imprint(&hex!("300e 0609 608648016503040201 020105"), &[0; 32]), &[]);
    let text = "the parameters of the hash algorithm must be absent or NULL";
    assert_rejected(&reply(&request), &BAD_ALG, text);
}

#[test]
fn a1_5_policy_not_offered() {
    let text = "the requested policy is not offered here; leave it out, or use one that this service lists";
    assert_rejected(&reply(&good(&hex!("0603 2a0305"))), &hex!("0303000001"), text);
    let config = ProfileConfig { accepted_policies: vec!["1.2.3.5".parse().unwrap()], ..config() };
    let granted = TSU.reply(&config, &good(&hex!("0603 2a0305")));
    let content = signed_data(&granted).encap_content_info.econtent.unwrap();
    let imprint = imprint(&SHA_256, &[0x5a; 32]);
    assert_eq!(content.value(), expected_tst_info(&hex!("0603 2a0305"), &imprint, &[]));
}

#[test]
fn a1_6_unknown_extension_critical_or_not() {
    let text = "the request has an extension that is not supported";
    for extensions in
        [hex!("a009 3007 0603 2a0304 0400").as_slice(), &hex!("a00c 300a 0603 2a0304 0101ff 0400")]
    {
        assert_rejected(&reply(&good(extensions)), &hex!("030407000080"), text);
    }
}

#[test]
fn a1_7_information_of_a_known_extension_not_available() {
    let failure = Failure::from(Refusal::AdditionalInformationNotAvailable);
    let text = "the additional information that the request asks for is not available";
    assert_rejected(&TimeStampResp::rejection_of(&failure), &hex!("030406000040"), text);
}

#[test]
fn a1_8_clock_not_trusted() {
    let reply = TimeStampResp::rejection_of(&Fault::TimeNotAvailable.into());
    assert_rejected(&reply, &hex!("0303010002"), "the time source is not available; try again later");
}

#[test]
fn a1_9_any_failure_of_ours() {
    let reply = TimeStampResp::rejection_of(&Fault::SystemFailure.into());
    let text = "the request cannot be served because of a system failure; try again later";
    assert_rejected(&reply, &hex!("03050600000040"), text);
}

#[test]
fn a1_10_unparsable_empty_or_non_minimal() {
    let rows: [(&[u8], &str); 4] = [
        (&[], "byte 0: tag 0x30 expected, end of data found"),
        (b"not DER", "byte 0: tag 0x30 expected, 0x6e found"),
        (&hex!("3003 020101"), "byte 5: tag 0x30 expected, end of data found"),
        (&hex!("3004 02020001"), "byte 2: INTEGER not in its shortest form"),
    ];
    for (request, text) in rows {
        let text = format!("not a DER TimeStampReq: {text}");
        assert_rejected(&reply(request), &BAD_DATA_FORMAT, &text);
    }
}

#[test]
fn a1_11_trailing_byte_and_boolean_01() {
    let trailing = [good(&[]), vec![0]].concat();
    let text = "not a DER TimeStampReq: byte 54: trailing data of length 1";
    assert_rejected(&reply(&trailing), &BAD_DATA_FORMAT, text);
    let text = "not a DER TimeStampReq: byte 54: BOOLEAN that is neither 00 nor FF in one octet";
    assert_rejected(&reply(&good(&hex!("010101"))), &BAD_DATA_FORMAT, text);
    let explicit = good(&hex!("010100"));
    let text = "not a DER TimeStampReq: byte 54: a default value is encoded, which DER forbids";
    assert_rejected(&reply(&explicit), &BAD_DATA_FORMAT, text);
    let compatibility = Compatibility { explicit_cert_req_false: true };
    let granted = TSU.reply(&ProfileConfig { compatibility, ..config() }, &explicit);
    assert!(signed_data(&granted).certificates.is_none());
}

#[test]
fn a1_12_nonces_are_echoed_as_they_came() {
    let long = element(0x02, &[&[0x77; 64]]);
    for nonce in [
        hex!("020100").as_slice(),
        &hex!("0201ff"),
        &hex!("0208 8000000000000000"),
        &hex!("0208 7fffffffffffffff"),
        &hex!("0209 00ffffffffffffffff"),
        &hex!("0214 0102030405060708090a0b0c0d0e0f1011121314"),
        &long,
    ] {
        let imprint = imprint(&SHA_256, &[0x5a; 32]);
        assert_eq!(tst_info(&good(nonce)), expected_tst_info(&POLICY, &imprint, nonce));
    }
}

#[test]
fn a1_13_nonce_above_64_octets() {
    let request = good(&element(0x02, &[&[0x77; 65]]));
    assert_rejected(&reply(&request), &BAD_REQUEST, "the nonce has 65 octets, at most 64 are accepted");
}

#[test]
fn a1_14_no_nonce_none_in_the_token() {
    let imprint = imprint(&SHA_256, &[0x5a; 32]);
    assert_eq!(tst_info(&good(&[])), expected_tst_info(&POLICY, &imprint, &[]));
}

#[test]
fn a1_15_cert_req_true_carries_leaf_and_sub_ca_in_der_order() {
    let certificates = signed_data(&reply(&good(&hex!("0101ff")))).certificates.unwrap();
    let [leaf, sub_ca, _root] = TSU.chain() else { panic!("three certificates") };
    let mut expected = [leaf.to_vec(), sub_ca.to_vec()];
    expected.sort();
    let found: Vec<_> = certificates.0.iter().map(|certificate| certificate.to_der().unwrap()).collect();
    assert_eq!(found, expected);
}

#[test]
fn a1_16_cert_req_absent_carries_none() {
    assert!(signed_data(&reply(&good(&[]))).certificates.is_none());
}

#[test]
fn a1_17_a_token_if_and_only_if_granted() {
    let granted = reply(&Query::new(attestamp_certs::HashAlgorithm::Sha256, &[0; 32]).unwrap().to_der());
    let [0x30, 0x82, _, _, 0x30, 0x03, 0x02, 0x01, 0x00, 0x30, ..] = granted.as_slice() else {
        panic!("{granted:02x?}")
    };
    for info in PkiFailureInfo::ALL {
        let rejected = TimeStampResp::rejection(info, "text");
        let status_info = rejected.get(2..).unwrap();
        assert_eq!(status_info.len(), 2 + usize::from(status_info[1]), "nothing follows the status");
        assert_eq!(status_info[2..5], hex!("020102"));
    }
}

#[test]
fn a1_18_no_trailing_zero_bits() {
    assert_eq!(TimeStampResp::rejection(PkiFailureInfo::BadAlg, ""), hex!("3009 3007 020102 03020780"));
}
