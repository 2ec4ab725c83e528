//! `TimeStampResp` (RFC 3161 §2.4.2): a granted token, or a rejection that says why.
//!
//! A token is present if and only if the status is granted: there is one function for each, and no third.

use crate::failure::{Failure, PkiFailureInfo};
use crate::token::TimeStampToken;
use attestamp_strict_der::{element, tag, unsigned_integer};

/// `PKIStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PkiStatus {
    /// A token is present, as it was asked for.
    Granted,
    /// A token is present, with modifications. Never sent by us: what cannot be given as asked for is refused.
    GrantedWithMods,
    /// No token.
    Rejection,
    /// No token yet. Never sent by us, nor the two that follow.
    Waiting,
    /// A revocation is imminent.
    RevocationWarning,
    /// A revocation has occurred.
    RevocationNotification,
}

impl PkiStatus {
    /// Every value, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Granted,
        Self::GrantedWithMods,
        Self::Rejection,
        Self::Waiting,
        Self::RevocationWarning,
        Self::RevocationNotification,
    ];

    /// The INTEGER on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Granted => 0,
            Self::GrantedWithMods => 1,
            Self::Rejection => 2,
            Self::Waiting => 3,
            Self::RevocationWarning => 4,
            Self::RevocationNotification => 5,
        }
    }

    /// The value with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }
}

/// Makes whole replies.
#[derive(Debug, Clone, Copy)]
pub struct TimeStampResp;

/// `PKIStatusInfo` of a granted token: the status alone.
pub(crate) const GRANTED_STATUS_INFO: [u8; 5] = [tag::SEQUENCE, 3, tag::INTEGER, 1, 0];

impl TimeStampResp {
    /// The reply that carries this token. The token was made inside its reply, so nothing is copied.
    #[must_use]
    pub fn granted(token: TimeStampToken) -> Vec<u8> {
        token.into_response()
    }

    /// The reply that carries no token: status rejection, the text, and one failure bit.
    ///
    /// `text` is shown to whoever sent the request: no internals.
    #[must_use]
    pub fn rejection(failure_info: PkiFailureInfo, text: &str) -> Vec<u8> {
        let status = unsigned_integer(tag::INTEGER, u32::from(PkiStatus::Rejection.number()));
        let utf8 = element(tag::UTF8_STRING, &[text.as_bytes()]);
        // PKIFreeText is SIZE (1..MAX), and a statusString without a word is none.
        let status_string = if text.is_empty() { Vec::new() } else { element(tag::SEQUENCE, &[&utf8]) };
        let status_info = element(tag::SEQUENCE, &[&status, &status_string, &failure_info_der(failure_info)]);
        element(tag::SEQUENCE, &[&status_info])
    }

    /// The rejection that says what this failure says.
    #[must_use]
    pub fn rejection_of(failure: &Failure) -> Vec<u8> {
        Self::rejection(failure.failure_info(), &failure.to_string())
    }
}

/// The BIT STRING with this one bit, without the trailing zero bits of a named bit list (X.690 §11.2.2).
fn failure_info_der(failure_info: PkiFailureInfo) -> Vec<u8> {
    let bit = failure_info.bit();
    let unused_bits = 7 - bit % 8;
    let zeros = vec![0; usize::from(bit / 8)];
    element(tag::BIT_STRING, &[&[unused_bits], &zeros, &[1 << unused_bits]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, Malformed, Reason, Refusal};
    use attestamp_certs::HashAlgorithm;
    use hex_literal::hex;

    #[test]
    fn a1_18_named_bits_without_trailing_zeros() {
        for (info, expected) in [
            (PkiFailureInfo::BadAlg, hex!("03020780").as_slice()),
            (PkiFailureInfo::BadRequest, &hex!("03020520")),
            (PkiFailureInfo::BadDataFormat, &hex!("03020204")),
            (PkiFailureInfo::TimeNotAvailable, &hex!("0303010002")),
            (PkiFailureInfo::UnacceptedPolicy, &hex!("0303000001")),
            (PkiFailureInfo::UnacceptedExtension, &hex!("030407000080")),
            (PkiFailureInfo::AddInfoNotAvailable, &hex!("030406000040")),
            (PkiFailureInfo::SystemFailure, &hex!("03050600000040")),
        ] {
            assert_eq!(failure_info_der(info), expected, "{}", info.name());
            assert_eq!(PkiFailureInfo::from_bit(info.bit()), Some(info));
        }
        assert_eq!(PkiFailureInfo::from_bit(1), None);
    }

    #[test]
    fn a1_17_a_rejection_has_status_text_and_one_bit() {
        assert_eq!(
            TimeStampResp::rejection(PkiFailureInfo::BadAlg, "no"),
            hex!("300f 300d 020102 3004 0c026e6f 03020780")
        );
        assert_eq!(TimeStampResp::rejection(PkiFailureInfo::BadAlg, ""), hex!("3009 3007 020102 03020780"));
    }

    #[test]
    fn a1_17_every_failure_has_a_helpful_text() {
        let hash = HashAlgorithm::Sha256;
        let failures: [Failure; 12] = [
            Malformed { offset: 3, reason: Reason::TrailingData { octets: 1 } }.into(),
            Refusal::UnsupportedVersion.into(),
            Refusal::UnknownHash.into(),
            Refusal::HashNotAccepted { hash }.into(),
            Refusal::HashParameters.into(),
            Refusal::ImprintLength { hash, found: 20, required: 32 }.into(),
            Refusal::PolicyNotOffered.into(),
            Refusal::UnknownExtension.into(),
            Refusal::AdditionalInformationNotAvailable.into(),
            Refusal::NonceTooLong { found: 65, limit: 64 }.into(),
            Fault::TimeNotAvailable.into(),
            Fault::SystemFailure.into(),
        ];
        let mut seen = std::collections::HashSet::new();
        for failure in failures {
            let text = failure.to_string();
            assert!(text.len() > 20 && text.is_ascii(), "{text}");
            assert!(seen.insert(text.clone()), "twice: {text}");
            let reply = TimeStampResp::rejection_of(&failure);
            assert!(reply.windows(text.len()).any(|window| window == text.as_bytes()));
        }
    }

    #[test]
    fn a1_7_and_a1_8_and_a1_9_have_their_bits() {
        let info = |failure: Failure| failure.failure_info();
        assert_eq!(
            info(Refusal::AdditionalInformationNotAvailable.into()),
            PkiFailureInfo::AddInfoNotAvailable
        );
        assert_eq!(info(Fault::TimeNotAvailable.into()), PkiFailureInfo::TimeNotAvailable);
        assert_eq!(info(Fault::SystemFailure.into()), PkiFailureInfo::SystemFailure);
    }
}
