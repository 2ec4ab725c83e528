//! Attestation certificates of Yubico's YubiHSM 2.
//!
//! # The evidence
//! PEM, in this order: the attestation certificate of the key (`yubihsm-shell -a sign-attestation-certificate`, with the
//! attesting key 0), the certificate of that device's own attestation key (`-a get-opaque`, object 0), and Yubico's
//! intermediate. Yubico's root may follow; it counts only where the auditor pinned it. Each certificate is signed by the
//! next, and there is no other.
//!
//! # What is known of them
//! From Yubico's "YubiHSM 2 User Guide", Core Concepts, Attestation, and "OID product arc", YubiHSM OIDs; the encodings
//! are those of real devices (see `yubihsm2/vectors/README.md`), because the documents name only the types. Below
//! 1.3.6.1.4.1.41482.4, none critical:
//!
//! | arc | what | type | form |
//! |---|---|---|---|
//! | .1 | firmware version | OCTET STRING | three octets: major, minor, patch |
//! | .2 | serial number of the device | INTEGER | |
//! | .3 | origin | BIT STRING | one octet: 0x01 generated, 0x02 imported, 0x10 imported wrapped, beside one of those |
//! | .4 | domains | BIT STRING | two octets, most significant first; domain 1 is the least significant bit |
//! | .5 | capabilities | BIT STRING | eight octets, most significant first; bit 0x00 is the least significant |
//! | .6 | object id | INTEGER | 0 to 0xffff |
//! | .9 | label | UTF8String | |
//! | .10, .12 | FIPS | INTEGER, BOOLEAN | not read |
//!
//! An attestation has .1 to .6 and .9; all are required here. The device's own certificate has .1 and .2 and must name
//! the same serial number: so an attestation counts only if the device's factory key signed it. A key that somebody else
//! put in its place (the device lets any key with `sign-attestation-certificate` attest) has no such certificate from
//! Yubico, and an attested key is no CA, so it cannot attest further.
//!
//! Where they leave RFC 5280: the device's certificate is a CA (critical basicConstraints, path length 0) without
//! keyUsage, and attestations have no key identifiers; both are accepted, as RFC 5280 §6.1 does (`openssl verify
//! -x509_strict` does not). Attestations copy the validity of the device's certificate, 2017 to 2071: the device has no
//! clock, and an attestation does not say when it was made.
//!
//! The device has no command that changes the capabilities of an asymmetric key (`yh_cmd` of `yubihsm.h`), so a key that
//! was generated without `exportable-under-wrap` could never leave it.

mod capability;
#[cfg(test)]
mod made;
#[cfg(test)]
mod tests;

use attestamp_certs::{CertificateDer, UnixTime};
use attestamp_strict_der::{Malformed, Reader, tag};

use super::vendor_chain::{Anchored, verify_chain};
use super::{
    DeviceCapability, DeviceShortcoming, DeviceStatement, EvidenceError, EvidenceFormat, KeyOrigin,
    TokenNames, chain_from_pem, parse_chain, parse_roots,
};
use crate::certificate::Certificate;

/// Yubico's PKCS#11 module (yubihsm-shell, `C_GetTokenInfo` in `pkcs11/yubihsm_pkcs11.c`) gives the manufacturer as `Yubico
/// (www.yubico.com)`, the model as `YubiHSM`, and the serial number in decimal with eight digits at least.
pub(super) const TOKEN_NAMES: TokenNames = TokenNames { manufacturer: "Yubico", model: "YubiHSM" };

