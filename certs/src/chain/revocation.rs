//! Revocation lists (RFC 5280 §5), and what a revocation means for a timestamp.
//!
//! A timestamp is verified for an instant in the past with a list of today, so that webpki's rule ("on the list means
//! revoked") is too coarse. The rules here:
//!
//! - RFC 3161 §4 (1): a certificate revoked as unspecified, affiliationChanged, superseded or cessationOfOperation leaves
//!   what was signed before the revocation date valid. With any other reason (the key may be in other hands), or with
//!   none given, everything it ever signed is invalid.
//! - A list counts for every certificate of its issuer, whatever distribution point it names: a serial number on it is
//!   revoked. Of an issuer's lists at least one must be signed by the key on the path; the others are passed over. Delta lists and indirect lists are refused when parsed.
//! - A list that ended (`nextUpdate`) before the instant says nothing about it. Where an issuer's lists all ended before,
//!   the chain is refused: revocation was to be checked and could not be. A list that began after the instant is good,
//!   since revocations stay listed until the certificate expires; whether a list is the latest is for its giver to know.
//! - A certificate whose issuer no list names passes.

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ID_CE_AUTHORITY_KEY_IDENTIFIER, ID_CE_CRL_NUMBER, ID_CE_DELTA_CRL_INDICATOR,
    ID_CE_ISSUING_DISTRIBUTION_POINT,
};
use der::asn1::BitStringRef;
use der::{Decode as _, Encode as _, Header, Reader as _, SliceReader};
use rustls_pki_types::UnixTime;
use x509_cert::crl::{RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::crl::{CrlReason, IssuingDistributionPoint};

use super::{ChainError, ChainRole};
use crate::{SignatureAlgorithm, SignatureAlgorithmRefused};

const ID_CE_CRL_REASONS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const ID_CE_INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");

/// Why a certificate was revoked (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the names of the RFC")]
pub enum RevocationReason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    CertificateHold,
    RemoveFromCrl,
    PrivilegeWithdrawn,
    AaCompromise,
}

impl RevocationReason {
    /// The name in RFC 5280.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::RemoveFromCrl => "removeFromCRL",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    /// Whether what was signed before the revocation date stays valid (RFC 3161 §4 (1)).
    #[must_use]
    pub const fn leaves_earlier_signatures_valid(self) -> bool {
        match self {
            Self::Unspecified | Self::AffiliationChanged | Self::Superseded | Self::CessationOfOperation => {
                true
            }
            Self::KeyCompromise
            | Self::CaCompromise
            | Self::CertificateHold
            | Self::RemoveFromCrl
            | Self::PrivilegeWithdrawn
            | Self::AaCompromise => false,
        }
    }
}

impl From<CrlReason> for RevocationReason {
    fn from(reason: CrlReason) -> Self {
        match reason {
            CrlReason::Unspecified => Self::Unspecified,
            CrlReason::KeyCompromise => Self::KeyCompromise,
            CrlReason::CaCompromise => Self::CaCompromise,
            CrlReason::AffiliationChanged => Self::AffiliationChanged,
            CrlReason::Superseded => Self::Superseded,
            CrlReason::CessationOfOperation => Self::CessationOfOperation,
            CrlReason::CertificateHold => Self::CertificateHold,
            CrlReason::RemoveFromCRL => Self::RemoveFromCrl,
            CrlReason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
            CrlReason::AaCompromise => Self::AaCompromise,
        }
    }
}

/// A revocation list, parsed; its signature is verified when a path gives its issuer.
#[derive(Debug, Clone)]
pub struct RevocationList {
    tbs_der: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
    issuer_der: Vec<u8>,
    next_update: UnixTime,
    // By the content octets of the serial number.
    revoked: BTreeMap<Vec<u8>, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    revoked_at: UnixTime,
    reason: Option<RevocationReason>,
}

