//! Software keys, the same at every run. Production keys live in the token.

use attestamp_certs::{MlDsa, SignatureAlgorithm};
use attestamp_strict_der::{element, tag};
use ml_dsa::signature::Keypair as _;
use ml_dsa::{B32, KeyExport as _, MlDsaParams, Seed};
use p384::ecdsa::signature::Signer as _;

type Signer = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

pub(crate) struct TestKey {
    pub(crate) spki_der: Vec<u8>,
    pub(crate) algorithm: SignatureAlgorithm,
    signer: Signer,
}

impl TestKey {
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        (self.signer)(message)
    }

    pub(crate) fn p256(scalar: u8) -> Self {
        let key = p256::ecdsa::SigningKey::from_slice(&[scalar; 32]).unwrap();
        let point = key.verifying_key().to_sec1_point(false);
        let algorithm = SignatureAlgorithm::EcdsaP256Sha256;
        let signer: Signer = Box::new(move |message| {
            let signature: p256::ecdsa::DerSignature = key.sign(message);
            signature.as_bytes().to_vec()
        });
        Self { spki_der: spki(algorithm, point.as_bytes()), algorithm, signer }
    }

    pub(crate) fn p384(scalar: u8) -> Self {
        let key = p384::ecdsa::SigningKey::from_slice(&[scalar; 48]).unwrap();
        let point = key.verifying_key().to_sec1_point(false);
        let algorithm = SignatureAlgorithm::EcdsaP384Sha384;
        let signer: Signer = Box::new(move |message| {
            let signature: p384::ecdsa::DerSignature = key.sign(message);
            signature.as_bytes().to_vec()
        });
        Self { spki_der: spki(algorithm, point.as_bytes()), algorithm, signer }
    }

    /// The seed has `octet` throughout. Signatures are pure, with an empty context, and deterministic.
    pub(crate) fn ml_dsa(set: MlDsa, octet: u8) -> Self {
        let (key, signer) = match set {
            MlDsa::MlDsa44 => ml_dsa_key::<ml_dsa::MlDsa44>(octet),
            MlDsa::MlDsa65 => ml_dsa_key::<ml_dsa::MlDsa65>(octet),
            MlDsa::MlDsa87 => ml_dsa_key::<ml_dsa::MlDsa87>(octet),
        };
        let algorithm = SignatureAlgorithm::MlDsa(set);
        Self { spki_der: spki(algorithm, &key), algorithm, signer }
    }
}

/// A SubjectPublicKeyInfo of a key that signs with `algorithm`.
fn spki(algorithm: SignatureAlgorithm, key: &[u8]) -> Vec<u8> {
    let bits = element(tag::BIT_STRING, &[&[0], key]);
    element(tag::SEQUENCE, &[algorithm.key_algorithm_identifier_der(), &bits])
}

fn ml_dsa_key<P: MlDsaParams + 'static>(octet: u8) -> (Vec<u8>, Signer) {
    let seed = Seed::from([octet; 32]);
    let public = ml_dsa::SigningKey::<P>::from_seed(&seed).verifying_key().to_bytes().to_vec();
    let signer: Signer = Box::new(move |message| {
        let key = ml_dsa::SigningKey::<P>::from_seed(&seed);
        // FIPS 204 algorithm 2: the domain separator of the pure mode and an empty context.
        let encoded = key.expanded_key().sign_internal(&[&[0, 0], message], &B32::default()).encode();
        encoded.to_vec()
    });
    (public, signer)
}
