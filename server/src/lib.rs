//! The `attestamp` program as a library: configuration, HTTP, command line, wiring, metrics and the real clock.
//!
//! A library so that tests can run the router with a fake clock and a test signer in one process. What a timestamp is
//! and when one is granted is decided in `tsa`; what a key is, in `hsm`. Nothing here decides about ASN.1 but the client, which reads the few fields that it compares.

pub mod attestation;
pub mod authority;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod crl;
pub mod data_folder;
pub mod hex;
pub mod hierarchy;
pub mod http;
pub mod issue;
pub mod ledger;
pub mod log;
pub mod metrics;
pub mod pki;
pub mod serial;
pub mod service_manager;
pub mod telemetry;
pub mod tokens;
pub mod tsu;
