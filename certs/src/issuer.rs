//! A CA's certificate, read for what issuing under it needs: its name, its key, its validity and what it may sign.
//!
//! It trusts the certificate: it is one of ours or the operator's. Whether a chain holds is checked in `chain.rs`.

use const_oid::AssociatedOid;
use const_oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_TIME_STAMPING};
use der::{Decode, Encode};
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::ext::pkix::name::DirectoryString;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier};
use x509_cert::name::Name;

use crate::validity::{Validity, ValidityInvalid, from_x509_time};

/// A CA as issuer of certificates and CRLs.
#[derive(Debug, Clone)]
pub struct Issuer {
    name: Name,
    name_der: Vec<u8>,
    spki_der: Vec<u8>,
    key_identifier: Vec<u8>,
    validity: Validity,
    path_length: Option<u8>,
    for_timestamping: bool,
}

impl Issuer {
    /// Reads a CA certificate.
    ///
    /// # Errors
    /// It is not DER, not a CA's (basicConstraints CA TRUE, keyUsage keyCertSign and cRLSign), or has no
    /// subjectKeyIdentifier, which RFC 5280 §4.2.1.2 demands of every CA.
    pub fn from_certificate(certificate: &CertificateDer<'_>) -> Result<Self, IssuerInvalid> {
        let decoded = Certificate::from_der(certificate)?;
        let tbs = decoded.tbs_certificate();
        let constraints: BasicConstraints = extension(&decoded, IssuerExtension::BasicConstraints)?;
        if !constraints.ca {
            return Err(IssuerInvalid::NotCa);
        }
        let key_usage: KeyUsage = extension(&decoded, IssuerExtension::KeyUsage)?;
        if !key_usage.key_cert_sign() || !key_usage.crl_sign() {
            return Err(IssuerInvalid::KeyUsage {
                key_cert_sign: key_usage.key_cert_sign(),
                crl_sign: key_usage.crl_sign(),
            });
        }
        let identifier: SubjectKeyIdentifier = extension(&decoded, IssuerExtension::SubjectKeyIdentifier)?;
        let purposes = tbs.get_extension::<ExtendedKeyUsage>()?;
        let is_timestamping = |oid: &_| *oid == ID_KP_TIME_STAMPING || *oid == ANY_EXTENDED_KEY_USAGE;
        Ok(Self {
            name: tbs.subject().clone(),
            name_der: tbs.subject().to_der()?,
            spki_der: tbs.subject_public_key_info().to_der()?,
            key_identifier: identifier.0.as_bytes().to_vec(),
            validity: Validity::new(
                from_x509_time(tbs.validity().not_before),
                from_x509_time(tbs.validity().not_after),
            )?,
            path_length: constraints.path_len_constraint,
            for_timestamping: purposes.is_none_or(|(_, usage)| usage.0.iter().any(is_timestamping)),
        })
    }

    /// The CA's `Name` in DER: the issuer field of what it signs.
    #[must_use]
    pub fn name_der(&self) -> &[u8] {
        &self.name_der
    }

    /// The CA's SubjectPublicKeyInfo in DER, to verify what it signed.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// The validity of the CA's certificate.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// The organisation that the CA's name has, to be taken over into what it issues.
    ///
    /// # Errors
    /// [`IssuerInvalid::Malformed`] if the name has a country or organisation that is no text.
    pub fn organization(&self) -> Result<OrganizationNames, IssuerInvalid> {
        Ok(OrganizationNames::of(&self.name)?)
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    pub(crate) fn key_identifier(&self) -> &[u8] {
        &self.key_identifier
    }

    /// Whether pathLenConstraint allows a CA below this one.
    pub(crate) fn may_issue_to_ca(&self) -> bool {
        self.path_length.is_none_or(|length| length > 0)
    }

    /// Whether the CA's extendedKeyUsage, if any, lets time-stamping certificates be below it.
    pub(crate) fn may_issue_for_timestamping(&self) -> bool {
        self.for_timestamping
    }
}

/// What a name says of the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrganizationNames {
    /// countryName.
    pub country: Option<String>,
    /// organizationName.
    pub organization: Option<String>,
    /// organizationIdentifier.
    pub organization_identifier: Option<String>,
}

impl OrganizationNames {
    /// Reads them from a DER `Name`.
    ///
    /// # Errors
    /// It is no `Name`, or has a country or organisation that is no text.
    pub fn from_name_der(name_der: &[u8]) -> Result<Self, IssuerInvalid> {
        Ok(Self::of(&Name::from_der(name_der)?)?)
    }

