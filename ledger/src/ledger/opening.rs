//! Opening a ledger: what is there is read, compared with the anchor, and made whole.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use super::growing::{Durable, GrowingTree, Leaf};
use super::publishing::{CHECKPOINT, Due, OpenHistory, Published, Publishing, WrittenAnchor, keep};
use super::recovery::{damaged, recover};
use super::tail::{Tail, storage_error};
use super::{Core, Damage, LedgerConfig, OpenError, Recovery};
use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, is_origin};
use crate::derived::{Derived, RUN_LEAVES};
use crate::frame::read_frame;
use crate::history::History;
use crate::place::{EntryCursor, Place, SegmentRange};
use crate::proof::verify_consistency;
use crate::segment::{CHECKPOINTS, END_CHECKPOINT, ENTRIES, START_CHECKPOINT, SegmentStart};
use crate::storage::Unkept;
use crate::tree::{Frontier, consistency_path};

/// As often a rehearsal is repeated because a server that runs has published something meanwhile.
const REHEARSALS: u32 = 3;

/// Tries [`open`] without changing anything; the leaves that are there. Nothing need be locked: what a server adds meanwhile is
/// not taken for damage.
pub(super) fn rehearse(place: &Place, anchor: &Path, config: &LedgerConfig) -> Result<u64, OpenError> {
    let storage = Arc::new(Unkept(Arc::clone(&place.storage)));
    let unkept = Place { storage, folder: place.folder.clone(), only: place.only };
    let anchored = || place.storage.read(anchor).map_err(storage_error("read", anchor));
    let mut before = anchored()?;
    for _ in 1..REHEARSALS {
        let opened = open(unkept.clone(), anchor, config.clone());
        let after = anchored()?;
        if opened.is_ok() || after == before {
            return opened.map(|(_, _, recovery)| recovery.size);
        }
        before = after;
    }
    open(unkept, anchor, config.clone()).map(|(_, _, recovery)| recovery.size)
}

/// Reads everything that is needed to go on; the committing thread gets the tail.
pub(super) fn open(
    place: Place,
    anchor: &Path,
    config: LedgerConfig,
) -> Result<(Core, Tail, Recovery), OpenError> {
    if !is_origin(&config.origin) {
        return Err(OpenError::Origin(CheckpointError::Name));
    }
    let anchored = read_anchor(&place, anchor, &config)?;
    let mut starts = place.starts().map_err(|error| damaged(&place, error))?;
    if starts.is_empty() {
        begin_first(&place, &config, anchored.as_ref())?;
        starts.push(SegmentStart::first());
    }
    let kept = last_kept(&place, &starts, &config)?;
    let evidence = checkpoint_sizes(&place, &starts)?;
    if anchored.is_none() {
        check_unsigned(&place, anchor, &config, evidence.max(kept.as_ref().map(|it| it.checkpoint().size)))?;
    }
    // What was published was kept before: where it is not, an altered octet hides those after it, and they would be
    // written over.
    if let Some(size) = evidence.filter(|&size| size > kept.as_ref().map_or(0, |kept| kept.checkpoint().size))
    {
        return Err(damaged(&place, Damage::NotKept { size }.into()));
    }
    let latest = match (&anchored, &kept) {
        (Some(anchored), Some(kept)) if kept.checkpoint().size > anchored.checkpoint().size => Some(kept),
        (anchored, _) => anchored.as_ref(),
    };
    let mut due = sealed_segments(&place, &starts, &config)?;
    let required: Vec<&Checkpoint> = anchored.iter().chain(&kept).map(SignedCheckpoint::checkpoint).collect();
    let (mut tree, mut tail) = begin(&place, &starts, &required, &due)?;
    let torn = recover(&place, &mut tree, &mut tail, &required)?;
    tree.bytes =
        starts.iter().filter_map(|start| start.previous).map(|it| it.length).sum::<u64>() + tail.length;

    let size = tree.size();
    let mut history = OpenHistory::default();
    let mut published = None;
    if let Some(latest) = latest {
        // A crash may have come between the steps of publishing it.
        tree.derived.write().map_err(storage_error("write the tiles of", &place.folder))?;
        if anchored.as_ref() != Some(latest) {
            place
                .storage
                .replace(anchor, latest.note().as_bytes())
                .map_err(storage_error("write", anchor))?;
        }
        keep(&place, &tree.segments, latest, &mut history, true)
            .map_err(storage_error("write a checkpoint in", &place.folder))?;
        due.retain(|(_, end)| end.size != latest.checkpoint().size);
        let (signed, files) = (Arc::new(latest.clone()), tree.derived.files());
        published = Some(Arc::new(Published { signed, files, segments: Arc::clone(&tree.segments) }));
    }
    let after_checkpoint = size.saturating_sub(latest.map_or(0, |latest| latest.checkpoint().size));
    let recovery = Recovery { size, after_checkpoint, torn };
    let written = WrittenAnchor::new(latest.map(SignedCheckpoint::note));
    let core = Core {
        place,
        anchor: anchor.into(),
        config,
        gathering: super::batch::Gathering::default(),
        durable: Mutex::new(Durable::of(&tree)),
        tree: Mutex::new(tree),
        due: Mutex::new(Due { ends: due }),
        publishing: Mutex::new(Publishing { history, anchor: written }),
        published: RwLock::new(published),
        believed_leaves: Mutex::new(0),
    };
    Ok((core, tail, recovery))
}

