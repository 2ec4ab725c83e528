//! Which tokens were issued in an interval, and under which state of the clock.

use std::collections::VecDeque;

use super::{Entries, LedgerReader, ReadError};
use crate::entry::{ClockEntry, Entry};
use crate::hash::Hash;
use crate::segment::KEPT_CLOCKS;

/// An entry of the interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The leaf's index.
    pub index: u64,
    /// What it says.
    pub entry: Entry,
    /// For a token: the state of the clock under which it was issued, found by its leaf hash; `None` if it is none of the
    /// last before the token.
    pub clock: Option<ClockEntry>,
}

/// The entries of an interval, in order.
#[derive(Debug)]
pub struct Listing {
    entries: Option<Entries>,
    failed: Option<ReadError>,
    from_microseconds: u64,
    to_microseconds: u64,
    clocks: VecDeque<(Hash, ClockEntry)>,
}

impl LedgerReader {
    /// The entries with `from <= time < to`, in microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn list(&self, from_microseconds: u64, to_microseconds: u64) -> Listing {
        let mut listing = Listing {
            entries: None,
            failed: None,
            from_microseconds,
            to_microseconds,
            clocks: VecDeque::new(),
        };
        match self.listed_from(from_microseconds) {
            Ok((entries, clocks)) => {
                listing.entries = Some(entries);
                clocks.iter().for_each(|clock| listing.note_clock(clock));
            }
            Err(error) => listing.failed = Some(error),
        }
        listing
    }

    /// From the first segment that ends in the interval or after it, with the states of the clock before it.
    fn listed_from(&self, from_microseconds: u64) -> Result<(Entries, Vec<Vec<u8>>), ReadError> {
        let starts = self.place.starts()?;
        // A segment's latest time is in the next one's beginning.
        let is_before = |next: &&crate::segment::SegmentStart| {
            next.previous.is_some_and(|previous| previous.times.1 < from_microseconds)
        };
        let skipped = starts.iter().skip(1).take_while(is_before).count();
        let Some(start) = starts.get(skipped) else { return Ok((self.cursor(0)?, Vec::new())) };
        let clocks = start.clocks.iter().map(|(_, entry)| entry.clone()).collect();
        Ok((self.cursor(start.first_index())?, clocks))
    }
}

impl Listing {
    fn note_clock(&mut self, entry: &[u8]) {
        if let Ok(Entry::Clock(clock)) = Entry::decode(entry) {
            if self.clocks.len() == KEPT_CLOCKS {
                self.clocks.pop_front();
            }
            self.clocks.push_back((Hash::of_leaf(entry), clock));
        }
    }
}

impl Iterator for Listing {
    type Item = Result<Listed, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        loop {
            let (index, entry) = match self.entries.as_mut()?.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error)),
            };
            let mut clock = None;
            match &entry {
                Entry::Clock(_) => self.note_clock(&entry.encode()),
                Entry::Token(token) => {
                    let known = self.clocks.iter().rev().find(|(hash, _)| *hash == token.clock_state);
                    clock = known.map(|(_, clock)| clock.clone());
                }
                Entry::Event(_) => {}
            }
            if (self.from_microseconds..self.to_microseconds).contains(&entry.time_microseconds()) {
                return Some(Ok(Listed { index, entry, clock }));
            }
        }
    }
}
