//! That one checkpoint continues another, from tiles alone: the path is put together from them, and then verified against both
//! roots, so that tiles which lie prove nothing (RFC 6962 §2.1.2).

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use attestamp_ledger::proof::verify_consistency;
use attestamp_ledger::{Checkpoint, Hash, TilePath};

/// Levels of the tree that one tile holds.
const TILE_LEVELS: u8 = 8;
/// Hashes of a full tile.
const TILE_WIDTH: u64 = 256;
const HASH_OCTETS: usize = 32;

/// Reads hashes of a tree of `size` leaves.
struct Tree<S> {
    source: S,
    size: u64,
    read: BTreeMap<(u8, u64), Vec<u8>>,
}

/// Checks that `to` continues `from`; `source` gives tiles of hashes, `None` if there is none such. The outer error is one of
/// reading.
///
/// # Errors
/// Where a tile cannot be read.
pub(super) fn check_consistency(
    source: impl FnMut(TilePath) -> anyhow::Result<Option<Vec<u8>>>,
    from: &Checkpoint,
    to: &Checkpoint,
) -> anyhow::Result<Result<(), attestamp_ledger::proof::ProofError>> {
    let mut tree = Tree { source, size: to.size, read: BTreeMap::new() };
    let mut path = Vec::new();
    if from.size > 0 && from.size < to.size {
        tree.subproof(from.size, (0, to.size), true, &mut path)?;
    }
    Ok(verify_consistency(from, to, &path))
}

impl<S: FnMut(TilePath) -> anyhow::Result<Option<Vec<u8>>>> Tree<S> {
    /// SUBPROOF(m, D[start:end], b) of RFC 6962 §2.1.2.
    fn subproof(
        &mut self,
        m: u64,
        (start, end): (u64, u64),
        is_known: bool,
        path: &mut Vec<Hash>,
    ) -> anyhow::Result<()> {
        let leaves = end - start;
        if m == leaves {
            if !is_known {
                path.push(self.root(start, end)?);
            }
            return Ok(());
        }
        let split = split(leaves);
        let middle = start + split;
        if m <= split {
            self.subproof(m, (start, middle), is_known, path)?;
            path.push(self.root(middle, end)?);
        } else {
            self.subproof(m - split, (middle, end), false, path)?;
            path.push(self.root(start, middle)?);
        }
        Ok(())
    }

    /// MTH(D[start:end]); `start` is a multiple of the greatest power of two below the range's length.
    fn root(&mut self, start: u64, end: u64) -> anyhow::Result<Hash> {
        let leaves = end - start;
        if leaves.is_power_of_two() {
            return self.node(u8::try_from(leaves.trailing_zeros())?, start / leaves);
        }
        let middle = start + split(leaves);
        Ok(Hash::of_node(self.root(start, middle)?, self.root(middle, end)?))
    }

    /// The hash of a whole subtree: at `level` above the leaves, the `index`-th.
    fn node(&mut self, level: u8, index: u64) -> anyhow::Result<Hash> {
        let (tile_level, above) = (level / TILE_LEVELS, level % TILE_LEVELS);
        // Its leaves in the tile's own row.
        let count = 1_u64 << above;
        let first = index.checked_mul(count).context("the tree is too large")?;
        let tile = first / TILE_WIDTH;
        let row = self.row(tile_level, tile)?;
        let offset = usize::try_from(first % TILE_WIDTH)? * HASH_OCTETS;
        let octets = row
            .get(offset..offset + usize::try_from(count)? * HASH_OCTETS)
            .with_context(|| format!("tile {tile} of level {tile_level} is too short"))?;
        let mut hashes: Vec<Hash> =
            octets.as_chunks::<HASH_OCTETS>().0.iter().map(|octets| Hash(*octets)).collect();
        while hashes.len() > 1 {
            let pairs = hashes.as_chunks::<2>().0;
            hashes = pairs.iter().map(|[left, right]| Hash::of_node(*left, *right)).collect();
        }
        hashes.pop().context("an empty tile")
    }

    fn row(&mut self, level: u8, index: u64) -> anyhow::Result<&[u8]> {
        if !self.read.contains_key(&(level, index)) {
            let row = self.size >> (u32::from(level) * u32::from(TILE_LEVELS));
            let width = row.saturating_sub(index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH);
            let path = TilePath::Hashes { level, index, width: u16::try_from(width)? };
            let Some(tile) = (self.source)(path)? else { bail!("there is no {path}") };
            ensure!(
                tile.len() == usize::try_from(width)? * HASH_OCTETS,
                "{path} has {} octets, not {} hashes",
                tile.len(),
                width
            );
            self.read.insert((level, index), tile);
        }
        Ok(self.read.get(&(level, index)).map(Vec::as_slice).unwrap_or_default())
    }
}

/// The greatest power of two below `leaves`, which are two or more.
fn split(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(index: u64) -> Hash {
        Hash::of_leaf(&index.to_be_bytes())
    }

    fn root(start: u64, end: u64) -> Hash {
        match end - start {
            0 => Hash::of(b""),
            1 => leaf(start),
            leaves => {
                let middle = start + split(leaves);
                Hash::of_node(root(start, middle), root(middle, end))
            }
        }
    }

    fn tile(path: TilePath) -> Vec<u8> {
        let TilePath::Hashes { level, index, width } = path else { panic!("{path}") };
        let each = 1_u64 << (8 * u32::from(level));
        let first = index * 256;
        (first..first + u64::from(width)).flat_map(|node| root(node * each, (node + 1) * each).0).collect()
    }

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint { origin: "o".into(), size, root: root(0, size) }
    }

    #[test]
    fn a_tree_that_goes_on_is_consistent() {
        for (from, to) in [
            (1, 2),
            (1, 3),
            (2, 3),
            (3, 7),
            (4, 8),
            (6, 8),
            (255, 257),
            (256, 300),
            (300, 700),
            (512, 700),
            (5, 5),
        ] {
            let source = |path: TilePath| Ok(Some(tile(path)));
            let checked = check_consistency(source, &checkpoint(from), &checkpoint(to)).unwrap();
            assert_eq!(checked, Ok(()), "{from} to {to}");
        }
    }

    #[test]
    fn another_tree_is_not_whatever_the_tiles_say() {
        let mut other = checkpoint(300);
        other.root = Hash::of_leaf(b"another");
        let source = |path: TilePath| Ok(Some(tile(path)));
        assert!(check_consistency(source, &other, &checkpoint(700)).unwrap().is_err());
        let lying = |path: TilePath| {
            let mut tile = tile(path);
            tile[40] ^= 1;
            Ok(Some(tile))
        };
        assert!(check_consistency(lying, &checkpoint(300), &checkpoint(700)).unwrap().is_err());
        let short = |path: TilePath| Ok(Some(tile(path)[..32].to_vec()));
        assert!(check_consistency(short, &checkpoint(300), &checkpoint(700)).is_err());
        let none = |_: TilePath| Ok(None);
        assert!(check_consistency(none, &checkpoint(300), &checkpoint(700)).is_err());
    }
}
