//! A SubjectPublicKeyInfo: its outer form, and what makes two of them one key. The key itself is read by who verifies.

use attestamp_certs::{HashAlgorithm, SignatureAlgorithm};
use attestamp_strict_der::{Element, Oid, Reader, tag};

use super::{CertificateInvalid, MAX_NESTING, whole_octets};

/// Octets of a key identifier.
const KEY_IDENTIFIER_OCTETS: usize = 20;
/// id-ecPublicKey, 1.2.840.10045.2.1 (RFC 5480 §2.1.1).
const ID_EC_PUBLIC_KEY: [u8; 7] = hex_literal::hex!("2a8648ce3d0201");

/// A public key within its SubjectPublicKeyInfo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PublicKey<'a> {
    /// The whole `AlgorithmIdentifier`.
    pub(crate) algorithm_der: &'a [u8],
    identifier: Oid<'a>,
    /// The octets of the key itself.
    pub(crate) bits: &'a [u8],
}

impl<'a> PublicKey<'a> {
    /// Reads a whole SubjectPublicKeyInfo.
    pub(crate) fn from_der(spki_der: &'a [u8]) -> Result<Self, CertificateInvalid> {
        let mut input = Reader::new(spki_der);
        let spki = input.required(tag::SEQUENCE)?;
        input.finish()?;
        Self::read(&spki)
    }

    pub(super) fn read(spki: &Element<'a>) -> Result<Self, CertificateInvalid> {
        let mut fields = spki.reader();
        let algorithm = fields.required(tag::SEQUENCE)?;
        let bits = fields.required(tag::BIT_STRING)?;
        fields.finish()?;
        let bits = whole_octets(&bits)?;
        algorithm.check_nested(MAX_NESTING)?;
        let mut parts = algorithm.reader();
        let identifier = Oid::from_element(&parts.required(tag::OBJECT_IDENTIFIER)?)?;
        if !parts.is_empty() {
            parts.any()?;
        }
        parts.finish()?;
        Ok(Self { algorithm_der: algorithm.der, identifier, bits })
    }

    /// The leftmost 160 bits of the SHA-256 of the key's octets (RFC 7093 §2 method 1), as in a TSU's certificate: the
    /// same key has the same identifier in both.
    pub(crate) fn key_identifier(&self) -> Vec<u8> {
        let digest = HashAlgorithm::Sha256.digest(self.bits);
        digest.as_ref().iter().copied().take(KEY_IDENTIFIER_OCTETS).collect()
    }

    /// Whether both are one key, however their parameters are written and their points compressed.
    pub(crate) fn is_same_key(&self, other: &Self) -> bool {
        self.material() == other.material()
    }

    /// Whether a signature of this algorithm may be the key's. Of ECDSA it may be on every curve: X.509 has curves and
    /// hashes in pairs that are no row of the table of algorithms.
    pub(crate) fn may_make(&self, algorithm: SignatureAlgorithm) -> bool {
        let is_ecdsa = match algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 | SignatureAlgorithm::EcdsaP384Sha384 => true,
            SignatureAlgorithm::RsaPkcs1Sha256
            | SignatureAlgorithm::RsaPkcs1Sha384
            | SignatureAlgorithm::RsaPkcs1Sha512
            | SignatureAlgorithm::Ed25519
            | SignatureAlgorithm::MlDsa(_)
            | SignatureAlgorithm::SlhDsa(_) => false,
        };
        self.algorithm_der == algorithm.key_algorithm_identifier_der() || is_ecdsa && self.is_elliptic_curve()
    }

    /// Whether it is a point of some curve.
    fn is_elliptic_curve(&self) -> bool {
        self.identifier.content() == ID_EC_PUBLIC_KEY
    }

    /// The octets that no other key has: of a point of an elliptic curve its first coordinate.
    fn material(&self) -> &'a [u8] {
        if !self.is_elliptic_curve() {
            return self.bits;
        }
        // SEC 1 §2.3.3: 02 or 03 and X, or 04, X and Y.
        match self.bits {
            [2 | 3, x @ ..] => x,
            [4, both @ ..] => both.get(..both.len() / 2).unwrap_or_default(),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn key_identifier_is_rfc_7093_method_1() {
        // An Ed25519 key of 32 zero octets: the hash is over the key's octets, not over the SubjectPublicKeyInfo.
        let spki = [&hex!("302a 3005 0603 2b6570 0321 00")[..], &[0; 32]].concat();
        let key = PublicKey::from_der(&spki).unwrap();
        assert_eq!(key.key_identifier(), hex!("66687aadf862bd776c8fc18b8e9f8e2008971485"));
    }

    #[test]
    fn d10_one_key_in_two_forms_is_one_key() {
        let point = |octets: &str, form: &[u8]| {
            let parameters = match octets {
                "named" => hex!("3009 0607 2a8648ce3d0201").to_vec(),
                _ => hex!("300b 0607 2a8648ce3d0201 0500").to_vec(),
            };
            let length = u8::try_from(form.len() + 1).unwrap();
            let total = u8::try_from(parameters.len() + form.len() + 3).unwrap();
            [&[0x30, total][..], &parameters, &[3, length, 0], form].concat()
        };
        let whole = point("named", &hex!("04 0102 0304"));
        let compressed = point("null", &hex!("02 0102"));
        let other = point("named", &hex!("04 0103 0304"));
        let key = |der| PublicKey::from_der(der).unwrap();
        assert!(key(&whole).is_same_key(&key(&compressed)));
        assert!(!key(&whole).is_same_key(&key(&other)));
    }
}
