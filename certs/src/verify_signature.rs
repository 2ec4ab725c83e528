//! Verifying signatures: of certificates, requests, revocation lists and tokens, all through the one table of
//! [`SignatureAlgorithm`].
//!
//! RustCrypto throughout, so that the verifier runs wherever Rust does. What is verified is public, and so are the
//! errors: nothing here has a secret. Whether a key may sign what it signed is the caller's question.

use ed25519_dalek::Verifier as _;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::traits::PublicKeyParts as _;
use sha2::{Sha256, Sha384, Sha512};
use spki::SubjectPublicKeyInfoRef;
use spki::der::{Decode as _, Encode as _};

use crate::SignatureAlgorithm;
use crate::algorithm::SignatureAlgorithmRefused;

mod post_quantum;

/// Fewest bits of an RSA modulus: NIST SP 800-131A allows nothing shorter.
pub const RSA_MODULUS_BITS_MIN: u32 = 2048;
/// Most bits of an RSA modulus: verifying takes quadratic time, and longer keys are not issued.
pub const RSA_MODULUS_BITS_MAX: u32 = 8192;

/// Why a signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureInvalid {
    /// The public key cannot be parsed, or is not a point of its curve.
    #[error("the public key is malformed")]
    MalformedKey,
    /// The key is of another algorithm or another curve.
    #[error("the public key is not of the kind that {} needs", algorithm.name())]
    KeyMismatch {
        /// The signature's algorithm.
        algorithm: SignatureAlgorithm,
    },
    /// The key's own `AlgorithmIdentifier` is not one of a key that is accepted: parameters, or a pre-hash form.
    #[error("the public key is not accepted")]
    KeyRefused {
        /// Why.
        #[source]
        source: SignatureAlgorithmRefused,
    },
    /// An RSA key too short to trust, or too long to verify with.
    #[error(
        "the RSA key has {found} bits; from {RSA_MODULUS_BITS_MIN} to {RSA_MODULUS_BITS_MAX} are accepted"
    )]
    KeySize {
        /// Bits of the modulus.
        found: u32,
    },
    /// The signature is not of the form that its algorithm has.
    #[error("the {} signature is malformed", algorithm.name())]
    MalformedSignature {
        /// The signature's algorithm.
        algorithm: SignatureAlgorithm,
    },
    /// The signature was not made by this key over this message.
    #[error("the {} signature does not verify{}", algorithm.name(), mode(*algorithm))]
    DoesNotVerify {
        /// The signature's algorithm.
        algorithm: SignatureAlgorithm,
    },
}

impl SignatureAlgorithm {
    /// The `AlgorithmIdentifier` of the public keys that belong to the algorithm, in DER.
    #[must_use]
    pub const fn key_algorithm_identifier_der(self) -> &'static [u8] {
        use hex_literal::hex;

