//! Signed notes (C2SP signed-note): verifier keys, key identifiers, signature lines. Ed25519 (type 0x01) and the
//! timestamped ML-DSA-44 signature of tlog-cosignature (type 0x06) (E3).

mod signed;

use std::fmt;

use base64ct::{Base64, Encoding as _};
use ml_dsa::KeyInit as _;
use thiserror::Error;

use crate::checkpoint::is_origin;
use crate::hash::Hash;

pub(crate) use signed::{MAXIMUM_NOTE_BYTES, NoteError, SignatureLine, SignedNote};

/// The algorithms of the ledger's signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoteAlgorithm {
    /// Type 0x01: over the note's text.
    Ed25519,
    /// Type 0x06: over tlog-cosignature's `cosigned_message`, with the time of signing.
    MlDsa44,
}

impl NoteAlgorithm {
    /// The type octet in verifier keys and key identifiers.
    const fn number(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::MlDsa44 => 6,
        }
    }

    /// Octets of a public key.
    const fn public_key_octets(self) -> usize {
        match self {
            Self::Ed25519 => 32,
            Self::MlDsa44 => 1312,
        }
    }

    /// Octets of a signature, without a time.
    pub(crate) const fn signature_octets(self) -> usize {
        match self {
            Self::Ed25519 => 64,
            Self::MlDsa44 => 2420,
        }
    }
}

/// A public key that signs notes, with its name: `name+id+base64(type || key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: Box<str>,
    algorithm: NoteAlgorithm,
    public_key: Box<[u8]>,
}

/// Why a text is no verifier key, or a key no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifierKeyError {
    /// The form is another.
    #[error("not a verifier key: it is written as NAME+KEYID+BASE64")]
    Form,
    /// The name is empty or too long, or has spaces, control characters or a plus sign.
    #[error(
        "the name of a verifier key has 1 to 255 octets, and no spaces, control characters and plus signs"
    )]
    Name,
    /// Another type than 1 and 6.
    #[error("verifier keys of type {found} are not supported, only 1 (Ed25519) and 6 (ML-DSA-44)")]
    Algorithm {
        /// The type octet.
        found: u8,
    },
    /// The key is not as long as its algorithm's are.
    #[error("the public key has {found} octets, not {required}")]
    Length {
        /// Its octets.
        found: usize,
        /// The algorithm's.
        required: usize,
    },
    /// The octets are no point of the curve.
    #[error("the public key is not an Ed25519 key")]
    Key,
    /// The identifier is not that of this name and key.
    #[error("the identifier in the verifier key is not that of its name and key")]
    Identifier,
}

impl VerifierKey {
    /// A key with this name. `public_key` is 32 octets for Ed25519, 1312 for ML-DSA-44.
    ///
    /// # Errors
    /// [`VerifierKeyError`].
    pub fn new(name: &str, algorithm: NoteAlgorithm, public_key: &[u8]) -> Result<Self, VerifierKeyError> {
        if !is_origin(name) {
            return Err(VerifierKeyError::Name);
        }
        let required = algorithm.public_key_octets();
        if public_key.len() != required {
            return Err(VerifierKeyError::Length { found: public_key.len(), required });
        }
        if algorithm == NoteAlgorithm::Ed25519 && ed25519_dalek::VerifyingKey::try_from(public_key).is_err() {
            return Err(VerifierKeyError::Key);
        }
        Ok(Self { name: name.into(), algorithm, public_key: public_key.into() })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`VerifierKeyError`].
    pub fn parse(text: &str) -> Result<Self, VerifierKeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VerifierKeyError::Form);
        };
        // Longer than any key that is known: not decoded at all.
        if key.len() > 2 * NoteAlgorithm::MlDsa44.public_key_octets() {
            return Err(VerifierKeyError::Form);
        }
        let key = Base64::decode_vec(key).map_err(|_| VerifierKeyError::Form)?;
        let (&number, public_key) = key.split_first().ok_or(VerifierKeyError::Form)?;
        let algorithm = match number {
            1 => NoteAlgorithm::Ed25519,
            6 => NoteAlgorithm::MlDsa44,
            found => return Err(VerifierKeyError::Algorithm { found }),
        };
        let key = Self::new(name, algorithm, public_key)?;
        if id == format!("{:08x}", key.id()) { Ok(key) } else { Err(VerifierKeyError::Identifier) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> NoteAlgorithm {
        self.algorithm
    }

    /// The key itself.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The first four octets of SHA-256(name || 0x0A || type || key).
    #[must_use]
    pub fn id(&self) -> u32 {
        let named = [self.name.as_bytes(), b"\n", &[self.algorithm.number()], &self.public_key].concat();
        let [first, second, third, fourth, ..] = Hash::of(&named).0;
        u32::from_be_bytes([first, second, third, fourth])
    }

    /// Whether this is a signature of these bytes: those that the algorithm signs for a note.
    pub(crate) fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            NoteAlgorithm::Ed25519 => {
                let key = ed25519_dalek::VerifyingKey::try_from(&*self.public_key);
                let signature = ed25519_dalek::Signature::try_from(signature);
                // Strict: no small-order keys, so that a signature binds to one message (RFC 8032 §8).
                matches!((key, signature), (Ok(key), Ok(signature)) if key.verify_strict(bytes, &signature).is_ok())
            }
            NoteAlgorithm::MlDsa44 => {
                let key = ml_dsa::VerifyingKey::<ml_dsa::MlDsa44>::new_from_slice(&self.public_key);
                let signature = ml_dsa::Signature::try_from(signature);
                matches!((key, signature), (Ok(key), Ok(signature)) if key.verify_with_context(bytes, &[], &signature))
            }
        }
    }

    /// The name and the identifier, as an error message says it.
    pub(crate) fn label(&self) -> Box<str> {
        format!("{} ({:08x})", self.name, self.id()).into()
    }
}

/// The text form.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.algorithm.number()], &*self.public_key].concat();
        write!(f, "{}+{:08x}+{}", self.name, self.id(), Base64::encode_string(&key))
    }
}

#[cfg(test)]
mod tests;
