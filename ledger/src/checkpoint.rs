//! A tree's head (C2SP tlog-checkpoint), the bytes that keys sign for it, and the signed note that results.

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use crate::hash::Hash;
use crate::note::{NoteAlgorithm, NoteError, SignatureLine, SignedNote, VerifierKey};
use crate::tile::decimal;

/// The label of C2SP tlog-cosignature's `cosigned_message`.
const COSIGNED_MESSAGE_LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// The largest time in a `timestamped_signature`: 2^63 - 1.
const MAXIMUM_TIME_SECONDS: u64 = u64::MAX >> 1;

/// A tree's head, not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger's identity.
    pub origin: Box<str>,
    /// Leaves.
    pub size: u64,
    /// The root's hash.
    pub root: Hash,
}

/// A checkpoint with its signatures: the note, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Box<str>,
}

/// One signature to be put under a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointSignature<'a> {
    /// Whose.
    pub key: &'a VerifierKey,
    /// The time that was signed with it (ML-DSA-44 alone): seconds since 1970-01-01T00:00:00Z.
    pub time_seconds: u64,
    /// 64 octets for Ed25519, 2420 for ML-DSA-44.
    pub signature: Vec<u8>,
}

/// Why a note is no checkpoint, or not signed as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// The form is another.
    #[error("not a checkpoint: {what} in line {line}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What is wrong: a closed set.
        what: &'static str,
    },
    /// The origin is another ledger's.
    #[error("the checkpoint is of {found}, not of {required}")]
    Origin {
        /// The checkpoint's.
        found: Box<str>,
        /// The one asked for.
        required: Box<str>,
    },
    /// The origin cannot be in a checkpoint.
    #[error("the origin of a ledger has 1 to 255 octets, and no spaces, control characters and plus signs")]
    Name,
    /// None of the keys given has signed it.
    #[error("none of the {keys} keys given has signed the checkpoint")]
    Unsigned {
        /// How many keys were given.
        keys: usize,
    },
    /// The signature of a key that was given is wrong.
    #[error("the signature of {key} does not verify")]
    Signature {
        /// The key's name and identifier.
        key: Box<str>,
    },
}

impl Checkpoint {
    /// The text that is signed by Ed25519, with its last newline.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, Base64::encode_string(&self.root.0))
    }

    /// The exact bytes that a key of this algorithm signs: the text for Ed25519, `cosigned_message` of `name` at
    /// `time_seconds` for ML-DSA-44.
    #[must_use]
    pub fn bytes_to_sign(&self, algorithm: NoteAlgorithm, name: &str, time_seconds: u64) -> Vec<u8> {
        match algorithm {
            NoteAlgorithm::Ed25519 => self.text().into_bytes(),
            NoteAlgorithm::MlDsa44 => {
                let mut bytes = COSIGNED_MESSAGE_LABEL.to_vec();
                write_short(name, &mut bytes);
                bytes.extend(time_seconds.to_be_bytes());
                write_short(&self.origin, &mut bytes);
                bytes.extend(0_u64.to_be_bytes());
                bytes.extend(self.size.to_be_bytes());
                bytes.extend(self.root.0);
                bytes
            }
        }
    }

    /// Puts signatures under it. Each is verified, so that nothing else is ever published.
    ///
    /// # Errors
    /// [`CheckpointError::Signature`], [`CheckpointError::Unsigned`] if there is none, [`CheckpointError::Name`].
    pub fn attach(self, signatures: &[CheckpointSignature<'_>]) -> Result<SignedCheckpoint, CheckpointError> {
        if !is_origin(&self.origin) {
            return Err(CheckpointError::Name);
        }
        if signatures.is_empty() {
            return Err(CheckpointError::Unsigned { keys: 0 });
        }
        let mut note = self.text();
        note.push('\n');
        for CheckpointSignature { key, time_seconds, signature } in signatures {
            let mut octets = match key.algorithm() {
                NoteAlgorithm::Ed25519 => Vec::new(),
                NoteAlgorithm::MlDsa44 => time_seconds.to_be_bytes().to_vec(),
            };
            octets.extend(signature);
            let line = SignatureLine { name: key.name(), id: key.id(), signature: octets };
            self.check_signature(key, &line)?;
            note.push_str(&line.to_text());
        }
        Ok(SignedCheckpoint { checkpoint: self, note: note.into() })
    }

    /// Reads the text of a note.
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let fail = |line, what| Err(CheckpointError::Malformed { line, what });
        let mut lines = text.split_terminator('\n');
        let Some(origin) = lines.next().filter(|origin| is_origin(origin)) else {
            return fail(1, "an origin that is none");
        };
        let Some(size) = lines.next().and_then(decimal) else {
            return fail(2, "a size that is none");
        };
        let root = lines.next().and_then(parse_hash);
        let Some(root) = root else {
            return fail(3, "a root that is not 32 octets in base64");
        };
        if lines.next().is_some() {
            return fail(4, "an extension, which ledgers have none of");
        }
        Ok(Self { origin: origin.into(), size, root })
    }

    /// The time that was signed with it.
    fn check_signature(
        &self,
        key: &VerifierKey,
        line: &SignatureLine<'_>,
    ) -> Result<Option<u64>, CheckpointError> {
        let (time_seconds, signature) = match key.algorithm() {
            NoteAlgorithm::Ed25519 => (None, &*line.signature),
            NoteAlgorithm::MlDsa44 => match line.signature.split_first_chunk() {
                Some((&time, signature)) => (Some(u64::from_be_bytes(time)), signature),
                None => return Err(CheckpointError::Signature { key: key.label() }),
            },
        };
        let bytes = self.bytes_to_sign(key.algorithm(), key.name(), time_seconds.unwrap_or(0));
        let holds = time_seconds.is_none_or(|time| time <= MAXIMUM_TIME_SECONDS)
            && signature.len() == key.algorithm().signature_octets()
            && key.has_signed(&bytes, signature);
        if holds { Ok(time_seconds) } else { Err(CheckpointError::Signature { key: key.label() }) }
    }
}

