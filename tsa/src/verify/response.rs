//! `TimeStampResp` as a client gets it (RFC 3161 §2.4.2).
//!
//! Reading is strict where it decides (status, where the token begins and ends) and generous where it only informs: a
//! rejection of a sloppy TSA should still tell its reason. Whether the token is good is [`super::UnverifiedToken`]'s.

use super::invalid::{TokenInvalid, TokenPart};
use super::{MAX_STATUS_STRINGS, MAX_TOKEN_OCTETS};
use crate::failure::PkiFailureInfo;
use crate::response::{PkiStatus, TimeStampResp};
use attestamp_strict_der::Malformed;
use attestamp_strict_der::{Element, Reader, tag};

/// A response, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedResponse<'a> {
    /// What became of the request.
    pub status: PkiStatus,
    /// What the TSA says to it, for people. From a stranger: escape it before it reaches a terminal.
    pub status_strings: Vec<String>,
    /// The first reason that RFC 3161 knows, of those given.
    pub failure_info: Option<PkiFailureInfo>,
    /// The token's `ContentInfo` in DER: present if and only if the status is granted, with modifications or without.
    pub token: Option<&'a [u8]>,
}

impl TimeStampResp {
    /// Takes a response apart. A token in it is not looked into.
    ///
    /// # Errors
    /// [`TokenInvalid`] where it is not a response, or a token and its status contradict each other.
    pub fn decode(der: &[u8]) -> Result<DecodedResponse<'_>, TokenInvalid> {
        if der.len() > MAX_TOKEN_OCTETS {
            return Err(TokenInvalid::TooLarge { found: der.len() });
        }
        let malformed = TokenInvalid::malformed(TokenPart::TimeStampResp);
        let (status_info, token) = split(der).map_err(malformed)?;
        let (status, status_strings, failure_info) = read_status_info(&status_info).map_err(malformed)?;
        let status = match status {
            [number] => PkiStatus::from_number(*number).ok_or(TokenInvalid::UnknownStatus)?,
            _ => return Err(TokenInvalid::UnknownStatus),
        };
        match (status, token) {
            (PkiStatus::Granted | PkiStatus::GrantedWithMods, None) => Err(TokenInvalid::GrantedWithoutToken),
            (
                PkiStatus::Rejection
                | PkiStatus::Waiting
                | PkiStatus::RevocationWarning
                | PkiStatus::RevocationNotification,
                Some(_),
            ) => Err(TokenInvalid::TokenWithoutGrant),
            (status, token) => Ok(DecodedResponse { status, status_strings, failure_info, token }),
        }
    }
}

fn split(der: &[u8]) -> Result<(Element<'_>, Option<&[u8]>), Malformed> {
    let mut input = Reader::new(der);
    let response = input.required(tag::SEQUENCE)?;
    input.finish()?;
    let mut fields = response.reader();
    let status_info = fields.required(tag::SEQUENCE)?;
    let token = fields.optional(tag::SEQUENCE)?.map(|token| token.der);
    fields.finish()?;
    Ok((status_info, token))
}

type StatusInfo<'a> = (&'a [u8], Vec<String>, Option<PkiFailureInfo>);

fn read_status_info<'a>(status_info: &Element<'a>) -> Result<StatusInfo<'a>, Malformed> {
    let mut fields = status_info.reader();
    let status = fields.required(tag::INTEGER)?.integer()?;
    let mut status_strings = Vec::new();
    if let Some(texts) = fields.optional(tag::SEQUENCE)? {
        let mut texts = texts.reader();
        while !texts.is_empty() {
            let text = texts.required(tag::UTF8_STRING)?;
            if status_strings.len() < MAX_STATUS_STRINGS {
                status_strings.push(String::from_utf8_lossy(text.content).into_owned());
            }
        }
    }
    let failure_info = fields.optional(tag::BIT_STRING)?.and_then(|bits| first_known_bit(bits.content));
    fields.finish()?;
    Ok((status, status_strings, failure_info))
}

/// The first set bit that RFC 3161 names; trailing zero bits, which DER forbids, are passed over.
fn first_known_bit(bit_string: &[u8]) -> Option<PkiFailureInfo> {
    let octets = bit_string.get(1..)?;
    PkiFailureInfo::ALL.into_iter().find(|info| {
        let bit = info.bit();
        octets.get(usize::from(bit / 8)).is_some_and(|octet| octet & (0x80 >> (bit % 8)) != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn a_rejection_tells_its_reason() {
        for info in PkiFailureInfo::ALL {
            let der = TimeStampResp::rejection(info, "a reason");
            let response = TimeStampResp::decode(&der).unwrap();
            assert_eq!(response.status, PkiStatus::Rejection);
            assert_eq!(response.status_strings, ["a reason"]);
            assert_eq!(response.failure_info, Some(info));
            assert_eq!(response.token, None);
        }
    }

    #[test]
    fn trailing_zero_bits_are_passed_over() {
        let response = hex!("300f 300d 020102 0308 07 80000000000000");
        assert_eq!(TimeStampResp::decode(&response).unwrap().failure_info, Some(PkiFailureInfo::BadAlg));
    }

    #[test]
    fn status_and_token_must_agree() {
        let granted = hex!("3005 3003 020100");
        assert!(matches!(TimeStampResp::decode(&granted), Err(TokenInvalid::GrantedWithoutToken)));
        let rejected = hex!("3007 3003 020102 3000");
        assert!(matches!(TimeStampResp::decode(&rejected), Err(TokenInvalid::TokenWithoutGrant)));
        let unknown = hex!("3005 3003 020109");
        assert!(matches!(TimeStampResp::decode(&unknown), Err(TokenInvalid::UnknownStatus)));
        let negative = hex!("3005 3003 0201ff");
        assert!(matches!(TimeStampResp::decode(&negative), Err(TokenInvalid::UnknownStatus)));
    }

    #[test]
    fn what_is_no_response_is_malformed() {
        for der in
            [&[][..], &hex!("3000"), &hex!("3080"), &hex!("3005 3003 020100 00"), &hex!("3005 3103 020100")]
        {
            let error = TimeStampResp::decode(der).unwrap_err();
            assert!(
                matches!(error, TokenInvalid::Malformed { part: TokenPart::TimeStampResp, .. }),
                "{der:?}: {error}"
            );
        }
    }
}
