//! The latest instant issued, which no later token may lie well before: in memory for this process, and in the data
//! folder for the next one (F4: also across restarts).
//!
//! Writing a file for each token would cost more than the signature. The file holds the mark and a *lease* instead, an
//! instant some seconds ahead up to which this process may issue; it is renewed long before it ends, and nothing is
//! issued beyond it. A clean shutdown writes the exact mark and no lease. After a crash the next process knows that
//! nothing was issued later than the lease, and in the same boot it knows better: nothing later than what the old
//! offset of CLOCK_REALTIME against CLOCK_BOOTTIME makes of the present. So a killed process starts again without
//! waiting, and a clock that was set back meanwhile is noticed.
//!
//! A data folder restored from a backup restores its mark with it: that cannot be seen from here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::refusal::ClockRefusal;
use super::source::{BootId, ClockReadings, TimeSource, signed};
use crate::data_folder::{FILE_MODE, write_atomically};

/// How far ahead of the clock the lease is written.
const LEASE: Duration = Duration::from_secs(10);
/// The lease is renewed when less than this is left of it: what a disk may take for one write.
const RENEW_BELOW: Duration = Duration::from_secs(5);
/// A step of the clock beyond this is written down before anything is issued after it.
const OFFSET_SLACK: Duration = Duration::from_millis(10);
const RECORD_VERSION: u32 = 1;

/// The latest instant issued.
#[derive(Debug)]
pub struct HighWaterMark {
    /// Nanoseconds since 1970.
    latest: AtomicU64,
    /// Nanoseconds since 1970.
    lease_end: AtomicU64,
    /// CLOCK_REALTIME minus CLOCK_BOOTTIME in nanoseconds, as the lease was written.
    leased_offset: AtomicI64,
    file: Option<Mutex<MarkFile>>,
}

/// The mark could not be read or written.
#[derive(Debug, Error)]
pub enum HighWaterError {
    /// Reading failed.
    #[error("cannot read the clock's high-water mark {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not one that we wrote.
    #[error(
        "the clock's high-water mark {} is damaged: make sure that the clock is right, then remove the file",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Written by a later version of this program.
    #[error("the clock's high-water mark {} has format {found}, this program knows {known}", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Writing failed.
    #[error("cannot write the clock's high-water mark {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

#[derive(Debug)]
struct MarkFile {
    path: PathBuf,
    boot: Option<BootId>,
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Record {
    version: u32,
    /// Nothing was issued later than this before the record was written ...
    latest_unix_nanoseconds: u64,
    /// ... and what may have been since.
    lease: Lease,
    /// In which boot it was written.
    boot: Option<BootId>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
enum Lease {
    /// Written at a shutdown: nothing.
    Ended,
    /// Instants up to its end.
    Until {
        /// Nanoseconds since 1970.
        end: u64,
        /// CLOCK_REALTIME minus CLOCK_BOOTTIME in nanoseconds.
        offset: i64,
    },
}

impl HighWaterMark {
    /// A mark that the next process does not learn of. For tests, and for commands that issue nothing.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            latest: AtomicU64::new(0),
            lease_end: AtomicU64::new(u64::MAX),
            leased_offset: AtomicI64::new(0),
            file: None,
        }
    }

