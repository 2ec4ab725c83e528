//! `TimeStampReq` (RFC 3161 §2.4.1), read strictly and without a copy.
//!
//! Strict means: one value has one encoding (DER), every byte is consumed, and what is not read here is refused. That
//! is more than RFC 3161 asks of a server, and it leaves no byte in which two parsers could differ. What the request
//! *asks for* (version, hash, policy, nonce) is judged by [`Profile::decide`](crate::Profile::decide), not here.

mod extensions;

pub use extensions::{Extension, Extensions};

use attestamp_strict_der::{Element, Oid, Reader, tag};
use attestamp_strict_der::{Malformed, Reason};

/// Longest request, in octets. An honest one has 50 to 250; the body limit in front of the decoder is the same.
pub const MAX_REQUEST_LENGTH: usize = 16 * 1024;
/// Most extensions in a request. No extension of a request is registered today; RFC 3161 clients send none.
pub const MAX_EXTENSIONS: usize = 8;
/// Deepest nesting inside the one value of free form, the parameters of the hash algorithm. Real ones have no depth;
/// the structures around them are at most four deep by their grammar, and nothing recurses.
pub const MAX_NESTING: usize = 16;

/// Departures from DER that old clients need. All off unless switched on by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compatibility {
    /// Accept `certReq` FALSE where it is encoded (`01 01 00`), which X.690 §11.5 forbids and some old clients do.
    pub explicit_cert_req_false: bool,
}

/// A decoded request; its fields are slices of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeStampReq<'a> {
    version: &'a [u8],
    message_imprint: MessageImprint<'a>,
    req_policy: Option<Oid<'a>>,
    nonce: Option<&'a [u8]>,
    cert_req: bool,
    extensions: Extensions<'a>,
}

/// `MessageImprint`: which hash, and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageImprint<'a> {
    der: &'a [u8],
    hash_algorithm: Oid<'a>,
    hash_parameters: HashParameters,
    hashed_message: &'a [u8],
}

/// The parameters beside a hash algorithm's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashParameters {
    /// None, as RFC 5754 §2 has it.
    Absent,
    /// NULL, as older clients write it; the same algorithm (RFC 5754 §2).
    Null,
    /// Anything else: not one of the hash algorithms that we know.
    Other,
}

impl<'a> TimeStampReq<'a> {
    /// Decodes a request that must be DER throughout.
    ///
    /// # Errors
    /// [`Malformed`] with the offset of the first wrong byte. A client is told badDataFormat (§2.4.2).
    pub fn decode(der: &'a [u8]) -> Result<Self, Malformed> {
        Self::decode_with(der, Compatibility::default())
    }

    /// Decodes a request in which the named departures from DER are accepted.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_with(der: &'a [u8], compatibility: Compatibility) -> Result<Self, Malformed> {
        if der.len() > MAX_REQUEST_LENGTH {
            let reason = Reason::InputTooLong { length: der.len(), limit: MAX_REQUEST_LENGTH };
            return Err(Malformed { offset: 0, reason });
        }
        let mut input = Reader::new(der);
        let request = input.required(tag::SEQUENCE)?;
        input.finish()?;

        let mut fields = request.reader();
        let version = fields.required(tag::INTEGER)?.integer()?;
        let message_imprint = MessageImprint::read(&fields.required(tag::SEQUENCE)?)?;
        let req_policy = match fields.optional(tag::OBJECT_IDENTIFIER)? {
            Some(policy) => Some(Oid::from_element(&policy)?),
            None => None,
        };
        let nonce = match fields.optional(tag::INTEGER)? {
            Some(nonce) => Some(nonce.integer()?),
            None => None,
        };
        let cert_req = match fields.optional(tag::BOOLEAN)? {
            Some(flag) if flag.boolean()? => true,
            Some(_) if compatibility.explicit_cert_req_false => false,
            Some(flag) => return Err(flag.malformed(Reason::EncodedDefault)),
            None => false,
        };
        let extensions = match fields.optional(tag::CONTEXT_0)? {
            Some(list) => Extensions::read(&list)?,
            None => Extensions::none(),
        };
        fields.finish()?;
        Ok(Self { version, message_imprint, req_policy, nonce, cert_req, extensions })
    }

    /// Content octets of the version INTEGER, whatever its value.
    #[must_use]
    pub const fn version(&self) -> &'a [u8] {
        self.version
    }

    /// What is to be timestamped.
    #[must_use]
    pub const fn message_imprint(&self) -> &MessageImprint<'a> {
        &self.message_imprint
    }

    /// The policy asked for.
    #[must_use]
    pub const fn req_policy(&self) -> Option<Oid<'a>> {
        self.req_policy
    }

    /// Content octets of the nonce INTEGER: any sign, any length.
    #[must_use]
    pub const fn nonce(&self) -> Option<&'a [u8]> {
        self.nonce
    }

    /// Whether the token must carry certificates.
    #[must_use]
    pub const fn cert_req(&self) -> bool {
        self.cert_req
    }

    /// The extensions, in their order.
    #[must_use]
    pub const fn extensions(&self) -> Extensions<'a> {
        self.extensions
    }
}

impl<'a> MessageImprint<'a> {
    fn read(imprint: &Element<'a>) -> Result<Self, Malformed> {
        let mut fields = imprint.reader();
        let mut algorithm = fields.required(tag::SEQUENCE)?.reader();
        let hash_algorithm = Oid::from_element(&algorithm.required(tag::OBJECT_IDENTIFIER)?)?;
        let hash_parameters = if algorithm.is_empty() {
            HashParameters::Absent
        } else {
            let parameters = algorithm.any()?;
            parameters.check_nested(MAX_NESTING)?;
            if parameters.tag == tag::NULL { HashParameters::Null } else { HashParameters::Other }
        };
        algorithm.finish()?;
        let hashed_message = fields.required(tag::OCTET_STRING)?.content;
        fields.finish()?;
        Ok(Self { der: imprint.der, hash_algorithm, hash_parameters, hashed_message })
    }

    /// The whole SEQUENCE as it came, to be echoed byte for byte (§2.4.2).
    #[must_use]
    pub const fn as_der(&self) -> &'a [u8] {
        self.der
    }

    /// The hash algorithm's identifier.
    #[must_use]
    pub const fn hash_algorithm(&self) -> Oid<'a> {
        self.hash_algorithm
    }

    /// The hash algorithm's parameters.
    #[must_use]
    pub const fn hash_parameters(&self) -> HashParameters {
        self.hash_parameters
    }

    /// The hash value.
    #[must_use]
    pub const fn hashed_message(&self) -> &'a [u8] {
        self.hashed_message
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
