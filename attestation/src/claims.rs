//! What an attestation certificate claims of a key (D4, D5), and its encoding.
//!
//! ```asn1
//! KeyAttestation ::= SEQUENCE {
//!   version      INTEGER (1),
//!   assurance    ENUMERATED { hostAsserted (0), deviceSigned (1) },
//!   attestedAt   GeneralizedTime,                              -- whole seconds, UTC
//!   clock        ENUMERATED { hostUnassured (0), hostAssured (1) },
//!   nonce    [0] IMPLICIT OCTET STRING (SIZE (16..64)) OPTIONAL,
//!   key          AttestedKey,
//!   platform     Platform,
//!   policy   [1] IMPLICIT KeyPolicy OPTIONAL,
//!   evidence [2] IMPLICIT SEQUENCE (SIZE (1..8)) OF Evidence OPTIONAL,
//!   end      [3] IMPLICIT KeyEnd OPTIONAL }
//!
//! AttestedKey ::= SEQUENCE {
//!   id                    OCTET STRING (SIZE (1..64)),         -- CKA_ID
//!   label                 UTF8String,                          -- CKA_LABEL
//!   type                  UTF8String,                          -- CKA_KEY_TYPE, as "CKK_EC"
//!   parameterSet          UTF8String,                          -- as "P-256", "3072", "ML-DSA-65"
//!   flags                 SEQUENCE OF KeyFlag,                 -- by ascending attribute, each once
//!   keyGenMechanism   [0] IMPLICIT UTF8String OPTIONAL,        -- CKA_KEY_GEN_MECHANISM, as "CKM_EC_KEY_PAIR_GEN"
//!   allowedMechanisms [1] IMPLICIT SEQUENCE OF UTF8String OPTIONAL,
//!   startDate         [2] IMPLICIT UTF8String (SIZE (8)) OPTIONAL,  -- CKA_START_DATE, YYYYMMDD
//!   endDate           [3] IMPLICIT UTF8String (SIZE (8)) OPTIONAL,
//!   uniqueId          [4] IMPLICIT UTF8String OPTIONAL }       -- CKA_UNIQUE_ID
//!
//! KeyFlag  ::= SEQUENCE { attribute INTEGER, value BOOLEAN }   -- the CKA_ number; absent where the token has none
//! Platform ::= SEQUENCE { manufacturer UTF8String, model UTF8String, serialNumber UTF8String, firmware UTF8String }
//! KeyPolicy ::= SEQUENCE {
//!   purpose          UTF8String,                               -- "timestamping"
//!   user             UTF8String,                               -- as "tsu default"
//!   tsaPolicies      SEQUENCE OF OBJECT IDENTIFIER,
//!   notAfter         GeneralizedTime,                          -- the last second of its use
//!   acceptUnattested BOOLEAN }                                 -- the key is used although it breaks D6
//! Evidence ::= SEQUENCE { format OBJECT IDENTIFIER, sha512 OCTET STRING (SIZE (64)) }
//! KeyEnd   ::= SEQUENCE { time GeneralizedTime, state ENUMERATED { retired (0), destroyed (1) } }
//! ```
//!
//! DER throughout, every octet read. The texts are what the token says: printable by whoever shows them, not here.

mod decode;
mod encode;
mod flags;
mod invalid;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;

use attestamp_certs::UnixTime;

pub use flags::{KeyFlag, KeyFlags};
pub use invalid::{ClaimsField, ClaimsInvalid};

/// Most octets of the whole structure. With every list and text at its longest it has about 25 000.
pub const MAX_CLAIMS_OCTETS: usize = 32 * 1024;
/// Most octets of a text. CK_TOKEN_INFO has 32 at most; PKCS#11 sets no bound to a label, and tokens take 255 at most.
pub const MAX_TEXT_OCTETS: usize = 255;
/// Most octets of CKA_ID: it is a hash as a rule, of 64 octets at most.
pub const MAX_ID_OCTETS: usize = 64;
/// Most mechanisms that a key is restricted to: no key type has half as many.
pub const MAX_MECHANISMS: usize = 64;
/// Most policies of the tokens issued with a key: a profile has one or two, a key a few profiles.
pub const MAX_TSA_POLICIES: usize = 32;
/// Most pieces of vendor evidence for one key: each is a format of one vendor.
pub const MAX_EVIDENCE: usize = 8;
/// Octets of an auditor's nonce (D4).
pub const NONCE_OCTETS: RangeInclusive<usize> = 16..=64;

/// Everything that an attestation claims of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// On whose word the claims rest.
    pub assurance: Assurance,
    /// When the token was asked; whole seconds.
    pub attested_at: UnixTime,
    /// Whose clock that is.
    pub clock: AttestationClock,
    /// The auditor's, echoed exactly; `None` in a stored attestation.
    pub nonce: Option<Nonce>,
    /// The key, as its token describes it.
    pub key: KeyClaims,
    /// The token (C_GetTokenInfo).
    pub platform: Platform,
    /// What the host lets the key be used for.
    pub policy: Option<KeyPolicy>,
    /// What the vendor's own attestation of the key is, by hash; at most 8.
    pub evidence: Vec<EvidenceClaim>,
    /// Present in the last attestation of a key that is used no more.
    pub end: Option<KeyEnd>,
}

