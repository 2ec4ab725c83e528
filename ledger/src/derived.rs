//! What can be computed from the entries again, kept in files so that it need not be: tiles, where bundles begin, and which
//! leaf has which serial number.
//!
//! These files are never synced while tokens wait. A segment's end syncs them and notes the tree's size in `derived`; what
//! they say of later leaves is not believed at the next start, but computed anew from the entries.

mod appended;
mod serials;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::hash::Hash;
use crate::storage::{Storage, StoredFile};
use crate::tile::{TILE_WIDTH, decimal};
use crate::tree::{Frontier, TILE_HEIGHT};

use appended::Appended;
pub(crate) use appended::{Unwritten, Written};
pub(crate) use serials::{RUN_LEAVES, RunComparison, SerialRuns, Serials, serial_key};

const HASH_BYTES: u64 = 32;
const OFFSET_BYTES: u64 = 8;
const MARK_FIRST_LINE: &str = "attestamp-ledger-derived-1";

/// The derived files of a ledger.
#[derive(Debug)]
pub(crate) struct Derived {
    storage: Arc<dyn Storage>,
    ledger: PathBuf,
    /// One file a level: the hashes of all its tiles.
    levels: Vec<Appended>,
    /// Of every 256th leaf: where its frame begins in its segment.
    bundles: Appended,
    serials: Serials,
}

fn level_file(ledger: &Path, level: usize) -> PathBuf {
    ledger.join("tiles").join(level.to_string())
}

fn index_file(ledger: &Path, name: &str) -> PathBuf {
    ledger.join("index").join(name)
}

impl Derived {
    /// The files as they are, believed for the first `size` leaves; what they say of more is dropped.
    pub(crate) fn open(storage: Arc<dyn Storage>, ledger: &Path, size: u64) -> io::Result<Self> {
        storage.create_folder(&ledger.join("tiles"))?;
        storage.create_folder(&ledger.join("index"))?;
        let level_count = (0..).take_while(|&level| tile_hashes(size, level) > 0).count();
        let mut levels = Vec::new();
        for (level, number) in (0..level_count).zip(0..) {
            let length = tile_hashes(size, number) * HASH_BYTES;
            levels.push(Appended::open(storage.as_ref(), level_file(ledger, level), length)?);
        }
        let bundles_length = size.div_ceil(TILE_WIDTH) * OFFSET_BYTES;
        let bundles = Appended::open(storage.as_ref(), index_file(ledger, "bundles"), bundles_length)?;
        let serials = Serials::open(storage.as_ref(), index_file(ledger, "serials"), size)?;
        Ok(Self { storage, ledger: ledger.into(), levels, bundles, serials })
    }

    /// How many leaves the files were synced with; 0 if that is not known.
    pub(crate) fn marked_size(storage: &dyn Storage, ledger: &Path) -> io::Result<u64> {
        let mark = storage.read(&index_file(ledger, "derived"))?.unwrap_or_default();
        let mark = std::str::from_utf8(&mark).unwrap_or_default();
        let size = mark.split_once('\n').filter(|(first, _)| *first == MARK_FIRST_LINE);
        Ok(size.and_then(|(_, size)| decimal(size.strip_suffix('\n')?)).unwrap_or(0))
    }

    /// Whether the tiles make this tree, which must be of at most the size that they were opened for.
    pub(crate) fn has(&self, frontier: &Frontier) -> bool {
        let place_holds = |((height, index), hash): ((u32, u64), &Hash)| {
            self.node(height, index).is_ok_and(|it| it == *hash)
        };
        Frontier::places(frontier.size()).zip(frontier.nodes()).all(place_holds)
    }

    /// A node of the tree.
    pub(crate) fn node(&self, height: u32, index: u64) -> io::Result<Hash> {
        node_of(height, index, &mut |level, first, count| self.hashes(level, first, count))
    }

    /// A leaf was added to the tree.
    pub(crate) fn add_leaf(&mut self, index: u64, offset: u64, serial_key: Option<u64>) {
        if index.is_multiple_of(TILE_WIDTH) {
            self.bundles.push(&offset.to_be_bytes());
        }
        self.serials.add(index, serial_key);
        self.write_much();
    }

    /// A leaf of which all but the serial number is in the files.
    pub(crate) fn add_serial(&mut self, index: u64, serial_key: Option<u64>) {
        self.serials.add(index, serial_key);
    }

    /// A tile got a hash.
    pub(crate) fn add_hash(&mut self, level: u32, hash: Hash) {
        let level = usize::try_from(level).unwrap_or(usize::MAX);
        while self.levels.len() <= level {
            let file = level_file(&self.ledger, self.levels.len());
            self.levels.push(Appended::new(file));
        }
        if let Some(level) = self.levels.get_mut(level) {
            level.push(&hash.0);
        }
    }

    /// Writes what has become much. Where that fails it is kept, and tried again with what comes next.
    fn write_much(&mut self) {
        let files = self.levels.iter_mut().chain([&mut self.bundles, self.serials.appended()]);
        for file in files.filter(|file| file.is_much()) {
            let _ = file.write(self.storage.as_ref());
        }
    }

    /// Writes everything, so that the files can be read.
    pub(crate) fn write(&mut self) -> io::Result<()> {
        for file in self.levels.iter_mut().chain([&mut self.bundles, self.serials.appended()]) {
            file.write(self.storage.as_ref())?;
        }
        Ok(())
    }

