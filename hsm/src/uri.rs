//! PKCS#11 URIs (RFC 7512): how configuration names a token and a key.
//!
//! A subset: the attributes that choose a token, a key, a module and a PIN's source. Any other is refused by name, not
//! passed over, for a URI that is understood in part names more than its writer meant. `pin-value` is refused because a
//! secret does not belong in a URI (RFC 7512 §4).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::key::{KeyId, SlotId};

const SCHEME: &str = "pkcs11:";
/// Longer than any sensible URI: 17 attributes of CK_TOKEN_INFO's lengths, all escaped, fit.
const LENGTH_MAXIMUM_BYTES: usize = 4096;

/// A PKCS#11 URI; every attribute that is absent matches anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pkcs11Uri {
    /// `token`: the token's label.
    pub token: Option<String>,
    /// `serial`: the token's serial number.
    pub serial: Option<String>,
    /// `manufacturer`: the token's manufacturer.
    pub manufacturer: Option<String>,
    /// `model`: the token's model.
    pub model: Option<String>,
    /// `slot-id`: the slot's number, which many modules change at every start.
    pub slot_id: Option<SlotId>,
    /// `object`: the key's label, CKA_LABEL.
    pub object: Option<String>,
    /// `id`: the key's CKA_ID, bytes.
    pub id: Option<KeyId>,
    /// `type`: what kind of object; only `private` and `public` name keys of ours.
    pub object_type: Option<ObjectType>,
    /// `module-path`: the shared library.
    pub module_path: Option<PathBuf>,
    /// `pin-source`: a `file:` URI or an absolute path.
    pub pin_source: Option<PathBuf>,
}

/// The values of `type` (RFC 7512 §2.3) that can name a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectType {
    /// A private key.
    Private,
    /// A public key.
    Public,
}

impl Pkcs11Uri {
    /// A URI that names a token by its label.
    #[must_use]
    pub fn for_token(label: &str) -> Self {
        Self { token: Some(label.to_owned()), ..Self::default() }
    }

    /// The same token, and in it the key with this CKA_ID.
    #[must_use]
    pub fn with_id(mut self, id: KeyId) -> Self {
        self.id = Some(id);
        self
    }

    fn set(&mut self, part: Part, name: &str, value: &str, offset: usize) -> Result<(), UriError> {
        let wrong = |rule| UriError::Value { name: name.to_owned(), offset, rule };
        let text =
            || percent_decode(value, offset).and_then(|b| String::from_utf8(b).map_err(|_| wrong("UTF-8")));
        let path = || match text()? {
            path if path.starts_with('/') => Ok(PathBuf::from(path)),
            uri => match uri.strip_prefix("file://").or_else(|| uri.strip_prefix("file:")) {
                Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
                _ => Err(wrong("an absolute path")),
            },
        };
        let doubled = match (part, name) {
            (Part::Path, "token") => self.token.replace(text()?).is_some(),
            (Part::Path, "serial") => self.serial.replace(text()?).is_some(),
            (Part::Path, "manufacturer") => self.manufacturer.replace(text()?).is_some(),
            (Part::Path, "model") => self.model.replace(text()?).is_some(),
            (Part::Path, "object") => self.object.replace(text()?).is_some(),
            (Part::Path, "id") => {
                let id = KeyId::new(percent_decode(value, offset)?).ok_or_else(|| wrong("1 to 64 bytes"))?;
                self.id.replace(id).is_some()
            }
            (Part::Path, "slot-id") => {
                let number = value.parse().map_err(|_| wrong("a decimal number"))?;
                self.slot_id.replace(SlotId(number)).is_some()
            }
            (Part::Path, "type") => {
                let kind = match value {
                    "private" => ObjectType::Private,
                    "public" => ObjectType::Public,
                    _ => return Err(wrong("private or public")),
                };
                self.object_type.replace(kind).is_some()
            }
            (Part::Query, "module-path") => self.module_path.replace(path()?).is_some(),
            (Part::Query, "pin-source") => self.pin_source.replace(path()?).is_some(),
            (_, "pin-value") => return Err(UriError::PinInUri),
            _ => return Err(UriError::Attribute { name: name.to_owned(), offset }),
        };
        if doubled { Err(UriError::Repeated { name: name.to_owned(), offset }) } else { Ok(()) }
    }
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Path,
    Query,
}

impl FromStr for Pkcs11Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.len() > LENGTH_MAXIMUM_BYTES {
            return Err(UriError::TooLong { found: text.len(), maximum: LENGTH_MAXIMUM_BYTES });
        }
        // RFC 3986 §3.1: the scheme is case-insensitive.
        let rest = match text.split_at_checked(SCHEME.len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
            _ => return Err(UriError::Scheme),
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        let mut offset = SCHEME.len();
        for (part, section, separator) in [(Part::Path, path, ';'), (Part::Query, query, '&')] {
            if !section.is_empty() {
                for attribute in section.split(separator) {
                    let (name, value) = attribute.split_once('=').ok_or(UriError::NoValue { offset })?;
                    uri.set(part, name, value, offset + name.len() + 1)?;
                    offset += attribute.len() + 1;
                }
            } else {
                offset += 1;
            }
        }
        Ok(uri)
    }
}

