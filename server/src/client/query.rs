//! What is asked for, and whether a token answers it.

use attestamp_certs::{Digest, HashAlgorithm};
use attestamp_tsa::{HashLengthMismatch, PolicyOid};

use super::attempt::Field;
use super::reply::Claims;

/// A timestamp request: what its token must match.
#[derive(Debug, Clone)]
pub struct Query {
    /// Hash of the data.
    pub hash: HashAlgorithm,
    /// The data's hash value.
    pub imprint: Digest,
    /// Policy that the token must be issued under; `None` leaves it to the authority.
    pub policy: Option<PolicyOid>,
    /// Nonce that the token must repeat.
    pub nonce: Option<Nonce>,
    /// Whether the token shall carry the certificates.
    pub certificates: bool,
}

/// A nonce of 64 bits, positive and always eight content octets long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce([u8; 8]);

impl Nonce {
    /// Makes a nonce of random bits; the first two become 01, so that the INTEGER is positive and minimal.
    #[must_use]
    pub const fn new(random: u64) -> Self {
        Self(((random & (u64::MAX >> 2)) | (1 << 62)).to_be_bytes())
    }

    /// The content octets of the INTEGER.
    #[must_use]
    pub const fn content(&self) -> &[u8; 8] {
        &self.0
    }
}

impl Query {
    /// The `TimeStampReq` in DER (RFC 3161 §2.4.1).
    ///
    /// # Errors
    /// When the hash value is not of this hash.
    pub fn to_der(&self) -> Result<Vec<u8>, HashLengthMismatch> {
        let mut query =
            attestamp_tsa::Query::new(self.hash, self.imprint.as_ref())?.with_cert_req(self.certificates);
        if let Some(policy) = &self.policy {
            query = query.with_policy(policy.clone());
        }
        if let Some(nonce) = &self.nonce {
            query = query.with_nonce(nonce.content());
        }
        Ok(query.to_der())
    }

    /// Whether a token is for this request (RFC 3161 §2.2: the requester SHALL verify this).
    ///
    /// # Errors
    /// The first field that differs.
    pub fn check(&self, claims: &Claims<'_>) -> Result<(), Field> {
        let same = |same: bool, field: Field| if same { Ok(()) } else { Err(field) };
        same(claims.hash == self.hash.oid().as_bytes(), Field::Hash)?;
        same(claims.imprint == self.imprint.as_ref(), Field::Imprint)?;
        same(claims.nonce == self.nonce.as_ref().map(|nonce| nonce.content().as_slice()), Field::Nonce)?;
        same(self.policy.as_ref().is_none_or(|policy| claims.policy == policy.oid().content()), Field::Policy)
    }
}
