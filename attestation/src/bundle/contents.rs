//! From files to certificates: which file holds what, decoded and counted.
//!
//! The PEM files of a bundle are read in one form alone, the one they are written in. Readers of PEM differ in the labels
//! that they know and in what they pass over; so there is nothing to pass over. In a single PEM file it is comments alone.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use attestamp_certs::pem::{self, PemLabel};
use attestamp_certs::{CertificateDer, TsuCertificate};

use super::invalid::BundleInvalid;
use super::limits::{MAX_BUNDLE_OCTETS, MAX_CHAIN_LENGTH, MAX_FILE_OCTETS, MAX_FILES, MAX_KEYS};
use super::path::is_plain;
use crate::chain_kind::ChainKind;

use super::{Bundle, BundleFile, BundlePath, NoBundlePath, SINGLE_KEY_NAME, Tsu};
use crate::certificate::Certificate;

/// What messages call a bundle that is a single file.
const SINGLE_FILE: &str = "the PEM file";

/// A file with what its name means, or with the finding that a plain name means nothing.
type Named<'a> = (Result<BundlePath, NoBundlePath>, &'a BundleFile);

/// The files with what their names mean.
pub(super) fn named(files: &[BundleFile]) -> Result<Vec<Named<'_>>, BundleInvalid> {
    if files.len() > MAX_FILES {
        return Err(BundleInvalid::TooManyFiles { limit: MAX_FILES });
    }
    let mut named = Vec::with_capacity(files.len());
    let mut seen = BTreeSet::new();
    let mut total: usize = 0;
    for file in files {
        let (path, length) = (&file.path, file.content.len());
        if !is_plain(path) {
            return Err(BundleInvalid::Path { path: path.clone() });
        }
        if !seen.insert(path.as_str()) {
            return Err(BundleInvalid::Duplicate { path: path.clone() });
        }
        if length > MAX_FILE_OCTETS {
            return Err(BundleInvalid::FileTooLong { path: path.clone(), length, limit: MAX_FILE_OCTETS });
        }
        total = total.saturating_add(length);
        named.push((path.parse(), file));
    }
    if total > MAX_BUNDLE_OCTETS {
        return Err(BundleInvalid::TooLong { length: total, limit: MAX_BUNDLE_OCTETS });
    }
    let paths = named.iter().filter_map(|(path, _): &Named<'_>| path.as_ref().ok());
    if paths.filter_map(BundlePath::key).collect::<BTreeSet<_>>().len() > MAX_KEYS {
        return Err(BundleInvalid::TooManyKeys { limit: MAX_KEYS });
    }
    Ok(named)
}

/// As [`of_files`], without a file that is none of a bundle's.
pub(super) fn of_archive(files: Vec<BundleFile>) -> Result<Bundle, BundleInvalid> {
    for (path, file) in named(&files)? {
        path.map_err(|source| BundleInvalid::NotOfABundle { path: file.path.clone(), source })?;
    }
    of_files(files)
}

pub(super) fn of_files(files: Vec<BundleFile>) -> Result<Bundle, BundleInvalid> {
    let mut bundle = Bundle::default();
    for (path, file) in named(&files)? {
        match path {
            Ok(BundlePath::Readme) => {}
            Ok(BundlePath::Chain(chain)) => {
                let certificates = certificates(file, 1..=MAX_CHAIN_LENGTH)?;
                bundle.chains.insert(chain, certificates);
            }
            Ok(BundlePath::Attestation { key, chain }) => {
                for attestation in certificates(file, 1..=1)? {
                    check_chain(&file.path, chain, &attestation)?;
                    bundle.attestations.insert((key.clone(), chain), attestation);
                }
            }
            Ok(BundlePath::Tsu { key }) => {
                bundle.tsus.insert(key, tsu(file)?);
            }
            Ok(BundlePath::Evidence { key, format }) => {
                bundle.evidence.insert((key, format), file.content.clone());
            }
            Err(NoBundlePath) => bundle.not_looked_at.push(file.path.clone()),
        }
    }
    Ok(bundle)
}

