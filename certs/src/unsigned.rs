//! The frame that certificates, requests and CRLs share: the bytes to sign, then `SIGNED{…}` of X.509.
//!
//! Private to the crate: `UnsignedCertificate`, `UnsignedCsr` and `UnsignedCrl` are the public faces. The signature's
//! worth is not checked here, only that what leaves is well-formed DER; [`SignatureAlgorithm::verify`] checks the worth.

use der::asn1::{AnyRef, BitStringRef};
use der::{Decode, Encode, Sequence};

use crate::SignatureAlgorithm;

/// Bytes to sign, and the algorithm that they name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsigned {
    to_be_signed: Vec<u8>,
    algorithm: SignatureAlgorithm,
}

impl Unsigned {
    pub(crate) fn new(to_be_signed: Vec<u8>, algorithm: SignatureAlgorithm) -> Self {
        Self { to_be_signed, algorithm }
    }

    pub(crate) fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Adds the algorithm and the signature, then reads the whole as a `T` and writes it again: both must be the same.
    pub(crate) fn attach<T>(self, signature: &[u8]) -> Result<Vec<u8>, AttachError>
    where
        T: for<'a> Decode<'a, Error = der::Error> + Encode,
    {
        if signature.is_empty() {
            return Err(AttachError::SignatureEmpty);
        }
        let signed = Signed {
            to_be_signed: AnyRef::from_der(&self.to_be_signed)?,
            algorithm: AnyRef::from_der(self.algorithm.algorithm_identifier_der())?,
            signature: BitStringRef::from_bytes(signature)?,
        }
        .to_der()?;
        if T::from_der(&signed)?.to_der()? == signed { Ok(signed) } else { Err(AttachError::NotCanonical) }
    }
}

/// `SIGNED{ToBeSigned}` of X.509 (RFC 5280 §4.1, §5.1; RFC 2986 §4.2).
#[derive(Sequence)]
struct Signed<'a> {
    to_be_signed: AnyRef<'a>,
    algorithm: AnyRef<'a>,
    signature: BitStringRef<'a>,
}

/// Why a signature could not be attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// There is no signature.
    #[error("the signature is empty")]
    SignatureEmpty,
    /// The finished structure does not read back.
    #[error("the signed structure does not decode")]
    Encoding {
        /// The codec's reason.
        #[from]
        source: der::Error,
    },
    /// The finished structure, decoded and encoded again, is another one.
    #[error("the signed structure is not canonical DER")]
    NotCanonical,
}
