//! What a vendor's device itself says of a key: carried untouched, and verified where this program knows the format.
//!
//! One file a format below `certs/attestation/evidence/NAME/`, named by its object identifier in dotted form.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use attestamp_attestation::evidence::verify_evidence;
use attestamp_attestation::{Assurance, BundlePath, EvidenceClaim, Platform, oid};
use attestamp_certs::{CertificateDer, HashAlgorithm, UnixTime};
use attestamp_tsa::PolicyOid;

use crate::data_folder::{FILE_MODE, FOLDER_MODE, Layout, write_atomically};

/// Longest evidence that is carried, in octets: what a verifier reads.
const MAX_EVIDENCE_OCTETS: usize = attestamp_attestation::evidence::MAX_EVIDENCE_OCTETS;

/// Evidence that one attestation can name.
const MAX_EVIDENCE_FORMATS: usize = 8;

/// Evidence for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEvidence {
    /// Its format: an object identifier in dotted form.
    pub format: String,
    /// Content octets of that identifier.
    pub format_oid: Vec<u8>,
    /// Its bytes, as the device's tool gave them.
    pub content: Vec<u8>,
}

impl KeyEvidence {
    /// Takes what a device's tool gave; `format` is what [`format_oid`] gave.
    ///
    /// # Errors
    /// [`EvidenceUnusable`].
    pub fn new(format: &str, content: Vec<u8>) -> Result<Self, EvidenceUnusable> {
        let unknown = |_| EvidenceUnusable::Format { found: format.into() };
        let oid: PolicyOid = format.parse().map_err(unknown)?;
        if content.is_empty() || content.len() > MAX_EVIDENCE_OCTETS {
            return Err(EvidenceUnusable::Length { found: content.len() });
        }
        if format!("evidence/key/{format}").parse::<BundlePath>().is_err() {
            return Err(EvidenceUnusable::FormatTooLong);
        }
        Ok(Self { format: format.to_owned(), format_oid: oid.oid().content().to_vec(), content })
    }

    /// Stores it for a TSU's key and returns where.
    ///
    /// # Errors
    /// [`EvidenceUnusable::TooMany`], [`EvidenceUnusable::Unwritable`].
    pub fn store(&self, layout: &Layout, name: &str) -> Result<PathBuf, EvidenceUnusable> {
        let others = of_key(layout, name).into_iter().filter(|other| other.format != self.format);
        if others.count() >= MAX_EVIDENCE_FORMATS {
            return Err(EvidenceUnusable::TooMany);
        }
        let folder = layout.evidence(name);
        let path = folder.join(&self.format);
        let unwritable = |source| EvidenceUnusable::Unwritable { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder).map_err(unwritable)?;
        write_atomically(&path, &self.content, FILE_MODE).map_err(unwritable)?;
        Ok(path)
    }

    /// What an attestation says of it.
    #[must_use]
    pub fn claim(&self) -> EvidenceClaim {
        let digest = HashAlgorithm::Sha512.digest(&self.content);
        let mut sha512 = [0; 64];
        sha512.copy_from_slice(digest.as_ref());
        EvidenceClaim { format: self.format_oid.clone(), sha512 }
    }
}

/// The evidence that was stored for a TSU's key. What cannot be read is logged and left out.
#[must_use]
pub fn of_key(layout: &Layout, name: &str) -> Vec<KeyEvidence> {
    let Ok(entries) = std::fs::read_dir(layout.evidence(name)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Ok(format) = entry.file_name().into_string() else { continue };
        let Ok(content) = std::fs::read(entry.path()) else {
            tracing::error!(tsu = name, format, "vendor evidence cannot be read");
            continue;
        };
        match KeyEvidence::new(&format, content) {
            Ok(evidence) => found.push(evidence),
            Err(error) => tracing::error!(tsu = name, format, %error, "a file is no vendor evidence"),
        }
    }
    found.sort_by(|one, other| one.format.cmp(&other.format));
    found
}

/// Why evidence is not stored.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceUnusable {
    /// The format is neither known by name nor an object identifier.
    #[error("`{found}` is no format: give yubihsm2, or an object identifier in dotted form")]
    Format {
        /// What was given.
        found: Box<str>,
    },
    /// The object identifier is longer than an archive has room for.
    #[error("the object identifier of the format is too long for a bundle")]
    FormatTooLong,
    /// The key has as much evidence as an attestation can name.
    #[error("the key has evidence of {MAX_EVIDENCE_FORMATS} formats already, and no more can be attested")]
    TooMany,
    /// There is nothing, or too much.
    #[error("evidence has 1 to {MAX_EVIDENCE_OCTETS} octets, this has {found}")]
    Length {
        /// Octets given.
        found: usize,
    },
    /// The file cannot be written.
    #[error("cannot write {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The object identifier of a format that is given by name or as one, in dotted form.
///
/// # Errors
/// [`EvidenceUnusable::Format`].
pub fn format_oid(text: &str) -> Result<String, EvidenceUnusable> {
    if text == "yubihsm2" {
        let der = attestamp_strict_der::element(
            attestamp_strict_der::tag::OBJECT_IDENTIFIER,
            &[&oid::YUBIHSM2_EVIDENCE],
        );
        let element = attestamp_strict_der::Reader::new(&der).any();
        let oid = element
            .and_then(|element| attestamp_strict_der::Oid::from_element(&element).map(|oid| oid.to_string()));
        return oid.map_err(|_| EvidenceUnusable::Format { found: text.into() });
    }
    match text.parse::<PolicyOid>() {
        Ok(oid) => Ok(oid.to_string()),
        Err(_) => Err(EvidenceUnusable::Format { found: text.into() }),
    }
}

/// On whose word the claims rest (D11): the device's only if evidence of its own was verified with a vendor's root, speaks
/// of this key in this device, and finds nothing missing.
#[must_use]
pub fn assurance(
    evidence: &[KeyEvidence],
    vendor_roots: &[CertificateDer<'static>],
    spki_der: &[u8],
    platform: &Platform,
    now: UnixTime,
) -> Assurance {
    let is_signed = |evidence: &KeyEvidence| match verify_evidence(
        &evidence.format_oid,
        &evidence.content,
        spki_der,
        vendor_roots,
        now,
    ) {
        Ok(statement) if statement.is_of_device(platform) && statement.is_acceptable() => true,
        Ok(statement) => {
            let (serial, shortcomings) = (&statement.serial, statement.shortcomings.len());
            tracing::warn!(
                format = evidence.format,
                device = serial,
                shortcomings,
                "vendor evidence is of another device, or finds something missing: the claims stay the host's word"
            );
            false
        }
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(
                format = evidence.format,
                error,
                "vendor evidence is carried and was not verified"
            );
            false
        }
    };
    if evidence.iter().any(is_signed) { Assurance::DeviceSigned } else { Assurance::HostAsserted }
}
