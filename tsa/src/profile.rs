//! The decision: what a TSU grants, and what it refuses (RFC 3161 §2.4.1, §2.4.2).
//!
//! A [`Profile`] is a validated [`ProfileConfig`]; [`Profile::decide`] is the whole of the policy for one request. It
//! does not know whether the clock is trusted or the key is there: those are faults, found out by the server.

mod etsi;

use attestamp_certs::HashAlgorithm;

use crate::accuracy::Accuracy;
use crate::failure::Refusal;
use crate::gen_time::{GenTimePrecision, UtcInstant};
use crate::policy_oid::PolicyOid;
use crate::request::{Compatibility, HashParameters, MessageImprint, TimeStampReq};

pub use etsi::Etsi;

/// Longest nonce that is echoed, in content octets. Clients in use send 8 to 33; nothing needs more than a hash value.
pub const MAX_NONCE_LENGTH: usize = 64;

/// What an operator may choose. Plain data; [`Profile::new`] judges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileConfig {
    /// The policy of tokens whose request names none.
    pub default_policy: PolicyOid,
    /// Further policies that a request may name; the default need not be repeated.
    pub accepted_policies: Vec<PolicyOid>,
    /// The hash algorithms that a request may use.
    pub accepted_hashes: Vec<HashAlgorithm>,
    /// The accuracy that every token claims.
    pub accuracy: Accuracy,
    /// How finely genTime is stated.
    pub gen_time_precision: GenTimePrecision,
    /// Whether tokens name the TSU (`tsa`), by its certificate's subject.
    pub include_tsa_name: bool,
    /// The hash by which a token names its certificate.
    pub ess: EssHash,
    /// How much of the chain goes into a token beside the TSU's certificate.
    pub chain_depth: ChainDepth,
    /// Whether EN 319 422 is kept to.
    pub etsi: Etsi,
    /// What is accepted from old clients.
    pub compatibility: Compatibility,
}

/// How a token names the certificate that verifies it (RFC 5035, RFC 5816 §2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum EssHash {
    /// ESSCertIDv2 with SHA-256: what every client tried accepts.
    #[default]
    V2Sha256,
    /// ESSCertIDv2 with SHA-384.
    V2Sha384,
    /// ESSCertIDv2 with SHA-512.
    V2Sha512,
    /// ESSCertID of RFC 2634, whose hash is SHA-1. For verifiers older than RFC 5816 (2010) only.
    CompatibilityV1Sha1,
}

/// How many certificates go into a token beside the TSU's own. The root never does: a verifier must have it anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ChainDepth {
    /// Every certificate between the TSU's and the root.
    #[default]
    Intermediates,
    /// The first so many of them.
    AtMost(u8),
}

/// A [`ProfileConfig`] that no token can be issued under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No request could be granted.
    #[error("no accepted hash; name at least one")]
    NoAcceptedHash,
    /// genTime is stated more coarsely than the accuracy claims.
    #[error(
        "genTime in steps of {step_microseconds} microseconds cannot keep an accuracy of \
         {accuracy_microseconds} microseconds; choose a finer genTime or a larger accuracy"
    )]
    GenTimeTooCoarse {
        /// Distance of two genTimes.
        step_microseconds: u64,
        /// The accuracy claimed.
        accuracy_microseconds: u64,
    },
    /// EN 319 421 7.7.2-03.
    #[error(
        "the ETSI profile needs an accuracy of 1 second or better, {accuracy_microseconds} microseconds are claimed"
    )]
    EtsiAccuracy {
        /// The accuracy claimed.
        accuracy_microseconds: u64,
    },
    /// EN 319 422 annex A.
    #[error(
        "policy {policy} is no timestamping policy of ETSI: use 0.4.0.2023.1.1 (BTSP) or one of your own"
    )]
    EtsiPolicy {
        /// The policy at fault.
        policy: PolicyOid,
    },
    /// ETSI TS 119 312 has no place for SHA-1.
    #[error(
        "the ETSI profile does not allow SHA-1 in the reference to the certificate (ESSCertID version 1)"
    )]
    EtsiEssHash,
}

/// A validated profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    config: ProfileConfig,
}

