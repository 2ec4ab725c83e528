//! The kinds of keys and signatures, as one table: a further algorithm is a variant and a row.
//!
//! A row says how PKCS#11 generates such a key, how it signs with it and what comes back; the code that does so reads
//! the row and knows no algorithm by name. The rows of ML-DSA and SLH-DSA, which differ in numbers only, are in
//! [`post_quantum`].

mod post_quantum;

use std::fmt;
use std::str::FromStr;

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{KeyType, ParameterSetType};

/// A kind of signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// EdDSA on Curve25519 (RFC 8032).
    Ed25519,
    /// ML-DSA-44 (FIPS 204).
    MlDsa44,
    /// ML-DSA-65 (FIPS 204).
    MlDsa65,
    /// ML-DSA-87 (FIPS 204).
    MlDsa87,
    /// SLH-DSA-SHA2-128s (FIPS 205).
    SlhDsaSha2_128s,
    /// SLH-DSA-SHA2-128f (FIPS 205).
    SlhDsaSha2_128f,
    /// SLH-DSA-SHA2-192f (FIPS 205).
    SlhDsaSha2_192f,
    /// SLH-DSA-SHA2-256f (FIPS 205).
    SlhDsaSha2_256f,
    /// SLH-DSA-SHAKE-128f (FIPS 205).
    SlhDsaShake128f,
}

/// What a key signs with: algorithm and hash, one pair for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RsaPkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RsaPkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RsaPkcs1Sha512,
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384Sha384,
    /// Pure Ed25519.
    Ed25519,
    /// ML-DSA-44, pure, empty context, hedged where the token can.
    MlDsa44,
    /// ML-DSA-65, likewise.
    MlDsa65,
    /// ML-DSA-87, likewise.
    MlDsa87,
    /// SLH-DSA-SHA2-128s, likewise.
    SlhDsaSha2_128s,
    /// SLH-DSA-SHA2-128f, likewise.
    SlhDsaSha2_128f,
    /// SLH-DSA-SHA2-192f, likewise.
    SlhDsaSha2_192f,
    /// SLH-DSA-SHA2-256f, likewise.
    SlhDsaSha2_256f,
    /// SLH-DSA-SHAKE-128f, likewise.
    SlhDsaShake128f,
}

impl KeyAlgorithm {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 14] = [
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::SlhDsaSha2_128s,
        Self::SlhDsaSha2_128f,
        Self::SlhDsaSha2_192f,
        Self::SlhDsaSha2_256f,
        Self::SlhDsaShake128f,
    ];

    /// The algorithm of a public key, in DER as X.509 has it (SubjectPublicKeyInfo); `None` if it is none of these.
    #[must_use]
    pub fn of_public_key(spki_der: &[u8]) -> Option<Self> {
        crate::spki::algorithm(spki_der)
    }

    /// What keys of this kind sign with.
    #[must_use]
    pub fn scheme(self) -> SignatureScheme {
        self.row().scheme
    }

    /// The name in configuration and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// CKA_KEY_TYPE by name (PKCS#11 v3.2 §4.5).
    #[must_use]
    pub fn key_type_name(self) -> &'static str {
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => "CKK_RSA",
            Self::EcdsaP256 | Self::EcdsaP384 => "CKK_EC",
            Self::Ed25519 => "CKK_EC_EDWARDS",
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => "CKK_ML_DSA",
            Self::SlhDsaSha2_128s
            | Self::SlhDsaSha2_128f
            | Self::SlhDsaSha2_192f
            | Self::SlhDsaSha2_256f
            | Self::SlhDsaShake128f => "CKK_SLH_DSA",
        }
    }

    /// Modulus length in bits, curve, or parameter set, by the name in its standard: as `3072`, `P-256`, `ML-DSA-65`.
    #[must_use]
    pub fn parameter_set_name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "2048",
            Self::Rsa3072 => "3072",
            Self::Rsa4096 => "4096",
            Self::EcdsaP256 => "P-256",
            Self::EcdsaP384 => "P-384",
            Self::Ed25519 => "Ed25519",
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
            Self::SlhDsaSha2_128s => "SLH-DSA-SHA2-128s",
            Self::SlhDsaSha2_128f => "SLH-DSA-SHA2-128f",
            Self::SlhDsaSha2_192f => "SLH-DSA-SHA2-192f",
            Self::SlhDsaSha2_256f => "SLH-DSA-SHA2-256f",
            Self::SlhDsaShake128f => "SLH-DSA-SHAKE-128f",
        }
    }

    /// Whether a signature takes a good part of a second even in software: the small sets of SLH-DSA.
    #[must_use]
    pub fn is_slow(self) -> bool {
        self == Self::SlhDsaSha2_128s
    }

    pub(crate) fn row(self) -> &'static Row {
        match self {
            Self::Rsa2048 => &RSA_2048,
            Self::Rsa3072 => &RSA_3072,
            Self::Rsa4096 => &RSA_4096,
            Self::EcdsaP256 => &P_256,
            Self::EcdsaP384 => &P_384,
            Self::Ed25519 => &ED25519,
            Self::MlDsa44 => &post_quantum::ML_DSA_44,
            Self::MlDsa65 => &post_quantum::ML_DSA_65,
            Self::MlDsa87 => &post_quantum::ML_DSA_87,
            Self::SlhDsaSha2_128s => &post_quantum::SLH_DSA_SHA2_128S,
            Self::SlhDsaSha2_128f => &post_quantum::SLH_DSA_SHA2_128F,
            Self::SlhDsaSha2_192f => &post_quantum::SLH_DSA_SHA2_192F,
            Self::SlhDsaSha2_256f => &post_quantum::SLH_DSA_SHA2_256F,
            Self::SlhDsaShake128f => &post_quantum::SLH_DSA_SHAKE_128F,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for KeyAlgorithm {
    type Err = KeyAlgorithmUnknown;

    fn from_str(text: &str) -> Result<Self, KeyAlgorithmUnknown> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or(KeyAlgorithmUnknown)
    }
}

