//! `attestamp attest …`: attestations of keys, made, shown and verified.
//!
//! `verify` needs nothing but files. The others work on a data folder; `init`, `import` and `evidence` change it.

mod chains;
mod new;
mod show;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use attestamp_attestation::{ChainKind, Nonce};
use clap::{Subcommand, ValueEnum};

use crate::attestation::Attester;
use crate::config::Config;
use crate::data_folder::{self, DataFolder, Layout};
use crate::tokens::Tokens;

/// The commands under `attest`.
#[derive(Debug, Subcommand)]
pub enum AttestCommand {
    /// Verify attestations, offline, with the roots that you pinned
    Verify(verify::VerifyArgs),
    /// Show what is stored of a key, as an auditor gets to read it
    Show(show::ShowArgs),
    /// Attest a key with an auditor's nonce
    New(new::NewArgs),
    /// Write the bundle that an auditor takes away
    Bundle(new::BundleArgs),
    /// Make the keys that attest others, in a data folder that has none
    Init(chains::InitArgs),
    /// Take the device's certificate that a CA of yours signed
    Import(chains::ImportArgs),
    /// Store what a vendor's device says of a key
    Evidence(chains::EvidenceArgs),
}

/// `--chain`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChainOption {
    /// P-384
    Classical,
    /// ML-DSA-87 and ML-DSA-65
    #[value(alias = "post-quantum")]
    Pq,
}

impl From<ChainOption> for ChainKind {
    fn from(option: ChainOption) -> Self {
        match option {
            ChainOption::Classical => Self::Classical,
            ChainOption::Pq => Self::PostQuantum,
        }
    }
}

/// Runs one of them.
///
/// # Errors
/// What stopped it.
pub fn run(data: Option<&Path>, command: AttestCommand) -> anyhow::Result<ExitCode> {
    if let AttestCommand::Verify(args) = &command {
        return verify::run(args);
    }
    data_folder::restrict_file_permissions();
    let root = super::data_path(data)?;
    match command {
        // Above: it works on files, and needs no data folder.
        AttestCommand::Verify(_) => {}
        AttestCommand::Show(args) => show::run(&Layout::existing(&root)?, &args)?,
        AttestCommand::New(args) => new::run(&Layout::existing(&root)?, &args)?,
        AttestCommand::Bundle(args) => new::run_bundle(&Layout::existing(&root)?, &args)?,
        AttestCommand::Init(args) => chains::init(DataFolder::open(&root)?.layout(), &args)?,
        AttestCommand::Import(args) => chains::import(&Layout::existing(&root)?, &args)?,
        AttestCommand::Evidence(args) => chains::evidence(&Layout::existing(&root)?, &args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The attestation keys of a data folder.
fn attester(layout: &Layout, config: &Config, tokens: &mut Tokens) -> anyhow::Result<Attester> {
    Attester::open(layout, config, tokens)?
        .context("there is no [attestation] in attestamp.toml: `attestamp attest init` makes the keys for it")
}

/// `--nonce`
fn nonce(text: &str) -> Result<Nonce, String> {
    let octets = crate::hex::decode(text).ok_or("a nonce is written in hexadecimal")?;
    Nonce::new(octets).map_err(|error| error.to_string())
}
