//! The tiles and the indexes on disk, compared with what the entries make.
//!
//! What is wrong is remembered, and said at the end: where the entries are not those that were signed for, they are at fault, and
//! not what was computed from those that were there before.

use std::io;

use crate::derived::{DerivedFiles, RunComparison, tile_hashes};
use crate::hash::Hash;
use crate::ledger::{Damage, ReadError};
use crate::tile::TILE_WIDTH;

/// Compares a tile's width at a time.
#[derive(Debug)]
pub(super) struct TileComparison {
    files: DerivedFiles,
    /// Leaves of the tree that is served: the files have so many, and may have more.
    size: u64,
    /// For each level: the index of the first hash that is not compared yet, and the hashes from there.
    levels: Vec<(u64, Vec<u8>)>,
    runs: RunComparison,
    is_wrong: bool,
}

impl TileComparison {
    pub(super) fn new(files: DerivedFiles, size: u64) -> Self {
        Self { files, size, levels: Vec::new(), runs: RunComparison::default(), is_wrong: false }
    }

    /// A tile gets this hash.
    pub(super) fn add(&mut self, level: u32, hash: Hash) {
        let place = usize::try_from(level).unwrap_or(usize::MAX);
        if self.levels.len() <= place {
            self.levels.resize_with(place.saturating_add(1), Default::default);
        }
        if let Some((_, hashes)) = self.levels.get_mut(place) {
            hashes.extend(hash.0);
        }
    }

    /// Where a leaf's frame begins in its segment. Of what is published the index must have every bundle.
    pub(super) fn check_bundle(&mut self, index: u64, offset: u64) -> Result<(), ReadError> {
        if index >= self.size || !index.is_multiple_of(TILE_WIDTH) {
            return Ok(());
        }
        match self.files.bundle_offset(index / TILE_WIDTH) {
            Ok(found) if found == offset => {}
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
            Ok(_) | Err(_) => self.is_wrong = true,
        }
        Ok(())
    }

    /// A leaf, and the key of its serial number if it is a token's. Of what is published the index must have every run.
    pub(super) fn add_serial(&mut self, index: u64, key: Option<u64>) -> Result<(), ReadError> {
        let compared = self.runs.add(&self.files.serials, index, key)?;
        self.is_wrong |= index < self.size && compared.is_some_and(|(_, is_equal)| !is_equal);
        Ok(())
    }

    /// Compares the tiles that are full, and the others too at the end.
    pub(super) fn compare(&mut self, is_end: bool) -> Result<(), ReadError> {
        for ((first, hashes), level) in self.levels.iter_mut().zip(0..) {
            let count = u64::try_from(hashes.len() / 32).unwrap_or(u64::MAX);
            if count < TILE_WIDTH && !is_end {
                continue;
            }
            let served = tile_hashes(self.size, level).saturating_sub(*first).min(count);
            if served > 0 {
                match self.files.hashes(level, *first, served) {
                    Ok(found) => self.is_wrong |= !hashes.starts_with(&found),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.is_wrong = true,
                    Err(error) => return Err(error.into()),
                }
            }
            *first = first.saturating_add(count);
            hashes.clear();
        }
        Ok(())
    }

    /// Whether everything was as it must be: for the end, once the entries are known to be those that were signed for.
    pub(super) fn verdict(&self) -> Result<(), ReadError> {
        if self.is_wrong { Err(Damage::Derived.into()) } else { Ok(()) }
    }
}
