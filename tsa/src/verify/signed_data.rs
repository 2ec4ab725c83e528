//! The CMS around a TSTInfo: `ContentInfo`, `SignedData` and the one `SignerInfo` (RFC 5652 §3, §5; RFC 3161 §2.4.2).
//!
//! CMS allows BER; a token of RFC 3161 is DER here, with one exception that is named because OpenSSL needs it: the
//! certificates need not be in the order of a DER SET OF (`openssl ts -reply -chain` writes them as they come). What is
//! not used (revocation lists, unsigned attributes other than a nested token) is still looked through, so that no octet of
//! a token is unread.

use super::algorithm::read_hash;
use super::invalid::{TokenInvalid, TokenPart};
use super::{MAX_CERTIFICATES, MAX_NESTED_TOKENS, MAX_NESTING};
use crate::token::ID_AA_TIME_STAMP_TOKEN;
use attestamp_certs::HashAlgorithm;
use attestamp_strict_der::{Element, INTEGER_1, Reader, tag};
use attestamp_strict_der::{Malformed, Reason};
use hex_literal::hex;

/// id-signedData (RFC 5652 §5.1), the whole element.
const ID_SIGNED_DATA: [u8; 11] = hex!("0609 2a864886f70d010702");
/// id-ct-TSTInfo (RFC 3161 §2.4.2), the whole element.
pub(super) const ID_CT_TST_INFO: [u8; 13] = hex!("060b 2a864886f70d0109100104");
/// INTEGER 3: the version of a SignedData with other content than id-data (RFC 5652 §5.1).
const INTEGER_3: [u8; 3] = [tag::INTEGER, 1, 3];
/// `[0]`, primitive: a SignerIdentifier that is a subject key identifier.
const SUBJECT_KEY_IDENTIFIER: u8 = tag::CONTEXT_0_PRIMITIVE;

/// A token, taken apart; slices of the input.
#[derive(Debug, Clone)]
pub(super) struct SignedData<'a> {
    /// The TSTInfo in DER: what is digested.
    pub(super) content: &'a [u8],
    /// Reads `content`, with the offsets of the whole token.
    pub(super) content_reader: Reader<'a>,
    /// The certificates in DER, in the token's order.
    pub(super) certificates: Vec<&'a [u8]>,
    pub(super) signer: SignerInfo<'a>,
}

/// The SignerInfo (RFC 5652 §5.3).
#[derive(Debug, Clone)]
pub(super) struct SignerInfo<'a> {
    /// `Name` in DER.
    pub(super) issuer_der: &'a [u8],
    /// Content octets of the INTEGER.
    pub(super) serial: &'a [u8],
    pub(super) digest: HashAlgorithm,
    pub(super) digest_algorithm_der: &'a [u8],
    pub(super) signed_attributes: Element<'a>,
    pub(super) signature_algorithm_der: &'a [u8],
    pub(super) signature: &'a [u8],
    /// `ContentInfo`s of tokens over the signature, from the unsigned attributes.
    pub(super) nested_tokens: Vec<&'a [u8]>,
}

