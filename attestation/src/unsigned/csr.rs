//! A device's certificate request (PKCS#10, RFC 2986), for an organisation's own CA.
//!
//! It asks for the extensions that a device certificate must have; the CA has to copy them, that with the token's names
//! above all (`openssl x509 -req -copy_extensions copy`). Reading requests is not here.

use attestamp_certs::{CertificateSigningRequestDer, SignatureAlgorithm, Subject};
use attestamp_strict_der::{element, tag};

use super::body::signed;
use super::{AttachError, UnsignedInvalid, extensions, readable_platform, signing_key};
use crate::claims::Platform;

/// `version` 0.
const VERSION_1: [u8; 3] = hex_literal::hex!("020100");
/// extensionRequest, 1.2.840.113549.1.9.14 (RFC 2985 §5.4.2), with tag and length.
const EXTENSION_REQUEST: [u8; 11] = hex_literal::hex!("0609 2a864886f70d01090e");

/// What a device's certificate request says.
#[derive(Debug, Clone, Copy)]
pub struct DeviceCsrParameters<'a> {
    /// Subject asked for.
    pub subject: &'a Subject,
    /// The device's public key.
    pub spki_der: &'a [u8],
    /// How the device's key signs the request.
    pub signature_algorithm: SignatureAlgorithm,
    /// The token.
    pub platform: &'a Platform,
}

/// A device's certificate request without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedCsr {
    to_be_signed: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl UnsignedCsr {
    /// A device's request: critical basicConstraints CA TRUE with pathlen 1, critical keyUsage keyCertSign, and the
    /// token's names.
    ///
    /// # Errors
    /// The public key does not read or cannot sign with this algorithm, or the token's names are too long.
    pub fn device(parameters: DeviceCsrParameters<'_>) -> Result<Self, UnsignedInvalid> {
        let DeviceCsrParameters { subject, spki_der, signature_algorithm, platform } = parameters;
        signing_key(spki_der, signature_algorithm)?;
        readable_platform(platform)?;
        let wanted = [
            extensions::certificate_authority(Some(super::DEVICE_PATH_LENGTH)),
            extensions::key_usage(&extensions::KEY_CERT_SIGN),
            extensions::device_platform(platform),
        ];
        let values = element(tag::SET, &[&element(tag::SEQUENCE, &[&wanted.concat()])]);
        let attribute = element(tag::SEQUENCE, &[&EXTENSION_REQUEST, &values]);
        let attributes = element(tag::CONTEXT_0, &[&attribute]);
        let to_be_signed = element(tag::SEQUENCE, &[&VERSION_1, subject.der(), spki_der, &attributes]);
        Ok(Self { to_be_signed, algorithm: signature_algorithm })
    }

    /// The exact octets to sign: the DER CertificationRequestInfo.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// How the device's key must sign them.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Finishes the request. The signature's worth is the caller's to verify, with the key in the request.
    ///
    /// # Errors
    /// An empty signature.
    pub fn attach(self, signature: &[u8]) -> Result<CertificateSigningRequestDer<'static>, AttachError> {
        signed(&self.to_be_signed, self.algorithm, signature).map(CertificateSigningRequestDer::from)
    }
}
