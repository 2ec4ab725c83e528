//! Everything is read and computed again, and compared with what was signed.

use std::sync::Arc;

use super::tiles::TileComparison;
use super::{Verified, VerifyError};
use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::derived::{DerivedFiles, serial_key};
use crate::entry::Entry;
use crate::frame::{FRAME_OVERHEAD, FrameReader, Remains, remains};
use crate::hash::Hash;
use crate::history::Notes;
use crate::ledger::{Damage, ReadError};
use crate::note::VerifierKey;
use crate::place::Place;
use crate::segment::{
    CHECKPOINTS, END_CHECKPOINT, KEPT_CLOCKS, START_CHECKPOINT, SealedSegment, SegmentStart,
};
use crate::tree::Frontier;

/// How often progress is told: every so many entries.
const PROGRESS_ENTRIES: u64 = 4096;

struct Verification<'a> {
    place: &'a Place,
    origin: &'a str,
    keys: &'a [VerifierKey],
    /// Told octets done and in all; whether to go on.
    progress: &'a mut dyn FnMut(u64, u64) -> bool,
    /// Told to stop.
    is_stopped: bool,
    bytes_done: u64,
    bytes_total: u64,
    /// The first leaf that is read.
    first: u64,
    tree: Frontier,
    /// Not of a segment alone, which has no tiles.
    tiles: Option<TileComparison>,
    checkpoint: Option<SignedCheckpoint>,
    /// What the caller knows of: the smallest last.
    required: Vec<Checkpoint>,
    /// Those of them that the tree is not.
    contradicted: Vec<Checkpoint>,
    /// Leaves of the last checkpoint in the histories.
    kept_size: u64,
    /// A segment whose end has no checkpoint: none may follow.
    without_end: Option<u32>,
}

/// `published` is the checkpoint of the tree whose tiles are served; `None` if `progress` said to stop.
pub(super) fn verify(
    place: &Place,
    (origin, keys): (&str, &[VerifierKey]),
    published: Option<&SignedCheckpoint>,
    required: &[Checkpoint],
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<Verified>, VerifyError> {
    let starts = place.starts()?;
    let tiles = match place.only {
        Some(_) => None,
        None => {
            let files = DerivedFiles::open(place.storage.as_ref(), &place.folder).map_err(ReadError::from)?;
            let served_size = published.map_or(0, |signed| signed.checkpoint().size);
            Some(TileComparison::new(files, served_size))
        }
    };
    // What is added while this runs is not looked at: the checkpoints' files are read first.
    let mut notes = Vec::new();
    let mut bytes_total = 0_u64;
    for start in &starts {
        notes.push(notes_of(place, start.number)?);
        let length = place.entries(start.number).and_then(|file| file.length()).map_err(ReadError::from)?;
        bytes_total = bytes_total.saturating_add(length);
    }
    let mut required = required.to_vec();
    required.sort_unstable_by_key(|checkpoint| std::cmp::Reverse(checkpoint.size));
    let tree = starts.first().map(|start| start.frontier.clone()).unwrap_or_default();
    let mut verification = Verification {
        place,
        origin,
        keys,
        progress,
        is_stopped: false,
        tiles,
        bytes_done: 0,
        bytes_total,
        first: tree.size(),
        tree,
        checkpoint: None,
        required,
        contradicted: Vec::new(),
        kept_size: 0,
        without_end: None,
    };
    if let Some(only) = starts.first().filter(|start| start.first_index() > 0) {
        verification.check_start(only)?;
    }
    let mut nexts = starts.iter().skip(1);
    for (start, notes) in starts.iter().zip(notes) {
        verification.segment(start, nexts.next(), notes)?;
        if verification.is_stopped {
            return Ok(None);
        }
    }
    if let Some(tiles) = &mut verification.tiles {
        tiles.compare(true)?;
    }
    verification.check_all_found()?;
    if let Some(published) = published {
        verification.check_published(starts.last().map_or(0, |last| last.number), published)?;
    }
    verification.tiles.iter().try_for_each(TileComparison::verdict)?;
    let size = verification.tree.size();
    let checkpoint = verification.checkpoint;
    let signed_size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.checkpoint().size);
    let segments = u32::try_from(starts.len()).unwrap_or(u32::MAX);
    progress(bytes_total, bytes_total);
    let after_checkpoint = size.saturating_sub(signed_size);
    Ok(Some(Verified { size, after_checkpoint, segments, checkpoint }))
}

/// The checkpoints that a segment has now: so many octets of them.
fn notes_of(place: &Place, segment: u32) -> Result<Option<Notes>, ReadError> {
    match place.storage.open(&place.file(segment, CHECKPOINTS)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        file => Ok(Some(Notes::up_to_now(file?)?)),
    }
}

