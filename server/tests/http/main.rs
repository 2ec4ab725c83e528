//! The HTTP layer on real sockets: what it answers, and what hostile clients cannot do to it.
//!
//! The authority behind it is a double, so that no HSM is needed and a signature can be held for as long as a test wants.
//! Every hostile case ends by asking for one more timestamp, which must be granted. Deadlines are shortened in the
//! limits; tests wait for what the server does, never for time to pass.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed unwrap is a failed test; the allowance in clippy.toml does not reach functions beside the tests"
)]

mod attestation;
mod floods;
mod harness;
mod hostile;
mod http2;
mod ledger;
mod lifecycle;
mod page;
mod routes;
mod stamps;
mod tls;
