//! `Entry::decode` on any input: what it reads is written again octet for octet, so that no octet of a leaf is unread and
//! no two encodings mean the same.
//!
//! `cargo fuzz run -s none ledger_entry fuzz/corpus/ledger_entry fuzz/seeds/ledger_entry`
#![no_main]

use attestamp_ledger::Entry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| match Entry::decode(input) {
    Ok(entry) => {
        assert_eq!(entry.encode(), input);
        let _ = entry.time_microseconds();
    }
    Err(error) => assert!(error.offset <= input.len()),
});
