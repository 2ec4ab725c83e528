//! What is read under `/ledger/`: the checkpoint, tiles, proofs and the keys, as the tlog-tiles layout has them.
//!
//! Checkpoint and keys come from memory. Tiles and proofs are files: they are read on a thread that may block, a few at a
//! time. Everything here is open to everybody: no entry says what was stamped.

use std::sync::Arc;

use attestamp_ledger::ledger::{ProofOutcome, ReadError};
use attestamp_ledger::{TilePath, VerifierKey};
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::AuthorityLedger;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerRequest {
    /// The last signed checkpoint.
    Checkpoint,
    /// The keys that sign checkpoints.
    Keys,
    /// A tile of hashes, or a bundle of entries.
    Tile(TilePath),
    /// The proof for the token with this serial number: content octets of the INTEGER.
    Proof(Vec<u8>),
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerAnswer {
    /// The file's content.
    Found(Bytes),
    /// There is none such.
    Unknown,
    /// The token is recorded, and the checkpoint that includes it is still to come; or no checkpoint was made yet.
    Awaiting {
        /// When it is due.
        retry_after_seconds: u32,
    },
    /// No ledger is kept here.
    NoLedger,
    /// The ledger's files could not be read: the log says why.
    Failed,
}

impl AuthorityLedger {
    /// Answers a client. Dropping the future is safe at any point.
    pub async fn answer(self: Arc<Self>, request: LedgerRequest) -> LedgerAnswer {
        match request {
            LedgerRequest::Checkpoint => match self.ledger.checkpoint() {
                Some(checkpoint) => LedgerAnswer::Found(Bytes::copy_from_slice(checkpoint.note().as_bytes())),
                None => self.awaiting(),
            },
            LedgerRequest::Keys => LedgerAnswer::keys(&self.keys),
            LedgerRequest::Tile(path) => {
                let read = move |ledger: &Self| {
                    Ok(match ledger.ledger.tile(path)? {
                        Some(tile) => LedgerAnswer::Found(Bytes::from(tile)),
                        None => LedgerAnswer::Unknown,
                    })
                };
                self.read(read).await
            }
            LedgerRequest::Proof(serial) => {
                let read =
                    move |ledger: &Self| Ok(answer_of(ledger.ledger.prove(&serial)?, ledger.retry_seconds()));
                self.read(read).await
            }
        }
    }

    async fn read(
        self: Arc<Self>,
        read: impl FnOnce(&Self) -> Result<LedgerAnswer, ReadError> + Send + 'static,
    ) -> LedgerAnswer {
        let (reads, ledger) = (Arc::clone(&self.reads), self);
        read_on_a_thread(reads, move || read(&ledger)).await
    }

    fn awaiting(&self) -> LedgerAnswer {
        LedgerAnswer::Awaiting { retry_after_seconds: self.retry_seconds() }
    }

    fn retry_seconds(&self) -> u32 {
        u32::try_from(self.config.checkpoint_interval.as_secs()).unwrap_or(u32::MAX)
    }
}

impl LedgerAnswer {
    /// The verifier keys, one a line.
    pub(super) fn keys(keys: &[VerifierKey]) -> Self {
        let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
        Self::Found(Bytes::from(text))
    }
}

/// What a client is told of a look for a proof.
pub(super) fn answer_of(outcome: ProofOutcome, retry_after_seconds: u32) -> LedgerAnswer {
    match outcome {
        ProofOutcome::Proved(proof) => LedgerAnswer::Found(Bytes::from(proof.to_text())),
        ProofOutcome::Awaiting { .. } => LedgerAnswer::Awaiting { retry_after_seconds },
        ProofOutcome::Unknown => LedgerAnswer::Unknown,
    }
}

/// Reads on a thread that may block, a few at a time.
pub(super) async fn read_on_a_thread(
    reads: Arc<Semaphore>,
    read: impl FnOnce() -> Result<LedgerAnswer, ReadError> + Send + 'static,
) -> LedgerAnswer {
    // It is never closed.
    let Ok(permit) = reads.acquire_owned().await else { return LedgerAnswer::Failed };
    let reading = move || {
        // Held until the read is done, also where the client has left meanwhile.
        let _permit = permit;
        read()
    };
    match tokio::task::spawn_blocking(reading).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::error!(error = crate::log::chain(&error), "the ledger cannot be read");
            LedgerAnswer::Failed
        }
        Err(_ended) => LedgerAnswer::Failed,
    }
}

/// Digits of the longest serial number that RFC 5280 lets anybody expect: 20 octets.
const MAX_DECIMAL_DIGITS: usize = 49;
const SERIAL_OCTETS: usize = 20;

/// The content octets of a serial number as people write it: hexadecimal as `openssl ts -reply -text` prints it, with `0x`
/// before it or with the 40 digits that ours have, or decimal.
#[must_use]
pub fn serial_octets(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let is_decimal = digits.is_none()
        && text.len() != 2 * SERIAL_OCTETS
        && text.len() <= MAX_DECIMAL_DIGITS
        && text.bytes().all(|digit| digit.is_ascii_digit());
    let octets = if is_decimal { from_decimal(text)? } else { from_hexadecimal(digits.unwrap_or(text))? };
    let first = octets.iter().position(|octet| *octet != 0)?;
    let magnitude = octets.get(first..)?;
    // A positive INTEGER does not begin with a bit that is set.
    let sign: &[u8] = if magnitude.first().is_some_and(|octet| *octet >= 0x80) { &[0] } else { &[] };
    let content = [sign, magnitude].concat();
    (content.len() <= SERIAL_OCTETS).then_some(content)
}

fn from_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() || digits.len() > 2 * SERIAL_OCTETS {
        return None;
    }
    if digits.len() % 2 == 1 { crate::hex::decode(&format!("0{digits}")) } else { crate::hex::decode(digits) }
}

fn from_decimal(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty() {
        return None;
    }
    let mut octets = vec![0_u8; SERIAL_OCTETS];
    for digit in digits.bytes() {
        let mut carry = u32::from(digit.checked_sub(b'0')?);
        for octet in octets.iter_mut().rev() {
            let value = u32::from(*octet) * 10 + carry;
            let [low, ..] = value.to_le_bytes();
            *octet = low;
            carry = value >> 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_read_as_others_write_it() {
        let hexadecimal = "4f00000000000000000000000000000000000001";
        let octets = crate::hex::decode(hexadecimal).unwrap();
        for text in [
            hexadecimal.to_owned(),
            hexadecimal.to_uppercase(),
            format!("0x{hexadecimal}"),
            format!("0X{}", hexadecimal.to_uppercase()),
            // What a calculator makes of it.
            "451010270895083322414418366346040463096947933185".to_owned(),
        ] {
            assert_eq!(serial_octets(&text).as_deref(), Some(&*octets), "{text}");
        }
        assert_eq!(serial_octets("0x1").as_deref(), Some(&[1][..]));
        assert_eq!(serial_octets("255").as_deref(), Some(&[0, 255][..]));
        assert_eq!(serial_octets("0x00ff").as_deref(), Some(&[0, 255][..]));
        assert_eq!(serial_octets("ab").as_deref(), Some(&[0, 0xab][..]));
    }

    #[test]
    fn what_is_no_serial_number_of_a_token_is_none() {
        let long = "9".repeat(49);
        for text in ["", "0x", "0", "-1", "12g", "0x ff", "%34", &long, &"9".repeat(50), &"f".repeat(40)] {
            assert_eq!(serial_octets(text), None, "{text}");
        }
    }
}
