//! Finds the signer's certificate among those of the token and those that the verifier was given.
//!
//! By issuer and serial number, octet for octet, and then by the signed hash. Where two different certificates have the
//! signer's issuer and serial number the token is refused, whichever of them fits: one of them was put there to be
//! taken for the other.

use attestamp_certs::CertificateDer;

use super::attributes::SignedAttributes;
use super::invalid::{TokenInvalid, TokenPart};
use super::signed_data::SignedData;
use attestamp_strict_der::Malformed;
use attestamp_strict_der::{Reader, tag};

/// What names a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CertificateFields<'a> {
    pub(super) der: &'a [u8],
    /// `Name` in DER.
    pub(super) issuer_der: &'a [u8],
    /// Content octets of the INTEGER.
    pub(super) serial: &'a [u8],
}

impl<'a> CertificateFields<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(der);
        let certificate = input.required(tag::SEQUENCE)?;
        input.finish()?;
        let mut tbs = certificate.reader().required(tag::SEQUENCE)?.reader();
        let _version = tbs.optional(tag::CONTEXT_0)?;
        let serial = tbs.required(tag::INTEGER)?.integer()?;
        let _signature_algorithm = tbs.required(tag::SEQUENCE)?;
        let issuer_der = tbs.required(tag::SEQUENCE)?.der;
        Ok(Self { der, issuer_der, serial })
    }
}

/// The one certificate with the signer's issuer and serial number, which is also the one that was signed for.
pub(super) fn find_certificate<'a>(
    token: &SignedData<'a>,
    attributes: &SignedAttributes<'_>,
    given: &'a [CertificateDer<'_>],
) -> Result<CertificateFields<'a>, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::Certificate);
    let mut candidates: Vec<CertificateFields<'a>> = Vec::new();
    for der in token.certificates.iter().copied().chain(given.iter().map(AsRef::as_ref)) {
        let certificate = CertificateFields::read(der).map_err(malformed)?;
        let named =
            certificate.issuer_der == token.signer.issuer_der && certificate.serial == token.signer.serial;
        // The same certificate twice is one: a chain file may well hold what the token holds.
        if named && !candidates.contains(&certificate) {
            candidates.push(certificate);
        }
    }
    let certificate = match candidates.as_slice() {
        [] => return Err(TokenInvalid::SignerCertificateMissing),
        [certificate] => *certificate,
        several => return Err(TokenInvalid::SignerCertificateAmbiguous { found: several.len() }),
    };
    for identifier in &attributes.signing_certificates {
        identifier.check(&certificate)?;
    }
    Ok(certificate)
}
