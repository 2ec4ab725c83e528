//! Why a verdict is not "holds", in words that say what to do.

use std::sync::Arc;

use attestamp_certs::UnixTime;
use attestamp_certs::subject::name_text;
use attestamp_certs::utc::Utc;
use attestamp_strict_der::Oid;

use super::{ClaimsDifference, Verdict};
use crate::acceptance::Shortcoming;
use crate::chain_kind::ChainKind;
use crate::claims::{Nonce, Platform};
use crate::evidence::{DeviceShortcoming, EvidenceError};
use crate::key_kind::KeyKind;
use crate::verify::NotVerified;

/// What an auditor has of the key that must be attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedKey {
    /// A TSU's certificate.
    TsuCertificate,
    /// A token.
    Token,
}

impl AskedKey {
    const fn name(self) -> &'static str {
        match self {
            Self::TsuCertificate => "of the given TSU certificate",
            Self::Token => "that signed the token",
        }
    }
}

/// Why a verdict is not "holds".
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The auditor pinned no root.
    #[error("no root is pinned: give the device's root, as you had it from somebody whom you trust")]
    NoRootPinned,
    /// No chain names a pinned root.
    #[error(
        "no chain of the bundle leads to the pinned root {}: it is another authority's bundle, or another root than the \
         device's",
        text(root_subject_der)
    )]
    RootWithoutChain {
        /// `Name` of the root, DER.
        root_subject_der: Vec<u8>,
    },
    /// A nonce was asked for, and the only attestations are of keys whose use has ended: a bundle of any age has those.
    #[error(
        "no attestation under the {chain} chain carries your nonce: they are of keys whose use has ended, which are attested \
         no more; leave the nonce out to judge those"
    )]
    NothingFresh {
        /// Which chain.
        chain: ChainKind,
    },
    /// There is no key in the bundle.
    #[error("the bundle has no attestation of any key")]
    NothingAttested,
    /// The bundle has no key of the name asked for.
    #[error("the bundle has no key `{asked}`; it has {}", list(known))]
    KeyUnknown {
        /// The name.
        asked: String,
        /// The names that it has.
        known: Vec<String>,
    },
    /// No attestation is of the key that the auditor has (D7).
    #[error("the key {} is not attested in the bundle under a pinned root", asked.name())]
    KeyNotAttested {
        /// Where the auditor has it from.
        asked: AskedKey,
    },
    /// The token was signed by another key than that of the TSU certificate given with it (D7).
    #[error("the token was signed with another key than that of the given TSU certificate")]
    TokenOfAnotherCertificate,
    /// A key without an attestation under a chain that leads to a pinned root.
    #[error(
        "there is no attestation of the key under this chain: it was not attested, or the attestation was taken out"
    )]
    AttestationMissing,
    /// The attestation does not verify.
    #[error("the attestation is not verified")]
    NotVerified {
        /// Why.
        #[source]
        source: NotVerified,
    },
    /// The key breaks D6.
    #[error(transparent)]
    Shortcoming(#[from] Shortcoming),
    /// A nonce was asked for and is not there.
    #[error("the attestation carries no nonce: ask the server for one with yours")]
    NonceAbsent,
    /// Another nonce is there: the attestation was made for somebody else, or earlier.
    #[error("the attestation carries the nonce {found}, not the one asked for")]
    NonceDiffers {
        /// The one that it carries.
        found: Nonce,
    },
    /// The TSU's certificate in the bundle is of another key (D7).
    #[error("the TSU's certificate in the bundle has another key than the attested one")]
    TsuCertificateOfAnotherKey,
    /// Two attestations of one key that do not say the same.
    #[error("the attestations under the two chains differ in the key's {}", difference.name())]
    ChainsDisagree {
        /// In what.
        difference: ClaimsDifference,
    },
    /// The token is from after the end of the key's use.
    #[error("the token is of {}, after the end of the key's use at {}", Utc(*gen_time), Utc(*ended_at))]
    TokenAfterEnd {
        /// The token's time.
        gen_time: UnixTime,
        /// The end of the key's use.
        ended_at: UnixTime,
    },
    /// The attestation says `deviceSigned`, and nothing shows it (D11).
    #[error(
        "the attestation claims to be deviceSigned, and the bundle has no evidence that a device signed: the claims are \
         the host's word"
    )]
    EvidenceMissing,
    /// The bundle has other evidence than the attestation names.
    #[error(
        "the evidence of format {} in the bundle is not the one that was attested: its SHA-512 differs",
        Oid::from_checked(format)
    )]
    EvidenceDiffers {
        /// Content octets of the format's object identifier.
        format: Vec<u8>,
    },
    /// The evidence of a `deviceSigned` attestation, or evidence that a vendor's root was pinned for, gave no statement.
    #[error("the evidence of format {} is not verified", Oid::from_checked(format))]
    EvidenceNotVerified {
        /// Content octets of the format's object identifier.
        format: Vec<u8>,
        /// Why.
        #[source]
        source: Arc<EvidenceError>,
    },
    /// The device's own word is not enough (D6).
    #[error("by the device's own word: {0}")]
    DeviceShortcoming(DeviceShortcoming),
    /// The evidence is of another device than the attestation.
    #[error(
        "the evidence is of the {device} with the serial number {serial}, and the attestation of a token that names itself \
         {:?} {:?} {:?}", claimed.manufacturer, claimed.model, claimed.serial
    )]
    EvidenceOfAnotherDevice {
        /// Which make of device, by the evidence.
        device: &'static str,
        /// Its serial number, by the evidence.
        serial: String,
        /// The token, by the claims.
        claimed: Platform,
    },
    /// The auditor pinned a vendor's root, and there is no evidence of the key.
    #[error("a vendor's root is pinned, and the bundle has no evidence that a vendor's device has the key")]
    EvidenceNotGiven,
    /// The auditor takes a device's word alone.
    #[error(
        "the claims are not shown to be deviceSigned, which was required: they are the host's word, or nothing was verified \
         that a device signed"
    )]
    NotDeviceSigned,
    /// The claims say another kind of key than the key is.
    #[error(
        "the claims name a key of the type {key_type:?} and the parameter set {parameter_set:?}, and the attested key is a \
         {} of {}", found.key_type, found.parameter_set
    )]
    KeyOfAnotherKind {
        /// As claimed.
        key_type: String,
        /// As claimed.
        parameter_set: String,
        /// By the key itself.
        found: KeyKind,
    },
    /// The key is of a kind that this version does not know.
    #[error(
        "what is claimed of the key's type cannot be held against the key: this version knows no such key"
    )]
    KeyKindUnknown,
    /// The claims are of a key of somebody else than its file's name says: names of files are nobody's word.
    #[error("by the claims the key is that of {user:?}, which is not the name of its file in the bundle")]
    NameOfAnother {
        /// Who uses it, by the claims.
        user: String,
    },
    /// The key serves another purpose.
    #[error("by the claims the key is for {found:?}, and not for timestamping")]
    OtherPurpose {
        /// The one claimed.
        found: String,
    },
    /// One key under two names.
    #[error("`{first}` and `{second}` are the same key, in use under both names: one of them is not its own")]
    OneKeyOfTwoNames {
        /// The first name.
        first: String,
        /// The other.
        second: String,
    },
    /// The attestation is from the future.
    #[error(
        "the attestation says that it is of {}, which is yet to come: validity is judged at {}",
        Utc(*attested_at), Utc(*at)
    )]
    AttestedInTheFuture {
        /// By the claims.
        attested_at: UnixTime,
        /// The auditor's time.
        at: UnixTime,
    },
    /// The key's use ends after the attestation that says so.
    #[error(
        "the attestation of {} says that the use of the key ended at {}, which was yet to come",
        Utc(*attested_at), Utc(*ended_at)
    )]
    EndsAfterAttestation {
        /// By the claims.
        ended_at: UnixTime,
        /// By the claims.
        attested_at: UnixTime,
    },
    /// The token is from after the last use of the key that the claims allow.
    #[error("the token is of {}, after the last use of the key at {}", Utc(*gen_time), Utc(*last_use))]
    TokenAfterLastUse {
        /// The token's time.
        gen_time: UnixTime,
        /// The last second of the key's use, by the claims.
        last_use: UnixTime,
    },
}

