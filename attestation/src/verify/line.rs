//! The certificates from an attestation up to the root, and what is asked of each at its place.

use attestamp_certs::{SignatureInvalid, UnixTime};

use super::{MAX_CHAIN_CERTIFICATES, NotVerified, Position};
use crate::certificate::{Certificate, PublicKey};
use crate::claims::Platform;
use crate::oid::ATTESTATION_ONLY;

/// Fewest certificates: attestation, attestation key, device, root.
const FEWEST: usize = 4;

/// The attestation first, the root last.
#[derive(Debug)]
pub(super) struct Line<'a> {
    attestation: &'a Certificate,
    attestation_key: &'a Certificate,
    device: &'a Certificate,
    all: Vec<(Position, &'a Certificate)>,
}

impl<'a> Line<'a> {
    /// The line of these certificates, none of them twice.
    pub(super) fn new(
        attestation: &'a Certificate,
        chain: &'a [Certificate],
        root: &'a Certificate,
    ) -> Result<Self, NotVerified> {
        if chain.is_empty() {
            return Err(NotVerified::ChainEmpty);
        }
        if chain.len() > MAX_CHAIN_CERTIFICATES {
            return Err(NotVerified::ChainTooLong { found: chain.len() });
        }
        let mut certificates: Vec<&Certificate> = vec![attestation];
        certificates.extend(chain);
        if chain.last() != Some(root) {
            certificates.push(root);
        }
        for (index, certificate) in certificates.iter().enumerate() {
            if certificates.iter().take(index).any(|earlier| earlier == certificate) {
                return Err(NotVerified::Repeated { position: Position::of(index, certificates.len()) });
            }
        }
        let &[attestation, attestation_key, device, _, ..] = certificates.as_slice() else {
            return Err(NotVerified::ChainTooShort { found: certificates.len(), required: FEWEST });
        };
        let length = certificates.len();
        let positioned =
            certificates.into_iter().enumerate().map(|(index, it)| (Position::of(index, length), it));
        Ok(Self { attestation, attestation_key, device, all: positioned.collect() })
    }

    /// The CAs: all but the attestation. The number is that of the CAs below each.
    fn authorities(&self) -> impl Iterator<Item = (usize, Position, &'a Certificate)> {
        self.all.iter().skip(1).enumerate().map(|(below, (position, it))| (below, *position, *it))
    }

    /// The attestation must name the attestation key's certificate as its issuer, and must have been signed with its key.
    /// The links above it are [`check_chain_links`]'s.
    pub(super) fn check_attestation_link(&self) -> Result<(), NotVerified> {
        let attestation = (Position::Attestation, self.attestation);
        check_link(attestation, (Position::AttestationKey, self.attestation_key))
    }

    /// Every certificate above the attestation must be that of a CA that may have so many CAs below it.
    pub(super) fn check_authorities(&self) -> Result<(), NotVerified> {
        for (below, position, certificate) in self.authorities() {
            check_extensions_known(position, certificate)?;
            let constraints = certificate.basic_constraints();
            let Some(constraints) = constraints.filter(|it| it.is_ca && it.is_critical) else {
                return Err(NotVerified::NotAuthority { position });
            };
            if !certificate.key_usage().is_some_and(|usage| usage.key_cert_sign()) {
                return Err(NotVerified::MayNotSignCertificates { position });
            }
            if let Some(allowed) = constraints.path_length.filter(|allowed| usize::from(*allowed) < below) {
                return Err(NotVerified::PathTooLong { position, allowed, found: below });
            }
            let purposes = certificate.extended_key_usage();
            let is_for_attestation = purposes.is_none_or(|usage| usage.allows(&ATTESTATION_ONLY));
            if position != Position::Root && !is_for_attestation {
                return Err(NotVerified::AuthorityForOtherPurposes { position });
            }
        }
        Ok(())
    }

    /// The attestation key's certificate is one by D3, and the one above it is a device's.
    pub(super) fn check_attestation_key(&self) -> Result<(), NotVerified> {
        let constraints = self.attestation_key.basic_constraints();
        let path_length = constraints.and_then(|constraints| constraints.path_length);
        let may_sign = self.attestation_key.key_usage().is_some_and(|usage| usage.digital_signature());
        if path_length != Some(0) || !may_sign {
            return Err(NotVerified::NotAttestationKey);
        }
        self.device_platform().map(drop)
    }

    /// The attestation is no CA, and serves nothing else (D2).
    pub(super) fn check_attestation(&self) -> Result<(), NotVerified> {
        check_extensions_known(Position::Attestation, self.attestation)?;
        if self.attestation.basic_constraints().is_some_and(|constraints| constraints.is_ca) {
            return Err(NotVerified::AttestationIsAuthority);
        }
        if !self.attestation.key_usage().is_some_and(|usage| usage.is_only_digital_signature()) {
            return Err(NotVerified::AttestationKeyUsage);
        }
        let purposes = self.attestation.extended_key_usage();
        if !purposes.is_some_and(|usage| usage.is_critical && usage.is_only(&ATTESTATION_ONLY)) {
            return Err(NotVerified::AttestationPurpose);
        }
        Ok(())
    }