/// An attestation and its chain; text around the sections is passed over, as people put it there. A section of another kind
/// is not: `openssl` takes a `TRUSTED CERTIFICATE` for the first certificate.
pub(super) fn of_single_file(octets: &[u8]) -> Result<Bundle, BundleInvalid> {
    let path = SINGLE_FILE.to_owned();
    let text = String::from_utf8_lossy(octets);
    let ders = pem::certificates_from_pem(&text)
        .map_err(|source| BundleInvalid::Pem { path: path.clone(), source })?;
    if without_comments(&text) != plain(&ders) {
        return Err(BundleInvalid::SectionsNotPlain);
    }
    let mut certificates = decoded(&path, &ders, 2..=MAX_CHAIN_LENGTH.saturating_add(1))?.into_iter();
    let Some(attestation) = certificates.next() else { return Ok(Bundle::default()) };
    let kind = kind_of(&attestation);
    Ok(Bundle {
        chains: [(kind, certificates.collect())].into(),
        attestations: [((SINGLE_KEY_NAME.to_owned(), kind), attestation)].into(),
        is_single_file: true,
        ..Bundle::default()
    })
}

fn kind_of(attestation: &Certificate) -> ChainKind {
    if attestation.signature_algorithm().is_post_quantum() {
        ChainKind::PostQuantum
    } else {
        ChainKind::Classical
    }
}

fn check_chain(path: &str, chain: ChainKind, attestation: &Certificate) -> Result<(), BundleInvalid> {
    if kind_of(attestation) == chain {
        return Ok(());
    }
    Err(BundleInvalid::OtherChain { path: path.to_owned(), chain, found: attestation.signature_algorithm() })
}

fn tsu(file: &BundleFile) -> Result<Tsu, BundleInvalid> {
    let chain = sections(file)?;
    check_count(&file.path, chain.len(), 1..=MAX_CHAIN_LENGTH)?;
    let certificate = chain.first().map_or(&[][..], |first| first.as_ref());
    let certificate = TsuCertificate::parse(certificate)
        .map_err(|source| BundleInvalid::TsuCertificate { path: file.path.clone(), source })?;
    Ok(Tsu { certificate, chain })
}

fn certificates(file: &BundleFile, count: RangeInclusive<usize>) -> Result<Vec<Certificate>, BundleInvalid> {
    decoded(&file.path, &sections(file)?, count)
}

/// The certificates of a PEM file that has nothing else in it.
fn sections(file: &BundleFile) -> Result<Vec<CertificateDer<'static>>, BundleInvalid> {
    let text = String::from_utf8_lossy(&file.content);
    let ders = pem::certificates_from_pem(&text)
        .map_err(|source| BundleInvalid::Pem { path: file.path.clone(), source })?;
    if plain(&ders).as_bytes() == file.content {
        Ok(ders)
    } else {
        Err(BundleInvalid::PemNotPlain { path: file.path.clone() })
    }
}

/// The form that certificates are written in.
fn plain(ders: &[CertificateDer<'_>]) -> String {
    ders.iter().map(|der| pem::to_pem(PemLabel::Certificate, der)).collect()
}

/// The sections of a PEM text, and every line outside them that some reader could take for the edge of one.
fn without_comments(text: &str) -> String {
    let mut sections = String::with_capacity(text.len());
    let mut is_inside = false;
    for line in text.lines() {
        is_inside |= line.starts_with("-----BEGIN");
        if is_inside || line.contains("-----BEGIN") || line.contains("-----END") {
            sections.push_str(line);
            sections.push('\n');
        }
        is_inside &= !line.starts_with("-----END");
    }
    sections
}

fn decoded(
    path: &str,
    ders: &[CertificateDer<'_>],
    count: RangeInclusive<usize>,
) -> Result<Vec<Certificate>, BundleInvalid> {
    check_count(path, ders.len(), count)?;
    let decode = |(index, der): (usize, &CertificateDer<'_>)| {
        let number = index.saturating_add(1);
        Certificate::parse(der).map_err(|source| BundleInvalid::Certificate {
            path: path.to_owned(),
            number,
            source,
        })
    };
    ders.iter().enumerate().map(decode).collect()
}

fn check_count(path: &str, found: usize, count: RangeInclusive<usize>) -> Result<(), BundleInvalid> {
    if count.contains(&found) {
        return Ok(());
    }
    let (least, most) = (*count.start(), *count.end());
    Err(BundleInvalid::CertificateCount { path: path.to_owned(), found, least, most })
}
