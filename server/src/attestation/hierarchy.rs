//! The chains above attested keys: device root, device, attestation key, each with a key of its own in the token (D10).
//!
//! The device root's key signs one certificate and is not needed afterwards. In its place an organisation's own CA may
//! sign: the device's request is written then, and [`import`] takes what the CA answers. The attestation key's certificate
//! is always the device's to sign.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use attestamp_attestation::{
    AttestationKeyParameters, Certificate, ChainKind, DeviceCsrParameters, DeviceParameters,
    DeviceRootParameters, Platform, UnsignedCertificate, UnsignedCsr, verify,
};
use attestamp_certs::pem::{self, PemLabel};
use attestamp_certs::{CertificateDer, UnixTime, Validity};
use attestamp_hsm::{HsmError, KeyAlgorithm, KeyInfo, Token};

use super::claims::platform;
use super::error::AttestationError;
use super::stored::set_chain_aside;
use super::{AttestedKey, Attester, Moment, Occasion};
use crate::config::template::AttestationTable;
use crate::config::{AttestationConfig, ChainKeys};
use crate::data_folder::{FILE_MODE, Layout, write_atomically};
use crate::hierarchy::{MadeKey, Maker, Organization, after, clipped, make_key, random_serial, sign};
use crate::tsu::signature_algorithm;

/// Validity of a device root and what is below it, in days: 25 years. An attestation is evidence for tokens that are
/// looked at decades later.
const CHAIN_DAYS: u64 = 25 * 365;

/// Who signs the device's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceRoot {
    /// A root made here, in the same token.
    Own {
        /// Whether the root's key is destroyed once it has signed.
        destroy_key: bool,
    },
    /// A CA of the organisation's.
    External,
}

/// A key that was made, for the transcript of a ceremony.
#[derive(Debug, Clone)]
pub struct ChainKey {
    /// Which chain it is in.
    pub kind: ChainKind,
    /// As `device-root`, `device`, `attestation`.
    pub role: &'static str,
    /// The key.
    pub made: MadeKey,
    /// Whether it was destroyed after its only use.
    pub is_destroyed: bool,
}

/// What [`make`] made.
#[derive(Debug)]
pub struct MadeChains {
    /// The table for the configuration.
    pub table: String,
    /// Every key.
    pub keys: Vec<ChainKey>,
    /// Why there is no post-quantum chain, if there is none.
    pub post_quantum_missing: Option<HsmError>,
}

/// The names of a chain's files; the post-quantum ones have `pq-` before them.
pub mod file {
    /// The attestation key's certificate, the device's, and those above it but the root.
    pub const CHAIN: &str = "chain.pem";
    /// The root, to be pinned.
    pub const DEVICE_ROOT: &str = "device-root.pem";
    /// The request of a device whose certificate another CA is to sign.
    pub const DEVICE_REQUEST: &str = "device.csr";
}

/// How the keys of a chain sign.
#[derive(Debug, Clone, Copy)]
struct Algorithms {
    device_root: KeyAlgorithm,
    device: KeyAlgorithm,
    attestation: KeyAlgorithm,
}

fn algorithms(kind: ChainKind) -> Algorithms {
    match kind {
        ChainKind::Classical => Algorithms {
            device_root: KeyAlgorithm::EcdsaP384,
            device: KeyAlgorithm::EcdsaP384,
            attestation: KeyAlgorithm::EcdsaP384,
        },
        ChainKind::PostQuantum => Algorithms {
            device_root: KeyAlgorithm::MlDsa87,
            device: KeyAlgorithm::MlDsa87,
            attestation: KeyAlgorithm::MlDsa65,
        },
    }
}

/// What is added to the names of a chain's keys and certificates.
fn suffix(kind: ChainKind) -> &'static str {
    match kind {
        ChainKind::Classical => "",
        ChainKind::PostQuantum => " PQ",
    }
}

/// Makes the keys and certificates of the classical chain, and of the post-quantum one where the token has ML-DSA.
///
/// # Errors
/// [`AttestationError`].
pub fn make(maker: &Maker<'_>, root: DeviceRoot) -> Result<MadeChains, AttestationError> {
    let mut kinds = vec![ChainKind::Classical];
    let mut post_quantum_missing = None;
    let needed = algorithms(ChainKind::PostQuantum);
    match [needed.device, needed.attestation]
        .into_iter()
        .try_for_each(|key| maker.token.check_mechanisms(key))
    {
        Ok(()) => kinds.push(ChainKind::PostQuantum),
        Err(missing @ HsmError::MechanismMissing { .. }) => post_quantum_missing = Some(missing),
        Err(error) => return Err(error.into()),
    }
    let mut keys = Vec::new();
    let mut uris = BTreeMap::new();
    for kind in kinds {
        let made = chain(maker, kind, root)?;
        let uri = |role| {
            let key = made.iter().find(|key: &&ChainKey| key.role == role);
            key.map(|key| key.made.uri.to_string()).unwrap_or_default()
        };
        uris.insert(kind, (uri(ATTESTATION), uri(DEVICE)));
        keys.extend(made);
    }
    let pair = |kind| uris.get(&kind).map(|(key, device_key)| (key.as_str(), device_key.as_str()));
    let table = AttestationTable {
        token: maker.token_name,
        keys: pair(ChainKind::Classical).unwrap_or_default(),
        pq_keys: pair(ChainKind::PostQuantum),
    };
    Ok(MadeChains { table: table.to_toml(), keys, post_quantum_missing })
}

