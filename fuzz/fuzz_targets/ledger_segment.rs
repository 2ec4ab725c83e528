//! A ledger whose `entries` are any octets: it is opened, recovered, written to and read again, or refused.
//!
//! Beyond "does not panic": what recovery kept is there at the next start, with what was recorded after it, and nothing is
//! torn then.
//!
//! `cargo fuzz run -s none ledger_segment fuzz/corpus/ledger_segment fuzz/seeds/ledger_segment`
#![no_main]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use attestamp_ledger::ledger::{CommitObserver, RecordError};
use attestamp_ledger::{Hash, Ledger, LedgerConfig, LedgerReader, TokenEntry};
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct Ignored;

impl CommitObserver for Ignored {
    fn committed(&self, _entries: usize, _bytes: usize, _duration: Duration) {}
    fn failed(&self, error: &RecordError) {
        panic!("{error}");
    }
    fn resumed(&self) {}
}

fn config() -> LedgerConfig {
    LedgerConfig {
        begin: true,
        origin: "tsa.example/ledger".into(),
        keys: Vec::new(),
        segment_bytes: 1 << 20,
        segment_monthly: false,
        retry: Duration::from_secs(1),
        observer: Arc::new(Ignored),
    }
}

fn token() -> TokenEntry {
    TokenEntry {
        token_hash: Hash([1; 32]),
        serial: [0x11, 0x22].into(),
        gen_time_microseconds: 1_795_305_600_000_000,
        certificate_hash: Hash([2; 32]),
        policy: [0x2A, 3, 4].into(),
        clock_state: Hash([3; 32]),
    }
}

/// In memory where there is such a folder: each input is some syncs.
fn scratch() -> tempfile::TempDir {
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() { tempfile::tempdir_in(folder) } else { tempfile::tempdir() };
    folder.expect("a folder")
}

fuzz_target!(|input: &[u8]| {
    let folder = scratch();
    let (ledger, anchor) = (folder.path().join("ledger"), folder.path().join("anchor"));
    drop(Ledger::open(&ledger, &anchor, config()).expect("a new ledger"));
    std::fs::write(ledger.join("segments/00000001/entries"), input).expect("the entries");
    let Ok((opened, recovery)) = Ledger::open(&ledger, &anchor, config()) else { return };
    assert_eq!(opened.record(&token()).wait().expect("a place"), recovery.size);
    drop(opened);
    let (_, again) = Ledger::open(&ledger, &anchor, config()).expect("a ledger that was recovered");
    assert_eq!((again.size, again.torn), (recovery.size + 1, None));
    let reader = LedgerReader::open(&ledger).expect("a ledger");
    let count = reader.entries(0).map(|entry| entry.expect("an entry")).zip(0..).count();
    assert_eq!(u64::try_from(count), Ok(again.size));
});
