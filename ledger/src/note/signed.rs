//! A signed note as a text and its signature lines (C2SP signed-note), within limits. What the text says and whether the
//! signatures hold is for the caller.

use base64ct::{Base64, Encoding as _};

/// A note has a tree's head and a few signatures of at most 2.5 KiB.
pub(crate) const MAXIMUM_NOTE_BYTES: usize = 64 * 1024;
/// Twice what every verifier must accept.
const MAXIMUM_SIGNATURES: usize = 32;

/// A note, taken apart.
#[derive(Debug)]
pub(crate) struct SignedNote<'a> {
    /// With its last newline.
    pub(crate) text: &'a str,
    pub(crate) signatures: Vec<SignatureLine<'a>>,
}

/// `— NAME BASE64`
#[derive(Debug)]
pub(crate) struct SignatureLine<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: u32,
    pub(crate) signature: Vec<u8>,
}

/// What is wrong, and in which line, from 1.
#[derive(Debug)]
pub(crate) struct NoteError {
    pub(crate) line: usize,
    pub(crate) what: &'static str,
}

impl<'a> SignedNote<'a> {
    pub(crate) fn parse(note: &'a str) -> Result<Self, NoteError> {
        let fail = |line, what| Err(NoteError { line, what });
        if note.len() > MAXIMUM_NOTE_BYTES {
            return fail(1, "more than 64 KiB");
        }
        if let Some(place) = note.bytes().position(|octet| octet < 0x20 && octet != b'\n') {
            let before = note.bytes().take(place).filter(|&octet| octet == b'\n').count();
            return fail(before + 1, "a control character");
        }
        // The last empty line divides the text from the signatures.
        let Some((text, lines)) = note.rfind("\n\n").and_then(|place| note.split_at_checked(place + 1))
        else {
            return fail(1, "no empty line before the signatures");
        };
        let first_line = text.matches('\n').count() + 2;
        let Some(lines) = lines.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n')) else {
            return fail(first_line, "no newline at the end");
        };
        let mut signatures = Vec::new();
        for (line, number) in lines.split('\n').zip(first_line..) {
            if signatures.len() == MAXIMUM_SIGNATURES {
                return fail(number, "more than 32 signatures");
            }
            match SignatureLine::parse(line) {
                Some(signature) => signatures.push(signature),
                None => return fail(number, "a signature that is not an em dash, a name and base64"),
            }
        }
        Ok(Self { text, signatures })
    }
}

impl<'a> SignatureLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
        if name.is_empty() || name.contains(|character: char| character.is_whitespace() || character == '+') {
            return None;
        }
        let signature = Base64::decode_vec(signature).ok()?;
        let (&id, signature) = signature.split_first_chunk()?;
        (!signature.is_empty()).then(|| Self {
            name,
            id: u32::from_be_bytes(id),
            signature: signature.to_vec(),
        })
    }

    /// The line, with its newline.
    pub(crate) fn to_text(&self) -> String {
        let signature = [&self.id.to_be_bytes(), &*self.signature].concat();
        format!("— {} {}\n", self.name, Base64::encode_string(&signature))
    }
}
