//! What an auditor takes away: a tar archive of attestations, chains, TSU certificates and evidence.
//!
//! | file | what it holds, as PEM |
//! |---|---|
//! | `README.txt` | how to check the rest; not read |
//! | `chain.pem`, `pq-chain.pem` | the attestation key's certificate, the device's, and those above it but the root |
//! | `keys/NAME.pem`, `keys/NAME.pq.pem` | the attestation of the key NAME |
//! | `tsu/NAME.pem` | the TSU's certificate and those above it |
//! | `evidence/NAME/FORMAT` | vendor evidence, untouched; FORMAT is an object identifier in dotted form |
//!
//! The roots are not in it: who checks a bundle has them from elsewhere (D9). Reading decodes every certificate and
//! verifies none; what the bundle says is [`judge`](crate::judge)'s to find out.
//!
//! An archive with a file of another name is refused: whoever unpacks it beside their pins (D9) would have them replaced by
//! a `device-root.pem` of the archive's. In a folder the auditor's own files may lie too: such a file is not looked at,
//! and [`Bundle::not_looked_at`] names it.

mod archive;
mod contents;
mod invalid;
pub mod limits;
mod path;

use std::collections::{BTreeMap, BTreeSet};

use attestamp_certs::{CertificateDer, TsuCertificate};

use crate::certificate::Certificate;
use crate::chain_kind::ChainKind;
pub use invalid::{ArchiveInvalid, BundleInvalid};
use limits::MAX_BUNDLE_OCTETS;
pub use path::{BundlePath, MAX_KEY_NAME_LENGTH, NoBundlePath};

/// What a key is called that comes in a single PEM file, where nothing names it.
pub const SINGLE_KEY_NAME: &str = "key";

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFile {
    /// Its path in the bundle, as `keys/default.pem`: the text of a [`BundlePath`].
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// A bundle, read: every certificate decoded, none verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundle {
    chains: BTreeMap<ChainKind, Vec<Certificate>>,
    attestations: BTreeMap<(String, ChainKind), Certificate>,
    tsus: BTreeMap<String, Tsu>,
    evidence: BTreeMap<(String, String), Vec<u8>>,
    not_looked_at: Vec<String>,
    /// Whether it is a single PEM file.
    is_single_file: bool,
}

/// A TSU's certificate, and all of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tsu {
    certificate: TsuCertificate,
    chain: Vec<CertificateDer<'static>>,
}

impl Bundle {
    /// Reads a tar archive, or a single PEM file with an attestation first and its chain after it.
    ///
    /// # Errors
    /// [`BundleInvalid`].
    pub fn read(octets: &[u8]) -> Result<Self, BundleInvalid> {
        let length = octets.len();
        if length > MAX_BUNDLE_OCTETS {
            return Err(BundleInvalid::TooLong { length, limit: MAX_BUNDLE_OCTETS });
        }
        // Every archive has zeros in it, and no PEM file.
        if octets.contains(&0) {
            contents::of_archive(archive::read(octets)?)
        } else {
            contents::of_single_file(octets)
        }
    }

    /// As [`Bundle::read`], from the files of an unpacked bundle, in any order. Others may lie beside them.
    ///
    /// # Errors
    /// [`BundleInvalid`].
    pub fn from_files(files: Vec<BundleFile>) -> Result<Self, BundleInvalid> {
        contents::of_files(files)
    }

    /// A tar archive (POSIX ustar) with these files. The same files, in whatever order, and time give the same octets.
    ///
    /// # Errors
    /// [`BundleInvalid`] for files that [`Bundle::read`] would refuse by name, number or size. Their contents are not
    /// looked at.
    pub fn to_tar(files: &[BundleFile], modified_unix_seconds: u64) -> Result<Vec<u8>, BundleInvalid> {
        let mut sorted = Vec::with_capacity(files.len());
        for (path, file) in contents::named(files)? {
            let not_of_a_bundle = |source| BundleInvalid::NotOfABundle { path: file.path.clone(), source };
            sorted.push((path.map_err(not_of_a_bundle)?, file));
        }
        sorted.sort_by(|(path, _), (other, _)| path.cmp(other));
        let files: Vec<BundleFile> = sorted.into_iter().map(|(_, file)| file.clone()).collect();
        let archive = archive::write(&files, modified_unix_seconds)?;
        let length = archive.len();
        if length > MAX_BUNDLE_OCTETS {
            return Err(BundleInvalid::TooLong { length, limit: MAX_BUNDLE_OCTETS });
        }
        Ok(archive)
    }

    /// The chains that the bundle has: each begins with the attestation key's certificate.
    pub fn chains(&self) -> impl Iterator<Item = (ChainKind, &[Certificate])> {
        self.chains.iter().map(|(kind, chain)| (*kind, chain.as_slice()))
    }

    /// One chain.
    #[must_use]
    pub fn chain(&self, kind: ChainKind) -> Option<&[Certificate]> {
        self.chains.get(&kind).map(Vec::as_slice)
    }

    /// The names of all keys that the bundle has an attestation or a TSU certificate of, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let attested = self.attestations.keys().map(|(key, _)| key);
        attested.chain(self.tsus.keys()).map(String::as_str).collect::<BTreeSet<_>>().into_iter()
    }

    /// Whether the keys have names: those of their files. A single PEM file gives its key none but [`SINGLE_KEY_NAME`].
    #[must_use]
    pub const fn names_keys(&self) -> bool {
        !self.is_single_file
    }

    /// A key's attestation under one chain.
    #[must_use]
    pub fn attestation(&self, key: &str, chain: ChainKind) -> Option<&Certificate> {
        self.attestations.get(&(key.to_owned(), chain))
    }

    /// The certificate of the TSU whose key it is.
    #[must_use]
    pub fn tsu_certificate(&self, key: &str) -> Option<&TsuCertificate> {
        self.tsus.get(key).map(|tsu| &tsu.certificate)
    }

    /// The TSU's certificate and those above it.
    #[must_use]
    pub fn tsu_chain(&self, key: &str) -> Option<&[CertificateDer<'static>]> {
        self.tsus.get(key).map(|tsu| tsu.chain.as_slice())
    }

    /// Vendor evidence of a key, by the content octets of its format.
    #[must_use]
    pub fn evidence(&self, key: &str, format: &[u8]) -> Option<&[u8]> {
        let format = attestamp_strict_der::Oid::from_checked(format).to_string();
        self.evidence.get(&(key.to_owned(), format)).map(Vec::as_slice)
    }

    /// The paths of a key's evidence in other formats than these (content octets).
    pub(crate) fn evidence_paths_but(&self, key: &str, formats: &[&[u8]]) -> Vec<String> {
        let known: Vec<BundlePath> = formats.iter().map(|format| BundlePath::evidence(key, format)).collect();
        let of_key = self.evidence.keys().filter(|(of, _)| of == key);
        let paths =
            of_key.map(|(key, format)| BundlePath::Evidence { key: key.clone(), format: format.clone() });
        paths.filter(|path| !known.contains(path)).map(|path| path.to_string()).collect()
    }

    /// Paths of files of a folder that have no meaning in a bundle, in its order.
    #[must_use]
    pub fn not_looked_at(&self) -> &[String] {
        &self.not_looked_at
    }
}

#[cfg(test)]
mod tests;
