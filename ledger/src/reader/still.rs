//! A ledger that nobody adds to, read for many who ask: what was recorded before it was switched off.
//!
//! Nothing is written and nothing is locked. A token is said to be in none only once the index of serial numbers was
//! compared with all entries, which is done once, for the first who asks for one that the index has not.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{LedgerReader, ReadError, known, search};
use crate::checkpoint::SignedCheckpoint;
use crate::derived::{DerivedFiles, RunComparison, serial_key};
use crate::entry::Entry;
use crate::ledger::{ProofOutcome, TreeView, has_serial};
use crate::place::{EntryCursor, SegmentRange};
use crate::tile::TilePath;

/// A ledger as it is when this is opened.
#[derive(Debug)]
pub struct StillLedger {
    reader: LedgerReader,
    files: DerivedFiles,
    segments: Vec<SegmentRange>,
    signed: SignedCheckpoint,
    compared: Mutex<Option<Compared>>,
}

/// What all entries were compared with.
#[derive(Debug)]
struct Compared {
    is_index_whole: bool,
    /// Of the tokens after those that are indexed: the keys of their serial numbers, sorted, and their leaves.
    recent: Vec<(u64, u64)>,
}

impl StillLedger {
    /// Opens it; `None` if it has no checkpoint.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(folder: &Path) -> Result<Option<Self>, ReadError> {
        let reader = LedgerReader::open(folder)?;
        let Some(signed) = reader.checkpoint()? else { return Ok(None) };
        let files = DerivedFiles::open(reader.place.storage.as_ref(), &reader.place.folder)?;
        let segments = reader.segments()?;
        Ok(Some(Self { reader, files, segments, signed, compared: Mutex::default() }))
    }

    /// The last checkpoint, without a look at who has signed it.
    #[must_use]
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// A tile or entry bundle; `None` if there is none such.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, ReadError> {
        self.view().tile(path)
    }

    /// The proof for the token with this serial number (content octets).
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn prove(&self, serial: &[u8]) -> Result<ProofOutcome, ReadError> {
        let key = serial_key(serial);
        let mut found = self.with_serial(self.files.serials.candidates(key)?, serial)?;
        if found.is_none() {
            // One at a time: the first compares everything.
            let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
            let compared = match &mut *compared {
                Some(compared) => compared,
                none => none.insert(self.compare()?),
            };
            let from = compared.recent.partition_point(|(known, _)| *known < key);
            let recent = compared.recent.iter().skip(from).take_while(|(known, _)| *known == key);
            found = self.with_serial(recent.map(|(_, index)| *index).collect(), serial)?;
            if found.is_none() && !compared.is_index_whole {
                found = search(EntryCursor::new(&self.reader.place, &self.segments, 0, None)?, serial)?;
            }
        }
        match found {
            None => Ok(ProofOutcome::Unknown),
            Some((index, _)) if index >= self.signed.checkpoint().size => {
                Ok(ProofOutcome::Awaiting { index })
            }
            Some((index, entry)) => {
                self.view().proof(index, entry, self.signed.note()).map(ProofOutcome::Proved)
            }
        }
    }

    fn view(&self) -> TreeView<'_> {
        let (place, tree) = (&self.reader.place, self.signed.checkpoint());
        TreeView { place, files: &self.files, segments: &self.segments, tree }
    }

    /// The token with this serial number among these leaves.
    fn with_serial(&self, leaves: Vec<u64>, serial: &[u8]) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
        for index in leaves {
            let known = known(&self.files, index);
            // What was altered can name a leaf that is not there.
            let Ok(mut cursor) = EntryCursor::new(&self.reader.place, &self.segments, index, known) else {
                continue;
            };
            let Ok(Some(entry)) = cursor.next_entry() else { continue };
            if has_serial(entry, serial) {
                return Ok(Some((index, entry.to_vec())));
            }
        }
        Ok(None)
    }

    fn compare(&self) -> Result<Compared, ReadError> {
        let runs = &self.files.serials;
        let (mut comparison, mut is_index_whole) = (RunComparison::default(), true);
        let mut recent = Vec::new();
        let mut cursor = EntryCursor::new(&self.reader.place, &self.segments, 0, None)?;
        loop {
            let index = cursor.index();
            let Some(entry) = cursor.next_entry()? else { break };
            let key = match Entry::decode(entry) {
                Ok(Entry::Token(token)) => Some(serial_key(&token.serial)),
                Ok(Entry::Clock(_) | Entry::Event(_)) | Err(_) => None,
            };
            if index < runs.leaves() {
                is_index_whole &= comparison.add(runs, index, key)?.is_none_or(|(_, is_equal)| is_equal);
            } else {
                recent.extend(key.map(|key| (key, index)));
            }
        }
        recent.sort_unstable();
        Ok(Compared { is_index_whole, recent })
    }
}