const DEVICE_ROOT: &str = "device-root";
const DEVICE: &str = "device";
const ATTESTATION: &str = "attestation";

fn chain(maker: &Maker<'_>, kind: ChainKind, root: DeviceRoot) -> Result<Vec<ChainKey>, AttestationError> {
    let Algorithms { device_root, device, attestation } = algorithms(kind);
    let prefix = if kind == ChainKind::PostQuantum { "pq-" } else { "" };
    let key = |role: &'static str, algorithm| {
        let made = make_key(maker.token, algorithm, &format!("attestamp {prefix}{role}"))?;
        Ok::<_, AttestationError>(ChainKey { kind, role, made, is_destroyed: false })
    };
    let names = Names { organization: maker.organization, kind };
    let platform = platform(&maker.token.info()?);
    let device_key = key(DEVICE, device)?;
    let attestation_key = key(ATTESTATION, attestation)?;
    let mut keys = Vec::new();
    match root {
        DeviceRoot::Own { destroy_key } => {
            let mut root_key = key(DEVICE_ROOT, device_root)?;
            let (root, device) =
                own_root(maker, &names, &platform, &root_key.made.info, &device_key.made.info)?;
            let attestation = attestation_key_certificate(
                maker.token,
                &names,
                &device,
                &device_key.made.info,
                &attestation_key.made.info,
                maker.now,
            )?;
            write(maker.layout, kind, file::DEVICE_ROOT, &[root.der()])?;
            write(maker.layout, kind, file::CHAIN, &[attestation.der(), device.der()])?;
            if destroy_key {
                maker.token.destroy(&root_key.made.info.id)?;
                root_key.is_destroyed = true;
            }
            keys.push(root_key);
        }
        DeviceRoot::External => request(maker, &names, &platform, &device_key.made.info)?,
    }
    keys.extend([device_key, attestation_key]);
    Ok(keys)
}

/// The root's certificate, and the device's below it.
fn own_root(
    maker: &Maker<'_>,
    names: &Names<'_>,
    platform: &Platform,
    root_key: &KeyInfo,
    device_key: &KeyInfo,
) -> Result<(Certificate, Certificate), AttestationError> {
    let validity = Validity::new(maker.now, after(maker.now, CHAIN_DAYS))?;
    let unsigned = UnsignedCertificate::device_root(DeviceRootParameters {
        subject: &names.subject("Device Root")?,
        spki_der: &root_key.spki_der,
        signature_algorithm: signature_algorithm(root_key.algorithm.scheme()),
        serial: &random_serial()?,
        validity,
    })?;
    let root = signed(maker.token, root_key, unsigned)?;
    let unsigned = UnsignedCertificate::device(DeviceParameters {
        issuer: &root,
        signature_algorithm: signature_algorithm(root_key.algorithm.scheme()),
        subject: &names.device(platform)?,
        spki_der: &device_key.spki_der,
        serial: &random_serial()?,
        validity,
        platform,
    })?;
    let device = signed(maker.token, root_key, unsigned)?;
    Ok((root, device))
}

/// Writes the device's request, for another CA to sign.
fn request(
    maker: &Maker<'_>,
    names: &Names<'_>,
    platform: &Platform,
    device_key: &KeyInfo,
) -> Result<(), AttestationError> {
    let unsigned = UnsignedCsr::device(DeviceCsrParameters {
        subject: &names.device(platform)?,
        spki_der: &device_key.spki_der,
        signature_algorithm: signature_algorithm(device_key.algorithm.scheme()),
        platform,
    })?;
    let signature = sign(maker.token, device_key, unsigned.to_be_signed())?;
    let request = unsigned.attach(&signature)?;
    let path = maker.layout.attestation_file(names.kind, file::DEVICE_REQUEST);
    let text = pem::to_pem(PemLabel::CertificateRequest, &request);
    write_atomically(&path, text.as_bytes(), FILE_MODE)
        .map_err(|source| AttestationError::Unwritable { path, source })
}

fn attestation_key_certificate(
    token: &Token,
    names: &Names<'_>,
    device: &Certificate,
    device_key: &KeyInfo,
    attestation_key: &KeyInfo,
    now: UnixTime,
) -> Result<Certificate, AttestationError> {
    let not_after = device.validity().not_after().min(after(now, CHAIN_DAYS));
    // As early as the device's: a certificate that is renewed must cover the attestations made before.
    let not_before = device.validity().not_before();
    let unsigned = UnsignedCertificate::attestation_key(AttestationKeyParameters {
        issuer: device,
        signature_algorithm: signature_algorithm(device_key.algorithm.scheme()),
        subject: &names.subject("Attestation Key")?,
        spki_der: &attestation_key.spki_der,
        serial: &random_serial()?,
        validity: Validity::new(not_before, not_after)?,
    })?;
    signed(token, device_key, unsigned)
}

