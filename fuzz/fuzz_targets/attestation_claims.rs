//! `Claims::from_der` on any input: what it reads is written again octet for octet, so that no octet of an attestation's
//! claims is unread and no two encodings mean the same.
//!
//! `cargo fuzz run -s none attestation_claims fuzz/corpus/attestation_claims fuzz/seeds/attestation_claims`
#![no_main]

use attestamp_attestation::{Claims, Platform, shortcomings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(claims) = Claims::from_der(input) {
        assert_eq!(claims.to_der(), input);
        let _ = shortcomings(&claims.key);
    }
    if let Ok(platform) = Platform::from_der(input) {
        assert_eq!(platform.to_der(), input);
    }
});
