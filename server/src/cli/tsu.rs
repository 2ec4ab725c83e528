//! `attestamp tsu …`: the TSUs, their keys and their certificates.
//!
//! `list`, `csr` and `import` may run beside a server. `new` and `retire` change keys, which two processes must not do at
//! once in the embedded token, so they need the folder to themselves.

mod retire;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use attestamp_certs::pem::{self, PemLabel};
use attestamp_certs::{
    CertificateDer, CsrParameters, Issuer, OrganizationNames, UnsignedCsr, is_post_quantum_key,
};
use attestamp_hsm::{KeyAlgorithm, KeyInfo, Token};
use clap::{Args, Subcommand};

use crate::config::template::TsuTable;
use crate::config::{self, Config, edit};
use crate::data_folder::{self, DataFolder, FILE_MODE, Layout, write_atomically};
use crate::hierarchy::{Family, MadeKey, Maker, Organization, TsuLife, accuracy_seconds, make_key, sign};
use crate::ledger::{events, offline};
use crate::tokens::Tokens;
use crate::tsu::{CertificateChain, signature_algorithm};
use crate::{clock, crl};

pub use retire::RetireArgs;

/// The commands under `tsu`.
#[derive(Debug, Subcommand)]
pub enum TsuCommand {
    /// List the TSUs
    List(ListArgs),
    /// Make a TSU: a key, and a certificate if the authority has a CA of its own
    New(NewArgs),
    /// Write a certificate request (PKCS#10) for a TSU's key, signed by it
    Csr(CsrArgs),
    /// Take a TSU's certificate and those above it from a PEM file
    Import(ImportArgs),
    /// End a TSU: it issues nothing any more
    Retire(RetireArgs),
}

/// Options of `tsu list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Options of `tsu new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name of the TSU: lower-case letters, digits, hyphens
    #[arg(value_parser = tsu_name)]
    name: String,
    /// Algorithm of its key: p-256, p-384, ed25519, rsa-2048, rsa-3072, rsa-4096, ml-dsa-44, ml-dsa-65, ml-dsa-87,
    /// slh-dsa-sha2-128s, slh-dsa-sha2-128f, slh-dsa-sha2-192f, slh-dsa-sha2-256f, slh-dsa-shake-128f
    #[arg(long, default_value = "p-256", value_parser = parse_algorithm)]
    algorithm: KeyAlgorithm,
    /// Policy OID of its tokens [default: a number of its own under 2.999.3161, the arc for examples]
    #[arg(long, value_name = "OID", value_parser = super::options::policy)]
    policy: Option<String>,
    /// Token for the key, as named in attestamp.toml [default: the only one]
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
    /// Full registered name of the organisation in the certificate [default: the issuing CA's]
    #[arg(long, value_name = "NAME", value_parser = super::options::organization)]
    organization: Option<String>,
    /// Its country, two letters [default: the issuing CA's]
    #[arg(long, value_name = "CC", value_parser = super::options::country)]
    country: Option<String>,
    /// Days that its certificate is valid
    #[arg(long, value_name = "DAYS", default_value_t = 3650, value_parser = clap::value_parser!(u64).range(2..=7000))]
    certificate_days: u64,
    /// Days that its key signs; less than the certificate is valid
    #[arg(long, value_name = "DAYS", default_value_t = 730, value_parser = clap::value_parser!(u64).range(1..=6999))]
    key_usage_days: u64,
    /// Issue no certificate, also where the authority has a CA
    #[arg(long)]
    external_ca: bool,
}

/// Options of `tsu csr`.
#[derive(Debug, Args)]
pub struct CsrArgs {
    /// Name of the TSU
    name: String,
    /// Full registered name of the organisation
    #[arg(long, value_name = "NAME", default_value = "attestamp evaluation", value_parser = super::options::organization)]
    organization: String,
    /// Its country, two letters
    #[arg(long, value_name = "CC", default_value = "ZZ", value_parser = super::options::country)]
    country: String,
    /// Its registration number (organizationIdentifier)
    #[arg(long, value_name = "ID", value_parser = super::options::organization_identifier)]
    organization_identifier: Option<String>,
    /// File to write, in place of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Options of `tsu import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Name of the TSU
    name: String,
    /// PEM file: the TSU's certificate first, then those above it, up to the root
    chain: PathBuf,
}