    /// The mark that earlier processes left in this file; none, if there is no file. Nothing may be issued until
    /// [`HighWaterMark::renew`] has succeeded once.
    ///
    /// # Errors
    /// [`HighWaterError`] if the file is there and cannot be understood: going on would forget what was issued.
    pub fn open(path: &Path, source: &dyn TimeSource) -> Result<Self, HighWaterError> {
        let boot = source.boot();
        let latest = match std::fs::read(path) {
            Ok(bytes) => Record::parse(path, &bytes)?.upper_bound(source.clocks(), boot.as_ref()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(HighWaterError::Unreadable { path: path.to_owned(), source }),
        };
        let file = MarkFile { path: path.to_owned(), boot };
        Ok(Self {
            latest: AtomicU64::new(latest),
            lease_end: AtomicU64::new(0),
            leased_offset: AtomicI64::new(0),
            file: Some(Mutex::new(file)),
        })
    }

    /// The latest instant issued, since 1970.
    #[must_use]
    pub fn latest(&self) -> Duration {
        Duration::from_nanos(self.latest.load(Ordering::Acquire))
    }

    /// Takes CLOCK_REALTIME as an instant that is about to be issued, and raises the mark to it. No lock: called for
    /// every token.
    ///
    /// # Errors
    /// [`ClockRefusal::BehindHighWaterMark`] if it is before the mark by more than `tolerance`;
    /// [`ClockRefusal::MarkNotStored`] if the lease does not cover it.
    pub fn admit(&self, clocks: ClockReadings, tolerance: Duration) -> Result<(), ClockRefusal> {
        let nanoseconds = self.leased_nanoseconds(clocks)?;
        // One step, so that of two threads the second sees what the first has issued.
        let latest = self.latest.fetch_max(nanoseconds, Ordering::AcqRel);
        refuse_if_behind(nanoseconds, latest, tolerance)
    }

    /// What [`HighWaterMark::admit`] would say, without raising the mark.
    ///
    /// # Errors
    /// As [`HighWaterMark::admit`].
    pub fn peek(&self, clocks: ClockReadings, tolerance: Duration) -> Result<(), ClockRefusal> {
        let nanoseconds = self.leased_nanoseconds(clocks)?;
        refuse_if_behind(nanoseconds, self.latest.load(Ordering::Acquire), tolerance)
    }

    /// Whether the lease reaches to these readings, and was written for a clock set as it is now.
    #[must_use]
    pub fn covers(&self, clocks: ClockReadings) -> bool {
        if self.file.is_none() {
            return true;
        }
        let leased = SignedDuration::from_nanos(self.leased_offset.load(Ordering::Acquire));
        let stepped = clocks.offset().saturating_sub(leased).unsigned_abs() > OFFSET_SLACK;
        !stepped && nanoseconds_of(clocks.realtime) <= self.lease_end.load(Ordering::Acquire)
    }

    /// Writes a new lease if the present one is short, or if the clock was stepped since. Blocks on the disk.
    ///
    /// # Errors
    /// [`HighWaterError::Unwritable`]: the lease stays as it is.
    pub fn renew(&self, clocks: ClockReadings) -> Result<(), HighWaterError> {
        let Some(file) = &self.file else { return Ok(()) };
        let file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let now = nanoseconds_of(clocks.realtime);
        let left = Duration::from_nanos(self.lease_end.load(Ordering::Acquire).saturating_sub(now));
        if self.covers(clocks) && (RENEW_BELOW..=LEASE).contains(&left) {
            return Ok(());
        }
        let offset = i64::try_from(clocks.offset().as_nanos()).unwrap_or(i64::MAX);
        let lease_end = now.saturating_add(nanoseconds_of(LEASE));
        file.write(self.latest.load(Ordering::Acquire), Lease::Until { end: lease_end, offset })?;
        self.leased_offset.store(offset, Ordering::Release);
        self.lease_end.store(lease_end, Ordering::Release);
        Ok(())
    }

    /// Ends the lease and writes the exact mark, at a shutdown, when nothing is issued any more.
    ///
    /// # Errors
    /// [`HighWaterError::Unwritable`]: the next process then starts from the lease, as after a crash.
    pub fn close(&self) -> Result<(), HighWaterError> {
        let Some(file) = &self.file else { return Ok(()) };
        let file = file.lock().unwrap_or_else(PoisonError::into_inner);
        self.lease_end.store(0, Ordering::Release);
        file.write(self.latest.load(Ordering::Acquire), Lease::Ended)
    }

    fn leased_nanoseconds(&self, clocks: ClockReadings) -> Result<u64, ClockRefusal> {
        let nanoseconds = u64::try_from(clocks.realtime.as_nanos()).map_err(|_| ClockRefusal::OutOfRange)?;
        if self.covers(clocks) { Ok(nanoseconds) } else { Err(ClockRefusal::MarkNotStored) }
    }
}

impl MarkFile {
    fn write(&self, latest_unix_nanoseconds: u64, lease: Lease) -> Result<(), HighWaterError> {
        let record =
            Record { version: RECORD_VERSION, latest_unix_nanoseconds, lease, boot: self.boot.clone() };
        let unwritable = |source| HighWaterError::Unwritable { path: self.path.clone(), source };
        let bytes = serde_json::to_vec(&record).map_err(|error| unwritable(error.into()))?;
        write_atomically(&self.path, &bytes, FILE_MODE).map_err(unwritable)
    }
}

impl Record {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, HighWaterError> {
        /// Read first, so that a later format is named as such and not as damage.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let damaged = |source| HighWaterError::Damaged { path: path.to_owned(), source };
        let found = serde_json::from_slice::<Version>(bytes).map_err(damaged)?.version;
        if found != RECORD_VERSION {
            let path = path.to_owned();
            return Err(HighWaterError::UnknownVersion { path, found, known: RECORD_VERSION });
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// Nanoseconds since 1970 after which nothing was issued, as far as can be known now.
    fn upper_bound(&self, now: ClockReadings, boot: Option<&BootId>) -> u64 {
        let same_boot = self.boot.is_some() && self.boot.as_ref() == boot;
        let since = match self.lease {
            Lease::Ended => 0,
            Lease::Until { end, offset } if same_boot => {
                // What the clock would show now had nobody touched it since: the crash was before that.
                let offset = SignedDuration::from_nanos(offset).saturating_add(signed(OFFSET_SLACK));
                let untouched = signed(now.boottime).saturating_add(offset);
                end.min(Duration::try_from(untouched).map_or(u64::MAX, nanoseconds_of))
            }
            Lease::Until { end, .. } => end,
        };
        self.latest_unix_nanoseconds.max(since)
    }
}

fn refuse_if_behind(nanoseconds: u64, latest: u64, tolerance: Duration) -> Result<(), ClockRefusal> {
    let behind = Duration::from_nanos(latest.saturating_sub(nanoseconds));
    if behind > tolerance {
        return Err(ClockRefusal::BehindHighWaterMark { behind, tolerance });
    }
    Ok(())
}

/// The greatest number stands for the years that do not fit, which [`ClockRefusal::OutOfRange`] refuses anyway.
fn nanoseconds_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
