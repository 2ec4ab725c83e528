//! `attestamp ledger status`, `keys` and `checkpoint`: what is on record, who signs for it, and the last time that they did.
//!
//! Read from the folder, beside a server that runs. The signatures are verified; the entries are looked through for times
//! without a record, and not hashed again: that is `ledger verify`.

use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use attestamp_ledger::proof::verify_consistency;
use attestamp_ledger::{Checkpoint, Entry, LedgerReader, NoteAlgorithm, SignedCheckpoint};
use clap::Args;
use serde::Serialize;

use super::list::GapRow;
use super::remote::{Remote, RemoteArgs};
use super::trust::{Trust, TrustArgs, data_folder_or};
use crate::cli::text::sentence;
use crate::config::{Config, LedgerSetting};
use crate::data_folder::Layout;
use crate::ledger::gap::{self, RecordedGap};

/// Options of `ledger status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Options of `ledger checkpoint`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  attestamp ledger checkpoint > kept-elsewhere.txt
  attestamp ledger checkpoint --url https://tsa.example.org --keys keys.txt")]
pub struct CheckpointArgs {
    #[command(flatten)]
    remote: RemoteArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// What is known of a ledger.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    enabled: bool,
    origin: String,
    folder: String,
    keys: Vec<KeyRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<CheckpointRow>,
    anchor: String,
    /// In words: whether it is there and fits.
    anchor_state: String,
    /// Times for which the ledger was off.
    gaps: Vec<GapRow>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyRow {
    name: String,
    /// In hexadecimal, as a note has it.
    id: String,
    algorithm: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckpointRow {
    entries: u64,
    /// In hexadecimal.
    root: String,
    signed_by: String,
}

/// Shows what is known of the ledger.
pub(super) fn run(layout: &Layout, args: &StatusArgs) -> anyhow::Result<()> {
    let config = Config::load(layout)?;
    let trust = Trust::of_folder(layout, None)?;
    let kept = config.ledger.config().context("there is no [ledger] in attestamp.toml")?;
    let reader = LedgerReader::open(&layout.ledger())?;
    // Read first: a server writes it before the ledger's own.
    let anchor = std::fs::read(&kept.anchor_file);
    let checkpoint = trust.last_checkpoint(&reader)?;
    let status = Status {
        enabled: matches!(config.ledger, LedgerSetting::Kept(_)),
        origin: trust.origin.clone(),
        folder: layout.ledger().display().to_string(),
        keys: trust
            .keys
            .iter()
            .map(|key| KeyRow {
                name: key.name().to_owned(),
                id: format!("{:08x}", key.id()),
                algorithm: algorithm_name(key.algorithm()),
            })
            .collect(),
        checkpoint: checkpoint.as_ref().map(|checkpoint| CheckpointRow {
            entries: checkpoint.checkpoint().size,
            root: checkpoint.checkpoint().root.to_string(),
            signed_by: trust.signers(checkpoint),
        }),
        anchor: kept.anchor_file.display().to_string(),
        anchor_state: anchor_state(
            anchor,
            checkpoint.as_ref().map(SignedCheckpoint::checkpoint),
            &trust,
            &reader,
        ),
        gaps: gaps(layout, &reader)?,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&status)?)?;
        return Ok(());
    }
    writeln!(out, "ledger       {}", status.origin)?;
    writeln!(out, "state        {}", if status.enabled { "kept" } else { "switched off (enabled = false)" })?;
    writeln!(out, "folder       {}", status.folder)?;
    writeln!(out, "anchor       {}: {}", status.anchor, status.anchor_state)?;
    for key in &status.keys {
        writeln!(out, "key          {} {} ({})", key.name, key.id, key.algorithm)?;
    }
    match &status.checkpoint {
        Some(checkpoint) => {
            writeln!(out, "checkpoint   {} entries, root {}", checkpoint.entries, checkpoint.root)?;
            writeln!(out, "signed by    {}", checkpoint.signed_by)?;
        }
        None => writeln!(out, "checkpoint   none yet")?,
    }
    for gap in &status.gaps {
        writeln!(out, "gap          {gap}")?;
    }
    Ok(())
}

