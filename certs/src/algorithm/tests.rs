//! The table as the standards print it, and identifiers that are nearly right.

use super::*;
use hex_literal::hex;

/// Names and object identifiers of NIST's Computer Security Objects Register, read independently of the rows.
const REGISTERED: [(&str, &str); 15] = [
    ("ML-DSA-44", "2.16.840.1.101.3.4.3.17"),
    ("ML-DSA-65", "2.16.840.1.101.3.4.3.18"),
    ("ML-DSA-87", "2.16.840.1.101.3.4.3.19"),
    ("SLH-DSA-SHA2-128s", "2.16.840.1.101.3.4.3.20"),
    ("SLH-DSA-SHA2-128f", "2.16.840.1.101.3.4.3.21"),
    ("SLH-DSA-SHA2-192s", "2.16.840.1.101.3.4.3.22"),
    ("SLH-DSA-SHA2-192f", "2.16.840.1.101.3.4.3.23"),
    ("SLH-DSA-SHA2-256s", "2.16.840.1.101.3.4.3.24"),
    ("SLH-DSA-SHA2-256f", "2.16.840.1.101.3.4.3.25"),
    ("SLH-DSA-SHAKE-128s", "2.16.840.1.101.3.4.3.26"),
    ("SLH-DSA-SHAKE-128f", "2.16.840.1.101.3.4.3.27"),
    ("SLH-DSA-SHAKE-192s", "2.16.840.1.101.3.4.3.28"),
    ("SLH-DSA-SHAKE-192f", "2.16.840.1.101.3.4.3.29"),
    ("SLH-DSA-SHAKE-256s", "2.16.840.1.101.3.4.3.30"),
    ("SLH-DSA-SHAKE-256f", "2.16.840.1.101.3.4.3.31"),
];

fn identifier(oid: &str, parameters: &[u8]) -> Vec<u8> {
    let oid = const_oid::ObjectIdentifier::new_unwrap(oid);
    let content = [&[6, u8::try_from(oid.as_bytes().len()).unwrap()], oid.as_bytes(), parameters].concat();
    [&[0x30, u8::try_from(content.len()).unwrap()], content.as_slice()].concat()
}

#[test]
fn c1_every_algorithm_is_read_back_from_its_identifier_and_none_has_parameters() {
    for algorithm in SignatureAlgorithm::ALL {
        let der = algorithm.algorithm_identifier_der();
        assert_eq!(SignatureAlgorithm::from_algorithm_identifier_der(der), Ok(algorithm));
    }
    let post_quantum = SignatureAlgorithm::ALL.into_iter().filter(|algorithm| algorithm.is_post_quantum());
    for (algorithm, (name, oid)) in post_quantum.zip(REGISTERED) {
        assert_eq!(algorithm.name(), name);
        assert_eq!(algorithm.algorithm_identifier_der(), identifier(oid, &[]));
        assert_eq!(algorithm.key_algorithm_identifier_der(), identifier(oid, &[]));
    }
}

#[test]
fn c1_parameters_beside_a_post_quantum_algorithm_are_named() {
    for (name, oid) in REGISTERED {
        for parameters in [&hex!("0500")[..], &hex!("0400"), &hex!("3000")] {
            let refused =
                SignatureAlgorithm::from_algorithm_identifier_der(&identifier(oid, parameters)).unwrap_err();
            assert!(matches!(refused, SignatureAlgorithmRefused::Parameters { .. }), "{name}: {refused}");
            assert!(refused.to_string().contains(&format!("parameters of {name} ")), "{refused}");
        }
    }
}

#[test]
fn c4_prehash_forms_are_named() {
    for arc in 32..=46 {
        let refused = SignatureAlgorithm::from_algorithm_identifier_der(&identifier(
            &format!("2.16.840.1.101.3.4.3.{arc}"),
            &[],
        ))
        .unwrap_err();
        assert!(matches!(refused, SignatureAlgorithmRefused::Prehash { .. }), "{arc}: {refused}");
    }
    // DSA with SHA-224 and the arc after the last.
    for arc in [1, 16, 47] {
        let der = identifier(&format!("2.16.840.1.101.3.4.3.{arc}"), &[]);
        assert_eq!(
            SignatureAlgorithm::from_algorithm_identifier_der(&der),
            Err(SignatureAlgorithmRefused::Unknown)
        );
    }
    for der in [&[][..], &hex!("3000"), &hex!("300d 0609 2a864886f70d01010b 0400")] {
        assert_eq!(
            SignatureAlgorithm::from_algorithm_identifier_der(der),
            Err(SignatureAlgorithmRefused::Unknown)
        );
    }
}

#[test]
fn c2_the_digest_must_be_no_weaker_than_the_parameter_set() {
    use HashAlgorithm::{Sha3_256, Sha3_384, Sha3_512, Sha256, Sha384, Sha512, Shake128, Shake256};
    // RFC 9882 table 1.
    let accepted = |algorithm: SignatureAlgorithm| -> Vec<HashAlgorithm> {
        HashAlgorithm::ALL.into_iter().filter(|digest| algorithm.accepts_digest(*digest)).collect()
    };
    assert_eq!(accepted(SignatureAlgorithm::MlDsa(MlDsa::MlDsa44)), HashAlgorithm::ALL);
    assert_eq!(
        accepted(SignatureAlgorithm::MlDsa(MlDsa::MlDsa65)),
        [Sha384, Sha512, Sha3_384, Sha3_512, Shake256]
    );
    assert_eq!(accepted(SignatureAlgorithm::MlDsa(MlDsa::MlDsa87)), [Sha512, Sha3_512, Shake256]);
    assert_eq!(accepted(SignatureAlgorithm::SlhDsa(SlhDsa::Sha2_256f)), [Sha512, Sha3_512, Shake256]);
    assert!(accepted(SignatureAlgorithm::SlhDsa(SlhDsa::Shake128f)).contains(&Shake128));
    assert_eq!(accepted(SignatureAlgorithm::EcdsaP256Sha256), [Sha256]);
    assert_eq!(accepted(SignatureAlgorithm::Ed25519), [Sha512]);
    for algorithm in SignatureAlgorithm::ALL {
        assert!(algorithm.accepts_digest(algorithm.digest()), "{}", algorithm.name());
        assert!(!algorithm.accepts_digest(Sha3_256) || algorithm.accepts_digest(Sha256));
    }
}
