//! What the caller says of a certificate; the rest of the profile is [`super`]'s.

use attestamp_certs::{CertificateSerial, SignatureAlgorithm, Subject, Validity};

use crate::certificate::Certificate;
use crate::claims::{Claims, Platform};

/// What a device root's certificate says.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRootParameters<'a> {
    /// Subject and issuer.
    pub subject: &'a Subject,
    /// The root's public key: a DER SubjectPublicKeyInfo.
    pub spki_der: &'a [u8],
    /// How the root's key signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// Serial number.
    pub serial: &'a CertificateSerial,
    /// Validity.
    pub validity: Validity,
}

/// What a device's certificate says.
#[derive(Debug, Clone, Copy)]
pub struct DeviceParameters<'a> {
    /// The device root, or another CA.
    pub issuer: &'a Certificate,
    /// How the issuer's key signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// Subject.
    pub subject: &'a Subject,
    /// The device's public key.
    pub spki_der: &'a [u8],
    /// Serial number.
    pub serial: &'a CertificateSerial,
    /// Validity, within the issuer's.
    pub validity: Validity,
    /// The token.
    pub platform: &'a Platform,
}

/// What an attestation key's certificate says (D3).
#[derive(Debug, Clone, Copy)]
pub struct AttestationKeyParameters<'a> {
    /// The device.
    pub issuer: &'a Certificate,
    /// How the device's key signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// Subject.
    pub subject: &'a Subject,
    /// The attestation key's public half.
    pub spki_der: &'a [u8],
    /// Serial number.
    pub serial: &'a CertificateSerial,
    /// Validity, within the issuer's.
    pub validity: Validity,
}

/// What an attestation certificate says (D1, D2).
#[derive(Debug, Clone, Copy)]
pub struct AttestationParameters<'a> {
    /// The attestation key's certificate.
    pub issuer: &'a Certificate,
    /// How the attestation key signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// Subject.
    pub subject: &'a Subject,
    /// The attested key's public half.
    pub spki_der: &'a [u8],
    /// Serial number.
    pub serial: &'a CertificateSerial,
    /// Validity, within the issuer's; the time of attestation lies in it.
    pub validity: Validity,
    /// The claims.
    pub claims: &'a Claims,
}
