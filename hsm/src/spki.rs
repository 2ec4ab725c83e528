//! The public key as X.509 writes it, from what a token has.
//!
//! kryoptic fills CKA_PUBLIC_KEY_INFO; SoftHSM2 leaves it empty, and it is built from the public object. Neither is
//! taken on trust: what the token gives must be a key of the algorithm that the private object says it is.

use der::asn1::{BitStringRef, UintRef};
use der::{AnyRef, Decode, Encode, Sequence};

use crate::algorithm::{KeyAlgorithm, PublicKey};

/// 1.2.840.113549.1.1.1 with NULL (RFC 3279 §2.3.1).
const SPKI_RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// RFC 5280 §4.1. The algorithm identifier is compared, never interpreted.
#[derive(Sequence)]
struct SubjectPublicKeyInfo<'a> {
    algorithm: AnyRef<'a>,
    subject_public_key: BitStringRef<'a>,
}

/// RFC 8017 §A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    public_exponent: UintRef<'a>,
}

fn algorithm_identifier(algorithm: KeyAlgorithm) -> &'static [u8] {
    match &algorithm.row().public {
        PublicKey::Rsa { .. } => SPKI_RSA,
        PublicKey::Curve { algorithm_identifier, .. }
        | PublicKey::ParameterSet { algorithm_identifier, .. } => algorithm_identifier,
    }
}

fn encode(algorithm: KeyAlgorithm, key: &[u8]) -> Option<Vec<u8>> {
    let algorithm = AnyRef::from_der(algorithm_identifier(algorithm)).ok()?;
    let subject_public_key = BitStringRef::from_bytes(key).ok()?;
    SubjectPublicKeyInfo { algorithm, subject_public_key }.to_der().ok()
}

/// Builds it from CKA_MODULUS and CKA_PUBLIC_EXPONENT, big-endian; `None` if they make no key of this algorithm.
pub(crate) fn from_rsa(algorithm: KeyAlgorithm, modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let modulus = UintRef::new(modulus).ok()?;
    if !has_modulus_bits(algorithm, modulus.as_bytes()) {
        return None;
    }
    let key = RsaPublicKey { modulus, public_exponent: UintRef::new(exponent).ok()? };
    encode(algorithm, &key.to_der().ok()?)
}

/// Builds it from CKA_EC_POINT, which some tokens give as it is and others wrapped in an OCTET STRING.
pub(crate) fn from_point(algorithm: KeyAlgorithm, value: &[u8]) -> Option<Vec<u8>> {
    let PublicKey::Curve { point_bytes, .. } = algorithm.row().public else { return None };
    // An uncompressed point begins with 04 and so does an OCTET STRING: the length tells them apart.
    let point = match value {
        _ if value.len() == point_bytes => value,
        [0x04, length, point @ ..] if usize::from(*length) == point.len() && point.len() == point_bytes => {
            point
        }
        _ => return None,
    };
    encode(algorithm, point)
}

/// Builds it from the CKA_VALUE of an ML-DSA or SLH-DSA key.
pub(crate) fn from_value(algorithm: KeyAlgorithm, value: &[u8]) -> Option<Vec<u8>> {
    let PublicKey::ParameterSet { value_bytes, .. } = algorithm.row().public else { return None };
    if value.len() == value_bytes { encode(algorithm, value) } else { None }
}

/// Takes CKA_PUBLIC_KEY_INFO, if it is a key of this algorithm.
pub(crate) fn from_public_key_info(algorithm: KeyAlgorithm, der: &[u8]) -> Option<Vec<u8>> {
    let info = SubjectPublicKeyInfo::from_der(der).ok()?;
    if info.algorithm.to_der().ok()?.as_slice() != algorithm_identifier(algorithm) {
        return None;
    }
    let key = info.subject_public_key.as_bytes()?;
    let fits = match algorithm.row().public {
        PublicKey::Rsa { .. } => {
            has_modulus_bits(algorithm, RsaPublicKey::from_der(key).ok()?.modulus.as_bytes())
        }
        PublicKey::Curve { point_bytes: length, .. }
        | PublicKey::ParameterSet { value_bytes: length, .. } => key.len() == length,
    };
    fits.then(|| der.to_vec())
}