/// On whose word claims rest (D11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assurance {
    /// The host's: it could make the attestation key sign anything.
    HostAsserted,
    /// The device's: evidence that it signed itself, and that was verified, says the same.
    DeviceSigned,
}

/// Whose clock gave the time of attestation (F8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestationClock {
    /// The host's, which nothing checked.
    HostUnassured,
    /// The host's, held within a bound.
    HostAssured,
}

/// An auditor's nonce: 16 to 64 octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

/// A nonce of a wrong length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a nonce has 16 to 64 octets, this one has {found}")]
pub struct NonceInvalid {
    /// Octets given.
    pub found: usize,
}

impl Nonce {
    /// Takes 16 to 64 octets.
    ///
    /// # Errors
    /// [`NonceInvalid`].
    pub fn new(octets: Vec<u8>) -> Result<Self, NonceInvalid> {
        if NONCE_OCTETS.contains(&octets.len()) {
            Ok(Self(octets))
        } else {
            Err(NonceInvalid { found: octets.len() })
        }
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Nonce {
    /// Lower-case hexadecimal.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(formatter, "{octet:02x}"))
    }
}

/// A key as its token describes it. What the token does not have is `None` or absent, never FALSE or empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyClaims {
    /// CKA_ID: 1 to 64 octets.
    pub id: Vec<u8>,
    /// CKA_LABEL.
    pub label: String,
    /// CKA_KEY_TYPE, as `CKK_EC`.
    pub key_type: String,
    /// The curve, modulus length or parameter set, as `P-256`, `3072`, `ML-DSA-65`.
    pub parameter_set: String,
    /// The boolean attributes that the token has.
    pub flags: KeyFlags,
    /// CKA_KEY_GEN_MECHANISM, as `CKM_EC_KEY_PAIR_GEN`.
    pub key_gen_mechanism: Option<String>,
    /// CKA_ALLOWED_MECHANISMS; `None` for no restriction.
    pub allowed_mechanisms: Option<Vec<String>>,
    /// CKA_START_DATE.
    pub start_date: Option<Date>,
    /// CKA_END_DATE.
    pub end_date: Option<Date>,
    /// CKA_UNIQUE_ID.
    pub unique_id: Option<String>,
}

/// CK_DATE: a day, without a check that the month has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year of the common era, 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl fmt::Display for Date {
    /// As `2026-02-03`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A token as it names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Which one it is.
    pub serial: String,
    /// Firmware version, as `2.10`.
    pub firmware: String,
}

/// What the host lets a key be used for. Enforced by the host, not by the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPolicy {
    /// As `timestamping`.
    pub purpose: String,
    /// Who uses it, as `tsu default`.
    pub user: String,
    /// Policies of the tokens issued with it: content octets of OBJECT IDENTIFIERs.
    pub tsa_policies: Vec<Vec<u8>>,
    /// The last second of its use.
    pub not_after: UnixTime,
    /// Whether the host uses the key although it has shortcomings (D6).
    pub accept_unattested: bool,
}

/// Vendor evidence, by its hash; the bytes are carried beside the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceClaim {
    /// Its format: content octets of an OBJECT IDENTIFIER, as [`crate::oid::YUBIHSM2_EVIDENCE`].
    pub format: Vec<u8>,
    /// SHA-512 of its bytes.
    pub sha512: [u8; 64],
}

/// The end of a key's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyEnd {
    /// When.
    pub time: UnixTime,
    /// How.
    pub state: KeyEndState,
}

/// How a key's use ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEndState {
    /// It is still in the token and is used no more.
    Retired,
    /// It was destroyed right after this attestation.
    Destroyed,
}

impl Claims {
    /// The DER of `KeyAttestation`: the extension's value.
    ///
    /// It always writes; what is beyond the limits of this module (a text of 256 octets, a year of five digits) is
    /// refused by [`Claims::from_der`], and by [`UnsignedCertificate::attestation`](crate::UnsignedCertificate::attestation).
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        encode::claims(self)
    }

    /// Reads the extension's value, all of it.
    ///
    /// # Errors
    /// [`ClaimsInvalid`] for anything that [`Claims::to_der`] would not write.
    pub fn from_der(der: &[u8]) -> Result<Self, ClaimsInvalid> {
        decode::claims(der)
    }
}

impl Platform {
    /// The DER of `Platform`: the value of the extension in a device certificate.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        encode::platform(self)
    }

    /// Reads the value of the extension in a device certificate, all of it.
    ///
    /// # Errors
    /// [`ClaimsInvalid`] for anything that [`Platform::to_der`] would not write.
    pub fn from_der(der: &[u8]) -> Result<Self, ClaimsInvalid> {
        decode::only_platform(der)
    }
}
