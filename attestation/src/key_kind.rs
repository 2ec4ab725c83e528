//! What a public key is, by its SubjectPublicKeyInfo: type and parameter set, in the words of the claims.
//!
//! A host's claim of them can be held against the key itself, because the key is under the same signature. Only what names
//! the kind is read; whether the key is a good one is found by who verifies with it.

use attestamp_certs::SignatureAlgorithm;
use attestamp_strict_der::{Reader, tag};

use crate::certificate::PublicKey;

/// The kind of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyKind {
    /// CKA_KEY_TYPE by name (PKCS#11 v3.2 §4.5), as `CKK_EC`.
    pub key_type: &'static str,
    /// Modulus length in bits, curve, or parameter set, by the name in its standard: as `3072`, `P-256`, `ML-DSA-65`.
    pub parameter_set: String,
}

impl KeyKind {
    /// That of the key in a DER SubjectPublicKeyInfo; `None` for one that this version does not know.
    #[must_use]
    pub fn of(spki_der: &[u8]) -> Option<Self> {
        let key = PublicKey::from_der(spki_der).ok()?;
        let fits =
            |algorithm: &SignatureAlgorithm| algorithm.key_algorithm_identifier_der() == key.algorithm_der;
        let (key_type, parameter_set) = match SignatureAlgorithm::ALL.into_iter().find(fits)? {
            SignatureAlgorithm::RsaPkcs1Sha256
            | SignatureAlgorithm::RsaPkcs1Sha384
            | SignatureAlgorithm::RsaPkcs1Sha512 => ("CKK_RSA", modulus_bits(key.bits)?.to_string()),
            SignatureAlgorithm::EcdsaP256Sha256 => ("CKK_EC", "P-256".to_owned()),
            SignatureAlgorithm::EcdsaP384Sha384 => ("CKK_EC", "P-384".to_owned()),
            SignatureAlgorithm::Ed25519 => ("CKK_EC_EDWARDS", "Ed25519".to_owned()),
            algorithm @ SignatureAlgorithm::MlDsa(_) => ("CKK_ML_DSA", algorithm.name().to_owned()),
            algorithm @ SignatureAlgorithm::SlhDsa(_) => ("CKK_SLH_DSA", algorithm.name().to_owned()),
        };
        Some(Self { key_type, parameter_set })
    }
}

/// Bits of the modulus of an RSAPublicKey (RFC 8017 §A.1.1).
fn modulus_bits(key: &[u8]) -> Option<usize> {
    let mut outside = Reader::new(key);
    let mut fields = outside.required(tag::SEQUENCE).ok()?.reader();
    outside.finish().ok()?;
    let modulus = fields.required(tag::INTEGER).ok()?.integer().ok()?;
    fields.required(tag::INTEGER).ok()?.integer().ok()?;
    fields.finish().ok()?;
    let magnitude = match modulus {
        [0, rest @ ..] => rest,
        [first, ..] if *first < 0x80 => modulus,
        _ => return None,
    };
    let unused = usize::try_from(magnitude.first()?.leading_zeros()).ok()?;
    (magnitude.len() * 8).checked_sub(unused)
}

#[cfg(test)]
mod tests {
    use attestamp_certs::{MlDsa, SlhDsa};
    use attestamp_strict_der::element;

    use super::*;
    use crate::test_chain::TestKey;

    fn spki(algorithm: SignatureAlgorithm, key: &[u8]) -> Vec<u8> {
        let bits = element(tag::BIT_STRING, &[&[0], key]);
        element(tag::SEQUENCE, &[algorithm.key_algorithm_identifier_der(), &bits])
    }

    pub(super) fn rsa(modulus: &[u8]) -> Vec<u8> {
        let integers = [element(tag::INTEGER, &[modulus]), element(tag::INTEGER, &[&[1, 0, 1]])];
        spki(SignatureAlgorithm::RsaPkcs1Sha256, &element(tag::SEQUENCE, &[&integers.concat()]))
    }

    fn kind(spki_der: &[u8]) -> Option<(&'static str, String)> {
        KeyKind::of(spki_der).map(|kind| (kind.key_type, kind.parameter_set))
    }

    #[test]
    fn the_kind_of_a_key_is_read_from_the_key() {
        let some = |key_type, set: &str| Some((key_type, set.to_owned()));
        assert_eq!(kind(&TestKey::p256(1).spki_der), some("CKK_EC", "P-256"));
        assert_eq!(kind(&TestKey::p384(1).spki_der), some("CKK_EC", "P-384"));
        assert_eq!(kind(&TestKey::ml_dsa(MlDsa::MlDsa65, 1).spki_der), some("CKK_ML_DSA", "ML-DSA-65"));
        assert_eq!(kind(&spki(SignatureAlgorithm::Ed25519, &[1; 32])), some("CKK_EC_EDWARDS", "Ed25519"));
        let slh_dsa = SignatureAlgorithm::SlhDsa(SlhDsa::Sha2_128s);
        assert_eq!(kind(&spki(slh_dsa, &[1; 32])), some("CKK_SLH_DSA", "SLH-DSA-SHA2-128s"));
        for (octets, first, bits) in
            [(128, 0x80, "1024"), (256, 0xff, "2048"), (384, 0x80, "3072"), (256, 0x7f, "2047")]
        {
            let mut modulus = vec![first];
            modulus.resize(octets, 1);
            if first >= 0x80 {
                modulus.insert(0, 0);
            }
            assert_eq!(kind(&rsa(&modulus)), some("CKK_RSA", bits));
        }
    }

    #[test]
    fn a_key_of_no_known_kind_has_none() {
        // Negative, nothing, not RSA at all, another curve, not a key.
        assert_eq!(kind(&rsa(&[0x80; 256])), None);
        assert_eq!(kind(&rsa(&[0])), None);
        assert_eq!(kind(&spki(SignatureAlgorithm::RsaPkcs1Sha256, &[1; 32])), None);
        let p521 = hex_literal::hex!("3010 0607 2a8648ce3d0201 0605 2b81040023");
        assert_eq!(kind(&element(tag::SEQUENCE, &[&p521, &[3, 3, 0, 4, 1]])), None);
        assert_eq!(kind(b""), None);
    }
}