fn read_anchor(
    place: &Place,
    anchor: &Path,
    config: &LedgerConfig,
) -> Result<Option<SignedCheckpoint>, OpenError> {
    let note = place.storage.read(anchor).map_err(storage_error("read", anchor))?;
    let Some(note) = note else { return Ok(None) };
    let no_text = |_| CheckpointError::Malformed { line: 1, what: "a text that is not UTF-8" };
    let read = String::from_utf8(note).map_err(no_text);
    let read = read.and_then(|note| SignedCheckpoint::verify(&note, &config.origin, &config.keys));
    read.map(Some).map_err(|source| OpenError::Anchor { file: anchor.into(), source })
}

/// The last checkpoint in the ledger's folder.
fn last_kept(
    place: &Place,
    starts: &[SegmentStart],
    config: &LedgerConfig,
) -> Result<Option<SignedCheckpoint>, OpenError> {
    for start in starts.iter().rev() {
        let path = place.file(start.number, CHECKPOINTS);
        let last = History::open(place.storage.as_ref(), &path).and_then(|history| history.last_note());
        if let Some(note) = last.map_err(storage_error("read", &path))? {
            let signed = SignedCheckpoint::verify(&note, &config.origin, &config.keys);
            return signed.map(Some).map_err(|source| OpenError::Damaged {
                folder: place.folder.as_path().into(),
                source: Damage::Checkpoint { segment: start.number, source },
            });
        }
    }
    Ok(None)
}

/// Begins a ledger where none is and one may be. Entries without their segments' beginnings are not written over.
fn begin_first(
    place: &Place,
    config: &LedgerConfig,
    anchored: Option<&SignedCheckpoint>,
) -> Result<(), OpenError> {
    let folder = || place.folder.as_path().into();
    if !config.begin {
        return Err(OpenError::Missing { folder: folder() });
    }
    if let Some(anchored) = anchored {
        let required = anchored.checkpoint().size;
        return Err(OpenError::RolledBack { folder: folder(), found: 0, required });
    }
    let path = place.file(1, ENTRIES);
    let entries = place.storage.read(&path).map_err(storage_error("read", &path))?;
    if entries.is_some_and(|entries| read_frame(&entries).is_some())
        || checkpoint_sizes(place, &[])?.is_some()
    {
        return Err(damaged(place, Damage::Missing { segment: 1 }.into()));
    }
    Tail::create(place, &SegmentStart::first()).map_err(storage_error("begin a ledger in", &place.folder))?;
    Ok(())
}

