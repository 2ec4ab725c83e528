//! Evidence that a device itself signed, and the adapters that verify it.
//!
//! What this project's own attestation certificates say rests on the host's word (D11). A device that signs statements of
//! its own about its keys says more: those statements are carried untouched, and verified here against the vendors' roots
//! that the auditor pinned. No vendor's root is built in: a pin that comes with the program is not the auditor's (D9).
//!
//! What evidence does not say: when it was made (devices without a clock give no time), and that the device's firmware
//! has no fault.
//!
//! # The next adapter
//! 1. An object identifier below `.4` of the project's arc in [`crate::oid`], and what the bytes are in its doc comment.
//! 2. A variant of [`EvidenceFormat`]; the compiler then asks for its identifier, name and verifier.
//! 3. A module `evidence/NAME.rs` with one function of the shape of [`EvidenceFormat::verify`]. It verifies everything
//!    that needs no root first, so that "no root is pinned" is said only of evidence in which nothing is wrong, and it
//!    translates the device's own terms into [`DeviceStatement`] and its [`DeviceShortcoming`]s: whatever the vendor
//!    may add to its terms later must come out as a shortcoming.
//! 4. How its PKCS#11 modules name the device in C_GetTokenInfo ([`EvidenceFormat::token_names`]), and where that is from:
//!    evidence of one maker's device says nothing of another's token.
//! 5. Vectors from a real device, with where they come from.

mod device_statement;
mod vendor_chain;
mod yubihsm2;

use std::fmt;

use attestamp_certs::pem::{PemInvalid, certificates_from_pem};
use attestamp_certs::{CertificateDer, UnixTime};
use attestamp_strict_der::Oid;

use crate::certificate::{Certificate, CertificateInvalid};

pub use device_statement::{DeviceCapability, DeviceShortcoming, DeviceStatement, KeyOrigin, TokenNames};
pub use vendor_chain::VendorChainInvalid;
pub use yubihsm2::YubiHsm2Invalid;

/// Most octets of evidence that are read: a chain of RSA certificates has a tenth of this.
pub const MAX_EVIDENCE_OCTETS: usize = 64 << 10;
/// Most certificates of a vendor's chain: attestation, device, two intermediates, root and one to spare.
pub const MAX_VENDOR_CHAIN: usize = 6;

/// Verifies what a device says of a key.
///
/// `format` is the content octets of an OBJECT IDENTIFIER, `spki_der` the attested key as a DER SubjectPublicKeyInfo,
/// `vendor_roots` the certificates that the auditor pinned (D9), `at` the auditor's time (D8). That the statement speaks
/// of `spki_der` has been verified when it is given; whether the device's word is enough is in its shortcomings.
///
/// # Errors
/// [`EvidenceError`]; ask [`EvidenceError::is_unjudgeable`] whether it is wrong or could not be judged.
pub fn verify_evidence(
    format: &[u8],
    evidence: &[u8],
    spki_der: &[u8],
    vendor_roots: &[CertificateDer<'_>],
    at: UnixTime,
) -> Result<DeviceStatement, EvidenceError> {
    let known = EvidenceFormat::from_oid(format)
        .ok_or_else(|| EvidenceError::UnknownFormat { format: format.to_vec() })?;
    known.verify(evidence, spki_der, vendor_roots, at)
}

/// The formats of evidence that can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceFormat {
    /// Attestation certificates of Yubico's YubiHSM 2.
    YubiHsm2,
}

impl EvidenceFormat {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::YubiHsm2];

    /// The format with this object identifier (content octets), if it is one of these.
    #[must_use]
    pub fn from_oid(content: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.oid() == content)
    }

    /// Content octets of the format's object identifier.
    #[must_use]
    pub const fn oid(self) -> &'static [u8] {
        match self {
            Self::YubiHsm2 => &crate::oid::YUBIHSM2_EVIDENCE,
        }
    }

    /// The device, in messages.
    #[must_use]
    pub const fn device(self) -> &'static str {
        match self {
            Self::YubiHsm2 => "YubiHSM 2",
        }
    }

    /// How a PKCS#11 module names such a device.
    #[must_use]
    pub const fn token_names(self) -> TokenNames {
        match self {
            Self::YubiHsm2 => yubihsm2::TOKEN_NAMES,
        }
    }

    /// As [`verify_evidence`].
    ///
    /// # Errors
    /// As [`verify_evidence`], without [`EvidenceError::UnknownFormat`].
    pub fn verify(
        self,
        evidence: &[u8],
        spki_der: &[u8],
        vendor_roots: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<DeviceStatement, EvidenceError> {
        match self {
            Self::YubiHsm2 => yubihsm2::verify(evidence, spki_der, vendor_roots, at),
        }
    }
}

