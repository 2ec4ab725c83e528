//! The client's side: a request as it is sent (RFC 3161 §2.4.1).
//!
//! Only what an honest client needs can be said: version 1, a known hash of the right length, no extensions. The nonce
//! is an argument, as everything random is here.

use attestamp_certs::HashAlgorithm;

use crate::policy_oid::PolicyOid;
use attestamp_strict_der::{INTEGER_1, element, tag};

/// A request in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    hash_algorithm: HashAlgorithm,
    hashed_message: Vec<u8>,
    policy: Option<PolicyOid>,
    nonce: Option<Vec<u8>>,
    cert_req: bool,
}

/// A hash value that cannot be the hash's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hash value has {found} octets, {} gives {required}", hash.name())]
pub struct HashLengthMismatch {
    /// The hash named.
    pub hash: HashAlgorithm,
    /// Octets given.
    pub found: usize,
    /// Octets that the hash has.
    pub required: usize,
}

impl Query {
    /// Asks for a timestamp on this hash value, with certificates, without nonce, under whatever policy is the default.
    ///
    /// # Errors
    /// [`HashLengthMismatch`] if the value has not the hash's length.
    pub fn new(hash_algorithm: HashAlgorithm, hashed_message: &[u8]) -> Result<Self, HashLengthMismatch> {
        let (found, required) = (hashed_message.len(), hash_algorithm.output_length());
        if found != required {
            return Err(HashLengthMismatch { hash: hash_algorithm, found, required });
        }
        Ok(Self {
            hash_algorithm,
            hashed_message: hashed_message.to_vec(),
            policy: None,
            nonce: None,
            cert_req: true,
        })
    }

    /// Asks for this policy.
    #[must_use]
    pub fn with_policy(self, policy: PolicyOid) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Asks for these random octets to be echoed, as a positive INTEGER, most significant octet first.
    #[must_use]
    pub fn with_nonce(self, random: &[u8]) -> Self {
        let significant = random.iter().position(|octet| *octet != 0).unwrap_or(random.len());
        let significant = random.get(significant..).unwrap_or_default();
        let sign: &[u8] = match significant.first() {
            Some(first) if first & 0x80 == 0 => &[],
            Some(_) | None => &[0],
        };
        Self { nonce: Some([sign, significant].concat()), ..self }
    }

    /// Asks for certificates in the token, or for none.
    #[must_use]
    pub fn with_cert_req(self, cert_req: bool) -> Self {
        Self { cert_req, ..self }
    }

    /// Content octets of the nonce INTEGER, to be compared with the token's.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// The request in DER.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let oid = element(tag::OBJECT_IDENTIFIER, &[self.hash_algorithm.oid().as_bytes()]);
        let hash_algorithm = element(tag::SEQUENCE, &[&oid]);
        let hashed_message = element(tag::OCTET_STRING, &[&self.hashed_message]);
        let message_imprint = element(tag::SEQUENCE, &[&hash_algorithm, &hashed_message]);
        let nonce = self.nonce.as_ref().map(|content| element(tag::INTEGER, &[content])).unwrap_or_default();
        let cert_req: &[u8] = if self.cert_req { &[tag::BOOLEAN, 1, 0xff] } else { &[] };
        let policy = self.policy.as_ref().map(PolicyOid::as_der).unwrap_or_default();
        element(tag::SEQUENCE, &[&INTEGER_1, &message_imprint, policy, &nonce, cert_req])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn the_smallest_and_the_largest_query() {
        let query = Query::new(HashAlgorithm::Sha256, &[0xaa; 32]).unwrap();
        let imprint = [hex!("302f 300b 0609 608648016503040201 0420").as_slice(), &[0xaa; 32]].concat();
        assert_eq!(
            query.clone().with_cert_req(false).to_der(),
            [hex!("3034 020101").as_slice(), &imprint].concat()
        );
        let full = query.with_policy("1.2.3".parse().unwrap()).with_nonce(&[0, 0x80, 1]);
        assert_eq!(full.nonce(), Some(hex!("008001").as_slice()));
        assert_eq!(
            full.to_der(),
            [hex!("3040 020101").as_slice(), &imprint, &hex!("0602 2a03 0203 008001 0101ff")].concat()
        );
    }

    #[test]
    fn a_nonce_is_positive_and_minimal() {
        let nonce = |random: &[u8]| {
            let query = Query::new(HashAlgorithm::Sha256, &[0; 32]).unwrap().with_nonce(random);
            query.nonce().unwrap().to_vec()
        };
        assert_eq!(nonce(&[]), [0]);
        assert_eq!(nonce(&[0, 0]), [0]);
        assert_eq!(nonce(&[0, 0x7f]), [0x7f]);
        assert_eq!(nonce(&[0xff]), [0, 0xff]);
    }

    #[test]
    fn a_hash_value_of_another_length_is_refused() {
        let error = Query::new(HashAlgorithm::Sha384, &[0; 32]).unwrap_err();
        assert_eq!(error.to_string(), "the hash value has 32 octets, sha384 gives 48");
    }
}
