//! Everything that is said of a key, and by whom.
//!
//! A claim is the host's word: the host puts the claims together, and the attestation key signs what the host gives it
//! (D11). It is the device's where the claims are `deviceSigned` and evidence was verified that says the same; and then
//! only those that the evidence is about. The token's names are the host's word in the claims, and that of the device
//! certificate's issuer in the device's certificate. What was computed is this verifier's.

use std::fmt;

use attestamp_certs::subject::name_text;
use attestamp_certs::utc::Utc;
use attestamp_certs::{HashAlgorithm, UnixTime};
use attestamp_strict_der::Oid;

use super::{EvidenceOutcome, Finding};
use crate::certificate::Certificate;
use crate::claims::{
    Assurance, AttestationClock, Claims, KeyClaims, KeyEnd, KeyEndState, KeyFlag, KeyPolicy, Platform,
};
use crate::evidence::DeviceStatement;
use crate::key_kind::KeyKind;
use crate::verify::Verified;

/// On whose word a statement rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asserter {
    /// The host that asked the token and had the attestation signed.
    Host,
    /// The device, in evidence that it signed and that was verified.
    Device,
    /// Whoever issued the device's certificate.
    DeviceCertificateIssuer,
    /// The program that verified.
    Verifier,
}

impl fmt::Display for Asserter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Host => "the host",
            Self::Device => "the device",
            Self::DeviceCertificateIssuer => "the issuer of the device's certificate",
            Self::Verifier => "this verifier",
        })
    }
}

/// One thing that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Of what.
    pub name: &'static str,
    /// What.
    pub value: String,
    /// By whom.
    pub asserted_by: Asserter,
    /// Whether the value is a text that somebody else chose freely, a label for instance: the printer's to quote and escape.
    pub is_free_text: bool,
}

/// Collects statements of one asserter after the other.
#[derive(Default)]
struct Statements(Vec<Statement>);

impl Statements {
    fn say(&mut self, asserted_by: Asserter, name: &'static str, value: impl Into<String>) {
        self.0.push(Statement { name, value: value.into(), asserted_by, is_free_text: false });
    }

    fn say_if(&mut self, asserted_by: Asserter, name: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.say(asserted_by, name, value);
        }
    }

    /// What somebody wrote who may write anything.
    fn quote(&mut self, asserted_by: Asserter, name: &'static str, text: &str) {
        self.0.push(Statement { name, value: text.to_owned(), asserted_by, is_free_text: true });
    }
}

/// All that is said in and of an attestation that is verified.
pub(super) fn all(
    verified: &Verified,
    finding: &Finding,
    root: &Certificate,
    at: UnixTime,
    device_confirms: bool,
) -> Vec<Statement> {
    let mut out = Statements::default();
    of_verifier(&mut out, verified, finding, root, at);
    of_claims(&mut out, &verified.claims);
    of_key(&mut out, &verified.claims.key, device_confirms);
    if let Some(policy) = &verified.claims.policy {
        of_policy(&mut out, policy);
    }
    of_platform(&mut out, Asserter::Host, &verified.claims.platform);
    of_platform(&mut out, Asserter::DeviceCertificateIssuer, &verified.device);
    for evidence in &finding.evidence {
        match &evidence.outcome {
            EvidenceOutcome::Verified(statement) => of_device(&mut out, statement, &verified.claims.key),
            EvidenceOutcome::Absent | EvidenceOutcome::Differs | EvidenceOutcome::NotVerified(_) => {}
        }
    }
    out.0
}

fn of_verifier(
    out: &mut Statements,
    verified: &Verified,
    finding: &Finding,
    root: &Certificate,
    at: UnixTime,
) {
    let kind = if verified.is_post_quantum { "post-quantum" } else { "not post-quantum" };
    let root = name_text(root.subject_der()).unwrap_or_else(|| "without a readable name".to_owned());
    out.say(Asserter::Verifier, "signatures", format!("hold up to the pinned root {root} ({kind})"));
    out.say(Asserter::Verifier, "validity", format!("every certificate is valid at {}", Utc(at)));
    out.say(Asserter::Verifier, "public key, SHA-256", sha256(&verified.spki_der));
    let kind = KeyKind::of(&verified.spki_der);
    let kind = kind.map(|kind| (kind.key_type, kind.parameter_set));
    let (key_type, parameter_set) =
        kind.unwrap_or_else(|| ("not known to this version", "not known".to_owned()));
    out.say(Asserter::Verifier, "CKA_KEY_TYPE", key_type);
    out.say(Asserter::Verifier, "parameter set", parameter_set);
    if verified.claims.policy.is_none() {
        let text = "is nobody's word: the claims do not say whose key it is";
        out.say(Asserter::Verifier, "name of the key", text);
    }
    if let Some(freshness) = finding.freshness {
        out.say(Asserter::Verifier, "freshness", freshness.to_string());
    }
    let acceptance = match finding.shortcomings.len() {
        0 => "the claims satisfy it".to_owned(),
        1 => "the claims break it in one point".to_owned(),
        count => format!("the claims break it in {count} points"),
    };
    out.say(Asserter::Verifier, "default policy (D6)", acceptance);
    for evidence in &finding.evidence {
        let format = Oid::from_checked(&evidence.format);
        let found = match &evidence.outcome {
            EvidenceOutcome::Absent => "is not in the bundle".to_owned(),
            EvidenceOutcome::Differs => "is in the bundle, and is not the one that was attested".to_owned(),
            EvidenceOutcome::Verified(_) => "leads to a pinned vendor's root".to_owned(),
            EvidenceOutcome::NotVerified(error) => format!("is not verified: {error}"),
        };
        out.say(Asserter::Verifier, "vendor evidence", format!("{format} {found}"));
    }
}

