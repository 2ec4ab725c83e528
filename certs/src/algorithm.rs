//! The signature algorithms of certificates, requests, CRLs and tokens, one row each.
//!
//! The encoded `AlgorithmIdentifier` is part of the row, because its parameters are where implementations differ: NULL
//! for RSA (RFC 4055 §5), absent for ECDSA (RFC 5758 §3.2), Ed25519 (RFC 8410 §3), ML-DSA (RFC 9881 §2) and SLH-DSA (RFC
//! 9909 §3). RSASSA-PSS is left out: `openssl ts` cannot verify it. The parameter sets of the post-quantum algorithms are
//! rows of their own, in [`post_quantum`].

pub mod post_quantum;

use hex_literal::hex;
use spki::SubjectPublicKeyInfoRef;
use spki::der::{Decode as _, Encode as _};

use crate::HashAlgorithm;
use post_quantum::{IDENTIFIER_PREFIX, MlDsa, PrehashAlgorithm, SlhDsa};

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
    /// ML-DSA, pure, with an empty context (FIPS 204, RFC 9881, RFC 9882).
    MlDsa(MlDsa),
    /// SLH-DSA, pure, with an empty context (FIPS 205, RFC 9814, RFC 9909).
    SlhDsa(SlhDsa),
}

/// Why an `AlgorithmIdentifier` names no signature algorithm that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureAlgorithmRefused {
    /// None that is known, or one that is too weak.
    #[error("the signature algorithm is not one that is accepted")]
    Unknown,
    /// Parameters where the standard has none.
    #[error("the parameters of {} are not absent, as they must be (RFC 9881 §2, RFC 9882, RFC 9909 §3)", algorithm.name())]
    Parameters {
        /// The algorithm that they stand beside.
        algorithm: SignatureAlgorithm,
    },
    /// A pre-hash form of a post-quantum algorithm.
    #[error(
        "{} is a pre-hash form: only the pure forms of ML-DSA and SLH-DSA are accepted in certificates and tokens \
         (RFC 9881, RFC 9882, RFC 9909)", prehash.name()
    )]
    Prehash {
        /// Which.
        prehash: PrehashAlgorithm,
    },
}

