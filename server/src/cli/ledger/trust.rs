//! Which keys a checkpoint is verified with, and whose it must be: those of a file, else those of the data folder.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use attestamp_ledger::{LedgerReader, SignedCheckpoint, VerifierKey};
use clap::Args;

use crate::cli::verify::inputs::read_bounded;
use crate::config::Config;
use crate::data_folder::{DataFolderError, Layout};
use crate::ledger::{LedgerError, keys};

/// Octets of a checkpoint: its text and a line for each key, of which the longest has less than 4 KiB.
const MAX_CHECKPOINT_OCTETS: usize = 1 << 20;

/// Options of commands that verify checkpoints.
#[derive(Debug, Args)]
pub(super) struct TrustArgs {
    /// The ledger's public keys, one verifier key a line, as you had them by a way that you trust [default: those of the data
    /// folder]
    #[arg(long, value_name = "FILE")]
    pub(super) keys: Option<PathBuf>,
    /// The ledger's name [default: that of the keys, or of the data folder]
    #[arg(long, value_name = "NAME")]
    pub(super) origin: Option<String>,
}

/// Who is believed.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) origin: String,
    pub(super) keys: Vec<VerifierKey>,
}

impl Trust {
    /// From the options; what they leave open from the data folder.
    pub(super) fn of(data: Option<&Path>, args: &TrustArgs) -> anyhow::Result<Self> {
        match &args.keys {
            Some(path) => {
                let keys = match keys::read_file(path) {
                    // The advice is for the data folder's own file.
                    Err(LedgerError::KeysUnreadable { path, source }) => {
                        return Err(source).with_context(|| {
                            format!(
                                "cannot read {}: --keys is a file of verifier keys, as `attestamp ledger keys` prints them",
                                path.display()
                            )
                        });
                    }
                    keys => keys.with_context(|| format!("--keys {}", path.display()))?,
                };
                Self::of_keys(keys, args.origin.as_deref()).with_context(|| path.display().to_string())
            }
            None => {
                let layout = data_folder_or(data, "give the ledger's keys with --keys")?;
                Self::of_folder(&layout, args.origin.as_deref())
            }
        }
    }

    /// Of a data folder.
    pub(super) fn of_folder(layout: &Layout, origin: Option<&str>) -> anyhow::Result<Self> {
        let config = Config::load(layout)?;
        let Some(ledger) = config.ledger.config() else {
            bail!(
                "no ledger is kept in {}: `attestamp ledger init` makes the keys for it",
                layout.root().display()
            );
        };
        let origin = origin.unwrap_or(&ledger.origin).to_owned();
        Ok(Self { origin, keys: keys::read(layout)? })
    }

    fn of_keys(keys: Vec<VerifierKey>, origin: Option<&str>) -> anyhow::Result<Self> {
        ensure!(!keys.is_empty(), "it holds no verifier key");
        let origin = match origin {
            Some(origin) => origin.to_owned(),
            None => {
                let mut names: Vec<_> = keys.iter().map(VerifierKey::name).collect();
                names.sort_unstable();
                names.dedup();
                match names.as_slice() {
                    [name] => (*name).to_owned(),
                    names => {
                        bail!("it has keys of several ledgers: name one with --origin ({})", names.join(", "))
                    }
                }
            }
        };
        Ok(Self { origin, keys })
    }

    /// The last checkpoint of a ledger's folder, verified; `None` before the first.
    pub(super) fn last_checkpoint(&self, reader: &LedgerReader) -> anyhow::Result<Option<SignedCheckpoint>> {
        let Some(found) = reader.checkpoint()? else { return Ok(None) };
        let verified = SignedCheckpoint::verify(found.note(), &self.origin, &self.keys);
        Ok(Some(verified.context("the last checkpoint does not hold")?))
    }

    /// In words: which keys have signed, and when.
    pub(super) fn signers(&self, checkpoint: &SignedCheckpoint) -> String {
        let signers = checkpoint.signers(&self.keys).into_iter().map(|(key, time)| {
            let algorithm = super::status::algorithm_name(key.algorithm());
            let at = time.map(|seconds| format!(" at {}", super::list::rfc3339_seconds(seconds)));
            format!("{algorithm} {:08x}{}", key.id(), at.unwrap_or_default())
        });
        signers.collect::<Vec<_>>().join(", ")
    }
}

/// The data folder, for commands that can do without one: `instead` says which option names what is to be had from it.
pub(super) fn data_folder_or(data: Option<&Path>, instead: &str) -> anyhow::Result<Layout> {
    let root = crate::cli::data_path(data).with_context(|| instead.to_owned())?;
    match Layout::existing(&root) {
        Ok(layout) => Ok(layout),
        // An auditor has none, and needs none.
        Err(
            DataFolderError::Absent { .. }
            | DataFolderError::NotAFolder { .. }
            | DataFolderError::NotInitialised { .. },
        ) => {
            bail!("{} is no data folder: name one with --data, or {instead}", root.display())
        }
        Err(error) => Err(error.into()),
    }
}

/// The text of a checkpoint or proof.
pub(super) fn read_text(path: &Path) -> anyhow::Result<String> {
    let octets = read_bounded(path, MAX_CHECKPOINT_OCTETS)
        .with_context(|| format!("cannot read {}", path.display()))?;
    String::from_utf8(octets).with_context(|| format!("{} is not text", path.display()))
}