impl Verification<'_> {
    fn check_note(&self, segment: u32, note: &str) -> Result<SignedCheckpoint, VerifyError> {
        let damage = |source: CheckpointError| Damage::Checkpoint { segment, source }.into();
        SignedCheckpoint::verify(note, self.origin, self.keys).map_err(damage)
    }

    /// The checkpoint must be of the tree as it is now.
    fn check_root(&mut self, segment: u32, signed: SignedCheckpoint) -> Result<(), VerifyError> {
        let checkpoint = signed.checkpoint();
        let (size, found) = (checkpoint.size, self.tree.size());
        if size > found {
            return Err(VerifyError::Short { found, required: size });
        }
        if size != found {
            return Err(Damage::OtherTree { segment, size }.into());
        }
        if checkpoint.root != self.tree.root() {
            let agreed = self.checkpoint.as_ref().map_or(self.first, |signed| signed.checkpoint().size);
            return Err(match agreed < size {
                true => Damage::Altered { segment, from: agreed, size },
                false => Damage::OtherTree { segment, size },
            }
            .into());
        }
        if let Some(segment) = self.without_end {
            return Err(VerifyError::NoEndCheckpoint { segment });
        }
        self.checkpoint = Some(signed);
        Ok(())
    }

    /// What is served must be among what is kept, which is compared with the tree: else somebody has cut that short.
    fn check_published(&self, segment: u32, published: &SignedCheckpoint) -> Result<(), VerifyError> {
        self.check_note(segment, published.note())?;
        let (published, kept) = (published.checkpoint(), self.checkpoint.as_ref());
        let size = published.size;
        if size > self.kept_size && self.place.only.is_none() {
            return Err(Damage::NotKept { size }.into());
        }
        match kept.map(SignedCheckpoint::checkpoint) {
            Some(kept) if kept.size == size && kept.root != published.root => {
                Err(Damage::OtherTree { segment, size }.into())
            }
            Some(kept) if kept.size >= size => Ok(()),
            Some(_) | None => Err(Damage::NotKept { size }.into()),
        }
    }

    /// The tree as it is now, compared with the checkpoints of its size that the caller knows of.
    fn check_required(&mut self) -> Result<(), VerifyError> {
        let found = self.tree.size();
        while let Some(required) = self.required.pop_if(|required| required.size <= found) {
            if required.size < found {
                return Err(VerifyError::OtherSegment { size: required.size });
            }
            if required.root != self.tree.root() || &*required.origin != self.origin {
                self.contradicted.push(required);
            }
        }
        Ok(())
    }

    /// At the end: whether all of them were found.
    fn check_all_found(&self) -> Result<(), VerifyError> {
        let found = self.tree.size();
        if let Some(&Checkpoint { size, root, .. }) = self.contradicted.first() {
            return Err(VerifyError::NotBeginning { size, root, found });
        }
        match self.required.first() {
            Some(&Checkpoint { size, .. }) if self.place.only.is_some() => {
                Err(VerifyError::OtherSegment { size })
            }
            Some(&Checkpoint { size, root, .. }) => Err(VerifyError::NotBeginning { size, root, found }),
            None => Ok(()),
        }
    }

    fn file_checkpoint(&self, segment: u32, name: &str) -> Result<Option<SignedCheckpoint>, VerifyError> {
        let note = self.place.storage.read(&self.place.file(segment, name)).map_err(ReadError::from)?;
        note.map(|note| self.check_note(segment, &String::from_utf8_lossy(&note))).transpose()
    }

    /// A segment without those before it: its beginning must be signed for.
    fn check_start(&mut self, start: &SegmentStart) -> Result<(), VerifyError> {
        match self.file_checkpoint(start.number, START_CHECKPOINT)? {
            Some(signed) => self.check_root(start.number, signed),
            None => Err(VerifyError::NoStartCheckpoint { segment: start.number }),
        }
    }

    fn segment(
        &mut self,
        start: &SegmentStart,
        next: Option<&SegmentStart>,
        mut notes: Option<Notes>,
    ) -> Result<(), VerifyError> {
        let segment = start.number;
        let mut next_note = |verification: &Self| -> Result<Option<SignedCheckpoint>, VerifyError> {
            let Some(notes) = &mut notes else { return Ok(None) };
            let note = notes.next_note().map_err(ReadError::from)?;
            note.map(|(_, note)| verification.check_note(segment, &note)).transpose()
        };
        let mut due = next_note(self)?;
        let file = self.place.entries(segment).map_err(ReadError::from)?;
        let mut reader = FrameReader::new(Arc::clone(&file), 0);
        let mut times: Option<(u64, u64)> = None;
        let mut clocks = start.clocks.clone();
        loop {
            let index = self.tree.size();
            self.check_required()?;
            while let Some(signed) = due.take_if(|due| due.checkpoint().size <= index) {
                self.kept_size = signed.checkpoint().size;
                self.check_root(segment, signed)?;
                due = next_note(self)?;
            }
            let offset = reader.offset();
            let Some(bytes) = reader.next_entry().map_err(ReadError::from)? else { break };
            let entry = Entry::decode(bytes).map_err(|source| Damage::Entry { segment, index, source })?;
            let time = entry.time_microseconds();
            times = Some(times.map_or((time, time), |(from, to)| (from.min(time), to.max(time))));
            if matches!(entry, Entry::Clock(_)) {
                clocks.push((index, bytes.into()));
                if clocks.len() > KEPT_CLOCKS {
                    clocks.remove(0);
                }
            }
            self.bytes_done =
                self.bytes_done.saturating_add(u64::try_from(bytes.len() + FRAME_OVERHEAD).unwrap_or(0));
            let Self { tree, tiles, .. } = self;
            let hash = Hash::of_leaf(bytes);
            let key = match &entry {
                Entry::Token(token) => Some(serial_key(&token.serial)),
                Entry::Clock(_) | Entry::Event(_) => None,
            };
            tiles.iter_mut().try_for_each(|tiles| tiles.check_bundle(index, offset))?;
            tiles.iter_mut().try_for_each(|tiles| tiles.add_serial(index, key))?;
            tree.append(hash, |level, hash| tiles.iter_mut().for_each(|tiles| tiles.add(level, hash)));
            if index.is_multiple_of(PROGRESS_ENTRIES) {
                tiles.iter_mut().try_for_each(|tiles| tiles.compare(false))?;
                if !(self.progress)(self.bytes_done, self.bytes_total) {
                    self.is_stopped = true;
                    return Ok(());
                }
            }
        }
        let (end, found) = (reader.offset(), self.tree.size());
        match remains(file.as_ref(), end).map_err(ReadError::from)? {
            Remains::Damage { offset } => return Err(Damage::Beyond { segment, end, offset }.into()),
            Remains::Torn { .. } if next.is_some() || due.is_some() => {
                return Err(Damage::Frame { segment, offset: end, index: found }.into());
            }
            Remains::Torn { .. } | Remains::None => {}
        }
        if let Some(due) = due {
            return Err(VerifyError::Short { found, required: due.checkpoint().size });
        }
        if let Some(required) = next.map(SegmentStart::first_index).filter(|&required| required != found) {
            return Err(Damage::Length { segment, found, required }.into());
        }
        // What was signed says whether it is the entries that are wrong, or the next segment's beginning.
        self.check_end(segment, next)?;
        if let Some(next) = next {
            let sealed = SealedSegment { length: end, times: times.unwrap_or((0, 0)) };
            if next.frontier != self.tree || next.previous != Some(sealed) || next.clocks != clocks {
                return Err(Damage::Continuation { segment: next.number }.into());
            }
        }
        Ok(())
    }

    /// Whether a checkpoint of this size is kept in this segment or in one after it, as they are now.
    fn is_kept_by_now(&self, segment: u32, size: u64) -> Result<bool, VerifyError> {
        let starts = self.place.starts()?;
        for start in starts.iter().filter(|start| start.number >= segment) {
            let Some(mut notes) = notes_of(self.place, start.number)? else { continue };
            while let Some((_, note)) = notes.next_note().map_err(ReadError::from)? {
                if self.check_note(start.number, &note)?.checkpoint().size == size {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The end's checkpoint, and its copy in the next segment.
    fn check_end(&mut self, segment: u32, next: Option<&SegmentStart>) -> Result<(), VerifyError> {
        if next.is_none() && self.place.only.is_none() {
            // The server may have ended it meanwhile.
            return Ok(());
        }
        match self.file_checkpoint(segment, END_CHECKPOINT)? {
            Some(signed) => {
                let size = signed.checkpoint().size;
                self.check_root(segment, signed)?;
                // It was among those kept before it was put there, which may be since those were read.
                if size > self.kept_size
                    && self.place.only.is_none()
                    && !self.is_kept_by_now(segment, size)?
                {
                    return Err(Damage::NotKept { size }.into());
                }
            }
            None if next.is_some() => self.without_end = Some(segment),
            None => {}
        }
        if let Some(next) = next
            && let Some(signed) = self.file_checkpoint(next.number, START_CHECKPOINT)?
        {
            self.check_root(next.number, signed)?;
        }
        Ok(())
    }
}