/// What a token will say, decided. Borrows from the request and the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<'a> {
    /// The policy under which the token is issued.
    pub policy: &'a PolicyOid,
    /// What is stamped, as it stood in the request.
    pub message_imprint: MessageImprint<'a>,
    /// The time of the token, already truncated to the profile's precision.
    pub gen_time: UtcInstant,
    /// Content octets of the nonce, to be echoed.
    pub nonce: Option<&'a [u8]>,
    /// Whether certificates go into the token.
    pub cert_req: bool,
}

impl ProfileConfig {
    /// The profile that every client tried accepts: whole seconds, one second of accuracy, the six hashes of SHA-2
    /// and SHA-3, ESSCertIDv2 with SHA-256.
    #[must_use]
    pub fn new(default_policy: PolicyOid) -> Self {
        Self {
            default_policy,
            accepted_policies: Vec::new(),
            accepted_hashes: HashAlgorithm::OF_DATA.to_vec(),
            accuracy: Accuracy::ONE_SECOND,
            gen_time_precision: GenTimePrecision::default(),
            include_tsa_name: false,
            ess: EssHash::default(),
            chain_depth: ChainDepth::default(),
            etsi: Etsi::default(),
            compatibility: Compatibility::default(),
        }
    }
}

impl Profile {
    /// Validates a configuration.
    ///
    /// # Errors
    /// [`ProfileError`] for the first contradiction found.
    pub fn new(config: ProfileConfig) -> Result<Self, ProfileError> {
        if config.accepted_hashes.is_empty() {
            return Err(ProfileError::NoAcceptedHash);
        }
        let step_microseconds = config.gen_time_precision.step_microseconds();
        let accuracy_microseconds = config.accuracy.total_microseconds();
        if step_microseconds > accuracy_microseconds {
            return Err(ProfileError::GenTimeTooCoarse { step_microseconds, accuracy_microseconds });
        }
        etsi::check(&config)?;
        Ok(Self { config })
    }

    /// Decides on a request that arrived at `now`. Whoever calls this has already found the clock to be trusted.
    ///
    /// # Errors
    /// The first [`Refusal`], in the order of the request's fields.
    pub fn decide<'a>(&'a self, request: &TimeStampReq<'a>, now: UtcInstant) -> Result<Grant<'a>, Refusal> {
        if request.version() != [1] {
            return Err(Refusal::UnsupportedVersion);
        }
        let message_imprint = *request.message_imprint();
        self.check_imprint(&message_imprint)?;
        let policy = match request.req_policy() {
            None => &self.config.default_policy,
            Some(wanted) => {
                self.policies().find(|policy| policy.oid() == wanted).ok_or(Refusal::PolicyNotOffered)?
            }
        };
        if let Some(nonce) = request.nonce()
            && nonce.len() > MAX_NONCE_LENGTH
        {
            return Err(Refusal::NonceTooLong { found: nonce.len(), limit: MAX_NONCE_LENGTH });
        }
        if request.extensions().iter().next().is_some() {
            return Err(Refusal::UnknownExtension);
        }
        Ok(Grant {
            policy,
            message_imprint,
            gen_time: now.truncated(self.config.gen_time_precision),
            nonce: request.nonce(),
            cert_req: request.cert_req(),
        })
    }

    /// The policies offered, the default first, for choosing a TSU by the policy that a request names.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyOid> {
        std::iter::once(&self.config.default_policy).chain(&self.config.accepted_policies)
    }

    /// The configuration, as it was validated.
    #[must_use]
    pub const fn config(&self) -> &ProfileConfig {
        &self.config
    }

    fn check_imprint(&self, imprint: &MessageImprint<'_>) -> Result<(), Refusal> {
        let hash = HashAlgorithm::from_oid_content(imprint.hash_algorithm().content())
            .ok_or(Refusal::UnknownHash)?;
        if !self.config.accepted_hashes.contains(&hash) {
            return Err(Refusal::HashNotAccepted { hash });
        }
        match imprint.hash_parameters() {
            HashParameters::Absent | HashParameters::Null => {}
            HashParameters::Other => return Err(Refusal::HashParameters),
        }
        let (found, required) = (imprint.hashed_message().len(), hash.output_length());
        if found != required {
            return Err(Refusal::ImprintLength { hash, found, required });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
