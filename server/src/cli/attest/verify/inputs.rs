//! What `attest verify` reads: a bundle in one of its three forms, roots, certificates, a token. Every file has a limit.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use attestamp_attestation::bundle::limits::{MAX_BUNDLE_OCTETS, MAX_FILE_OCTETS, MAX_FILES};
use attestamp_attestation::{Bundle, BundleFile, BundleInvalid, Certificate};
use attestamp_certs::{CertificateDer, TrustAnchors, TsuCertificate};

use crate::cli::verify::inputs as shared;

/// Folders within each other that are gone into: a bundle has two.
const MAX_DEPTH: usize = 4;

/// The inner error is one that the verdict is about; what could not be read gives no verdict.
pub(super) fn read_bundle(path: &Path) -> anyhow::Result<Result<Bundle, BundleInvalid>> {
    let context = || format!("cannot read the bundle {}", path.display());
    let bundle = if path == Path::new("-") {
        Bundle::read(&read_standard_input().with_context(context)?)
    } else if path.is_dir() {
        Bundle::from_files(read_folder(path).with_context(context)?)
    } else {
        Bundle::read(&shared::read_bounded(path, MAX_BUNDLE_OCTETS).with_context(context)?)
    };
    match bundle {
        Err(invalid) if invalid.is_unjudgeable() => Err(invalid).with_context(context),
        bundle => Ok(bundle),
    }
}

fn read_standard_input() -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    // One more than is accepted, so that the reader names the excess.
    let limit = u64::try_from(MAX_BUNDLE_OCTETS).unwrap_or(u64::MAX).saturating_add(1);
    io::stdin().lock().take(limit).read_to_end(&mut octets)?;
    Ok(octets)
}

/// The files of an unpacked bundle. Links are refused: what they lead to may change between two looks.
fn read_folder(root: &Path) -> anyhow::Result<Vec<BundleFile>> {
    let mut files = Vec::new();
    let mut folders = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name();
            let name = name.to_str().with_context(|| format!("{} is not named in UTF-8", path.display()))?;
            let name = format!("{prefix}{name}");
            if kind.is_dir() {
                ensure!(depth < MAX_DEPTH, "{} is too deep for a bundle", path.display());
                folders.push((path, format!("{name}/"), depth.saturating_add(1)));
            } else if kind.is_file() {
                ensure!(files.len() < MAX_FILES, "there are more than {MAX_FILES} files");
                let content = shared::read_bounded(&path, MAX_FILE_OCTETS)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                files.push(BundleFile { path: name, content });
            } else {
                bail!("{} is neither a file nor a folder", path.display());
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// The pinned roots. A file of them may hold several, and nothing that is no root: a chain given by mistake would pin what
/// stands below the root.
pub(super) fn read_roots(paths: &[PathBuf]) -> anyhow::Result<Vec<Certificate>> {
    let mut roots = Vec::new();
    for path in paths {
        for (index, der) in read_certificate_file(path)?.iter().enumerate() {
            let number = index.saturating_add(1);
            let root = Certificate::parse(der)
                .with_context(|| format!("cannot use certificate {number} of {}", path.display()))?;
            ensure!(
                root.subject_der() == root.issuer_der(),
                "certificate {number} of {} is no root: another has issued it; give the device's root alone",
                path.display()
            );
            roots.push(root);
        }
    }
    Ok(roots)
}

/// The certificates of a PEM file.
pub(super) fn read_certificate_file(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    shared::read_certificates(&[path.to_owned()])
}

pub(super) fn read_vendor_roots(paths: &[PathBuf]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    shared::read_certificates(paths)
}

/// The key of `--tsu-certificate`.
pub(super) fn tsu_key(certificate: &CertificateDer<'_>) -> anyhow::Result<Vec<u8>> {
    let certificate = TsuCertificate::parse(certificate)
        .context("--tsu-certificate does not begin with a TSU's certificate")?;
    Ok(certificate.spki_der().to_vec())
}

pub(super) fn read_token(path: &Path) -> anyhow::Result<Vec<u8>> {
    shared::read_timestamp(path)
}

/// The roots of `--ca`; `None` where there are none.
pub(super) fn read_anchors(paths: &[PathBuf]) -> anyhow::Result<Option<TrustAnchors>> {
    if paths.is_empty() {
        return Ok(None);
    }
    shared::read_anchors(paths).map(Some)
}
