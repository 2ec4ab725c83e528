//! The tree as it grows: what a leaf changes, the same whether it was just recorded or is read at start.

use std::sync::Arc;

use crate::derived::{Derived, serial_key};
use crate::entry::{Entry, EntryError, TokenEntry};
use crate::hash::Hash;
use crate::place::SegmentRange;
use crate::tree::Frontier;

/// An entry without its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf {
    pub(crate) hash: Hash,
    /// Octets of its frame.
    pub(crate) frame_length: u32,
    pub(crate) time_microseconds: u64,
    pub(crate) kind: LeafKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeafKind {
    Token { serial_key: u64 },
    Clock,
    Event,
}

impl Leaf {
    /// Of an entry's bytes.
    pub(crate) fn read(bytes: &[u8], frame_length: usize) -> Result<Self, EntryError> {
        let entry = Entry::decode(bytes)?;
        let kind = match &entry {
            Entry::Token(token) => LeafKind::Token { serial_key: serial_key(&token.serial) },
            Entry::Clock(_) => LeafKind::Clock,
            Entry::Event(_) => LeafKind::Event,
        };
        Ok(Self::new(bytes, frame_length, entry.time_microseconds(), kind))
    }

    /// Of a token and its bytes.
    pub(crate) fn of_token(token: &TokenEntry, bytes: &[u8], frame_length: usize) -> Self {
        let kind = LeafKind::Token { serial_key: serial_key(&token.serial) };
        Self::new(bytes, frame_length, token.gen_time_microseconds, kind)
    }

    fn new(bytes: &[u8], frame_length: usize, time_microseconds: u64, kind: LeafKind) -> Self {
        let frame_length = u32::try_from(frame_length).unwrap_or(u32::MAX);
        Self { hash: Hash::of_leaf(bytes), frame_length, time_microseconds, kind }
    }
}

/// The tree, its derived files, and which segment has which leaves.
#[derive(Debug)]
pub(crate) struct GrowingTree {
    pub(crate) frontier: Frontier,
    pub(crate) derived: Derived,
    /// Every segment, in order.
    pub(crate) segments: Arc<Vec<SegmentRange>>,
    /// Octets of all frames.
    pub(crate) bytes: u64,
}

/// What is said of the tree without a wait for its lock, which can be held while the disk works.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) frontier: Frontier,
    /// Octets of all frames.
    pub(crate) bytes: u64,
    pub(crate) segments: u32,
}

impl Durable {
    pub(crate) fn of(tree: &GrowingTree) -> Self {
        let segments = u32::try_from(tree.segments.len()).unwrap_or(u32::MAX);
        Self { frontier: tree.frontier.clone(), bytes: tree.bytes, segments }
    }
}

impl GrowingTree {
    /// Leaves.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Adds a leaf whose frame begins at `offset` of the last segment.
    pub(crate) fn add(&mut self, leaf: &Leaf, offset: u64) {
        let index = self.frontier.size();
        let Self { frontier, derived, .. } = self;
        frontier.append(leaf.hash, |level, hash| derived.add_hash(level, hash));
        derived.add_leaf(index, offset, leaf.serial_key());
        self.bytes = self.bytes.saturating_add(leaf.frame_length.into());
    }
}

impl Leaf {
    pub(crate) fn serial_key(&self) -> Option<u64> {
        match self.kind {
            LeafKind::Token { serial_key } => Some(serial_key),
            LeafKind::Clock | LeafKind::Event => None,
        }
    }
}