impl SignatureAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 21] = [
        Self::RsaPkcs1Sha256,
        Self::RsaPkcs1Sha384,
        Self::RsaPkcs1Sha512,
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::Ed25519,
        Self::MlDsa(MlDsa::MlDsa44),
        Self::MlDsa(MlDsa::MlDsa65),
        Self::MlDsa(MlDsa::MlDsa87),
        Self::SlhDsa(SlhDsa::Sha2_128s),
        Self::SlhDsa(SlhDsa::Sha2_128f),
        Self::SlhDsa(SlhDsa::Sha2_192s),
        Self::SlhDsa(SlhDsa::Sha2_192f),
        Self::SlhDsa(SlhDsa::Sha2_256s),
        Self::SlhDsa(SlhDsa::Sha2_256f),
        Self::SlhDsa(SlhDsa::Shake128s),
        Self::SlhDsa(SlhDsa::Shake128f),
        Self::SlhDsa(SlhDsa::Shake192s),
        Self::SlhDsa(SlhDsa::Shake192f),
        Self::SlhDsa(SlhDsa::Shake256s),
        Self::SlhDsa(SlhDsa::Shake256f),
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
            Self::MlDsa(set) => set.row().algorithm_identifier_der,
            Self::SlhDsa(set) => set.row().algorithm_identifier_der,
        }
    }

    /// The algorithm with exactly this `AlgorithmIdentifier`.
    ///
    /// # Errors
    /// [`SignatureAlgorithmRefused`]; of post-quantum algorithms it says what is wrong with the identifier.
    pub fn from_algorithm_identifier_der(der: &[u8]) -> Result<Self, SignatureAlgorithmRefused> {
        if let Some(algorithm) =
            Self::ALL.into_iter().find(|algorithm| algorithm.algorithm_identifier_der() == der)
        {
            return Ok(algorithm);
        }
        // Tag and length of the SEQUENCE, then the object identifier, whose last arc names the algorithm.
        let Some([arc, _parameters @ ..]) = der.get(2..).and_then(|oid| oid.strip_prefix(&IDENTIFIER_PREFIX))
        else {
            return Err(SignatureAlgorithmRefused::Unknown);
        };
        if let Some(prehash) = PrehashAlgorithm::from_arc(*arc) {
            return Err(SignatureAlgorithmRefused::Prehash { prehash });
        }
        let sets = Self::ALL.into_iter().filter(|algorithm| algorithm.is_post_quantum());
        // The arc is the last octet of an identifier without parameters.
        match sets.into_iter().find(|algorithm| algorithm.algorithm_identifier_der().last() == Some(arc)) {
            Some(algorithm) => Err(SignatureAlgorithmRefused::Parameters { algorithm }),
            None => Err(SignatureAlgorithmRefused::Unknown),
        }
    }

    /// Whether no quantum computer is known to forge it.
    #[must_use]
    pub const fn is_post_quantum(self) -> bool {
        match self {
            Self::RsaPkcs1Sha256
            | Self::RsaPkcs1Sha384
            | Self::RsaPkcs1Sha512
            | Self::EcdsaP256Sha256
            | Self::EcdsaP384Sha384
            | Self::Ed25519 => false,
            Self::MlDsa(_) | Self::SlhDsa(_) => true,
        }
    }

    /// The hash of a CMS SignerInfo's `digestAlgorithm` in what we sign: the signature's own, SHA-512 for Ed25519 (RFC
    /// 8419 §3) and ML-DSA (RFC 9882), and that of the parameter set for SLH-DSA (RFC 9814 §4).
    #[must_use]
    pub const fn digest(self) -> HashAlgorithm {
        match self {
            Self::RsaPkcs1Sha256 | Self::EcdsaP256Sha256 => HashAlgorithm::Sha256,
            Self::RsaPkcs1Sha384 | Self::EcdsaP384Sha384 => HashAlgorithm::Sha384,
            Self::RsaPkcs1Sha512 | Self::Ed25519 => HashAlgorithm::Sha512,
            Self::MlDsa(set) => set.row().digest,
            Self::SlhDsa(set) => set.row().digest,
        }
    }

    /// Whether a SignerInfo signed with this algorithm may have this `digestAlgorithm`: the same one for the classical
    /// algorithms, any that is no weaker than the parameter set for the post-quantum ones (RFC 9882 table 1, RFC 9814 §4).
    #[must_use]
    pub fn accepts_digest(self, digest: HashAlgorithm) -> bool {
        match self {
            Self::RsaPkcs1Sha256
            | Self::RsaPkcs1Sha384
            | Self::RsaPkcs1Sha512
            | Self::EcdsaP256Sha256
            | Self::EcdsaP384Sha384
            | Self::Ed25519 => digest == self.digest(),
            Self::MlDsa(set) => digest.collision_strength_bits() >= set.row().strength_bits,
            Self::SlhDsa(set) => digest.collision_strength_bits() >= set.row().strength_bits,
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
            Self::MlDsa(set) => set.row().name,
            Self::SlhDsa(set) => set.row().name,
        }
    }
}

/// Whether a SubjectPublicKeyInfo in DER holds a key of ML-DSA or SLH-DSA.
#[must_use]
pub fn is_post_quantum_key(spki_der: &[u8]) -> bool {
    let identifier = SubjectPublicKeyInfoRef::from_der(spki_der).and_then(|spki| spki.algorithm.to_der());
    identifier.is_ok_and(|identifier| {
        SignatureAlgorithm::from_algorithm_identifier_der(&identifier)
            .is_ok_and(SignatureAlgorithm::is_post_quantum)
    })
}

#[cfg(test)]
mod tests;
