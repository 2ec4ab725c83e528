//! The three certificates of a time-stamping hierarchy, built unsigned: root CA, time-stamping CA, TSU.
//!
//! | | root | time-stamping CA | TSU |
//! |---|---|---|---|
//! | basicConstraints, critical | CA | CA, pathlen 0 | absent: CA FALSE |
//! | keyUsage, critical | keyCertSign cRLSign | keyCertSign cRLSign | digitalSignature |
//! | extendedKeyUsage | | timeStamping | timeStamping alone, critical |
//! | privateKeyUsagePeriod | | | until |
//! | certificatePolicies | | anyPolicy | those given |
//! | SKI, AKI | SKI | both | both |
//! | CRL and caIssuers addresses | | where given | where given |
//!
//! **The TSU's certificate is the shorter one.** A token carries the leaf and the intermediate as a DER SET, sorted by
//! their octets, and some clients take the first for the signer's. Both begin `30 82` and their length, so the shorter
//! comes first. That is why basicConstraints, which may be absent (RFC 5280 §4.2.1.9), is, and one reason why the
//! intermediate has anyPolicy. With keys of one algorithm the TSU's is then 8 octets shorter, less what its common name
//! is longer than the root's, what its two addresses are longer, and what its policies need. A large TSU key under a
//! small CA key (RSA-3072 under P-256) cannot come out shorter: the root's signature would have to be large too.
//!
//! Pure: serial numbers and times are arguments, the caller signs. Not here: whether a serial number or a common name was
//! used before (the caller knows), and whether the signature is right ([`SignatureAlgorithm::verify`]).

use const_oid::ObjectIdentifier;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::Certificate;
use x509_cert::ext::Extension;

use self::tbs::Body;
use crate::unsigned::{AttachError, Unsigned};
use crate::{CertificateSerial, Issuer, PublicUrl, SignatureAlgorithm, Subject, Validity, extensions};

/// What a root CA's certificate says.
#[derive(Debug, Clone, Copy)]
pub struct RootParameters<'a> {
    /// Subject and issuer.
    pub subject: &'a Subject,
    /// The root's public key: a DER SubjectPublicKeyInfo of any algorithm.
    pub spki_der: &'a [u8],
    /// How the root's key signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// Serial number.
    pub serial: &'a CertificateSerial,
    /// Validity.
    pub validity: Validity,
}

/// What a time-stamping CA's certificate says.
#[derive(Debug, Clone, Copy)]
pub struct TimestampingCaParameters<'a> {
    /// The CA above, a root as a rule.
    pub issuer: &'a Issuer,
    /// How the issuer's key signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// Subject; not the issuer's.
    pub subject: &'a Subject,
    /// The new CA's public key: a DER SubjectPublicKeyInfo of any algorithm.
    pub spki_der: &'a [u8],
    /// Serial number.
    pub serial: &'a CertificateSerial,
    /// Validity, within the issuer's.
    pub validity: Validity,
    /// Where the issuer's CRL is published (cRLDistributionPoints).
    pub issuer_crl_url: Option<PublicUrl<'a>>,
    /// Where the issuer's certificate is published (authorityInfoAccess, caIssuers).
    pub issuer_certificate_url: Option<PublicUrl<'a>>,
}

/// What a TSU's certificate says.
#[derive(Debug, Clone, Copy)]
pub struct TsuParameters<'a> {
    /// The time-stamping CA.
    pub issuer: &'a Issuer,
    /// How the issuer's key signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// Subject; its common name is this TSU's alone (ETSI EN 319 422 §6.2).
    pub subject: &'a Subject,
    /// The TSU's public key: a DER SubjectPublicKeyInfo of any algorithm.
    pub spki_der: &'a [u8],
    /// Serial number.
    pub serial: &'a CertificateSerial,
    /// Validity, within the issuer's.
    pub validity: Validity,
    /// The last second in which the key signs: after the validity's begin, before its end (ETSI EN 319 421 7.6.7-02).
    pub private_key_usage_not_after: UnixTime,
    /// certificatePolicies; may be empty.
    pub policies: &'a [ObjectIdentifier],
    /// Where the issuer's CRL is published (cRLDistributionPoints).
    pub issuer_crl_url: Option<PublicUrl<'a>>,
    /// Where the issuer's certificate is published (authorityInfoAccess, caIssuers). Tokens carry that certificate, so it
    /// serves those who ask for tokens without certificates.
    pub issuer_certificate_url: Option<PublicUrl<'a>>,
}

