//! The transcript of a key ceremony: what was made, by what, and what it is; signed with the device's keys.
//!
//! JSON for programs and people, and beside it one detached signature a chain, which `openssl dgst` and `openssl pkeyutl`
//! verify with the device's public key. It names the signatures that belong to it, so that none can be left out unseen. What
//! both people are to compare and write down is printed. The host asserts all of it, as it does every attestation.

use std::path::Path;

use anyhow::{Context as _, ensure};
use attestamp_attestation::ChainKind;
use attestamp_certs::pem::{self, PemLabel};
use attestamp_certs::{HashAlgorithm, UnixTime};
use attestamp_hsm::{KeyId, KeyInfo, Token};
use attestamp_ledger::EventEntry;

use super::plan::Plan;
use super::say;
use crate::attestation::hierarchy::{ChainKey, file};
use crate::clock::{self, rfc3339};
use crate::data_folder::{FILE_MODE, FOLDER_MODE, Layout, write_atomically};
use crate::hierarchy::sign;
use crate::ledger::events;

mod document;

use document::{
    FileDocument, FormerKey, KeyDocument, PlanDocument, Program, SignatureDocument, TokenDocument, Transcript,
};

/// Format and version of the transcript.
const FORMAT: &str = "attestamp-ceremony-1";
/// Its folder in the data folder.
const FOLDER: &str = "ceremony";
/// Its name.
const FILE: &str = "transcript.json";

/// What a ceremony began with.
pub(super) struct Ceremony {
    pub(super) plan: Plan,
    pub(super) plan_text: String,
    pub(super) begun_at: UnixTime,
}

impl Ceremony {
    /// Says which plan it is, before anything is made.
    pub(super) fn announce(&self) {
        say("the plan has this SHA-512; both of you compare it with what you wrote down:");
        say(&format!("  {}", sha512(self.plan_text.as_bytes())));
    }

    /// For the ledger: the plan, and who was there.
    pub(super) fn approval(&self, now: UnixTime) -> EventEntry {
        events::approved("ceremony", &self.plan_text, &self.plan.who().join(", "), now)
    }
}

/// Writes the transcript and its signatures to `ceremony/` in the data folder, and says what to write down.
/// `before` are the keys that were in the token when it began.
pub(super) fn write(
    layout: &Layout,
    ceremony: &Ceremony,
    token: &Token,
    before: &[KeyId],
    chain_keys: &[ChainKey],
) -> anyhow::Result<()> {
    let keys = token.keys()?;
    for destroyed in chain_keys.iter().filter(|key| key.is_destroyed) {
        let info = &destroyed.made.info;
        let is_gone = !keys.iter().any(|key| key.id == info.id);
        ensure!(is_gone, "the key `{}` was destroyed, and the token still has it", info.label);
    }
    let text =
        serde_json::to_string_pretty(&transcript(layout, ceremony, token, before, &keys, chain_keys)?)?
            + "\n";

    let folder = layout.root().join(FOLDER);
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), FOLDER_MODE)
        .create(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let put = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        write_atomically(&path, content, FILE_MODE)
            .with_context(|| format!("cannot write {}", path.display()))
    };
    put(FILE, text.as_bytes())?;
    for key in signers(chain_keys) {
        let names = SignatureNames::of(key.kind);
        let info = &key.made.info;
        put(names.public_key, pem::to_pem(PemLabel::PublicKey, &info.spki_der).as_bytes())?;
        put(names.signature, &sign(token, info, text.as_bytes())?)?;
    }
    say(&format!("the transcript is {}; both of you write down its SHA-512:", folder.join(FILE).display()));
    say(&format!("  {}", sha512(text.as_bytes())));
    announce_roots(layout)
}

/// Says what fingerprints the roots have that auditors are to pin.
fn announce_roots(layout: &Layout) -> anyhow::Result<()> {
    for kind in ChainKind::ALL {
        let path = layout.attestation_file(kind, file::DEVICE_ROOT);
        if !path.exists() {
            continue;
        }
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for certificate in pem::certificates_from_pem(&text)? {
            say(&format!("{} has this SHA-256 fingerprint; both of you write it down:", path.display()));
            say(&format!("  {}", fingerprint(&certificate)));
        }
    }
    Ok(())
}

/// The files of one chain's signature.
struct SignatureNames {
    public_key: &'static str,
    signature: &'static str,
    /// What verifies it, in the folder of the transcript.
    command: &'static str,
}

