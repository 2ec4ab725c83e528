//! A certificate of an attestation chain, read strictly.
//!
//! An organisation's own CA may stand above the device, so any X.509 v3 certificate in DER is read here whose signature
//! algorithm is known. Not `x509-cert`: it cannot read the object identifiers of this project ([`crate::oid`]). Nothing is
//! verified but the form; names and keys stay the octets that they came in, because they are compared and nothing else.
//!
//! What must not be is refused at reading: an extension twice, ours marked critical (D1: `openssl verify` would fail), two
//! different signature algorithms, unique identifiers, data after the end.

mod extensions;
mod invalid;
mod public_key;
#[cfg(test)]
mod tests;

use std::ops::Range;

use attestamp_certs::{CertificateSerial, SignatureAlgorithm, SignatureInvalid, UnixTime, Validity};
use attestamp_strict_der::{Element, Malformed, Reader, Reason, tag};

use crate::claims::Platform;
use crate::time::read_x509_time;

pub(crate) use extensions::{
    AUTHORITY_KEY_IDENTIFIER, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, KEY_USAGE, SUBJECT_KEY_IDENTIFIER,
};
pub use extensions::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
pub use invalid::{CertificateInvalid, ProjectExtension};
pub(crate) use public_key::PublicKey;

use extensions::Extensions;

/// Most octets of a certificate: the longest signatures (SLH-DSA-256f) have 50 000, claims have 32 768 at most.
pub const MAX_CERTIFICATE_OCTETS: usize = 128 * 1024;

/// Levels of constructed values in a name or in the parameters of an algorithm; honest ones have three.
const MAX_NESTING: usize = 8;

/// A decoded X.509 v3 certificate. Nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    to_be_signed: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Range<usize>,
    signature: Range<usize>,
    signature_algorithm: SignatureAlgorithm,
    serial: CertificateSerial,
    validity: Validity,
    extensions: Extensions,
}

impl Certificate {
    /// Reads one certificate, all of it.
    ///
    /// # Errors
    /// [`CertificateInvalid`].
    pub fn parse(der: &[u8]) -> Result<Self, CertificateInvalid> {
        if der.len() > MAX_CERTIFICATE_OCTETS {
            return Err(CertificateInvalid::TooLong { length: der.len() });
        }
        let mut input = Reader::new(der);
        let certificate = input.required(tag::SEQUENCE)?;
        input.finish()?;
        let mut parts = certificate.reader();
        let to_be_signed = parts.required(tag::SEQUENCE)?;
        let outer_algorithm = parts.required(tag::SEQUENCE)?;
        let signature = parts.required(tag::BIT_STRING)?;
        parts.finish()?;
        let signature_octets = whole_octets(&signature)?;

        let mut fields = to_be_signed.reader();
        read_version(&mut fields)?;
        let serial = fields.required(tag::INTEGER)?;
        let serial = CertificateSerial::from_content_octets(serial.integer()?)
            .map_err(|source| CertificateInvalid::Serial { offset: serial.offset, source })?;
        let inner_algorithm = fields.required(tag::SEQUENCE)?;
        if inner_algorithm.der != outer_algorithm.der {
            return Err(CertificateInvalid::AlgorithmsDiffer { offset: outer_algorithm.offset });
        }
        inner_algorithm.check_nested(MAX_NESTING)?;
        let issuer = read_name(&mut fields)?;
        let validity = read_validity(&fields.required(tag::SEQUENCE)?)?;
        let subject = read_name(&mut fields)?;
        let spki = fields.required(tag::SEQUENCE)?;
        PublicKey::read(&spki)?;
        let explicit = fields.required(tag::CONTEXT_3)?;
        fields.finish()?;
        let mut inside = explicit.reader();
        let list = inside.required(tag::SEQUENCE)?;
        inside.finish()?;
        let extensions = Extensions::read(&list)?;
        // Last, so that "could not be judged" is said of nothing that is wrong anyway.
        let signature_algorithm =
            SignatureAlgorithm::from_algorithm_identifier_der(outer_algorithm.der).map_err(|source| {
                CertificateInvalid::SignatureAlgorithm { offset: outer_algorithm.offset, source }
            })?;
        let signature_end = signature.offset + signature.der.len();
        Ok(Self {
            der: der.to_vec(),
            to_be_signed: range(&to_be_signed),
            issuer: range(&issuer),
            subject: range(&subject),
            spki: range(&spki),
            signature: signature_end - signature_octets.len()..signature_end,
            signature_algorithm,
            serial,
            validity,
            extensions,
        })
    }

