//! What a key is called and what its token says about it.

use std::fmt;

use crate::algorithm::KeyAlgorithm;

/// CKA_ID: 1 to 64 bytes, chosen by whoever generates the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Vec<u8>);

impl KeyId {
    /// The longest id, in bytes; ours are 16, hashes that other software uses are 20 or 32.
    pub const LENGTH_MAXIMUM_BYTES: usize = 64;

    /// Takes 1 to 64 bytes; `None` for fewer or more.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (1..=Self::LENGTH_MAXIMUM_BYTES).contains(&bytes.len()).then_some(Self(bytes))
    }

    /// Makes an id of 16 random bytes.
    ///
    /// # Errors
    /// [`crate::HsmError::Random`].
    pub fn random() -> Result<Self, crate::HsmError> {
        let mut bytes = vec![0_u8; 16];
        getrandom::fill(&mut bytes).map_err(crate::HsmError::Random)?;
        Ok(Self(bytes))
    }

    /// The id's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    /// Lower-case hexadecimal.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl std::str::FromStr for KeyId {
    type Err = KeyIdInvalid;

    /// The reverse of `Display`, either case.
    fn from_str(text: &str) -> Result<Self, KeyIdInvalid> {
        let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).ok_or(KeyIdInvalid)?;
        let bytes = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit));
        Self::new(bytes.map(|byte| u8::try_from(byte).unwrap_or(0)).collect()).ok_or(KeyIdInvalid)
    }
}

/// A text that is no key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 1 to 64 bytes in hexadecimal")]
pub struct KeyIdInvalid;

/// CK_SLOT_ID: where the module sees a token. Many modules number their slots anew at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub u64);

impl fmt::Display for SlotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// A key pair in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// CKA_ID of both halves.
    pub id: KeyId,
    /// CKA_LABEL of the private half; empty where it has none or one that is not UTF-8.
    pub label: String,
    /// What kind of key it is.
    pub algorithm: KeyAlgorithm,
    /// The public key: DER of X.509's SubjectPublicKeyInfo (RFC 5280 §4.1).
    pub spki_der: Vec<u8>,
    /// What the token says about the private half.
    pub attributes: KeyAttributes,
}

/// The private half's attributes as the token reports them (PKCS#11 v3.2 §4.7 to §4.9); `None` where the token does not
/// have the attribute or cannot read it.
///
/// These are the token's word. A software token's flags can be rewritten by whoever can write its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyAttributes {
    /// CKA_TOKEN: kept after the session ends.
    pub token: Option<bool>,
    /// CKA_PRIVATE: visible after login only.
    pub private: Option<bool>,
    /// CKA_MODIFIABLE.
    pub modifiable: Option<bool>,
    /// CKA_COPYABLE.
    pub copyable: Option<bool>,
    /// CKA_DESTROYABLE.
    pub destroyable: Option<bool>,
    /// CKA_SENSITIVE: cannot be read out in plain text.
    pub sensitive: Option<bool>,
    /// CKA_ALWAYS_SENSITIVE: has been so from the first.
    pub always_sensitive: Option<bool>,
    /// CKA_EXTRACTABLE: may be wrapped by another key.
    pub extractable: Option<bool>,
    /// CKA_NEVER_EXTRACTABLE: never was.
    pub never_extractable: Option<bool>,
    /// CKA_LOCAL: generated in the token.
    pub local: Option<bool>,
    /// CKA_SIGN.
    pub sign: Option<bool>,
    /// CKA_SIGN_RECOVER.
    pub sign_recover: Option<bool>,
    /// CKA_DECRYPT.
    pub decrypt: Option<bool>,
    /// CKA_UNWRAP.
    pub unwrap: Option<bool>,
    /// CKA_DERIVE.
    pub derive: Option<bool>,
    /// CKA_WRAP_WITH_TRUSTED.
    pub wrap_with_trusted: Option<bool>,
    /// CKA_ALWAYS_AUTHENTICATE: wants a PIN for every signature, which a server cannot give.
    pub always_authenticate: Option<bool>,
    /// CKA_KEY_GEN_MECHANISM, by name; `None` for keys that came from outside.
    pub key_gen_mechanism: Option<String>,
    /// CKA_ALLOWED_MECHANISMS, by name; `None` for no restriction.
    pub allowed_mechanisms: Option<Vec<String>>,
    /// CKA_START_DATE, which no token tried enforces.
    pub start_date: Option<Date>,
    /// CKA_END_DATE, which no token tried enforces.
    pub end_date: Option<Date>,
    /// CKA_UNIQUE_ID.
    pub unique_id: Option<String>,
}

impl KeyAttributes {
    /// Whether the token says that the key cannot leave it and does nothing but sign. A flag that the token lacks speaks
    /// neither for nor against.
    #[must_use]
    pub fn is_for_signing_only(&self) -> bool {
        let stays = self.sensitive == Some(true)
            && self.extractable == Some(false)
            && self.always_sensitive != Some(false)
            && self.never_extractable != Some(false);
        let others = [self.decrypt, self.unwrap, self.derive, self.sign_recover];
        stays && !others.contains(&Some(true))
    }
}

/// CK_DATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year of the common era.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

#[cfg(test)]
mod tests {
    use super::{KeyId, KeyIdInvalid};

    #[test]
    fn an_id_prints_as_hexadecimal_and_reads_back() {
        let id = KeyId::new(vec![0, 0xAB, 7]).unwrap();
        assert_eq!(id.to_string(), "00ab07");
        assert_eq!("00AB07".parse(), Ok(id));
        for wrong in ["", "0", "0g", "abc", &"00".repeat(65)] {
            assert_eq!(wrong.parse::<KeyId>(), Err(KeyIdInvalid), "{wrong}");
        }
    }
}
