//! Times for which the operator had switched the ledger off: they must not look like a pause (E8).
//!
//! Whoever issues, or changes keys, without the ledger that the data folder has, leaves a mark in `state/` first. Whoever
//! opens the ledger next puts the interval on record, and removes the mark once that is durable. Before that the mark gets
//! the interval's end, so that a crash in between makes the same record twice, and not another one.
//!
//! An operator who removes the mark as well is not found out here.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use attestamp_certs::UnixTime;
use attestamp_ledger::{EventEntry, EventKind};

use super::{LedgerError, events};
use crate::clock;
use crate::config::LedgerSetting;
use crate::data_folder::{FILE_MODE, Layout, write_atomically};

const FIRST_LINE: &str = "attestamp-ledger-off-1";
/// What the detail of an event begins with.
const OFF_FROM: &str = "the ledger was off from ";
const MICROSECONDS_A_SECOND: u64 = 1_000_000;

/// A time without a record, as its mark has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Since when; `None` if the mark does not say it in its form.
    pub from: Option<UnixTime>,
    /// Until when; `None` as long as the ledger is off.
    pub to: Option<UnixTime>,
}

/// A time without a record, as the ledger has it: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedGap {
    /// Since when; 0 if that is not known.
    pub from_microseconds: u64,
    /// Until when.
    pub to_microseconds: u64,
}

/// Leaves the mark, durably, if the data folder has a ledger that this setting does not keep. What is not marked must not
/// be done.
///
/// # Errors
/// [`LedgerError::OffMark`].
pub fn note_off(layout: &Layout, setting: &LedgerSetting, now: UnixTime) -> Result<(), LedgerError> {
    let is_kept = matches!(setting, LedgerSetting::Kept(_));
    let is_there = setting.config().is_some() || layout.ledger_keys().exists() || layout.ledger().exists();
    if is_kept || !is_there {
        return Ok(());
    }
    let mut gaps = marked(layout)?;
    if gaps.last().is_none_or(|last| last.to.is_some()) {
        gaps.push(Gap { from: Some(now), to: None });
        write(layout, &gaps)?;
    }
    Ok(())
}

