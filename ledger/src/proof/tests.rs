//! Proofs against a naive reading of RFC 6962 §2.1, for every leaf and every pair of sizes up to 300, and against the trees
//! that implementations of Certificate Transparency test with.

use super::*;
use crate::testing::{ORIGIN, TestKeys, token};
use crate::tree::{Frontier, consistency_path, inclusion_path, range_hash};

/// MTH(D) as RFC 6962 §2.1 writes it.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::of(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            Hash::of_node(naive_root(left), naive_root(right))
        }
    }
}

fn naive_split(length: usize) -> usize {
    let mut split = 1;
    while split * 2 < length {
        split *= 2;
    }
    split
}

/// PATH(m, D) of RFC 6962 §2.1.1.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let split = naive_split(leaves.len());
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) = if index < split {
        (naive_path(index, left), naive_root(right))
    } else {
        (naive_path(index - split, right), naive_root(left))
    };
    path.push(sibling);
    path
}

/// SUBPROOF(m, D, b) of RFC 6962 §2.1.2.
fn naive_consistency(from: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
    if from == leaves.len() {
        return if is_known { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let split = naive_split(leaves.len());
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) = if from <= split {
        (naive_consistency(from, left, is_known), naive_root(right))
    } else {
        (naive_consistency(from - split, right, false), naive_root(left))
    };
    path.push(sibling);
    path
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|number| Hash::of_leaf(&number.to_be_bytes())).collect()
}

fn checkpoint(leaves: &[Hash]) -> Checkpoint {
    Checkpoint { origin: ORIGIN.into(), size: u64::try_from(leaves.len()).unwrap(), root: naive_root(leaves) }
}

/// Any complete subtree's hash, of the leaves.
fn node_of(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, std::convert::Infallible> + '_ {
    |height, index| {
        let (from, to) = (index << height, (index + 1) << height);
        Ok(naive_root(&leaves[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]))
    }
}

#[test]
fn rfc_6962_2_1_roots_of_every_size() {
    let leaves = leaves(300);
    let mut tree = Frontier::default();
    for size in 0..=300 {
        let part = &leaves[..usize::try_from(size).unwrap()];
        assert_eq!(tree.root(), naive_root(part));
        assert_eq!(range_hash(0, size, &mut node_of(part)), Ok(naive_root(part)));
        let nodes = Frontier::places(size).map(|(height, index)| node_of(part)(height, index).unwrap());
        assert_eq!(Frontier::new(size, nodes.collect()), Some(tree.clone()));
        tree.append(leaves.get(part.len()).copied().unwrap_or(Hash::of(b"last")), |_, _| {});
    }
}

#[test]
fn rfc_6962_2_1_1_inclusion_of_every_leaf_in_every_tree() {
    let leaves = leaves(300);
    for size in 1..=300_u64 {
        let part = &leaves[..usize::try_from(size).unwrap()];
        let tree = checkpoint(part);
        // Every tree's every leaf takes long: the larger ones are looked at in steps.
        let step = if size < 130 { 1 } else { 7 };
        for index in (0..size).step_by(step).chain([size - 1]) {
            let leaf = part[usize::try_from(index).unwrap()];
            let path = inclusion_path(index, size, &mut node_of(part)).unwrap();
            assert_eq!(path, naive_path(usize::try_from(index).unwrap(), part), "{index} of {size}");
            verify_inclusion(leaf, index, &path, &tree).unwrap();
            let refused = |leaf, index, path: &[Hash]| verify_inclusion(leaf, index, path, &tree).is_err();
            assert!(refused(Hash::of(b"another"), index, &path));
            assert!(refused(leaf, index + 1, &path) && refused(leaf, size, &path));
            let longer = [&path[..], &[Hash::of(b"more")]].concat();
            assert!(refused(leaf, index, &longer));
            if let Some((last, shorter)) = path.split_last() {
                assert!(refused(leaf, index, shorter));
                assert!(refused(leaf, index, &[shorter, &[Hash::of(&last.0)]].concat()));
            }
        }
    }
}

