//! Which leaf has which serial number: for every 65 536 leaves a run of records, sorted by a key that is computed from the
//! serial number. Two serial numbers may have one key: whoever looks reads the entry.
//!
//! A run is 65 537 records of ten octets: the number of tokens in it and two zeros; then for each token its key and its
//! leaf's place among the run's leaves; then zeros. Keys are spread evenly, so that a look-up guesses the place: one or two
//! reads for each run.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::appended::Appended;
use crate::storage::{Storage, StoredFile, read_exactly};

/// Leaves of a run.
/// Tests fill more of them.
pub(crate) const RUN_LEAVES: u64 = if cfg!(test) { 512 } else { 65_536 };
const RECORD_BYTES: usize = 10;
const RUN_BYTES: u64 = (RUN_LEAVES + 1) * 10;
/// Records that are read at once: most guesses are not off by half of it.
const WINDOW: u64 = 512;
/// Records in memory that are sorted together.
const CHUNK: usize = 1024;

type Record = (u64, u16);

/// The key of a serial number: FNV-1a, mixed so that the keys are spread evenly.
pub(crate) fn serial_key(serial: &[u8]) -> u64 {
    let hash = serial.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, &octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let hash = (hash ^ hash >> 33).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let hash = (hash ^ hash >> 33).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ hash >> 33
}

/// The runs, and the leaves after the last.
#[derive(Debug)]
pub(crate) struct Serials {
    runs: Appended,
    /// Leaves after the last run, token or not.
    leaves: u64,
    /// Full chunks, each sorted.
    chunks: Vec<Vec<Record>>,
    chunk: Vec<Record>,
}

impl Serials {
    /// The runs that the first `size` leaves fill. The leaves after them must be added.
    pub(super) fn open(storage: &dyn Storage, path: PathBuf, size: u64) -> io::Result<Self> {
        let runs = Appended::open(storage, path, size / RUN_LEAVES * RUN_BYTES)?;
        Ok(Self { runs, leaves: 0, chunks: Vec::new(), chunk: Vec::new() })
    }

    pub(super) fn add(&mut self, index: u64, key: Option<u64>) {
        let place = u16::try_from(index % RUN_LEAVES).unwrap_or(u16::MAX);
        self.leaves = self.leaves.saturating_add(1);
        self.chunk.extend(key.map(|key| (key, place)));
        if self.chunk.len() == CHUNK {
            self.chunk.sort_unstable();
            self.chunks.push(std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK)));
        }
        if self.leaves == RUN_LEAVES {
            self.end_run();
        }
    }

    fn end_run(&mut self) {
        self.chunks.push(std::mem::take(&mut self.chunk));
        let mut records = std::mem::take(&mut self.chunks).concat();
        // Sorted chunks one after the other: the stable sort merges them.
        records.sort();
        let run = run_of(&records);
        self.runs.push(&run);
        self.leaves = 0;
    }

    pub(super) fn appended_ref(&self) -> &Appended {
        &self.runs
    }

    pub(super) fn appended(&mut self) -> &mut Appended {
        &mut self.runs
    }

    /// Leaves that are not in a run that was written.
    pub(super) fn recent_candidates(&self, key: u64) -> Vec<u64> {
        let first = self.runs.length() / RUN_BYTES * RUN_LEAVES;
        let leaf = |&(_, place): &Record| first.saturating_add(place.into());
        let mut found: Vec<u64> = self.chunk.iter().filter(|record| record.0 == key).map(leaf).collect();
        for chunk in &self.chunks {
            let from = chunk.partition_point(|record| record.0 < key);
            found.extend(chunk.iter().skip(from).take_while(|record| record.0 == key).map(leaf));
        }
        // Runs that could not be written.
        for run in self.runs.written() / RUN_BYTES..self.runs.length() / RUN_BYTES {
            let records = self.runs.read(run * RUN_BYTES, usize::try_from(RUN_BYTES).unwrap_or(usize::MAX));
            let (records, _) = records.as_deref().unwrap_or_default().as_chunks::<RECORD_BYTES>();
            let matching = records.iter().skip(1).map(record).filter(|record| record.0 == key);
            found.extend(matching.map(|(_, place)| run * RUN_LEAVES + u64::from(place)));
        }
        found
    }

    pub(super) fn runs(&self) -> SerialRuns {
        SerialRuns { file: self.runs.file(), count: self.runs.written() / RUN_BYTES }
    }
}

