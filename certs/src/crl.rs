//! Certificate revocation lists (RFC 5280 §5): built unsigned, and read back so that the next one continues the last.
//!
//! A CRL of ours is full and direct: every certificate that its CA revoked, no deltas, no other issuers. Whether its
//! signature is right and whether a certificate is on it is the business of `chain.rs`.
//!
//! The reason matters more for a TSU than elsewhere. RFC 3161 §4: with unspecified, affiliationChanged, superseded or
//! cessationOfOperation the tokens from before the revocation stay valid; without a reason, or with any other, all tokens
//! of the key are lost. So `unspecified` is written where it is given, although RFC 5280 §5.3.1 advises to leave it out.

use der::{Decode, Encode};
use rustls_pki_types::{CertificateRevocationListDer, UnixTime};
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::pkix::CrlNumber;
pub use x509_cert::ext::pkix::CrlReason as RevocationReason;

use crate::unsigned::{AttachError, Unsigned};
use crate::validity::{from_x509_time, to_x509_time};
use crate::{CertificateSerial, Issuer, SerialInvalid, SignatureAlgorithm, extensions};

/// What a CRL says.
#[derive(Debug, Clone, Copy)]
pub struct CrlParameters<'a> {
    /// The CA.
    pub issuer: &'a Issuer,
    /// How the CA's key signs.
    pub signature_algorithm: SignatureAlgorithm,
    /// When the list was made.
    pub this_update: UnixTime,
    /// By when the next one is out.
    pub next_update: UnixTime,
    /// cRLNumber: larger than that of every earlier list of this CA.
    pub number: u64,
    /// Every certificate that the CA revoked, in any order.
    pub revoked: &'a [RevokedCertificate],
}

/// A revoked certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Its serial number.
    pub serial: CertificateSerial,
    /// Since when.
    pub revoked_at: UnixTime,
    /// Why; see the head of this file for what the reason does to a TSU's tokens.
    pub reason: Option<RevocationReason>,
}

/// A CRL without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedCrl(Unsigned);

impl UnsignedCrl {
    /// A version 2 CRL with authorityKeyIdentifier and cRLNumber.
    ///
    /// # Errors
    /// Times in the wrong order, a serial number listed twice, or `removeFromCRL`, which a full list cannot have.
    pub fn build(parameters: CrlParameters<'_>) -> Result<Self, CrlInvalid> {
        if parameters.next_update <= parameters.this_update {
            return Err(CrlInvalid::UpdatesOutOfOrder {
                this_update_unix_seconds: parameters.this_update.as_secs(),
                next_update_unix_seconds: parameters.next_update.as_secs(),
            });
        }
        let mut revoked: Vec<_> = parameters.revoked.iter().collect();
        revoked.sort_by(|left, right| left.serial.cmp(&right.serial));
        if let Some([twice, _]) = revoked.array_windows().find(|[left, right]| left.serial == right.serial) {
            return Err(CrlInvalid::ListedTwice { serial: twice.serial.clone() });
        }
        let entries = revoked.into_iter().map(encode_entry).collect::<Result<Vec<_>, _>>()?;
        let list: TbsCertList = TbsCertList {
            version: Version::V2,
            signature: Decode::from_der(parameters.signature_algorithm.algorithm_identifier_der())?,
            issuer: parameters.issuer.name().clone(),
            this_update: to_x509_time(parameters.this_update)?,
            next_update: Some(to_x509_time(parameters.next_update)?),
            revoked_certificates: Some(entries).filter(|entries| !entries.is_empty()),
            crl_extensions: Some(vec![
                extensions::authority_key_identifier(parameters.issuer.key_identifier())?,
                extensions::crl_number(parameters.number)?,
            ]),
        };
        Ok(Self(Unsigned::new(list.to_der()?, parameters.signature_algorithm)))
    }

    /// The exact octets to sign: the DER TBSCertList.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        self.0.to_be_signed()
    }

    /// How the CA's key must sign them.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }

    /// Finishes the CRL. The signature's worth is the caller's to verify, with the CA's key.
    ///
    /// # Errors
    /// An empty signature, or a result that does not read back as the same CRL.
    pub fn attach(self, signature: &[u8]) -> Result<CertificateRevocationListDer<'static>, AttachError> {
        self.0.attach::<CertificateList>(signature).map(CertificateRevocationListDer::from)
    }
}

/// The content of a CRL, read without checking its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    issuer_der: Vec<u8>,
    this_update: UnixTime,
    next_update: UnixTime,
    number: u64,
    revoked: Vec<RevokedCertificate>,
}

