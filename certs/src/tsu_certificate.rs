//! The certificate of a TSU: parsed strictly, and with every rule that RFC 3161 §2.3 and the verifiers in use make of it.
//!
//! One type for both sides: the authority checks its own certificate with it at start, the verifier the one that a token
//! names. What it does not do: build a chain, look at the clock, or compare the key with anything.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::ID_KP_TIME_STAMPING;
use der::{Decode as _, Encode as _};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_cert::Certificate;
use x509_cert::certificate::{TbsCertificate, Version};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, PrivateKeyUsagePeriod, SubjectAltName,
};
use x509_cert::name::Name;

use crate::OrganizationNames;
use crate::utc::Utc;

/// Most octets of a certificate: `rustls-webpki` parses no more either, and post-quantum ones have about 10 000.
pub const MAX_CERTIFICATE_OCTETS: usize = 65_535;

/// A certificate that may sign timestamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TsuCertificate {
    der: CertificateDer<'static>,
    spki_der: Vec<u8>,
    issuer_der: Vec<u8>,
    subject_der: Vec<u8>,
    subject: String,
    issuer: String,
    serial: Vec<u8>,
    names_der: Vec<Vec<u8>>,
    not_before: UnixTime,
    not_after: UnixTime,
    private_key_usage_not_before: Option<UnixTime>,
    private_key_usage_not_after: Option<UnixTime>,
}

/// The rule that a certificate breaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TsuCertificateInvalid {
    /// Too many octets to look at.
    #[error("the certificate has {found} octets and at most {MAX_CERTIFICATE_OCTETS} are read")]
    TooLarge {
        /// Octets of the certificate.
        found: usize,
    },
    /// Not a certificate (RFC 5280 §4.1).
    #[error("the certificate cannot be parsed")]
    Malformed {
        /// What the parser says.
        #[source]
        source: der::Error,
    },
    /// A certificate, but not in DER: something is encoded in another than the one permitted way (X.690 §10).
    #[error("the certificate is not DER: encoding it anew gives other octets")]
    NotDer,
    /// Not version 3 (RFC 5280 §4.1.2.1).
    #[error("the certificate is of X.509 version {found}, not 3")]
    NotVersion3 {
        /// The version as people count it.
        found: u8,
    },
    /// An extension that occurs twice (RFC 5280 §4.2).
    #[error("the certificate has the extension {oid} more than once")]
    DuplicateExtension {
        /// The extension.
        oid: ObjectIdentifier,
    },
    /// No extended key usage (RFC 3161 §2.3).
    #[error("the certificate has no extended key usage; it must have timeStamping")]
    NoExtendedKeyUsage,
    /// Extended key usage that is not critical (RFC 3161 §2.3).
    #[error("the certificate's extended key usage is not critical")]
    ExtendedKeyUsageNotCritical,
    /// Extended key usage without timeStamping, or with more than it (RFC 3161 §2.3).
    #[error(
        "the certificate's extended key usage is {}; it must be timeStamping and nothing else",
        list(found)
    )]
    ExtendedKeyUsageNotOnlyTimeStamping {
        /// The purposes found.
        found: Vec<ObjectIdentifier>,
    },
    /// A certificate of an authority.
    #[error("the certificate is that of a CA; a CA's key must not sign timestamps")]
    IsAuthority,
    /// Key usage with anything but digitalSignature and nonRepudiation.
    #[error("the certificate's key usage must be digitalSignature, nonRepudiation or both, and nothing else")]
    KeyUsage,
    /// A validity, or a private key usage period, that ends before it begins.
    #[error("the certificate's {} ends at {} and begins at {}", period.name(), Utc(*not_after), Utc(*not_before))]
    PeriodEndsBeforeItBegins {
        /// Which of the two.
        period: Period,
        /// Its begin.
        not_before: UnixTime,
        /// Its end.
        not_after: UnixTime,
    },
}

/// The two periods of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// The validity (RFC 5280 §4.1.2.5).
    Validity,
    /// The private key usage period (RFC 3280 §4.2.1.4).
    PrivateKeyUsage,
}

