//! What EN 319 422 and EN 319 421 add to a profile, as far as a profile can see it.
//!
//! The rest (the certificate's subject, the key's device, the clock's traceability) is checked where those are known.

use super::{EssHash, ProfileConfig, ProfileError};
use crate::policy_oid::PolicyOid;

/// Which ETSI rules a profile keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Etsi {
    /// RFC 3161 alone.
    #[default]
    Off,
    /// EN 319 422: accuracy of one second or better, a policy of EN 319 421 or one that constrains it.
    Etsi,
    /// The same, and each token states that it is a qualified timestamp (EN 319 422 §9.1).
    Qualified,
}

/// EN 319 421's arc `{itu-t(0) identified-organization(4) etsi(0) time-stamp-policy(2023)}`, as content octets.
const ETSI_TIMESTAMP_POLICIES: [u8; 4] = [0x04, 0x00, 0x8f, 0x67];
/// `best-practices-ts-policy` (BTSP), 0.4.0.2023.1.1: the one policy in that arc.
const BTSP: [u8; 6] = [0x04, 0x00, 0x8f, 0x67, 0x01, 0x01];
const ONE_SECOND_MICROSECONDS: u64 = 1_000_000;

pub(super) fn check(config: &ProfileConfig) -> Result<(), ProfileError> {
    match config.etsi {
        Etsi::Off => return Ok(()),
        Etsi::Etsi | Etsi::Qualified => {}
    }
    let accuracy_microseconds = config.accuracy.total_microseconds();
    if accuracy_microseconds > ONE_SECOND_MICROSECONDS {
        return Err(ProfileError::EtsiAccuracy { accuracy_microseconds });
    }
    let mut policies = std::iter::once(&config.default_policy).chain(&config.accepted_policies);
    if let Some(policy) = policies.find(|policy| !is_allowed(policy)) {
        return Err(ProfileError::EtsiPolicy { policy: policy.clone() });
    }
    match config.ess {
        EssHash::V2Sha256 | EssHash::V2Sha384 | EssHash::V2Sha512 => Ok(()),
        EssHash::CompatibilityV1Sha1 => Err(ProfileError::EtsiEssHash),
    }
}

/// BTSP, or a policy outside ETSI's arc: whether an own policy constrains BTSP is for its text to say.
fn is_allowed(policy: &PolicyOid) -> bool {
    let content = policy.oid();
    let content = content.content();
    content == BTSP || !content.starts_with(&ETSI_TIMESTAMP_POLICIES)
}
