//! The extensions of a request: checked once for form, number and repetition, then only listed.
//!
//! What an extension says is never looked into: none is known, so all are refused (RFC 3161 §2.4.1), critical or not.

use super::MAX_EXTENSIONS;
use attestamp_strict_der::{Element, Oid, Reader, tag};
use attestamp_strict_der::{Malformed, Reason};

/// `Extensions` of a request, in their order; empty where the field is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extensions<'a> {
    found: [Option<Extension<'a>>; MAX_EXTENSIONS],
}

/// One `Extension` (RFC 5280 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    id: Oid<'a>,
    critical: bool,
    value: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Extension<'a>> {
        self.found.into_iter().flatten()
    }

    pub(super) const fn none() -> Self {
        Self { found: [None; MAX_EXTENSIONS] }
    }

    /// Reads the content of `[0] IMPLICIT Extensions`: SIZE (1..MAX), no identifier twice.
    pub(super) fn read(list: &Element<'a>) -> Result<Self, Malformed> {
        let mut extensions = Self::none();
        let mut members = list.reader();
        if members.is_empty() {
            return Err(list.malformed(Reason::EmptyList));
        }
        for place in 0..=MAX_EXTENSIONS {
            if members.is_empty() {
                break;
            }
            let member = members.required(tag::SEQUENCE)?;
            let extension = Extension::read(&member)?;
            if extensions.iter().any(|earlier| earlier.id == extension.id) {
                return Err(member.malformed(Reason::DuplicateExtension));
            }
            let Some(place) = extensions.found.get_mut(place) else {
                return Err(member.malformed(Reason::TooManyExtensions { limit: MAX_EXTENSIONS }));
            };
            *place = Some(extension);
        }
        Ok(extensions)
    }
}

impl<'a> Extension<'a> {
    /// The identifier.
    #[must_use]
    pub const fn id(&self) -> Oid<'a> {
        self.id
    }

    /// Whether it is marked critical.
    #[must_use]
    pub const fn critical(&self) -> bool {
        self.critical
    }

    /// The content of `extnValue`.
    #[must_use]
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    fn read(extension: &Element<'a>) -> Result<Self, Malformed> {
        let mut fields: Reader<'a> = extension.reader();
        let id = Oid::from_element(&fields.required(tag::OBJECT_IDENTIFIER)?)?;
        let critical = match fields.optional(tag::BOOLEAN)? {
            Some(flag) if flag.boolean()? => true,
            Some(flag) => return Err(flag.malformed(Reason::EncodedDefault)),
            None => false,
        };
        let value = fields.required(tag::OCTET_STRING)?.content;
        fields.finish()?;
        Ok(Self { id, critical, value })
    }
}
