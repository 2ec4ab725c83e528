//! `attestamp init`: a data folder with everything that `serve` needs.
//!
//! The configuration is written last: a folder with it is whole, one without it is what an interrupted `init` left.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use attestamp_attestation::ChainKind;
use attestamp_hsm::{
    HsmError, KeyAlgorithm, KeyInfo, Module, ModuleSource, Pin, PinSource, Pkcs11Uri, Token,
};
use clap::{Args, ValueEnum};

mod first_ledger;
mod plan;
mod transcript;

use plan::Plan;
use transcript::Ceremony;

use super::options::shell_word;
use crate::attestation::hierarchy::{ChainKey, DeviceRoot};
use crate::attestation::{Attester, Moment, stored};
use crate::clock::{ClockMode, SystemTimeSource};
use crate::config::Config;
use crate::config::template::{self, TokenTable, TsuTable};
use crate::data_folder::{self, DataFolder, FILE_MODE, Layout, write_atomically};
use crate::hierarchy::{Family, Maker, Organization, TsuLife};
use crate::tokens::Tokens;
use crate::{attestation, clock, crl, ledger};

/// Name of the token in the configuration that `init` writes.
const TOKEN_NAME: &str = "main";
/// Label of the embedded token.
const TOKEN_LABEL: &str = "attestamp";

/// Options of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Run a key ceremony from this plan, in place of all other options, and write a signed transcript (docs/ceremony.md)
    #[arg(long, value_name = "PLAN.toml", conflicts_with_all = OPTIONS_OF_PLANS)]
    ceremony: Option<PathBuf>,
    /// Make no certification authority: the TSUs wait for certificates of yours (`tsu csr`, `tsu import`)
    #[arg(long)]
    external_ca: bool,
    /// Make no device root: write a request for the device's certificate, which a CA of yours signs (`attest import`)
    #[arg(long)]
    device_root_csr: bool,
    /// Destroy the device root's key once it has signed the device's certificate; it is not needed afterwards
    #[arg(long, conflicts_with = "device_root_csr")]
    destroy_device_root_key: bool,
    /// A TSU to make and the algorithm of its key; repeat for more [default: default:p-256 rsa:rsa-3072 pq:ml-dsa-65,
    /// the last where the token has ML-DSA]
    #[arg(long = "tsu", value_name = "NAME:ALGORITHM", value_parser = parse_tsu)]
    tsus: Vec<NewTsu>,
    /// The address under which clients will reach the server; certificates name their CRLs below it
    #[arg(long, value_name = "URL", value_parser = super::options::public_url)]
    public_url: Option<String>,
    /// Full registered name of the organisation in the certificates
    #[arg(long, value_name = "NAME", default_value = "attestamp evaluation", value_parser = super::options::organization)]
    organization: String,
    /// Its country, two letters (ISO 3166)
    #[arg(long, value_name = "CC", default_value = "ZZ", value_parser = super::options::country)]
    country: String,
    /// Its registration number, as VATBE-0876866142 (organizationIdentifier, EN 319 412-1)
    #[arg(long, value_name = "ID", value_parser = super::options::organization_identifier)]
    organization_identifier: Option<String>,
    /// Policy OID of yours for the TSUs; the n-th gets OID.n. Below 2.999 are examples
    #[arg(long, value_name = "OID", default_value = "2.999.3161", value_parser = super::options::policy_root)]
    policy: String,
    /// Days that TSU certificates are valid
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u64).range(2..=7000))]
    certificate_days: u64,
    /// Days that TSU keys sign; less than the certificate is valid
    #[arg(long, value_name = "DAYS", default_value_t = 730, value_parser = clap::value_parser!(u64).range(1..=6999))]
    key_usage_days: u64,
    /// Name of the ledger in its checkpoints, without scheme, as `tsa.example.org/ledger`; it never changes [default: the host of
    /// --public-url and a number]
    #[arg(long, value_name = "NAME", value_parser = super::options::ledger_origin)]
    ledger_origin: Option<String>,
    /// What the clock must prove [default: kernel where the kernel holds its clock synchronised now, else system]
    #[arg(long, value_enum)]
    clock: Option<ClockArg>,
    /// PKCS#11 module of an HSM, in place of the embedded token
    #[arg(long, value_name = "PATH", requires = "token_uri", requires = "pin_file")]
    module: Option<PathBuf>,
    /// Which of the module's tokens, as `pkcs11:token=LABEL`
    #[arg(long, value_name = "URI", requires = "module")]
    token_uri: Option<String>,
    /// File with the token's PIN; it stays where it is
    #[arg(long, value_name = "FILE", requires = "module")]
    pin_file: Option<PathBuf>,
}

