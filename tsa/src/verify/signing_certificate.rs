//! ESSCertID and ESSCertIDv2 (RFC 2634 §5.4, RFC 5035 §4, RFC 5816 §2.2.1): which certificate the signature binds.
//!
//! The signer is found by issuer and serial number, which anybody can copy into a certificate of their own. Only this
//! attribute, which is signed, says which certificate it is; a verifier that takes another one of the bag, or that does
//! not look, verifies nothing (CVE-2025-52556, CVE-2026-33753, CVE-2026-39984). The first identifier is the signer's.
//! Further ones are read for their form; the chain is verified for itself.

use attestamp_certs::HashAlgorithm;
use sha1::Digest as _;

use super::algorithm::{Parameters, read_hash};
use super::invalid::{TokenInvalid, TokenPart};
use super::signed_data::{members, only_member};
use super::signer::CertificateFields;
use attestamp_strict_der::{Element, tag};
use attestamp_strict_der::{Malformed, Reason};

/// The first identifier of a signing certificate attribute.
#[derive(Debug, Clone)]
pub(super) struct SigningCertificate<'a> {
    hash: CertificateHash,
    value: &'a [u8],
    issuer_serial: Option<IssuerSerial<'a>>,
}

#[derive(Debug, Clone, Copy)]
enum CertificateHash {
    /// Version 1 has no other. A certificate is chosen by issuer and serial number first, so that an attacker would need
    /// a second preimage, which SHA-1 still withstands.
    Sha1,
    Accepted(HashAlgorithm),
}

#[derive(Debug, Clone, Copy)]
struct IssuerSerial<'a> {
    /// `Name` in DER.
    issuer_der: &'a [u8],
    serial: &'a [u8],
}

impl<'a> SigningCertificate<'a> {
    /// Reads `SigningCertificate`.
    pub(super) fn read_version_1(value: &Element<'a>) -> Result<Self, TokenInvalid> {
        let mut first = None;
        for identifier in identifiers(value)? {
            let mut fields = identifier.reader();
            let read = read_hash_and_issuer(&mut fields)?;
            first = first.or(Some((CertificateHash::Sha1, read)));
        }
        Self::from_first(value, first)
    }

    /// Reads `SigningCertificateV2`.
    pub(super) fn read_version_2(value: &Element<'a>) -> Result<Self, TokenInvalid> {
        let part = TokenPart::SigningCertificate;
        let malformed = TokenInvalid::malformed(part);
        let mut first = None;
        for identifier in identifiers(value)? {
            let mut fields = identifier.reader();
            let hash = match fields.optional(tag::SEQUENCE).map_err(malformed)? {
                Some(algorithm) => match read_hash(&algorithm, part)? {
                    // DEFAULT {algorithm id-sha256}, without parameters: DER leaves it out.
                    (HashAlgorithm::Sha256, Parameters::Absent) => {
                        return Err(malformed(algorithm.malformed(Reason::EncodedDefault)));
                    }
                    (hash, Parameters::Absent | Parameters::Null) => hash,
                },
                None => HashAlgorithm::Sha256,
            };
            let read = read_hash_and_issuer(&mut fields)?;
            first = first.or(Some((CertificateHash::Accepted(hash), read)));
        }
        Self::from_first(value, first)
    }

    fn from_first(
        value: &Element<'a>,
        first: Option<(CertificateHash, HashAndIssuer<'a>)>,
    ) -> Result<Self, TokenInvalid> {
        let empty =
            TokenInvalid::malformed(TokenPart::SigningCertificate)(value.malformed(Reason::EmptyList));
        let (hash, (value, issuer_serial)) = first.ok_or(empty)?;
        Ok(Self { hash, value, issuer_serial })
    }

    /// That the identifier is this certificate's.
    pub(super) fn check(&self, certificate: &CertificateFields<'_>) -> Result<(), TokenInvalid> {
        let fits = match self.hash {
            CertificateHash::Sha1 => sha1::Sha1::digest(certificate.der).as_slice() == self.value,
            CertificateHash::Accepted(hash) => hash.digest(certificate.der).as_ref() == self.value,
        };
        if !fits {
            return Err(TokenInvalid::SigningCertificateHash);
        }
        match self.issuer_serial {
            Some(named)
                if named.issuer_der != certificate.issuer_der || named.serial != certificate.serial =>
            {
                Err(TokenInvalid::SigningCertificateIssuerSerial)
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The members of `certs`; `policies` after it is looked through and not used.
fn identifiers<'a>(value: &Element<'a>) -> Result<Vec<Element<'a>>, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::SigningCertificate);
    let unexpected = |element: &Element<'_>| {
        let reason = Reason::UnexpectedTag { expected: tag::SEQUENCE, found: Some(element.tag) };
        malformed(element.malformed(reason))
    };
    // The attribute's type says nothing of the value's: CVE-2025-69420.
    if value.tag != tag::SEQUENCE {
        return Err(unexpected(value));
    }
    let mut fields = value.reader();
    let certificates = fields.required(tag::SEQUENCE).map_err(malformed)?;
    fields.optional(tag::SEQUENCE).map_err(malformed)?;
    fields.finish().map_err(malformed)?;
    let identifiers = members(&certificates).map_err(malformed)?;
    match identifiers.iter().find(|identifier| identifier.tag != tag::SEQUENCE) {
        Some(other) => Err(unexpected(other)),
        None => Ok(identifiers),
    }
}

type HashAndIssuer<'a> = (&'a [u8], Option<IssuerSerial<'a>>);

fn read_hash_and_issuer<'a>(
    fields: &mut attestamp_strict_der::Reader<'a>,
) -> Result<HashAndIssuer<'a>, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::SigningCertificate);
    let value = fields.required(tag::OCTET_STRING).map_err(malformed)?.content;
    let issuer_serial = match fields.optional(tag::SEQUENCE).map_err(malformed)? {
        Some(issuer_serial) => Some(read_issuer_serial(&issuer_serial).map_err(malformed)?),
        None => None,
    };
    fields.finish().map_err(malformed)?;
    Ok((value, issuer_serial))
}

/// `IssuerSerial`: one directoryName (RFC 5035 §4), and the serial number.
fn read_issuer_serial<'a>(issuer_serial: &Element<'a>) -> Result<IssuerSerial<'a>, Malformed> {
    let mut fields = issuer_serial.reader();
    let names = fields.required(tag::SEQUENCE)?;
    let serial = fields.required(tag::INTEGER)?.integer()?;
    fields.finish()?;
    let directory_name = only_member(&names, tag::CONTEXT_4)?;
    let issuer_der = only_member(&directory_name, tag::SEQUENCE)?.der;
    Ok(IssuerSerial { issuer_der, serial })
}