    pub(crate) fn of(name: &Name) -> der::Result<Self> {
        let identifier = name.by_oid::<DirectoryString>(crate::subject::ORGANIZATION_IDENTIFIER)?;
        Ok(Self {
            country: name.country()?.map(|text| text.as_str().to_owned()),
            organization: name.organization()?.map(|text| text.value().into_owned()),
            organization_identifier: identifier.map(|text| text.value().into_owned()),
        })
    }
}

/// An extension that an issuing CA's certificate must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerExtension {
    /// RFC 5280 §4.2.1.9.
    BasicConstraints,
    /// RFC 5280 §4.2.1.3.
    KeyUsage,
    /// RFC 5280 §4.2.1.2.
    SubjectKeyIdentifier,
}

impl std::fmt::Display for IssuerExtension {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::BasicConstraints => "basicConstraints",
            Self::KeyUsage => "keyUsage",
            Self::SubjectKeyIdentifier => "subjectKeyIdentifier",
        })
    }
}

/// Why a certificate is no issuer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssuerInvalid {
    /// It, or one of its extensions, is not DER.
    #[error("the CA certificate does not decode")]
    Malformed {
        /// The codec's reason.
        #[from]
        source: der::Error,
    },
    /// Its validity ends before it begins.
    #[error("the CA certificate's validity is no period")]
    Validity {
        /// What is wrong with it.
        #[from]
        source: ValidityInvalid,
    },
    /// An extension is missing.
    #[error("the CA certificate has no {extension} extension")]
    ExtensionMissing {
        /// Which one.
        extension: IssuerExtension,
    },
    /// basicConstraints says CA FALSE.
    #[error("the certificate is not a CA's: its basicConstraints say CA FALSE")]
    NotCa,
    /// The key may not sign both certificates and CRLs.
    #[error(
        "the CA certificate's keyUsage has keyCertSign {key_cert_sign} and cRLSign {crl_sign}, both are needed"
    )]
    KeyUsage {
        /// Whether keyCertSign is set.
        key_cert_sign: bool,
        /// Whether cRLSign is set.
        crl_sign: bool,
    },
}

fn extension<'a, T>(certificate: &'a Certificate, extension: IssuerExtension) -> Result<T, IssuerInvalid>
where
    T: Decode<'a, Error = der::Error> + AssociatedOid,
{
    let found = certificate.tbs_certificate().get_extension::<T>()?;
    found.map(|(_critical, value)| value).ok_or(IssuerInvalid::ExtensionMissing { extension })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_keys::{TestKey, hierarchy};
    use hex_literal::hex;

    /// The time-stamping CA's certificate with `from` replaced by `to`; nothing here looks at the signature.
    fn altered(from: &[u8], to: &[u8]) -> Result<Issuer, IssuerInvalid> {
        let key = TestKey::p256(7);
        let mut der = hierarchy(&key, &key, &key, None).intermediate.to_vec();
        let start = der.windows(from.len()).position(|window| window == from).unwrap();
        der[start..start + from.len()].copy_from_slice(to);
        Issuer::from_certificate(&CertificateDer::from(der))
    }

    #[test]
    fn a_timestamping_ca_issues_to_tsus_only() {
        let issuer = altered(&[0x30], &[0x30]).unwrap();
        assert!(issuer.may_issue_for_timestamping());
        assert!(!issuer.may_issue_to_ca());
    }

    #[test]
    fn a_ca_for_other_purposes_does_not_issue_for_timestamping() {
        let server_auth = altered(&hex!("2b06010505070308"), &hex!("2b06010505070301")).unwrap();
        assert!(!server_auth.may_issue_for_timestamping());
        let other_extension = altered(&hex!("551d25"), &hex!("551d70")).unwrap();
        assert!(other_extension.may_issue_for_timestamping(), "no extendedKeyUsage, no limit");
    }

    #[test]
    fn an_issuer_signs_certificates_and_crls() {
        let certificates_only = altered(&hex!("0404 03020106"), &hex!("0404 03020204"));
        let error = IssuerInvalid::KeyUsage { key_cert_sign: true, crl_sign: false };
        assert_eq!(certificates_only.unwrap_err(), error);
    }

    #[test]
    fn an_issuer_has_a_key_identifier() {
        let extension = IssuerExtension::SubjectKeyIdentifier;
        let error = IssuerInvalid::ExtensionMissing { extension };
        assert_eq!(altered(&hex!("551d0e"), &hex!("551d70")).unwrap_err(), error);
    }
}
