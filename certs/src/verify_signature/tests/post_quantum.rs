//! Every parameter set of ML-DSA and SLH-DSA: what verifies, and each form of signature and key that must not.
//!
//! The signatures are OpenSSL's (C8): read from `vectors/`, or made here and found to be the same octets.

use super::*;
use crate::test_keys::post_quantum::{PostQuantumKey, holds_over, spki};
use crate::{HashAlgorithm, MlDsa, SlhDsa};
use hex_literal::hex;

const CONTEXT: &[u8] = b"context";
/// What the keys of `vectors/` were made from; see the README there.
const SEED: u8 = 7;

/// Signatures over [`MESSAGE`] by one key.
struct Forms {
    algorithm: SignatureAlgorithm,
    spki: &'static [u8],
    pure: Vec<u8>,
    with_context: Vec<u8>,
    prehash: Vec<u8>,
}

impl Forms {
    /// Signed here, as OpenSSL signed: its signature has this SHA-256.
    fn signed(algorithm: SignatureAlgorithm, spki: &'static [u8], sha_256: [u8; 32]) -> Self {
        let key = PostQuantumKey::new(algorithm, SEED);
        assert!(key.spki_der == spki, "OpenSSL makes another key of the seed");
        let pure = key.sign_with_context(&[], MESSAGE);
        assert_eq!(HashAlgorithm::Sha256.digest(&pure).as_ref(), sha_256, "OpenSSL signs otherwise");
        let with_context = key.sign_with_context(CONTEXT, MESSAGE);
        Self { algorithm, spki, pure, with_context, prehash: key.sign_prehash(MESSAGE) }
    }

    fn verify(&self, signature: &[u8]) -> Result<(), SignatureInvalid> {
        self.algorithm.verify(self.spki, MESSAGE, signature)
    }

    fn key(&self) -> &[u8] {
        key_bits(self.spki)
    }

    fn check(&self) {
        assert_eq!(self.verify(&self.pure), Ok(()));
        self.check_changes();
        self.check_forms();
        self.check_lengths();
        self.check_key_identifiers();
    }

    fn check_changes(&self) {
        let does_not_verify = Err(SignatureInvalid::DoesNotVerify { algorithm: self.algorithm });
        assert_eq!(self.algorithm.verify(self.spki, b"a message to sing", &self.pure), does_not_verify);
        for at in [0, self.pure.len() / 2, self.pure.len() - 1] {
            let mut changed = self.pure.clone();
            changed[at] ^= 1;
            assert!(self.verify(&changed).is_err(), "octet {at}");
        }
        let mut other_key = self.spki.to_vec();
        *other_key.last_mut().unwrap() ^= 1;
        assert_eq!(self.algorithm.verify(&other_key, MESSAGE, &self.pure), does_not_verify);
    }

    /// C3 and C4: both signatures are true ones in their own form, so that it is the form that is refused.
    fn check_forms(&self) {
        let error = SignatureInvalid::DoesNotVerify { algorithm: self.algorithm };
        let holds = |representative: &[u8], signature: &[u8]| {
            holds_over(self.algorithm, self.key(), representative, signature)
        };
        let representative = [&[0, 7], CONTEXT, MESSAGE].concat();
        assert!(holds(&representative, &self.with_context));
        assert_eq!(self.verify(&self.with_context), Err(error), "C3");
        assert!(holds(&PostQuantumKey::prehash_representative(self.algorithm, MESSAGE), &self.prehash));
        assert_eq!(self.verify(&self.prehash), Err(error), "C4");
        let said = error.to_string();
        assert!(said.ends_with(
            "does not verify in pure mode with an empty context, as RFC 9882 and RFC 9814 want it"
        ));
    }

