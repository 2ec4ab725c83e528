//! The certificates of an attestation hierarchy, built unsigned.
//!
//! | | device root | device | attestation key | attestation |
//! |---|---|---|---|---|
//! | basicConstraints, critical | CA | CA, pathlen 1 | CA, pathlen 0 (D3) | absent: CA FALSE |
//! | keyUsage, critical | keyCertSign | keyCertSign | keyCertSign digitalSignature (D3) | digitalSignature |
//! | extKeyUsage, critical | | | | attestation only (D2) |
//! | ours, not critical | | the token's names | | the claims (D1) |
//! | SKI, AKI | SKI | both | both | both |
//!
//! That is what `openssl verify -x509_strict` asks for too. The attestation's subject public key is the attested key; its
//! extKeyUsage keeps it from passing as a TSU's certificate.
//!
//! Pure: serial numbers and times are arguments, the caller signs. Not here: whether the claims are true, and whether a
//! signature is right ([`Certificate::verify_signature`]).

mod body;
mod csr;
pub(crate) mod extensions;
mod invalid;
mod parameters;
#[cfg(test)]
mod tests;

use attestamp_certs::{CertificateDer, SignatureAlgorithm, Subject, Validity};

use crate::certificate::{Certificate, PublicKey};
use crate::claims::{Claims, Platform};
use crate::oid::ATTESTATION_ONLY;

pub(crate) use body::{Body, signed};
pub use csr::{DeviceCsrParameters, UnsignedCsr};
pub use invalid::{AttachError, UnsignedInvalid};
pub use parameters::{
    AttestationKeyParameters, AttestationParameters, DeviceParameters, DeviceRootParameters,
};

/// The pathLenConstraint of a device: an attestation key stands below it.
const DEVICE_PATH_LENGTH: u8 = 1;
/// The pathLenConstraint of an attestation key (D3).
const ATTESTATION_KEY_PATH_LENGTH: u8 = 0;

/// A certificate without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedCertificate {
    to_be_signed: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl UnsignedCertificate {
    /// A self-signed root.
    ///
    /// # Errors
    /// The public key does not read, or cannot sign with this algorithm.
    pub fn device_root(parameters: DeviceRootParameters<'_>) -> Result<Self, UnsignedInvalid> {
        let DeviceRootParameters { subject, spki_der, signature_algorithm, serial, validity } = parameters;
        let key = signing_key(spki_der, signature_algorithm)?;
        let extensions = [
            extensions::certificate_authority(None),
            extensions::key_usage(&extensions::KEY_CERT_SIGN),
            extensions::subject_key_identifier(&key.key_identifier()),
        ];
        let name_der = subject.der();
        Ok(Self::from_body(&Body {
            issuer_der: name_der,
            subject_der: name_der,
            spki_der,
            signature_algorithm,
            serial,
            validity,
            extensions: &extensions,
        }))
    }

    /// A device.
    ///
    /// # Errors
    /// The public key does not read, the token's names are too long, or the issuer may not issue this certificate.
    pub fn device(parameters: DeviceParameters<'_>) -> Result<Self, UnsignedInvalid> {
        let DeviceParameters { issuer, signature_algorithm, subject, spki_der, serial, validity, platform } =
            parameters;
        readable_platform(platform)?;
        let identifiers = Below { issuer, signature_algorithm, subject, spki_der, validity }
            .check(DEVICE_PATH_LENGTH + 1)?;
        let mut extensions = vec![
            extensions::certificate_authority(Some(DEVICE_PATH_LENGTH)),
            extensions::key_usage(&extensions::KEY_CERT_SIGN),
            extensions::device_platform(platform),
        ];
        extensions.extend(identifiers);
        Ok(Self::from_body(&Body {
            issuer_der: issuer.subject_der(),
            subject_der: subject.der(),
            spki_der,
            signature_algorithm,
            serial,
            validity,
            extensions: &extensions,
        }))
    }

    /// An attestation key.
    ///
    /// # Errors
    /// The public key does not read, or the issuer is no device or may not issue this certificate.
    pub fn attestation_key(parameters: AttestationKeyParameters<'_>) -> Result<Self, UnsignedInvalid> {
        let AttestationKeyParameters { issuer, signature_algorithm, subject, spki_der, serial, validity } =
            parameters;
        if issuer.platform().is_none() {
            return Err(UnsignedInvalid::IssuerNotDevice);
        }
        let identifiers = Below { issuer, signature_algorithm, subject, spki_der, validity }
            .check(ATTESTATION_KEY_PATH_LENGTH + 1)?;
        let mut extensions = vec![
            extensions::certificate_authority(Some(ATTESTATION_KEY_PATH_LENGTH)),
            extensions::key_usage(&extensions::KEY_CERT_SIGN_AND_DIGITAL_SIGNATURE),
        ];
        extensions.extend(identifiers);
        Ok(Self::from_body(&Body {
            issuer_der: issuer.subject_der(),
            subject_der: subject.der(),
            spki_der,
            signature_algorithm,
            serial,
            validity,
            extensions: &extensions,
        }))
    }

    /// An attested key.
    ///
    /// # Errors
    /// The public key does not read, the claims are beyond what [`Claims::from_der`] reads or of another time than the
    /// certificate, or the issuer is no attestation key or may not issue this certificate.
    pub fn attestation(parameters: AttestationParameters<'_>) -> Result<Self, UnsignedInvalid> {
        let AttestationParameters {
            issuer,
            signature_algorithm,
            subject,
            spki_der,
            serial,
            validity,
            claims,
        } = parameters;
        let identifiers = Below { issuer, signature_algorithm, subject, spki_der, validity }.check(0)?;
        let constraints = issuer.basic_constraints();
        let path_length = constraints.and_then(|constraints| constraints.path_length);
        let may_sign = issuer.key_usage().is_some_and(|usage| usage.digital_signature());
        if path_length != Some(ATTESTATION_KEY_PATH_LENGTH) || !may_sign {
            return Err(UnsignedInvalid::IssuerNotAttestationKey);
        }
        if !(validity.not_before()..=validity.not_after()).contains(&claims.attested_at) {
            return Err(UnsignedInvalid::AttestedOutsideValidity {
                attested_at_unix_seconds: claims.attested_at.as_secs(),
                not_before_unix_seconds: validity.not_before().as_secs(),
                not_after_unix_seconds: validity.not_after().as_secs(),
            });
        }
        let mut extensions = vec![
            extensions::key_usage(&extensions::DIGITAL_SIGNATURE),
            extensions::only_for(&ATTESTATION_ONLY),
            extensions::key_attestation(&readable_claims(claims)?),
        ];
        extensions.extend(identifiers);
        Ok(Self::from_body(&Body {
            issuer_der: issuer.subject_der(),
            subject_der: subject.der(),
            spki_der,
            signature_algorithm,
            serial,
            validity,
            extensions: &extensions,
        }))
    }

    fn from_body(body: &Body<'_>) -> Self {
        Self { to_be_signed: body.encode(), algorithm: body.signature_algorithm }
    }

    /// The exact octets to sign: the DER TBSCertificate.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// How the issuer's key must sign them.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Finishes the certificate. The signature's worth is the caller's to verify, with the issuer's key.
    ///
    /// # Errors
    /// An empty signature, or a result that [`Certificate::parse`] does not read.
    pub fn attach(self, signature: &[u8]) -> Result<CertificateDer<'static>, AttachError> {
        let der = signed(&self.to_be_signed, self.algorithm, signature)?;
        Certificate::parse(&der).map_err(|source| AttachError::NotReadable { source })?;
        Ok(CertificateDer::from(der))
    }
}

