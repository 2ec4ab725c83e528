//! `attestamp ledger export` and `export-tiles`: parts of the record to be kept elsewhere, or served by anybody.
//!
//! A segment is the files that the server wrote, byte for byte, and verifies on its own: `ledger verify --folder`. Tiles are the
//! layout that C2SP's tools read, and need nothing but a server of static files. Nothing is removed from the ledger.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use attestamp_ledger::LedgerReader;
use clap::Args;

use super::trust::Trust;
use crate::data_folder::Layout;

/// Options of `ledger export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  attestamp ledger export 1 -o segment-1.tar
  tar xf segment-1.tar && attestamp ledger verify --folder ledger-segment-00000001 --keys keys.txt")]
pub struct ExportArgs {
    /// The segment, counted from 1
    #[arg(value_name = "SEGMENT")]
    segment: u32,
    /// File to write
    #[arg(long, short, value_name = "FILE.tar")]
    output: PathBuf,
}

/// Options of `ledger export-tiles`.
#[derive(Debug, Args)]
#[command(after_help = "Example: attestamp ledger export-tiles /srv/www/ledger")]
pub struct ExportTilesArgs {
    /// Folder to write to; what is there of an earlier export is completed
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes a segment into an archive.
pub(super) fn run(layout: &Layout, args: &ExportArgs) -> anyhow::Result<()> {
    let reader = LedgerReader::open(&layout.ledger())?;
    let output = args.output.display();
    let file = File::create_new(&args.output).with_context(|| format!("cannot make {output}"))?;
    let mut archive = BufWriter::new(file);
    let written = reader.export_segment(args.segment, &mut archive).map_err(anyhow::Error::from);
    let written = written.and_then(|()| Ok(archive.into_inner()?.sync_all()?));
    if let Err(error) = written {
        // It is ours: there was none before. Half an archive is of no use.
        let _ = std::fs::remove_file(&args.output);
        return Err(error.context(format!("cannot write segment {} to {output}", args.segment)));
    }
    writeln!(std::io::stdout(), "wrote {output}: segment {}", args.segment)?;
    Ok(())
}

/// Writes the published tree as static files, the checkpoint last.
pub(super) fn run_tiles(layout: &Layout, args: &ExportTilesArgs) -> anyhow::Result<()> {
    let trust = Trust::of_folder(layout, None)?;
    let reader = LedgerReader::open(&layout.ledger())?;
    let checkpoint = trust.last_checkpoint(&reader)?.context("there is no checkpoint yet")?;
    let folder = args.folder.display();
    std::fs::create_dir_all(&args.folder).with_context(|| format!("cannot make {folder}"))?;
    reader.export_tiles(&args.folder).with_context(|| format!("cannot write to {folder}"))?;
    let size = checkpoint.checkpoint().size;
    writeln!(std::io::stdout(), "wrote tiles and the checkpoint, of {size} entries or more, to {folder}")?;
    Ok(())
}
