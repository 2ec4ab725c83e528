//! What is in the files is read again: at start from a segment's beginning, after a failure from what was last durable.

use std::path::Path;

use super::growing::{GrowingTree, Leaf};
use super::tail::{Tail, storage_error};
use super::{Damage, OpenError, ReadError, TornTail};
use crate::checkpoint::Checkpoint;
use crate::frame::{FRAME_OVERHEAD, FrameReader, MAXIMUM_BATCH_BYTES, Remains};
use crate::place::{Place, SegmentRange};
use crate::segment::{ENTRIES, START, SegmentStart};
use std::sync::Arc;

const BATCH_BYTES: u64 = 256 * 1024;
const _: () = assert!(
    BATCH_BYTES.count_ones() == 1 && MAXIMUM_BATCH_BYTES.trailing_zeros() == BATCH_BYTES.trailing_zeros()
);

/// Reads the tail's segment from its end on, and the segments after it; the tail is the last one then. `required` are
/// checkpoints that the tree must have, not smaller than the tree is now.
pub(super) fn recover(
    place: &Place,
    tree: &mut GrowingTree,
    tail: &mut Tail,
    required: &[&Checkpoint],
) -> Result<Option<TornTail>, OpenError> {
    let (size, remains) = loop {
        read_entries(place, tree, tail, required)?;
        let size = tree.size();
        let path = place.file(tail.number, ENTRIES);
        let remains = tail.remains().map_err(storage_error("read", &path))?;
        let next = place.start(tail.number.saturating_add(1)).map_err(|error| damaged(place, error))?;
        // Where this is tried beside a server, that goes on: what was half written is whole by now, or a segment ended.
        read_entries(place, tree, tail, required)?;
        match next {
            Some(start) => next_segment(place, tree, tail, &start)?,
            None if tree.size() == size => break (size, remains),
            None => {}
        }
    };
    let missing = required.iter().map(|checkpoint| checkpoint.size).max().filter(|&required| required > size);
    let damage = match (remains, missing) {
        (Remains::None, Some(required)) => {
            return Err(OpenError::RolledBack {
                folder: place.folder.as_path().into(),
                found: size,
                required,
            });
        }
        (Remains::Torn { .. } | Remains::Damage { .. }, Some(_)) => {
            Some(Damage::Frame { segment: tail.number, offset: tail.length, index: size })
        }
        (Remains::Damage { offset }, None) => {
            Some(Damage::Beyond { segment: tail.number, end: tail.length, offset })
        }
        (Remains::None | Remains::Torn { .. }, None) => None,
    };
    if let Some(source) = damage {
        return Err(OpenError::Damaged { folder: place.folder.as_path().into(), source });
    }
    settle(place, tail, remains)
}

/// Makes durable what was read, and sets aside what is no whole frame.
fn settle(place: &Place, tail: &mut Tail, remains: Remains) -> Result<Option<TornTail>, OpenError> {
    let path = place.file(tail.number, ENTRIES);
    tail.settle(tail.length.saturating_sub(BATCH_BYTES), tail.length)
        .map_err(storage_error("write", &path))?;
    let torn = match remains {
        Remains::Torn { end } => Some(set_aside(place, tail, end)?),
        Remains::None | Remains::Damage { .. } => None,
    };
    // The segment's beginning as well: its folder may not have it durably.
    let path = place.file(tail.number, START);
    let again = |start: Option<Vec<u8>>| match start {
        Some(start) => place.storage.replace(&path, &start),
        None => Ok(()),
    };
    place.storage.read(&path).and_then(again).map_err(storage_error("write", &path))?;
    Ok(torn)
}

