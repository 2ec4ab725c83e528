//! The certificate request of a TSU, for a CA that is not ours (PKCS#10, RFC 2986), built unsigned.
//!
//! It asks for the two extensions that a TSU cannot do without; the rest of the profile is that CA's. Reading requests is
//! not here: attestamp issues to its own keys, whose public half it has.

use der::asn1::SetOfVec;
use der::{Decode, Encode};
use rustls_pki_types::CertificateSigningRequestDer;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::attr::Attribute;
use x509_cert::request::{CertReq, CertReqInfo, ExtensionReq, Version};

use crate::unsigned::{AttachError, Unsigned};
use crate::{SignatureAlgorithm, Subject, extensions};

/// What a TSU's request says.
#[derive(Debug, Clone, Copy)]
pub struct CsrParameters<'a> {
    /// Subject asked for.
    pub subject: &'a Subject,
    /// The TSU's public key: a DER SubjectPublicKeyInfo of any algorithm.
    pub spki_der: &'a [u8],
    /// How the TSU's key signs the request.
    pub signature_algorithm: SignatureAlgorithm,
}

/// A certificate request without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedCsr(Unsigned);

impl UnsignedCsr {
    /// A TSU's request: critical keyUsage digitalSignature and critical extendedKeyUsage timeStamping in an
    /// extensionRequest attribute (RFC 2985 §5.4.2).
    ///
    /// # Errors
    /// The public key is not a SubjectPublicKeyInfo.
    pub fn tsu(parameters: CsrParameters<'_>) -> Result<Self, CsrInvalid> {
        let public_key = SubjectPublicKeyInfoOwned::from_der(parameters.spki_der)
            .map_err(|source| CsrInvalid::PublicKeyMalformed { source })?;
        let wanted =
            ExtensionReq(vec![extensions::key_usage_of_tsu()?, extensions::timestamping_only(true)?]);
        let info = CertReqInfo {
            version: Version::V1,
            subject: parameters.subject.name().clone(),
            public_key,
            attributes: SetOfVec::try_from(vec![Attribute::try_from(wanted)?])?,
        };
        Ok(Self(Unsigned::new(info.to_der()?, parameters.signature_algorithm)))
    }

    /// The exact octets to sign: the DER CertificationRequestInfo.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        self.0.to_be_signed()
    }

    /// How the TSU's key must sign them.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }

    /// Finishes the request. The signature's worth is the caller's to verify, with the key in the request.
    ///
    /// # Errors
    /// An empty signature, or a result that does not read back as the same request.
    pub fn attach(self, signature: &[u8]) -> Result<CertificateSigningRequestDer<'static>, AttachError> {
        self.0.attach::<CertReq>(signature).map(CertificateSigningRequestDer::from)
    }
}

/// Why a request cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CsrInvalid {
    /// The public key does not decode.
    #[error("the public key is not a DER SubjectPublicKeyInfo")]
    PublicKeyMalformed {
        /// The codec's reason.
        source: der::Error,
    },
    /// The encoder refused.
    #[error("the certificate request cannot be encoded")]
    Encoding {
        /// Its reason.
        #[from]
        source: der::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::{TestKey, subject};
    use crate::{MlDsa, SlhDsa};
    use x509_cert::ext::pkix::KeyUsage;

    #[test]
    fn c1_and_c5_requests_for_post_quantum_keys_have_no_parameters_and_ask_to_sign() {
        for key in [TestKey::ml_dsa(MlDsa::MlDsa65, 7), TestKey::slh_dsa(SlhDsa::Sha2_128f, 7)] {
            let unsigned = UnsignedCsr::tsu(CsrParameters {
                subject: &subject("Time-Stamping Unit 1"),
                spki_der: &key.spki_der,
                signature_algorithm: key.algorithm,
            })
            .unwrap();
            let signature = key.sign(unsigned.to_be_signed());
            let request = CertReq::from_der(&unsigned.attach(&signature).unwrap()).unwrap();
            for algorithm in [&request.algorithm, &request.info.public_key.algorithm] {
                assert_eq!(algorithm.parameters, None);
                assert_eq!(algorithm.to_der().unwrap(), key.algorithm.algorithm_identifier_der());
            }
            let tbs = request.info.to_der().unwrap();
            assert_eq!(key.algorithm.verify(&key.spki_der, &tbs, request.signature.raw_bytes()), Ok(()));

            let attribute = request.info.attributes.iter().next().unwrap();
            let wanted: ExtensionReq = attribute.values.get(0).unwrap().decode_as().unwrap();
            let usage = KeyUsage::from_der(wanted.0[0].extn_value.as_bytes()).unwrap();
            assert!(usage.digital_signature() && usage.0.bits().count_ones() == 1);
        }
    }
}