/// The times that are on no record yet, the last one first to be off still.
///
/// # Errors
/// [`LedgerError::OffMark`].
pub fn marked(layout: &Layout) -> Result<Vec<Gap>, LedgerError> {
    match fs::read(layout.ledger_off_file()) {
        Ok(octets) => Ok(parse(&octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(failed(layout, source)),
    }
}

/// Ends the last of them now, durably, and says all as events. The mark stays until [`remove`].
pub(super) fn end(layout: &Layout, origin: &str, now: UnixTime) -> Result<Vec<EventEntry>, LedgerError> {
    let mut gaps = marked(layout)?;
    if let Some(last) = gaps.last_mut().filter(|last| last.to.is_none()) {
        last.to = Some(now);
        write(layout, &gaps)?;
    }
    Ok(gaps.iter().map(|gap| event(gap, origin, now)).collect())
}

/// Removes the mark at this path: what it said is on record durably.
pub(super) fn remove(mark: &Path) -> io::Result<()> {
    match fs::remove_file(mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    mark.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn event(gap: &Gap, origin: &str, now: UnixTime) -> EventEntry {
    let to = gap.to.unwrap_or(now);
    let until = clock::rfc3339(to);
    let said = match gap.from {
        Some(from) => format!("{OFF_FROM}{} to {until}", clock::rfc3339(from)),
        None => format!("the ledger was off until {until}, since when is not known"),
    };
    EventEntry {
        detail: format!("{said}: what was issued then is on no record").into(),
        ..events::event(EventKind::Interrupted, origin, to)
    }
}

impl RecordedGap {
    /// What an event says of it; `None` if it is of another kind.
    #[must_use]
    pub fn of(event: &EventEntry) -> Option<Self> {
        if event.kind != EventKind::Interrupted {
            return None;
        }
        let from = event.detail.strip_prefix(OFF_FROM).and_then(|rest| rest.split_once(" to "));
        let from = from.and_then(|(from, _)| from.parse::<jiff::Timestamp>().ok());
        let from = from.and_then(|from| u64::try_from(from.as_microsecond()).ok());
        Some(Self { from_microseconds: from.unwrap_or(0), to_microseconds: event.time_microseconds })
    }
}

impl Gap {
    /// As the ledger would have it, with `now` as its end if it has none.
    #[must_use]
    pub fn until(&self, now: UnixTime) -> RecordedGap {
        let microseconds = |time: UnixTime| time.as_secs().saturating_mul(MICROSECONDS_A_SECOND);
        RecordedGap {
            from_microseconds: self.from.map_or(0, microseconds),
            to_microseconds: microseconds(self.to.unwrap_or(now)),
        }
    }
}

/// A line for each: seconds since 1970-01-01T00:00:00Z, from and, if it has ended, to.
fn write(layout: &Layout, gaps: &[Gap]) -> Result<(), LedgerError> {
    let mut text = format!("{FIRST_LINE}\n");
    for gap in gaps {
        let times = [Some(gap.from.map_or(0, |from| from.as_secs())), gap.to.map(|to| to.as_secs())];
        let times: Vec<_> = times.into_iter().flatten().map(|time| time.to_string()).collect();
        text.push_str(&times.join(" "));
        text.push('\n');
    }
    write_atomically(&layout.ledger_off_file(), text.as_bytes(), FILE_MODE)
        .map_err(|source| failed(layout, source))
}

/// What is in no such form was a mark all the same.
fn parse(octets: &[u8]) -> Vec<Gap> {
    let unknown = Gap { from: None, to: None };
    let Some(lines) = std::str::from_utf8(octets).ok().and_then(|text| text.strip_prefix(FIRST_LINE)) else {
        return vec![unknown];
    };
    let time = |word: &str| word.parse().ok().map(Duration::from_secs).map(UnixTime::since_unix_epoch);
    let gap = |line: &str| {
        let (from, to) = line.split_once(' ').map_or((line, None), |(from, to)| (from, Some(to)));
        Gap { from: time(from).filter(|from| from.as_secs() > 0), to: to.and_then(time) }
    };
    lines.lines().filter(|line| !line.is_empty()).map(gap).collect()
}

fn failed(layout: &Layout, source: io::Error) -> LedgerError {
    LedgerError::OffMark { path: layout.ledger_off_file(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn a_mark_that_somebody_has_spoilt_is_one_still() {
        let unknown = Gap { from: None, to: None };
        assert_eq!(parse(b""), [unknown]);
        assert_eq!(parse(b"\xff"), [unknown]);
        assert_eq!(parse(b"attestamp-ledger-off-1\nx y\n"), [unknown]);
        let said = event(&unknown, "o", time(1_795_305_600));
        assert!(said.detail.starts_with("the ledger was off until 2026-11-22T00:00:00Z"), "{}", said.detail);
        let recorded = RecordedGap::of(&said).unwrap();
        assert_eq!((recorded.from_microseconds, recorded.to_microseconds), (0, 1_795_305_600_000_000));
    }

    #[test]
    fn the_event_says_from_when_to_when() {
        let gaps = parse(b"attestamp-ledger-off-1\n1795305600 1795309200\n1795312800\n");
        let first = Gap { from: Some(time(1_795_305_600)), to: Some(time(1_795_309_200)) };
        assert_eq!(gaps, [first, Gap { from: Some(time(1_795_312_800)), to: None }]);
        let said = event(&first, "tsa.example.org/ledger", time(1_795_400_000));
        assert_eq!(
            &*said.detail,
            "the ledger was off from 2026-11-22T00:00:00Z to 2026-11-22T01:00:00Z: what was issued then is on no record"
        );
        let recorded = RecordedGap::of(&said).unwrap();
        assert_eq!(recorded, first.until(time(0)));
        assert_eq!(RecordedGap::of(&EventEntry { kind: EventKind::Started, ..said }), None);
    }
}