        match self {
            // RFC 4055 §1.2: rsaEncryption with NULL.
            Self::RsaPkcs1Sha256 | Self::RsaPkcs1Sha384 | Self::RsaPkcs1Sha512 => {
                &hex!("300d 0609 2a864886f70d010101 0500")
            }
            // RFC 5480 §2.1.1: id-ecPublicKey with the named curve.
            Self::EcdsaP256Sha256 => &hex!("3013 0607 2a8648ce3d0201 0608 2a8648ce3d030107"),
            Self::EcdsaP384Sha384 => &hex!("3010 0607 2a8648ce3d0201 0605 2b81040022"),
            // RFC 8410 §3, RFC 9881 §4, RFC 9909 §5: the same identifier for key and signature.
            Self::Ed25519 | Self::MlDsa(_) | Self::SlhDsa(_) => self.algorithm_identifier_der(),
        }
    }

    /// Verifies `signature` over `message` with the key of a whole `SubjectPublicKeyInfo` in DER. An ECDSA signature is
    /// an `Ecdsa-Sig-Value` in DER (RFC 3279 §2.2.3).
    ///
    /// # Errors
    /// [`SignatureInvalid`] where the key does not fit the algorithm or the signature does not hold.
    pub fn verify(self, spki_der: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureInvalid> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki_der).map_err(|_| SignatureInvalid::MalformedKey)?;
        let key_algorithm = spki.algorithm.to_der().map_err(|_| SignatureInvalid::MalformedKey)?;
        if key_algorithm != self.key_algorithm_identifier_der() {
            return Err(match SignatureAlgorithm::from_algorithm_identifier_der(&key_algorithm) {
                Err(
                    source @ (SignatureAlgorithmRefused::Parameters { .. }
                    | SignatureAlgorithmRefused::Prehash { .. }),
                ) => SignatureInvalid::KeyRefused { source },
                Ok(_) | Err(SignatureAlgorithmRefused::Unknown) => {
                    SignatureInvalid::KeyMismatch { algorithm: self }
                }
            });
        }
        let key = spki.subject_public_key.as_bytes().ok_or(SignatureInvalid::MalformedKey)?;
        self.verify_with_key_bits(key, message, signature)
    }

    /// As [`verify`](Self::verify), with the contents of the key's BIT STRING; its algorithm has been checked already.
    pub(crate) fn verify_with_key_bits(
        self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureInvalid> {
        let malformed = SignatureInvalid::MalformedSignature { algorithm: self };
        let holds = match self {
            Self::RsaPkcs1Sha256 | Self::RsaPkcs1Sha384 | Self::RsaPkcs1Sha512 => {
                let key = rsa_key(key)?;
                let signature = rsa::pkcs1v15::Signature::try_from(signature).map_err(|_| malformed)?;
                self.verify_rsa(key, message, &signature)
            }
            Self::EcdsaP256Sha256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key)
                    .map_err(|_| SignatureInvalid::MalformedKey)?;
                let signature = p256::ecdsa::DerSignature::from_bytes(signature).map_err(|_| malformed)?;
                key.verify(message, &signature)
            }
            Self::EcdsaP384Sha384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key)
                    .map_err(|_| SignatureInvalid::MalformedKey)?;
                let signature = p384::ecdsa::DerSignature::from_bytes(signature).map_err(|_| malformed)?;
                key.verify(message, &signature)
            }
            Self::Ed25519 => {
                let key =
                    ed25519_dalek::VerifyingKey::try_from(key).map_err(|_| SignatureInvalid::MalformedKey)?;
                let signature = ed25519_dalek::Signature::try_from(signature).map_err(|_| malformed)?;
                // Strict: no small-order keys, so that a signature binds to one message (RFC 8032 §8).
                key.verify_strict(message, &signature)
            }
            Self::MlDsa(set) => return post_quantum::verify_ml_dsa(set, key, message, signature),
            Self::SlhDsa(set) => return post_quantum::verify_slh_dsa(set, key, message, signature),
        };
        holds.map_err(|_| SignatureInvalid::DoesNotVerify { algorithm: self })
    }

    fn verify_rsa(
        self,
        key: rsa::RsaPublicKey,
        message: &[u8],
        signature: &rsa::pkcs1v15::Signature,
    ) -> Result<(), signature::Error> {
        match self.digest() {
            crate::HashAlgorithm::Sha384 => {
                rsa::pkcs1v15::VerifyingKey::<Sha384>::new(key).verify(message, signature)
            }
            crate::HashAlgorithm::Sha512 => {
                rsa::pkcs1v15::VerifyingKey::<Sha512>::new(key).verify(message, signature)
            }
            crate::HashAlgorithm::Sha256 => {
                rsa::pkcs1v15::VerifyingKey::<Sha256>::new(key).verify(message, signature)
            }
            crate::HashAlgorithm::Sha3_256
            | crate::HashAlgorithm::Sha3_384
            | crate::HashAlgorithm::Sha3_512
            | crate::HashAlgorithm::Shake128
            | crate::HashAlgorithm::Shake256 => Err(signature::Error::new()),
        }
    }
}

/// What a reader should know of a post-quantum signature that does not verify: the forms that are not accepted look so.
const fn mode(algorithm: SignatureAlgorithm) -> &'static str {
    if algorithm.is_post_quantum() {
        " in pure mode with an empty context, as RFC 9882 and RFC 9814 want it"
    } else {
        ""
    }
}

fn rsa_key(pkcs1_der: &[u8]) -> Result<rsa::RsaPublicKey, SignatureInvalid> {
    let parts =
        rsa::pkcs1::RsaPublicKeyRef::from_der(pkcs1_der).map_err(|_| SignatureInvalid::MalformedKey)?;
    let found = modulus_bits(parts.modulus.as_bytes());
    if !(RSA_MODULUS_BITS_MIN..=RSA_MODULUS_BITS_MAX).contains(&found) {
        return Err(SignatureInvalid::KeySize { found });
    }
    let key = rsa::RsaPublicKey::from_pkcs1_der(pkcs1_der).map_err(|_| SignatureInvalid::MalformedKey)?;
    debug_assert_eq!(key.n().bits(), found);
    Ok(key)
}

/// Bits of a big-endian number without leading zero octets.
fn modulus_bits(modulus: &[u8]) -> u32 {
    let octets = u32::try_from(modulus.len()).unwrap_or(u32::MAX);
    let unused = modulus.first().map_or(0, |first| first.leading_zeros());
    octets.saturating_mul(8).saturating_sub(unused)
}

#[cfg(test)]
mod tests;
