//! The bundle that an auditor takes away: which files, and the README in it.

use std::collections::BTreeMap;

use attestamp_attestation::{BundleFile, ChainKind};
use attestamp_certs::CertificateDer;
use attestamp_certs::pem::{self, PemLabel};

use super::served::{AttestationFiles, certificate_pem};

/// How to check the rest, for somebody who has nothing but this and a root.
const README: &str = include_str!("bundle-readme.txt");

/// The files of a bundle. A fresh attestation takes the place of the stored one of that key and chain.
#[must_use]
pub fn files(
    served: &AttestationFiles,
    fresh: &BTreeMap<(String, ChainKind), CertificateDer<'static>>,
) -> Vec<BundleFile> {
    let file = |path: String, content: Vec<u8>| BundleFile { path, content };
    let mut files = vec![file("README.txt".to_owned(), README.as_bytes().to_vec())];
    for (kind, pem) in &served.chain_pem {
        files.push(file(kind.chain_file().to_owned(), pem.to_vec()));
    }
    for (name, key) in &served.keys {
        // An attestation without its chain could not be checked.
        let checkable = key.attestations.iter().filter(|(kind, _)| served.chains.contains_key(kind));
        for (kind, stored) in checkable {
            let text = match fresh.get(&(name.clone(), *kind)) {
                Some(fresh) => pem::to_pem(PemLabel::Certificate, fresh),
                None => certificate_pem(stored),
            };
            files.push(file(format!("keys/{name}.{}", kind.attestation_ending()), text.into_bytes()));
        }
        if !key.tsu_chain.is_empty() {
            files.push(file(format!("tsu/{name}.pem"), key.tsu_chain.clone()));
        }
        for evidence in &key.evidence {
            files.push(file(format!("evidence/{name}/{}", evidence.format), evidence.content.clone()));
        }
    }
    files
}