/// Runs one of them.
///
/// # Errors
/// What stopped it.
pub fn run(data: Option<&Path>, command: TsuCommand) -> anyhow::Result<ExitCode> {
    data_folder::restrict_file_permissions();
    let root = super::data_path(data)?;
    match command {
        TsuCommand::List(args) => list(&Layout::existing(&root)?, &args)?,
        TsuCommand::New(args) => new(DataFolder::open(&root)?.layout(), &args)?,
        TsuCommand::Csr(args) => csr(&Layout::existing(&root)?, &args)?,
        TsuCommand::Import(args) => import(&Layout::existing(&root)?, &args)?,
        TsuCommand::Retire(args) => retire::run(DataFolder::open(&root)?.layout(), &args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A sentence with every algorithm there is.
pub(super) fn unknown_algorithm(text: &str) -> String {
    let known: Vec<_> = KeyAlgorithm::ALL.iter().map(ToString::to_string).collect();
    format!("`{text}` is not one of {}", known.join(", "))
}

fn parse_algorithm(text: &str) -> Result<KeyAlgorithm, String> {
    text.parse().map_err(|_| unknown_algorithm(text))
}

/// A name for a new TSU.
pub(super) fn tsu_name(text: &str) -> Result<String, String> {
    match config::check_name("tsu", text) {
        Ok(()) => Ok(text.to_owned()),
        Err(_) => Err(format!("a name has {}", config::NAME_FORM)),
    }
}

fn list(layout: &Layout, args: &ListArgs) -> anyhow::Result<()> {
    let config = Config::load(layout)?;
    let now = clock::system_time();
    let rows: Vec<_> =
        config.tsus.iter().map(|(name, tsu)| super::status::row(layout, name, tsu, now)).collect();
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        super::status::print_table(&mut out, &rows)?;
    }
    Ok(())
}

fn new(layout: &Layout, args: &NewArgs) -> anyhow::Result<()> {
    if args.key_usage_days >= args.certificate_days {
        bail!("--key-usage-days must be less than --certificate-days (EN 319 421 7.6.7-02)");
    }
    let path = layout.config_file();
    let mut text =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = Config::parse(&text, &path, layout)?;
    if config.tsus.contains_key(&args.name) {
        bail!("there is a TSU `{}` already: choose another name", args.name);
    }
    let token_name = match (&args.token, config.tokens.len()) {
        (Some(name), _) => name.clone(),
        (None, 1) => config.tokens.keys().next().cloned().unwrap_or_default(),
        (None, _) => bail!("attestamp.toml has several tokens: name one with --token"),
    };
    let mut tokens = Tokens::default();
    let token = tokens.open(&config.tokens, &token_name)?;
    let family = Family::of(args.algorithm);
    let own_ca = !args.external_ca && !config.authorities.is_empty();
    let organization = organization(layout, &config, args)?;
    let maker = Maker {
        layout,
        token: &token,
        token_name: &token_name,
        organization: &organization,
        public_url: config.server.public_url.as_deref(),
        now: clock::system_time(),
    };
    // Before anything is made that would be left over.
    token.check_mechanisms(args.algorithm)?;
    if own_ca && !config.authorities.contains_key(family.timestamping_ca()) {
        text = edit::with_table(&text, &maker.hierarchy(family)?);
    }
    let key = make_key(&token, args.algorithm, &format!("attestamp tsu {}", args.name))?;
    let policy = args.policy.clone().unwrap_or_else(|| unused_policy(&config));
    let table = TsuTable {
        name: &args.name,
        token: &token_name,
        key: &key.uri.to_string(),
        default_policy: &policy,
        can_carry: Family::of(args.algorithm) != Family::PostQuantum,
        accuracy_seconds: accuracy_seconds(args.algorithm),
    };
    let text = edit::with_table(&text, &table.to_toml());
    let added = (|| {
        let config = Config::parse(&text, &path, layout)?;
        if own_ca {
            let life =
                TsuLife { certificate_days: args.certificate_days, key_usage_days: args.key_usage_days };
            issue_certificate(&maker, &config, &args.name, &key.info, life)?;
            crl::reissue_due(layout, &config, &mut tokens, maker.now)?;
        }
        write_atomically(&path, text.as_bytes(), FILE_MODE)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(config)
    })();
    let config = match added {
        Ok(config) => config,
        Err(error) => return Err(without_key(&token, &key, error)),
    };
    let mut events = vec![events::key_created(&key.info, maker.now)];
    if let Ok(chain) = CertificateChain::read(&layout.tsu_chain(&args.name), maker.now) {
        events.push(events::certificate_installed(&args.name, chain.leaf().der(), maker.now));
    }
    events.push(events::configured(config.digest, maker.now));
    super::ledger::warn_unless_recorded(offline::record(layout, &config, &mut tokens, events));
    let next = if own_ca {
        "next: start the server".to_owned()
    } else {
        format!(
            "next: `attestamp tsu csr {name}`, then `attestamp tsu import {name} CHAIN.pem`",
            name = args.name
        )
    };
    writeln!(std::io::stdout(), "made TSU {} ({}) with policy {policy}; {next}", args.name, args.algorithm)?;
    Ok(())
}

/// The key of a TSU that was not added is of no use: it is destroyed, or named where the token does not let go of it.
fn without_key(token: &Token, key: &MadeKey, error: anyhow::Error) -> anyhow::Error {
    match token.destroy(&key.info.id) {
        Ok(()) => error,
        Err(_) => error.context(format!("no TSU was made, and its key {} is still in the token", key.uri)),
    }
}

/// Issues the certificate of TSU `name` by the CA of its family, which the configuration must have.
pub(super) fn issue_certificate(
    maker: &Maker<'_>,
    config: &Config,
    name: &str,
    key: &KeyInfo,
    life: TsuLife,
) -> anyhow::Result<()> {
    let ca_name = Family::of(key.algorithm).timestamping_ca();
    let ca_config = config.authorities.get(ca_name).with_context(|| format!("there is no [ca.{ca_name}]"))?;
    let others;
    let ca_token = if ca_config.token == maker.token_name {
        maker.token
    } else {
        others = Tokens::default().open(&config.tokens, &ca_config.token)?;
        &others
    };
    let ca = crl::authority(maker.layout, ca_name, ca_config, ca_token)?;
    let mut above = Vec::new();
    let mut next = ca_config.issuer.as_ref();
    while let Some(issuer) = next {
        above.push(ca_certificate(maker.layout, issuer)?);
        next = config.authorities.get(issuer).and_then(|ca| ca.issuer.as_ref());
    }
    let path = maker.tsu_certificate(name, key, &ca, &above, life)?;
    CertificateChain::read(&path, maker.now)?;
    Ok(())
}

fn ca_certificate(layout: &Layout, name: &str) -> anyhow::Result<CertificateDer<'static>> {
    let path = layout.ca_certificate(name);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let certificates = pem::certificates_from_pem(&text)?;
    certificates.into_iter().next().with_context(|| format!("{} holds no certificate", path.display()))
}

/// The organisation of the options, else that of the CA's certificate.
fn organization(layout: &Layout, config: &Config, args: &NewArgs) -> anyhow::Result<Organization> {
    let of_ca = match config.authorities.keys().next() {
        Some(name) => Issuer::from_certificate(&ca_certificate(layout, name)?)?.organization()?,
        None => OrganizationNames::default(),
    };
    Ok(Organization {
        country: args.country.clone().or(of_ca.country).unwrap_or_else(|| "ZZ".to_owned()),
        name: args
            .organization
            .clone()
            .or(of_ca.organization)
            .unwrap_or_else(|| "attestamp evaluation".to_owned()),
        identifier: of_ca.organization_identifier,
    })
}

/// The first number under the arc for examples that no TSU has.
fn unused_policy(config: &Config) -> String {
    let used: Vec<_> =
        config.tsus.values().flat_map(|tsu| tsu.profile.policies().map(ToString::to_string)).collect();
    (1_u32..)
        .map(|number| format!("2.999.3161.{number}"))
        .find(|policy| !used.contains(policy))
        .unwrap_or_default()
}

fn tsu_config<'a>(config: &'a Config, name: &str) -> anyhow::Result<&'a config::TsuConfig> {
    config.tsus.get(name).with_context(|| {
        let known: Vec<_> = config.tsus.keys().map(String::as_str).collect();
        format!("there is no TSU `{name}`; there are: {}", known.join(", "))
    })
}

