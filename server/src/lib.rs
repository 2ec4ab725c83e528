//! The `attestamp` program as a library: configuration, HTTP, command line, wiring, metrics and the real clock.
//!
//! A library so that tests can run the router with a fake clock and a test signer in one process. What a timestamp is
//! and when one is granted is decided in `tsa`; what a key is, in `hsm`. Nothing here parses ASN.1.

pub mod authority;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod data_folder;
pub mod hierarchy;
pub mod http;
pub mod issue;
pub mod log;
pub mod metrics;
pub mod serial;
pub mod tsu;
