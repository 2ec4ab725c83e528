//! What is asked of a path beyond webpki: the root's validity and path length, key usages, revocation; and whether every
//! signature on it is a post-quantum one.

use der::{Decode as _, Encode as _};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::VerifiedPath;
use x509_cert::Certificate;
use x509_cert::ext::pkix::KeyUsage;

use super::revocation::{Issuer, Subject, check_revocation};
use super::{ChainError, ChainRole, RevocationList, TrustAnchors, VerifiedChain, algorithm_identifier};
use crate::{SignatureAlgorithm, is_post_quantum_key};

/// A certificate of the path, below the root.
struct Member {
    role: ChainRole,
    certificate: Certificate,
}

impl Member {
    fn parse(role: ChainRole, der: &[u8]) -> Result<Self, ChainError> {
        let certificate =
            Certificate::from_der(der).map_err(|source| ChainError::Malformed { role, source })?;
        Ok(Self { role, certificate })
    }

    fn malformed(&self, source: der::Error) -> ChainError {
        ChainError::Malformed { role: self.role, source }
    }

    fn key_usage(&self) -> Result<Option<KeyUsage>, ChainError> {
        let usage = self.certificate.tbs_certificate().get_extension::<KeyUsage>();
        Ok(usage.map_err(|source| self.malformed(source))?.map(|(_, usage)| usage))
    }

    fn as_issuer(&self) -> Result<Issuer, ChainError> {
        let tbs = self.certificate.tbs_certificate();
        Ok(Issuer {
            subject_der: tbs.subject().to_der().map_err(|source| self.malformed(source))?,
            spki_der: tbs.subject_public_key_info().to_der().map_err(|source| self.malformed(source))?,
            may_sign_lists: self.key_usage()?.is_none_or(|usage| usage.crl_sign()),
        })
    }

    /// RFC 9881 §2 and RFC 9909 §3: no parameters, and no pre-hash form (C1, C4).
    fn check_algorithm_identifiers(&self) -> Result<(), ChainError> {
        algorithm_identifier::rule_of(&self.certificate)
            .map_or(Ok(()), |source| Err(ChainError::AlgorithmRefused { role: self.role, source }))
    }

    /// RFC 9881 §5 and RFC 9909 §6: a key of ML-DSA or SLH-DSA is for signatures alone (C5).
    fn check_key_usage_fits_key(&self) -> Result<(), ChainError> {
        let spki = self.certificate.tbs_certificate().subject_public_key_info().to_der();
        let spki = spki.map_err(|source| self.malformed(source))?;
        let encrypts = self.key_usage()?.as_ref().is_some_and(encrypts);
        if encrypts && is_post_quantum_key(&spki) {
            return Err(ChainError::KeyUsageOfSignatureKey { role: self.role });
        }
        Ok(())
    }

    fn has_post_quantum_signature(&self) -> Result<bool, ChainError> {
        let identifier = self.certificate.signature_algorithm().to_der();
        let identifier = identifier.map_err(|source| self.malformed(source))?;
        Ok(SignatureAlgorithm::from_algorithm_identifier_der(&identifier)
            .is_ok_and(SignatureAlgorithm::is_post_quantum))
    }

    fn is_self_issued(&self) -> bool {
        let tbs = self.certificate.tbs_certificate();
        tbs.issuer() == tbs.subject()
    }
}

/// Whether the key of a certificate is one of ML-DSA or SLH-DSA.
pub(super) fn has_post_quantum_key(der: &CertificateDer<'_>) -> bool {
    let spki =
        Certificate::from_der(der).and_then(|it| it.tbs_certificate().subject_public_key_info().to_der());
    spki.is_ok_and(|spki| is_post_quantum_key(&spki))
}

/// Whether a key usage has more than signature bits.
fn encrypts(usage: &KeyUsage) -> bool {
    usage.key_encipherment()
        || usage.data_encipherment()
        || usage.key_agreement()
        || usage.encipher_only()
        || usage.decipher_only()
}

pub(super) fn check(
    leaf: &CertificateDer<'_>,
    path: &VerifiedPath<'_>,
    anchors: &TrustAnchors,
    at: UnixTime,
    crls: &[RevocationList],
) -> Result<VerifiedChain, ChainError> {
    let anchor = anchors.facts(path.anchor()).ok_or(ChainError::UnknownIssuer)?;
    let (not_before, not_after) = (anchor.not_before, anchor.not_after);
    if at < not_before || at > not_after {
        return Err(ChainError::AnchorNotValid { at, not_before, not_after });
    }
    if anchor.key_usage.as_ref().is_some_and(|usage| !usage.key_cert_sign()) {
        return Err(ChainError::MayNotSignCertificates { role: ChainRole::Anchor });
    }
    if anchor.key_usage.as_ref().is_some_and(encrypts) && is_post_quantum_key(&anchor.spki_der) {
        return Err(ChainError::KeyUsageOfSignatureKey { role: ChainRole::Anchor });
    }

    let mut members = vec![Member::parse(ChainRole::Leaf, leaf)?];
    for intermediate in path.intermediate_certificates() {
        let member = Member::parse(ChainRole::Intermediate, &intermediate.der())?;
        if member.key_usage()?.is_some_and(|usage| !usage.key_cert_sign()) {
            return Err(ChainError::MayNotSignCertificates { role: member.role });
        }
        members.push(member);
    }
    let intermediates = members.len().saturating_sub(1);
    // RFC 5280 §4.2.1.9: self-issued intermediates do not count.
    let counted = members.iter().skip(1).filter(|member| !member.is_self_issued()).count();
    if anchor.path_length.is_some_and(|longest| counted > usize::from(longest)) {
        return Err(ChainError::PathTooLong);
    }

    let root = Issuer {
        subject_der: anchor.subject_der.clone(),
        spki_der: anchor.spki_der.clone(),
        may_sign_lists: anchor.key_usage.as_ref().is_none_or(KeyUsage::crl_sign),
    };
    let mut is_post_quantum = true;
    for member in &members {
        member.check_algorithm_identifiers()?;
        member.check_key_usage_fits_key()?;
        is_post_quantum &= member.has_post_quantum_signature()?;
    }
    let mut leaf_revocation_checked = false;
    for (member, issuer) in members.iter().zip(issuers(&members, root)?) {
        let serial = member.certificate.tbs_certificate().serial_number().as_bytes();
        let subject = Subject { role: member.role, serial };
        let checked = check_revocation(&subject, &issuer, crls, at)?;
        if member.role == ChainRole::Leaf {
            leaf_revocation_checked = checked;
        }
    }
    Ok(VerifiedChain {
        anchor_subject: anchor.subject.clone(),
        intermediates,
        is_post_quantum,
        leaf_revocation_checked,
    })
}

/// Who issued each of the members: the member after it, and the root the last.
fn issuers(members: &[Member], root: Issuer) -> Result<Vec<Issuer>, ChainError> {
    let mut issuers = members.iter().skip(1).map(Member::as_issuer).collect::<Result<Vec<_>, _>>()?;
    issuers.push(root);
    Ok(issuers)
}
