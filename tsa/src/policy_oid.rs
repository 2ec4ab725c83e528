//! `TSAPolicyId`: the policy under which a token is issued (RFC 3161 §2.4.1).
//!
//! Kept as the DER element that goes into the token, so that the request path compares and copies octets only.

use std::fmt;
use std::str::FromStr;

use attestamp_strict_der::{MAX_OID_LENGTH, Oid, element, push_arc, tag};

/// A policy's object identifier.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PolicyOid {
    der: Vec<u8>,
}

/// A text that is no object identifier in dotted decimal, or one beyond the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyOidError {
    /// An arc is not a decimal number without leading zeros below 2¹²⁸.
    #[error("arc {position} is not a decimal number below 2^128 without leading zeros")]
    Arc {
        /// Which arc, the first being 1.
        position: usize,
    },
    /// Fewer than two arcs.
    #[error("{found} arcs, at least 2 are needed")]
    TooFewArcs {
        /// Arcs given.
        found: usize,
    },
    /// The first two arcs do not exist (X.660: 0 to 2, and 0 to 39 below 0 and 1).
    #[error("no object identifier starts with {first}.{second}")]
    Root {
        /// First arc.
        first: u128,
        /// Second arc.
        second: u128,
    },
    /// Longer than requests may have it.
    #[error("{length} octets encoded, at most {limit} are taken")]
    TooLong {
        /// Content octets.
        length: usize,
        /// Content octets accepted.
        limit: usize,
    },
}

impl PolicyOid {
    /// The policy that a request names.
    #[must_use]
    pub fn from_oid(oid: Oid<'_>) -> Self {
        Self { der: element(tag::OBJECT_IDENTIFIER, &[oid.content()]) }
    }

    /// The identifier.
    #[must_use]
    pub fn oid(&self) -> Oid<'_> {
        // At most 64 content octets: tag and length are one octet each.
        Oid::from_checked(self.der.get(2..).unwrap_or_default())
    }

    /// The whole OBJECT IDENTIFIER element.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }
}

impl FromStr for PolicyOid {
    type Err = PolicyOidError;

    /// Reads dotted decimal, as `0.4.0.2023.1.1`.
    fn from_str(dotted: &str) -> Result<Self, Self::Err> {
        let mut arcs = Vec::new();
        for (position, text) in dotted.split('.').enumerate() {
            let digits_only = text.bytes().all(|octet| octet.is_ascii_digit());
            let leading_zero = text.len() > 1 && text.starts_with('0');
            let value = if digits_only && !leading_zero { text.parse::<u128>().ok() } else { None };
            arcs.push(value.ok_or(PolicyOidError::Arc { position: position + 1 })?);
        }
        let [first, second, rest @ ..] = arcs.as_slice() else {
            return Err(PolicyOidError::TooFewArcs { found: arcs.len() });
        };
        let (first, second) = (*first, *second);
        let root = first.checked_mul(40).and_then(|root| root.checked_add(second));
        let Some(root) = root.filter(|_| first == 2 || (first < 2 && second < 40)) else {
            return Err(PolicyOidError::Root { first, second });
        };
        let mut content = Vec::new();
        push_arc(&mut content, root);
        rest.iter().for_each(|arc| push_arc(&mut content, *arc));
        if content.len() > MAX_OID_LENGTH {
            return Err(PolicyOidError::TooLong { length: content.len(), limit: MAX_OID_LENGTH });
        }
        Ok(Self { der: element(tag::OBJECT_IDENTIFIER, &[&content]) })
    }
}

impl fmt::Display for PolicyOid {
    /// Dotted decimal.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.oid().fmt(out)
    }
}

impl fmt::Debug for PolicyOid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PolicyOid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    #[test]
    fn dotted_decimal_becomes_der() {
        let btsp: PolicyOid = "0.4.0.2023.1.1".parse().unwrap();
        assert_eq!(btsp.as_der(), hex!("0606 04008f670101"));
        assert_eq!(btsp.to_string(), "0.4.0.2023.1.1");
        let largest: PolicyOid = "2.18446744073709551535.18446744073709551615".parse().unwrap();
        assert_eq!(largest.as_der(), hex!("0614 81ffffffffffffffff7f 81ffffffffffffffff7f"));
    }

    #[test]
    fn what_is_no_identifier_is_refused_with_its_reason() {
        let error = |text: &str| text.parse::<PolicyOid>().unwrap_err();
        assert_eq!(error(""), PolicyOidError::Arc { position: 1 });
        assert_eq!(error("1"), PolicyOidError::TooFewArcs { found: 1 });
        assert_eq!(error("1.2."), PolicyOidError::Arc { position: 3 });
        assert_eq!(error("1.02"), PolicyOidError::Arc { position: 2 });
        assert_eq!(error("1.+2"), PolicyOidError::Arc { position: 2 });
        assert_eq!(error("1.340282366920938463463374607431768211456"), PolicyOidError::Arc { position: 2 });
        assert_eq!(error("3.1"), PolicyOidError::Root { first: 3, second: 1 });
        assert_eq!(error("1.40"), PolicyOidError::Root { first: 1, second: 40 });
        let second = u128::MAX;
        assert_eq!(
            error("2.340282366920938463463374607431768211455"),
            PolicyOidError::Root { first: 2, second }
        );
        let long = format!("1.2{}", ".128".repeat(32));
        assert_eq!(error(&long), PolicyOidError::TooLong { length: 65, limit: 64 });
    }

    proptest! {
        #[test]
        fn text_and_octets_lead_back(first in 0..=2_u64, second in 0..40_u64, rest: [u64; 4]) {
            let dotted = rest.iter().fold(format!("{first}.{second}"), |text, arc| format!("{text}.{arc}"));
            let policy: PolicyOid = dotted.parse().unwrap();
            prop_assert_eq!(policy.to_string(), dotted);
            let oid = Oid::from_content(policy.oid().content(), 0).unwrap();
            prop_assert_eq!(PolicyOid::from_oid(oid), policy);
        }
    }
}
