//! Keys, entries and configurations that tests share.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::Signer as _;
use ml_dsa::KeyInit as _;
use signature::{Keypair as _, SignatureEncoding as _};

use crate::checkpoint::{Checkpoint, CheckpointSignature, SignedCheckpoint};
use crate::entry::{ClockAssurance, ClockEntry, ClockVerdict, KernelState, NetworkState, TokenEntry};
use crate::hash::Hash;
use crate::ledger::{CommitObserver, LedgerConfig, RecordError};
use crate::note::{NoteAlgorithm, VerifierKey};

pub(crate) const ORIGIN: &str = "tsa.example/ledger";
/// When the tests' tokens are from: 2026-11-22T00:00:00Z.
pub(crate) const TIME_MICROSECONDS: u64 = 1_795_305_600_000_000;

/// A ledger's two keys.
pub(crate) struct TestKeys {
    ed25519: ed25519_dalek::SigningKey,
    ml_dsa: ml_dsa::SigningKey<ml_dsa::MlDsa44>,
    pub(crate) verifiers: Vec<VerifierKey>,
}

impl TestKeys {
    pub(crate) fn new(seed: u8) -> Self {
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        let ml_dsa = ml_dsa::SigningKey::new(&[seed; 32].into());
        let verifiers = vec![
            VerifierKey::new(ORIGIN, NoteAlgorithm::Ed25519, ed25519.verifying_key().as_bytes()).unwrap(),
            VerifierKey::new(ORIGIN, NoteAlgorithm::MlDsa44, &ml_dsa.verifying_key().encode()).unwrap(),
        ];
        Self { ed25519, ml_dsa, verifiers }
    }

    pub(crate) fn signature(&self, place: usize, checkpoint: &Checkpoint, time_seconds: u64) -> Vec<u8> {
        let key = &self.verifiers[place];
        let bytes = checkpoint.bytes_to_sign(key.algorithm(), key.name(), time_seconds);
        match key.algorithm() {
            NoteAlgorithm::Ed25519 => self.ed25519.sign(&bytes).to_bytes().to_vec(),
            NoteAlgorithm::MlDsa44 => signature::Signer::sign(&self.ml_dsa, &bytes).to_bytes().to_vec(),
        }
    }

    /// Signed by both.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> SignedCheckpoint {
        self.sign_with(checkpoint, &[0, 1])
    }

    /// Signed by Ed25519 alone, which is quicker.
    pub(crate) fn sign_quickly(&self, checkpoint: &Checkpoint) -> SignedCheckpoint {
        self.sign_with(checkpoint, &[0])
    }

    fn sign_with(&self, checkpoint: &Checkpoint, places: &[usize]) -> SignedCheckpoint {
        let time_seconds = 1_795_305_601;
        let signatures: Vec<_> = places
            .iter()
            .map(|&place| CheckpointSignature {
                key: &self.verifiers[place],
                time_seconds,
                signature: self.signature(place, checkpoint, time_seconds),
            })
            .collect();
        checkpoint.clone().attach(&signatures).unwrap()
    }
}

/// The token with this number; its serial number is different from every other's.
pub(crate) fn token(number: u64) -> TokenEntry {
    TokenEntry {
        token_hash: Hash::of(&number.to_be_bytes()),
        serial: [&[0x11], &Hash::of(&number.to_le_bytes()).0[..15]].concat().into(),
        gen_time_microseconds: TIME_MICROSECONDS + number,
        certificate_hash: Hash::of(b"certificate"),
        policy: [0x2a, 3, 4].into(),
        clock_state: Hash::of(b"clock"),
    }
}

pub(crate) fn clock(number: u64) -> ClockEntry {
    ClockEntry {
        time_microseconds: TIME_MICROSECONDS + number,
        boot_microseconds: number,
        verdict: ClockVerdict::Passed,
        assurance: ClockAssurance::KernelAndNetwork,
        kernel: Some(KernelState {
            state: 0,
            status: 1,
            maximum_error_microseconds: 1500,
            estimated_error_microseconds: 20,
            offset_nanoseconds: -12,
        }),
        network: Some(NetworkState {
            offset_nanoseconds: -34_567,
            bound_nanoseconds: 1_000_000,
            agreeing: 3,
            answered: 4,
            asked: 4,
        }),
        reason: "".into(),
    }
}

#[derive(Debug)]
pub(crate) struct Ignored;

impl CommitObserver for Ignored {
    fn committed(&self, _entries: usize, _bytes: usize, _duration: Duration) {}
    fn failed(&self, _error: &RecordError) {}
    fn resumed(&self) {}
}

pub(crate) fn config(keys: &TestKeys) -> LedgerConfig {
    LedgerConfig {
        origin: ORIGIN.into(),
        keys: keys.verifiers.clone(),
        segment_bytes: 1 << 30,
        segment_monthly: false,
        retry: Duration::from_millis(1),
        begin: true,
        observer: Arc::new(Ignored),
    }
}
