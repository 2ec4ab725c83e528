//! What can be wrong with an attestation, one variant each. The verifier stops at the first.
//!
//! Nothing of a certificate's text is quoted: it may be anybody's, and messages are shown on terminals.

use std::fmt;

use attestamp_certs::utc::Utc;
use attestamp_certs::{SignatureInvalid, UnixTime};
use attestamp_strict_der::Oid;

use super::MAX_CHAIN_CERTIFICATES;
use crate::certificate::CertificateInvalid;
use crate::claims::ClaimsInvalid;

/// The place of a certificate in the line from the attestation to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The first: the attestation.
    Attestation,
    /// The second: the attestation key's.
    AttestationKey,
    /// The third: the device's.
    Device,
    /// One between the device and the root.
    Authority {
        /// How many above the device's, from 1.
        above_device: usize,
    },
    /// The last: the pinned root.
    Root,
}

impl Position {
    /// The place of this index in a line of this length.
    pub(super) const fn of(index: usize, length: usize) -> Self {
        match index {
            _ if index + 1 == length => Self::Root,
            0 => Self::Attestation,
            1 => Self::AttestationKey,
            2 => Self::Device,
            above => Self::Authority { above_device: above - 2 },
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attestation => formatter.write_str("the attestation"),
            Self::AttestationKey => formatter.write_str("the attestation key's certificate"),
            Self::Device => formatter.write_str("the device's certificate"),
            Self::Authority { above_device } => {
                write!(formatter, "the CA's certificate {above_device} above the device's")
            }
            Self::Root => formatter.write_str("the pinned root"),
        }
    }
}

