//! The hash algorithms that certificates and tokens may use.
//!
//! Only those that RFC 8933 and NIST SP 800-131A leave in use: SHA-1, MD5 and the 224-bit hashes are not in the list, so
//! that they are unknown to everything built on it. Adding one is adding a row here. The extendable-output functions have
//! one length each, as CMS gives them (RFC 8702 §3.1).

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_SHA_256, ID_SHA_384, ID_SHA_512};
use sha2::Digest as _;

const ID_SHA3_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.8");
const ID_SHA3_384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.9");
const ID_SHA3_512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.10");
const ID_SHAKE_128: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.11");
const ID_SHAKE_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.12");

/// A hash algorithm of SHA-2 (FIPS 180-4) or SHA-3 (FIPS 202).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
    /// SHAKE128 with 32 octets of output (RFC 8702 §3.1).
    Shake128,
    /// SHAKE256 with 64 octets of output (RFC 8702 §3.1).
    Shake256,
}

impl HashAlgorithm {
    /// Every algorithm, weakest first within its family.
    pub const ALL: [Self; 8] = [
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
        Self::Shake128,
        Self::Shake256,
    ];

    /// Those that clients hash data with: SHAKE occurs beside signatures, and few tools can hash a file with it.
    pub const OF_DATA: [Self; 6] =
        [Self::Sha256, Self::Sha384, Self::Sha512, Self::Sha3_256, Self::Sha3_384, Self::Sha3_512];

    /// The object identifier.
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => ID_SHA_256,
            Self::Sha384 => ID_SHA_384,
            Self::Sha512 => ID_SHA_512,
            Self::Sha3_256 => ID_SHA3_256,
            Self::Sha3_384 => ID_SHA3_384,
            Self::Sha3_512 => ID_SHA3_512,
            Self::Shake128 => ID_SHAKE_128,
            Self::Shake256 => ID_SHAKE_256,
        }
    }

    /// The algorithm whose object identifier has these content octets (without tag and length).
    #[must_use]
    pub fn from_oid_content(content: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.oid().as_bytes() == content)
    }

    /// The hash of data with this name, as `sha256` or `sha3-256`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::OF_DATA.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The name, as OpenSSL's command line knows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3_256 => "sha3-256",
            Self::Sha3_384 => "sha3-384",
            Self::Sha3_512 => "sha3-512",
            Self::Shake128 => "shake128",
            Self::Shake256 => "shake256",
        }
    }

    /// Length of the hash value in octets.
    #[must_use]
    pub const fn output_length(self) -> usize {
        match self {
            Self::Sha256 | Self::Sha3_256 | Self::Shake128 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 | Self::Shake256 => 64,
        }
    }

    /// How hard a collision is to find: half the length of the value, for each of them (NIST SP 800-107, FIPS 202 table 4).
    #[must_use]
    pub const fn collision_strength_bits(self) -> u32 {
        match self {
            Self::Sha256 | Self::Sha3_256 | Self::Shake128 => 128,
            Self::Sha384 | Self::Sha3_384 => 192,
            Self::Sha512 | Self::Sha3_512 | Self::Shake256 => 256,
        }
    }

    /// Hashes `message`.
    #[must_use]
    pub fn digest(self, message: &[u8]) -> Digest {
        match self {
            Self::Sha256 => Digest::new(&sha2::Sha256::digest(message)),
            Self::Sha384 => Digest::new(&sha2::Sha384::digest(message)),
            Self::Sha512 => Digest::new(&sha2::Sha512::digest(message)),
            Self::Sha3_256 => Digest::new(&sha3::Sha3_256::digest(message)),
            Self::Sha3_384 => Digest::new(&sha3::Sha3_384::digest(message)),
            Self::Sha3_512 => Digest::new(&sha3::Sha3_512::digest(message)),
            Self::Shake128 | Self::Shake256 => {
                let mut hasher = self.hasher();
                hasher.update(message);
                hasher.finish()
            }
        }
    }

    /// A hasher that takes the message in pieces, for files.
    #[must_use]
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher::Sha256(sha2::Sha256::new()),
            Self::Sha384 => Hasher::Sha384(sha2::Sha384::new()),
            Self::Sha512 => Hasher::Sha512(sha2::Sha512::new()),
            Self::Sha3_256 => Hasher::Sha3_256(sha3::Sha3_256::new()),
            Self::Sha3_384 => Hasher::Sha3_384(sha3::Sha3_384::new()),
            Self::Sha3_512 => Hasher::Sha3_512(sha3::Sha3_512::new()),
            Self::Shake128 => Hasher::Shake128(shake::Shake128::default()),
            Self::Shake256 => Hasher::Shake256(shake::Shake256::default()),
        }
    }
}

