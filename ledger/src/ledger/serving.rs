//! What is served of the published tree: tiles, bundles of entries, and proofs.

use super::ProofOutcome;
use super::growing::Leaf;
use super::publishing::Published;
use super::{Core, Damage, ReadError, lock};
use crate::checkpoint::Checkpoint;
use crate::derived::{DerivedFiles, RunComparison, serial_key, tile_hashes};
use crate::entry::Entry;
use crate::hash::Hash;
use crate::place::{EntryCursor, Place, SegmentRange};
use crate::proof::{Proof, verify_inclusion};
use crate::tile::{TILE_WIDTH, TilePath};
use crate::tree::{consistency_path, inclusion_path};

impl Core {
    pub(super) fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(published) = self.published() else { return Ok(None) };
        published.view(&self.place).tile(path)
    }

    pub(super) fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, ReadError> {
        let Some(published) = self.published() else {
            return Err(ReadError::Short { found: 0, required: to });
        };
        published.view(&self.place).consistency(from, to)
    }

    pub(super) fn prove(&self, serial: &[u8]) -> Result<ProofOutcome, ReadError> {
        let key = serial_key(serial);
        let (recent, files, segments, size) = {
            let tree = lock(&self.tree);
            let recent = tree.derived.recent_candidates(key);
            (recent, tree.derived.files(), std::sync::Arc::clone(&tree.segments), tree.size())
        };
        let mut found = None;
        for index in recent {
            // Where the bundle begins may not be in the file yet.
            let offset = lock(&self.tree).derived.bundle_offset(index / TILE_WIDTH)?;
            found = found.or(self.entry_with_serial(&segments, index, offset, serial)?);
        }
        if found.is_none() {
            for index in files.serials.candidates(key)? {
                // One that was altered can name a leaf that is not there.
                if index >= size {
                    continue;
                }
                let offset = lock(&self.tree).derived.bundle_offset(index / TILE_WIDTH)?;
                found = found.or(self.entry_with_serial(&segments, index, offset, serial)?);
            }
        }
        if found.is_none() {
            found = self.search_entries(&segments, &files, serial)?;
        }
        let Some((index, entry)) = found else { return Ok(ProofOutcome::Unknown) };
        match self.published() {
            Some(published) if index < published.signed.checkpoint().size => published
                .view(&self.place)
                .proof(index, entry, published.signed.note())
                .map(ProofOutcome::Proved),
            Some(_) | None => Ok(ProofOutcome::Awaiting { index }),
        }
    }

    /// A look at the entries themselves, before a token is said to be in none: the index may have been altered. Each run
    /// of it is compared with its entries once, and believed from then on; the first such answer takes long. No lock is held
    /// while entries are read.
    fn search_entries(
        &self,
        segments: &[SegmentRange],
        files: &DerivedFiles,
        serial: &[u8],
    ) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
        let runs = &files.serials;
        let from = *lock(&self.believed_leaves);
        let end = runs.leaves();
        if from >= end {
            return Ok(None);
        }
        let (mut comparison, mut is_believed) = (RunComparison::default(), true);
        let mut cursor = EntryCursor::new(&self.place, segments, from, None)?;
        while cursor.index() < end {
            let index = cursor.index();
            let Some(entry) = cursor.next_entry()? else {
                return Err(ReadError::Short { found: index, required: end });
            };
            if has_serial(entry, serial) {
                return Ok(Some((index, entry.to_vec())));
            }
            let key = Leaf::read(entry, entry.len()).ok().and_then(|leaf| leaf.serial_key());
            if let Some((_, is_equal)) = comparison.add(runs, index, key)? {
                is_believed &= is_equal;
                if is_believed {
                    let mut believed = lock(&self.believed_leaves);
                    *believed = index.saturating_add(1).max(*believed);
                }
            }
        }
        Ok(None)
    }

    fn entry_with_serial(
        &self,
        segments: &[SegmentRange],
        index: u64,
        bundle_offset: u64,
        serial: &[u8],
    ) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
        let entry = entry_at(&self.place, segments, index, bundle_offset)?;
        Ok(has_serial(&entry, serial).then_some((index, entry)))
    }
}

