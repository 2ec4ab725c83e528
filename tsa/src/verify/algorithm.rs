//! The `AlgorithmIdentifier`s of a token: which hash, which signature, and which parameters are allowed beside them.
//!
//! Of signatures, one is not named by one identifier: OpenSSL and others sign CMS with `rsaEncryption` (RFC 3370 §3.2)
//! and leave the hash to the digest algorithm. For hashes, parameters are absent or NULL (RFC 5754 §2); for RSA NULL or
//! absent; for everything else absent.

use attestamp_certs::{HashAlgorithm, SignatureAlgorithm, SignatureAlgorithmRefused};
use hex_literal::hex;

use super::invalid::{TokenInvalid, TokenPart};
use attestamp_strict_der::Reason;
use attestamp_strict_der::{Element, Oid, tag};

/// rsaEncryption with NULL and without.
const RSA_ENCRYPTION: [&[u8]; 2] =
    [&hex!("300d 0609 2a864886f70d010101 0500"), &hex!("300b 0609 2a864886f70d010101")];

/// Whether a hash came with parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    Absent,
    Null,
}

/// Reads the `AlgorithmIdentifier` of a hash.
pub(super) fn read_hash(
    algorithm: &Element<'_>,
    part: TokenPart,
) -> Result<(HashAlgorithm, Parameters), TokenInvalid> {
    let malformed = TokenInvalid::malformed(part);
    if algorithm.tag != tag::SEQUENCE {
        let reason = Reason::UnexpectedTag { expected: tag::SEQUENCE, found: Some(algorithm.tag) };
        return Err(malformed(algorithm.malformed(reason)));
    }
    let mut fields = algorithm.reader();
    let oid = fields.required(tag::OBJECT_IDENTIFIER).map_err(malformed)?;
    let oid = Oid::from_element(&oid).map_err(malformed)?;
    let hash =
        HashAlgorithm::from_oid_content(oid.content()).ok_or(TokenInvalid::HashNotAccepted { part })?;
    if fields.is_empty() {
        return Ok((hash, Parameters::Absent));
    }
    let parameters = fields.any().map_err(malformed)?;
    fields.finish().map_err(malformed)?;
    if parameters.der == [tag::NULL, 0] {
        Ok((hash, Parameters::Null))
    } else {
        Err(TokenInvalid::HashParameters { part })
    }
}

/// The signature algorithm of a SignerInfo with this digest algorithm.
pub(super) fn signature_algorithm(
    algorithm_der: &[u8],
    digest: HashAlgorithm,
) -> Result<SignatureAlgorithm, TokenInvalid> {
    if RSA_ENCRYPTION.contains(&algorithm_der) {
        return match digest {
            HashAlgorithm::Sha256 => Ok(SignatureAlgorithm::RsaPkcs1Sha256),
            HashAlgorithm::Sha384 => Ok(SignatureAlgorithm::RsaPkcs1Sha384),
            HashAlgorithm::Sha512 => Ok(SignatureAlgorithm::RsaPkcs1Sha512),
            HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_384
            | HashAlgorithm::Sha3_512
            | HashAlgorithm::Shake128
            | HashAlgorithm::Shake256 => Err(TokenInvalid::SignatureAlgorithmNotAccepted {
                source: SignatureAlgorithmRefused::Unknown,
            }),
        };
    }
    let algorithm = SignatureAlgorithm::from_algorithm_identifier_der(algorithm_der)
        .or_else(|refused| rsa_without_parameters(algorithm_der).ok_or(refused))
        .map_err(|source| TokenInvalid::SignatureAlgorithmNotAccepted { source })?;
    if algorithm.accepts_digest(digest) {
        Ok(algorithm)
    } else if algorithm.is_post_quantum() {
        Err(TokenInvalid::DigestTooWeak { digest, algorithm })
    } else {
        Err(TokenInvalid::DigestMismatch { digest, algorithm })
    }
}

