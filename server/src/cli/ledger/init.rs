//! `attestamp ledger init`: the keys of a ledger in a data folder that has none, or another ledger beside the old one.
//!
//! An old ledger is moved aside whole, with its anchor, and never removed: what it has on record stays provable with the keys
//! that stay in `keys.txt`.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::clock;
use crate::config::{Config, LedgerConfig, LedgerSetting, edit};
use crate::data_folder::{FILE_MODE, Layout, write_atomically};
use crate::ledger::keys::{self, MadeLedger};
use crate::ledger::{events, offline};
use crate::tokens::Tokens;

/// Options of `ledger init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  attestamp ledger init
  attestamp ledger init --ledger-origin tsa.example.org/ledger
  attestamp ledger init --new        (the old one is kept in ledger-until-SECONDS)")]
pub struct InitArgs {
    /// Name of the ledger in its checkpoints, without scheme, as `tsa.example.org/ledger`; it never changes [default: the host
    /// of public-url and a number]
    #[arg(long, value_name = "NAME", value_parser = crate::cli::options::ledger_origin)]
    ledger_origin: Option<String>,
    /// The token for the keys, by its name in attestamp.toml, if there are several
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
    /// Begin another ledger, with keys and a name of its own; the old one is kept beside it
    #[arg(long)]
    new: bool,
}

/// Runs it, with the data folder locked.
pub(super) fn run(layout: &Layout, args: &InitArgs) -> anyhow::Result<()> {
    let path = layout.config_file();
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let config = Config::parse(&text, &path, layout)?;
    let former = config.ledger.config();
    check(&config.ledger, layout, args)?;
    let token_name = match (&args.token, config.tokens.len()) {
        (Some(name), _) => name.clone(),
        (None, 1) => config.tokens.keys().next().cloned().unwrap_or_default(),
        (None, _) => bail!("attestamp.toml has several tokens: name one with --token"),
    };
    let origin = match &args.ledger_origin {
        Some(origin) => origin.clone(),
        None => keys::new_origin(config.server.public_url.as_deref())?,
    };
    if former.is_some_and(|former| former.origin == origin) {
        bail!(
            "the new ledger needs another name than {origin}: two ledgers of one name would look like a forgery"
        );
    }
    if layout.ledger_keys().exists() && keys::read(layout)?.iter().any(|key| key.name() == origin) {
        bail!(
            "{} has keys of a ledger {origin} already: the new one needs another name",
            layout.ledger_keys().display()
        );
    }
    let mut tokens = Tokens::default();
    let token = tokens.open(&config.tokens, &token_name)?;
    let made = MadeLedger::make(&token, &origin)?;
    let finish = || -> anyhow::Result<(Config, Option<PathBuf>)> {
        let text = match &config.ledger {
            LedgerSetting::Absent => edit::with_table(&text, &made.table(&token_name)),
            LedgerSetting::Off(_) | LedgerSetting::Kept(_) => changed(&text, &made, &token_name)?,
        };
        let config = Config::parse(&text, &path, layout)?;
        keys::add(layout, &made.verifiers()?)?;
        let kept = former.map(|former| set_aside(layout, former)).transpose()?;
        let written = write_atomically(&path, text.as_bytes(), FILE_MODE);
        let is_new = std::fs::read_to_string(&path).is_ok_and(|now| now == text);
        if let (Err(_), Some(kept)) = (&written, kept.as_ref().filter(|_| !is_new)) {
            // The old ledger is still the one that the configuration names: it goes on.
            kept.put_back(layout);
        }
        written.with_context(|| format!("cannot write {}", path.display()))?;
        Ok((config, kept.and_then(|kept| kept.folder)))
    };
    let (config, kept) = finish().map_err(|error| {
        let uris: Vec<_> = made.all().map(|key| key.uri.to_string()).collect();
        error.context(format!(
            "no ledger was begun; keys that were made stay in the token: {}",
            uris.join(", ")
        ))
    })?;
    let now = clock::system_time();
    let mut first: Vec<_> = made.all().map(|key| events::key_created(&key.info, now)).collect();
    first.push(events::configured(config.digest, now));
    offline::begin(layout, &config, &mut tokens, first)?;

    let mut out = std::io::stdout().lock();
    if let Some(kept) = kept {
        writeln!(out, "the old ledger is kept in {}", kept.display())?;
    }
    if let Some(missing) = &made.post_quantum_missing {
        writeln!(out, "no post-quantum key signs its checkpoints: {missing}")?;
    }
    writeln!(out, "begun: the ledger {origin}")?;
    writeln!(
        out,
        "auditors pin {}: give it to them by a way that they trust",
        layout.ledger_keys().display()
    )?;
    writeln!(out, "next: start the server")?;
    Ok(())
}