/// A text that names no [`KeyAlgorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key algorithms are {}", KeyAlgorithm::ALL.map(KeyAlgorithm::name).join(", "))]
pub struct KeyAlgorithmUnknown;

/// How PKCS#11 sees one kind of key.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) scheme: SignatureScheme,
    pub(crate) key_type: KeyType,
    pub(crate) generation: Step,
    pub(crate) signing: Signing,
    pub(crate) public: PublicKey,
}

/// A mechanism and what to call it in an error.
pub(crate) struct Step {
    /// Made anew for each use: a mechanism may hold pointers, and cannot be a constant.
    pub(crate) mechanism: fn() -> Mechanism<'static>,
    pub(crate) kind: MechanismType,
    pub(crate) name: &'static str,
}

/// What distinguishes and describes the public half.
pub(crate) enum PublicKey {
    /// CKA_MODULUS and CKA_PUBLIC_EXPONENT.
    Rsa { modulus_bits: u64 },
    /// CKA_EC_POINT. `parameters` are the DER values of CKA_EC_PARAMS that tokens use for the curve, ours first;
    /// `point_bytes` is the length of the point without a wrapping; `algorithm_identifier` is the SPKI's, DER.
    Curve { parameters: &'static [&'static [u8]], point_bytes: usize, algorithm_identifier: &'static [u8] },
    /// CKA_PARAMETER_SET, and the key as it is in CKA_VALUE (PKCS#11 v3.2 §6.67, §6.68).
    ParameterSet {
        parameter_set: fn() -> ParameterSetType,
        value_bytes: usize,
        algorithm_identifier: &'static [u8],
    },
}