/// Copies the remains of a batch into a file of their own, and writes zeros over them.
fn set_aside(place: &Place, tail: &Tail, end: u64) -> Result<TornTail, OpenError> {
    let path = place.file(tail.number, ENTRIES);
    let folder = place.folder.join("torn");
    let bytes = end.saturating_sub(tail.length);
    let count = usize::try_from(bytes).unwrap_or(usize::MAX);
    let octets = crate::storage::read_exactly(tail.file.as_ref(), tail.length, count);
    let octets = octets.map_err(storage_error("read", &path))?;
    let storage = &place.storage;
    storage.create_folder(&folder).map_err(storage_error("make the folder", &folder))?;
    let names = storage.names(&folder).map_err(storage_error("read the folder", &folder))?;
    // The same place can be torn again.
    let base = format!("{:08}-{}", tail.number, tail.length);
    let others = (2..).map(|number: u32| format!("{base}-{number}"));
    let name =
        [base.clone()].into_iter().chain(others).find(|name| !names.contains(name)).unwrap_or_default();
    let kept_in = folder.join(name);
    storage.replace(&kept_in, &octets).map_err(storage_error("write", &kept_in))?;
    let zeros = vec![0; count];
    let zeroed = tail.file.write_at(&zeros, tail.length).and_then(|()| tail.file.sync());
    zeroed.map_err(storage_error("write", &path))?;
    Ok(TornTail { segment: tail.number, bytes, kept_in: kept_in.into() })
}

/// Adds the entries of the tail's segment that are not in the tree yet.
fn read_entries(
    place: &Place,
    tree: &mut GrowingTree,
    tail: &mut Tail,
    required: &[&Checkpoint],
) -> Result<(), OpenError> {
    let path = place.file(tail.number, ENTRIES);
    tail.preallocated = tail.file.length().map_err(storage_error("read", &path))?;
    let mut reader = FrameReader::new(Arc::clone(&tail.file), tail.length);
    loop {
        let index = tree.size();
        if required.iter().any(|it| it.size == index && it.root != tree.frontier.root()) {
            return Err(OpenError::Altered { folder: place.folder.as_path().into(), size: index });
        }
        let offset = reader.offset();
        let Some(entry) = reader.next_entry().map_err(storage_error("read", &path))? else { return Ok(()) };
        let leaf = Leaf::read(entry, entry.len() + FRAME_OVERHEAD).map_err(|source| OpenError::Damaged {
            folder: place.folder.as_path().into(),
            source: Damage::Entry { segment: tail.number, index, source },
        })?;
        tail.add(&leaf, index, entry);
        tree.add(&leaf, offset);
    }
}

/// The tail's segment is sealed: it must be what the next one says, and that one is the tail.
fn next_segment(
    place: &Place,
    tree: &mut GrowingTree,
    tail: &mut Tail,
    start: &SegmentStart,
) -> Result<(), OpenError> {
    let path = place.file(tail.number, ENTRIES);
    let segment = tail.number;
    let remains = tail.remains().map_err(storage_error("read", &path))?;
    let (found, required) = (tree.size(), start.first_index());
    let damage = if remains != Remains::None {
        Some(Damage::Frame { segment, offset: tail.length, index: found })
    } else if found != required {
        Some(Damage::Length { segment, found, required })
    } else if start.frontier != tree.frontier
        || start.previous != Some(tail.sealed())
        || start.clocks != tail.clocks()
    {
        Some(Damage::Continuation { segment: start.number })
    } else {
        None
    };
    if let Some(source) = damage {
        return Err(OpenError::Damaged { folder: place.folder.as_path().into(), source });
    }
    if tail.preallocated > tail.length {
        tail.file.set_length(tail.length).map_err(storage_error("shorten", &path))?;
    }
    *tail = Tail::open(place, start)?;
    Arc::make_mut(&mut tree.segments).push(SegmentRange { number: start.number, first: required });
    Ok(())
}

/// A reading error, as one of opening.
pub(super) fn damaged(place: &Place, error: ReadError) -> OpenError {
    let folder: Box<Path> = place.folder.as_path().into();
    match error {
        ReadError::Missing { folder } => OpenError::Missing { folder },
        ReadError::Storage(source) => OpenError::Storage { operation: "read", path: folder, source },
        ReadError::Damaged(source) => OpenError::Damaged { folder, source },
        ReadError::NoSegment { segment, .. } => {
            OpenError::Damaged { folder, source: Damage::Missing { segment } }
        }
        ReadError::Short { found, required } => OpenError::RolledBack { folder, found, required },
    }
}
