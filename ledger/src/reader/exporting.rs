//! Copies for others: a segment that is verified on its own, and the whole as files for any web server.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::{LedgerReader, ReadError};
use crate::derived::{DerivedFiles, tile_hashes};
use crate::ledger::{CHECKPOINT, Damage, TreeView};
use crate::note::VerifierKey;
use crate::segment::{CHECKPOINTS, END_CHECKPOINT, ENTRIES, START, START_CHECKPOINT};
use crate::storage::StoredFile;
use crate::tile::{TILE_WIDTH, TilePath};

/// The keys beside an exported segment.
const KEYS: &str = "keys.txt";

impl LedgerReader {
    /// Writes a segment as a tar archive: one folder, which [`LedgerReader::open`] reads, with the keys that verify it in
    /// `keys.txt`. A segment that still grows is copied as it is.
    ///
    /// # Errors
    /// [`ReadError`]: reading or writing failed, or there is no such segment.
    pub fn export_segment(
        &self,
        number: u32,
        keys: &[VerifierKey],
        archive: &mut dyn Write,
    ) -> Result<(), ReadError> {
        if self.place.start(number)?.is_none() {
            let (first, last) = (self.place.only.unwrap_or(1), self.place.last_segment()?);
            return Err(if (first..=last).contains(&number) {
                Damage::Missing { segment: number }.into()
            } else {
                ReadError::NoSegment { segment: number, first, last }
            });
        }
        let mut archive = tar::Builder::new(archive);
        for name in [START, START_CHECKPOINT, END_CHECKPOINT, CHECKPOINTS, ENTRIES] {
            let file = match self.place.storage.open(&self.place.file(number, name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            let length = file.length()?;
            let content = Octets { file, offset: 0 }.take(length);
            append(&mut archive, number, name, length, content)?;
        }
        let keys: String = keys.iter().map(|key| format!("{key}\n")).collect();
        let length = u64::try_from(keys.len()).unwrap_or(u64::MAX);
        append(&mut archive, number, KEYS, length, keys.as_bytes())?;
        archive.finish()?;
        Ok(())
    }

    /// Writes the tree of the last checkpoint as files in the tlog-tiles layout: `checkpoint`, `tile/…`,
    /// `tile/entries/…`. `checkpoint` comes last. With `is_completed` tiles that are there already are left, so that a
    /// folder can be brought up to date: the caller knows that they are of this ledger. Otherwise they are overwritten.
    ///
    /// # Errors
    /// [`ReadError`]: reading or writing failed, or there is no checkpoint.
    pub fn export_tiles(&self, folder: &Path, is_completed: bool) -> Result<(), ReadError> {
        let files = DerivedFiles::open(self.place.storage.as_ref(), &self.place.folder)?;
        let Some(signed) = self.checkpoint()? else { return Err(ReadError::Short { found: 0, required: 1 }) };
        let segments = self.segments()?;
        let tree = signed.checkpoint();
        let view = TreeView { place: &self.place, files: &files, segments: &segments, tree };
        for level in 0..8_u8 {
            let count = tile_hashes(tree.size, level.into());
            for index in 0..count.div_ceil(TILE_WIDTH) {
                let width = u16::try_from((count - index * TILE_WIDTH).min(TILE_WIDTH)).unwrap_or(u16::MAX);
                write_tile(&view, folder, TilePath::Hashes { level, index, width }, is_completed)?;
                if level == 0 {
                    write_tile(&view, folder, TilePath::Entries { index, width }, is_completed)?;
                }
            }
        }
        write_whole(&folder.join(CHECKPOINT), signed.note().as_bytes())?;
        Ok(())
    }
}

/// Puts a file into the archive's folder.
fn append(
    archive: &mut tar::Builder<&mut dyn Write>,
    segment: u32,
    name: &str,
    length: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(length);
    header.set_mode(0o644);
    archive.append_data(&mut header, format!("ledger-segment-{segment:08}/{name}"), content)
}

fn write_tile(
    view: &TreeView<'_>,
    folder: &Path,
    path: TilePath,
    is_completed: bool,
) -> Result<(), ReadError> {
    let file = folder.join(path.to_string());
    if is_completed && file.exists() {
        return Ok(());
    }
    let Some(content) = view.tile(path)? else { return Err(Damage::Derived.into()) };
    std::fs::create_dir_all(file.parent().unwrap_or(folder))?;
    write_whole(&file, &content)?;
    Ok(())
}

/// Puts a file there for everybody to read, as far as the umask allows.
fn write_whole(file: &Path, content: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, content)?;
    std::fs::rename(&new, file)
}

/// A file, read from its beginning.
struct Octets {
    file: Arc<dyn StoredFile>,
    offset: u64,
}

impl Read for Octets {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset = self.offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}
