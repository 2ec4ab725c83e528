//! A quick look into a timestamp reply: its status, and what its token claims.
//!
//! It borrows everything and takes a microsecond, so that `bench` measures the server and not itself; and `stamp`
//! compares with its request what any authority may send, also one whose DER is sloppy. It trusts no length, yet checks
//! neither signature nor DER rules: that is the strict verifier's work, in `attestamp_tsa::verify`.

use attestamp_tsa::TimeStampResp;
use attestamp_tsa::verify::{DecodedResponse, TokenInvalid};

use super::answer::ServerText;
use super::gen_time::GenTime;

/// What a `TimeStampResp` (RFC 3161 §2.4.2) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A token.
    Granted(Claims<'a>),
    /// None, and why.
    Rejected(DecodedResponse<'a>),
}

/// The fields of a token's `TSTInfo`, as claimed: nothing is verified. Integers and OIDs are content octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims<'a> {
    /// The policy's OID.
    pub policy: &'a [u8],
    /// The OID of the imprint's hash.
    pub hash: &'a [u8],
    /// The hashed message.
    pub imprint: &'a [u8],
    /// The token's serial number.
    pub serial: &'a [u8],
    /// The time, as it stands there: `20260102030405.6Z`.
    pub gen_time: &'a str,
    /// The nonce, if there is one.
    pub nonce: Option<&'a [u8]>,
}

impl Claims<'_> {
    /// The time as RFC 3339, or as it stands there if it is no DER GeneralizedTime.
    #[must_use]
    pub fn rfc3339(&self) -> String {
        let parts = (|| {
            let plain = |octet: u8| octet.is_ascii_digit() || matches!(octet, b'.' | b'Z');
            self.gen_time.bytes().all(plain).then_some(())?;
            let (date, time) = self.gen_time.strip_suffix('Z')?.split_at_checked(8)?;
            let (year, rest) = date.split_at_checked(4)?;
            let (month, day) = rest.split_at_checked(2)?;
            let (hour, rest) = time.split_at_checked(2)?;
            let (minute, second) = rest.split_at_checked(2)?;
            Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
        })();
        parts.unwrap_or_else(|| ServerText::new(self.gen_time).to_string())
    }

    /// The time as a number; `None` if it is no time.
    #[must_use]
    pub fn instant(&self) -> Option<GenTime> {
        GenTime::parse(self.gen_time)
    }

    /// The serial number in hexadecimal.
    #[must_use]
    pub fn serial_hexadecimal(&self) -> String {
        self.serial.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// The policy in dotted form.
    #[must_use]
    pub fn policy_dotted(&self) -> String {
        dotted(self.policy).unwrap_or_else(|| "an unreadable OID".into())
    }
}

/// Content octets of an OID in dotted form, also of one below 2.48 (as 2.999), which not every library reads; `None` if
/// they end within an arc or an arc is beyond 128 bits.
fn dotted(content: &[u8]) -> Option<String> {
    let mut arcs = Vec::new();
    let mut arc = 0_u128;
    for octet in content {
        arc = arc.checked_mul(128)?.checked_add(u128::from(octet & 0x7f))?;
        if octet & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    let (first, rest) =
        arcs.split_first().filter(|_| content.last().is_some_and(|octet| octet & 0x80 == 0))?;
    let root = (first / 40).min(2);
    let second = first.saturating_sub(root.saturating_mul(40));
    let mut text = format!("{root}.{second}");
    for arc in rest {
        text.push_str(&format!(".{arc}"));
    }
    Some(text)
}

/// Why a reply cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// No `TimeStampResp`.
    #[error("the reply is no timestamp response")]
    Response {
        /// The first thing that is wrong.
        source: Box<TokenInvalid>,
    },
    /// A token without what tokens have.
    #[error("the token has no {expected} where it should be")]
    Token {
        /// What should stand there.
        expected: &'static str,
    },
}

/// Looks into a reply.
///
/// # Errors
/// When it is no response, or a field of the token that is looked for is not in its place.
pub fn read(der: &[u8]) -> Result<Reply<'_>, Unreadable> {
    let response =
        TimeStampResp::decode(der).map_err(|source| Unreadable::Response { source: Box::new(source) })?;
    match response.token {
        Some(token) => read_token(token).map(Reply::Granted),
        None => Ok(Reply::Rejected(response)),
    }
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const EXPLICIT_0: u8 = 0xa0;

/// `ContentInfo` → `SignedData` → `EncapsulatedContentInfo` → `TSTInfo` (RFC 5652 §5, RFC 3161 §2.4.2).
fn read_token(token: &[u8]) -> Result<Claims<'_>, Unreadable> {
    let mut content_info = Elements(token).enter(SEQUENCE, "ContentInfo")?;
    content_info.content(OBJECT_IDENTIFIER, "contentType")?;
    let mut signed_data = content_info.enter(EXPLICIT_0, "content")?.enter(SEQUENCE, "SignedData")?;
    signed_data.content(INTEGER, "SignedData version")?;
    signed_data.content(SET, "digestAlgorithms")?;
    let mut encapsulated = signed_data.enter(SEQUENCE, "encapContentInfo")?;
    encapsulated.content(OBJECT_IDENTIFIER, "eContentType")?;
    let mut info = encapsulated
        .enter(EXPLICIT_0, "eContent")?
        .enter(OCTET_STRING, "eContent")?
        .enter(SEQUENCE, "TSTInfo")?;
    info.content(INTEGER, "TSTInfo version")?;
    let policy = info.content(OBJECT_IDENTIFIER, "policy")?;
    let mut message_imprint = info.enter(SEQUENCE, "messageImprint")?;
    let hash =
        message_imprint.enter(SEQUENCE, "hashAlgorithm")?.content(OBJECT_IDENTIFIER, "hashAlgorithm")?;
    let imprint = message_imprint.content(OCTET_STRING, "hashedMessage")?;
    let serial = info.content(INTEGER, "serialNumber")?;
    let gen_time = info.content(GENERALIZED_TIME, "genTime")?;
    let gen_time = std::str::from_utf8(gen_time).map_err(|_| Unreadable::Token { expected: "genTime" })?;
    let _accuracy = info.optional(SEQUENCE);
    let _ordering = info.optional(BOOLEAN);
    let nonce = info.optional(INTEGER);
    Ok(Claims { policy, hash, imprint, serial, gen_time, nonce })
}

/// The elements that are left of a constructed value.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The next element's content if it has this tag; otherwise nothing is taken.
    fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, after_tag) = self.0.split_first()?;
        if *found != tag {
            return None;
        }
        let (length, after_length) = read_length(after_tag)?;
        let (content, rest) = after_length.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    fn content(&mut self, tag: u8, expected: &'static str) -> Result<&'a [u8], Unreadable> {
        self.optional(tag).ok_or(Unreadable::Token { expected })
    }

    fn enter(&mut self, tag: u8, expected: &'static str) -> Result<Self, Unreadable> {
        self.content(tag, expected).map(Self)
    }
}

/// A definite length of at most four octets (X.690 §8.1.3).
fn read_length(input: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = input.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let count = usize::from(*first & 0x7f);
    if count == 0 || count > 4 {
        return None;
    }
    let (octets, rest) = rest.split_at_checked(count)?;
    let length = octets.iter().fold(0_usize, |length, octet| (length << 8) | usize::from(*octet));
    Some((length, rest))
}

#[cfg(test)]
mod tests;
