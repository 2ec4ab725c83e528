//! The extensions of a certificate: those that decide whether a chain holds, and ours. Of the rest, their values as they
//! came, for vendors' certificates, and whether one of them is critical.

use attestamp_strict_der::{Element, Oid, Reader, Reason, tag};

use super::{CertificateInvalid, MAX_NESTING, ProjectExtension};
use crate::claims::Platform;
use crate::oid::{DEVICE_PLATFORM, KEY_ATTESTATION};

/// id-ce-subjectKeyIdentifier, 2.5.29.14 (RFC 5280 §4.2.1.2).
pub(crate) const SUBJECT_KEY_IDENTIFIER: [u8; 3] = hex_literal::hex!("551d0e");
/// id-ce-keyUsage, 2.5.29.15 (RFC 5280 §4.2.1.3).
pub(crate) const KEY_USAGE: [u8; 3] = hex_literal::hex!("551d0f");
/// id-ce-basicConstraints, 2.5.29.19 (RFC 5280 §4.2.1.9).
pub(crate) const BASIC_CONSTRAINTS: [u8; 3] = hex_literal::hex!("551d13");
/// id-ce-authorityKeyIdentifier, 2.5.29.35 (RFC 5280 §4.2.1.1).
pub(crate) const AUTHORITY_KEY_IDENTIFIER: [u8; 3] = hex_literal::hex!("551d23");
/// id-ce-extKeyUsage, 2.5.29.37 (RFC 5280 §4.2.1.12).
pub(crate) const EXTENDED_KEY_USAGE: [u8; 3] = hex_literal::hex!("551d25");
/// anyExtendedKeyUsage, 2.5.29.37.0.
const ANY_EXTENDED_KEY_USAGE: [u8; 4] = hex_literal::hex!("551d2500");

/// `[2]`, primitive: authorityCertSerialNumber.
const AUTHORITY_SERIAL_NUMBER: u8 = 0x82;

/// Most extensions of a certificate: those of public CAs have about ten.
const MAX_EXTENSIONS: usize = 32;
/// Most purposes in an extKeyUsage: certificates have one to five.
pub(super) const MAX_PURPOSES: usize = 32;

/// basicConstraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasicConstraints {
    /// Whether the subject is a CA.
    pub is_ca: bool,
    /// How many CAs may stand below it; `None` for any number.
    pub path_length: Option<u8>,
    /// Whether the extension is critical.
    pub is_critical: bool,
}

/// keyUsage: the bits that are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// Bit 0 of the extension is the highest.
    bits: u16,
}

impl KeyUsage {
    const DIGITAL_SIGNATURE: u16 = 0x8000;
    const KEY_CERT_SIGN: u16 = 0x0400;

    /// Whether the key may sign, other things than certificates and CRLs.
    #[must_use]
    pub const fn digital_signature(self) -> bool {
        self.bits & Self::DIGITAL_SIGNATURE != 0
    }

    /// Whether the key may sign certificates.
    #[must_use]
    pub const fn key_cert_sign(self) -> bool {
        self.bits & Self::KEY_CERT_SIGN != 0
    }

    /// Whether digitalSignature is all that the key may do.
    #[must_use]
    pub const fn is_only_digital_signature(self) -> bool {
        self.bits == Self::DIGITAL_SIGNATURE
    }
}

/// extKeyUsage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedKeyUsage {
    /// The purposes: content octets of OBJECT IDENTIFIERs.
    pub purposes: Vec<Vec<u8>>,
    /// Whether the extension is critical.
    pub is_critical: bool,
}

impl ExtendedKeyUsage {
    /// Whether `purpose` is the only one.
    #[must_use]
    pub fn is_only(&self, purpose: &[u8]) -> bool {
        matches!(self.purposes.as_slice(), [only] if only == purpose)
    }

    /// Whether `purpose`, or every purpose, is among them.
    #[must_use]
    pub fn allows(&self, purpose: &[u8]) -> bool {
        self.purposes.iter().any(|found| found == purpose || *found == ANY_EXTENDED_KEY_USAGE)
    }
}

