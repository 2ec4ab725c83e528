//! Software keys of ML-DSA and SLH-DSA, the same at every run.
//!
//! They sign through the internal functions of FIPS 204 (algorithm 7) and FIPS 205 (algorithm 19), which take the message
//! with its domain separator already in front, so that a test can also sign in the forms that must be refused: with a
//! context, and pre-hashed. Signatures are deterministic; production asks the token for hedged ones.

use ml_dsa::{B32, KeyExport as _, KeyInit as _, MlDsaParams, Seed};
use signature::{Keypair as _, SignatureEncoding as _};

use super::{Signer, TestKey};
use crate::{MlDsa, SignatureAlgorithm, SlhDsa};

/// Calls the function with the parameter set as its type.
macro_rules! with_ml_dsa {
    ($set:ident, $function:ident($($argument:expr),*)) => {
        match $set {
            MlDsa::MlDsa44 => $function::<ml_dsa::MlDsa44>($($argument),*),
            MlDsa::MlDsa65 => $function::<ml_dsa::MlDsa65>($($argument),*),
            MlDsa::MlDsa87 => $function::<ml_dsa::MlDsa87>($($argument),*),
        }
    };
}

/// Calls the function with the parameter set as its type.
macro_rules! with_slh_dsa {
    ($set:ident, $function:ident($($argument:expr),*)) => {
        match $set {
            SlhDsa::Sha2_128s => $function::<slh_dsa::Sha2_128s>($($argument),*),
            SlhDsa::Sha2_128f => $function::<slh_dsa::Sha2_128f>($($argument),*),
            SlhDsa::Sha2_192s => $function::<slh_dsa::Sha2_192s>($($argument),*),
            SlhDsa::Sha2_192f => $function::<slh_dsa::Sha2_192f>($($argument),*),
            SlhDsa::Sha2_256s => $function::<slh_dsa::Sha2_256s>($($argument),*),
            SlhDsa::Sha2_256f => $function::<slh_dsa::Sha2_256f>($($argument),*),
            SlhDsa::Shake128s => $function::<slh_dsa::Shake128s>($($argument),*),
            SlhDsa::Shake128f => $function::<slh_dsa::Shake128f>($($argument),*),
            SlhDsa::Shake192s => $function::<slh_dsa::Shake192s>($($argument),*),
            SlhDsa::Shake192f => $function::<slh_dsa::Shake192f>($($argument),*),
            SlhDsa::Shake256s => $function::<slh_dsa::Shake256s>($($argument),*),
            SlhDsa::Shake256f => $function::<slh_dsa::Shake256f>($($argument),*),
        }
    };
}

/// A key that signs any message representative M'.
pub(crate) struct PostQuantumKey {
    pub(crate) spki_der: Vec<u8>,
    pub(crate) algorithm: SignatureAlgorithm,
    sign_internal: Signer,
}

impl PostQuantumKey {
    /// ML-DSA: the seed has `octet` throughout. SLH-DSA: SK.seed, SK.prf and PK.seed have `octet` and the next two.
    pub(crate) fn new(algorithm: SignatureAlgorithm, octet: u8) -> Self {
        let (key, sign_internal) = match algorithm {
            SignatureAlgorithm::MlDsa(set) => with_ml_dsa!(set, ml_dsa_key(octet)),
            SignatureAlgorithm::SlhDsa(set) => {
                // PK.seed and PK.root have n octets each, and so has every seed.
                let octets = set.row().public_key_octets / 2;
                let seeds = [octet, octet + 1, octet + 2].map(|octet| vec![octet; octets]);
                with_slh_dsa!(set, slh_dsa_key(&seeds))
            }
            SignatureAlgorithm::RsaPkcs1Sha256
            | SignatureAlgorithm::RsaPkcs1Sha384
            | SignatureAlgorithm::RsaPkcs1Sha512
            | SignatureAlgorithm::EcdsaP256Sha256
            | SignatureAlgorithm::EcdsaP384Sha384
            | SignatureAlgorithm::Ed25519 => panic!("{} is not post-quantum", algorithm.name()),
        };
        let spki_der = spki(algorithm.key_algorithm_identifier_der(), &key);
        Self { spki_der, algorithm, sign_internal }
    }

    /// Pure, with a context of fewer than 256 octets (FIPS 204 algorithm 2, FIPS 205 algorithm 22).
    pub(crate) fn sign_with_context(&self, context: &[u8], message: &[u8]) -> Vec<u8> {
        let separator = [0, u8::try_from(context.len()).unwrap()];
        (self.sign_internal)(&[&separator, context, message].concat())
    }