impl SignedCheckpoint {
    /// Reads a note. Every line of a key given must verify, also where one has several, and at least one must be there; lines
    /// of other keys are ignored (C2SP signed-note).
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn verify(note: &str, origin: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let (signed, lines) = Self::read(note)?;
        if &*signed.checkpoint.origin != origin {
            let found = signed.checkpoint.origin;
            return Err(CheckpointError::Origin { found, required: origin.into() });
        }
        let mut is_signed = false;
        for line in &lines {
            for key in keys.iter().filter(|key| key.name() == line.name && key.id() == line.id) {
                signed.checkpoint.check_signature(key, line)?;
                is_signed = true;
            }
        }
        if is_signed { Ok(signed) } else { Err(CheckpointError::Unsigned { keys: keys.len() }) }
    }

    /// Reads a note without looking whether anybody has signed it.
    pub(crate) fn parse_unverified(note: &str) -> Result<Self, CheckpointError> {
        Self::read(note).map(|(signed, _)| signed)
    }

    fn read(note: &str) -> Result<(Self, Vec<SignatureLine<'_>>), CheckpointError> {
        let SignedNote { text, signatures } = SignedNote::parse(note)?;
        let checkpoint = Checkpoint::parse(text)?;
        Ok((Self { checkpoint, note: note.into() }, signatures))
    }

    /// What it says.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note, byte for byte.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Which of these keys have signed it, and when (ML-DSA-44). Signatures that do not verify do not count, and a key
    /// counts once, with its first.
    #[must_use]
    pub fn signers<'a>(&self, keys: &'a [VerifierKey]) -> Vec<(&'a VerifierKey, Option<u64>)> {
        let Ok(SignedNote { signatures, .. }) = SignedNote::parse(&self.note) else { return Vec::new() };
        let of_line = |line: &SignatureLine<'_>| {
            let is_its = |key: &&VerifierKey| key.name() == line.name && key.id() == line.id;
            let check = |key: &'a VerifierKey| Some((key, self.checkpoint.check_signature(key, line).ok()?));
            keys.iter().filter(is_its).find_map(check)
        };
        let mut signers: Vec<(&VerifierKey, Option<u64>)> = Vec::new();
        for (key, time) in signatures.iter().filter_map(of_line) {
            if !signers.iter().any(|(known, _)| *known == key) {
                signers.push((key, time));
            }
        }
        signers
    }
}

impl From<NoteError> for CheckpointError {
    fn from(NoteError { line, what }: NoteError) -> Self {
        Self::Malformed { line, what }
    }
}

/// As a key's name, which it is as well.
pub(crate) fn is_origin(origin: &str) -> bool {
    (1..=255).contains(&origin.len())
        && !origin.contains(|it: char| it.is_whitespace() || it.is_control() || it == '+')
}

/// 32 octets in base64.
pub(crate) fn parse_hash(text: &str) -> Option<Hash> {
    let mut octets = [0; 32];
    let found = Base64::decode(text, &mut octets).ok()?;
    <[u8; 32]>::try_from(found).ok().map(Hash)
}

/// At most 255 octets, with their number in front.
fn write_short(text: &str, bytes: &mut Vec<u8>) {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    bytes.push(length);
    bytes.extend(text.bytes().take(length.into()));
}

#[cfg(test)]
mod tests;
