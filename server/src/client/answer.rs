//! What an HTTP answer to a timestamp query is: a reply in DER, or the server's reason why there is none.
//!
//! Only status 200 with `application/timestamp-reply` carries a reply (RFC 3161 §3.4). For everything else the error
//! repeats what the server said, from its problem document (RFC 9457) if it sent one. A server's text is shown to
//! people and therefore never printed as it came: see [`ServerText`].

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};

use super::transport::{Answer, REPLY_MEDIA_TYPE};

/// Longest text of a server that is shown, in characters.
const TEXT_LIMIT: usize = 300;

/// A text that a server chose: shortened, and with control characters escaped, so that it cannot steer a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerText(String);

impl ServerText {
    /// Takes the text of a server.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut shown = String::new();
        let mut characters = text.trim().chars();
        for character in characters.by_ref().take(TEXT_LIMIT) {
            if steers_a_terminal(character) {
                shown.extend(character.escape_unicode());
            } else {
                shown.push(character);
            }
        }
        if characters.next().is_some() {
            shown.push('…');
        }
        Self(shown)
    }

    fn from_octets(octets: &[u8]) -> Self {
        Self::new(&String::from_utf8_lossy(octets))
    }
}

impl fmt::Display for ServerText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Control characters, and the marks that turn the direction of writing.
fn steers_a_terminal(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Why an HTTP answer is no timestamp reply.
#[derive(Debug, thiserror::Error)]
pub enum NoReply {
    /// Another status than 200.
    #[error("the server answered {status}{}", Said(explanation.as_ref()))]
    Status {
        /// The status.
        status: StatusCode,
        /// What the server said about it: the problem document's detail or title, or the address it points to.
        explanation: Option<ServerText>,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// Status 200, but another media type.
    #[error("the server answered with {} and not {REPLY_MEDIA_TYPE}; is this the URL of a timestamping authority?",
        found.as_ref().map_or("no media type", |found| found.0.as_str()))]
    MediaType {
        /// The media type, if there is one.
        found: Option<ServerText>,
    },
}

struct Said<'a>(Option<&'a ServerText>);

impl fmt::Display for Said<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |text| write!(formatter, ": {text}"))
    }
}

impl Answer {
    /// The reply in DER.
    ///
    /// # Errors
    /// When status or media type are not those of RFC 3161 §3.4.
    pub fn into_reply(self) -> Result<Bytes, NoReply> {
        if self.status != StatusCode::OK {
            return Err(NoReply::Status {
                status: self.status,
                explanation: explanation(&self),
                retry_after: retry_after(&self.header),
            });
        }
        if !has_media_type(&self.header, REPLY_MEDIA_TYPE) {
            let found = self.header.get(CONTENT_TYPE).map(|value| ServerText::from_octets(value.as_bytes()));
            return Err(NoReply::MediaType { found });
        }
        Ok(self.body)
    }
}

/// Whether the header names exactly one media type, this one; its parameters do not matter (RFC 9110 §8.3.1).
#[must_use]
pub fn has_media_type(header: &HeaderMap, wanted: &str) -> bool {
    let mut values = header.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(wanted)
}

fn explanation(answer: &Answer) -> Option<ServerText> {
    if answer.status.is_redirection() {
        let place = text_of(&answer.header, &LOCATION)?;
        return Some(ServerText::new(&format!("redirects are not followed; it points to {place}")));
    }
    if !has_media_type(&answer.header, "application/problem+json") {
        return None;
    }
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    let text = ["detail", "title"].into_iter().find_map(|member| problem.get(member)?.as_str())?;
    Some(ServerText::new(text))
}

/// The wait that `Retry-After` asks for: seconds, or a date, which is read against the server's own `Date` so that
/// neither clock has to be right (RFC 9110 §10.2.3).
fn retry_after(header: &HeaderMap) -> Option<Duration> {
    let value = text_of(header, &RETRY_AFTER)?;
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    let until = parser.parse_timestamp(value).ok()?;
    let now = parser.parse_timestamp(text_of(header, &DATE)?).ok()?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

fn text_of<'a>(header: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    header.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests;
