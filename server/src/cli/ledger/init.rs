//! `attestamp ledger init`: the keys of a ledger in a data folder that has none, or another ledger beside the old one.
//!
//! An old ledger is moved aside whole, with its anchor, and never removed: what it has on record stays provable with the keys
//! that stay in `keys.txt`.

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use attestamp_ledger::VerifierKey;
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
        let write = |text: &str| write_atomically(&path, text.as_bytes(), FILE_MODE);
        let kept = change_over(layout, former, &made.verifiers()?, &text, write)?;
        Ok((config, kept))
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

    let mut out = io::stdout().lock();
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

/// Moves the former ledger aside, adds the keys, and has the configuration written; where the old ledger is kept. Where that
/// fails, all is as it was.
fn change_over(
    layout: &Layout,
    former: Option<&LedgerConfig>,
    added: &[VerifierKey],
    config: &str,
    write: impl FnOnce(&str) -> io::Result<()>,
) -> anyhow::Result<Option<PathBuf>> {
    let path = layout.config_file();
    let keys_before =
        layout.ledger_keys().exists().then(|| std::fs::read(layout.ledger_keys())).transpose()?;
    let kept = former.map(|former| set_aside(layout, former)).transpose()?;
    let added = keys::add(layout, added).map_err(anyhow::Error::from);
    let written =
        added.and_then(|()| write(config).with_context(|| format!("cannot write {}", path.display())));
    let is_new = std::fs::read_to_string(&path).is_ok_and(|now| now == config);
    if written.is_err() && !is_new {
        // The old ledger is still the one that the configuration names: it goes on.
        if let Some(kept) = &kept {
            kept.put_back(layout);
        }
        // The name can be taken for the next attempt.
        restore_keys(layout, keys_before.as_deref());
    }
    written?;
    Ok(kept.and_then(|kept| kept.folder))
}

/// Puts the file of verifier keys back as it was; what cannot be undone is said.
fn restore_keys(layout: &Layout, before: Option<&[u8]>) {
    let path = layout.ledger_keys();
    let restored = match before {
        Some(before) => write_atomically(&path, before, FILE_MODE),
        None if path.exists() => std::fs::remove_file(&path),
        None => Ok(()),
    };
    if let Err(error) = restored {
        tracing::error!(%error, "{} still has the new ledger's keys: take its last lines away", path.display());
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::data_folder::DataFolder;

    const CONFIG: &str = "# the old one\n";
    const OLD_KEY: &str = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";

    /// A data folder with a ledger of one file, its anchor and its key.
    fn folder(root: &Path) -> (DataFolder, LedgerConfig) {
        let folder = DataFolder::create(root).unwrap();
        let layout = folder.layout();
        fs::create_dir_all(layout.ledger()).unwrap();
        fs::write(layout.ledger().join("checkpoint"), "old").unwrap();
        fs::write(layout.state().join("ledger-anchor"), "old").unwrap();
        fs::write(layout.ledger_keys(), format!("{OLD_KEY}\n")).unwrap();
        fs::write(layout.config_file(), CONFIG).unwrap();
        let former = LedgerConfig {
            origin: "sum.golang.org".to_owned(),
            token: "main".to_owned(),
            key: "pkcs11:token=t;id=%01".parse().unwrap(),
            pq_key: None,
            checkpoint_interval: std::time::Duration::from_secs(1),
            segment_octets: 1,
            segment_monthly: false,
            anchor_file: layout.state().join("ledger-anchor"),
        };
        (folder, former)
    }

    /// Every file below the folder, with what it holds.
    fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(self::files(&path));
            } else {
                files.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
        files
    }

    fn added() -> Vec<VerifierKey> {
        let public_key = *VerifierKey::parse(OLD_KEY).unwrap().public_key().first_chunk::<32>().unwrap();
        vec![
            VerifierKey::new("new.example/ledger", attestamp_ledger::NoteAlgorithm::Ed25519, &public_key)
                .unwrap(),
        ]
    }

    /// A read-only file system, a full disk: the old ledger goes on, and nothing is left of the attempt.
    #[test]
    fn a_configuration_that_cannot_be_written_leaves_the_old_ledger_in_its_place() {
        let root = tempfile::tempdir().unwrap();
        let (folder, former) = folder(root.path());
        let before = files(root.path());
        let refused = |_: &str| Err(io::ErrorKind::ReadOnlyFilesystem.into());
        let error = change_over(folder.layout(), Some(&former), &added(), "# new\n", refused).unwrap_err();
        assert!(error.to_string().contains("cannot write"), "{error}");
        assert_eq!(files(root.path()), before);
    }

    /// The rename was done, and an error came back: what the configuration names is what counts.
    #[test]
    fn a_configuration_that_was_written_all_the_same_is_the_new_one() {
        let root = tempfile::tempdir().unwrap();
        let (folder, former) = folder(root.path());
        let layout = folder.layout().clone();
        let persisted = |text: &str| {
            fs::write(layout.config_file(), text)?;
            Err(io::ErrorKind::Other.into())
        };
        change_over(&layout, Some(&former), &added(), "# new\n", persisted).unwrap_err();
        assert!(!layout.ledger().exists() && !former.anchor_file.exists());
        assert_eq!(keys::read(&layout).unwrap().len(), 2);
    }

    #[test]
    fn a_change_keeps_the_old_ledger_with_its_anchor() {
        let root = tempfile::tempdir().unwrap();
        let (folder, former) = folder(root.path());
        let layout = folder.layout();
        let write = |text: &str| fs::write(layout.config_file(), text);
        let kept = change_over(layout, Some(&former), &added(), "# new\n", write).unwrap().unwrap();
        assert_eq!(fs::read(kept.join("checkpoint")).unwrap(), b"old");
        let name = kept.file_name().unwrap().to_str().unwrap();
        assert_eq!(fs::read(layout.state().join(format!("{name}-anchor"))).unwrap(), b"old");
        assert_eq!(keys::read(layout).unwrap().len(), 2);
    }
}
