//! The Merkle tree of RFC 6962 §2.1: the frontier of a growing tree, and which nodes the proofs consist of.
//!
//! A node is named by its height and its index among the nodes of that height, from 0; nodes are hashes of complete
//! subtrees alone, since these never change. Everything is iterative. Nothing here reads a file: whoever asks for a proof
//! says where nodes come from.

use crate::hash::Hash;

/// Heights between two levels of tiles: a tile has 2^8 hashes.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// A tree as the roots of the complete subtrees that it consists of, the largest first: all that is needed to grow it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Hash>,
}

impl Frontier {
    /// A tree of `size` leaves; `None` if that does not consist of so many subtrees.
    #[must_use]
    pub fn new(size: u64, nodes: Vec<Hash>) -> Option<Self> {
        (usize::try_from(size.count_ones()) == Ok(nodes.len())).then_some(Self { size, nodes })
    }

    /// Leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the subtrees, the largest first.
    #[must_use]
    pub fn nodes(&self) -> &[Hash] {
        &self.nodes
    }

    /// Adds a leaf, and tells of each hash that a tile gets by it: its level and the hash.
    pub fn append(&mut self, leaf: Hash, mut in_tile: impl FnMut(u32, Hash)) {
        let mut node = leaf;
        in_tile(0, node);
        for height in 1..=self.size.trailing_ones() {
            if let Some(left) = self.nodes.pop() {
                node = Hash::of_node(left, node);
            }
            if height % TILE_HEIGHT == 0 {
                in_tile(height / TILE_HEIGHT, node);
            }
        }
        self.nodes.push(node);
        self.size = self.size.saturating_add(1);
    }

    /// The root's hash; that of no octets for the empty tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        root_of_subtrees(&self.nodes)
    }

    /// The places of the subtrees of a tree: height and index, the largest first.
    pub(crate) fn places(size: u64) -> impl Iterator<Item = (u32, u64)> {
        subtrees(0, size)
    }
}

fn root_of_subtrees(nodes: &[Hash]) -> Hash {
    nodes
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| Hash::of_node(left, right))
        .unwrap_or_else(|| Hash::of(&[]))
}

/// The complete subtrees of leaves `start..end`: height and index. `start` is a multiple of a power of two that is at least
/// `end - start`, as it is for every subtree that RFC 6962 splits a tree into.
fn subtrees(start: u64, end: u64) -> impl Iterator<Item = (u32, u64)> {
    let size = end.saturating_sub(start);
    (0..u64::BITS).rev().filter(move |height| size >> height & 1 == 1).map(move |height| {
        let above = size.checked_shr(height + 1).unwrap_or(0).checked_shl(height + 1).unwrap_or(0);
        (height, (start + above) >> height)
    })
}

/// The hash of leaves `start..end`, of nodes that `node` knows.
pub(crate) fn range_hash<E>(
    start: u64,
    end: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Hash, E> {
    let nodes =
        subtrees(start, end).map(|(height, index)| node(height, index)).collect::<Result<Vec<_>, E>>()?;
    Ok(root_of_subtrees(&nodes))
}

/// The largest power of two smaller than `size`, which is at least 2 (RFC 6962 §2.1).
fn split(size: u64) -> u64 {
    1 << (size.saturating_sub(1).max(1)).ilog2()
}

/// PATH(index, D[size]) of RFC 6962 §2.1.1; `index` is below `size`.
pub(crate) fn inclusion_path<E>(
    index: u64,
    size: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_hash(middle, end, node)?);
            end = middle;
        } else {
            path.push(range_hash(start, middle, node)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// PROOF(from, D[to]) of RFC 6962 §2.1.2; empty for a `from` of 0 and of `to`. `from` is at most `to`.
pub(crate) fn consistency_path<E>(
    from: u64,
    to: u64,
    node: &mut impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut path = Vec::new();
    if from == 0 || from == to {
        return Ok(path);
    }
    let (mut start, mut end) = (0, to);
    while from != end {
        let middle = start + split(end - start);
        if from <= middle {
            path.push(range_hash(middle, end, node)?);
            end = middle;
        } else {
            path.push(range_hash(start, middle, node)?);
            start = middle;
        }
    }
    // The old tree itself is known to the verifier; where it is no complete subtree, its last part is not.
    if start > 0 {
        path.push(range_hash(start, end, node)?);
    }
    path.reverse();
    Ok(path)
}