/// RFC 5754 §3.2: NULL is written, and absent must be understood.
fn rsa_without_parameters(algorithm_der: &[u8]) -> Option<SignatureAlgorithm> {
    [
        SignatureAlgorithm::RsaPkcs1Sha256,
        SignatureAlgorithm::RsaPkcs1Sha384,
        SignatureAlgorithm::RsaPkcs1Sha512,
    ]
    .into_iter()
    .find(|algorithm| {
        let with_null = algorithm.algorithm_identifier_der();
        let oid = with_null.strip_suffix(&[tag::NULL, 0]).and_then(|der| der.get(2..));
        oid.is_some_and(|oid| algorithm_der.get(2..) == Some(oid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use attestamp_certs::MlDsa;

    #[test]
    fn rsa_takes_its_hash_from_the_digest_algorithm() {
        for der in RSA_ENCRYPTION {
            assert_eq!(
                signature_algorithm(der, HashAlgorithm::Sha384).unwrap(),
                SignatureAlgorithm::RsaPkcs1Sha384
            );
            assert!(matches!(
                signature_algorithm(der, HashAlgorithm::Sha3_256),
                Err(TokenInvalid::SignatureAlgorithmNotAccepted { .. })
            ));
        }
    }

    #[test]
    fn rsa_parameters_may_be_absent_and_ecdsa_parameters_must_be() {
        let rsa = hex!("300b 0609 2a864886f70d01010c");
        assert_eq!(
            signature_algorithm(&rsa, HashAlgorithm::Sha384).unwrap(),
            SignatureAlgorithm::RsaPkcs1Sha384
        );
        let ecdsa_with_null = hex!("300c 0608 2a8648ce3d040302 0500");
        assert!(matches!(
            signature_algorithm(&ecdsa_with_null, HashAlgorithm::Sha256),
            Err(TokenInvalid::SignatureAlgorithmNotAccepted { .. })
        ));
    }

    #[test]
    fn the_digest_must_be_the_signatures_own() {
        for algorithm in SignatureAlgorithm::ALL {
            let der = algorithm.algorithm_identifier_der();
            assert_eq!(signature_algorithm(der, algorithm.digest()).unwrap(), algorithm);
            if !algorithm.is_post_quantum() {
                assert!(matches!(
                    signature_algorithm(der, HashAlgorithm::Sha3_512),
                    Err(TokenInvalid::DigestMismatch { digest: HashAlgorithm::Sha3_512, .. })
                ));
            }
        }
    }

    #[test]
    fn c2_a_digest_weaker_than_the_parameter_set_is_refused() {
        for (set, weak) in [
            (MlDsa::MlDsa65, &[HashAlgorithm::Sha256, HashAlgorithm::Sha3_256, HashAlgorithm::Shake128][..]),
            (MlDsa::MlDsa87, &[HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha3_384]),
        ] {
            let der = SignatureAlgorithm::MlDsa(set).algorithm_identifier_der();
            for digest in weak {
                let error = signature_algorithm(der, *digest).unwrap_err();
                assert!(matches!(error, TokenInvalid::DigestTooWeak { .. }), "{error}");
            }
        }
    }

    #[test]
    fn c1_null_parameters_and_c4_prehash_forms_are_refused_by_name() {
        let error = signature_algorithm(&hex!("300d 0609 608648016503040312 0500"), HashAlgorithm::Sha512)
            .unwrap_err();
        assert!(matches!(
            error,
            TokenInvalid::SignatureAlgorithmNotAccepted {
                source: SignatureAlgorithmRefused::Parameters {
                    algorithm: SignatureAlgorithm::MlDsa(MlDsa::MlDsa65)
                }
            }
        ));
        let error =
            signature_algorithm(&hex!("300b 0609 608648016503040321"), HashAlgorithm::Sha512).unwrap_err();
        assert!(matches!(
            error,
            TokenInvalid::SignatureAlgorithmNotAccepted { source: SignatureAlgorithmRefused::Prehash { .. } }
        ));
    }
}