#[test]
fn rfc_6962_2_1_2_consistency_of_every_two_sizes() {
    let leaves = leaves(300);
    for to in 0..=300_u64 {
        let part = &leaves[..usize::try_from(to).unwrap()];
        let new = checkpoint(part);
        let step = if to < 130 { 1 } else { 7 };
        for from in (0..=to).step_by(step).chain([to.saturating_sub(1)]) {
            let old = checkpoint(&leaves[..usize::try_from(from).unwrap()]);
            let path = consistency_path(from, to, &mut node_of(part)).unwrap();
            if from > 0 {
                assert_eq!(
                    path,
                    naive_consistency(usize::try_from(from).unwrap(), part, true),
                    "{from} to {to}"
                );
            }
            verify_consistency(&old, &new, &path).unwrap();
            let altered = Checkpoint { root: Hash::of(b"another"), ..old.clone() };
            assert!(verify_consistency(&altered, &new, &path).is_err());
            let altered = Checkpoint { root: Hash::of(b"another"), ..new.clone() };
            assert!(from == 0 || verify_consistency(&old, &altered, &path).is_err());
            assert!(from == to || verify_consistency(&new, &old, &path).is_err());
            let longer = [&path[..], &[Hash::of(b"more")]].concat();
            assert!(verify_consistency(&old, &new, &longer).is_err());
            if let Some((_, shorter)) = path.split_last() {
                assert!(verify_consistency(&old, &new, shorter).is_err());
            }
        }
    }
}

/// The leaves and roots of the reference tests of Certificate Transparency: trees of 0 to 8 leaves.
#[test]
fn certificate_transparency_reference_roots() {
    const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Frontier::default();
    assert_eq!(tree.root().to_string(), ROOTS[0]);
    for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
        let leaf = crate::hash::octets_from_hexadecimal(leaf).unwrap();
        tree.append(Hash::of_leaf(&leaf), |_, _| {});
        assert_eq!(tree.root().to_string(), *root);
    }
}

fn proof() -> (Proof, TestKeys) {
    let keys = TestKeys::new(9);
    let entries: Vec<Vec<u8>> = (0..5).map(|number| Entry::Token(token(number)).encode()).collect();
    let leaves: Vec<Hash> = entries.iter().map(|entry| Hash::of_leaf(entry)).collect();
    let signed = keys.sign(&checkpoint(&leaves));
    let proof = Proof {
        entry: entries[3].clone(),
        index: 3,
        path: naive_path(3, &leaves),
        checkpoint: signed.note().into(),
    };
    (proof, keys)
}

#[test]
fn tlog_proof_is_written_and_read_in_one_form() {
    let (proof, keys) = proof();
    let text = proof.to_text();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra AQ"), "{text}");
    assert_eq!(Proof::parse(&text), Ok(proof.clone()));
    let proved = proof.verify(ORIGIN, &keys.verifiers).unwrap();
    assert_eq!((proved.entry, proved.index), (Entry::Token(token(3)), 3));
    // Whatever is read is written again; so no other text is this proof.
    for place in 0..text.len() - proof.checkpoint.len() {
        for other in [b'A', b'\n', b' ', b'0', b'='] {
            let mut altered = text.clone().into_bytes();
            altered[place] = other;
            let altered = String::from_utf8(altered).unwrap();
            if let Ok(read) = Proof::parse(&altered) {
                assert_eq!(read.to_text(), altered);
                assert!(altered == text || read.verify(ORIGIN, &keys.verifiers).is_err(), "{place} {other}");
            }
        }
    }
    for cut in 0..text.len() - proof.checkpoint.len() {
        assert!(text.get(..cut).is_none_or(|cut| Proof::parse(cut).is_err()));
    }
    let without_extra: String = text.lines().filter(|line| !line.starts_with("extra")).collect();
    assert!(Proof::parse(&without_extra).is_err());
    let much = Proof { path: vec![Hash::of(b""); 65], ..proof.clone() };
    let refusal = ProofError::Malformed { line: 68, what: "more than 64 hashes" };
    assert_eq!(Proof::parse(&much.to_text()), Err(refusal));
    assert!(Proof::parse(&text.replace("index 3", "index 03")).is_err());
}

#[test]
fn a_proof_of_another_ledger_key_or_leaf_is_refused() {
    let (proof, keys) = proof();
    let refusal = proof.verify("another.example/ledger", &keys.verifiers);
    assert!(matches!(refusal, Err(ProofError::Checkpoint(CheckpointError::Origin { .. }))));
    let refusal = proof.verify(ORIGIN, &TestKeys::new(10).verifiers);
    assert!(matches!(refusal, Err(ProofError::Checkpoint(CheckpointError::Unsigned { keys: 2 }))));
    let other = Proof { index: 2, ..proof.clone() };
    assert_eq!(
        other.verify(ORIGIN, &keys.verifiers),
        Err(ProofError::Inclusion { index: 2, size: 5, hashes: 3 })
    );
    let other = Proof { entry: Entry::Token(token(2)).encode(), ..proof };
    assert!(matches!(other.verify(ORIGIN, &keys.verifiers), Err(ProofError::Inclusion { .. })));
}