    /// Every certificate, the root's too, must be valid at the auditor's time (D8).
    pub(super) fn check_validity(&self, at: UnixTime) -> Result<(), NotVerified> {
        for (position, certificate) in self.all.iter().copied() {
            let validity = certificate.validity();
            let (not_before, not_after) = (validity.not_before(), validity.not_after());
            if at < not_before {
                return Err(NotVerified::NotYetValid { position, not_before, at });
            }
            if at > not_after {
                return Err(NotVerified::Expired { position, not_after, at });
            }
        }
        Ok(())
    }

    /// Every key serves one purpose (D10).
    pub(super) fn check_keys_differ(&self) -> Result<(), NotVerified> {
        let mut seen: Vec<(Position, PublicKey<'_>)> = Vec::new();
        for (position, certificate) in self.all.iter().copied() {
            let key = PublicKey::from_der(certificate.spki_der())
                .map_err(|source| NotVerified::PublicKey { position, source })?;
            if let Some((other, _)) = seen.iter().find(|(_, earlier)| earlier.is_same_key(&key)) {
                return Err(NotVerified::KeyReused { first: *other, second: position });
            }
            seen.push((position, key));
        }
        Ok(())
    }

    /// The time of attestation lies in the validity of the attestation, and in that of the key that signed it.
    pub(super) fn check_attested_at(&self, attested_at: UnixTime) -> Result<(), NotVerified> {
        let signers =
            [(Position::Attestation, self.attestation), (Position::AttestationKey, self.attestation_key)];
        for (position, certificate) in signers {
            let validity = certificate.validity();
            let (not_before, not_after) = (validity.not_before(), validity.not_after());
            if attested_at < not_before || attested_at > not_after {
                return Err(NotVerified::AttestedOutsideValidity {
                    position,
                    attested_at,
                    not_before,
                    not_after,
                });
            }
        }
        Ok(())
    }

    /// The token's names, by the device certificate.
    pub(super) fn device_platform(&self) -> Result<&'a Platform, NotVerified> {
        self.device.platform().ok_or(NotVerified::DeviceUnnamed)
    }

    /// Whether every signature below the root is post-quantum, and so the root's key.
    pub(super) fn is_post_quantum(&self) -> bool {
        let below_root = self.all.iter().filter(|(position, _)| *position != Position::Root);
        below_root.into_iter().all(|(_, certificate)| certificate.signature_algorithm().is_post_quantum())
    }
}

/// Every certificate of a chain must name the next as its issuer, and must have been signed with its key: from the root down.
/// Of a chain of another length than makes a [`Line`] nothing is verified.
pub(super) fn check_chain_links(chain: &[Certificate], root: &Certificate) -> Result<(), NotVerified> {
    if chain.len() > MAX_CHAIN_CERTIFICATES {
        return Ok(());
    }
    let above = (chain.last() != Some(root)).then_some(root);
    let certificates: Vec<&Certificate> = chain.iter().chain(above).collect();
    // The attestation stands below them.
    let length = certificates.len() + 1;
    if length < FEWEST {
        return Ok(());
    }
    let positioned =
        certificates.iter().enumerate().map(|(index, it)| (Position::of(index + 1, length), *it));
    let positioned: Vec<_> = positioned.collect();
    positioned.iter().zip(positioned.iter().skip(1)).rev().try_for_each(|(one, next)| check_link(*one, *next))
}

fn check_link(
    (position, certificate): (Position, &Certificate),
    (issuer_position, issuer): (Position, &Certificate),
) -> Result<(), NotVerified> {
    if certificate.subject_der() == certificate.issuer_der() {
        return Err(NotVerified::SelfIssued { position });
    }
    if certificate.issuer_der() != issuer.subject_der() {
        return Err(NotVerified::IssuerDiffers { position, issuer: issuer_position });
    }
    if !certificate.names_as_issuer(issuer) {
        return Err(NotVerified::KeyIdentifierDiffers { position, issuer: issuer_position });
    }
    if let Err(source) = certificate.verify_signature(issuer) {
        // The device and the attestation key sign with algorithms of the table, always.
        let is_ours = matches!(issuer_position, Position::Device | Position::AttestationKey);
        let is_unjudgeable = !is_ours && is_unknown_kind(certificate, issuer, source);
        let issuer = issuer_position;
        return Err(if is_unjudgeable {
            NotVerified::SignatureNotJudged { position, issuer, source }
        } else {
            NotVerified::Signature { position, issuer, source }
        });
    }
    Ok(())
}

fn check_extensions_known(position: Position, certificate: &Certificate) -> Result<(), NotVerified> {
    match certificate.unknown_critical_extension() {
        Some(identifier) => {
            Err(NotVerified::UnknownCriticalExtension { position, identifier: identifier.to_vec() })
        }
        None => Ok(()),
    }
}

/// Whether a signature failed because its algorithm is known with other keys than the issuer's: ECDSA with SHA-256 by a
/// key on P-384 is good X.509, and not a row of the table of algorithms.
fn is_unknown_kind(certificate: &Certificate, issuer: &Certificate, failure: SignatureInvalid) -> bool {
    let key = PublicKey::from_der(issuer.spki_der());
    matches!(failure, SignatureInvalid::KeyMismatch { .. })
        && key.is_ok_and(|key| key.may_make(certificate.signature_algorithm()))
}