impl Period {
    const fn name(self) -> &'static str {
        match self {
            Self::Validity => "validity",
            Self::PrivateKeyUsage => "private key usage period",
        }
    }
}

impl TsuCertificate {
    /// Parses a certificate and checks every rule of a TSU's.
    ///
    /// # Errors
    /// [`TsuCertificateInvalid`] names the first rule that the certificate breaks.
    pub fn parse(der: &[u8]) -> Result<Self, TsuCertificateInvalid> {
        if der.len() > MAX_CERTIFICATE_OCTETS {
            return Err(TsuCertificateInvalid::TooLarge { found: der.len() });
        }
        let certificate =
            Certificate::from_der(der).map_err(|source| TsuCertificateInvalid::Malformed { source })?;
        if certificate.to_der().map_err(|source| TsuCertificateInvalid::Malformed { source })? != der {
            return Err(TsuCertificateInvalid::NotDer);
        }
        let tbs = certificate.tbs_certificate();
        check_version(tbs)?;
        check_extensions_once(tbs)?;
        check_extended_key_usage(tbs)?;
        check_not_authority(tbs)?;
        check_key_usage(tbs)?;
        Self::from_checked(der, tbs)
    }

    fn from_checked(der: &[u8], tbs: &TbsCertificate) -> Result<Self, TsuCertificateInvalid> {
        let malformed = |source| TsuCertificateInvalid::Malformed { source };
        let not_before = UnixTime::since_unix_epoch(tbs.validity().not_before.to_unix_duration());
        let not_after = UnixTime::since_unix_epoch(tbs.validity().not_after.to_unix_duration());
        if not_after < not_before {
            let period = Period::Validity;
            return Err(TsuCertificateInvalid::PeriodEndsBeforeItBegins { period, not_before, not_after });
        }
        let (key_usage_begin, key_usage_end) = private_key_usage(tbs)?;
        Ok(Self {
            der: CertificateDer::from(der.to_vec()),
            spki_der: tbs.subject_public_key_info().to_der().map_err(malformed)?,
            issuer_der: tbs.issuer().to_der().map_err(malformed)?,
            subject_der: tbs.subject().to_der().map_err(malformed)?,
            subject: tbs.subject().to_string(),
            issuer: tbs.issuer().to_string(),
            serial: tbs.serial_number().as_bytes().to_vec(),
            names_der: names(tbs).map_err(malformed)?,
            not_before,
            not_after,
            private_key_usage_not_before: key_usage_begin,
            private_key_usage_not_after: key_usage_end,
        })
    }

    /// The whole certificate.
    #[must_use]
    pub const fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// The issuer's `Name` in DER.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// The subject's `Name` in DER.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        &self.subject_der
    }

    /// The subject as RFC 4514 writes it, for people.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer as RFC 4514 writes it, for people.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number: the content octets of its INTEGER.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The organisation that the subject names, where it can be read.
    #[must_use]
    pub fn organization(&self) -> OrganizationNames {
        let name = Name::from_der(self.subject_der()).ok();
        name.and_then(|name| OrganizationNames::of(&name).ok()).unwrap_or_default()
    }

    /// First instant of the validity.
    #[must_use]
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// Last instant of the validity.
    #[must_use]
    pub const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// First instant at which the private key may sign, where the certificate says.
    #[must_use]
    pub const fn private_key_usage_not_before(&self) -> Option<UnixTime> {
        self.private_key_usage_not_before
    }

    /// Last instant at which the private key may sign, where the certificate says.
    #[must_use]
    pub const fn private_key_usage_not_after(&self) -> Option<UnixTime> {
        self.private_key_usage_not_after
    }

    /// Whether the subject or one of the alternative names is this `GeneralName` in DER, octet for octet: what the
    /// `tsa` field of a token must hold (RFC 3161 §2.4.2).
    #[must_use]
    pub fn has_name(&self, general_name_der: &[u8]) -> bool {
        self.names_der.iter().any(|name| name == general_name_der)
    }
}

