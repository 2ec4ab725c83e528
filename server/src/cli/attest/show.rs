//! `attestamp attest show`: what is stored of a key, in the words that an auditor gets to read.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use attestamp_attestation::{Bundle, Question};
use clap::Args;

use crate::attestation::served::AttestationFiles;
use crate::clock;
use crate::config::Config;
use crate::data_folder::Layout;
use crate::tokens::Tokens;

/// Options of `attest show`.
#[derive(Debug, Args)]
#[command(after_help = "Example: attestamp attest show default")]
pub struct ShowArgs {
    /// The TSU's name, or its key's CKA_ID in hexadecimal
    #[arg(value_name = "KEY")]
    key: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs it. The roots are those of this data folder: it shows what an auditor would see, and vouches for nothing.
pub(super) fn run(layout: &Layout, args: &ShowArgs) -> anyhow::Result<()> {
    let config = Config::load(layout)?;
    let attester = super::attester(layout, &config, &mut Tokens::default())?;
    let files = AttestationFiles::load(layout, Some(&attester));
    let (name, key) = files.find(&args.key).with_context(|| {
        let known: Vec<_> = files.keys.keys().map(String::as_str).collect();
        format!("no attestation of a key `{}` is stored; there are: {}", args.key, known.join(", "))
    })?;
    let roots: Vec<_> = attester.kinds().filter_map(|kind| attester.root(kind).cloned()).collect();
    if roots.is_empty() {
        bail!("the device has no certificate yet: `attestamp attest import CHAIN.pem` takes it");
    }
    let question = Question {
        roots,
        nonce: None,
        at: clock::system_time(),
        key: Some(name.to_owned()),
        tsu_spki_der: None,
        token: None,
        // They ask for evidence, which not every key has.
        vendor_roots: if key.evidence.is_empty() { Vec::new() } else { attester.vendor_roots().to_vec() },
        require_device_signed: false,
    };
    let bundle = Bundle::from_files(files.bundle(&std::collections::BTreeMap::new()))?;
    writeln!(
        std::io::stderr(),
        "attestamp: held against the roots of this data folder; an auditor holds it against the root that they pinned"
    )?;
    super::verify::show(bundle, question, args.json)
}
