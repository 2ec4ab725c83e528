//! One attestation held against a pinned root.
//!
//! There is no search for a path: the certificates stand in one line, each signed by the next, from the attestation to the
//! root that the auditor pinned (D9). One that is not a link of the line is refused, whatever it says: an attacker's
//! certificate that is passed over today is one that decides tomorrow. Verified are first the signatures from the root
//! down, then what each certificate is (D2, D3), then validity at the auditor's time (D8), and then only the claims are
//! read.
//!
//! Not here: whether the claims are good ([`crate::acceptance`]), fresh, or of the key that the auditor means
//! ([`crate::judgement`]); revocation, because nobody publishes lists for these certificates.

mod invalid;
mod line;
#[cfg(test)]
mod tests;

use attestamp_certs::UnixTime;

use crate::certificate::Certificate;
use crate::claims::{Claims, Platform};
use line::Line;

pub use invalid::{NotVerified, Position};

/// Most certificates above an attestation: attestation key, device, and the CAs above it. An organisation has two or three.
pub const MAX_CHAIN_CERTIFICATES: usize = 8;

/// An attestation whose signatures lead to the pinned root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What it claims.
    pub claims: Claims,
    /// The attested key: a DER SubjectPublicKeyInfo.
    pub spki_der: Vec<u8>,
    /// The token, by the device certificate.
    pub device: Platform,
    /// Whether every signature up to the root is post-quantum.
    pub is_post_quantum: bool,
}

/// Holds one attestation against a root that the auditor pinned (D9), at the auditor's time (D8).
///
/// `chain` is the attestation key's certificate, the device's, and those above it in order; the root may be its last
/// member.
///
/// # Errors
/// [`NotVerified`] with the first thing that is wrong.
pub fn verify(
    attestation: &Certificate,
    chain: &[Certificate],
    root: &Certificate,
    at: UnixTime,
) -> Result<Verified, NotVerified> {
    ChainVerifier::new(chain, root).verify(attestation, at)
}

/// A chain and the root that it is held against, whose own signatures are verified once for all attestations under it.
#[derive(Debug, Clone)]
pub struct ChainVerifier<'a> {
    chain: &'a [Certificate],
    root: &'a Certificate,
    links: Result<(), NotVerified>,
}

impl<'a> ChainVerifier<'a> {
    /// Verifies the chain's signatures. Whether they hold is told with each attestation.
    #[must_use]
    pub fn new(chain: &'a [Certificate], root: &'a Certificate) -> Self {
        Self { chain, root, links: line::check_chain_links(chain, root) }
    }

    /// As [`verify`].
    ///
    /// # Errors
    /// As [`verify`].
    pub fn verify(&self, attestation: &Certificate, at: UnixTime) -> Result<Verified, NotVerified> {
        let line = Line::new(attestation, self.chain, self.root)?;
        self.links.clone()?;
        line.check_attestation_link()?;
        line.check_authorities()?;
        line.check_attestation_key()?;
        line.check_attestation()?;
        line.check_validity(at)?;
        line.check_keys_differ()?;
        let device = line.device_platform()?.clone();
        let claims_der = attestation.claims_der().ok_or(NotVerified::ClaimsMissing)?;
        let claims = Claims::from_der(claims_der).map_err(|source| NotVerified::Claims { source })?;
        check_platform(&claims.platform, &device)?;
        line.check_attested_at(claims.attested_at)?;
        Ok(Verified {
            claims,
            spki_der: attestation.spki_der().to_vec(),
            device,
            is_post_quantum: line.is_post_quantum(),
        })
    }
}

/// The token of the claims must be that of the device certificate. Its firmware may have been upgraded since.
fn check_platform(claimed: &Platform, device: &Platform) -> Result<(), NotVerified> {
    let differs = claimed.manufacturer != device.manufacturer
        || claimed.model != device.model
        || claimed.serial != device.serial;
    if differs { Err(NotVerified::PlatformDiffers) } else { Ok(()) }
}