/// Verifies one attestation; see [`super::verify_evidence`].
pub(super) fn verify(
    evidence: &[u8],
    spki_der: &[u8],
    vendor_roots: &[CertificateDer<'_>],
    at: UnixTime,
) -> Result<DeviceStatement, EvidenceError> {
    let certificates = chain_from_pem(evidence)?;
    let chain = parse_chain(&certificates)?;
    let [attestation, device, ..] = chain.as_slice() else {
        return Err(EvidenceError::ChainLength { found: chain.len() });
    };
    if attestation.spki_der() != spki_der {
        return Err(EvidenceError::OtherKey);
    }
    let statement = statement(attestation, device).map_err(EvidenceError::YubiHsm2)?;
    // A root that cannot be read must not hide that the evidence is wrong.
    let roots = parse_roots(vendor_roots);
    let pinned = roots.as_deref().unwrap_or_default();
    let anchored = verify_chain(&chain, pinned, at).map_err(EvidenceError::Chain)?;
    roots?;
    match anchored {
        Anchored::Yes => Ok(statement),
        Anchored::NothingPinned => Err(EvidenceError::NoRootPinned),
    }
}

/// An extension of Yubico's below 1.3.6.1.4.1.41482.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YubicoExtension {
    /// .1
    Firmware,
    /// .2
    SerialNumber,
    /// .3
    Origin,
    /// .4
    Domains,
    /// .5
    Capabilities,
    /// .6
    ObjectId,
    /// .9
    Label,
}

impl YubicoExtension {
    /// Its last arc.
    #[must_use]
    pub const fn arc(self) -> u8 {
        match self {
            Self::Firmware => 1,
            Self::SerialNumber => 2,
            Self::Origin => 3,
            Self::Domains => 4,
            Self::Capabilities => 5,
            Self::ObjectId => 6,
            Self::Label => 9,
        }
    }

    /// Content octets of its object identifier.
    const fn oid(self) -> [u8; 10] {
        let [a, b, c, d, e, f, g, h, i] = hex_literal::hex!("2b0601040182c40a04");
        [a, b, c, d, e, f, g, h, i, self.arc()]
    }
}

/// Why a certificate is not an attestation of a YubiHSM 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum YubiHsm2Invalid {
    /// The device states all of them.
    #[error("the extension 1.3.6.1.4.1.41482.4.{} is missing", extension.arc())]
    Missing {
        /// Which.
        extension: YubicoExtension,
    },
    /// An extension is not DER.
    #[error("the extension 1.3.6.1.4.1.41482.4.{} is malformed", extension.arc())]
    Malformed {
        /// Which.
        extension: YubicoExtension,
        /// Why.
        #[source]
        source: Malformed,
    },
    /// An extension has not the form that the device gives it.
    #[error("the extension 1.3.6.1.4.1.41482.4.{} does not have the documented form", extension.arc())]
    Form {
        /// Which.
        extension: YubicoExtension,
    },
    /// The issuer is not a device's certificate: it states no serial number.
    #[error("the attestation was issued by a certificate that names no YubiHSM 2")]
    IssuerNotDevice,
    /// The issuer is another device's certificate.
    #[error("the attestation names device {attested} and was issued by device {issuer}")]
    OtherDevice {
        /// Serial number in the attestation.
        attested: u64,
        /// Serial number in the issuer's certificate.
        issuer: u64,
    },
}

fn statement(attestation: &Certificate, device: &Certificate) -> Result<DeviceStatement, YubiHsm2Invalid> {
    let firmware = match octets(attestation, YubicoExtension::Firmware, tag::OCTET_STRING)? {
        [major, minor, patch] => format!("{major}.{minor}.{patch}"),
        _ => return Err(YubiHsm2Invalid::Form { extension: YubicoExtension::Firmware }),
    };
    let attested = number(attestation, YubicoExtension::SerialNumber)?;
    let issuer = match number(device, YubicoExtension::SerialNumber) {
        Err(YubiHsm2Invalid::Missing { .. }) => return Err(YubiHsm2Invalid::IssuerNotDevice),
        serial => serial?,
    };
    if attested != issuer {
        return Err(YubiHsm2Invalid::OtherDevice { attested, issuer });
    }
    let origin = match bits::<1>(attestation, YubicoExtension::Origin)? {
        [0x01] => KeyOrigin::Generated,
        [0x02] => KeyOrigin::Imported,
        [0x11] => KeyOrigin::ImportedWrapped { was_generated: true },
        [0x12] => KeyOrigin::ImportedWrapped { was_generated: false },
        [bits] => KeyOrigin::Unknown { bits },
    };
    let domains = u16::from_be_bytes(bits(attestation, YubicoExtension::Domains)?);
    let capability_bits = set_bits(u64::from_be_bytes(bits(attestation, YubicoExtension::Capabilities)?));
    let object_id = u16::try_from(number(attestation, YubicoExtension::ObjectId)?)
        .map_err(|_| YubiHsm2Invalid::Form { extension: YubicoExtension::ObjectId })?;
    let label = octets(attestation, YubicoExtension::Label, tag::UTF8_STRING)?;
    let label = String::from_utf8(label.to_vec())
        .map_err(|_| YubiHsm2Invalid::Form { extension: YubicoExtension::Label })?;
    Ok(DeviceStatement {
        format: EvidenceFormat::YubiHsm2,
        serial: attested.to_string(),
        firmware,
        object_id: object_id.to_be_bytes().to_vec(),
        label,
        origin,
        domains: set_bits(u64::from(domains)).into_iter().map(|bit| bit + 1).collect(),
        capabilities: capability_bits.iter().map(|bit| named(*bit)).collect(),
        shortcomings: shortcomings(origin, &capability_bits),
    })
}