    fn check_lengths(&self) {
        let malformed = Err(SignatureInvalid::MalformedSignature { algorithm: self.algorithm });
        let (_, shorter) = self.pure.split_last().unwrap();
        for signature in [shorter, &[&self.pure[..], &[0]].concat(), &[]] {
            assert_eq!(self.verify(signature), malformed, "{} octets", signature.len());
        }
        let identifier = self.algorithm.key_algorithm_identifier_der();
        let (_, shorter) = self.key().split_last().unwrap();
        for key in [shorter, &[self.key(), &[0]].concat(), &[]] {
            let verdict = self.algorithm.verify(&spki(identifier, key), MESSAGE, &self.pure);
            assert_eq!(verdict, Err(SignatureInvalid::MalformedKey), "{} octets", key.len());
        }
    }

    /// C1 and C4 of the key: the refusal names the rule.
    fn check_key_identifiers(&self) {
        let identifier = self.algorithm.key_algorithm_identifier_der();
        let refused = |identifier: &[u8]| match self.algorithm.verify(
            &spki(identifier, self.key()),
            MESSAGE,
            &self.pure,
        ) {
            Err(SignatureInvalid::KeyRefused { source }) => source,
            other => panic!("{other:?}"),
        };
        let with_null = [&[0x30, 13], &identifier[2..], &[5, 0]].concat();
        let rule = refused(&with_null);
        assert_eq!(rule, SignatureAlgorithmRefused::Parameters { algorithm: self.algorithm });
        assert!(
            rule.to_string().contains("not absent, as they must be (RFC 9881 §2, RFC 9882, RFC 9909 §3)")
        );
        let mut prehash = identifier.to_vec();
        // From ML-DSA-44 (17) to HashML-DSA-44 (32), from SLH-DSA-SHA2-128s (20) to its pre-hash form (35), and so on.
        *prehash.last_mut().unwrap() += 15;
        let rule = refused(&prehash);
        assert!(matches!(rule, SignatureAlgorithmRefused::Prehash { .. }), "{rule}");
    }
}

fn key_bits(spki: &[u8]) -> &[u8] {
    SubjectPublicKeyInfoRef::from_der(spki).unwrap().subject_public_key.as_bytes().unwrap()
}

macro_rules! file {
    ($name:literal, $kind:literal) => {
        include_bytes!(concat!("../vectors/", $name, $kind)).as_slice()
    };
}

/// One `#[test]` for each set, so that they run side by side.
macro_rules! parameter_sets {
    ($($test:ident: $algorithm:ident::$set:ident, $name:literal, signed $sha_256:literal;)*) => {
        $(#[test]
        fn $test() {
            let algorithm = SignatureAlgorithm::$algorithm($algorithm::$set);
            Forms::signed(algorithm, file!($name, ".spki.der"), hex!($sha_256)).check();
        })*
    };
    ($($test:ident: $algorithm:ident::$set:ident, $name:literal, recorded;)*) => {
        $(#[test]
        fn $test() {
            Forms {
                algorithm: SignatureAlgorithm::$algorithm($algorithm::$set),
                spki: file!($name, ".spki.der"),
                pure: file!($name, ".sig").to_vec(),
                with_context: file!($name, ".context.sig").to_vec(),
                prehash: file!($name, ".prehash.sig").to_vec(),
            }
            .check();
        })*
    };
}

parameter_sets! {
    ml_dsa_44: MlDsa::MlDsa44, "ml-dsa-44", signed "622181fe852be610dde03338af129767b2d11a543472236626cee6e8db3ce37e";
    ml_dsa_65: MlDsa::MlDsa65, "ml-dsa-65", signed "358c9690f01e0500731ca60456b0b902808a4c3b185251baf10d292cae93c8a6";
    ml_dsa_87: MlDsa::MlDsa87, "ml-dsa-87", signed "b49dfe8f67c37508e3f6b18535cc26ad887765027bd93efe87e5c9b565dfc8e1";
    slh_dsa_sha2_128f: SlhDsa::Sha2_128f, "slh-dsa-sha2-128f", signed "e6569ca5cc327d5bcbbdb1c072d4f3b6f3971570f72048791f2e21cbaea0778a";
    slh_dsa_sha2_192f: SlhDsa::Sha2_192f, "slh-dsa-sha2-192f", signed "79a5d7fa6859d7ddfd06272516e4ecc8b3efe6f1e3ceb726f08df356d2dc4a70";
    slh_dsa_sha2_256f: SlhDsa::Sha2_256f, "slh-dsa-sha2-256f", signed "6c1da6e8c411412b023ab5647f5660d37840dee5661b93c85bc30d951a4638b7";
    slh_dsa_shake_128f: SlhDsa::Shake128f, "slh-dsa-shake-128f", signed "f9449237a3dd3de3a0ee6e577ac63972d4de12a7a24e66e8e6f132324461f6f3";
    slh_dsa_shake_192f: SlhDsa::Shake192f, "slh-dsa-shake-192f", signed "c75879ccae24418e333af9be81a761d9ba41374d6138bd77ac9aedda078c5779";
    slh_dsa_shake_256f: SlhDsa::Shake256f, "slh-dsa-shake-256f", signed "c168c3eaa367a6ea60f7df30edfcaaa2f9fa68d407d8d6b0bf9ac700adeb8516";
}

