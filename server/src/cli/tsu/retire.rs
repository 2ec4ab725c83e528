//! `attestamp tsu retire`: the end of a TSU, so that what it signed stays verifiable.

use std::io::Write as _;

use anyhow::Context as _;
use attestamp_attestation::{KeyEnd, KeyEndState};
use attestamp_certs::{CertificateSerial, RevocationReason};
use attestamp_hsm::HsmError;
use clap::Args;

use super::{ca_certificate, tsu_config};
use crate::attestation::{Attester, stored};
use crate::config::{Config, edit};
use crate::data_folder::{FILE_MODE, Layout, write_atomically};
use crate::ledger::{events, offline};
use crate::tokens::Tokens;
use crate::tsu::CertificateChain;
use crate::{clock, crl};

/// Options of `tsu retire`.
#[derive(Debug, Args)]
pub struct RetireArgs {
    /// Name of the TSU
    name: String,
    /// Also destroy its key in the token, for good
    #[arg(long)]
    destroy_key: bool,
}

/// Retires it: its certificate is revoked, its key attested for the last time, and destroyed if that is asked for.
pub(super) fn run(layout: &Layout, args: &RetireArgs) -> anyhow::Result<()> {
    let path = layout.config_file();
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = Config::parse(&text, &path, layout)?;
    let tsu = tsu_config(&config, &args.name)?;
    let now = clock::system_time();
    let mut tokens = Tokens::default();
    let text = edit::with_retired(&text, &args.name)?;
    let after = Config::parse(&text, &path, layout).context("nothing was changed")?;
    write_atomically(&path, text.as_bytes(), FILE_MODE)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let of_standbys = tsu.signers.all.iter().filter_map(|signer| signer.certificate.clone());
    for certificates in std::iter::once(layout.tsu_chain(&args.name)).chain(of_standbys) {
        if let Ok(chain) = CertificateChain::read(&certificates, now)
            && let Some(ca) = issuing_ca(layout, &config, &chain)?
        {
            let serial = CertificateSerial::from_big_endian(chain.leaf().serial())?;
            let revocation = crl::Revocation { serial, reason: RevocationReason::CessationOfOperation };
            crl::issue(layout, &config, &mut tokens, &ca, Some(&revocation), now)?;
        }
    }
    let state = if args.destroy_key { KeyEndState::Destroyed } else { KeyEndState::Retired };
    attest_end(layout, &config, &mut tokens, &args.name, KeyEnd { time: now, state })?;
    if args.destroy_key {
        for signer in &tsu.signers.all {
            let token = tokens.open(&config.tokens, &signer.token)?;
            match token.find_uri(&signer.key) {
                Ok(key) => token.destroy(&key.id)?,
                // Destroyed by an earlier `retire`, which may have been interrupted after that.
                Err(HsmError::KeyMissing { .. }) if tsu.retired => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut events = vec![events::configured(after.digest, now)];
    if let Ok(chain) = CertificateChain::read(&layout.tsu_chain(&args.name), now) {
        let leaf = chain.leaf();
        events.push(events::tsu_ended(&args.name, leaf.der(), now));
        events.push(events::key_retired(&args.name, leaf.spki_der(), args.destroy_key, now));
    }
    super::super::ledger::warn_unless_recorded(offline::record(layout, &after, &mut tokens, events));
    let key = if args.destroy_key { "its key is destroyed" } else { "its key is still in the token" };
    writeln!(
        std::io::stdout(),
        "TSU {} is retired; {key}. Its certificate stays, to verify its tokens",
        args.name
    )?;
    if config.default_tsu.as_deref() == Some(args.name.as_str())
        && let Some(next) = after.tsus.iter().find(|(_, tsu)| !tsu.retired).map(|(name, _)| name)
    {
        writeln!(
            std::io::stderr(),
            "warning: it answered `POST /`, which TSU {next} does from now on: name another one as default-tsu in \
             attestamp.toml if that is not meant"
        )?;
    }
    Ok(())
}

/// The last attestation of a key: what it was stays provable for the tokens that it signed.
fn attest_end(
    layout: &Layout,
    config: &Config,
    tokens: &mut Tokens,
    name: &str,
    end: KeyEnd,
) -> anyhow::Result<()> {
    let attested = Attester::open(layout, config, tokens).and_then(|attester| match attester {
        Some(attester) => stored::attest_end(layout, config, &attester, name, end),
        None => Ok(()),
    });
    attested.context(
        "the TSU is retired, but its last attestation could not be made, and its key was left as it is: run this again",
    )
}

/// The CA of ours that issued this certificate, if one did.
fn issuing_ca(layout: &Layout, config: &Config, chain: &CertificateChain) -> anyhow::Result<Option<String>> {
    for name in config.authorities.keys() {
        if chain.all().get(1) == Some(&ca_certificate(layout, name)?) {
            return Ok(Some(name.clone()));
        }
    }
    Ok(None)
}