/// What every certificate below the root has.
struct Below<'a> {
    issuer: &'a Certificate,
    signature_algorithm: SignatureAlgorithm,
    subject: &'a Subject,
    spki_der: &'a [u8],
    validity: Validity,
}

impl Below<'_> {
    /// Whether the issuer may issue it, with `cas_below_issuer` CAs between the issuer and an attestation; gives SKI and
    /// AKI.
    fn check(&self, cas_below_issuer: u8) -> Result<[Vec<u8>; 2], UnsignedInvalid> {
        let Self { issuer, signature_algorithm, subject, spki_der, validity } = self;
        let issuer_key = signing_key(issuer.spki_der(), *signature_algorithm)?;
        let key = read_key(spki_der)?;
        if key.is_same_key(&issuer_key) {
            return Err(UnsignedInvalid::KeyIsIssuers);
        }
        if subject.der() == issuer.subject_der() {
            return Err(UnsignedInvalid::SubjectIsIssuer);
        }
        let may_sign = issuer.key_usage().is_some_and(|usage| usage.key_cert_sign());
        let Some(constraints) = issuer.basic_constraints().filter(|it| it.is_ca && may_sign) else {
            return Err(UnsignedInvalid::IssuerNotAuthority);
        };
        if let Some(allowed) = constraints.path_length.filter(|allowed| *allowed < cas_below_issuer) {
            return Err(UnsignedInvalid::PathLengthExhausted { allowed, required: cas_below_issuer });
        }
        if validity.not_before() < issuer.validity().not_before() {
            return Err(UnsignedInvalid::PredatesIssuer {
                not_before_unix_seconds: validity.not_before().as_secs(),
                issuer_unix_seconds: issuer.validity().not_before().as_secs(),
            });
        }
        if validity.not_after() > issuer.validity().not_after() {
            return Err(UnsignedInvalid::OutlivesIssuer {
                not_after_unix_seconds: validity.not_after().as_secs(),
                issuer_unix_seconds: issuer.validity().not_after().as_secs(),
            });
        }
        let issuer_identifier = issuer.key_identifier().ok_or(UnsignedInvalid::IssuerKeyIdentifierMissing)?;
        Ok([
            extensions::subject_key_identifier(&key.key_identifier()),
            extensions::authority_key_identifier(issuer_identifier),
        ])
    }
}

fn read_key(spki_der: &[u8]) -> Result<PublicKey<'_>, UnsignedInvalid> {
    PublicKey::from_der(spki_der).map_err(|source| UnsignedInvalid::PublicKey { source })
}

/// A key that signs with `algorithm`.
fn signing_key(spki_der: &[u8], algorithm: SignatureAlgorithm) -> Result<PublicKey<'_>, UnsignedInvalid> {
    let key = read_key(spki_der)?;
    if key.algorithm_der == algorithm.key_algorithm_identifier_der() {
        Ok(key)
    } else {
        Err(UnsignedInvalid::SignatureAlgorithm { algorithm })
    }
}

/// The claims in DER, which must read back as they are.
fn readable_claims(claims: &Claims) -> Result<Vec<u8>, UnsignedInvalid> {
    let der = claims.to_der();
    let read = Claims::from_der(&der).map_err(|source| UnsignedInvalid::Claims { source })?;
    if read == *claims { Ok(der) } else { Err(UnsignedInvalid::ClaimsChanged) }
}

fn readable_platform(platform: &Platform) -> Result<(), UnsignedInvalid> {
    Platform::from_der(&platform.to_der()).map(drop).map_err(|source| UnsignedInvalid::Platform { source })
}