fn csr(layout: &Layout, args: &CsrArgs) -> anyhow::Result<()> {
    let config = Config::load(layout)?;
    let tsu = tsu_config(&config, &args.name)?;
    let mut tokens = Tokens::default();
    let token = tokens.open(&config.tokens, &tsu.token)?;
    let key = token.find_uri(&tsu.key)?;
    let organization = Organization {
        country: args.country.clone(),
        name: args.organization.clone(),
        identifier: args.organization_identifier.clone(),
    };
    let maker = Maker {
        layout,
        token: &token,
        token_name: &tsu.token,
        organization: &organization,
        public_url: None,
        now: clock::system_time(),
    };
    let unsigned = UnsignedCsr::tsu(CsrParameters {
        subject: &maker.tsu_subject(&args.name, &key)?,
        spki_der: &key.spki_der,
        signature_algorithm: signature_algorithm(key.algorithm.scheme()),
    })?;
    let signature = sign(&token, &key, unsigned.to_be_signed())?;
    let text = pem::to_pem(PemLabel::CertificateRequest, &unsigned.attach(&signature)?);
    match &args.output {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?
        }
        None => write!(std::io::stdout(), "{text}")?,
    }
    Ok(())
}

fn import(layout: &Layout, args: &ImportArgs) -> anyhow::Result<()> {
    let config = Config::load(layout)?;
    let tsu = tsu_config(&config, &args.name)?;
    let now = clock::system_time();
    let chain = CertificateChain::read(&args.chain, now)?;
    let mut tokens = Tokens::default();
    let key = tokens.open(&config.tokens, &tsu.token)?.find_uri(&tsu.key)?;
    if key.spki_der != chain.leaf().spki_der() {
        bail!(
            "the certificate in {} is for another key than that of TSU `{name}`: it must be issued for the request that \
             `attestamp tsu csr {name}` writes",
            args.chain.display(),
            name = args.name
        );
    }
    crate::tsu::check_certificate(&chain, &tsu.profile, &key)?;
    crate::tsu::check_life(&chain, now).context("this certificate cannot issue")?;
    let carriers = config.tsus.iter().filter(|(_, tsu)| !tsu.retired);
    let carrier = carriers.into_iter().find(|(_, tsu)| tsu.nested.as_deref() == Some(args.name.as_str()));
    if !chain.is_post_quantum() {
        if let Some((carrier, _)) = carrier {
            bail!(
                "a certificate in {} is signed classically, and TSU `{carrier}` has `nested-tsu = \"{}\"`, which must be \
                 post-quantum up to the root: nothing was changed",
                args.chain.display(),
                args.name
            );
        }
        if is_post_quantum_key(chain.leaf().spki_der()) {
            writeln!(
                std::io::stderr(),
                "warning: the key of TSU {} is a post-quantum one and a certificate above it is signed classically: its \
                 tokens are worth what that signature is worth",
                args.name
            )?;
        }
    }
    let text: String = chain.all().iter().map(|der| pem::to_pem(PemLabel::Certificate, der)).collect();
    let path = layout.tsu_chain(&args.name);
    write_atomically(&path, text.as_bytes(), FILE_MODE)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let installed = events::certificate_installed(&args.name, chain.leaf().der(), now);
    let recorded = offline::record_unless_served(layout, &config, &mut tokens, vec![installed]);
    super::ledger::warn_unless_recorded(recorded);
    writeln!(
        std::io::stdout(),
        "TSU {} has the certificate of {}, valid until {}; `attestamp reload` has a running server take it",
        args.name,
        chain.leaf().subject(),
        clock::rfc3339(chain.leaf().not_after())
    )?;
    Ok(())
}