/// Why a revocation list cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationListInvalid {
    /// Not a `CertificateList` of version 2.
    #[error("the revocation list is malformed")]
    Malformed {
        /// What the parser says.
        #[source]
        source: der::Error,
    },
    /// Signed with an algorithm that is not accepted.
    #[error("the revocation list is signed with an algorithm that is not accepted")]
    UnsupportedAlgorithm {
        /// Why.
        #[source]
        source: SignatureAlgorithmRefused,
    },
    /// The signed part names another algorithm than the list does around it (RFC 5280 §5.1.1.2).
    #[error("the revocation list names two different signature algorithms")]
    AlgorithmsDiffer,
    /// Without `nextUpdate`, which RFC 5280 §5.1.2.5 demands.
    #[error("the revocation list has no nextUpdate, so that nothing tells how long it holds")]
    NoNextUpdate,
    /// A delta list, which is only half of an answer.
    #[error("the revocation list is a delta list; the complete one is needed")]
    Delta,
    /// A list with certificates of other issuers.
    #[error("the revocation list is an indirect one, which is not supported")]
    Indirect,
    /// A critical extension that nobody here knows.
    #[error("the revocation list has the unknown critical extension {oid}")]
    UnknownCriticalExtension {
        /// The extension.
        oid: ObjectIdentifier,
    },
}

impl RevocationList {
    /// Parses a `CertificateList` in DER.
    ///
    /// # Errors
    /// [`RevocationListInvalid`] where it is malformed, or of a kind that could be misread.
    pub fn parse(der: &[u8]) -> Result<Self, RevocationListInvalid> {
        let malformed = |source| RevocationListInvalid::Malformed { source };
        let (tbs_der, algorithm_der, signature) = split(der).map_err(malformed)?;
        let algorithm = SignatureAlgorithm::from_algorithm_identifier_der(algorithm_der)
            .map_err(|source| RevocationListInvalid::UnsupportedAlgorithm { source })?;
        let list: TbsCertList = TbsCertList::from_der(tbs_der).map_err(malformed)?;
        if list.signature.to_der().map_err(malformed)? != algorithm_der {
            return Err(RevocationListInvalid::AlgorithmsDiffer);
        }
        check_extensions(list.crl_extensions.as_deref().unwrap_or_default())?;
        let next_update = list.next_update.ok_or(RevocationListInvalid::NoNextUpdate)?;
        let mut revoked = BTreeMap::new();
        for certificate in list.revoked_certificates.unwrap_or_default() {
            revoked.insert(certificate.serial_number.as_bytes().to_vec(), Entry::read(&certificate)?);
        }
        Ok(Self {
            tbs_der: tbs_der.to_vec(),
            algorithm,
            signature: signature.to_vec(),
            issuer_der: list.issuer.to_der().map_err(malformed)?,
            next_update: UnixTime::since_unix_epoch(next_update.to_unix_duration()),
            revoked,
        })
    }

    /// The issuer's `Name` in DER.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }

    /// The end of the time that the list speaks for.
    #[must_use]
    pub const fn next_update(&self) -> UnixTime {
        self.next_update
    }

    /// How many certificates are on the list.
    #[must_use]
    pub fn revoked_count(&self) -> usize {
        self.revoked.len()
    }
}

impl Entry {
    fn read(certificate: &RevokedCert) -> Result<Self, RevocationListInvalid> {
        let mut reason = None;
        for extension in certificate.crl_entry_extensions.iter().flatten() {
            match extension.extn_id {
                ID_CE_CRL_REASONS => {
                    let found = CrlReason::from_der(extension.extn_value.as_bytes())
                        .map_err(|source| RevocationListInvalid::Malformed { source })?;
                    reason = Some(RevocationReason::from(found));
                }
                ID_CE_INVALIDITY_DATE => {}
                // Among them certificateIssuer, which is critical: only indirect lists have it.
                oid if extension.critical => {
                    return Err(RevocationListInvalid::UnknownCriticalExtension { oid });
                }
                _ => {}
            }
        }
        let revoked_at = UnixTime::since_unix_epoch(certificate.revocation_date.to_unix_duration());
        Ok(Self { revoked_at, reason })
    }