impl SignatureNames {
    fn of(kind: ChainKind) -> Self {
        match kind {
            ChainKind::Classical => Self {
                public_key: "device-key.pem",
                signature: "transcript.json.sig",
                command: "openssl dgst -sha384 -verify device-key.pem -signature transcript.json.sig transcript.json",
            },
            ChainKind::PostQuantum => Self {
                public_key: "pq-device-key.pem",
                signature: "transcript.json.pq-sig",
                command: "openssl pkeyutl -verify -rawin -pubin -inkey pq-device-key.pem -sigfile transcript.json.pq-sig -in \
                          transcript.json",
            },
        }
    }
}

/// The keys that sign the transcript: the device's, one a chain.
fn signers(chain_keys: &[ChainKey]) -> impl Iterator<Item = &ChainKey> {
    chain_keys.iter().filter(|key| key.role == "device")
}

fn transcript<'a>(
    layout: &Layout,
    ceremony: &'a Ceremony,
    token: &Token,
    before: &[KeyId],
    in_token: &'a [KeyInfo],
    chain_keys: &'a [ChainKey],
) -> anyhow::Result<Transcript<'a>> {
    let Ceremony { plan, plan_text, begun_at } = ceremony;
    let destroyed =
        chain_keys.iter().filter(|key| key.is_destroyed).map(|key| KeyDocument::new(&key.made.info, true));
    let (former, made): (Vec<_>, Vec<_>) = in_token.iter().partition(|key| before.contains(&key.id));
    let mut files = Vec::new();
    collect(layout.root(), &layout.root().join("certs"), &mut files)?;
    files.push(FileDocument::read(layout.root(), &layout.config_file())?);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(Transcript {
        format: FORMAT,
        title: &plan.title,
        place: &plan.place,
        participants: &plan.participant,
        begun_at: rfc3339(*begun_at),
        ended_at: rfc3339(clock::system_time()),
        clock: "the host's, not assured",
        program: Program::of_this_process(plan)?,
        plan: PlanDocument { sha512: sha512(plan_text.as_bytes()), text: plan_text },
        token: TokenDocument::new(&token.info()?, plan.module())?,
        keys_before: former.into_iter().map(FormerKey::new).collect(),
        keys: destroyed.chain(made.into_iter().map(|key| KeyDocument::new(key, false))).collect(),
        signatures: signers(chain_keys).map(SignatureDocument::new).collect(),
        files,
    })
}

/// All files below a folder.
fn collect(root: &Path, folder: &Path, files: &mut Vec<FileDocument>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push(FileDocument::read(root, &path)?);
        }
    }
    Ok(())
}

/// As `sha512sum` prints it.
fn sha512(octets: &[u8]) -> String {
    crate::hex::encode(HashAlgorithm::Sha512.digest(octets).as_ref())
}

/// SHA-256 of a certificate, as `openssl x509 -noout -fingerprint -sha256` prints it.
fn fingerprint(certificate: &[u8]) -> String {
    let digest = HashAlgorithm::Sha256.digest(certificate);
    digest.as_ref().iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_written_as_other_tools_write_them() {
        // FIPS 180-4 examples: "abc".
        assert!(sha512(b"abc").starts_with("ddaf35a193617abacc417349ae204131"));
        assert!(fingerprint(b"abc").starts_with("BA:78:16:BF:8F:01:CF:EA"));
        assert_eq!(fingerprint(b"abc").len(), 95);
    }

    #[test]
    fn the_commands_name_the_files_that_are_written() {
        for kind in ChainKind::ALL {
            let SignatureNames { public_key, signature, command } = SignatureNames::of(kind);
            assert!([public_key, signature, FILE].iter().all(|name| command.contains(name)), "{command}");
        }
    }

    #[test]
    fn every_file_below_is_listed_with_the_hash_of_its_octets() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("certs/ca")).unwrap();
        std::fs::write(root.join("certs/ca/root.crl"), [0x30, 0x82, 0xff]).unwrap();
        std::fs::write(root.join("certs/one.pem"), "abc").unwrap();
        let mut files = Vec::new();
        collect(root, &root.join("certs"), &mut files).unwrap();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let written = serde_json::to_value(&files).unwrap();
        assert_eq!(written[0]["path"], "certs/ca/root.crl");
        assert_eq!(written[0].get("text"), None);
        assert_eq!(written[1]["text"], "abc");
        assert_eq!(written[1]["sha512"], sha512(b"abc"));
    }
}