impl Crl {
    /// Reads a CRL of the form that [`UnsignedCrl::build`] makes.
    ///
    /// # Errors
    /// It is not DER, or has no nextUpdate or no cRLNumber of up to 64 bits.
    pub fn parse(der: &[u8]) -> Result<Self, CrlInvalid> {
        let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der)?.tbs_cert_list;
        let next_update = list.next_update.ok_or(CrlInvalid::NextUpdateMissing)?;
        Ok(Self {
            issuer_der: list.issuer.to_der()?,
            this_update: from_x509_time(list.this_update),
            next_update: from_x509_time(next_update),
            number: number(&list)?,
            revoked: list
                .revoked_certificates
                .iter()
                .flatten()
                .map(decode_entry)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The `Name` of the CA in DER.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// When the list was made.
    #[must_use]
    pub const fn this_update(&self) -> UnixTime {
        self.this_update
    }

    /// By when the next one is out.
    #[must_use]
    pub const fn next_update(&self) -> UnixTime {
        self.next_update
    }

    /// Its cRLNumber.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The revoked certificates, to be carried over into the next list.
    #[must_use]
    pub fn revoked(&self) -> &[RevokedCertificate] {
        &self.revoked
    }
}

/// Why a CRL cannot be built or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlInvalid {
    /// nextUpdate is not after thisUpdate.
    #[error("a CRL made at {this_update_unix_seconds} cannot expire at {next_update_unix_seconds}")]
    UpdatesOutOfOrder {
        /// thisUpdate, in seconds since 1970.
        this_update_unix_seconds: u64,
        /// nextUpdate, in seconds since 1970.
        next_update_unix_seconds: u64,
    },
    /// One certificate is revoked twice.
    #[error("certificate {serial} is listed twice")]
    ListedTwice {
        /// Its serial number.
        serial: CertificateSerial,
    },
    /// removeFromCRL belongs into delta CRLs (RFC 5280 §5.3.1).
    #[error("certificate {serial} cannot be revoked for the reason removeFromCRL")]
    RemoveFromCrl {
        /// Its serial number.
        serial: CertificateSerial,
    },
    /// A CRL without nextUpdate (RFC 5280 §5.1.2.5 demands one).
    #[error("the CRL has no nextUpdate")]
    NextUpdateMissing,
    /// A CRL without cRLNumber (RFC 5280 §5.2.3 demands one).
    #[error("the CRL has no cRLNumber")]
    NumberMissing,
    /// A cRLNumber that is not ours.
    #[error("the CRL's number has {found} octets, {allowed} are allowed")]
    NumberTooLong {
        /// Octets of the number.
        found: usize,
        /// Octets of ours.
        allowed: usize,
    },
    /// An entry's serial number is none.
    #[error("the CRL lists an impossible serial number")]
    Serial {
        /// What is wrong with it.
        #[from]
        source: SerialInvalid,
    },
    /// The codec refused.
    #[error("the CRL does not encode or decode")]
    Malformed {
        /// Its reason.
        #[from]
        source: der::Error,
    },
}

fn encode_entry(certificate: &RevokedCertificate) -> Result<RevokedCert, CrlInvalid> {
    if certificate.reason == Some(RevocationReason::RemoveFromCRL) {
        return Err(CrlInvalid::RemoveFromCrl { serial: certificate.serial.clone() });
    }
    let reason = certificate.reason.map(|reason| extensions::encode(false, &reason)).transpose()?;
    Ok(RevokedCert {
        serial_number: certificate.serial.to_x509()?,
        revocation_date: to_x509_time(certificate.revoked_at)?,
        crl_entry_extensions: reason.map(|reason| vec![reason]),
    })
}

fn decode_entry(entry: &RevokedCert) -> Result<RevokedCertificate, CrlInvalid> {
    let reason = find::<RevocationReason>(entry.crl_entry_extensions.as_deref())?;
    Ok(RevokedCertificate {
        serial: CertificateSerial::from_content_octets(entry.serial_number.as_bytes())?,
        revoked_at: from_x509_time(entry.revocation_date),
        reason,
    })
}

fn number(list: &TbsCertList) -> Result<u64, CrlInvalid> {
    let number = find::<CrlNumber>(list.crl_extensions.as_deref())?.ok_or(CrlInvalid::NumberMissing)?;
    let octets = number.0.as_bytes();
    let allowed = size_of::<u64>();
    if octets.len() > allowed {
        return Err(CrlInvalid::NumberTooLong { found: octets.len(), allowed });
    }
    Ok(octets.iter().fold(0, |number, octet| (number << 8) | u64::from(*octet)))
}

fn find<'a, T>(extensions: Option<&'a [x509_cert::ext::Extension]>) -> der::Result<Option<T>>
where
    T: Decode<'a, Error = der::Error> + const_oid::AssociatedOid,
{
    let found = extensions.unwrap_or_default().iter().find(|extension| extension.extn_id == T::OID);
    found.map(|extension| T::from_der(extension.extn_value.as_bytes())).transpose()
}

#[cfg(test)]
mod tests;