impl<'a> SignedData<'a> {
    /// Reads a whole token.
    pub(super) fn read(token: &'a [u8]) -> Result<Self, TokenInvalid> {
        let malformed = TokenInvalid::malformed(TokenPart::SignedData);
        let signed_data = read_content_info(token)?;
        let mut fields = signed_data.reader();
        if fields.required(tag::INTEGER).map_err(malformed)?.der != INTEGER_3 {
            return Err(TokenInvalid::Version { part: TokenPart::SignedData, required: 3 });
        }
        let digest_algorithms = fields.required(tag::SET).map_err(malformed)?;
        let digest_algorithms = members(&digest_algorithms).map_err(malformed)?;
        check_sorted(&digest_algorithms, TokenPart::SignedData)?;

        let content = read_encapsulated(&fields.required(tag::SEQUENCE).map_err(malformed)?)?;
        let certificates = match fields.optional(tag::CONTEXT_0).map_err(malformed)? {
            Some(certificates) => read_certificates(&certificates)?,
            None => Vec::new(),
        };
        if let Some(lists) = fields.optional(tag::CONTEXT_1).map_err(malformed)? {
            lists.check_nested(MAX_NESTING).map_err(malformed)?;
        }
        let signer_infos = fields.required(tag::SET).map_err(malformed)?;
        fields.finish().map_err(malformed)?;

        let signer_infos = members(&signer_infos).map_err(malformed)?;
        let [signer] = signer_infos.as_slice() else {
            return Err(TokenInvalid::SignerCount { found: signer_infos.len() });
        };
        let signer = SignerInfo::read(signer)?;
        let mut listed = false;
        for algorithm in &digest_algorithms {
            listed |= read_hash(algorithm, TokenPart::SignedData)?.0 == signer.digest;
        }
        if !listed {
            return Err(TokenInvalid::DigestAlgorithmNotListed);
        }
        Ok(Self { content: content.content, content_reader: content.reader(), certificates, signer })
    }
}

fn read_content_info(token: &[u8]) -> Result<Element<'_>, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::SignedData);
    let mut input = Reader::new(token);
    let content_info = input.required(tag::SEQUENCE).map_err(malformed)?;
    input.finish().map_err(malformed)?;
    let mut fields = content_info.reader();
    if fields.required(tag::OBJECT_IDENTIFIER).map_err(malformed)?.der != ID_SIGNED_DATA {
        return Err(TokenInvalid::NotSignedData);
    }
    let explicit = fields.required(tag::CONTEXT_0).map_err(malformed)?;
    fields.finish().map_err(malformed)?;
    only_member(&explicit, tag::SEQUENCE).map_err(malformed)
}

/// The OCTET STRING of an `EncapsulatedContentInfo` of type TSTInfo.
fn read_encapsulated<'a>(encapsulated: &Element<'a>) -> Result<Element<'a>, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::SignedData);
    let mut fields = encapsulated.reader();
    if fields.required(tag::OBJECT_IDENTIFIER).map_err(malformed)?.der != ID_CT_TST_INFO {
        return Err(TokenInvalid::NotTstInfo);
    }
    let explicit = fields.required(tag::CONTEXT_0).map_err(malformed)?;
    fields.finish().map_err(malformed)?;
    only_member(&explicit, tag::OCTET_STRING).map_err(malformed)
}

/// `CertificateSet`: certificates only; attribute certificates and other formats have no place in a token.
fn read_certificates<'a>(certificates: &Element<'a>) -> Result<Vec<&'a [u8]>, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::SignedData);
    let mut found = Vec::new();
    let mut input = certificates.reader();
    while !input.is_empty() {
        if found.len() == MAX_CERTIFICATES {
            return Err(TokenInvalid::TooManyCertificates);
        }
        found.push(input.required(tag::SEQUENCE).map_err(malformed)?.der);
    }
    Ok(found)
}

