//! `attestamp ledger export` and `export-tiles`: parts of the record to be kept elsewhere, or served by anybody.
//!
//! A segment is the files that the server wrote, byte for byte, with the keys of its checkpoints, and verifies on its own:
//! `ledger verify --folder`. Tiles are the layout that C2SP's tools read, and need nothing but a server of static files.
//! Nothing is removed from the ledger, and nothing is overwritten unasked.

use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use attestamp_ledger::proof::verify_consistency;
use attestamp_ledger::{Checkpoint, LedgerReader, SignedCheckpoint};
use clap::Args;

use super::trust::{Trust, read_text};
use crate::client::output;
use crate::data_folder::Layout;

/// Options of `ledger export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  attestamp ledger export 1 -o segment-1.tar
  tar xf segment-1.tar
  attestamp ledger verify --folder ledger-segment-00000001 --keys ledger-segment-00000001/keys.txt")]
pub struct ExportArgs {
    /// The segment, counted from 1
    #[arg(value_name = "SEGMENT")]
    segment: u32,
    /// File to write
    #[arg(long, short, value_name = "FILE.tar")]
    output: PathBuf,
    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
}

/// Options of `ledger export-tiles`.
#[derive(Debug, Args)]
#[command(after_help = "Example: attestamp ledger export-tiles /srv/www/ledger")]
pub struct ExportTilesArgs {
    /// Folder to write to; what is there of an earlier export is completed
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Write over whatever else is in the folder
    #[arg(long)]
    force: bool,
}

/// Writes a segment into an archive.
pub(super) fn run(layout: &Layout, args: &ExportArgs) -> anyhow::Result<()> {
    let trust = Trust::of_folder(layout, None)?;
    let reader = LedgerReader::open(&layout.ledger())?;
    let output = args.output.display();
    output::check_free(&args.output, args.force)?;
    // Those of other ledgers, which the data folder had before, would have whoever verifies it choose.
    let keys: Vec<_> = trust.keys.into_iter().filter(|key| key.name() == trust.origin).collect();
    let folder = args.output.parent().filter(|folder| !folder.as_os_str().is_empty());
    // Beside its place until it is whole: half an archive is of no use.
    let file = tempfile::Builder::new()
        .prefix(".attestamp-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .with_context(|| format!("cannot make {output}"))?;
    let mut archive = BufWriter::new(file.as_file());
    let written = reader.export_segment(args.segment, &keys, &mut archive).map_err(anyhow::Error::from);
    let written = written.and_then(|()| Ok(archive.flush()?));
    drop(archive);
    let written = written.and_then(|()| Ok(file.as_file().sync_all()?));
    written.with_context(|| format!("cannot write segment {} to {output}", args.segment))?;
    let kept = if args.force { file.persist(&args.output) } else { file.persist_noclobber(&args.output) };
    kept.with_context(|| format!("cannot make {output}"))?;
    writeln!(std::io::stdout(), "wrote {output}: segment {}", args.segment)?;
    Ok(())
}

/// Writes the published tree as static files, the checkpoint last.
pub(super) fn run_tiles(layout: &Layout, args: &ExportTilesArgs) -> anyhow::Result<()> {
    let trust = Trust::of_folder(layout, None)?;
    let reader = LedgerReader::open(&layout.ledger())?;
    let checkpoint = trust.last_checkpoint(&reader)?.context("there is no checkpoint yet")?;
    let folder = args.folder.display();
    check_elsewhere(&args.folder, &layout.ledger())?;
    std::fs::create_dir_all(&args.folder).with_context(|| format!("cannot make {folder}"))?;
    // Once more, where links and `..` lead now that all of it is there.
    check_elsewhere(&args.folder, &layout.ledger())?;
    if !args.force {
        check_earlier(&args.folder, &trust, &reader, checkpoint.checkpoint())?;
    }
    reader.export_tiles(&args.folder, !args.force).with_context(|| format!("cannot write to {folder}"))?;
    let size = checkpoint.checkpoint().size;
    writeln!(std::io::stdout(), "wrote tiles and the checkpoint, of {size} entries or more, to {folder}")?;
    Ok(())
}

/// Refuses to write into the ledger itself, whatever `--force` says: it is the server's alone.
fn check_elsewhere(folder: &Path, ledger: &Path) -> anyhow::Result<()> {
    let is_there = folder.ancestors().find_map(|folder| match folder.as_os_str().is_empty() {
        true => Path::new(".").canonicalize().ok(),
        false => folder.canonicalize().ok(),
    });
    let ledger = ledger.canonicalize().with_context(|| ledger.display().to_string())?;
    ensure!(
        !is_there.is_some_and(|folder| folder.starts_with(&ledger)),
        "{} is in the ledger itself, {}: give another folder",
        folder.display(),
        ledger.display()
    );
    Ok(())
}

/// What is in the folder must be of an earlier export of this ledger, or nothing: tiles that are there are left.
fn check_earlier(
    folder: &Path,
    trust: &Trust,
    reader: &LedgerReader,
    now: &Checkpoint,
) -> anyhow::Result<()> {
    let is_empty = std::fs::read_dir(folder)?.next().is_none();
    if is_empty {
        return Ok(());
    }
    let said = || {
        format!(
            "{} has files in it that are not of an earlier export of this ledger which came to its end; --force writes over them",
            folder.display()
        )
    };
    let path = folder.join("checkpoint");
    let note = read_text(&path).with_context(said)?;
    let before = SignedCheckpoint::verify(&note, &trust.origin, &trust.keys).with_context(said)?;
    let before = before.checkpoint();
    let path = reader.consistency(before.size, now.size).with_context(said)?;
    verify_consistency(before, now, &path).with_context(said)
}
