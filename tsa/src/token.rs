//! A timestamp token in the making: the CMS structure around one signature (RFC 3161 §2.4.2, RFC 5652, RFC 5816).
//!
//! Two steps, so that this crate never sees a key: [`UnsignedToken::build`] gives the exact bytes to sign, `attach` takes
//! the signature and finishes. Everything that is the same in all tokens of a TSU was encoded by [`TokenTemplate`]; what
//! is left is copied into two buffers, each allocated once at its final size: TSTInfo with the signed attributes when the
//! token is built, and the whole reply when it is finished. The token is made inside its `TimeStampResp`, because the
//! reply is what is sent and a copy of a post-quantum token costs as much as building it. A token may carry another one, over
//! its signature value.

mod certificate;
mod ess;
mod template;

pub use certificate::CertificateError;
pub use template::{TemplateError, TokenTemplate};

use crate::profile::Grant;
use crate::response::GRANTED_STATUS_INFO;
use crate::serial::Serial;
use crate::tst_info::TstInfo;
use attestamp_strict_der::{element_length, push_element, push_header, tag};

/// id-signedData (RFC 5652 §5.1), the whole element.
const ID_SIGNED_DATA: [u8; 11] = hex_literal::hex!("0609 2a864886f70d010702");
/// id-ct-TSTInfo (RFC 3161 §2.4.2), the whole element.
const ID_CT_TST_INFO: [u8; 13] = hex_literal::hex!("060b 2a864886f70d0109100104");

/// id-aa-timeStampToken, 1.2.840.113549.1.9.16.2.14 (RFC 3161 appendix A), the whole element.
pub(crate) const ID_AA_TIME_STAMP_TOKEN: [u8; 13] = hex_literal::hex!("060b 2a864886f70d010910020e");

/// A token without its signature. Consumed by [`attach`](Self::attach): it can be signed once.
#[derive(Debug)]
pub struct UnsignedToken {
    template: TokenTemplate,
    /// TSTInfo, then the signed attributes as the SET OF that is signed.
    buffer: Vec<u8>,
    tst_info_length: usize,
    with_certificates: bool,
}

/// A finished token: `ContentInfo` in DER, inside the reply that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStampToken {
    response: Vec<u8>,
    token_offset: usize,
}

impl UnsignedToken {
    /// Writes what the grant says, and the attributes that bind it to the TSU's certificate. One allocation.
    #[must_use]
    pub fn build(grant: &Grant<'_>, template: &TokenTemplate, serial: Serial) -> Self {
        let tst_info = TstInfo::new(template.tst_info(), grant, &serial);
        let tst_info_length = tst_info.length();
        let attributes = template.signed_attributes();
        let mut buffer = Vec::with_capacity(tst_info_length + attributes.length());
        tst_info.push_onto(&mut buffer);
        let digest = template.digest_algorithm().digest(&buffer);
        attributes.push_onto(&mut buffer, digest.as_ref());
        Self { template: template.clone(), buffer, tst_info_length, with_certificates: grant.cert_req }
    }

    /// The bytes to sign: the signed attributes as a DER SET OF, tag 31 (RFC 5652 §5.4).
    #[must_use]
    pub fn to_be_signed(&self) -> &[u8] {
        self.parts().1
    }

    /// The `TSTInfo` in DER.
    #[must_use]
    pub fn tst_info(&self) -> &[u8] {
        self.parts().0
    }

    /// Finishes the token with the signature over [`to_be_signed`](Self::to_be_signed), in the form that CMS carries
    /// (ECDSA: DER `Ecdsa-Sig-Value`). One allocation. The signature is not verified here.
    #[must_use]
    pub fn attach(self, signature: &[u8]) -> TimeStampToken {
        self.finish(signature, None)
    }

    /// As [`attach`](Self::attach), with a token over the signature value in it, as an unsigned attribute (RFC 3161
    /// appendix A). That it is one over this signature is the caller's to see to.
    #[must_use]
    pub fn attach_with_nested(self, signature: &[u8], nested: &TimeStampToken) -> TimeStampToken {
        self.finish(signature, Some(nested.as_der()))
    }

    fn finish(self, signature: &[u8], nested: Option<&[u8]>) -> TimeStampToken {
        let (tst_info, attributes) = self.parts();
        let constants = self.template.signed_data();
        let certificates: &[u8] = if self.with_certificates { &constants.certificates } else { &[] };

        // Lengths, from the inside out.
        let octet_string = element_length(tst_info.len());
        let encap_content_info = ID_CT_TST_INFO.len() + element_length(octet_string);
        let nested_attribute = nested.map(|token| ID_AA_TIME_STAMP_TOKEN.len() + element_length(token.len()));
        let unsigned_attributes = nested_attribute.map(element_length);
        let signer_info = constants.signer_before_attributes.len()
            + attributes.len()
            + constants.signature_algorithm.len()
            + element_length(signature.len())
            + unsigned_attributes.map_or(0, element_length);
        let signer_infos = element_length(signer_info);
        let signed_data = constants.version_and_digest_algorithms.len()
            + element_length(encap_content_info)
            + certificates.len()
            + element_length(signer_infos);
        let content = element_length(signed_data);
        let content_info = ID_SIGNED_DATA.len() + element_length(content);
        let response = GRANTED_STATUS_INFO.len() + element_length(content_info);

        // The encoding, from the outside in.
        let mut out = Vec::with_capacity(element_length(response));
        push_header(&mut out, tag::SEQUENCE, response);
        out.extend_from_slice(&GRANTED_STATUS_INFO);
        let token_offset = out.len();
        push_header(&mut out, tag::SEQUENCE, content_info);
        out.extend_from_slice(&ID_SIGNED_DATA);
        push_header(&mut out, tag::CONTEXT_0, content);
        push_header(&mut out, tag::SEQUENCE, signed_data);
        out.extend_from_slice(&constants.version_and_digest_algorithms);
        push_header(&mut out, tag::SEQUENCE, encap_content_info);
        out.extend_from_slice(&ID_CT_TST_INFO);
        push_header(&mut out, tag::CONTEXT_0, octet_string);
        push_element(&mut out, tag::OCTET_STRING, tst_info);
        out.extend_from_slice(certificates);
        push_header(&mut out, tag::SET, signer_infos);
        push_header(&mut out, tag::SEQUENCE, signer_info);
        out.extend_from_slice(&constants.signer_before_attributes);
        // In the SignerInfo the attributes are [0] IMPLICIT; only what is signed has the tag of a SET (§5.4).
        out.push(tag::CONTEXT_0);
        out.extend_from_slice(attributes.get(1..).unwrap_or_default());
        out.extend_from_slice(constants.signature_algorithm);
        push_element(&mut out, tag::OCTET_STRING, signature);
        if let (Some(token), Some(attribute), Some(attributes)) =
            (nested, nested_attribute, unsigned_attributes)
        {
            push_header(&mut out, tag::CONTEXT_1, attributes);
            push_header(&mut out, tag::SEQUENCE, attribute);
            out.extend_from_slice(&ID_AA_TIME_STAMP_TOKEN);
            push_element(&mut out, tag::SET, token);
        }
        TimeStampToken { response: out, token_offset }
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        self.buffer.split_at_checked(self.tst_info_length).unwrap_or_default()
    }
}

impl TimeStampToken {
    /// The token's `ContentInfo` in DER, without the reply around it.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        self.response.get(self.token_offset..).unwrap_or_default()
    }

    /// The whole `TimeStampResp`.
    pub(crate) fn into_response(self) -> Vec<u8> {
        self.response
    }
}

#[cfg(test)]
pub(crate) mod tests;