/// Whether the anchor is there, and of this ledger; a server would not start otherwise.
fn anchor_state(
    read: std::io::Result<Vec<u8>>,
    last: Option<&Checkpoint>,
    trust: &Trust,
    reader: &LedgerReader,
) -> String {
    let note = match (read, last) {
        (Err(error), None) if error.kind() == ErrorKind::NotFound => return "none yet".to_owned(),
        (Err(error), Some(_)) if error.kind() == ErrorKind::NotFound => {
            return "MISSING: no server starts without it (docs/ledger.md)".to_owned();
        }
        (Err(error), _) => return format!("CANNOT BE READ: {error}"),
        (Ok(note), _) => note,
    };
    let anchored = SignedCheckpoint::verify(&String::from_utf8_lossy(&note), &trust.origin, &trust.keys);
    let anchored = match &anchored {
        Ok(anchored) => anchored.checkpoint(),
        Err(error) => return format!("IS NOT OF THIS LEDGER: {}", sentence(error)),
    };
    let (size, found) = (anchored.size, last.map_or(0, |last| last.size));
    let continues = |last: &Checkpoint| {
        reader.consistency(size, found).is_ok_and(|path| verify_consistency(anchored, last, &path).is_ok())
    };
    match last {
        Some(last) if size <= found && continues(last) => format!("fits, {size} entries"),
        Some(_) if size <= found => format!("DOES NOT FIT: its {size} entries are others than the ledger's"),
        Some(_) | None => format!(
            "DOES NOT FIT: it is of {size} entries, and the ledger's last checkpoint of {found}; `attestamp check` says whether \
             the ledger was rolled back"
        ),
    }
}

/// The times for which it was off: those on record, and that which is not yet.
fn gaps(layout: &Layout, reader: &LedgerReader) -> anyhow::Result<Vec<GapRow>> {
    let mut gaps = Vec::new();
    for entry in reader.entries(0) {
        if let (index, Entry::Event(event)) = entry?
            && let Some(gap) = RecordedGap::of(&event)
        {
            gaps.push(GapRow::new(Some(index), gap));
        }
    }
    let now = crate::clock::system_time();
    gaps.extend(gap::marked(layout)?.iter().map(|gap| GapRow::new(None, gap.until(now))));
    Ok(gaps)
}

/// Prints the verifier keys.
pub(super) fn keys(layout: &Layout) -> anyhow::Result<()> {
    let trust = Trust::of_folder(layout, None)?;
    let mut out = std::io::stdout().lock();
    for key in &trust.keys {
        writeln!(out, "{key}")?;
    }
    Ok(())
}

/// Prints the last checkpoint, byte for byte, once it has been verified.
pub(super) fn checkpoint(data: Option<&Path>, args: &CheckpointArgs) -> anyhow::Result<()> {
    let instead = "give the server's address with --url, and the ledger's keys with --keys";
    let layout = match args.remote.url {
        Some(_) => None,
        None => Some(data_folder_or(data, instead)?),
    };
    let trust = Trust::of(data, &args.trust)?;
    let checkpoint = match (Remote::of(&args.remote)?, layout) {
        (Some(remote), _) => {
            let note = remote.text("checkpoint")?;
            Some(SignedCheckpoint::verify(&note, &trust.origin, &trust.keys)?)
        }
        (None, Some(layout)) => trust.last_checkpoint(&LedgerReader::open(&layout.ledger())?)?,
        (None, None) => bail!(instead),
    };
    let checkpoint = checkpoint.context("there is no checkpoint yet")?;
    write!(std::io::stdout(), "{}", checkpoint.note())?;
    Ok(())
}

/// What people call it.
pub(super) fn algorithm_name(algorithm: NoteAlgorithm) -> &'static str {
    match algorithm {
        NoteAlgorithm::Ed25519 => "Ed25519",
        NoteAlgorithm::MlDsa44 => "ML-DSA-44",
    }
}
