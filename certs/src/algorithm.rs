//! The signature algorithms of certificates, requests, CRLs and tokens, one row each.
//!
//! The encoded `AlgorithmIdentifier` is part of the row, because its parameters are where implementations differ: NULL
//! for RSA (RFC 4055 §5), absent for ECDSA (RFC 5758 §3.2) and Ed25519 (RFC 8410 §3). RSASSA-PSS is left out: `openssl
//! ts` cannot verify it.

use hex_literal::hex;

use crate::HashAlgorithm;

/// A signature algorithm with its hash fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2).
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// ECDSA on P-256 with SHA-256 (RFC 5758 §3.2).
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384Sha384,
    /// Ed25519, pure (RFC 8032, RFC 8410).
    Ed25519,
}

impl SignatureAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 6] = [
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::Ed25519,
    ];

    /// The whole `AlgorithmIdentifier` SEQUENCE in DER.
    #[must_use]
    pub const fn algorithm_identifier_der(self) -> &'static [u8] {
        match self {
            Self::RsaPkcs1Sha256 => &hex!("300d 0609 2a864886f70d01010b 0500"),
            Self::RsaPkcs1Sha384 => &hex!("300d 0609 2a864886f70d01010c 0500"),
            Self::RsaPkcs1Sha512 => &hex!("300d 0609 2a864886f70d01010d 0500"),
            Self::EcdsaP256Sha256 => &hex!("300a 0608 2a8648ce3d040302"),
            Self::EcdsaP384Sha384 => &hex!("300a 0608 2a8648ce3d040303"),
            Self::Ed25519 => &hex!("3005 0603 2b6570"),
        }
    }

    /// The algorithm with exactly this `AlgorithmIdentifier`; other parameters are another, unknown, algorithm.
    #[must_use]
    pub fn from_algorithm_identifier_der(der: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.algorithm_identifier_der() == der)
    }

    /// The hash of a CMS SignerInfo's `digestAlgorithm`: the signature's own, and SHA-512 for Ed25519 (RFC 8419 §3).
    #[must_use]
    pub const fn digest(self) -> HashAlgorithm {
        match self {
            Self::RsaPkcs1Sha256 | Self::EcdsaP256Sha256 => HashAlgorithm::Sha256,
            Self::RsaPkcs1Sha384 | Self::EcdsaP384Sha384 => HashAlgorithm::Sha384,
            Self::RsaPkcs1Sha512 | Self::Ed25519 => HashAlgorithm::Sha512,
        }
    }

    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaPkcs1Sha256 => "RSA PKCS#1 v1.5 with SHA-256",
            Self::RsaPkcs1Sha384 => "RSA PKCS#1 v1.5 with SHA-384",
            Self::RsaPkcs1Sha512 => "RSA PKCS#1 v1.5 with SHA-512",
            Self::EcdsaP256Sha256 => "ECDSA P-256 with SHA-256",
            Self::EcdsaP384Sha384 => "ECDSA P-384 with SHA-384",
            Self::Ed25519 => "Ed25519",
        }
    }
}
