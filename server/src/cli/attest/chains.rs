//! `attestamp attest init` and `attestamp attest import`: the keys that attest others, and the device's certificate where
//! an organisation's own CA signs it.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use attestamp_attestation::ChainKind;
use attestamp_attestation::evidence::verify_evidence;
use clap::Args;

use super::super::ledger::warn_unless_recorded;
use super::ChainOption;
use crate::attestation::hierarchy::{self, DeviceRoot, Imported};
use crate::attestation::{KeyEvidence, Moment, Occasion, attested_keys, read_certificates, stored};
use crate::clock;
use crate::config::{Config, edit};
use crate::data_folder::{FILE_MODE, Layout, write_atomically};
use crate::hierarchy::{Maker, Organization};
use crate::ledger::{events, offline};
use crate::tokens::Tokens;

/// Options of `attest init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Make no device root: write a request for the device's certificate, which a CA of yours signs (`attest import`)
    #[arg(long)]
    device_root_csr: bool,
    /// Destroy the device root's key once it has signed; it is not needed afterwards
    #[arg(long, conflicts_with = "device_root_csr")]
    destroy_device_root_key: bool,
    /// The token whose keys are to be attested, by its name in attestamp.toml, if there are several
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
    /// Full registered name of the organisation in the certificates
    #[arg(long, value_name = "NAME", default_value = "attestamp evaluation", value_parser = crate::cli::options::organization)]
    organization: String,
    /// Its country, two letters (ISO 3166)
    #[arg(long, value_name = "CC", default_value = "ZZ", value_parser = crate::cli::options::country)]
    country: String,
    /// Its registration number (organizationIdentifier)
    #[arg(long, value_name = "ID", value_parser = crate::cli::options::organization_identifier)]
    organization_identifier: Option<String>,
}

/// Options of `attest import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// PEM file: the device's certificate first, then those above it, up to the root
    chain: PathBuf,
    /// Which chain the device's certificate is of
    #[arg(long = "chain", value_enum, default_value_t = ChainOption::Classical)]
    kind: ChainOption,
    /// Replace the chain that there is: auditors must pin the new root
    #[arg(long)]
    replace: bool,
}

/// Adds the attestation keys to a data folder that has none.
pub(super) fn init(layout: &Layout, args: &InitArgs) -> anyhow::Result<()> {
    let path = layout.config_file();
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = Config::parse(&text, &path, layout)?;
    if config.attestation.is_some() {
        bail!("there is an [attestation] in attestamp.toml already: its keys and certificates stay");
    }
    let token_name = match (&args.token, config.tokens.len()) {
        (Some(name), _) => name.clone(),
        (None, 1) => config.tokens.keys().next().cloned().unwrap_or_default(),
        (None, _) => bail!("attestamp.toml has several tokens: name one with --token"),
    };
    let mut tokens = Tokens::default();
    let token = tokens.open(&config.tokens, &token_name)?;
    let organization = Organization {
        country: args.country.clone(),
        name: args.organization.clone(),
        identifier: args.organization_identifier.clone(),
    };
    let maker = Maker {
        layout,
        token: &token,
        token_name: &token_name,
        organization: &organization,
        public_url: None,
        now: clock::system_time(),
    };
    let root = match args.device_root_csr {
        true => DeviceRoot::External,
        false => DeviceRoot::Own { destroy_key: args.destroy_device_root_key },
    };
    let mut out = std::io::stdout().lock();
    for kind in ChainKind::ALL {
        if let Some(folder) = stored::set_chain_aside(layout, kind, maker.now)? {
            writeln!(out, "what a former {kind} chain had signed is kept in {}", folder.display())?;
        }
    }
    let chains = hierarchy::make(&maker, root)?;
    let text = edit::with_table(&text, &chains.table);
    let config = Config::parse(&text, &path, layout)?;
    // Before the configuration says so: a server must still start if one key turns out to have two offices.
    if let Err(error) = super::attester(layout, &config, &mut tokens) {
        for key in chains.keys.iter().filter(|key| !key.is_destroyed) {
            token.destroy(&key.made.info.id)?;
        }
        return Err(error.context("no attestation keys were made"));
    }
    write_atomically(&path, text.as_bytes(), FILE_MODE)
        .with_context(|| format!("cannot write {}", path.display()))?;
    if let Some(missing) = &chains.post_quantum_missing {
        writeln!(out, "no post-quantum attestation is made: {missing}")?;
    }
    let attester = super::attester(layout, &config, &mut tokens)?;
    for key in attested_keys(layout, &config, maker.now) {
        stored::renew_if_changed(layout, &attester, &key, Moment::unassured(maker.now))?;
    }
    let mut recorded = events::chain_keys(&chains.keys, maker.now);
    recorded.extend(events::chains_installed(None, Some(&attester), maker.now));
    recorded.push(events::configured(config.digest, maker.now));
    warn_unless_recorded(offline::record(layout, &config, &mut tokens, recorded));
    for kind in attester.kinds() {
        let root = layout.attestation_file(kind, hierarchy::file::DEVICE_ROOT);
        writeln!(out, "auditors pin {}: give it to them by a way that they trust", root.display())?;
    }
    for kind in attester.waiting() {
        let request = layout.attestation_file(*kind, hierarchy::file::DEVICE_REQUEST);
        let option = if *kind == ChainKind::PostQuantum { " --chain pq" } else { "" };
        writeln!(
            out,
            "next: have {} signed by your CA, and `attestamp attest import{option} CHAIN.pem`",
            request.display()
        )?;
    }
    Ok(())
}