/// D6 in the device's terms. An extractable key is one that may be exported under wrap; a key that was imported wrapped
/// left some device that way.
fn shortcomings(origin: KeyOrigin, capability_bits: &[u8]) -> Vec<DeviceShortcoming> {
    let mut found = Vec::new();
    if origin != KeyOrigin::Generated {
        found.push(DeviceShortcoming::NotGenerated { found: origin });
    }
    for bit in capability_bits {
        if *bit == capability::EXPORTABLE_UNDER_WRAP {
            found.push(DeviceShortcoming::Exportable);
        } else if !capability::SIGNING.contains(bit) {
            found.push(DeviceShortcoming::MayDoMore { capability: named(*bit) });
        }
    }
    if !capability_bits.iter().any(|bit| capability::SIGNING.contains(bit)) {
        found.push(DeviceShortcoming::CannotSign);
    }
    found
}

fn named(bit: u8) -> DeviceCapability {
    capability::name(bit).map_or(DeviceCapability::Unknown { bit }, DeviceCapability::Known)
}

/// The bits that are set, from the least significant.
fn set_bits(mask: u64) -> Vec<u8> {
    (0..64_u8).filter(|bit| mask >> bit & 1 == 1).collect()
}

/// The content of the one element that an extension's value is, which must have this tag.
fn octets(certificate: &Certificate, extension: YubicoExtension, tag: u8) -> Result<&[u8], YubiHsm2Invalid> {
    let value =
        certificate.other_extension(&extension.oid()).ok_or(YubiHsm2Invalid::Missing { extension })?;
    let malformed = |source| YubiHsm2Invalid::Malformed { extension, source };
    let mut inside = Reader::new(value);
    let found = inside.any().map_err(malformed)?;
    inside.finish().map_err(malformed)?;
    if found.tag == tag { Ok(found.content) } else { Err(YubiHsm2Invalid::Form { extension }) }
}

/// Serial numbers and object ids have no sign, whatever their first bit.
fn number(certificate: &Certificate, extension: YubicoExtension) -> Result<u64, YubiHsm2Invalid> {
    let octets = octets(certificate, extension, tag::INTEGER)?;
    let magnitude = octets.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(octets);
    if magnitude.is_empty() || magnitude.len() > 8 {
        return Err(YubiHsm2Invalid::Form { extension });
    }
    Ok(magnitude.iter().fold(0, |value, octet| (value << 8) | u64::from(*octet)))
}

/// A BIT STRING of exactly `N` whole octets.
fn bits<const N: usize>(
    certificate: &Certificate,
    extension: YubicoExtension,
) -> Result<[u8; N], YubiHsm2Invalid> {
    let octets = octets(certificate, extension, tag::BIT_STRING)?.strip_prefix(&[0]);
    octets.and_then(|octets| octets.try_into().ok()).ok_or(YubiHsm2Invalid::Form { extension })
}
