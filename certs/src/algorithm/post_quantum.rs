//! The parameter sets of ML-DSA (FIPS 204) and SLH-DSA (FIPS 205), one row each: a further set is a row, not code.
//!
//! Only the pure forms are algorithms here. The pre-hash forms (HashML-DSA, HashSLH-DSA) are known by name, so that a
//! certificate or token made with one is refused in so many words.

use hex_literal::hex;

use crate::HashAlgorithm;

/// The object identifiers of both algorithms up to their last arc: 2.16.840.1.101.3.4.3, with tag and length.
pub(super) const IDENTIFIER_PREFIX: [u8; 10] = hex!("0609 608648016503 0403");

/// A parameter set of ML-DSA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the parameter set that it names")]
pub enum MlDsa {
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

/// A parameter set of SLH-DSA: hash, strength, and small (`s`) or fast (`f`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is the parameter set that it names")]
pub enum SlhDsa {
    Sha2_128s,
    Sha2_128f,
    Sha2_192s,
    Sha2_192f,
    Sha2_256s,
    Sha2_256f,
    Shake128s,
    Shake128f,
    Shake192s,
    Shake192f,
    Shake256s,
    Shake256f,
}

/// What X.509 and CMS have to know of a parameter set.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// The whole `AlgorithmIdentifier`, of key and signature alike: no parameters.
    pub(crate) algorithm_identifier_der: &'static [u8; 13],
    pub(crate) public_key_octets: usize,
    pub(crate) signature_octets: usize,
    /// The digest beside it in what we sign.
    pub(crate) digest: HashAlgorithm,
    /// How hard a collision of a digest beside it must be to find.
    pub(crate) strength_bits: u32,
}

macro_rules! row {
    ($name:literal, $arc:literal, $key:literal, $signature:literal, $digest:ident, $strength:literal) => {
        Row {
            name: $name,
            algorithm_identifier_der: &[0x30, 11, 6, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, $arc],
            public_key_octets: $key,
            signature_octets: $signature,
            digest: HashAlgorithm::$digest,
            strength_bits: $strength,
        }
    };
}

// FIPS 204 tables 1 and 2; RFC 9881 §2; RFC 9882 table 1.
static ML_DSA_44: Row = row!("ML-DSA-44", 17, 1312, 2420, Sha512, 128);
static ML_DSA_65: Row = row!("ML-DSA-65", 18, 1952, 3309, Sha512, 192);
static ML_DSA_87: Row = row!("ML-DSA-87", 19, 2592, 4627, Sha512, 256);

// FIPS 205 table 2; RFC 9909 §3; RFC 9814 §4.
static SHA2_128S: Row = row!("SLH-DSA-SHA2-128s", 20, 32, 7856, Sha256, 128);
static SHA2_128F: Row = row!("SLH-DSA-SHA2-128f", 21, 32, 17_088, Sha256, 128);
static SHA2_192S: Row = row!("SLH-DSA-SHA2-192s", 22, 48, 16_224, Sha512, 192);
static SHA2_192F: Row = row!("SLH-DSA-SHA2-192f", 23, 48, 35_664, Sha512, 192);
static SHA2_256S: Row = row!("SLH-DSA-SHA2-256s", 24, 64, 29_792, Sha512, 256);
static SHA2_256F: Row = row!("SLH-DSA-SHA2-256f", 25, 64, 49_856, Sha512, 256);
static SHAKE_128S: Row = row!("SLH-DSA-SHAKE-128s", 26, 32, 7856, Shake128, 128);
static SHAKE_128F: Row = row!("SLH-DSA-SHAKE-128f", 27, 32, 17_088, Shake128, 128);
static SHAKE_192S: Row = row!("SLH-DSA-SHAKE-192s", 28, 48, 16_224, Shake256, 192);
static SHAKE_192F: Row = row!("SLH-DSA-SHAKE-192f", 29, 48, 35_664, Shake256, 192);
static SHAKE_256S: Row = row!("SLH-DSA-SHAKE-256s", 30, 64, 29_792, Shake256, 256);
static SHAKE_256F: Row = row!("SLH-DSA-SHAKE-256f", 31, 64, 49_856, Shake256, 256);

impl MlDsa {
    pub(crate) const fn row(self) -> &'static Row {
        match self {
            Self::MlDsa44 => &ML_DSA_44,
            Self::MlDsa65 => &ML_DSA_65,
            Self::MlDsa87 => &ML_DSA_87,
        }
    }
}

impl SlhDsa {
    pub(crate) const fn row(self) -> &'static Row {
        match self {
            Self::Sha2_128s => &SHA2_128S,
            Self::Sha2_128f => &SHA2_128F,
            Self::Sha2_192s => &SHA2_192S,
            Self::Sha2_192f => &SHA2_192F,
            Self::Sha2_256s => &SHA2_256S,
            Self::Sha2_256f => &SHA2_256F,
            Self::Shake128s => &SHAKE_128S,
            Self::Shake128f => &SHAKE_128F,
            Self::Shake192s => &SHAKE_192S,
            Self::Shake192f => &SHAKE_192F,
            Self::Shake256s => &SHAKE_256S,
            Self::Shake256f => &SHAKE_256F,
        }
    }
}

/// A pre-hash form, which no certificate and no token may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrehashAlgorithm(&'static str);

impl PrehashAlgorithm {
    /// By the last arc of its object identifier.
    pub(super) fn from_arc(arc: u8) -> Option<Self> {
        let name = match arc {
            32 => "HashML-DSA-44 with SHA-512",
            33 => "HashML-DSA-65 with SHA-512",
            34 => "HashML-DSA-87 with SHA-512",
            // SHA-256, SHA-512, SHAKE128 and SHAKE256 with the twelve sets.
            35..=46 => "HashSLH-DSA",
            _ => return None,
        };
        Some(Self(name))
    }

    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }
}
