//! The boolean attributes of a private key that an attestation states (D5), and those that a token has.
//!
//! A token that does not know an attribute must not be made to say FALSE: absent and FALSE are two things here.

use std::collections::BTreeMap;

/// A boolean attribute of a private key (D5; PKCS#11 v3.2 §4.4, §4.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyFlag {
    /// Kept after the session ends.
    Token,
    /// Visible after login only.
    Private,
    /// Cannot be read out in plain text.
    Sensitive,
    /// May decrypt.
    Decrypt,
    /// May unwrap other keys.
    Unwrap,
    /// May sign.
    Sign,
    /// May sign with message recovery.
    SignRecover,
    /// May derive other keys.
    Derive,
    /// May be wrapped by another key.
    Extractable,
    /// Generated in the token.
    Local,
    /// Never was extractable.
    NeverExtractable,
    /// Has been sensitive from the first.
    AlwaysSensitive,
    /// Its attributes can be changed.
    Modifiable,
    /// Can be copied.
    Copyable,
    /// Can be destroyed.
    Destroyable,
    /// Asks for the PIN at each use.
    AlwaysAuthenticate,
    /// Can only be wrapped by a trusted key.
    WrapWithTrusted,
}

impl KeyFlag {
    /// All of them, by ascending attribute.
    pub const ALL: [Self; 17] = [
        Self::Token,
        Self::Private,
        Self::Sensitive,
        Self::Decrypt,
        Self::Unwrap,
        Self::Sign,
        Self::SignRecover,
        Self::Derive,
        Self::Extractable,
        Self::Local,
        Self::NeverExtractable,
        Self::AlwaysSensitive,
        Self::Modifiable,
        Self::Copyable,
        Self::Destroyable,
        Self::AlwaysAuthenticate,
        Self::WrapWithTrusted,
    ];

    /// The CKA_ number.
    #[must_use]
    pub const fn attribute(self) -> u32 {
        match self {
            Self::Token => 0x1,
            Self::Private => 0x2,
            Self::Sensitive => 0x103,
            Self::Decrypt => 0x105,
            Self::Unwrap => 0x107,
            Self::Sign => 0x108,
            Self::SignRecover => 0x109,
            Self::Derive => 0x10c,
            Self::Extractable => 0x162,
            Self::Local => 0x163,
            Self::NeverExtractable => 0x164,
            Self::AlwaysSensitive => 0x165,
            Self::Modifiable => 0x170,
            Self::Copyable => 0x171,
            Self::Destroyable => 0x172,
            Self::AlwaysAuthenticate => 0x202,
            Self::WrapWithTrusted => 0x210,
        }
    }

    /// The flag with this CKA_ number.
    #[must_use]
    pub fn from_attribute(attribute: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|flag| flag.attribute() == attribute)
    }

    /// Its name in PKCS#11, as `CKA_SENSITIVE`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "CKA_TOKEN",
            Self::Private => "CKA_PRIVATE",
            Self::Sensitive => "CKA_SENSITIVE",
            Self::Decrypt => "CKA_DECRYPT",
            Self::Unwrap => "CKA_UNWRAP",
            Self::Sign => "CKA_SIGN",
            Self::SignRecover => "CKA_SIGN_RECOVER",
            Self::Derive => "CKA_DERIVE",
            Self::Extractable => "CKA_EXTRACTABLE",
            Self::Local => "CKA_LOCAL",
            Self::NeverExtractable => "CKA_NEVER_EXTRACTABLE",
            Self::AlwaysSensitive => "CKA_ALWAYS_SENSITIVE",
            Self::Modifiable => "CKA_MODIFIABLE",
            Self::Copyable => "CKA_COPYABLE",
            Self::Destroyable => "CKA_DESTROYABLE",
            Self::AlwaysAuthenticate => "CKA_ALWAYS_AUTHENTICATE",
            Self::WrapWithTrusted => "CKA_WRAP_WITH_TRUSTED",
        }
    }
}

/// The flags that a token has for a key, with their values; a flag that is not in it was not stated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFlags(BTreeMap<KeyFlag, bool>);

impl KeyFlags {
    /// Adds a flag, if the token has it.
    #[must_use]
    pub fn with(mut self, flag: KeyFlag, value: Option<bool>) -> Self {
        if let Some(value) = value {
            self.0.insert(flag, value);
        }
        self
    }

    /// The flag's value; `None` where the token does not have it.
    #[must_use]
    pub fn value(&self, flag: KeyFlag) -> Option<bool> {
        self.0.get(&flag).copied()
    }

    /// Those stated, by ascending attribute.
    pub fn iter(&self) -> impl Iterator<Item = (KeyFlag, bool)> {
        self.0.iter().map(|(flag, value)| (*flag, *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_in_the_order_of_their_attributes_and_lead_back() {
        for pair in KeyFlag::ALL.windows(2) {
            assert!(pair[0].attribute() < pair[1].attribute() && pair[0] < pair[1], "{pair:?}");
        }
        for flag in KeyFlag::ALL {
            assert_eq!(KeyFlag::from_attribute(flag.attribute()), Some(flag));
            assert!(flag.name().starts_with("CKA_"));
        }
        // CKA_TRUSTED: not an attribute of private keys.
        assert_eq!(KeyFlag::from_attribute(0x86), None);
    }

    #[test]
    fn d4_a_flag_that_the_token_does_not_have_is_absent() {
        let flags = KeyFlags::default().with(KeyFlag::Local, Some(false)).with(KeyFlag::Copyable, None);
        assert_eq!(flags.value(KeyFlag::Local), Some(false));
        assert_eq!(flags.value(KeyFlag::Copyable), None);
        assert_eq!(flags.iter().collect::<Vec<_>>(), [(KeyFlag::Local, false)]);
    }
}