/// A certificate without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedCertificate(Unsigned);

impl UnsignedCertificate {
    /// A self-signed root CA.
    ///
    /// # Errors
    /// The public key is not a SubjectPublicKeyInfo.
    pub fn root(parameters: RootParameters<'_>) -> Result<Self, CertificateInvalid> {
        let RootParameters { subject, spki_der, signature_algorithm, serial, validity } = parameters;
        let key_identifier = key_identifier(spki_der)?;
        let extensions = vec![
            extensions::certificate_authority(None)?,
            extensions::key_usage_of_ca()?,
            extensions::subject_key_identifier(&key_identifier)?,
        ];
        let issuer_der = subject.der();
        Body { issuer_der, subject, spki_der, signature_algorithm, serial, validity, extensions }
            .encode()
            .map(Self)
    }

    /// A CA below `issuer` that issues to TSUs and to nobody else.
    ///
    /// # Errors
    /// The public key is not a SubjectPublicKeyInfo, or the issuer may not issue this certificate.
    pub fn timestamping_ca(parameters: TimestampingCaParameters<'_>) -> Result<Self, CertificateInvalid> {
        let TimestampingCaParameters {
            issuer, signature_algorithm, subject, spki_der, serial, validity, ..
        } = parameters;
        check_issuer(issuer, subject, validity)?;
        if !issuer.may_issue_to_ca() {
            return Err(CertificateInvalid::PathLengthExhausted);
        }
        let mut extensions = vec![
            extensions::certificate_authority(Some(0))?,
            extensions::key_usage_of_ca()?,
            extensions::timestamping_only(false)?,
            extensions::any_policy()?,
            extensions::subject_key_identifier(&key_identifier(spki_der)?)?,
            extensions::authority_key_identifier(issuer.key_identifier())?,
        ];
        extensions.extend(publication(parameters.issuer_crl_url, parameters.issuer_certificate_url)?);
        let issuer_der = issuer.name_der();
        Body { issuer_der, subject, spki_der, signature_algorithm, serial, validity, extensions }
            .encode()
            .map(Self)
    }

    /// A time-stamping unit (RFC 3161 §2.3, ETSI EN 319 422 §6).
    ///
    /// # Errors
    /// The public key is not a SubjectPublicKeyInfo, the issuer may not issue this certificate, or the key's usage does
    /// not end within the validity.
    pub fn tsu(parameters: TsuParameters<'_>) -> Result<Self, CertificateInvalid> {
        let TsuParameters { issuer, signature_algorithm, subject, spki_der, serial, validity, .. } =
            parameters;
        check_issuer(issuer, subject, validity)?;
        let usage_end = parameters.private_key_usage_not_after;
        if usage_end <= validity.not_before() || usage_end >= validity.not_after() {
            return Err(CertificateInvalid::PrivateKeyUsage {
                usage_not_after_unix_seconds: usage_end.as_secs(),
                not_before_unix_seconds: validity.not_before().as_secs(),
                not_after_unix_seconds: validity.not_after().as_secs(),
            });
        }
        let mut extensions = vec![
            extensions::key_usage_of_tsu()?,
            extensions::timestamping_only(true)?,
            extensions::private_key_usage_until(usage_end)?,
        ];
        extensions.extend(extensions::policies(parameters.policies)?);
        extensions.push(extensions::subject_key_identifier(&key_identifier(spki_der)?)?);
        extensions.push(extensions::authority_key_identifier(issuer.key_identifier())?);
        extensions.extend(publication(parameters.issuer_crl_url, parameters.issuer_certificate_url)?);
        let issuer_der = issuer.name_der();
        Body { issuer_der, subject, spki_der, signature_algorithm, serial, validity, extensions }
            .encode()
            .map(Self)
    }