    /// Whether the revocation makes a signature of `at` invalid.
    fn counts_at(&self, at: UnixTime) -> bool {
        let earlier_stay_valid = self.reason.is_some_and(RevocationReason::leaves_earlier_signatures_valid);
        !earlier_stay_valid || at >= self.revoked_at
    }
}

/// What is signed, the algorithm identifier and the signature, of a list or a certificate (RFC 5280 §4.1.1, §5.1.1).
pub(super) fn split(der: &[u8]) -> der::Result<(&[u8], &[u8], &[u8])> {
    let mut reader = SliceReader::new(der)?;
    let parts = reader.sequence(|reader| {
        let tbs = reader.tlv_bytes()?;
        let algorithm = reader.tlv_bytes()?;
        let signature = BitStringRef::decode(reader)?;
        let octets = signature.as_bytes().ok_or_else(|| reader.error(der::ErrorKind::Failed))?;
        Ok::<_, der::Error>((tbs, algorithm, octets))
    })?;
    reader.finish()?;
    Header::peek(&SliceReader::new(parts.0)?)?.tag().assert_eq(der::Tag::Sequence)?;
    Ok(parts)
}

fn check_extensions(extensions: &[Extension]) -> Result<(), RevocationListInvalid> {
    for extension in extensions {
        match extension.extn_id {
            ID_CE_DELTA_CRL_INDICATOR => return Err(RevocationListInvalid::Delta),
            ID_CE_ISSUING_DISTRIBUTION_POINT => {
                let point = IssuingDistributionPoint::from_der(extension.extn_value.as_bytes())
                    .map_err(|source| RevocationListInvalid::Malformed { source })?;
                if point.indirect_crl {
                    return Err(RevocationListInvalid::Indirect);
                }
            }
            ID_CE_AUTHORITY_KEY_IDENTIFIER | ID_CE_CRL_NUMBER => {}
            oid if extension.critical => return Err(RevocationListInvalid::UnknownCriticalExtension { oid }),
            _ => {}
        }
    }
    Ok(())
}

/// Who issued a certificate, and so its revocation lists.
pub(super) struct Issuer {
    pub(super) subject_der: Vec<u8>,
    pub(super) spki_der: Vec<u8>,
    pub(super) may_sign_lists: bool,
}

/// The certificate asked about.
pub(super) struct Subject<'a> {
    pub(super) role: ChainRole,
    pub(super) serial: &'a [u8],
}

/// Whether a list spoke for the certificate; an error where one revokes it, or where none that should could.
pub(super) fn check_revocation(
    subject: &Subject<'_>,
    issuer: &Issuer,
    crls: &[RevocationList],
    at: UnixTime,
) -> Result<bool, ChainError> {
    let role = subject.role;
    let mut latest_end: Option<UnixTime> = None;
    // A CA that changed its key signs lists in one name with two keys: some list must fit, not each.
    let mut not_signed: Option<ChainError> = None;
    for list in crls.iter().filter(|list| list.issuer_der == issuer.subject_der) {
        if let Err(source) = list.algorithm.verify(&issuer.spki_der, &list.tbs_der, &list.signature) {
            not_signed = Some(ChainError::RevocationListNotSigned { role, source });
            continue;
        }
        if !issuer.may_sign_lists {
            return Err(ChainError::MayNotSignRevocationLists { role });
        }
        if let Some(entry) = list.revoked.get(subject.serial).filter(|entry| entry.counts_at(at)) {
            let (revoked_at, reason) = (entry.revoked_at, entry.reason);
            return Err(ChainError::Revoked { role, revoked_at, reason });
        }
        latest_end = latest_end.max(Some(list.next_update));
    }
    match latest_end {
        None => not_signed.map_or(Ok(false), Err),
        Some(next_update) if next_update < at => {
            Err(ChainError::RevocationListTooOld { role, next_update, at })
        }
        Some(_) => Ok(true),
    }
}