/// The algorithm of a public key; `None` if it is none that keys here can have.
pub(crate) fn algorithm(der: &[u8]) -> Option<KeyAlgorithm> {
    KeyAlgorithm::ALL.into_iter().find(|algorithm| from_public_key_info(*algorithm, der).is_some())
}

fn has_modulus_bits(algorithm: KeyAlgorithm, modulus: &[u8]) -> bool {
    let PublicKey::Rsa { modulus_bits } = algorithm.row().public else { return false };
    let top_bit_set = modulus.first().is_some_and(|first| first & 0x80 != 0);
    top_bit_set && u64::try_from(modulus.len()).is_ok_and(|length| length * 8 == modulus_bits)
}

/// The key inside a SubjectPublicKeyInfo: the content of its BIT STRING.
pub(crate) fn key_bytes(spki_der: &[u8]) -> Option<&[u8]> {
    SubjectPublicKeyInfo::from_der(spki_der).ok()?.subject_public_key.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::{from_point, from_public_key_info, from_rsa, from_value, key_bytes};
    use crate::algorithm::KeyAlgorithm;

    #[test]
    fn a_point_is_taken_as_it_is_and_wrapped() {
        for (algorithm, length) in
            [(KeyAlgorithm::EcdsaP256, 65_u8), (KeyAlgorithm::EcdsaP384, 97), (KeyAlgorithm::Ed25519, 32)]
        {
            let point = vec![0x04; usize::from(length)];
            let wrapped = [&[0x04, length], point.as_slice()].concat();
            let spki = from_point(algorithm, &point).unwrap();
            assert_eq!(from_point(algorithm, &wrapped).unwrap(), spki);
            assert_eq!(key_bytes(&spki).unwrap(), point);
            assert_eq!(from_public_key_info(algorithm, &spki), Some(spki.clone()));
            assert_eq!(KeyAlgorithm::of_public_key(&spki), Some(algorithm));
            assert_eq!(from_point(algorithm, &wrapped[1..]), None);
        }
    }

    #[test]
    fn a_post_quantum_key_has_the_length_of_its_parameter_set_and_no_parameters() {
        for (algorithm, length) in [(KeyAlgorithm::MlDsa65, 1952), (KeyAlgorithm::SlhDsaShake128f, 32)] {
            let spki = from_value(algorithm, &vec![7; length]).unwrap();
            assert_eq!(key_bytes(&spki).unwrap(), vec![7; length]);
            assert_eq!(from_public_key_info(algorithm, &spki), Some(spki.clone()));
            assert_eq!(KeyAlgorithm::of_public_key(&spki), Some(algorithm));
            assert_eq!(from_value(algorithm, &vec![7; length - 1]), None);
            assert_eq!(from_public_key_info(KeyAlgorithm::SlhDsaSha2_128f, &spki), None);
        }
    }

    #[test]
    fn a_key_of_another_kind_or_length_is_not_taken() {
        let p256 = from_point(KeyAlgorithm::EcdsaP256, &[4; 65]).unwrap();
        assert_eq!(from_public_key_info(KeyAlgorithm::EcdsaP384, &p256), None);
        assert_eq!(from_public_key_info(KeyAlgorithm::Rsa2048, &p256), None);
        assert_eq!(from_public_key_info(KeyAlgorithm::EcdsaP256, &p256[..p256.len() - 1]), None);
        assert_eq!(from_rsa(KeyAlgorithm::Rsa2048, &[0xFF; 384], &[1, 0, 1]), None);
        let rsa = from_rsa(KeyAlgorithm::Rsa2048, &[0xFF; 256], &[1, 0, 1]).unwrap();
        assert_eq!(KeyAlgorithm::of_public_key(&rsa), Some(KeyAlgorithm::Rsa2048));
        assert_eq!(KeyAlgorithm::of_public_key(&rsa[1..]), None);
    }

    #[test]
    fn a_modulus_with_its_top_bit_set_is_written_as_a_positive_integer() {
        let spki = from_rsa(KeyAlgorithm::Rsa2048, &[0xFF; 256], &[1, 0, 1]).unwrap();
        // The well-known beginning of every 2048-bit RSA key.
        assert!(spki.starts_with(b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x03\x82\x01\x0f\x00\x30\x82\x01\x0a\x02\x82\x01\x01\x00\xff"));
        assert_eq!(from_public_key_info(KeyAlgorithm::Rsa2048, &spki), Some(spki.clone()));
    }
}