    /// The exact octets to sign: the DER TBSCertificate.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        self.0.to_be_signed()
    }

    /// How the issuer's key must sign them.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }

    /// Finishes the certificate. The signature's worth is the caller's to verify, with the issuer's key.
    ///
    /// # Errors
    /// An empty signature, or a result that does not read back as the same certificate.
    pub fn attach(self, signature: &[u8]) -> Result<CertificateDer<'static>, AttachError> {
        self.0.attach::<Certificate>(signature).map(CertificateDer::from)
    }
}

/// Why a certificate cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateInvalid {
    /// The public key does not decode.
    #[error("the public key is not a DER SubjectPublicKeyInfo")]
    PublicKeyMalformed {
        /// The codec's reason.
        source: der::Error,
    },
    /// Subject and issuer are one name: the certificate would look self-issued.
    #[error("the subject is the issuer's own name")]
    SubjectIsIssuer,
    /// The issuer's certificate begins later.
    #[error(
        "the certificate would begin at {not_before_unix_seconds}, its issuer's begins at {issuer_unix_seconds}"
    )]
    PredatesIssuer {
        /// Begin, in seconds since 1970.
        not_before_unix_seconds: u64,
        /// The issuer's begin.
        issuer_unix_seconds: u64,
    },
    /// The issuer's certificate ends earlier.
    #[error(
        "the certificate would end at {not_after_unix_seconds}, its issuer's ends at {issuer_unix_seconds}"
    )]
    OutlivesIssuer {
        /// End, in seconds since 1970.
        not_after_unix_seconds: u64,
        /// The issuer's end.
        issuer_unix_seconds: u64,
    },
    /// The issuer's pathLenConstraint is 0.
    #[error("the issuer's pathLenConstraint 0 allows no CA below it")]
    PathLengthExhausted,
    /// The issuer's extendedKeyUsage excludes time-stamping.
    #[error("the issuer's extendedKeyUsage does not allow time-stamping below it")]
    IssuerNotForTimestamping,
    /// The private key's usage does not end strictly within the validity.
    #[error(
        "the key's usage would end at {usage_not_after_unix_seconds}, which is not between the validity's begin at \
         {not_before_unix_seconds} and its end at {not_after_unix_seconds}"
    )]
    PrivateKeyUsage {
        /// Last second of the key's usage, in seconds since 1970.
        usage_not_after_unix_seconds: u64,
        /// Begin of the validity.
        not_before_unix_seconds: u64,
        /// End of the validity.
        not_after_unix_seconds: u64,
    },
    /// The encoder refused.
    #[error("the certificate cannot be encoded")]
    Encoding {
        /// Its reason.
        #[from]
        source: der::Error,
    },
}

fn key_identifier(spki_der: &[u8]) -> Result<Vec<u8>, CertificateInvalid> {
    extensions::key_identifier(spki_der).map_err(|source| CertificateInvalid::PublicKeyMalformed { source })
}

fn check_issuer(issuer: &Issuer, subject: &Subject, validity: Validity) -> Result<(), CertificateInvalid> {
    if subject.der() == issuer.name_der() {
        return Err(CertificateInvalid::SubjectIsIssuer);
    }
    if !issuer.may_issue_for_timestamping() {
        return Err(CertificateInvalid::IssuerNotForTimestamping);
    }
    if validity.not_before() < issuer.validity().not_before() {
        return Err(CertificateInvalid::PredatesIssuer {
            not_before_unix_seconds: validity.not_before().as_secs(),
            issuer_unix_seconds: issuer.validity().not_before().as_secs(),
        });
    }
    if validity.not_after() > issuer.validity().not_after() {
        return Err(CertificateInvalid::OutlivesIssuer {
            not_after_unix_seconds: validity.not_after().as_secs(),
            issuer_unix_seconds: issuer.validity().not_after().as_secs(),
        });
    }
    Ok(())
}

fn publication(
    crl: Option<PublicUrl<'_>>,
    certificate: Option<PublicUrl<'_>>,
) -> der::Result<Vec<Extension>> {
    let crl = crl.map(extensions::crl_distribution_point);
    let certificate = certificate.map(extensions::issuer_certificate_at);
    crl.into_iter().chain(certificate).collect()
}

mod tbs;
#[cfg(test)]
mod tests;
