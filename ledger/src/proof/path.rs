//! The checks of RFC 9162 §2.1.3.2 and §2.1.4.2, for the proofs of RFC 6962 §2.1.1 and §2.1.2, which are the same.

use crate::hash::Hash;

/// The root that the path leads to; `None` if it is longer or shorter than that of such a leaf.
pub(super) fn inclusion_root(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut place, mut last) = (index, size - 1);
    let mut root = leaf;
    for &hash in path {
        if last == 0 {
            return None;
        }
        if place & 1 == 1 || place == last {
            root = Hash::of_node(hash, root);
            skip_missing_siblings(&mut place, &mut last);
        } else {
            root = Hash::of_node(root, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(root)
}

/// The last node of a level that has no sibling is its own parent.
fn skip_missing_siblings(place: &mut u64, last: &mut u64) {
    while *place & 1 == 0 && *place != 0 {
        *place >>= 1;
        *last >>= 1;
    }
}

/// Whether a tree of so many leaves and this root begins the other.
pub(super) fn is_consistent(
    (from_size, from_root): (u64, Hash),
    (to_size, to_root): (u64, Hash),
    path: &[Hash],
) -> bool {
    if from_size == to_size {
        return path.is_empty() && from_root == to_root;
    }
    if from_size == 0 {
        return path.is_empty() && from_root == Hash::of(&[]);
    }
    if from_size > to_size {
        return false;
    }
    // A complete subtree is a node of the new tree itself, and its hash is not in the path.
    let (first, rest) = if from_size.is_power_of_two() {
        (from_root, path)
    } else {
        match path.split_first() {
            Some((&first, rest)) => (first, rest),
            None => return false,
        }
    };
    let (mut place, mut last) = (from_size - 1, to_size - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (first, first);
    for &hash in rest {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            old = Hash::of_node(hash, old);
            new = Hash::of_node(hash, new);
            skip_missing_siblings(&mut place, &mut last);
        } else {
            new = Hash::of_node(new, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && old == from_root && new == to_root
}
