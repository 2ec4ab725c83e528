//! The decoder on requests as they should be, and on everything near them.

use attestamp_certs::HashAlgorithm;
use hex_literal::hex;
use proptest::prelude::*;

use super::*;
use crate::{PolicyOid, Query};
use attestamp_strict_der::{element, tag};

/// A request with every field: what `openssl ts -query -sha256 -tspolicy 1.2.3 -cert` sends, and one extension.
fn full_request() -> Vec<u8> {
    let extension = hex!("a011 300f 0603 2a0304 0101ff 0405 0403 010203").as_slice().to_vec();
    let imprint = [hex!("3031 300d 0609 608648016503040201 0500 0420").as_slice(), &[0x5a; 32]].concat();
    element(
        tag::SEQUENCE,
        &[
            &hex!("020101"),
            &imprint,
            &hex!("0602 2a03"),
            &hex!("0208 7fffffffffffffff"),
            &hex!("0101ff"),
            &extension,
        ],
    )
}

fn smallest_request() -> Vec<u8> {
    let query = Query::new(HashAlgorithm::Sha256, &[0x5a; 32]).unwrap();
    query.with_cert_req(false).to_der()
}

/// Encodes what was decoded, field by field: equal to the input if and only if every byte of it was understood.
fn encode(request: &TimeStampReq<'_>) -> Vec<u8> {
    let imprint = request.message_imprint();
    let oid = element(tag::OBJECT_IDENTIFIER, &[imprint.hash_algorithm().content()]);
    let parameters: &[u8] = match imprint.hash_parameters() {
        HashParameters::Absent => &[],
        HashParameters::Null => &[tag::NULL, 0],
        // What they are is not kept, only echoed.
        HashParameters::Other => {
            let algorithm = Reader::new(imprint.as_der()).any().unwrap().reader().any().unwrap();
            algorithm.content.get(oid.len()..).unwrap()
        }
    };
    let algorithm = element(tag::SEQUENCE, &[&oid, parameters]);
    let hash = element(tag::OCTET_STRING, &[imprint.hashed_message()]);
    let encoded_imprint = element(tag::SEQUENCE, &[&algorithm, &hash]);
    assert_eq!(encoded_imprint, imprint.as_der());
    let version = element(tag::INTEGER, &[request.version()]);
    let policy = request.req_policy().map(|oid| element(tag::OBJECT_IDENTIFIER, &[oid.content()]));
    let nonce = request.nonce().map(|content| element(tag::INTEGER, &[content]));
    let flag = |set: bool| if set { element(tag::BOOLEAN, &[&[0xff]]) } else { Vec::new() };
    let extension = |extension: Extension<'_>| {
        let id = element(tag::OBJECT_IDENTIFIER, &[extension.id().content()]);
        let value = element(tag::OCTET_STRING, &[extension.value()]);
        element(tag::SEQUENCE, &[&id, &flag(extension.critical()), &value])
    };
    let extensions = request.extensions().iter().map(extension).collect::<Vec<_>>().concat();
    let extensions = if extensions.is_empty() { Vec::new() } else { element(tag::CONTEXT_0, &[&extensions]) };
    element(
        tag::SEQUENCE,
        &[
            &version,
            &encoded_imprint,
            &policy.unwrap_or_default(),
            &nonce.unwrap_or_default(),
            &flag(request.cert_req()),
            &extensions,
        ],
    )
}

#[test]
fn every_field_is_found() {
    let der = full_request();
    let request = TimeStampReq::decode(&der).unwrap();
    assert_eq!(request.version(), [1]);
    assert_eq!(request.message_imprint().hash_algorithm().to_string(), "2.16.840.1.101.3.4.2.1");
    assert_eq!(request.message_imprint().hash_parameters(), HashParameters::Null);
    assert_eq!(request.message_imprint().hashed_message(), [0x5a; 32]);
    assert_eq!(request.req_policy().unwrap().to_string(), "1.2.3");
    assert_eq!(request.nonce(), Some(hex!("7fffffffffffffff").as_slice()));
    assert!(request.cert_req());
    let extensions: Vec<_> = request.extensions().iter().collect();
    let [extension] = extensions.as_slice() else { panic!("{extensions:?}") };
    assert_eq!(extension.id().to_string(), "1.2.3.4");
    assert!(extension.critical());
    assert_eq!(extension.value(), hex!("0403 010203"));
    assert_eq!(encode(&request), der);
}

