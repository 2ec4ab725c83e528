//! Which of many given certificates can be part of a path at all: those that a trusted root issued, or one of them did.
//!
//! webpki searches from the leaf upwards and checks signatures last, so that a stranger who adds certificates of one name
//! that all lead to each other makes it try them in every order. From the roots downwards each certificate is looked at
//! once for each issuer of its name, and without a trusted CA's key nobody adds any.

use der::{Decode as _, Encode as _};
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;

use super::{TrustAnchors, revocation};
use crate::SignatureAlgorithm;
use crate::verify_signature::SignatureInvalid;

/// So few are searched as they are: there is nothing to gain.
const FEW: usize = 4;

/// What was found.
pub(super) struct Reachable<'a> {
    /// In the order in which they were given.
    pub(super) certificates: Vec<CertificateDer<'a>>,
    /// Whether one names a reachable issuer that did not sign it.
    pub(super) has_bad_signature: bool,
}

/// A certificate in the parts that count here.
struct Candidate {
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    spki_der: Vec<u8>,
    is_reachable: bool,
}

impl Candidate {
    fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let tbs = certificate.tbs_certificate();
        Some(Self {
            subject_der: tbs.subject().to_der().ok()?,
            issuer_der: tbs.issuer().to_der().ok()?,
            spki_der: tbs.subject_public_key_info().to_der().ok()?,
            is_reachable: false,
        })
    }
}

/// Of `given`, what leads down from `anchors`.
pub(super) fn from_anchors<'a>(given: Vec<CertificateDer<'a>>, anchors: &TrustAnchors) -> Reachable<'a> {
    if given.len() <= FEW {
        return Reachable { certificates: given, has_bad_signature: false };
    }
    let mut candidates: Vec<Option<Candidate>> = given.iter().map(|der| Candidate::read(der)).collect();
    let mut issuers: Vec<(Vec<u8>, Vec<u8>)> =
        anchors.issuers().map(|(subject, spki)| (subject.to_vec(), spki.to_vec())).collect();
    let mut has_bad_signature = false;
    let mut next = 0;
    while let Some((subject_der, spki_der)) = issuers.get(next).cloned() {
        next += 1;
        for (der, candidate) in given.iter().zip(&mut candidates) {
            let Some(candidate) = candidate else { continue };
            if candidate.is_reachable || candidate.issuer_der != subject_der {
                continue;
            }
            match is_signed_by(der, &spki_der) {
                Some(Ok(())) => {
                    candidate.is_reachable = true;
                    issuers.push((candidate.subject_der.clone(), candidate.spki_der.clone()));
                }
                Some(Err(_)) => has_bad_signature = true,
                None => {}
            }
        }
    }
    let certificates = given
        .into_iter()
        .zip(candidates)
        .filter(|(_, candidate)| candidate.as_ref().is_some_and(|candidate| candidate.is_reachable))
        .map(|(der, _)| der)
        .collect();
    Reachable { certificates, has_bad_signature }
}

/// `None` for an algorithm that is not accepted.
fn is_signed_by(der: &[u8], issuer_spki_der: &[u8]) -> Option<Result<(), SignatureInvalid>> {
    let (tbs_der, algorithm_der, signature) = revocation::split(der).ok()?;
    let algorithm = SignatureAlgorithm::from_algorithm_identifier_der(algorithm_der).ok()?;
    Some(algorithm.verify(issuer_spki_der, tbs_der, signature))
}