/// What a plan says in the place of the command line.
const OPTIONS_OF_PLANS: [&str; 16] = [
    "external_ca",
    "device_root_csr",
    "destroy_device_root_key",
    "tsus",
    "public_url",
    "organization",
    "country",
    "organization_identifier",
    "policy",
    "certificate_days",
    "key_usage_days",
    "ledger_origin",
    "clock",
    "module",
    "token_uri",
    "pin_file",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ClockArg {
    /// The system's clock as it is; the time is not assured
    System,
    /// The kernel must say that its clock is synchronised
    Kernel,
}

#[derive(Debug, Clone)]
struct NewTsu {
    name: String,
    algorithm: KeyAlgorithm,
}

fn parse_tsu(text: &str) -> Result<NewTsu, String> {
    let (name, algorithm) = text.split_once(':').ok_or("write it as NAME:ALGORITHM, as `default:p-256`")?;
    Ok(NewTsu {
        name: super::tsu::tsu_name(name)?,
        algorithm: algorithm.parse().map_err(|_| super::tsu::unknown_algorithm(algorithm))?,
    })
}

/// Runs it.
///
/// # Errors
/// What stopped it. What it had made is removed then, but for keys in an HSM, which are named.
pub fn run(data: Option<&Path>, mut args: InitArgs) -> anyhow::Result<ExitCode> {
    data_folder::restrict_file_permissions();
    let mut ceremony = None;
    if let Some(path) = &args.ceremony {
        let (plan, plan_text) = Plan::read(path)?;
        args = plan.arguments().with_context(|| path.display().to_string())?;
        let begun = Ceremony { plan, plan_text, begun_at: clock::system_time() };
        begun.announce();
        ceremony = Some(begun);
    }
    if args.key_usage_days >= args.certificate_days {
        bail!("--key-usage-days must be less than --certificate-days (EN 319 421 7.6.7-02)");
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = args.tsus.iter().find(|tsu| !names.insert(&tsu.name)) {
        bail!("--tsu names `{}` twice: give each TSU a name of its own", twice.name);
    }
    // Before a folder is made that would be left over.
    token_uri(&args)?;
    let root = super::data_path(data)?;
    let was_there = root.exists();
    let folder = DataFolder::create(&root)?;
    match make(folder.layout(), &mut args, ceremony.as_ref()).and_then(|()| Ok(folder.complete()?)) {
        Ok(()) => {
            conclude(folder.layout(), &args);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            remove_contents(&root);
            if !was_there {
                let _ = std::fs::remove_dir(&root);
            }
            Err(error.context(format!("nothing was made in {}", root.display())))
        }
    }
}

fn make(layout: &Layout, args: &mut InitArgs, ceremony: Option<&Ceremony>) -> anyhow::Result<()> {
    let token_uri = token_uri(args)?;
    let (token, token_table) = prepare_token(layout, args, token_uri.as_ref())?;
    if args.tsus.is_empty() {
        args.tsus = default_tsus(&token)?;
    }
    for tsu in &args.tsus {
        token.check_mechanisms(tsu.algorithm)?;
    }
    let before: Vec<_> = token.keys()?.into_iter().map(|key| key.id).collect();
    let made = make_in(layout, args, &token, &token_table, ceremony).and_then(|chain_keys| {
        let Some(ceremony) = ceremony else { return Ok(()) };
        transcript::write(layout, ceremony, &token, &before, &chain_keys)
    });
    made.map_err(|error| {
        // The embedded token goes with the folder; what is in an HSM may be another program's by now.
        let left = token.keys().unwrap_or_default().into_iter().filter(|key| !before.contains(&key.id));
        let uri = |key: KeyInfo| token_uri.clone().map(|token| token.with_id(key.id).to_string());
        let uris: Vec<_> = left.filter_map(uri).collect();
        match uris.is_empty() {
            true => error,
            false => error.context(format!("keys that were made stay in the token: {}", uris.join(", "))),
        }
    })
}

/// The TSUs of an `init` that names none. Not every HSM has ML-DSA: there, what is missing is said and left out.
fn default_tsus(token: &Token) -> anyhow::Result<Vec<NewTsu>> {
    let tsu = |name: &str, algorithm| NewTsu { name: name.to_owned(), algorithm };
    let mut tsus = vec![tsu("default", KeyAlgorithm::EcdsaP256), tsu("rsa", KeyAlgorithm::Rsa3072)];
    match token.check_mechanisms(KeyAlgorithm::MlDsa65) {
        Ok(()) => tsus.push(tsu("pq", KeyAlgorithm::MlDsa65)),
        Err(missing @ HsmError::MechanismMissing { .. }) => {
            say(&format!("no post-quantum TSU is made: {missing}"));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(tsus)
}

/// Makes keys and certificates, and the configuration when all else is there.
fn make_in(
    layout: &Layout,
    args: &InitArgs,
    token: &Token,
    token_table: &str,
    ceremony: Option<&Ceremony>,
) -> anyhow::Result<Vec<ChainKey>> {
    let now = clock::system_time();
    let organization = Organization {
        country: args.country.clone(),
        name: args.organization.clone(),
        identifier: args.organization_identifier.clone(),
    };
    let public_url = args.public_url.as_deref();
    let maker = Maker { layout, token, token_name: TOKEN_NAME, organization: &organization, public_url, now };

    let default = args.tsus.first().map_or("default", |tsu| tsu.name.as_str());
    let mut text = template::head(public_url, default);
    if clock_mode(args) == ClockArg::Kernel {
        text = text.replace("\nmode = \"system\"", "\nmode = \"kernel\"");
    }
    text.push_str(token_table);
    if !args.external_ca {
        for family in Family::ALL {
            if args.tsus.iter().any(|tsu| Family::of(tsu.algorithm) == family) {
                say(&format!(
                    "making the certification authorities {} and {}",
                    family.root(),
                    family.timestamping_ca()
                ));
                text.push_str(&maker.hierarchy(family)?);
            }
        }
    }
    let life = TsuLife { certificate_days: args.certificate_days, key_usage_days: args.key_usage_days };
    let policies = (1_u32..).map(|number| format!("{}.{number}", args.policy));
    for (tsu, policy) in args.tsus.iter().zip(policies) {
        say(&format!("making the key of TSU {} ({})", tsu.name, tsu.algorithm));
        let key = crate::hierarchy::make_key(token, tsu.algorithm, &format!("attestamp tsu {}", tsu.name))?;
        let table = TsuTable {
            name: &tsu.name,
            token: TOKEN_NAME,
            key: &key.uri.to_string(),
            default_policy: &policy,
            can_carry: Family::of(tsu.algorithm) != Family::PostQuantum,
            accuracy_seconds: crate::hierarchy::accuracy_seconds(tsu.algorithm),
        };
        text.push_str(&table.to_toml());
        if !args.external_ca {
            let config = Config::parse(&text, &layout.config_file(), layout)?;
            super::tsu::issue_certificate(&maker, &config, &tsu.name, &key.info, life)?;
        }
    }
    text.push_str(&first_ledger::make(layout, args.ledger_origin.as_deref(), public_url, token)?);
    say("making the keys that attest the others");
    let root = match args.device_root_csr {
        true => DeviceRoot::External,
        false => DeviceRoot::Own { destroy_key: args.destroy_device_root_key },
    };
    let chains = attestation::hierarchy::make(&maker, root)?;
    if let Some(missing) = &chains.post_quantum_missing {
        say(&format!("no post-quantum attestation is made: {missing}"));
    }
    text.push_str(&chains.table);
    let config = Config::parse(&text, &layout.config_file(), layout)?;
    let mut tokens = Tokens::default();
    crl::reissue_due(layout, &config, &mut tokens, now)?;
    if let Some(attester) = Attester::open(layout, &config, &mut tokens)? {
        for key in attestation::attested_keys(layout, &config, now) {
            stored::renew_if_changed(layout, &attester, &key, Moment::unassured(now))?;
        }
    }
    let first = first_ledger::events(layout, &config, token, &chains.keys, ceremony, now)?;
    ledger::offline::begin(layout, &config, &mut tokens, first)?;
    write_atomically(&layout.config_file(), text.as_bytes(), FILE_MODE)
        .with_context(|| format!("cannot write {}", layout.config_file().display()))?;
    Ok(chains.keys)
}

/// `--token-uri`. Not read by the command line's own means, which repeat a value that is wrong: some write a PIN into it.
fn token_uri(args: &InitArgs) -> anyhow::Result<Option<Pkcs11Uri>> {
    let uri = args.token_uri.as_deref().map(str::parse).transpose();
    uri.context("--token-uri is not a PKCS#11 URI of a token (RFC 7512), as pkcs11:token=LABEL")
}

/// The token to make keys in, and its table in the configuration.
fn prepare_token(
    layout: &Layout,
    args: &InitArgs,
    token_uri: Option<&Pkcs11Uri>,
) -> anyhow::Result<(Token, String)> {
    if let (Some(path), Some(uri), Some(pin_file)) = (&args.module, token_uri, &args.pin_file) {
        let path = std::path::absolute(path)?;
        let pin_file = std::path::absolute(pin_file)?;
        let pin = PinSource::File(pin_file.clone()).read()?;
        let token = Module::open(&ModuleSource::Library { path: path.clone() })?.open_token(uri, pin)?;
        let table = TokenTable {
            name: TOKEN_NAME,
            module: &path.display().to_string(),
            uri: &uri.to_string(),
            pin_line: &format!("pin-file = {}", template::quoted(&pin_file.display().to_string())),
        };
        return Ok((token, table.to_toml()));
    }
    say("making the embedded token");
    let pin = Pin::random()?;
    let so_pin = Pin::random()?;
    pin.write_new_file(&layout.pin_file())?;
    so_pin.write_new_file(&layout.so_pin_file())?;
    let module = Module::open_or_create(&ModuleSource::Embedded { database: layout.token_database() })?;
    module.initialise_token(TOKEN_LABEL, &so_pin, &pin)?;
    let uri = Pkcs11Uri::for_token(TOKEN_LABEL);
    let token = module.open_token(&uri, pin)?;
    let table = TokenTable {
        name: TOKEN_NAME,
        module: "embedded",
        uri: &uri.to_string(),
        pin_line: "pin-file = \"token/pin\"",
    };
    Ok((token, table.to_toml()))
}

fn clock_mode(args: &InitArgs) -> ClockArg {
    match args.clock {
        Some(mode) => mode,
        None if ClockMode::suited_to(&SystemTimeSource).is_assured() => ClockArg::Kernel,
        None => ClockArg::System,
    }
}

fn conclude(layout: &Layout, args: &InitArgs) {
    let command = format!("attestamp --data {}", shell_word(&layout.root().display().to_string()));
    say(&format!("made {}", layout.root().display()));
    if clock_mode(args) == ClockArg::System {
        say(
            "the clock is the system's own: the time in tokens is NOT assured (clock.mode in attestamp.toml)",
        );
    }
    if args.policy == "2.999" || args.policy.starts_with("2.999.") {
        say("the policy OIDs are examples under 2.999: set default-policy in attestamp.toml to your own");
    }
    if args.device_root_csr {
        say(&format!(
            "next: have {} signed by your CA, and `{command} attest import CHAIN.pem`",
            layout.attestation_file(ChainKind::Classical, "device.csr").display()
        ));
        let pq = layout.attestation_file(ChainKind::PostQuantum, "device.csr");
        if pq.exists() {
            say(&format!(
                "next: have {} signed too, and `{command} attest import --chain pq CHAIN.pem`",
                pq.display()
            ));
        }
    } else {
        say(&format!(
            "auditors pin {}: give it to them by a way that they trust",
            layout.attestation_file(ChainKind::Classical, "device-root.pem").display()
        ));
    }
    if args.external_ca {
        for tsu in &args.tsus {
            say(&format!(
                "next: `{command} tsu csr {name} --country {} --organization {}`, and with your CA's answer \
                 `{command} tsu import {name} CHAIN.pem`",
                args.country,
                shell_word(&args.organization),
                name = tsu.name
            ));
        }
    } else {
        say(&format!("next: `{command} serve`"));
    }
}

/// Progress goes to standard error: `init` has no other output.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "attestamp init: {line}");
}

/// The folder was empty when `init` began: what is in it now is ours.
fn remove_contents(root: &Path) {
    let Ok(entries) = std::fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
}