/// Takes the device's certificate that a CA of the organisation's signed.
pub(super) fn import(layout: &Layout, args: &ImportArgs) -> anyhow::Result<()> {
    let config = Config::load(layout)?;
    let Some(attestation) = &config.attestation else {
        bail!(
            "there is no [attestation] in attestamp.toml: `attestamp attest init --device-root-csr` makes the request"
        );
    };
    let kind = ChainKind::from(args.kind);
    if layout.attestation_file(kind, hierarchy::file::CHAIN).exists() && !args.replace {
        bail!(
            "the {kind} chain has its certificates already, and auditors have pinned its root; --replace takes another"
        );
    }
    let chain = read_certificates(args.chain.clone())?;
    let mut tokens = Tokens::default();
    let token = tokens.open(&config.tokens, &attestation.token)?;
    let now = clock::system_time();
    let keys = attested_keys(layout, &config, now);
    let Some(trial) = keys.first() else {
        bail!(
            "no TSU has a key in token `{}`: make one first, with which the chain can be tried",
            attestation.token
        );
    };
    let imported = Imported { kind, path: &args.chain, chain: &chain };
    // A chain that cannot be read is as none.
    let before = super::attester(layout, &config, &mut tokens).ok();
    hierarchy::import(layout, attestation, &token, imported, trial, now)?;
    let attester = super::attester(layout, &config, &mut tokens)?;
    let installed = events::chains_installed(before.as_ref(), Some(&attester), now);
    warn_unless_recorded(offline::record_unless_served(layout, &config, &mut tokens, installed));
    for key in &keys {
        stored::renew_if_changed(layout, &attester, key, Moment::unassured(now))?;
    }
    writeln!(
        std::io::stdout(),
        "the {kind} chain is complete, and {} keys are attested under it; `attestamp reload` has a running server take it",
        keys.len()
    )?;
    if kind == ChainKind::PostQuantum && !attester.is_post_quantum(kind) {
        writeln!(
            std::io::stderr(),
            "warning: a certificate of this chain is not signed with a post-quantum algorithm: the chain proves nothing more \
             than the classical one to an auditor who no longer trusts that algorithm. Have a CA with an ML-DSA key sign"
        )?;
    }
    Ok(())
}

/// Options of `attest evidence`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: attestamp attest evidence default --format yubihsm2 attestation-and-chain.pem"
)]
pub struct EvidenceArgs {
    /// The TSU's name
    #[arg(value_name = "KEY")]
    key: String,
    /// What the device's tool gave; its bytes are carried untouched
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Its format: yubihsm2, or an object identifier
    #[arg(long, value_name = "FORMAT")]
    format: String,
}

/// Stores what a vendor's device says of a key.
pub(super) fn evidence(layout: &Layout, args: &EvidenceArgs) -> anyhow::Result<()> {
    let config = Config::load(layout)?;
    if !config.tsus.contains_key(&args.key) {
        let known: Vec<_> = config.tsus.keys().map(String::as_str).collect();
        bail!("there is no TSU `{}`; there are: {}", args.key, known.join(", "));
    }
    let format = crate::attestation::evidence::format_oid(&args.format)?;
    let content = super::new::read(&args.file)?;
    let mut tokens = Tokens::default();
    let attester = super::attester(layout, &config, &mut tokens)?;
    let now = clock::system_time();
    let keys = attested_keys(layout, &config, now);
    let key = keys.iter().find(|key| key.name == args.key).with_context(|| {
        format!("the key of TSU `{}` is not attested here: it is retired, or in another token", args.key)
    })?;
    let (claims, info) = attester.claims(key, Occasion::default(), Moment::unassured(now))?;
    let evidence = KeyEvidence::new(&format, content)?;
    let (oid, roots) = (&evidence.format_oid, attester.vendor_roots());
    let said = match verify_evidence(oid, &evidence.content, &info.spki_der, roots, now) {
        Err(error) if error.is_unjudgeable() => {
            format!("it is carried as it is, and was not verified: {:#}", anyhow::Error::from(error))
        }
        Err(error) => return Err(anyhow::Error::from(error).context("nothing was stored")),
        Ok(statement) if !statement.is_of_device(&claims.platform) => format!(
            "it holds, but is of the {} {}, and the token is {:?} {:?} {:?}: the claims stay the host's word",
            statement.format.device(),
            statement.serial,
            claims.platform.manufacturer,
            claims.platform.model,
            claims.platform.serial
        ),
        Ok(statement) if !statement.is_acceptable() => {
            let lacking: Vec<_> = statement.shortcomings.iter().map(ToString::to_string).collect();
            format!("it holds, and the claims stay the host's word: {}", lacking.join("; "))
        }
        Ok(_) => "it holds: the next attestation is deviceSigned".to_owned(),
    };
    let path = evidence.store(layout, &args.key)?;
    writeln!(
        std::io::stdout(),
        "{said}\nstored as {}; `attestamp reload` has a running server attest it",
        path.display()
    )?;
    Ok(())
}
