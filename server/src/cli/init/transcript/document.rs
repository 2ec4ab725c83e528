//! What a transcript says, in the order in which it says it.
//!
//! Names are those of JSON, in camel case. No PIN is here: nothing that is copied (plan, configuration, certificates,
//! command line) may hold one.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use attestamp_certs::pem::{self, PemLabel};
use attestamp_hsm::{KeyInfo, TokenInfo};
use serde::Serialize;

use super::super::plan::{Participant, Plan};
use super::{SignatureNames, sha512};
use crate::attestation::claims::{key_claims, platform};
use crate::attestation::hierarchy::ChainKey;

/// The whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transcript<'a> {
    pub(super) format: &'static str,
    pub(super) title: &'a str,
    pub(super) place: &'a str,
    pub(super) participants: &'a [Participant],
    pub(super) begun_at: String,
    pub(super) ended_at: String,
    /// Nothing checks the clock during a ceremony: those present do.
    pub(super) clock: &'static str,
    pub(super) program: Program,
    pub(super) plan: PlanDocument<'a>,
    pub(super) token: TokenDocument,
    /// The signing keys that were in the token when it began.
    pub(super) keys_before: Vec<FormerKey>,
    pub(super) keys: Vec<KeyDocument>,
    /// The signatures that belong to the transcript.
    pub(super) signatures: Vec<SignatureDocument>,
    /// Every file of the data folder that holds no secret.
    pub(super) files: Vec<FileDocument>,
}

/// What ran.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Program {
    name: &'static str,
    version: &'static str,
    /// SHA-512 of the program that ran.
    sha512: String,
    /// The command line that it was started with.
    command: Vec<String>,
    /// The command line that the plan stands for.
    stands_for: Vec<String>,
    /// The machine, as it calls itself.
    host: String,
}

impl Program {
    pub(super) fn of_this_process(plan: &Plan) -> anyhow::Result<Self> {
        // What runs, also where the file of that name was replaced meanwhile.
        let binary =
            std::fs::read("/proc/self/exe").or_else(|_| std::env::current_exe().and_then(std::fs::read));
        let binary = binary.context("cannot read the program that runs, to say which one it is")?;
        let mut stands_for = vec!["attestamp".to_owned(), "init".to_owned()];
        stands_for.extend(plan.options());
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self {
            name: "attestamp",
            version: env!("CARGO_PKG_VERSION"),
            sha512: sha512(&binary),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            stands_for,
            host: host.trim().to_owned(),
        })
    }
}

#[derive(Debug, Serialize)]
pub(super) struct PlanDocument<'a> {
    pub(super) sha512: String,
    pub(super) text: &'a str,
}

/// The token as it names itself, and what speaks for it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenDocument {
    label: String,
    manufacturer: String,
    model: String,
    serial: String,
    hardware: String,
    firmware: String,
    /// Path of the PKCS#11 module, or `embedded`: then it is in the program.
    module: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    module_sha512: Option<String>,
}

impl TokenDocument {
    pub(super) fn new(info: &TokenInfo, module: Option<&Path>) -> anyhow::Result<Self> {
        let platform = platform(info);
        let (major, minor) = info.hardware_version;
        let hash = |path: &Path| {
            let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Ok::<_, anyhow::Error>(sha512(&content))
        };
        Ok(Self {
            label: info.label.clone(),
            manufacturer: platform.manufacturer,
            model: platform.model,
            serial: platform.serial,
            hardware: format!("{major}.{minor}"),
            firmware: platform.firmware,
            module: module.map_or_else(|| "embedded".to_owned(), |path| path.display().to_string()),
            module_sha512: module.map(hash).transpose()?,
        })
    }
}

/// A key that somebody else made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FormerKey {
    id: String,
    label: String,
    algorithm: String,
    public_key_sha512: String,
}

impl FormerKey {
    pub(super) fn new(key: &KeyInfo) -> Self {
        Self {
            id: key.id.to_string(),
            label: key.label.clone(),
            algorithm: key.algorithm.to_string(),
            public_key_sha512: sha512(&key.spki_der),
        }
    }
}

/// A key that was generated.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyDocument {
    id: String,
    label: String,
    algorithm: String,
    /// The call that made it.
    command: String,
    /// The call that destroyed it after its only use.
    #[serde(skip_serializing_if = "Option::is_none")]
    destroyed_by: Option<&'static str>,
    /// What the token says of the private half, by name; what it does not have is absent.
    attributes: BTreeMap<&'static str, bool>,
    /// What an auditor would miss of it (D6); empty for a key that was generated in the token and can only sign.
    shortcomings: Vec<String>,
    public_key_sha512: String,
    public_key: String,
}

impl KeyDocument {
    pub(super) fn new(key: &KeyInfo, is_destroyed: bool) -> Self {
        let claims = key_claims(key);
        let mechanism =
            claims.key_gen_mechanism.as_deref().unwrap_or("a mechanism that the token does not tell");
        Self {
            id: key.id.to_string(),
            label: key.label.clone(),
            algorithm: key.algorithm.to_string(),
            command: format!("C_GenerateKeyPair({mechanism})"),
            destroyed_by: is_destroyed.then_some("C_DestroyObject"),
            attributes: claims.flags.iter().map(|(flag, value)| (flag.name(), value)).collect(),
            shortcomings: attestamp_attestation::shortcomings(&claims)
                .iter()
                .map(ToString::to_string)
                .collect(),
            public_key_sha512: sha512(&key.spki_der),
            public_key: pem::to_pem(PemLabel::PublicKey, &key.spki_der),
        }
    }
}

/// A signature over the transcript, in a file beside it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignatureDocument {
    chain: &'static str,
    algorithm: String,
    file: &'static str,
    public_key_file: &'static str,
    public_key_sha512: String,
    /// What verifies it, in the folder of the transcript.
    command: &'static str,
}

impl SignatureDocument {
    pub(super) fn new(key: &ChainKey) -> Self {
        let SignatureNames { public_key, signature, command } = SignatureNames::of(key.kind);
        Self {
            chain: key.kind.name(),
            algorithm: key.made.info.algorithm.to_string(),
            file: signature,
            public_key_file: public_key,
            public_key_sha512: sha512(&key.made.info.spki_der),
            command,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct FileDocument {
    /// From the data folder on.
    pub(super) path: String,
    sha512: String,
    /// The whole of a certificate, request, attestation or configuration. A CRL is DER: its hash stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl FileDocument {
    pub(super) fn read(root: &Path, path: &Path) -> anyhow::Result<Self> {
        let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        Ok(Self { path: name, sha512: sha512(&content), text: String::from_utf8(content).ok() })
    }
}