/// Whether a ledger may be begun now.
fn check(setting: &LedgerSetting, layout: &Layout, args: &InitArgs) -> anyhow::Result<()> {
    match setting {
        LedgerSetting::Kept(kept) if !args.new => bail!(
            "there is a ledger already, {}: it is gone on with; --new begins another one beside it",
            kept.origin
        ),
        LedgerSetting::Off(Some(off)) if !args.new => bail!(
            "there are keys of the ledger {} already: set `enabled = true` in [ledger], or begin another one with --new",
            off.origin
        ),
        LedgerSetting::Absent | LedgerSetting::Off(None) if layout.ledger().exists() => bail!(
            "{} is there, and attestamp.toml has no [ledger] for it: restore that file from a backup, or move the folder away",
            layout.ledger().display()
        ),
        LedgerSetting::Absent | LedgerSetting::Off(_) | LedgerSetting::Kept(_) => Ok(()),
    }
}

/// The configuration with the new ledger in the old one's place; its other settings stay.
fn changed(text: &str, made: &MadeLedger, token: &str) -> anyhow::Result<String> {
    let key = made.key.uri.to_string();
    let pq_key = made.pq_key.as_ref().map(|key| key.uri.to_string());
    let mut settings = vec![("origin", made.origin.as_str()), ("token", token), ("key", &key)];
    settings.extend(pq_key.as_deref().map(|key| ("pq-key", key)));
    Ok(edit::with_ledger(text, &settings)?)
}

/// An old ledger that was moved.
struct SetAside {
    /// Where its folder is now; `None` if there was none.
    folder: Option<PathBuf>,
    /// Where its anchor was and is; `None` if there was none.
    anchor: Option<(PathBuf, PathBuf)>,
}

impl SetAside {
    /// Undoes it; what cannot be undone is said.
    fn put_back(&self, layout: &Layout) {
        let folder = self.folder.clone().map(|folder| (layout.ledger(), folder));
        for (was, is) in [folder, self.anchor.clone()].into_iter().flatten() {
            if let Err(error) = std::fs::rename(&is, &was) {
                let (is, was) = (is.display(), was.display());
                tracing::error!(%error, "{is} could not be put back: move it to {was} before the server starts");
            }
        }
    }
}

/// Moves a ledger and its anchor under a name that says until when it was written to.
fn set_aside(layout: &Layout, former: &LedgerConfig) -> anyhow::Result<SetAside> {
    let folder = layout.ledger();
    let name = format!("ledger-until-{}", clock::system_time().as_secs());
    let kept = layout.root().join(&name);
    if kept.exists() {
        bail!("{} is there already: wait a second", kept.display());
    }
    let anchor = &former.anchor_file;
    let mut set_aside = SetAside { folder: None, anchor: None };
    if anchor.exists() {
        // First: a ledger that begins anew must never meet the old one's anchor.
        let to = anchor.with_file_name(format!("{name}-anchor"));
        std::fs::rename(anchor, &to).with_context(|| format!("cannot move {}", anchor.display()))?;
        set_aside.anchor = Some((anchor.clone(), to));
    }
    if folder.exists() {
        if let Err(error) = std::fs::rename(&folder, &kept) {
            set_aside.put_back(layout);
            return Err(error).with_context(|| format!("cannot move {}", folder.display()));
        }
        set_aside.folder = Some(kept);
    }
    Ok(set_aside)
}