    /// HashML-DSA or HashSLH-DSA with the digest that RFC 9882 and RFC 9909 pair with the set, and an empty context (FIPS
    /// 204 algorithm 4, FIPS 205 algorithm 23).
    pub(crate) fn sign_prehash(&self, message: &[u8]) -> Vec<u8> {
        (self.sign_internal)(&Self::prehash_representative(self.algorithm, message))
    }

    pub(crate) fn prehash_representative(algorithm: SignatureAlgorithm, message: &[u8]) -> Vec<u8> {
        let hash = algorithm.digest();
        let oid = hash.oid();
        let tag_and_length = [6, u8::try_from(oid.as_bytes().len()).unwrap()];
        let digest = hash.digest(message);
        [&[1, 0], &tag_and_length[..], oid.as_bytes(), digest.as_ref()].concat()
    }
}

/// Whether the signature is a true one over this M' (FIPS 204 algorithm 8, FIPS 205 algorithm 20), in whatever form.
pub(crate) fn holds_over(
    algorithm: SignatureAlgorithm,
    key: &[u8],
    representative: &[u8],
    signature: &[u8],
) -> bool {
    match algorithm {
        SignatureAlgorithm::MlDsa(set) => with_ml_dsa!(set, ml_dsa_holds(key, representative, signature)),
        SignatureAlgorithm::SlhDsa(set) => with_slh_dsa!(set, slh_dsa_holds(key, representative, signature)),
        SignatureAlgorithm::RsaPkcs1Sha256
        | SignatureAlgorithm::RsaPkcs1Sha384
        | SignatureAlgorithm::RsaPkcs1Sha512
        | SignatureAlgorithm::EcdsaP256Sha256
        | SignatureAlgorithm::EcdsaP384Sha384
        | SignatureAlgorithm::Ed25519 => panic!("{} is not post-quantum", algorithm.name()),
    }
}

impl TestKey {
    /// A key that signs as certificates and tokens want it: pure, with an empty context.
    pub(crate) fn post_quantum(algorithm: SignatureAlgorithm, octet: u8) -> Self {
        let key = PostQuantumKey::new(algorithm, octet);
        let spki_der = key.spki_der.clone();
        Self { spki_der, algorithm, signer: Box::new(move |message| key.sign_with_context(&[], message)) }
    }

    pub(crate) fn ml_dsa(set: MlDsa, octet: u8) -> Self {
        Self::post_quantum(SignatureAlgorithm::MlDsa(set), octet)
    }

    pub(crate) fn slh_dsa(set: SlhDsa, octet: u8) -> Self {
        Self::post_quantum(SignatureAlgorithm::SlhDsa(set), octet)
    }
}

/// A SubjectPublicKeyInfo with this `AlgorithmIdentifier`, whatever it is, and these contents of the BIT STRING.
pub(crate) fn spki(algorithm_identifier: &[u8], key: &[u8]) -> Vec<u8> {
    element(0x30, &[algorithm_identifier, &element(0x03, &[&[0], key])])
}

/// A DER element with contents below 64 KiB.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header: &[u8] = match length {
        [0, short @ 0..0x80] => &[tag, short],
        [0, low] => &[tag, 0x81, low],
        [high, low] => &[tag, 0x82, high, low],
    };
    [header, &content].concat()
}

fn ml_dsa_key<P: MlDsaParams + 'static>(octet: u8) -> (Vec<u8>, Signer) {
    let key = ml_dsa::SigningKey::<P>::from_seed(&Seed::from([octet; 32]));
    let public = key.verifying_key().to_bytes().to_vec();
    let signer: Signer = Box::new(move |representative| {
        key.expanded_key().sign_internal(&[representative], &B32::default()).to_vec()
    });
    (public, signer)
}

fn slh_dsa_key<P: slh_dsa::ParameterSet + 'static>(seeds: &[Vec<u8>; 3]) -> (Vec<u8>, Signer) {
    let [sk_seed, sk_prf, pk_seed] = seeds;
    let key = slh_dsa::SigningKey::<P>::slh_keygen_internal(sk_seed, sk_prf, pk_seed);
    let public = key.verifying_key().to_vec();
    let signer: Signer =
        Box::new(move |representative| key.slh_sign_internal(&[representative], None).to_vec());
    (public, signer)
}

fn ml_dsa_holds<P: MlDsaParams>(key: &[u8], representative: &[u8], signature: &[u8]) -> bool {
    let key = ml_dsa::VerifyingKey::<P>::new_from_slice(key).unwrap();
    key.verify_internal(representative, &ml_dsa::Signature::try_from(signature).unwrap())
}

fn slh_dsa_holds<P: slh_dsa::ParameterSet>(key: &[u8], representative: &[u8], signature: &[u8]) -> bool {
    let key = slh_dsa::VerifyingKey::<P>::try_from(key).unwrap();
    key.slh_verify_internal(&[representative], &slh_dsa::Signature::try_from(signature).unwrap()).is_ok()
}