/// Takes the device's certificate that another CA signed, with those above it up to the root, and issues the attestation
/// key's certificate below it. A trial attestation of one of the keys must hold against the root before anything is
/// written.
///
/// # Errors
/// [`AttestationError`]; nothing was changed.
pub fn import(
    layout: &Layout,
    config: &AttestationConfig,
    token: &Arc<Token>,
    Imported { kind, path, chain }: Imported<'_>,
    trial: &AttestedKey,
    now: UnixTime,
) -> Result<(), AttestationError> {
    let no_certificate = || AttestationError::NoCertificate { path: path.to_owned() };
    let (device, above) = chain.split_first().ok_or_else(no_certificate)?;
    // A root signs itself: an intermediate in its place would be pinned for nothing.
    let is_root = |last: &&Certificate| last.names_as_issuer(last) && last.verify_signature(last).is_ok();
    let no_root = || AttestationError::NoRoot { path: path.to_owned() };
    let root = above.last().filter(is_root).ok_or_else(no_root)?;
    let keys = config.chains.get(&kind).ok_or(AttestationError::NoChain { kind })?;
    let ChainKeys { key, device_key } = keys;
    let (key, device_key) = (token.find_uri(key)?, token.find_uri(device_key)?);
    if device.spki_der() != device_key.spki_der {
        return Err(AttestationError::DeviceKeyMismatch { path: path.to_owned() });
    }
    let here = platform(&token.info()?);
    if device.platform() != Some(&here) {
        return Err(AttestationError::PlatformMissing { path: path.to_owned() });
    }
    let names = attestamp_certs::OrganizationNames::from_name_der(device.subject_der())?;
    let organization = Organization {
        country: names.country.unwrap_or_else(|| "ZZ".to_owned()),
        name: names.organization.unwrap_or_else(|| "attestamp evaluation".to_owned()),
        identifier: names.organization_identifier,
    };
    let names = Names { organization: &organization, kind };
    let mut certificates = vec![attestation_key_certificate(token, &names, device, &device_key, &key, now)?];
    certificates.extend(chain.iter().filter(|certificate| *certificate != root).cloned());
    let invalid = |source| AttestationError::ChainInvalid { path: path.to_owned(), source };
    let attester =
        Attester::trial(Arc::clone(token), &config.token, kind, key, certificates.clone(), root.clone());
    let der = attester.attest(kind, trial, Occasion::default(), Moment::unassured(now))?;
    let attestation = Certificate::parse(&der).map_err(|source| AttestationError::Unreadback { source })?;
    verify(&attestation, &certificates, root, now).map_err(invalid)?;
    set_chain_aside(layout, kind, now)?;
    let ders: Vec<_> = certificates.iter().map(Certificate::der).collect();
    write(layout, kind, file::DEVICE_ROOT, &[root.der()])?;
    write(layout, kind, file::CHAIN, &ders)
}

/// What [`import`] is given.
#[derive(Debug, Clone, Copy)]
pub struct Imported<'a> {
    /// Which chain it is.
    pub kind: ChainKind,
    /// The file that it came from, for messages.
    pub path: &'a Path,
    /// The device's certificate, and those above it up to the root.
    pub chain: &'a [Certificate],
}

/// The names in a chain's certificates.
struct Names<'a> {
    organization: &'a Organization,
    kind: ChainKind,
}

impl Names<'_> {
    fn subject(&self, office: &str) -> Result<attestamp_certs::Subject, AttestationError> {
        let ending = format!(" {office}{}", suffix(self.kind));
        Ok(self.organization.subject(&clipped(&self.organization.name, &ending))?)
    }

    /// A device is called by what its token says of itself.
    fn device(&self, platform: &Platform) -> Result<attestamp_certs::Subject, AttestationError> {
        let name = format!("{} {}", platform.model.trim(), platform.serial.trim());
        let name: String = name.trim().chars().filter(|character| !character.is_control()).collect();
        Ok(self.organization.subject(&clipped(&format!("Device {name}"), suffix(self.kind)))?)
    }
}

fn signed(
    token: &Token,
    key: &KeyInfo,
    unsigned: UnsignedCertificate,
) -> Result<Certificate, AttestationError> {
    let signature = sign(token, key, unsigned.to_be_signed())?;
    let der = unsigned.attach(&signature)?;
    Certificate::parse(&der).map_err(|source| AttestationError::Unreadback { source })
}

fn write(
    layout: &Layout,
    kind: ChainKind,
    name: &str,
    certificates: &[&[u8]],
) -> Result<(), AttestationError> {
    let path = layout.attestation_file(kind, name);
    let text: String = certificates
        .iter()
        .map(|der| pem::to_pem(PemLabel::Certificate, &CertificateDer::from(*der)))
        .collect();
    write_atomically(&path, text.as_bytes(), FILE_MODE)
        .map_err(|source| AttestationError::Unwritable { path, source })
}