impl Reason {
    /// The verdict that it leads to.
    #[must_use]
    pub fn consequence(&self) -> Verdict {
        match self {
            Self::NoRootPinned | Self::KeyKindUnknown => Verdict::NotJudged,
            Self::NotVerified { source } if source.is_unjudgeable() => Verdict::NotJudged,
            Self::EvidenceNotVerified { source, .. } if source.is_unjudgeable() => Verdict::NotJudged,
            Self::RootWithoutChain { .. }
            | Self::NothingFresh { .. }
            | Self::NothingAttested
            | Self::KeyUnknown { .. }
            | Self::KeyNotAttested { .. }
            | Self::TokenOfAnotherCertificate
            | Self::AttestationMissing
            | Self::NotVerified { .. }
            | Self::Shortcoming(_)
            | Self::NonceAbsent
            | Self::NonceDiffers { .. }
            | Self::TsuCertificateOfAnotherKey
            | Self::ChainsDisagree { .. }
            | Self::TokenAfterEnd { .. }
            | Self::EvidenceMissing
            | Self::EvidenceDiffers { .. }
            | Self::EvidenceNotVerified { .. }
            | Self::DeviceShortcoming(_)
            | Self::EvidenceOfAnotherDevice { .. }
            | Self::EvidenceNotGiven
            | Self::NotDeviceSigned
            | Self::KeyOfAnotherKind { .. }
            | Self::NameOfAnother { .. }
            | Self::OtherPurpose { .. }
            | Self::OneKeyOfTwoNames { .. }
            | Self::AttestedInTheFuture { .. }
            | Self::EndsAfterAttestation { .. }
            | Self::TokenAfterLastUse { .. } => Verdict::DoesNotHold,
        }
    }
}

fn text(name_der: &[u8]) -> String {
    name_text(name_der).unwrap_or_else(|| "of a name that cannot be shown".to_owned())
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