parameter_sets! {
    slh_dsa_sha2_128s: SlhDsa::Sha2_128s, "slh-dsa-sha2-128s", recorded;
    slh_dsa_sha2_192s: SlhDsa::Sha2_192s, "slh-dsa-sha2-192s", recorded;
    slh_dsa_sha2_256s: SlhDsa::Sha2_256s, "slh-dsa-sha2-256s", recorded;
    slh_dsa_shake_128s: SlhDsa::Shake128s, "slh-dsa-shake-128s", recorded;
    slh_dsa_shake_192s: SlhDsa::Shake192s, "slh-dsa-shake-192s", recorded;
    slh_dsa_shake_256s: SlhDsa::Shake256s, "slh-dsa-shake-256s", recorded;
}

#[test]
fn c8_the_ml_dsa_signatures_of_openssl_verify() {
    for (set, spki, signature) in [
        (MlDsa::MlDsa44, file!("ml-dsa-44", ".spki.der"), file!("ml-dsa-44", ".sig")),
        (MlDsa::MlDsa65, file!("ml-dsa-65", ".spki.der"), file!("ml-dsa-65", ".sig")),
        (MlDsa::MlDsa87, file!("ml-dsa-87", ".spki.der"), file!("ml-dsa-87", ".sig")),
    ] {
        let algorithm = SignatureAlgorithm::MlDsa(set);
        assert_eq!(algorithm.verify(spki, MESSAGE, signature), Ok(()), "{set:?}");
        for at in (0..signature.len()).step_by(13) {
            let mut changed = signature.to_vec();
            changed[at] ^= 0x10;
            assert!(algorithm.verify(spki, MESSAGE, &changed).is_err(), "{set:?}, octet {at}");
        }
    }
}

#[test]
fn a_key_of_another_parameter_set_or_kind_is_a_mismatch() {
    let signature = file!("slh-dsa-sha2-128s", ".sig");
    let [sha2, shake] = [SlhDsa::Sha2_128s, SlhDsa::Shake128s].map(SignatureAlgorithm::SlhDsa);
    let ml_dsa = SignatureAlgorithm::MlDsa(MlDsa::MlDsa65);
    // The keys and signatures of the first two have the same lengths.
    for (algorithm, spki) in [
        (shake, file!("slh-dsa-sha2-128s", ".spki.der")),
        (sha2, file!("slh-dsa-shake-128s", ".spki.der")),
        (ml_dsa, file!("ml-dsa-44", ".spki.der")),
        (ml_dsa, VECTORS[3].spki),
        (VECTORS[3].algorithm, file!("ml-dsa-65", ".spki.der")),
    ] {
        let error = algorithm.verify(spki, MESSAGE, signature).unwrap_err();
        assert_eq!(error, SignatureInvalid::KeyMismatch { algorithm });
    }
}

#[test]
fn every_parameter_set_has_a_test() {
    let tested = include_str!("post_quantum.rs");
    for algorithm in SignatureAlgorithm::ALL.into_iter().filter(|algorithm| algorithm.is_post_quantum()) {
        let test = algorithm.name().to_lowercase().replace('-', "_");
        assert!(tested.contains(&format!("    {test}: ")), "{test}");
    }
}