#[test]
fn absent_fields_are_absent() {
    let der = smallest_request();
    let request = TimeStampReq::decode(&der).unwrap();
    assert_eq!((request.req_policy(), request.nonce(), request.cert_req()), (None, None, false));
    assert_eq!(request.extensions().iter().count(), 0);
    assert_eq!(request.message_imprint().hash_parameters(), HashParameters::Absent);
    assert_eq!(encode(&request), der);
}

#[test]
fn a1_11_explicit_cert_req_false_is_taken_only_by_name() {
    let mut der = smallest_request();
    der.extend(hex!("010100"));
    der[1] += 3;
    let offset = der.len() - 3;
    assert_eq!(TimeStampReq::decode(&der), Err(Malformed { offset, reason: Reason::EncodedDefault }));
    let request = TimeStampReq::decode_with(&der, Compatibility { explicit_cert_req_false: true }).unwrap();
    assert!(!request.cert_req());
    // The option excuses nothing else: 01 is no BOOLEAN value, and a critical FALSE stays forbidden.
    der[offset + 2] = 1;
    let error = TimeStampReq::decode_with(&der, Compatibility { explicit_cert_req_false: true });
    assert_eq!(error, Err(Malformed { offset, reason: Reason::Boolean }));
}

/// All truncations, and all values of all bytes: an error, or a request that has this one encoding.
#[test]
fn invariant_one_request_has_one_encoding() {
    for der in [smallest_request(), full_request()] {
        for length in 0..der.len() {
            assert!(TimeStampReq::decode(&der[..length]).is_err(), "truncated to {length}");
        }
        let mut mutant = der.clone();
        for position in 0..der.len() {
            for value in 0..=u8::MAX {
                mutant[position] = value;
                if let Ok(request) = TimeStampReq::decode(&mutant) {
                    assert_eq!(encode(&request), mutant, "byte {position} set to {value:#04x}");
                }
            }
            mutant[position] = der[position];
        }
    }
}

fn any_query() -> impl Strategy<Value = Query> {
    let hashes = proptest::sample::select(HashAlgorithm::ALL.to_vec());
    let policy = proptest::option::of((0..3_u64, 0..40_u64, any::<u64>()));
    let nonce = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
    (hashes, any::<[u8; 64]>(), policy, nonce, any::<bool>()).prop_map(
        |(hash, octets, policy, nonce, cert_req)| {
            let query = Query::new(hash, &octets[..hash.output_length()]).unwrap().with_cert_req(cert_req);
            let query = match policy {
                Some((a, b, c)) => query.with_policy(format!("{a}.{b}.{c}").parse().unwrap()),
                None => query,
            };
            match nonce {
                Some(random) => query.with_nonce(&random),
                None => query,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_query_is_decoded_to_what_it_says(query in any_query()) {
        let der = query.to_der();
        let request = TimeStampReq::decode(&der).unwrap();
        prop_assert_eq!(request.nonce(), query.nonce());
        prop_assert_eq!(&encode(&request), &der);
        let policy = request.req_policy().map(PolicyOid::from_oid);
        let rebuilt = Query::new(
            HashAlgorithm::from_oid_content(request.message_imprint().hash_algorithm().content()).unwrap(),
            request.message_imprint().hashed_message(),
        ).unwrap().with_cert_req(request.cert_req());
        let rebuilt = match policy {
            Some(policy) => rebuilt.with_policy(policy),
            None => rebuilt,
        };
        let rebuilt = match request.nonce() {
            Some(content) => rebuilt.with_nonce(content),
            None => rebuilt,
        };
        prop_assert_eq!(rebuilt, query);
    }

    #[test]
    fn invariant_decoding_never_panics(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = TimeStampReq::decode(&input);
    }

    /// Pieces of real requests in any order reach deeper than noise does.
    #[test]
    fn invariant_decoding_shuffled_pieces_never_panics(
        pieces in proptest::collection::vec((0..130_usize, 0..40_usize), 1..12), flip: (usize, u8),
    ) {
        let whole = full_request();
        let mut input = vec![0x30, 0x60];
        for (start, length) in pieces {
            let start = start.min(whole.len());
            input.extend(&whole[start..(start + length).min(whole.len())]);
        }
        let place = flip.0 % input.len();
        input[place] ^= flip.1;
        if let Ok(request) = TimeStampReq::decode(&input) {
            prop_assert_eq!(encode(&request), input);
        }
    }
}
