//! The files under `/pki/`: the certificates and CRLs of the authorities, read into memory when they change.

use std::collections::BTreeMap;
use std::path::PathBuf;

use attestamp_attestation::ChainKind;
use attestamp_certs::pem::certificates_from_pem;
use attestamp_certs::{CertificateDer, Issuer, is_post_quantum_key};
use bytes::Bytes;

use crate::config::Config;
use crate::data_folder::Layout;

/// A file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct PkiError {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// A file of the PKI, ready to be sent.
#[derive(Debug, Clone)]
pub struct PkiFile {
    /// Media type: `application/x-pem-file`, `application/pkix-cert` or `application/pkix-crl`.
    pub content_type: &'static str,
    /// The whole file.
    pub body: Bytes,
}

/// All files under `/pki/`, by name.
#[derive(Debug, Clone, Default)]
pub struct PkiFiles {
    files: BTreeMap<String, PkiFile>,
}

impl PkiFiles {
    /// Reads `{ca}.pem`, `{ca}.cer` (DER) and `{ca}.crl` of each CA in the configuration, and brings the classical roots
    /// together as `root.pem`, so that one file verifies the tokens of every classical TSU. A post-quantum root is a file of
    /// its own, which tools that do not know its algorithm need not read.
    ///
    /// # Errors
    /// [`PkiError`] for a certificate that cannot be read. A CRL may be missing: it is issued later.
    pub fn load(folder: &Layout, config: &Config) -> Result<Self, PkiError> {
        let mut files = BTreeMap::new();
        let mut roots = Vec::new();
        for (name, ca) in &config.authorities {
            let path = folder.ca_certificate(name);
            let pem = std::fs::read(&path).map_err(|source| PkiError { path, source })?;
            let first = std::str::from_utf8(&pem).ok().and_then(|text| certificates_from_pem(text).ok());
            let first = first.and_then(|certificates| certificates.into_iter().next());
            if ca.issuer.is_none() && !first.as_ref().is_some_and(has_post_quantum_key) {
                // The elliptic-curve root, `root`, comes first: some tools read only one certificate.
                let at = if name == "root" { 0 } else { roots.len() };
                roots.insert(at, pem.clone());
            }
            if let Some(certificate) = first {
                let body = Bytes::copy_from_slice(&certificate);
                files.insert(format!("{name}.cer"), PkiFile { content_type: "application/pkix-cert", body });
            }
            files.insert(format!("{name}.pem"), pem_file(pem));
            let path = folder.ca_revocation_list(name);
            match std::fs::read(&path) {
                Ok(crl) => {
                    let file = PkiFile { content_type: "application/pkix-crl", body: crl.into() };
                    files.insert(format!("{name}.crl"), file);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(PkiError { path, source }),
            }
        }
        // A convenience: whoever trusts a device root has it by another way (D9).
        for kind in ChainKind::ALL {
            let path = folder.attestation_file(kind, crate::attestation::hierarchy::file::DEVICE_ROOT);
            if let (Ok(pem), Some(name)) =
                (std::fs::read(&path), path.file_name().and_then(|name| name.to_str()))
            {
                files.insert(name.to_owned(), pem_file(pem));
            }
        }
        if !roots.is_empty() {
            files.insert("root.pem".to_owned(), pem_file(roots.concat()));
        }
        Ok(Self { files })
    }

    /// The file of that name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PkiFile> {
        self.files.get(name).cloned()
    }
}

fn has_post_quantum_key(certificate: &CertificateDer<'_>) -> bool {
    Issuer::from_certificate(certificate).is_ok_and(|issuer| is_post_quantum_key(issuer.spki_der()))
}

fn pem_file(body: Vec<u8>) -> PkiFile {
    PkiFile { content_type: "application/x-pem-file", body: body.into() }
}
