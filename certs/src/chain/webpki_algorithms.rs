//! The table of [`SignatureAlgorithm`] as `rustls-webpki` wants it: one verifier a row, RustCrypto beneath.

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

use crate::SignatureAlgorithm;

const ROWS: usize = SignatureAlgorithm::ALL.len();

/// Octets of the tag and length of an `AlgorithmIdentifier`, which webpki's do not have. All of the table are short.
const HEADER_OCTETS: usize = 2;

/// One row.
#[derive(Debug)]
pub(super) struct WebpkiAlgorithm(SignatureAlgorithm);

impl WebpkiAlgorithm {
    pub(super) fn all() -> [Self; ROWS] {
        SignatureAlgorithm::ALL.map(Self)
    }

    pub(super) fn as_dyn(rows: &[Self; ROWS]) -> [&dyn SignatureVerificationAlgorithm; ROWS] {
        rows.each_ref().map(|row| -> &dyn SignatureVerificationAlgorithm { row })
    }
}

impl SignatureVerificationAlgorithm for WebpkiAlgorithm {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.0.verify_with_key_bits(public_key, message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        without_header(self.0.key_algorithm_identifier_der())
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        without_header(self.0.algorithm_identifier_der())
    }
}

fn without_header(der: &'static [u8]) -> AlgorithmIdentifier {
    AlgorithmIdentifier::from_slice(der.get(HEADER_OCTETS..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::alg_id;

    #[test]
    fn the_identifiers_are_webpkis_own() {
        let [rsa256, rsa384, rsa512, p256, p384, ed25519, ml_dsa_44, ml_dsa_65, ml_dsa_87, ..] =
            WebpkiAlgorithm::all();
        assert_eq!(rsa256.signature_alg_id(), alg_id::RSA_PKCS1_SHA256);
        assert_eq!(rsa384.signature_alg_id(), alg_id::RSA_PKCS1_SHA384);
        assert_eq!(rsa512.signature_alg_id(), alg_id::RSA_PKCS1_SHA512);
        assert_eq!(rsa256.public_key_alg_id(), alg_id::RSA_ENCRYPTION);
        assert_eq!(p256.signature_alg_id(), alg_id::ECDSA_SHA256);
        assert_eq!(p256.public_key_alg_id(), alg_id::ECDSA_P256);
        assert_eq!(p384.signature_alg_id(), alg_id::ECDSA_SHA384);
        assert_eq!(p384.public_key_alg_id(), alg_id::ECDSA_P384);
        assert_eq!(ed25519.signature_alg_id(), alg_id::ED25519);
        assert_eq!(ed25519.public_key_alg_id(), alg_id::ED25519);
        assert_eq!(ml_dsa_44.signature_alg_id(), alg_id::ML_DSA_44);
        assert_eq!(ml_dsa_65.public_key_alg_id(), alg_id::ML_DSA_65);
        assert_eq!(ml_dsa_87.signature_alg_id(), alg_id::ML_DSA_87);
    }
}
