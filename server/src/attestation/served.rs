//! Everything under `/attestation/`, in memory: read when the server starts and reloads, and sent as it stands.
//!
//! What many may ask for at once is put together once: an answer is another reference to the same octets.

use std::collections::BTreeMap;

use attestamp_attestation::{Bundle, BundleFile, Certificate, ChainKind, Claims};
use attestamp_certs::CertificateDer;
use attestamp_certs::pem::{self, PemLabel};
use bytes::Bytes;

use super::{Attester, KeyEvidence, archive, evidence, stored};
use crate::data_folder::Layout;

/// What is served of one TSU's key.
#[derive(Debug, Clone, Default)]
pub struct KeyFiles {
    /// Its last attestation under each chain.
    pub attestations: BTreeMap<ChainKind, Certificate>,
    /// What the last attestation claims.
    pub claims: Option<Claims>,
    /// Each attestation with its chain behind it, PEM.
    pub pem: BTreeMap<ChainKind, Bytes>,
    /// What its vendor's device says.
    pub evidence: Vec<KeyEvidence>,
    /// The TSU's certificate and those above it, PEM; empty while it waits for one.
    pub tsu_chain: Vec<u8>,
}

/// Everything under `/attestation/`.
#[derive(Debug, Clone, Default)]
pub struct AttestationFiles {
    /// The chains, the attestation key's certificate first, without the roots.
    pub chains: BTreeMap<ChainKind, Vec<Certificate>>,
    /// The same as PEM.
    pub chain_pem: BTreeMap<ChainKind, Bytes>,
    /// The keys that have an attestation, by TSU; those of retired TSUs among them.
    pub keys: BTreeMap<String, KeyFiles>,
    /// The archive of all that; `None` where no chain is complete.
    pub bundle_tar: Option<Bytes>,
}

impl AttestationFiles {
    /// Reads everything. A file that cannot be read is left out and logged: nothing of this keeps a TSU from issuing.
    #[must_use]
    pub fn load(layout: &Layout, attester: Option<&Attester>) -> Self {
        let mut files = Self::default();
        for kind in ChainKind::ALL {
            let chain = attester.map_or(&[][..], |attester| attester.chain(kind));
            if !chain.is_empty() {
                let pem: String = chain.iter().map(certificate_pem).collect();
                files.chain_pem.insert(kind, pem.into());
                files.chains.insert(kind, chain.to_vec());
            }
        }
        for name in stored::names(layout) {
            let mut key = KeyFiles {
                evidence: evidence::of_key(layout, &name),
                tsu_chain: tsu_chain(layout, &name),
                ..KeyFiles::default()
            };
            for kind in ChainKind::ALL {
                match stored::load(layout, kind, &name) {
                    Ok(Some(certificate)) => files.add(&mut key, kind, certificate),
                    Ok(None) => {}
                    Err(error) => {
                        let error = format!("{:#}", anyhow::Error::from(error));
                        tracing::error!(tsu = name, error, "an attestation is not served");
                    }
                }
            }
            if !key.attestations.is_empty() {
                files.keys.insert(name, key);
            }
        }
        files.pack();
        files
    }

    fn add(&self, key: &mut KeyFiles, kind: ChainKind, certificate: Certificate) {
        if let Some(chain) = self.chain_pem.get(&kind) {
            let mut text = certificate_pem(&certificate).into_bytes();
            text.extend_from_slice(chain);
            key.pem.insert(kind, text.into());
        }
        let claims = certificate.claims_der().and_then(|der| Claims::from_der(der).ok());
        key.claims = key.claims.take().or(claims);
        key.attestations.insert(kind, certificate);
    }

    /// The newest thing in it dates the archive, so that the same attestations give the same octets.
    fn pack(&mut self) {
        if self.chains.is_empty() {
            return;
        }
        let times = self.keys.values().filter_map(|key| Some(key.claims.as_ref()?.attested_at.as_secs()));
        match Bundle::to_tar(&self.bundle(&BTreeMap::new()), times.max().unwrap_or(0)) {
            Ok(tar) => self.bundle_tar = Some(tar.into()),
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "the bundle of attestations cannot be made");
            }
        }
    }

    /// The key of that TSU, or with that CKA_ID in hexadecimal.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<(&str, &KeyFiles)> {
        let by_name = self.keys.get_key_value(key);
        let by_id = || {
            let id = crate::hex::decode(key)?;
            let has_id = |files: &KeyFiles| files.claims.as_ref().is_some_and(|claims| claims.key.id == id);
            self.keys.iter().find(|(_, files)| has_id(files))
        };
        by_name.or_else(by_id).map(|(name, files)| (name.as_str(), files))
    }

    /// The files of a bundle, with `fresh` attestations in the place of the stored ones.
    #[must_use]
    pub fn bundle(&self, fresh: &BTreeMap<(String, ChainKind), CertificateDer<'static>>) -> Vec<BundleFile> {
        archive::files(self, fresh)
    }
}

/// A TSU's certificate and those above it, without what else an operator's file may have; empty while there is none.
fn tsu_chain(layout: &Layout, name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(layout.tsu_chain(name)).unwrap_or_default();
    let certificates = pem::certificates_from_pem(&text).unwrap_or_default();
    let text: String = certificates.iter().map(|der| pem::to_pem(PemLabel::Certificate, der)).collect();
    text.into_bytes()
}

/// A certificate as PEM.
#[must_use]
pub fn certificate_pem(certificate: &Certificate) -> String {
    pem::to_pem(PemLabel::Certificate, &CertificateDer::from(certificate.der()))
}