/// What the extensions of a certificate say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Option<ExtendedKeyUsage>,
    pub(super) key_identifier: Option<Vec<u8>>,
    pub(super) authority_key_identifier: Option<Vec<u8>>,
    pub(super) platform: Option<Platform>,
    pub(super) claims_der: Option<Vec<u8>>,
    /// The first one.
    pub(super) unknown_critical: Option<Vec<u8>>,
    /// Identifiers and values of all that are not named above.
    pub(super) others: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Extensions {
    pub(super) fn read(list: &Element<'_>) -> Result<Self, CertificateInvalid> {
        let mut members = list.reader();
        if members.is_empty() {
            return Err(list.malformed(Reason::EmptyList).into());
        }
        let mut extensions = Self::default();
        let mut seen: Vec<Oid<'_>> = Vec::new();
        while !members.is_empty() {
            let extension = members.required(tag::SEQUENCE)?;
            if seen.len() == MAX_EXTENSIONS {
                let reason = Reason::TooManyExtensions { limit: MAX_EXTENSIONS };
                return Err(extension.malformed(reason).into());
            }
            let mut fields = extension.reader();
            let identifier = Oid::from_element(&fields.required(tag::OBJECT_IDENTIFIER)?)?;
            if seen.contains(&identifier) {
                return Err(extension.malformed(Reason::DuplicateExtension).into());
            }
            seen.push(identifier);
            let is_critical = match fields.optional(tag::BOOLEAN)? {
                Some(critical) if critical.boolean()? => true,
                Some(critical) => return Err(critical.malformed(Reason::EncodedDefault).into()),
                None => false,
            };
            let value = fields.required(tag::OCTET_STRING)?;
            fields.finish()?;
            extensions.take(identifier.content(), is_critical, &value)?;
        }
        Ok(extensions)
    }

    fn take(
        &mut self,
        identifier: &[u8],
        is_critical: bool,
        value: &Element<'_>,
    ) -> Result<(), CertificateInvalid> {
        if identifier == BASIC_CONSTRAINTS {
            self.basic_constraints = Some(read_basic_constraints(value, is_critical)?);
        } else if identifier == KEY_USAGE {
            self.key_usage = Some(read_key_usage(value)?);
        } else if identifier == EXTENDED_KEY_USAGE {
            let purposes = read_purposes(value)?;
            self.extended_key_usage = Some(ExtendedKeyUsage { purposes, is_critical });
        } else if identifier == SUBJECT_KEY_IDENTIFIER {
            self.key_identifier = Some(only(value, tag::OCTET_STRING)?.content.to_vec());
        } else if identifier == AUTHORITY_KEY_IDENTIFIER {
            self.authority_key_identifier = read_authority_key_identifier(value)?;
        } else if identifier == DEVICE_PLATFORM {
            not_critical(is_critical, value, ProjectExtension::Platform)?;
            let platform = Platform::from_der(value.content)
                .map_err(|source| CertificateInvalid::Platform { offset: value.content_offset, source })?;
            self.platform = Some(platform);
        } else if identifier == KEY_ATTESTATION {
            not_critical(is_critical, value, ProjectExtension::Claims)?;
            self.claims_der = Some(value.content.to_vec());
        } else {
            if is_critical && self.unknown_critical.is_none() {
                self.unknown_critical = Some(identifier.to_vec());
            }
            self.others.push((identifier.to_vec(), value.content.to_vec()));
        }
        Ok(())
    }
}

fn not_critical(
    is_critical: bool,
    value: &Element<'_>,
    extension: ProjectExtension,
) -> Result<(), CertificateInvalid> {
    if is_critical {
        return Err(CertificateInvalid::ExtensionCritical { offset: value.offset, extension });
    }
    Ok(())
}

/// The one element that an extension's value is.
fn only<'a>(value: &Element<'a>, tag: u8) -> Result<Element<'a>, CertificateInvalid> {
    let mut inside = value.reader();
    let element = inside.required(tag)?;
    inside.finish()?;
    Ok(element)
}

fn read_basic_constraints(
    value: &Element<'_>,
    is_critical: bool,
) -> Result<BasicConstraints, CertificateInvalid> {
    let mut fields = only(value, tag::SEQUENCE)?.reader();
    let is_ca = match fields.optional(tag::BOOLEAN)? {
        Some(flag) if flag.boolean()? => true,
        Some(flag) => return Err(flag.malformed(Reason::EncodedDefault).into()),
        None => false,
    };
    let path_length = match fields.optional(tag::INTEGER)? {
        None => None,
        Some(length) => match length.integer()? {
            [length @ 0..0x80] | [0, length] if is_ca => Some(*length),
            _ => return Err(CertificateInvalid::PathLength { offset: length.offset }),
        },
    };
    fields.finish()?;
    Ok(BasicConstraints { is_ca, path_length, is_critical })
}

/// A BIT STRING with named bits: no trailing zero bits (X.690 §11.2.2), nine bits at most.
fn read_key_usage(value: &Element<'_>) -> Result<KeyUsage, CertificateInvalid> {
    let bits = only(value, tag::BIT_STRING)?;
    let invalid = CertificateInvalid::KeyUsage { offset: bits.offset };
    let (unused, last, usage) = match *bits.content {
        [unused, first] => (unused, first, [first, 0]),
        // Bit 8, decipherOnly, is the only one of the second octet.
        [unused @ 7, first, second] => (unused, second, [first, second]),
        _ => return Err(invalid),
    };
    // The last bit that is set is the last that is used.
    if u32::from(unused) != last.trailing_zeros() || last == 0 {
        return Err(invalid);
    }
    Ok(KeyUsage { bits: u16::from_be_bytes(usage) })
}

fn read_purposes(value: &Element<'_>) -> Result<Vec<Vec<u8>>, CertificateInvalid> {
    let list = only(value, tag::SEQUENCE)?;
    let mut members = list.reader();
    if members.is_empty() {
        return Err(list.malformed(Reason::EmptyList).into());
    }
    let mut purposes = Vec::new();
    while !members.is_empty() {
        let purpose = members.required(tag::OBJECT_IDENTIFIER)?;
        if purposes.len() == MAX_PURPOSES {
            return Err(CertificateInvalid::TooManyPurposes { offset: purpose.offset });
        }
        purposes.push(Oid::from_element(&purpose)?.content().to_vec());
    }
    Ok(purposes)
}

/// keyIdentifier `[0]`, then the issuer's name `[1]` and serial number `[2]`, which are not looked at.
fn read_authority_key_identifier(value: &Element<'_>) -> Result<Option<Vec<u8>>, CertificateInvalid> {
    let identifier = only(value, tag::SEQUENCE)?;
    identifier.check_nested(MAX_NESTING)?;
    let mut fields: Reader<'_> = identifier.reader();
    let key_identifier = fields.optional(tag::CONTEXT_0_PRIMITIVE)?;
    fields.optional(tag::CONTEXT_1)?;
    fields.optional(AUTHORITY_SERIAL_NUMBER)?;
    fields.finish()?;
    Ok(key_identifier.map(|identifier| identifier.content.to_vec()))
}
