//! `attestamp attest new` and `attestamp attest bundle`: what an auditor asks for, made at the machine that has the token.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use attestamp_attestation::{ChainKind, Nonce};
use attestamp_certs::pem::{self, PemLabel};
use clap::Args;

use super::ChainOption;
use crate::attestation::served::{AttestationFiles, certificate_pem};
use crate::attestation::{Moment, Occasion, attested_keys};
use crate::clock;
use crate::config::Config;
use crate::data_folder::Layout;
use crate::tokens::Tokens;

/// Options of `attest new`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: attestamp attest new default --nonce $(openssl rand -hex 32) --output fresh.pem"
)]
pub struct NewArgs {
    /// The TSU's name, or its key's CKA_ID in hexadecimal
    #[arg(value_name = "KEY")]
    key: String,
    /// The auditor's nonce: 16 to 64 octets in hexadecimal
    #[arg(long, value_name = "HEX", value_parser = super::nonce)]
    nonce: Nonce,
    /// Under which chain
    #[arg(long, value_enum, default_value_t = ChainOption::Classical)]
    chain: ChainOption,
    /// File to write, in place of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs it: PEM, the attestation first, its chain after it.
pub(super) fn run(layout: &Layout, args: &NewArgs) -> anyhow::Result<()> {
    let config = Config::load(layout)?;
    let mut tokens = Tokens::default();
    let attester = super::attester(layout, &config, &mut tokens)?;
    let now = clock::system_time();
    let kind = ChainKind::from(args.chain);
    let files = AttestationFiles::load(layout, Some(&attester));
    let name = files.find(&args.key).map_or(args.key.as_str(), |(name, _)| name);
    let keys = attested_keys(layout, &config, now);
    let key = keys.iter().find(|key| key.name == name).with_context(|| {
        let known: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
        format!("no key `{}` can be attested; there are: {}", args.key, known.join(", "))
    })?;
    let occasion = Occasion { nonce: Some(args.nonce.clone()), end: None };
    let der = attester.attest(kind, key, occasion, Moment::unassured(now))?;
    let mut text = pem::to_pem(PemLabel::Certificate, &der);
    text.extend(attester.chain(kind).iter().map(certificate_pem));
    match &args.output {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?
        }
        None => write!(std::io::stdout(), "{text}")?,
    }
    Ok(())
}

/// Options of `attest bundle`.
#[derive(Debug, Args)]
#[command(after_help = "Example: attestamp attest bundle --output attestation-bundle.tar")]
pub struct BundleArgs {
    /// Attest every key afresh with this nonce of the auditor's: 16 to 64 octets in hexadecimal
    #[arg(long, value_name = "HEX", value_parser = super::nonce)]
    nonce: Option<Nonce>,
    /// File to write
    #[arg(long, short, value_name = "FILE", default_value = "attestation-bundle.tar")]
    output: PathBuf,
}

/// Writes what `GET /attestation/bundle.tar` serves, without a server.
pub(super) fn run_bundle(layout: &Layout, args: &BundleArgs) -> anyhow::Result<()> {
    let config = Config::load(layout)?;
    let mut tokens = Tokens::default();
    let attester = super::attester(layout, &config, &mut tokens)?;
    let now = clock::system_time();
    let files = AttestationFiles::load(layout, Some(&attester));
    let mut fresh = std::collections::BTreeMap::new();
    if let Some(nonce) = &args.nonce {
        for key in attested_keys(layout, &config, now) {
            for kind in attester.kinds() {
                let occasion = Occasion { nonce: Some(nonce.clone()), end: None };
                let der = attester.attest(kind, &key, occasion, Moment::unassured(now))?;
                fresh.insert((key.name.clone(), kind), der);
            }
        }
    }
    let tar = attestamp_attestation::Bundle::to_tar(&files.bundle(&fresh), now.as_secs())?;
    std::fs::write(&args.output, tar).with_context(|| format!("cannot write {}", args.output.display()))?;
    writeln!(
        std::io::stdout(),
        "wrote {}; whoever has the root checks it with `attestamp attest verify {} --root device-root.pem`",
        args.output.display(),
        super::super::options::shell_word(&args.output.display().to_string())
    )?;
    Ok(())
}

/// The content of a file of the operator's.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
