//! Which algorithm of a chain is not accepted, and by which rule: webpki only says that there is one, and does not look
//! at the leaf's key, with which nothing of the chain is verified.

use der::{Decode as _, Encode as _};
use rustls_pki_types::CertificateDer;
use spki::{AlgorithmIdentifier, SubjectPublicKeyInfoRef};
use x509_cert::Certificate;

use super::{ChainError, ChainRole, TrustAnchors};
use crate::{SignatureAlgorithm, SignatureAlgorithmRefused};

/// The first certificate whose key or signature has parameters that it must not have, or is of a pre-hash form; of the
/// roots that issued one of them, the key alone.
pub(super) fn refused(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
) -> Option<ChainError> {
    let intermediates = intermediates.iter().map(|der| (ChainRole::Intermediate, der));
    let certificates: Vec<(ChainRole, Certificate)> = [(ChainRole::Leaf, leaf)]
        .into_iter()
        .chain(intermediates)
        .filter_map(|(role, der)| Some((role, Certificate::from_der(der).ok()?)))
        .collect();
    let issuers: Vec<Vec<u8>> = certificates
        .iter()
        .filter_map(|(_, certificate)| certificate.tbs_certificate().issuer().to_der().ok())
        .collect();
    let of_certificates =
        certificates.iter().filter_map(|(role, certificate)| Some((*role, rule_of(certificate)?)));
    let of_anchors = anchors
        .issuers()
        .filter(|(subject_der, _)| issuers.iter().any(|issuer_der| issuer_der == subject_der))
        .filter_map(|(_, spki_der)| rule_of_key(spki_der).map(|source| (ChainRole::Anchor, source)));
    of_certificates
        .chain(of_anchors)
        .next()
        .map(|(role, source)| ChainError::AlgorithmRefused { role, source })
}

/// The rule that a certificate's key or signature breaks.
pub(super) fn rule_of(certificate: &Certificate) -> Option<SignatureAlgorithmRefused> {
    let key = &certificate.tbs_certificate().subject_public_key_info().algorithm;
    rule_of_identifier(key).or_else(|| rule_of_identifier(certificate.signature_algorithm()))
}

fn rule_of_key(spki_der: &[u8]) -> Option<SignatureAlgorithmRefused> {
    rule_of_identifier(&SubjectPublicKeyInfoRef::from_der(spki_der).ok()?.algorithm)
}

fn rule_of_identifier<Parameters>(
    identifier: &AlgorithmIdentifier<Parameters>,
) -> Option<SignatureAlgorithmRefused>
where
    AlgorithmIdentifier<Parameters>: der::Encode,
{
    match SignatureAlgorithm::from_algorithm_identifier_der(&identifier.to_der().ok()?) {
        Err(
            rule @ (SignatureAlgorithmRefused::Parameters { .. } | SignatureAlgorithmRefused::Prehash { .. }),
        ) => Some(rule),
        Ok(_) | Err(SignatureAlgorithmRefused::Unknown) => None,
    }
}