/// A run of sorted records.
fn run_of(records: &[Record]) -> Vec<u8> {
    let mut run = Vec::with_capacity(usize::try_from(RUN_BYTES).unwrap_or(0));
    run.extend(u64::try_from(records.len()).unwrap_or(u64::MAX).to_be_bytes());
    run.extend([0; 2]);
    for (key, place) in records {
        run.extend(key.to_be_bytes());
        run.extend(place.to_be_bytes());
    }
    run.resize(usize::try_from(RUN_BYTES).unwrap_or(run.len()), 0);
    run
}

/// Compares runs with what the entries make, leaf by leaf from a run's first on.
#[derive(Debug, Default)]
pub(crate) struct RunComparison {
    records: Vec<Record>,
}

impl RunComparison {
    /// The next leaf; at a run's end its number, and whether the file has exactly this.
    pub(crate) fn add(
        &mut self,
        runs: &SerialRuns,
        index: u64,
        key: Option<u64>,
    ) -> io::Result<Option<(u64, bool)>> {
        let place = index % RUN_LEAVES;
        self.records.extend(key.map(|key| (key, u16::try_from(place).unwrap_or(u16::MAX))));
        if place + 1 < RUN_LEAVES {
            return Ok(None);
        }
        let mut records = std::mem::take(&mut self.records);
        records.sort_unstable();
        let run = index / RUN_LEAVES;
        Ok(Some((run, runs.is_run(run, &run_of(&records))?)))
    }
}

fn record(octets: &[u8; RECORD_BYTES]) -> Record {
    let [key @ .., high, low] = *octets;
    (u64::from_be_bytes(key), u16::from_be_bytes([high, low]))
}

/// The runs in the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct SerialRuns {
    file: Option<Arc<dyn StoredFile>>,
    count: u64,
}

impl SerialRuns {
    pub(super) fn new(file: Option<Arc<dyn StoredFile>>) -> io::Result<Self> {
        let length = file.as_ref().map_or(Ok(0), |file| file.length())?;
        Ok(Self { file, count: length / RUN_BYTES })
    }

    /// Leaves that are in runs.
    pub(crate) fn leaves(&self) -> u64 {
        self.count.saturating_mul(RUN_LEAVES)
    }

    fn is_run(&self, run: u64, required: &[u8]) -> io::Result<bool> {
        let Some(file) = self.file.as_ref().filter(|_| run < self.count) else { return Ok(false) };
        Ok(read_exactly(file.as_ref(), run.saturating_mul(RUN_BYTES), required.len())? == required)
    }

    /// The leaves that may have the serial number, the latest run's first.
    pub(crate) fn candidates(&self, key: u64) -> io::Result<Vec<u64>> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for run in (0..self.count).rev() {
            found.extend(candidates_of_run(file.as_ref(), run, key)?);
        }
        Ok(found)
    }
}

fn candidates_of_run(file: &dyn StoredFile, run: u64, key: u64) -> io::Result<Vec<u64>> {
    let start = run.saturating_mul(RUN_BYTES);
    let records = |from: u64, to: u64| -> io::Result<Vec<Record>> {
        let bytes = usize::try_from(to.saturating_sub(from)).unwrap_or(0) * RECORD_BYTES;
        let offset = start.saturating_add((from + 1) * 10);
        let octets = read_exactly(file, offset, bytes)?;
        let (records, _) = octets.as_chunks::<RECORD_BYTES>();
        Ok(records.iter().map(record).collect())
    };
    let head = read_exactly(file, start, 8)?;
    let count = <[u8; 8]>::try_from(head).map_or(0, u64::from_be_bytes).min(RUN_LEAVES);
    // The first record of the key is in from..=to; the keys there are in low..=high.
    let (mut from, mut to, mut low, mut high) = (0, count, 0, u64::MAX);
    for round in 0_u32.. {
        if to - from <= WINDOW {
            break;
        }
        let width = u128::from(to - from);
        let guess = if round < 6 && high > low {
            width * u128::from(key.saturating_sub(low)) / u128::from(high - low)
        } else {
            width / 2
        };
        let middle = from + u64::try_from(guess).unwrap_or(0);
        let window_end = middle.saturating_add(WINDOW / 2).clamp(from + WINDOW, to);
        let window_start = window_end - WINDOW;
        let window = records(window_start, window_end)?;
        let (Some(first), Some(last)) = (window.first(), window.last()) else { break };
        if first.0 >= key {
            (to, high) = (window_start, first.0);
        } else if last.0 < key {
            (from, low) = (window_end, last.0);
        } else {
            (from, to) = (window_start, window_end);
        }
    }
    // Some more, for those that have the same key.
    let window = records(from, to.saturating_add(8).min(count))?;
    let first_leaf = run.saturating_mul(RUN_LEAVES);
    Ok(window
        .into_iter()
        .filter(|record| record.0 == key)
        .map(|(_, place)| first_leaf + u64::from(place))
        .collect())
}
