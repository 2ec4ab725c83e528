//! What is asked for, and whether a token answers it.

use attestamp_certs::{Digest, HashAlgorithm};
use const_oid::ObjectIdentifier;

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
    pub policy: Option<ObjectIdentifier>,
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
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let oid = element(0x06, self.hash.oid().as_bytes());
        let algorithm = element(0x30, &[oid, element(0x05, &[])].concat());
        let imprint = element(0x30, &[algorithm, element(0x04, self.imprint.as_ref())].concat());
        let mut fields = vec![element(0x02, &[1]), imprint];
        fields.extend(self.policy.map(|policy| element(0x06, policy.as_bytes())));
        fields.extend(self.nonce.map(|nonce| element(0x02, nonce.content())));
        fields.extend(self.certificates.then(|| element(0x01, &[0xff])));
        element(0x30, &fields.concat())
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
        same(self.policy.is_none_or(|policy| claims.policy == policy.as_bytes()), Field::Policy)
    }
}

/// One element; every request is shorter than 64 KiB.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let mut out = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    out.extend_from_slice(content);
    out
}