/// A ledger without an anchor: nothing of it may have been signed for, and only one that may be begun has entries that
/// never were.
fn check_unsigned(
    place: &Place,
    anchor: &Path,
    config: &LedgerConfig,
    signed: Option<u64>,
) -> Result<(), OpenError> {
    let missing = |size| Err(OpenError::AnchorMissing { file: anchor.into(), size });
    if let Some(size) = signed {
        return missing(size);
    }
    if config.begin {
        return Ok(());
    }
    let segments = ranges(&place.starts().map_err(|error| damaged(place, error))?);
    let cursor = EntryCursor::new(place, &segments, 0, None);
    let mut cursor = cursor.map_err(|error| damaged(place, error))?;
    match cursor.next_entry().map_err(|error| damaged(place, error))? {
        Some(_) => missing(segments.last().map_or(0, |last| last.first).max(1)),
        None => Ok(()),
    }
}

/// Leaves of the largest checkpoint in the files beside `checkpoints`, whoever signed it. One that is no checkpoint is of
/// no use to anybody.
fn checkpoint_sizes(place: &Place, starts: &[SegmentStart]) -> Result<Option<u64>, OpenError> {
    let of_segments = starts
        .iter()
        .flat_map(|start| [START_CHECKPOINT, END_CHECKPOINT].map(|name| place.file(start.number, name)));
    let mut largest = None;
    for path in of_segments.chain([place.folder.join(CHECKPOINT)]) {
        let note = place.storage.read(&path).map_err(storage_error("read", &path))?;
        let signed =
            note.and_then(|note| SignedCheckpoint::parse_unverified(&String::from_utf8_lossy(&note)).ok());
        largest = largest.max(signed.map(|signed| signed.checkpoint().size));
    }
    Ok(largest)
}

/// Compares the segments that get no more entries with what the next ones say of them, without reading them; the ends that
/// have no checkpoint.
fn sealed_segments(
    place: &Place,
    starts: &[SegmentStart],
    config: &LedgerConfig,
) -> Result<VecDeque<(u32, Checkpoint)>, OpenError> {
    let mut due = VecDeque::new();
    let damage = |source| OpenError::Damaged { folder: place.folder.as_path().into(), source };
    for (segment, next) in starts.iter().zip(starts.iter().skip(1)) {
        let number = segment.number;
        let path = place.file(number, ENTRIES);
        let length =
            place.entries(number).and_then(|file| file.length()).map_err(storage_error("read", &path))?;
        if next.previous.is_none_or(|previous| length < previous.length) {
            return Err(damage(Damage::Frame {
                segment: number,
                offset: length,
                index: next.first_index() - 1,
            }));
        }
        let (size, root) = (next.first_index(), next.frontier.root());
        let end = Checkpoint { origin: config.origin.clone(), size, root };
        let path = place.file(number, END_CHECKPOINT);
        let Some(note) = place.storage.read(&path).map_err(storage_error("read", &path))? else {
            due.push_back((number, end));
            continue;
        };
        let note = String::from_utf8_lossy(&note);
        let signed = SignedCheckpoint::verify(&note, &config.origin, &config.keys)
            .map_err(|source| damage(Damage::Checkpoint { segment: number, source }))?;
        if *signed.checkpoint() != end {
            return Err(damage(Damage::OtherTree { segment: number, size: signed.checkpoint().size }));
        }
        // A crash may have come before the other copy.
        let path = place.file(next.number, START_CHECKPOINT);
        let read = place.storage.read(&path).map_err(storage_error("read", &path))?;
        if read.as_deref() != Some(note.as_bytes()) {
            place.storage.replace(&path, note.as_bytes()).map_err(storage_error("write", &path))?;
        }
    }
    Ok(due)
}

