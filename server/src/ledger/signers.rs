//! The keys that sign checkpoints, each behind a pool of its own: one that lost its session comes back by itself.
//!
//! Every signature is verified before a checkpoint goes anywhere (`Checkpoint::attach`).

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use attestamp_certs::UnixTime;
use attestamp_hsm::{KeyAlgorithm, Pkcs11Uri, PoolConfig, Signature, SigningPool, Token};
use attestamp_ledger::checkpoint::CheckpointSignature;
use attestamp_ledger::{Checkpoint, SignedCheckpoint, VerifierKey};

use super::{CheckpointFailed, LedgerError, keys};
use crate::config::{LedgerConfig, TokenConfig};
use crate::tokens::Tokens;

/// One for the checkpoint at hand, and one for the look that a pool has at its key now and then.
const SESSIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// The keys.
#[derive(Debug)]
pub(super) struct Signers(Vec<Signer>);

#[derive(Debug)]
struct Signer {
    /// The setting that names it.
    setting: &'static str,
    verifier: VerifierKey,
    pool: SigningPool,
}

impl Signers {
    pub(super) fn open(
        config: &LedgerConfig,
        tables: &BTreeMap<String, TokenConfig>,
        tokens: &mut Tokens,
    ) -> Result<Self, LedgerError> {
        let token = tokens.open(tables, &config.token)?;
        let mut open = |setting, key: &Pkcs11Uri, required| {
            let (origin, token, key) = (config.origin.clone(), Arc::clone(&token), key.clone());
            tokens.ask(&config.token, move || Signer::open(&origin, &token, setting, &key, required))?
        };
        let mut signers = vec![open("key", &config.key, KeyAlgorithm::Ed25519)?];
        if let Some(key) = &config.pq_key {
            signers.push(open("pq-key", key, KeyAlgorithm::MlDsa44)?);
        }
        Ok(Self(signers))
    }

    /// Auditors have the file and not the token: what is not in it they could not verify.
    pub(super) fn check_listed(&self, listed: &[VerifierKey], path: &Path) -> Result<(), LedgerError> {
        match self.0.iter().find(|signer| !listed.contains(&signer.verifier)) {
            None => Ok(()),
            Some(signer) => Err(LedgerError::KeyNotListed {
                path: path.to_owned(),
                setting: signer.setting,
                key: signer.verifier.to_string().into(),
            }),
        }
    }

    pub(super) fn dangerous_lose_sessions(&self) {
        self.0.iter().for_each(|signer| signer.pool.dangerous_lose_sessions());
    }

    /// Signs with every key. A checkpoint that one of them has not signed is none: a verifier may know that one alone.
    pub(super) fn sign(
        &self,
        checkpoint: Checkpoint,
        now: UnixTime,
    ) -> Result<SignedCheckpoint, CheckpointFailed> {
        let time_seconds = now.as_secs();
        let mut signatures = Vec::with_capacity(self.0.len());
        for signer in &self.0 {
            let key = &signer.verifier;
            let message = checkpoint.bytes_to_sign(key.algorithm(), key.name(), time_seconds);
            let signature = signer
                .pool
                .sign_now(&message)
                .map(Signature::into_octets)
                .map_err(|source| CheckpointFailed::Sign { setting: signer.setting, source })?;
            signatures.push(CheckpointSignature { key, time_seconds, signature });
        }
        Ok(checkpoint.attach(&signatures)?)
    }
}

impl Signer {
    fn open(
        origin: &str,
        token: &Token,
        setting: &'static str,
        uri: &Pkcs11Uri,
        required: KeyAlgorithm,
    ) -> Result<Self, LedgerError> {
        let key = token.find_uri(uri)?;
        if key.algorithm != required {
            return Err(LedgerError::Algorithm { setting, found: key.algorithm, required });
        }
        let verifier = keys::verifier(origin, &key)?;
        let pool = PoolConfig { sessions: SESSIONS, holds_module: false, ..PoolConfig::default() };
        let pool = token.signing_pool(&key.id, &key.spki_der, pool)?;
        Ok(Self { setting, verifier, pool })
    }
}
