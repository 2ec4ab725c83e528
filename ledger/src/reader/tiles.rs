//! The tiles and the indexes on disk, compared with what the entries make.

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
}

impl TileComparison {
    pub(super) fn new(files: DerivedFiles, size: u64) -> Self {
        Self { files, size, levels: Vec::new(), runs: RunComparison::default() }
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
    pub(super) fn check_bundle(&self, index: u64, offset: u64) -> Result<(), ReadError> {
        if index >= self.size || !index.is_multiple_of(TILE_WIDTH) {
            return Ok(());
        }
        match self.files.bundle_offset(index / TILE_WIDTH) {
            Ok(found) if found == offset => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
            Ok(_) | Err(_) => Err(Damage::Derived.into()),
        }
    }

    /// A leaf, and the key of its serial number if it is a token's. Of what is published the index must have every run.
    pub(super) fn add_serial(&mut self, index: u64, key: Option<u64>) -> Result<(), ReadError> {
        match self.runs.add(&self.files.serials, index, key)? {
            Some((_, false)) if index < self.size => Err(Damage::Derived.into()),
            Some(_) | None => Ok(()),
        }
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
                let found = self.files.hashes(level, *first, served)?;
                if !hashes.starts_with(&found) {
                    return Err(Damage::Derived.into());
                }
            }
            *first = first.saturating_add(count);
            hashes.clear();
        }
        Ok(())
    }
}