impl fmt::Display for Pkcs11Uri {
    /// The canonical form: fixed order, everything escaped but RFC 3986's unreserved characters.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = [
            ("token", self.token.as_deref().map(|text| escape(text.as_bytes(), b""))),
            ("manufacturer", self.manufacturer.as_deref().map(|text| escape(text.as_bytes(), b""))),
            ("model", self.model.as_deref().map(|text| escape(text.as_bytes(), b""))),
            ("serial", self.serial.as_deref().map(|text| escape(text.as_bytes(), b""))),
            ("slot-id", self.slot_id.map(|slot| slot.0.to_string())),
            (
                "id",
                self.id.as_ref().map(|id| id.as_bytes().iter().map(|byte| format!("%{byte:02X}")).collect()),
            ),
            ("object", self.object.as_deref().map(|text| escape(text.as_bytes(), b""))),
            (
                "type",
                self.object_type.map(|kind| match kind {
                    ObjectType::Private => "private".to_owned(),
                    ObjectType::Public => "public".to_owned(),
                }),
            ),
        ];
        let file = |path: &PathBuf| escape(path.to_string_lossy().as_bytes(), b"/");
        let query = [
            ("module-path", self.module_path.as_ref().map(file)),
            ("pin-source", self.pin_source.as_ref().map(file)),
        ];
        formatter.write_str(SCHEME)?;
        write_attributes(formatter, path, "", ";")?;
        write_attributes(formatter, query, "?", "&")
    }
}

fn write_attributes<const N: usize>(
    formatter: &mut fmt::Formatter<'_>,
    attributes: [(&str, Option<String>); N],
    first: &str,
    next: &str,
) -> fmt::Result {
    let mut separator = first;
    for (name, value) in attributes {
        if let Some(value) = value {
            write!(formatter, "{separator}{name}={value}")?;
            separator = next;
        }
    }
    Ok(())
}

fn escape(bytes: &[u8], also_plain: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also_plain.contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// RFC 3986 §2.1; `offset` is where `value` begins in the URI.
fn percent_decode(value: &str, offset: usize) -> Result<Vec<u8>, UriError> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes().enumerate();
    while let Some((place, byte)) = bytes.next() {
        if byte == b'%' {
            let mut digit = || bytes.next().and_then(|(_, digit)| char::from(digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(), digit()) else {
                return Err(UriError::Escape { offset: offset + place });
            };
            decoded.push(u8::try_from(high * 16 + low).unwrap_or(0));
        } else if byte.is_ascii_graphic() {
            decoded.push(byte);
        } else {
            return Err(UriError::Escape { offset: offset + place });
        }
    }
    Ok(decoded)
}

/// Why a text is no PKCS#11 URI of the kind that is understood here. Offsets are in bytes from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It does not begin with `pkcs11:`.
    #[error("a PKCS#11 URI begins with pkcs11:")]
    Scheme,
    /// It is longer than any sensible one.
    #[error("the PKCS#11 URI has {found} bytes, more than {maximum}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
        /// The limit.
        maximum: usize,
    },
    /// An attribute without `=`.
    #[error("the attribute at byte {offset} of the PKCS#11 URI has no value")]
    NoValue {
        /// Where it begins.
        offset: usize,
    },
    /// An attribute that is not understood here, or stands on the wrong side of the `?`.
    #[error(
        "the attribute {name} before byte {offset} of the PKCS#11 URI is not known here, or on the wrong side of '?'"
    )]
    Attribute {
        /// Its name.
        name: String,
        /// Where its value begins.
        offset: usize,
    },
    /// An attribute twice (RFC 7512 §2.3).
    #[error("the attribute {name} is repeated at byte {offset} of the PKCS#11 URI")]
    Repeated {
        /// Its name.
        name: String,
        /// Where its second value begins.
        offset: usize,
    },
    /// A `%` without two hexadecimal digits, or a character that has to be escaped.
    #[error("byte {offset} of the PKCS#11 URI is not percent-encoded as it should be")]
    Escape {
        /// Where.
        offset: usize,
    },
    /// A value of the wrong kind.
    #[error("the attribute {name} at byte {offset} of the PKCS#11 URI must be {rule}")]
    Value {
        /// Its name.
        name: String,
        /// Where its value begins.
        offset: usize,
        /// What it must be.
        rule: &'static str,
    },
    /// `pin-value`.
    #[error(
        "a PKCS#11 URI must not contain pin-value: give the PIN by a file, an environment variable or a credential"
    )]
    PinInUri,
}

#[cfg(test)]
mod tests;