/// A hash in progress; see [`HashAlgorithm::hasher`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each variant is the hasher that it names")]
pub enum Hasher {
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Sha3_256(sha3::Sha3_256),
    Sha3_384(sha3::Sha3_384),
    Sha3_512(sha3::Sha3_512),
    Shake128(shake::Shake128),
    Shake256(shake::Shake256),
}

impl Hasher {
    /// Takes the next piece of the message.
    pub fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(piece),
            Self::Sha384(hasher) => hasher.update(piece),
            Self::Sha512(hasher) => hasher.update(piece),
            Self::Sha3_256(hasher) => hasher.update(piece),
            Self::Sha3_384(hasher) => hasher.update(piece),
            Self::Sha3_512(hasher) => hasher.update(piece),
            Self::Shake128(hasher) => shake::Update::update(hasher, piece),
            Self::Shake256(hasher) => shake::Update::update(hasher, piece),
        }
    }

    /// The hash of all pieces.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::new(&hasher.finalize()),
            Self::Sha384(hasher) => Digest::new(&hasher.finalize()),
            Self::Sha512(hasher) => Digest::new(&hasher.finalize()),
            Self::Sha3_256(hasher) => Digest::new(&hasher.finalize()),
            Self::Sha3_384(hasher) => Digest::new(&hasher.finalize()),
            Self::Sha3_512(hasher) => Digest::new(&hasher.finalize()),
            Self::Shake128(hasher) => Digest::read::<32>(hasher),
            Self::Shake256(hasher) => Digest::read::<64>(hasher),
        }
    }
}

/// A hash value of 32, 48 or 64 octets, without an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    octets: [u8; 64],
    length: usize,
}

impl Digest {
    fn new(value: &[u8]) -> Self {
        let mut octets = [0; 64];
        for (to, from) in octets.iter_mut().zip(value) {
            *to = *from;
        }
        Self { octets, length: value.len().min(64) }
    }

    fn read<const OCTETS: usize>(function: impl shake::ExtendableOutput) -> Self {
        let mut value = [0; OCTETS];
        function.finalize_xof_into(&mut value);
        Self::new(&value)
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn the_empty_message_hashes_to_the_published_values() {
        assert_eq!(
            HashAlgorithm::Sha256.digest(b"").as_ref(),
            hex!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        );
        assert_eq!(
            HashAlgorithm::Sha3_256.digest(b"").as_ref(),
            hex!("a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a")
        );
        assert_eq!(
            HashAlgorithm::Shake128.digest(b"").as_ref(),
            hex!("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
        );
        assert!(
            HashAlgorithm::Shake256
                .digest(b"")
                .as_ref()
                .starts_with(&hex!("46b9dd2b0ba88d13233b3feb743eeb24"))
        );
    }

    #[test]
    fn pieces_hash_as_the_whole() {
        for algorithm in HashAlgorithm::ALL {
            let mut hasher = algorithm.hasher();
            hasher.update(b"a message ");
            hasher.update(b"in two pieces");
            let digest = hasher.finish();
            assert_eq!(digest, algorithm.digest(b"a message in two pieces"));
            assert_eq!(digest.as_ref().len(), algorithm.output_length());
        }
    }

    #[test]
    fn names_and_identifiers_lead_back() {
        for algorithm in HashAlgorithm::ALL {
            let of_data = HashAlgorithm::OF_DATA.contains(&algorithm).then_some(algorithm);
            assert_eq!(HashAlgorithm::from_name(&algorithm.name().to_uppercase()), of_data);
            assert_eq!(HashAlgorithm::from_oid_content(algorithm.oid().as_bytes()), Some(algorithm));
        }
        assert_eq!(HashAlgorithm::from_name("sha1"), None);
        assert_eq!(HashAlgorithm::from_oid_content(&hex!("2b0e03021a")), None);
    }
}
