//! In what two attestations of one key differ that must say the same: each is the same host's word on the same key.
//!
//! Time, clock and nonce are each attestation's own, and firmware may be upgraded between two. Nothing else may differ: an
//! auditor who pinned one root would be told another thing than one who pinned the other.

use crate::claims::Platform;
use crate::verify::Verified;

/// In what two attestations of one key differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the claims' own names")]
pub enum ClaimsDifference {
    PublicKey,
    KeyId,
    Label,
    KeyType,
    Flags,
    KeyGenMechanism,
    AllowedMechanisms,
    Dates,
    UniqueId,
    Assurance,
    Platform,
    Policy,
    Evidence,
    End,
}

impl ClaimsDifference {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "public key",
            Self::KeyId => "CKA_ID",
            Self::Label => "CKA_LABEL",
            Self::KeyType => "type or parameter set",
            Self::Flags => "flags",
            Self::KeyGenMechanism => "CKA_KEY_GEN_MECHANISM",
            Self::AllowedMechanisms => "CKA_ALLOWED_MECHANISMS",
            Self::Dates => "CKA_START_DATE or CKA_END_DATE",
            Self::UniqueId => "CKA_UNIQUE_ID",
            Self::Assurance => "assurance",
            Self::Platform => "token",
            Self::Policy => "policy",
            Self::Evidence => "vendor evidence",
            Self::End => "end of use",
        }
    }
}

/// The first difference.
pub(super) fn difference(one: &Verified, other: &Verified) -> Option<ClaimsDifference> {
    let (a, b) = (&one.claims, &other.claims);
    let (key, other_key) = (&a.key, &b.key);
    let is_type_same = (&key.key_type, &key.parameter_set) == (&other_key.key_type, &other_key.parameter_set);
    let are_dates_same = (key.start_date, key.end_date) == (other_key.start_date, other_key.end_date);
    [
        (one.spki_der == other.spki_der, ClaimsDifference::PublicKey),
        (key.id == other_key.id, ClaimsDifference::KeyId),
        (key.label == other_key.label, ClaimsDifference::Label),
        (is_type_same, ClaimsDifference::KeyType),
        (key.flags == other_key.flags, ClaimsDifference::Flags),
        (key.key_gen_mechanism == other_key.key_gen_mechanism, ClaimsDifference::KeyGenMechanism),
        (key.allowed_mechanisms == other_key.allowed_mechanisms, ClaimsDifference::AllowedMechanisms),
        (are_dates_same, ClaimsDifference::Dates),
        (key.unique_id == other_key.unique_id, ClaimsDifference::UniqueId),
        (a.assurance == b.assurance, ClaimsDifference::Assurance),
        // The device certificate has the same names, or the attestation would not be verified.
        (is_same_token(&a.platform, &b.platform), ClaimsDifference::Platform),
        (a.policy == b.policy, ClaimsDifference::Policy),
        (a.evidence == b.evidence, ClaimsDifference::Evidence),
        (a.end == b.end, ClaimsDifference::End),
    ]
    .into_iter()
    .find_map(|(is_same, difference)| (!is_same).then_some(difference))
}

fn is_same_token(one: &Platform, other: &Platform) -> bool {
    let names =
        |platform: &Platform| [&platform.manufacturer, &platform.model, &platform.serial].map(String::clone);
    names(one) == names(other)
}