fn of_claims(out: &mut Statements, claims: &Claims) {
    let host = Asserter::Host;
    let assurance = match claims.assurance {
        Assurance::HostAsserted => "hostAsserted",
        Assurance::DeviceSigned => "deviceSigned",
    };
    out.say(host, "assurance", assurance);
    out.say(host, "time of attestation", Utc(claims.attested_at).to_string());
    let clock = match claims.clock {
        AttestationClock::HostUnassured => "the host's, which nothing checked",
        AttestationClock::HostAssured => "the host's, held within a bound",
    };
    out.say(host, "clock", clock);
    out.say_if(host, "nonce", claims.nonce.as_ref().map(ToString::to_string));
    out.say_if(host, "end of use", claims.end.as_ref().map(end));
    for evidence in &claims.evidence {
        let (format, hash) = (Oid::from_checked(&evidence.format), hexadecimal(&evidence.sha512));
        out.say(host, "vendor evidence", format!("{format}, SHA-512 {hash}"));
    }
}

fn end(end: &KeyEnd) -> String {
    let how = match end.state {
        KeyEndState::Retired => "retired: it is still in the token and used no more",
        KeyEndState::Destroyed => "destroyed right after this attestation",
    };
    format!("{}, {how}", Utc(end.time))
}

fn of_key(out: &mut Statements, key: &KeyClaims, device_confirms: bool) {
    let host = Asserter::Host;
    out.say(host, "CKA_ID", hexadecimal(&key.id));
    out.quote(host, "CKA_LABEL", &key.label);
    out.quote(host, "CKA_KEY_TYPE", &key.key_type);
    out.quote(host, "parameter set", &key.parameter_set);
    for (flag, value) in key.flags.iter() {
        let by_device = device_confirms && device_says(flag) == Some(value);
        let asserted_by = if by_device { Asserter::Device } else { host };
        out.say(asserted_by, flag.name(), if value { "TRUE" } else { "FALSE" });
    }
    if let Some(mechanism) = &key.key_gen_mechanism {
        out.quote(host, "CKA_KEY_GEN_MECHANISM", mechanism);
    }
    if let Some(mechanisms) = &key.allowed_mechanisms {
        out.quote(host, "CKA_ALLOWED_MECHANISMS", &mechanisms.join(" "));
    }
    out.say_if(host, "CKA_START_DATE", key.start_date.map(|date| date.to_string()));
    out.say_if(host, "CKA_END_DATE", key.end_date.map(|date| date.to_string()));
    if let Some(unique_id) = &key.unique_id {
        out.quote(host, "CKA_UNIQUE_ID", unique_id);
    }
}

/// What a device says of a flag in evidence without shortcomings; `None` for what its evidence is not about.
const fn device_says(flag: KeyFlag) -> Option<bool> {
    match flag {
        KeyFlag::Local | KeyFlag::NeverExtractable | KeyFlag::Sign => Some(true),
        KeyFlag::Extractable | KeyFlag::Decrypt | KeyFlag::Unwrap | KeyFlag::Derive => Some(false),
        KeyFlag::Token
        | KeyFlag::Private
        | KeyFlag::Sensitive
        | KeyFlag::SignRecover
        | KeyFlag::AlwaysSensitive
        | KeyFlag::Modifiable
        | KeyFlag::Copyable
        | KeyFlag::Destroyable
        | KeyFlag::AlwaysAuthenticate
        | KeyFlag::WrapWithTrusted => None,
    }
}

fn of_policy(out: &mut Statements, policy: &KeyPolicy) {
    let host = Asserter::Host;
    out.quote(host, "purpose", &policy.purpose);
    out.quote(host, "user", &policy.user);
    let policies: Vec<String> =
        policy.tsa_policies.iter().map(|policy| Oid::from_checked(policy).to_string()).collect();
    out.say(host, "TSA policies", policies.join(" "));
    out.say(host, "last use", Utc(policy.not_after).to_string());
    let accepted = if policy.accept_unattested {
        "the host uses the key although it breaks the default policy"
    } else {
        "the host uses no key that breaks the default policy"
    };
    out.say(host, "accept-unattested", accepted);
}

fn of_platform(out: &mut Statements, asserted_by: Asserter, platform: &Platform) {
    out.quote(asserted_by, "manufacturer", &platform.manufacturer);
    out.quote(asserted_by, "model", &platform.model);
    out.quote(asserted_by, "serial number", &platform.serial);
    out.quote(asserted_by, "firmware", &platform.firmware);
}

fn of_device(out: &mut Statements, statement: &DeviceStatement, key: &KeyClaims) {
    let device = Asserter::Device;
    if statement.object_id != key.id {
        let (object, id) = (hexadecimal(&statement.object_id), hexadecimal(&key.id));
        let text = format!(
            "the device has the key as {object}, and the claims as {id}: the host may give it another id"
        );
        out.say(Asserter::Verifier, "CKA_ID", text);
    }
    out.say(device, "device", statement.format.device());
    out.say(device, "serial number", &statement.serial);
    out.say(device, "firmware", &statement.firmware);
    out.say(device, "object id", hexadecimal(&statement.object_id));
    // The device keeps the text that its host gave it.
    out.quote(Asserter::Host, "label in the device", &statement.label);
    out.say(device, "origin", statement.origin.to_string());
    let words = |words: Vec<String>| if words.is_empty() { "none".to_owned() } else { words.join(" ") };
    out.say(device, "domains", words(statement.domains.iter().map(ToString::to_string).collect()));
    out.say(device, "capabilities", words(statement.capabilities.iter().map(ToString::to_string).collect()));
}

fn sha256(octets: &[u8]) -> String {
    hexadecimal(HashAlgorithm::Sha256.digest(octets).as_ref())
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