fn check_version(tbs: &TbsCertificate) -> Result<(), TsuCertificateInvalid> {
    match tbs.version() {
        Version::V1 => Err(TsuCertificateInvalid::NotVersion3 { found: 1 }),
        Version::V2 => Err(TsuCertificateInvalid::NotVersion3 { found: 2 }),
        Version::V3 => Ok(()),
    }
}

fn check_extensions_once(tbs: &TbsCertificate) -> Result<(), TsuCertificateInvalid> {
    let mut seen: Vec<ObjectIdentifier> = Vec::new();
    for extension in tbs.extensions().into_iter().flatten() {
        if seen.contains(&extension.extn_id) {
            return Err(TsuCertificateInvalid::DuplicateExtension { oid: extension.extn_id });
        }
        seen.push(extension.extn_id);
    }
    Ok(())
}

fn check_extended_key_usage(tbs: &TbsCertificate) -> Result<(), TsuCertificateInvalid> {
    let extension = tbs
        .get_extension::<ExtendedKeyUsage>()
        .map_err(|source| TsuCertificateInvalid::Malformed { source })?;
    match extension {
        None => Err(TsuCertificateInvalid::NoExtendedKeyUsage),
        Some((_, ExtendedKeyUsage(found))) if found.as_slice() != [ID_KP_TIME_STAMPING] => {
            Err(TsuCertificateInvalid::ExtendedKeyUsageNotOnlyTimeStamping { found })
        }
        Some((false, _)) => Err(TsuCertificateInvalid::ExtendedKeyUsageNotCritical),
        Some((true, _)) => Ok(()),
    }
}

fn check_not_authority(tbs: &TbsCertificate) -> Result<(), TsuCertificateInvalid> {
    let constraints = tbs
        .get_extension::<BasicConstraints>()
        .map_err(|source| TsuCertificateInvalid::Malformed { source })?;
    match constraints {
        Some((_, constraints)) if constraints.ca => Err(TsuCertificateInvalid::IsAuthority),
        Some(_) | None => Ok(()),
    }
}

fn check_key_usage(tbs: &TbsCertificate) -> Result<(), TsuCertificateInvalid> {
    let usage =
        tbs.get_extension::<KeyUsage>().map_err(|source| TsuCertificateInvalid::Malformed { source })?;
    let Some((_, KeyUsage(found))) = usage else { return Ok(()) };
    let permitted = KeyUsages::DigitalSignature | KeyUsages::NonRepudiation;
    if found.is_empty() || !permitted.contains(found) { Err(TsuCertificateInvalid::KeyUsage) } else { Ok(()) }
}

type Limits = (Option<UnixTime>, Option<UnixTime>);

fn private_key_usage(tbs: &TbsCertificate) -> Result<Limits, TsuCertificateInvalid> {
    let period = tbs
        .get_extension::<PrivateKeyUsagePeriod>()
        .map_err(|source| TsuCertificateInvalid::Malformed { source })?;
    let Some((_, period)) = period else { return Ok((None, None)) };
    let begin = period.not_before.map(|time| UnixTime::since_unix_epoch(time.to_unix_duration()));
    let end = period.not_after.map(|time| UnixTime::since_unix_epoch(time.to_unix_duration()));
    match (begin, end) {
        (Some(not_before), Some(not_after)) if not_after < not_before => {
            let period = Period::PrivateKeyUsage;
            Err(TsuCertificateInvalid::PeriodEndsBeforeItBegins { period, not_before, not_after })
        }
        limits => Ok(limits),
    }
}

/// The subject as a directoryName, then the alternative names, each a `GeneralName` in DER.
fn names(tbs: &TbsCertificate) -> der::Result<Vec<Vec<u8>>> {
    let mut names = vec![GeneralName::DirectoryName(tbs.subject().clone()).to_der()?];
    if let Some((_, SubjectAltName(alternatives))) = tbs.get_extension::<SubjectAltName>()? {
        for name in alternatives {
            names.push(name.to_der()?);
        }
    }
    Ok(names)
}

fn list(purposes: &[ObjectIdentifier]) -> String {
    if purposes.is_empty() {
        return "empty".to_owned();
    }
    purposes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
