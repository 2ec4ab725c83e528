//! A vendor's chain, from an attestation up to a root that the auditor pinned.
//!
//! The certificates come in order, each signed by the next, so that there is one path to judge and none to search: a
//! certificate too many is refused, wherever it stands. The rules are those of RFC 5280 §6.1 for validity, names, basic
//! constraints, path length, keyUsage and critical extensions. They are looser than those of this project's own chains
//! ([`crate::verify`]): vendors leave out what RFC 5280 §6.1 does not ask for, as the keyUsage of a device's certificate.
//! There is no revocation: vendors publish no lists for their devices.

use attestamp_certs::utc::Utc;
use attestamp_certs::{SignatureInvalid, UnixTime};
use attestamp_strict_der::Oid;

use crate::certificate::{Certificate, EXTENDED_KEY_USAGE};

/// Why a vendor's chain does not lead to a pinned root. Certificates are counted from 1, the attestation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VendorChainInvalid {
    /// The next certificate is not the issuer that this one names.
    #[error("certificate {position} was not issued by the one after it")]
    NotIssuedByNext {
        /// Which certificate.
        position: usize,
    },
    /// A certificate issued another and is no CA's.
    #[error("certificate {position} is no CA's and can have issued nothing")]
    NotAuthority {
        /// Which certificate; one more than there are is the pinned root.
        position: usize,
    },
    /// More CAs stand below a CA than it allows.
    #[error("certificate {position} allows {allowed} CAs below it, and there are {found}")]
    PathLength {
        /// Which certificate; one more than there are is the pinned root.
        position: usize,
        /// Its path length.
        allowed: u8,
        /// CAs between it and the attestation.
        found: usize,
    },
    /// Not valid at the auditor's time (D8).
    #[error("certificate {position} is valid from {} to {}, not at {}", Utc(*not_before), Utc(*not_after), Utc(*at))]
    NotValid {
        /// Which certificate; one more than there are is the pinned root.
        position: usize,
        /// The auditor's time.
        at: UnixTime,
        /// The first second of its validity.
        not_before: UnixTime,
        /// The last second of its validity.
        not_after: UnixTime,
    },
    /// A critical extension that is not understood (RFC 5280 §4.2).
    #[error(
        "certificate {position} has the critical extension {}, which is not known here",
        Oid::from_checked(identifier)
    )]
    UnknownCriticalExtension {
        /// Which certificate; one more than there are is the pinned root.
        position: usize,
        /// Content octets of its OBJECT IDENTIFIER.
        identifier: Vec<u8>,
    },
    /// The signature does not verify with the issuer's key.
    #[error("the signature of certificate {position} does not hold")]
    Signature {
        /// Which certificate.
        position: usize,
        /// Why.
        #[source]
        source: SignatureInvalid,
    },
    /// No pinned root has the name of the last certificate's issuer.
    #[error("the last certificate was not issued by a vendor's root that was pinned")]
    OtherRoot,
}

/// Where a chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchored {
    /// At a pinned root.
    Yes,
    /// Nowhere: the auditor pinned no root. Everything below was verified.
    NothingPinned,
}

/// Verifies a chain of at least two certificates, the attestation first.
pub(super) fn verify_chain(
    chain: &[Certificate],
    roots: &[Certificate],
    at: UnixTime,
) -> Result<Anchored, VendorChainInvalid> {
    for (index, certificate) in chain.iter().enumerate() {
        check_alone(certificate, index, at)?;
        if let Some(issuer) = chain.get(index + 1) {
            if !certificate.names_as_issuer(issuer) {
                return Err(VendorChainInvalid::NotIssuedByNext { position: index + 1 });
            }
            check_authority(issuer, index + 1)?;
            check_signature(certificate, issuer, index)?;
        }
    }
    let Some(last) = chain.last() else { return Err(VendorChainInvalid::OtherRoot) };
    anchor(last, chain.len(), roots, at)
}

/// The last certificate is a pinned root itself, or was issued by one.
fn anchor(
    last: &Certificate,
    length: usize,
    roots: &[Certificate],
    at: UnixTime,
) -> Result<Anchored, VendorChainInvalid> {
    if roots.is_empty() {
        return Ok(Anchored::NothingPinned);
    }
    if roots.contains(last) {
        return Ok(Anchored::Yes);
    }
    let mut refused = VendorChainInvalid::OtherRoot;
    for root in roots.iter().filter(|root| last.names_as_issuer(root)) {
        let holds = check_alone(root, length, at)
            .and_then(|()| check_authority(root, length))
            .and_then(|()| check_signature(last, root, length.saturating_sub(1)));
        match holds {
            Ok(()) => return Ok(Anchored::Yes),
            Err(reason) => refused = reason,
        }
    }
    Err(refused)
}

/// What a certificate must be whatever stands above it. The purposes of a critical extKeyUsage are not ours.
fn check_alone(certificate: &Certificate, index: usize, at: UnixTime) -> Result<(), VendorChainInvalid> {
    let position = index + 1;
    let purposes = certificate.extended_key_usage().filter(|usage| usage.is_critical);
    let purposes = purposes.map(|_| EXTENDED_KEY_USAGE.as_slice());
    if let Some(identifier) = certificate.unknown_critical_extension().or(purposes) {
        let identifier = identifier.to_vec();
        return Err(VendorChainInvalid::UnknownCriticalExtension { position, identifier });
    }
    let validity = certificate.validity();
    let (not_before, not_after) = (validity.not_before(), validity.not_after());
    if (not_before..=not_after).contains(&at) {
        return Ok(());
    }
    Err(VendorChainInvalid::NotValid { position, at, not_before, not_after })
}

/// A CA says so in a critical extension, and may have as many CAs below it as there are (RFC 5280 §6.1.4 (k) to (m)):
/// `index - 1` stand between it and the attestation. Its keyUsage has keyCertSign, where there is one (§6.1.4 (n)): the
/// certificate of a YubiHSM 2 has none.
fn check_authority(issuer: &Certificate, index: usize) -> Result<(), VendorChainInvalid> {
    let position = index + 1;
    let constraints = issuer.basic_constraints().filter(|it| it.is_ca && it.is_critical);
    let may_sign = issuer.key_usage().is_none_or(|usage| usage.key_cert_sign());
    let Some(constraints) = constraints.filter(|_| may_sign) else {
        return Err(VendorChainInvalid::NotAuthority { position });
    };
    let found = index.saturating_sub(1);
    match constraints.path_length.filter(|allowed| usize::from(*allowed) < found) {
        Some(allowed) => Err(VendorChainInvalid::PathLength { position, allowed, found }),
        None => Ok(()),
    }
}

fn check_signature(
    certificate: &Certificate,
    issuer: &Certificate,
    index: usize,
) -> Result<(), VendorChainInvalid> {
    certificate
        .verify_signature(issuer)
        .map_err(|source| VendorChainInvalid::Signature { position: index + 1, source })
}