/// The tree before the first segment that is to be read: the last, unless the derived files or the checkpoints are of
/// less, or the end of one before has no checkpoint. What nobody has signed for is read wholly, so that a segment's
/// `start` alone never makes a tree that is signed (E2).
fn begin(
    place: &Place,
    starts: &[SegmentStart],
    required: &[&Checkpoint],
    due: &VecDeque<(u32, Checkpoint)>,
) -> Result<(GrowingTree, Tail), OpenError> {
    let storage = &place.storage;
    let failed = |source| storage_error("open the indexes of", &place.folder)(source);
    let marked = Derived::marked_size(storage.as_ref(), &place.folder).map_err(failed)?;
    let signed = required.iter().map(|checkpoint| checkpoint.size).min().unwrap_or(0);
    let without_end = due.front().and_then(|(number, _)| starts.iter().find(|start| start.number == *number));
    let ended = without_end.map_or(u64::MAX, SegmentStart::first_index);
    let needed = signed.min(marked).min(ended);
    let count = starts.partition_point(|start| start.first_index() <= needed).max(1);
    let believed = match starts.get(count - 1) {
        Some(start) if start.number > 1 => {
            believe(place, starts, count).map_err(failed)?.map(|it| (start, it))
        }
        Some(_) | None => None,
    };
    let (start, derived, count) = match (believed, starts.first()) {
        (Some((start, derived)), _) => (start, derived, count),
        (None, Some(first)) => {
            (first, Derived::open(Arc::clone(storage), &place.folder, 0).map_err(failed)?, 1)
        }
        (None, None) => return Err(damaged(place, Damage::Missing { segment: 1 }.into())),
    };
    let tail = Tail::open(place, start)?;
    let segments = ranges(starts.get(..count).unwrap_or_default());
    let frontier = start.frontier.clone();
    Ok((GrowingTree { frontier, derived, segments: Arc::new(segments), bytes: 0 }, tail))
}

/// The derived files for the leaves before segment number `count`; `None` if they are not of this tree, or do not prove
/// that the segments before it begin with trees which this one continues. That segment's own beginning is proved by
/// what is read from there: it leads to the root that was signed.
fn believe(place: &Place, starts: &[SegmentStart], count: usize) -> io::Result<Option<Derived>> {
    let Some(start) = starts.get(count.saturating_sub(1)) else { return Ok(None) };
    let size = start.first_index();
    let mut derived = match Derived::open(Arc::clone(&place.storage), &place.folder, size) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        derived => derived?,
    };
    if !derived.has(&start.frontier) {
        return Ok(None);
    }
    for before in starts.get(..count.saturating_sub(1)).unwrap_or_default() {
        if !continues(&derived, &before.frontier, &start.frontier) {
            return Ok(None);
        }
    }
    // Serial numbers after the last whole run are in memory alone.
    let segments = ranges(starts.get(..count).unwrap_or_default());
    let from = size / RUN_LEAVES * RUN_LEAVES;
    let Ok(offset) = derived.bundle_offset(from / crate::tile::TILE_WIDTH) else { return Ok(None) };
    let Ok(mut cursor) = EntryCursor::new(place, &segments, from, Some((from, offset))) else {
        return Ok(None);
    };
    while cursor.index() < size {
        let index = cursor.index();
        let Ok(Some(entry)) = cursor.next_entry() else { return Ok(None) };
        let Ok(leaf) = Leaf::read(entry, entry.len()) else { return Ok(None) };
        derived.add_serial(index, leaf.serial_key());
    }
    Ok(Some(derived))
}

/// Whether one tree is proved to be the beginning of another (RFC 6962 §2.1.2). The proof is checked against both roots,
/// so that hashes which were altered prove nothing.
pub(super) fn continues(derived: &Derived, from: &Frontier, to: &Frontier) -> bool {
    let tree = |it: &Frontier| Checkpoint { origin: "".into(), size: it.size(), root: it.root() };
    let path = consistency_path(from.size(), to.size(), &mut |height, index| derived.node(height, index));
    path.is_ok_and(|path| verify_consistency(&tree(from), &tree(to), &path).is_ok())
}

fn ranges(starts: &[SegmentStart]) -> Vec<SegmentRange> {
    starts.iter().map(|start| SegmentRange { number: start.number, first: start.first_index() }).collect()
}