/// Why an attestation does not hold, or could not be judged ([`NotVerified::is_unjudgeable`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// The chain is empty.
    #[error("there is no certificate of an attestation key")]
    ChainEmpty,
    /// A chain longer than any honest one.
    #[error("the chain has {found} certificates, at most {MAX_CHAIN_CERTIFICATES} are read")]
    ChainTooLong {
        /// Its certificates.
        found: usize,
    },
    /// A chain without an attestation key, a device and a root above it.
    #[error(
        "{found} certificates with the root and the attestation, at least {required} are needed: attestation, \
         attestation key, device, root"
    )]
    ChainTooShort {
        /// Certificates, with the attestation and the root.
        found: usize,
        /// Fewest that there must be.
        required: usize,
    },
    /// A certificate stands in the line twice, or the root is not its last.
    #[error("{position} stands in the chain twice, or the root is not the last of the chain")]
    Repeated {
        /// Its second place.
        position: Position,
    },
    /// A certificate below the root with its own name as issuer.
    #[error("{position} names itself as issuer; it is no link of the chain")]
    SelfIssued {
        /// Which.
        position: Position,
    },
    /// A certificate that the next did not issue, by name.
    #[error(
        "{position} names another issuer than {issuer}; the chain must be in order and without other certificates"
    )]
    IssuerDiffers {
        /// Which.
        position: Position,
        /// The next one.
        issuer: Position,
    },
    /// A certificate that the next did not issue, by key identifier.
    #[error("{position} names another key than that of {issuer} as its issuer's")]
    KeyIdentifierDiffers {
        /// Which.
        position: Position,
        /// The next one.
        issuer: Position,
    },
    /// A certificate that was not signed with the key of the next.
    #[error("{position} was not signed with the key of {issuer}")]
    Signature {
        /// Which.
        position: Position,
        /// The next one.
        issuer: Position,
        /// What the verifier of signatures says.
        source: SignatureInvalid,
    },
    /// A signature of a kind of key that is not known here.
    #[error("whether {position} was signed with the key of {issuer} cannot be judged here")]
    SignatureNotJudged {
        /// Which.
        position: Position,
        /// The next one.
        issuer: Position,
        /// What the verifier of signatures says.
        source: SignatureInvalid,
    },
    /// A critical extension that nobody here knows (RFC 5280 §4.2).
    #[error(
        "{position} has the critical extension {}, which is not known here",
        Oid::from_checked(identifier)
    )]
    UnknownCriticalExtension {
        /// Which certificate.
        position: Position,
        /// Content octets of its OBJECT IDENTIFIER.
        identifier: Vec<u8>,
    },
    /// A certificate above the attestation that is not a CA's.
    #[error("{position} is not that of a CA: it needs a critical basicConstraints with CA TRUE")]
    NotAuthority {
        /// Which.
        position: Position,
    },
    /// A CA that may not sign certificates.
    #[error("{position} has no keyUsage keyCertSign")]
    MayNotSignCertificates {
        /// Which.
        position: Position,
    },
    /// More CAs below a CA than it allows.
    #[error("{position} allows {allowed} CAs below it, {found} are there")]
    PathTooLong {
        /// Which.
        position: Position,
        /// Its pathLenConstraint.
        allowed: u8,
        /// CAs below it.
        found: usize,
    },
    /// A CA whose extKeyUsage is for other purposes.
    #[error("{position} has an extKeyUsage that does not allow attestations")]
    AuthorityForOtherPurposes {
        /// Which.
        position: Position,
    },
    /// The certificate above the attestation is not an attestation key's (D3).
    #[error(
        "the certificate above the attestation is not an attestation key's: it needs pathLenConstraint 0 and keyUsage \
         digitalSignature"
    )]
    NotAttestationKey,
    /// The certificate above the attestation key's is not a device's.
    #[error("the certificate above the attestation key's is not a device's: it does not name a token")]
    DeviceUnnamed,
    /// The attestation could issue certificates.
    #[error("the attestation is the certificate of a CA")]
    AttestationIsAuthority,
    /// The attestation's keyUsage is another.
    #[error("the attestation's keyUsage is not digitalSignature alone")]
    AttestationKeyUsage,
    /// The attestation could pass for another certificate (D2).
    #[error("the attestation's extKeyUsage is not \"attestation only\", critical and alone")]
    AttestationPurpose,
    /// A certificate is not valid yet (D8).
    #[error("{position} is valid only from {}, after {}", Utc(*not_before), Utc(*at))]
    NotYetValid {
        /// Which.
        position: Position,
        /// Begin of its validity.
        not_before: UnixTime,
        /// The auditor's time.
        at: UnixTime,
    },
    /// A certificate has expired (D8).
    #[error("{position} expired at {}, before {}", Utc(*not_after), Utc(*at))]
    Expired {
        /// Which.
        position: Position,
        /// End of its validity.
        not_after: UnixTime,
        /// The auditor's time.
        at: UnixTime,
    },
    /// One key in two certificates (D10).
    #[error("{first} and {second} have the same key; each must have a key of its own")]
    KeyReused {
        /// The lower.
        first: Position,
        /// The upper.
        second: Position,
    },
    /// A public key that does not read.
    #[error("the public key of {position} does not read")]
    PublicKey {
        /// Of which certificate.
        position: Position,
        /// Why.
        source: CertificateInvalid,
    },
    /// The attestation has no claims.
    #[error("the attestation has no extension with claims")]
    ClaimsMissing,
    /// The claims do not read.
    #[error("the claims are not accepted")]
    Claims {
        /// Why.
        source: ClaimsInvalid,
    },
    /// The claims are of another token than the device certificate.
    #[error(
        "the claims name another token than the device's certificate: manufacturer, model or serial number differ"
    )]
    PlatformDiffers,
    /// The time of attestation is outside a validity.
    #[error(
        "the time of attestation, {}, is not in the validity of {position}, which is from {} to {}",
        Utc(*attested_at), Utc(*not_before), Utc(*not_after)
    )]
    AttestedOutsideValidity {
        /// Which certificate.
        position: Position,
        /// The claims' time.
        attested_at: UnixTime,
        /// Begin of its validity.
        not_before: UnixTime,
        /// End of its validity.
        not_after: UnixTime,
    },
}

impl NotVerified {
    /// Whether nothing was found wrong, but something was not understood: a newer program could find it in order.
    #[must_use]
    pub const fn is_unjudgeable(&self) -> bool {
        matches!(
            self,
            Self::SignatureNotJudged { .. } | Self::Claims { source: ClaimsInvalid::Version { .. } }
        )
    }
}