    /// What [`write`](Self::write) would write.
    pub(crate) fn unwritten(&self) -> Vec<Unwritten> {
        let files = self.levels.iter().chain([&self.bundles, self.serials.appended_ref()]);
        files.filter_map(Appended::unwritten).collect()
    }

    /// Some of that was written.
    pub(crate) fn mark_written(&mut self, written: &Written) {
        let files = self.levels.iter_mut().chain([&mut self.bundles, self.serials.appended()]);
        files.for_each(|file| file.mark_written(written));
    }

    /// Writes and syncs everything, and notes that it is of so many leaves.
    pub(crate) fn sync(&mut self, size: u64) -> io::Result<()> {
        self.write()?;
        for file in self.levels.iter().chain([&self.bundles, self.serials.appended()]) {
            file.sync()?;
        }
        let mark = format!("{MARK_FIRST_LINE}\n{size}\n");
        self.storage.replace(&index_file(&self.ledger, "derived"), mark.as_bytes())
    }

    /// Where the frame of the first leaf of a bundle begins in its segment.
    pub(crate) fn bundle_offset(&self, bundle: u64) -> io::Result<u64> {
        bundle_offset(&|offset, count| self.bundles.read(offset, count), bundle)
    }

    fn hashes(&self, level: u32, first: u64, count: u64) -> io::Result<Vec<u8>> {
        let level = usize::try_from(level).ok().and_then(|level| self.levels.get(level));
        let level = level.ok_or(io::ErrorKind::UnexpectedEof)?;
        level.read(first.saturating_mul(HASH_BYTES), octets(count.saturating_mul(HASH_BYTES)))
    }

    /// What is not in the files yet: the leaves that may have this serial number.
    pub(crate) fn recent_candidates(&self, key: u64) -> Vec<u64> {
        self.serials.recent_candidates(key)
    }

    /// The files, to be read without this: what was written of them until now.
    pub(crate) fn files(&self) -> DerivedFiles {
        DerivedFiles {
            levels: self.levels.iter().filter_map(Appended::file).collect(),
            bundles: self.bundles.file(),
            serials: self.serials.runs(),
        }
    }
}

/// The derived files, to read what was written of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct DerivedFiles {
    levels: Vec<Arc<dyn StoredFile>>,
    bundles: Option<Arc<dyn StoredFile>>,
    pub(crate) serials: SerialRuns,
}

impl DerivedFiles {
    /// The files of a folder that another process may be writing.
    pub(crate) fn open(storage: &dyn Storage, ledger: &Path) -> io::Result<Self> {
        let open = |path: PathBuf| match storage.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        };
        let mut levels = Vec::new();
        while let Some(level) = open(level_file(ledger, levels.len()))? {
            levels.push(level);
        }
        let serials = SerialRuns::new(open(index_file(ledger, "serials"))?)?;
        Ok(Self { levels, bundles: open(index_file(ledger, "bundles"))?, serials })
    }

    /// `count` hashes of a level, from the one with index `first`.
    pub(crate) fn hashes(&self, level: u32, first: u64, count: u64) -> io::Result<Vec<u8>> {
        let level = usize::try_from(level).ok().and_then(|level| self.levels.get(level));
        let level = level.ok_or(io::ErrorKind::UnexpectedEof)?;
        crate::storage::read_exactly(
            level.as_ref(),
            first.saturating_mul(HASH_BYTES),
            octets(count.saturating_mul(HASH_BYTES)),
        )
    }

    /// A node of the tree.
    pub(crate) fn node(&self, height: u32, index: u64) -> io::Result<Hash> {
        node_of(height, index, &mut |level, first, count| self.hashes(level, first, count))
    }

    /// Where the frame of the first leaf of a bundle begins in its segment.
    pub(crate) fn bundle_offset(&self, bundle: u64) -> io::Result<u64> {
        let file = self.bundles.as_ref().ok_or(io::ErrorKind::UnexpectedEof)?;
        bundle_offset(&|offset, count| crate::storage::read_exactly(file.as_ref(), offset, count), bundle)
    }
}

/// Hashes that the tiles of a level have in a tree of so many leaves.
pub(crate) fn tile_hashes(size: u64, level: u32) -> u64 {
    size.checked_shr(level.saturating_mul(TILE_HEIGHT)).unwrap_or(0)
}

fn octets(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn bundle_offset(read: &dyn Fn(u64, usize) -> io::Result<Vec<u8>>, bundle: u64) -> io::Result<u64> {
    let octets = read(bundle.saturating_mul(OFFSET_BYTES), octets(OFFSET_BYTES))?;
    let octets = <[u8; 8]>::try_from(octets).map_err(|_| io::ErrorKind::UnexpectedEof)?;
    Ok(u64::from_be_bytes(octets))
}

/// A node, of the hashes of the tiles below it.
fn node_of(
    height: u32,
    index: u64,
    hashes: &mut dyn FnMut(u32, u64, u64) -> io::Result<Vec<u8>>,
) -> io::Result<Hash> {
    let (level, above) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
    let octets = hashes(level, index << above, 1 << above)?;
    let (hashes, _) = octets.as_chunks::<32>();
    let mut row: Vec<Hash> = hashes.iter().copied().map(Hash).collect();
    while row.len() > 1 {
        let (pairs, _) = row.as_chunks::<2>();
        row = pairs.iter().map(|&[left, right]| Hash::of_node(left, right)).collect();
    }
    row.first().copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