    /// The whole certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The octets that the issuer signed: TBSCertificate, DER.
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        self.part(&self.to_be_signed)
    }

    /// The issuer's signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.part(&self.signature)
    }

    /// `Name` of the subject, DER.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        self.part(&self.subject)
    }

    /// `Name` of the issuer, DER.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        self.part(&self.issuer)
    }

    /// The subject's SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        self.part(&self.spki)
    }

    /// Its validity.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Content octets of the serial number.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        self.serial.content_octets()
    }

    /// How it was signed.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.signature_algorithm
    }

    /// basicConstraints.
    #[must_use]
    pub fn basic_constraints(&self) -> Option<BasicConstraints> {
        self.extensions.basic_constraints
    }

    /// keyUsage.
    #[must_use]
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.extensions.key_usage
    }

    /// extKeyUsage.
    #[must_use]
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage> {
        self.extensions.extended_key_usage.as_ref()
    }

    /// subjectKeyIdentifier.
    #[must_use]
    pub fn key_identifier(&self) -> Option<&[u8]> {
        self.extensions.key_identifier.as_deref()
    }

    /// The keyIdentifier of authorityKeyIdentifier.
    #[must_use]
    pub fn authority_key_identifier(&self) -> Option<&[u8]> {
        self.extensions.authority_key_identifier.as_deref()
    }

    /// The token's names, in a device certificate.
    #[must_use]
    pub fn platform(&self) -> Option<&Platform> {
        self.extensions.platform.as_ref()
    }

    /// The claims extension's value, in an attestation certificate.
    #[must_use]
    pub fn claims_der(&self) -> Option<&[u8]> {
        self.extensions.claims_der.as_deref()
    }

    /// The first critical extension that is not known here: content octets of its OBJECT IDENTIFIER.
    #[must_use]
    pub fn unknown_critical_extension(&self) -> Option<&[u8]> {
        self.extensions.unknown_critical.as_deref()
    }

    /// The value of an extension that is not known here, as a vendor's: `identifier` is the content octets of its OBJECT
    /// IDENTIFIER.
    pub(crate) fn other_extension(&self, identifier: &[u8]) -> Option<&[u8]> {
        let mut others = self.extensions.others.iter();
        others.find_map(|(found, value)| (found == identifier).then_some(value.as_slice()))
    }

    /// Whether `issuer` is the one that this certificate names: by name, and by key identifier where both have one.
    #[must_use]
    pub fn names_as_issuer(&self, issuer: &Self) -> bool {
        let identifiers = self.authority_key_identifier().zip(issuer.key_identifier());
        self.issuer_der() == issuer.subject_der() && identifiers.is_none_or(|(of, is)| of == is)
    }

    /// Verifies the signature with the issuer's key. Whether the issuer may sign it is another question.
    ///
    /// # Errors
    /// [`SignatureInvalid`].
    pub fn verify_signature(&self, issuer: &Self) -> Result<(), SignatureInvalid> {
        self.signature_algorithm.verify(issuer.spki_der(), self.to_be_signed(), self.signature())
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.der.get(range.clone()).unwrap_or_default()
    }
}

fn range(element: &Element<'_>) -> Range<usize> {
    element.offset..element.offset + element.der.len()
}

/// `version [0] EXPLICIT`, which must be v3: the others have no extensions.
fn read_version(fields: &mut Reader<'_>) -> Result<(), CertificateInvalid> {
    let Some(explicit) = fields.optional(tag::CONTEXT_0)? else {
        return Err(CertificateInvalid::Version);
    };
    let mut inside = explicit.reader();
    let version = inside.required(tag::INTEGER)?.integer()?;
    inside.finish()?;
    if version == [2] { Ok(()) } else { Err(CertificateInvalid::Version) }
}

/// A `Name` with one attribute at least: SEQUENCE OF SET OF SEQUENCE { type, value }.
fn read_name<'a>(fields: &mut Reader<'a>) -> Result<Element<'a>, Malformed> {
    let name = fields.required(tag::SEQUENCE)?;
    name.check_nested(MAX_NESTING)?;
    let mut sets = name.reader();
    if sets.is_empty() {
        return Err(name.malformed(Reason::EmptyList));
    }
    while !sets.is_empty() {
        let set = sets.required(tag::SET)?;
        let mut attributes = set.reader();
        if attributes.is_empty() {
            return Err(set.malformed(Reason::EmptyList));
        }
        while !attributes.is_empty() {
            let mut attribute = attributes.required(tag::SEQUENCE)?.reader();
            attribute.required(tag::OBJECT_IDENTIFIER)?;
            attribute.any()?;
            attribute.finish()?;
        }
    }
    Ok(name)
}

fn read_validity(validity: &Element<'_>) -> Result<Validity, CertificateInvalid> {
    let mut times = validity.reader();
    let not_before = read_time(&mut times)?;
    let not_after = read_time(&mut times)?;
    times.finish()?;
    Validity::new(not_before, not_after)
        .map_err(|source| CertificateInvalid::Validity { offset: validity.offset, source })
}

fn read_time(times: &mut Reader<'_>) -> Result<UnixTime, CertificateInvalid> {
    let time = match times.optional(tag::UTC_TIME)? {
        Some(time) => time,
        None => times.required(tag::GENERALIZED_TIME)?,
    };
    read_x509_time(&time).ok_or(CertificateInvalid::Time { offset: time.offset })
}

/// The octets of a BIT STRING that has no unused bits and is not empty.
fn whole_octets<'a>(bits: &Element<'a>) -> Result<&'a [u8], CertificateInvalid> {
    match bits.content {
        [0, octets @ ..] if !octets.is_empty() => Ok(octets),
        _ => Err(CertificateInvalid::UnusedBits { offset: bits.offset }),
    }
}