/// Whether it is a token's entry with this serial number.
pub(crate) fn has_serial(entry: &[u8], serial: &[u8]) -> bool {
    matches!(Entry::decode(entry), Ok(Entry::Token(token)) if *token.serial == *serial)
}

fn entry_at(
    place: &Place,
    segments: &[SegmentRange],
    index: u64,
    bundle_offset: u64,
) -> Result<Vec<u8>, ReadError> {
    let known = Some((index / TILE_WIDTH * TILE_WIDTH, bundle_offset));
    let mut cursor = EntryCursor::new(place, segments, index, known)?;
    let found = cursor.index();
    match cursor.next_entry()? {
        Some(entry) => Ok(entry.to_vec()),
        None => Err(ReadError::Short { found, required: index }),
    }
}

/// A tree under a checkpoint, as its files are.
#[derive(Debug)]
pub(crate) struct TreeView<'a> {
    pub(crate) place: &'a Place,
    pub(crate) files: &'a DerivedFiles,
    pub(crate) segments: &'a [SegmentRange],
    pub(crate) tree: &'a Checkpoint,
}

impl Published {
    pub(super) fn view<'a>(&'a self, place: &'a Place) -> TreeView<'a> {
        TreeView { place, files: &self.files, segments: &self.segments, tree: self.signed.checkpoint() }
    }
}

impl TreeView<'_> {
    /// The content of a tile or a bundle.
    pub(crate) fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, ReadError> {
        let (level, index, width) = match path {
            TilePath::Hashes { level, index, width } => (level.into(), index, width),
            TilePath::Entries { index, width } => (0, index, width),
        };
        let first = index.checked_mul(TILE_WIDTH);
        let end = first.and_then(|first| first.checked_add(width.into()));
        let (Some(first), Some(end)) = (first, end) else { return Ok(None) };
        if width == 0 || u64::from(width) > TILE_WIDTH || end > tile_hashes(self.tree.size, level) {
            return Ok(None);
        }
        match path {
            TilePath::Hashes { .. } => Ok(Some(self.files.hashes(level, first, width.into())?)),
            TilePath::Entries { .. } => self.bundle(index, width).map(Some),
        }
    }

    fn bundle(&self, index: u64, width: u16) -> Result<Vec<u8>, ReadError> {
        let first = index.saturating_mul(TILE_WIDTH);
        let known = Some((first, self.files.bundle_offset(index)?));
        let mut cursor = EntryCursor::new(self.place, self.segments, first, known)?;
        let mut bundle = Vec::new();
        for _ in 0..width {
            let found = cursor.index();
            let Some(entry) = cursor.next_entry()? else {
                return Err(ReadError::Short { found, required: first.saturating_add(width.into()) });
            };
            bundle.extend(u16::try_from(entry.len()).unwrap_or(u16::MAX).to_be_bytes());
            bundle.extend_from_slice(entry);
        }
        Ok(bundle)
    }

    /// The proof that an entry is in this tree. It holds, or there is none.
    pub(crate) fn proof(&self, index: u64, entry: Vec<u8>, note: &str) -> Result<Proof, ReadError> {
        let path =
            inclusion_path(index, self.tree.size, &mut |height, index| self.files.node(height, index))?;
        if verify_inclusion(Hash::of_leaf(&entry), index, &path, self.tree).is_err() {
            return Err(Damage::Derived.into());
        }
        Ok(Proof { entry, index, path, checkpoint: note.into() })
    }

    /// The proof that the tree of `to` leaves continues that of `from`.
    pub(crate) fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, ReadError> {
        let (found, required) = (self.tree.size, from.max(to));
        if required > found || from > to {
            return Err(ReadError::Short { found: found.min(to), required });
        }
        Ok(consistency_path(from, to, &mut |height, index| self.files.node(height, index))?)
    }
}
