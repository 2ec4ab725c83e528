//! A segment's folder: a range of the tree's leaves, with what is needed to check it without the others.
//!
//! `start` is a text of lines, the last of which is the SHA-256 of those before it. It is there before the segment is used,
//! and never changes.

use std::path::{Path, PathBuf};

use crate::hash::{Hash, hexadecimal, octets_from_hexadecimal};
use crate::tile::decimal;
use crate::tree::Frontier;

const FIRST_LINE: &str = "attestamp-ledger-segment-1";

/// States of the clock that a segment's beginning repeats: those that its first tokens may refer to.
pub(crate) const KEPT_CLOCKS: usize = 8;

/// More leaves no ledger has. What is computed from a number below it does not overflow.
const MAXIMUM_LEAVES: u64 = 1 << 48;

/// The paths of a ledger's folder.
pub(crate) fn segments_folder(ledger: &Path) -> PathBuf {
    ledger.join(SEGMENTS)
}

/// The folder of segments, in the ledger's.
pub(crate) const SEGMENTS: &str = "segments";

/// A segment's folder.
pub(crate) fn segment_folder(ledger: &Path, number: u32) -> PathBuf {
    segments_folder(ledger).join(format!("{number:08}"))
}

pub(crate) const START: &str = "start";
pub(crate) const ENTRIES: &str = "entries";
pub(crate) const CHECKPOINTS: &str = "checkpoints";
pub(crate) const START_CHECKPOINT: &str = "start.checkpoint";
pub(crate) const END_CHECKPOINT: &str = "end.checkpoint";

/// The number of a segment's folder.
pub(crate) fn segment_number(name: &str) -> Option<u32> {
    let number = name.parse().ok().filter(|&number| number > 0)?;
    (format!("{number:08}") == name).then_some(number)
}

/// What is in a segment's `start`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentStart {
    /// From 1.
    pub(crate) number: u32,
    /// The tree before it; its size is the first leaf's index.
    pub(crate) frontier: Frontier,
    /// The segment before it; `None` for the first.
    pub(crate) previous: Option<SealedSegment>,
    /// The last states of the clock before it: indexes and entries, in order.
    pub(crate) clocks: Vec<(u64, Vec<u8>)>,
}

/// A segment that gets no more entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedSegment {
    /// Octets of its frames.
    pub(crate) length: u64,
    /// The earliest and the latest time of its entries, microseconds since 1970-01-01T00:00:00Z.
    pub(crate) times: (u64, u64),
}

impl SegmentStart {
    /// The first segment's.
    pub(crate) fn first() -> Self {
        Self { number: 1, frontier: Frontier::default(), previous: None, clocks: Vec::new() }
    }

    /// The first leaf's index.
    pub(crate) fn first_index(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\nnumber {}\nfirst {}\n", self.number, self.first_index());
        if let Some(SealedSegment { length, times: (earliest, latest) }) = self.previous {
            text.push_str(&format!("previous-length {length}\nprevious-times {earliest} {latest}\n"));
        }
        for (index, entry) in &self.clocks {
            text.push_str(&format!("clock {index} {}\n", hexadecimal(entry)));
        }
        for node in self.frontier.nodes() {
            text.push_str(&format!("node {node}\n"));
        }
        let hash = Hash::of(text.as_bytes());
        text + &format!("sha256 {hash}\n")
    }

    /// Reads the text; `None` if it is not in the one form.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.split_terminator('\n').peekable();
        let number = |line: Option<&str>, name: &str| decimal(line?.strip_prefix(name)?);
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let segment = u32::try_from(number(lines.next(), "number ")?).ok()?;
        let first = number(lines.next(), "first ").filter(|&first| first <= MAXIMUM_LEAVES)?;
        let mut previous = None;
        if let Some(length) = number(lines.peek().copied(), "previous-length ") {
            lines.next();
            let (earliest, latest) = lines.next()?.strip_prefix("previous-times ")?.split_once(' ')?;
            previous = Some(SealedSegment { length, times: (decimal(earliest)?, decimal(latest)?) });
        }
        let mut clocks = Vec::new();
        while let Some(clock) = lines.peek().and_then(|line| line.strip_prefix("clock ")) {
            let (index, entry) = clock.split_once(' ')?;
            clocks.push((decimal(index)?, octets_from_hexadecimal(entry)?));
            lines.next();
        }
        let mut nodes = Vec::new();
        while let Some(node) = lines.peek().and_then(|line| line.strip_prefix("node ")) {
            nodes.push(Hash::from_hexadecimal(node)?);
            lines.next();
        }
        let start = Self { number: segment, frontier: Frontier::new(first, nodes)?, previous, clocks };
        // The checksum, and everything that is written another way than we write it.
        (start.to_text() == text && start.clocks.len() <= KEPT_CLOCKS).then_some(start)
    }
}

/// Months since year 0 of a time, in the Gregorian calendar and UTC.
pub(crate) fn month(time_microseconds: u64) -> u64 {
    // Days since 0000-03-01; the calendar repeats itself every 400 years of 146097 days.
    let days = time_microseconds / 86_400_000_000 + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    // January and February belong to the year that began in March before.
    (cycle * 400 + year) * 12 + month_from_march + 2
}

#[cfg(test)]
mod tests;
