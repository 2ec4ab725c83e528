//! Signatures that `openssl dgst -sign` and `openssl pkeyutl -sign` made over [`MESSAGE`], and what must not verify.

mod post_quantum;

use super::*;

const MESSAGE: &[u8] = b"a message to sign";

struct Vector {
    algorithm: SignatureAlgorithm,
    spki: &'static [u8],
    signature: &'static [u8],
}

macro_rules! vector {
    ($algorithm:ident, $spki:literal, $signature:literal) => {
        Vector {
            algorithm: SignatureAlgorithm::$algorithm,
            spki: include_bytes!(concat!("vectors/", $spki)),
            signature: include_bytes!(concat!("vectors/", $signature)),
        }
    };
}

const VECTORS: [Vector; 6] = [
    vector!(RsaPkcs1Sha256, "rsa-2048.spki.der", "rsa-2048-sha256.sig"),
    vector!(RsaPkcs1Sha384, "rsa-2048.spki.der", "rsa-2048-sha384.sig"),
    vector!(RsaPkcs1Sha512, "rsa-2048.spki.der", "rsa-2048-sha512.sig"),
    vector!(EcdsaP256Sha256, "p256.spki.der", "p256.sig"),
    vector!(EcdsaP384Sha384, "p384.spki.der", "p384.sig"),
    vector!(Ed25519, "ed25519.spki.der", "ed25519.sig"),
];

#[test]
fn signatures_of_openssl_verify() {
    let classical = SignatureAlgorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_post_quantum());
    assert!(classical.eq(VECTORS.iter().map(|vector| vector.algorithm)));
    for Vector { algorithm, spki, signature } in VECTORS {
        assert_eq!(algorithm.verify(spki, MESSAGE, signature), Ok(()), "{algorithm:?}");
    }
}

#[test]
fn another_message_does_not_verify() {
    for Vector { algorithm, spki, signature } in VECTORS {
        let error = algorithm.verify(spki, b"a message to sing", signature).unwrap_err();
        assert_eq!(error, SignatureInvalid::DoesNotVerify { algorithm });
    }
}

#[test]
fn no_flipped_octet_of_a_signature_verifies() {
    for Vector { algorithm, spki, signature } in VECTORS {
        for at in 0..signature.len() {
            let mut changed = signature.to_vec();
            changed[at] ^= 1;
            assert!(algorithm.verify(spki, MESSAGE, &changed).is_err(), "{algorithm:?}, octet {at}");
        }
    }
}

#[test]
fn shortened_and_lengthened_signatures_do_not_verify() {
    for Vector { algorithm, spki, signature } in VECTORS {
        let (_, shortened) = signature.split_last().unwrap();
        let lengthened = [signature, &[0]].concat();
        let front = [&[0], signature].concat();
        for changed in [shortened, &lengthened, &front, &[]] {
            assert!(algorithm.verify(spki, MESSAGE, changed).is_err(), "{algorithm:?}");
        }
    }
}

#[test]
fn a_key_of_another_kind_is_a_mismatch() {
    let [rsa, _, _, p256, p384, ed25519] = VECTORS;
    for (used, key) in [(&rsa, &p256), (&p256, &p384), (&p384, &p256), (&ed25519, &rsa), (&p256, &ed25519)] {
        let error = used.algorithm.verify(key.spki, MESSAGE, used.signature).unwrap_err();
        assert_eq!(error, SignatureInvalid::KeyMismatch { algorithm: used.algorithm });
    }
}

#[test]
fn short_rsa_keys_are_refused_though_they_verify() {
    let error = SignatureAlgorithm::RsaPkcs1Sha256
        .verify(
            include_bytes!("vectors/rsa-1024.spki.der"),
            MESSAGE,
            include_bytes!("vectors/rsa-1024-sha256.sig"),
        )
        .unwrap_err();
    assert_eq!(error, SignatureInvalid::KeySize { found: 1024 });
    assert!(error.to_string().contains("1024 bits; from 2048 to 8192"), "{error}");
}

#[test]
fn broken_keys_are_malformed() {
    for Vector { algorithm, spki, signature } in VECTORS {
        let (_, cut) = spki.split_last().unwrap();
        assert_eq!(algorithm.verify(cut, MESSAGE, signature), Err(SignatureInvalid::MalformedKey));
        assert_eq!(algorithm.verify(&[], MESSAGE, signature), Err(SignatureInvalid::MalformedKey));
    }
}

#[test]
fn modulus_bits_count_from_the_highest_set_bit() {
    assert_eq!(modulus_bits(&[0x80]), 8);
    assert_eq!(modulus_bits(&[0x01, 0xff]), 9);
    assert_eq!(modulus_bits(&[]), 0);
}