impl<'a> SignerInfo<'a> {
    fn read(signer: &Element<'a>) -> Result<Self, TokenInvalid> {
        let malformed = TokenInvalid::malformed(TokenPart::SignerInfo);
        if signer.tag != tag::SEQUENCE {
            return Err(TokenInvalid::SignerCount { found: 0 });
        }
        let mut fields = signer.reader();
        let version = fields.required(tag::INTEGER).map_err(malformed)?;
        if fields.peek_tag() == Some(SUBJECT_KEY_IDENTIFIER) {
            return Err(TokenInvalid::SignerNotByIssuerAndSerial);
        }
        if version.der != INTEGER_1 {
            return Err(TokenInvalid::Version { part: TokenPart::SignerInfo, required: 1 });
        }
        let mut identifier = fields.required(tag::SEQUENCE).map_err(malformed)?.reader();
        let issuer = identifier.required(tag::SEQUENCE).map_err(malformed)?;
        issuer.check_nested(MAX_NESTING).map_err(malformed)?;
        let serial =
            identifier.required(tag::INTEGER).and_then(|serial| serial.integer()).map_err(malformed)?;
        identifier.finish().map_err(malformed)?;

        let digest_algorithm = fields.required(tag::SEQUENCE).map_err(malformed)?;
        let (digest, _) = read_hash(&digest_algorithm, TokenPart::SignerInfo)?;
        let signed_attributes = fields.required(tag::CONTEXT_0).map_err(malformed)?;
        let signature_algorithm = fields.required(tag::SEQUENCE).map_err(malformed)?;
        signature_algorithm.check_nested(MAX_NESTING).map_err(malformed)?;
        let signature = fields.required(tag::OCTET_STRING).map_err(malformed)?;
        let nested_tokens = match fields.optional(tag::CONTEXT_1).map_err(malformed)? {
            Some(unsigned) => read_nested_tokens(&unsigned)?,
            None => Vec::new(),
        };
        fields.finish().map_err(malformed)?;
        Ok(Self {
            issuer_der: issuer.der,
            serial,
            digest,
            digest_algorithm_der: digest_algorithm.der,
            signed_attributes,
            signature_algorithm_der: signature_algorithm.der,
            signature: signature.content,
            nested_tokens,
        })
    }
}

/// The values of id-aa-timeStampToken (RFC 3161 appendix A). Of the other unsigned attributes only the encoding is looked
/// at: anybody can add any.
fn read_nested_tokens<'a>(unsigned: &Element<'a>) -> Result<Vec<&'a [u8]>, TokenInvalid> {
    let malformed = TokenInvalid::malformed(TokenPart::UnsignedAttributes);
    // A nested token goes deeper than the rest.
    unsigned.check_nested(2 * MAX_NESTING).map_err(malformed)?;
    let attributes = members(unsigned).map_err(malformed)?;
    check_sorted(&attributes, TokenPart::UnsignedAttributes)?;
    let mut tokens = Vec::new();
    for attribute in attributes {
        if attribute.tag != tag::SEQUENCE {
            let reason = Reason::UnexpectedTag { expected: tag::SEQUENCE, found: Some(attribute.tag) };
            return Err(malformed(attribute.malformed(reason)));
        }
        let mut fields = attribute.reader();
        let id = fields.required(tag::OBJECT_IDENTIFIER).map_err(malformed)?;
        let values = fields.required(tag::SET).map_err(malformed)?;
        fields.finish().map_err(malformed)?;
        if id.der == ID_AA_TIME_STAMP_TOKEN {
            let values = members(&values).map_err(malformed)?;
            check_sorted(&values, TokenPart::UnsignedAttributes)?;
            tokens.extend(values.iter().map(|token| token.der));
        }
    }
    if tokens.len() > MAX_NESTED_TOKENS {
        return Err(TokenInvalid::TooManyNestedTokens { found: tokens.len() });
    }
    Ok(tokens)
}

/// All elements inside.
pub(super) fn members<'a>(outer: &Element<'a>) -> Result<Vec<Element<'a>>, Malformed> {
    let mut found = Vec::new();
    let mut input = outer.reader();
    while !input.is_empty() {
        found.push(input.any()?);
    }
    Ok(found)
}

/// The one element inside, of this tag.
pub(super) fn only_member<'a>(outer: &Element<'a>, tag: u8) -> Result<Element<'a>, Malformed> {
    let mut input = outer.reader();
    let member = input.required(tag)?;
    input.finish()?;
    Ok(member)
}

/// X.690 §11.6: ascending by encoding. Equal members are in order too.
pub(super) fn check_sorted(members: &[Element<'_>], part: TokenPart) -> Result<(), TokenInvalid> {
    if members.is_sorted_by(|before, after| before.der <= after.der) {
        Ok(())
    } else {
        Err(TokenInvalid::NotSorted { part })
    }
}
