//! The signed attributes (RFC 5652 §5.3, §11): what the signature really is over.
//!
//! They bind the TSTInfo (messageDigest), its type (contentType), the signer's certificate (signing certificate, in
//! [`super::signing_certificate`]) and, where present, the algorithms (RFC 6211). Each occurs once and has one value;
//! a signingTime is passed over, since genTime is the statement.

use hex_literal::hex;

use super::invalid::{SignedAttribute, TokenInvalid, TokenPart};
use super::signed_data::{ID_CT_TST_INFO, SignerInfo, check_sorted, members};
use super::signing_certificate::SigningCertificate;
use super::{MAX_NESTING, MAX_SIGNED_ATTRIBUTES};
use attestamp_strict_der::Reason;
use attestamp_strict_der::{Element, Oid, tag};

const ID_CONTENT_TYPE: &[u8] = &hex!("2a864886f70d010903");
const ID_MESSAGE_DIGEST: &[u8] = &hex!("2a864886f70d010904");
/// RFC 2634 §5.4: ESSCertID, over SHA-1.
const ID_SIGNING_CERTIFICATE: &[u8] = &hex!("2a864886f70d010910020c");
/// RFC 5035 §3: ESSCertIDv2.
const ID_SIGNING_CERTIFICATE_V2: &[u8] = &hex!("2a864886f70d010910022f");
/// RFC 6211 §2.
const ID_ALGORITHM_PROTECTION: &[u8] = &hex!("2a864886f70d010934");

/// The attributes that decide.
#[derive(Debug, Clone)]
pub(super) struct SignedAttributes<'a> {
    message_digest: &'a [u8],
    /// One, or both for verifiers of either kind; all must fit.
    pub(super) signing_certificates: Vec<SigningCertificate<'a>>,
}

impl<'a> SignedAttributes<'a> {
    pub(super) fn read(signer: &SignerInfo<'a>) -> Result<Self, TokenInvalid> {
        let attributes = read_attributes(&signer.signed_attributes)?;
        let single =
            |id: &[u8]| attributes.iter().find(|(found, _)| found.content() == id).map(|(_, value)| value);
        let missing = |attribute| TokenInvalid::AttributeMissing { attribute };

        let content_type = single(ID_CONTENT_TYPE).ok_or(missing(SignedAttribute::ContentType))?;
        if content_type.der != ID_CT_TST_INFO {
            return Err(TokenInvalid::ContentTypeAttribute);
        }
        let message_digest = single(ID_MESSAGE_DIGEST).ok_or(missing(SignedAttribute::MessageDigest))?;
        if message_digest.tag != tag::OCTET_STRING {
            let reason =
                Reason::UnexpectedTag { expected: tag::OCTET_STRING, found: Some(message_digest.tag) };
            let source = message_digest.malformed(reason);
            return Err(TokenInvalid::Malformed { part: TokenPart::SignedAttributes, source });
        }
        if let Some(protection) = single(ID_ALGORITHM_PROTECTION) {
            check_algorithm_protection(protection, signer)?;
        }
        let mut signing_certificates = Vec::new();
        if let Some(version_1) = single(ID_SIGNING_CERTIFICATE) {
            signing_certificates.push(SigningCertificate::read_version_1(version_1)?);
        }
        if let Some(version_2) = single(ID_SIGNING_CERTIFICATE_V2) {
            signing_certificates.push(SigningCertificate::read_version_2(version_2)?);
        }
        if signing_certificates.is_empty() {
            return Err(missing(SignedAttribute::SigningCertificate));
        }
        Ok(Self { message_digest: message_digest.content, signing_certificates })
    }

    /// That the content is the one that was signed.
    pub(super) fn check_message_digest(
        &self,
        signer: &SignerInfo<'_>,
        content: &[u8],
    ) -> Result<(), TokenInvalid> {
        if signer.digest.digest(content).as_ref() == self.message_digest {
            Ok(())
        } else {
            Err(TokenInvalid::MessageDigest)
        }
    }
}

/// What is signed: the attributes with the tag of a SET OF in place of `[0]` (RFC 5652 §5.4).
pub(super) fn signed_octets(signed_attributes: &Element<'_>) -> Vec<u8> {
    let mut octets = signed_attributes.der.to_vec();
    if let Some(first) = octets.first_mut() {
        *first = tag::SET;
    }
    octets
}

/// Every attribute with its one value, in DER order, none twice.
fn read_attributes<'a>(set: &Element<'a>) -> Result<Vec<(Oid<'a>, Element<'a>)>, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::SignedAttributes);
    let attributes = members(set).map_err(malformed)?;
    if attributes.len() > MAX_SIGNED_ATTRIBUTES {
        let reason = Reason::TooManyExtensions { limit: MAX_SIGNED_ATTRIBUTES };
        return Err(malformed(set.malformed(reason)));
    }
    check_sorted(&attributes, TokenPart::SignedAttributes)?;
    let mut found: Vec<(Oid<'a>, Element<'a>)> = Vec::new();
    for attribute in &attributes {
        if attribute.tag != tag::SEQUENCE {
            let reason = Reason::UnexpectedTag { expected: tag::SEQUENCE, found: Some(attribute.tag) };
            return Err(malformed(attribute.malformed(reason)));
        }
        attribute.check_nested(MAX_NESTING).map_err(malformed)?;
        let mut fields = attribute.reader();
        let id = fields.required(tag::OBJECT_IDENTIFIER).map_err(malformed)?;
        let id = Oid::from_element(&id).map_err(malformed)?;
        let values = fields.required(tag::SET).map_err(malformed)?;
        fields.finish().map_err(malformed)?;
        let values = members(&values).map_err(malformed)?;
        let [value] = values.as_slice() else { return Err(TokenInvalid::AttributeNotSingle) };
        if found.iter().any(|(earlier, _)| *earlier == id) {
            return Err(TokenInvalid::AttributeNotSingle);
        }
        found.push((id, *value));
    }
    Ok(found)
}

/// `CMSAlgorithmProtection ::= SEQUENCE { digestAlgorithm, signatureAlgorithm [1] IMPLICIT OPTIONAL, … }`.
fn check_algorithm_protection(value: &Element<'_>, signer: &SignerInfo<'_>) -> Result<(), TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::SignedAttributes);
    if value.tag != tag::SEQUENCE {
        return Err(TokenInvalid::AlgorithmProtection);
    }
    let mut fields = value.reader();
    let digest = fields.required(tag::SEQUENCE).map_err(malformed)?;
    let signature = fields.required(tag::CONTEXT_1).map_err(malformed)?;
    fields.finish().map_err(malformed)?;
    let same_signature = signature.der.get(1..) == signer.signature_algorithm_der.get(1..);
    if digest.der == signer.digest_algorithm_der && same_signature {
        Ok(())
    } else {
        Err(TokenInvalid::AlgorithmProtection)
    }
}
