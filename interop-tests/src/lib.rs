//! What the interop tests share: the program under test as a child process, other people's tools, and bytes.
//!
//! Each file of `tests/` names one client, verifier or promise. The tests talk to `attestamp` through its command line
//! and its sockets alone, and take their verdicts from the tool that is asked: `openssl ts` says `Verification: OK` or it
//! does not. Nothing here uses attestamp's own crates: requests and replies are built and read by [`der`], so that a
//! fault in our codec cannot hide itself. Tools that are missing fail their tests and name the Debian package.
//! Newer verifiers than the machine's come from the folder that `scripts/verifiers.sh` fills ([`verifiers`]).

pub mod attestation;
pub mod auditor;
pub mod authority;
pub mod bouncy_castle;
pub mod c2sp_reader;
pub mod certification_authority;
pub mod collector;
pub mod connection;
pub mod crowd;
pub mod data_folder;
pub mod der;
pub mod document;
pub mod forgery;
pub mod ledger_reader;
pub mod modern_openssl;
pub mod nested;
pub mod odd_keys;
pub mod openssl_ts;
pub mod parameter_sets;
pub mod portable_executable;
pub mod program;
pub mod prometheus;
pub mod python_cryptography;
pub mod reply;
pub mod request;
pub mod service;
pub mod signer_info;
pub mod small_disk;
pub mod softhsm;
pub mod stamped;
pub mod stamping;
pub mod token_under_test;
pub mod tools;
pub mod verifiers;
