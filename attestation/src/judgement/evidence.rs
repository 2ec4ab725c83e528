//! Vendor evidence: whether what is in the bundle is what was attested, and whether a device stands behind it (D11).
//!
//! It decides in two cases: an attestation that claims to be `deviceSigned` rests on it, and an auditor who pinned a
//! vendor's root asked for it, so that every key without it fails. Otherwise it is carried, its hash compared, and what was
//! learnt of it is told.

use std::sync::Arc;

use attestamp_certs::{HashAlgorithm, UnixTime};

use super::{EvidenceFinding, EvidenceOutcome, Question, Reason};
use crate::bundle::Bundle;
use crate::claims::{Assurance, EvidenceClaim, Platform};
use crate::evidence::{DeviceStatement, EvidenceError, verify_evidence};
use crate::verify::Verified;

/// What became of an attestation's evidence.
pub(super) struct Examined {
    pub(super) evidence: Vec<EvidenceFinding>,
    pub(super) reasons: Vec<Reason>,
    /// Whether the claims are `deviceSigned` and a device's word for them was verified and is enough.
    pub(super) device_confirms: bool,
}

pub(super) fn examine(bundle: &Bundle, question: &Question, key: &str, verified: &Verified) -> Examined {
    let claims = &verified.claims;
    let mut evidence = Vec::new();
    for claim in &claims.evidence {
        let outcome = match bundle.evidence(key, &claim.format) {
            None => EvidenceOutcome::Absent,
            Some(octets) => outcome(claim, octets, verified, question),
        };
        evidence.push(EvidenceFinding { format: claim.format.clone(), outcome });
    }
    let is_device_signed = match claims.assurance {
        Assurance::DeviceSigned => true,
        Assurance::HostAsserted => false,
    };
    let is_asked_for = is_device_signed || !question.vendor_roots.is_empty();
    let mut reasons = Vec::new();
    for finding in &evidence {
        match &finding.outcome {
            EvidenceOutcome::Absent | EvidenceOutcome::NotVerified(_) => {}
            EvidenceOutcome::Differs => {
                reasons.push(Reason::EvidenceDiffers { format: finding.format.clone() });
            }
            EvidenceOutcome::Verified(statement) => {
                reasons.extend(against(statement, &claims.platform));
            }
        }
    }
    let is_verified = evidence.iter().any(|finding| matches!(finding.outcome, EvidenceOutcome::Verified(_)));
    let device_confirms = is_device_signed && is_verified && reasons.is_empty();
    reasons.extend(unverified(&evidence, is_asked_for, is_device_signed, is_verified));
    if question.require_device_signed && !device_confirms {
        reasons.push(Reason::NotDeviceSigned);
    }
    Examined { evidence, reasons, device_confirms }
}

fn outcome(
    claim: &EvidenceClaim,
    octets: &[u8],
    verified: &Verified,
    question: &Question,
) -> EvidenceOutcome {
    if HashAlgorithm::Sha512.digest(octets).as_ref() != claim.sha512 {
        return EvidenceOutcome::Differs;
    }
    match device_statement(claim, octets, &verified.spki_der, question, question.at) {
        Ok(statement) => EvidenceOutcome::Verified(Box::new(statement)),
        Err(error) => EvidenceOutcome::NotVerified(Arc::new(error)),
    }
}

/// The seam to the adapters.
fn device_statement(
    claim: &EvidenceClaim,
    octets: &[u8],
    spki_der: &[u8],
    question: &Question,
    at: UnixTime,
) -> Result<DeviceStatement, EvidenceError> {
    verify_evidence(&claim.format, octets, spki_der, &question.vendor_roots, at)
}

/// What a device's own word has against the key.
fn against(statement: &DeviceStatement, claimed: &Platform) -> Vec<Reason> {
    let mut reasons: Vec<Reason> =
        statement.shortcomings.iter().copied().map(Reason::DeviceShortcoming).collect();
    if !statement.is_of_device(claimed) {
        let (device, serial) = (statement.format.device(), statement.serial.clone());
        reasons.push(Reason::EvidenceOfAnotherDevice { device, serial, claimed: claimed.clone() });
    }
    reasons
}

/// Evidence that gave no statement counts where it is asked for; what nobody can judge only where nothing else shows what
/// was asked for.
fn unverified(
    evidence: &[EvidenceFinding],
    is_asked_for: bool,
    is_device_signed: bool,
    is_verified: bool,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for finding in evidence {
        let EvidenceOutcome::NotVerified(source) = &finding.outcome else { continue };
        let counts = if source.is_unjudgeable() {
            is_asked_for && !is_verified || matches!(**source, EvidenceError::RootInvalid { .. })
        } else {
            is_asked_for
        };
        if counts {
            let (format, source) = (finding.format.clone(), Arc::clone(source));
            reasons.push(Reason::EvidenceNotVerified { format, source });
        }
    }
    let is_there = evidence.iter().any(|finding| !matches!(finding.outcome, EvidenceOutcome::Absent));
    if is_asked_for && !is_there {
        reasons.push(if is_device_signed { Reason::EvidenceMissing } else { Reason::EvidenceNotGiven });
    }
    reasons
}
