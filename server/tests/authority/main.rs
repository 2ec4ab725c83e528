//! The authority itself, from the body of a request to the token, in one process: a data folder that `init` made, the
//! real embedded token, a clock that the test moves and, where a fault is wanted, a signer that the test scripts.
//!
//! Tests are named by the rule that they show. HTTP stands in front only where its answer is the point; what hostile
//! clients send is `tests/http`, what other people's tools make of the tokens is `interop-tests`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a failed unwrap is a failed test; the allowance in clippy.toml does not reach functions beside the tests"
)]

mod attestation;
mod clock;
mod concurrency;
mod crls;
mod expiry;
mod folder;
mod harness;
mod ledger;
mod nested;
mod place;
mod reload;
mod requests;
mod retirement;
mod selection;
mod signer_faults;
mod signers;
mod start_refusals;
mod time_servers;
mod tsu_commands;
mod web;
