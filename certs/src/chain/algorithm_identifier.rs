//! Which algorithm of a chain is not accepted, and by which rule: webpki only says that there is one.

use der::{Decode as _, Encode as _};
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;

use super::{ChainError, ChainRole};
use crate::{SignatureAlgorithm, SignatureAlgorithmRefused};

/// The first certificate whose key or signature has parameters that it must not have, or is of a pre-hash form.
pub(super) fn refused(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Option<ChainError> {
    let intermediates = intermediates.iter().map(|der| (ChainRole::Intermediate, der));
    [(ChainRole::Leaf, leaf)]
        .into_iter()
        .chain(intermediates)
        .find_map(|(role, der)| rule_of(der).map(|source| ChainError::AlgorithmRefused { role, source }))
}

fn rule_of(der: &[u8]) -> Option<SignatureAlgorithmRefused> {
    let certificate = Certificate::from_der(der).ok()?;
    let key = certificate.tbs_certificate().subject_public_key_info().algorithm.to_der();
    let signature = certificate.signature_algorithm().to_der();
    [key.ok()?, signature.ok()?].iter().find_map(|identifier| {
        match SignatureAlgorithm::from_algorithm_identifier_der(identifier) {
            Err(
                rule @ (SignatureAlgorithmRefused::Parameters { .. }
                | SignatureAlgorithmRefused::Prehash { .. }),
            ) => Some(rule),
            Ok(_) | Err(SignatureAlgorithmRefused::Unknown) => None,
        }
    })
}