/// How the message is prepared and the signature finished.
pub(crate) enum Signing {
    /// `combined` hashes in the token; where it is missing, `raw` takes the DigestInfo that is made here.
    RsaPkcs1 { combined: Step, raw: Step, hash: Hash, digest_info: &'static [u8], signature_bytes: usize },
    /// The digest goes in, r and s come out, `half_bytes` each.
    Ecdsa { step: Step, hash: Hash, half_bytes: usize },
    /// The message goes in, the signature comes out as it is.
    Whole { step: Step, signature_bytes: usize },
}

/// SHA-2 of this many bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

macro_rules! step {
    ($mechanism:expr, $kind:ident, $name:literal) => {
        Step { mechanism: || $mechanism, kind: MechanismType::$kind, name: $name }
    };
}

// RFC 8017 §9.2, note 1: what comes before the digest in DigestInfo.
const DIGEST_INFO_SHA256: &[u8] =
    b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
const DIGEST_INFO_SHA512: &[u8] =
    b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40";

const fn rsa_sha256(signature_bytes: usize) -> Signing {
    Signing::RsaPkcs1 {
        combined: step!(Mechanism::Sha256RsaPkcs, SHA256_RSA_PKCS, "CKM_SHA256_RSA_PKCS"),
        raw: step!(Mechanism::RsaPkcs, RSA_PKCS, "CKM_RSA_PKCS"),
        hash: Hash::Sha256,
        digest_info: DIGEST_INFO_SHA256,
        signature_bytes,
    }
}

const RSA_GENERATION: Step =
    step!(Mechanism::RsaPkcsKeyPairGen, RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN");

static RSA_2048: Row = Row {
    name: "rsa-2048",
    scheme: SignatureScheme::RsaPkcs1Sha256,
    key_type: KeyType::RSA,
    generation: RSA_GENERATION,
    signing: rsa_sha256(256),
    public: PublicKey::Rsa { modulus_bits: 2048 },
};

static RSA_3072: Row = Row {
    name: "rsa-3072",
    scheme: SignatureScheme::RsaPkcs1Sha256,
    key_type: KeyType::RSA,
    generation: RSA_GENERATION,
    signing: rsa_sha256(384),
    public: PublicKey::Rsa { modulus_bits: 3072 },
};

static RSA_4096: Row = Row {
    name: "rsa-4096",
    scheme: SignatureScheme::RsaPkcs1Sha512,
    key_type: KeyType::RSA,
    generation: RSA_GENERATION,
    signing: Signing::RsaPkcs1 {
        combined: step!(Mechanism::Sha512RsaPkcs, SHA512_RSA_PKCS, "CKM_SHA512_RSA_PKCS"),
        raw: step!(Mechanism::RsaPkcs, RSA_PKCS, "CKM_RSA_PKCS"),
        hash: Hash::Sha512,
        digest_info: DIGEST_INFO_SHA512,
        signature_bytes: 512,
    },
    public: PublicKey::Rsa { modulus_bits: 4096 },
};

const EC_GENERATION: Step = step!(Mechanism::EccKeyPairGen, ECC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN");
// 1.2.840.10045.3.1.7 and 1.3.132.0.34
const OID_P256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const OID_P384: &[u8] = b"\x06\x05\x2b\x81\x04\x00\x22";
// id-ecPublicKey with the curve as parameter (RFC 5480 §2.1.1)
const SPKI_P256: &[u8] =
    b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const SPKI_P384: &[u8] = b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";

static P_256: Row = Row {
    name: "p-256",
    scheme: SignatureScheme::EcdsaP256Sha256,
    key_type: KeyType::EC,
    generation: EC_GENERATION,
    signing: Signing::Ecdsa {
        step: step!(Mechanism::Ecdsa, ECDSA, "CKM_ECDSA"),
        hash: Hash::Sha256,
        half_bytes: 32,
    },
    public: PublicKey::Curve { parameters: &[OID_P256], point_bytes: 65, algorithm_identifier: SPKI_P256 },
};

static P_384: Row = Row {
    name: "p-384",
    scheme: SignatureScheme::EcdsaP384Sha384,
    key_type: KeyType::EC,
    generation: EC_GENERATION,
    signing: Signing::Ecdsa {
        step: step!(Mechanism::Ecdsa, ECDSA, "CKM_ECDSA"),
        hash: Hash::Sha384,
        half_bytes: 48,
    },
    public: PublicKey::Curve { parameters: &[OID_P384], point_bytes: 97, algorithm_identifier: SPKI_P384 },
};

// 1.3.101.112, and PrintableString "edwards25519" (PKCS#11 v3.0 §2.3.4)
const OID_ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
const NAME_ED25519: &[u8] = b"\x13\x0cedwards25519";
// RFC 8410 §3: no parameters
const SPKI_ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";

static ED25519: Row = Row {
    name: "ed25519",
    scheme: SignatureScheme::Ed25519,
    key_type: KeyType::EC_EDWARDS,
    generation: step!(
        Mechanism::EccEdwardsKeyPairGen,
        ECC_EDWARDS_KEY_PAIR_GEN,
        "CKM_EC_EDWARDS_KEY_PAIR_GEN"
    ),
    signing: Signing::Whole {
        step: step!(Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), EDDSA, "CKM_EDDSA"),
        signature_bytes: 64,
    },
    public: PublicKey::Curve {
        parameters: &[OID_ED25519, NAME_ED25519],
        point_bytes: 32,
        algorithm_identifier: SPKI_ED25519,
    },
};

#[cfg(test)]
mod tests {
    use super::{KeyAlgorithm, KeyAlgorithmUnknown, SignatureScheme};

    #[test]
    fn every_name_reads_back() {
        for algorithm in KeyAlgorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert_eq!("P-256".parse::<KeyAlgorithm>(), Err(KeyAlgorithmUnknown));
    }

    #[test]
    fn the_longest_rsa_key_signs_with_sha_512_and_the_others_with_sha_256() {
        assert_eq!(KeyAlgorithm::Rsa4096.scheme(), SignatureScheme::RsaPkcs1Sha512);
        assert_eq!(KeyAlgorithm::Rsa3072.scheme(), SignatureScheme::RsaPkcs1Sha256);
    }
}