/// Why evidence gave no statement.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// No adapter reads it.
    #[error("evidence of the format {} cannot be judged: this version knows no such format", Dotted(format))]
    UnknownFormat {
        /// Content octets of its object identifier.
        format: Vec<u8>,
    },
    /// The auditor pinned no vendor's root. Nothing else is wrong.
    #[error("the evidence cannot be judged without the root of the device's vendor: pin it")]
    NoRootPinned,
    /// A pinned root is no certificate.
    #[error("vendor root {position} cannot be read as a certificate")]
    RootInvalid {
        /// Which, from 1.
        position: usize,
        /// Why.
        #[source]
        source: CertificateInvalid,
    },
    /// Too long.
    #[error("the evidence has {found} octets, at most {MAX_EVIDENCE_OCTETS} are read")]
    TooLong {
        /// Octets given.
        found: usize,
    },
    /// Not text, where PEM must be.
    #[error("the evidence is not PEM")]
    NotText,
    /// Not PEM with certificates alone.
    #[error("the evidence is not PEM")]
    NotPem(#[source] PemInvalid),
    /// Too few or too many certificates.
    #[error("the evidence has {found} certificates, 2 to {MAX_VENDOR_CHAIN} make a chain")]
    ChainLength {
        /// How many.
        found: usize,
    },
    /// A certificate of it cannot be read.
    #[error("certificate {position} of the evidence cannot be read")]
    CertificateInvalid {
        /// Which, from 1.
        position: usize,
        /// Why.
        #[source]
        source: CertificateInvalid,
    },
    /// It speaks of another key.
    #[error("the evidence speaks of another key")]
    OtherKey,
    /// Its signatures do not lead to a pinned root.
    #[error("the evidence's chain does not hold")]
    Chain(#[source] VendorChainInvalid),
    /// It is signed, and does not say what a YubiHSM 2 says.
    #[error("the attestation is not one of a YubiHSM 2")]
    YubiHsm2(#[source] YubiHsm2Invalid),
}

impl EvidenceError {
    /// Whether nothing was found wrong, and the evidence could not be judged for want of an adapter, of a usable pin, or of
    /// a signature algorithm.
    #[must_use]
    pub const fn is_unjudgeable(&self) -> bool {
        match self {
            Self::UnknownFormat { .. } | Self::NoRootPinned | Self::RootInvalid { .. } => true,
            Self::CertificateInvalid { source, .. } => source.is_unjudgeable(),
            Self::TooLong { .. }
            | Self::NotText
            | Self::NotPem(_)
            | Self::ChainLength { .. }
            | Self::OtherKey
            | Self::Chain(_)
            | Self::YubiHsm2(_) => false,
        }
    }
}

/// An object identifier in dotted form, or in hexadecimal if it is none.
struct Dotted<'a>(&'a [u8]);

impl fmt::Display for Dotted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Oid::from_content(self.0, 0) {
            Ok(oid) => oid.fmt(out),
            Err(_) => self.0.iter().try_for_each(|octet| write!(out, "{octet:02x}")),
        }
    }
}

/// The certificates of evidence that is a chain in PEM.
fn chain_from_pem(evidence: &[u8]) -> Result<Vec<CertificateDer<'static>>, EvidenceError> {
    let found = evidence.len();
    if found > MAX_EVIDENCE_OCTETS {
        return Err(EvidenceError::TooLong { found });
    }
    let text = str::from_utf8(evidence).map_err(|_| EvidenceError::NotText)?;
    let certificates = certificates_from_pem(text).map_err(EvidenceError::NotPem)?;
    if (2..=MAX_VENDOR_CHAIN).contains(&certificates.len()) {
        Ok(certificates)
    } else {
        Err(EvidenceError::ChainLength { found: certificates.len() })
    }
}

fn parse_chain(certificates: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, EvidenceError> {
    let parse = |(index, der): (usize, &CertificateDer<'_>)| {
        Certificate::parse(der)
            .map_err(|source| EvidenceError::CertificateInvalid { position: index + 1, source })
    };
    certificates.iter().enumerate().map(parse).collect()
}

fn parse_roots(roots: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, EvidenceError> {
    let parse = |(index, der): (usize, &CertificateDer<'_>)| {
        Certificate::parse(der).map_err(|source| EvidenceError::RootInvalid { position: index + 1, source })
    };
    roots.iter().enumerate().map(parse).collect()
}
