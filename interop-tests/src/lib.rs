//! What the interop tests share: the program under test as a child process, other people's tools, and bytes.
//!
//! Each file of `tests/` names one client, verifier or promise. The tests talk to `attestamp` through its command line
//! and its sockets alone, and take their verdicts from the tool that is asked: `openssl ts` says `Verification: OK` or it
//! does not. Nothing here uses attestamp's own crates: requests and replies are built and read by [`der`], so that a
//! fault in our codec cannot hide itself. Tools that are missing fail their tests and name the Debian package.

pub mod authority;
pub mod certification_authority;
pub mod connection;
pub mod data_folder;
pub mod der;
pub mod openssl_ts;
pub mod portable_executable;
pub mod program;
pub mod reply;
pub mod request;
pub mod tools;
