//! RFC 3161 timestamping: requests, decisions and tokens, without a clock, a key or a socket.
//!
//! The path of a request through this crate: [`TimeStampReq::decode`] reads it, [`Profile::decide`] grants or refuses
//! it, [`UnsignedToken::build`] writes what is to be signed, [`UnsignedToken::attach`] takes the signature, and
//! [`TimeStampResp`] makes the reply. What can go wrong on the way is a [`Malformed`] request, a [`Refusal`] or a
//! [`Fault`], and [`Failure::failure_info`] is the one place that says how a client learns of it.
//!
//! Time, serial numbers and nonces are arguments; nothing here calls a signer.

mod accuracy;
mod failure;
mod gen_time;
mod policy_oid;
mod profile;
mod query;
mod request;
mod response;
mod serial;
mod token;
mod tst_info;
pub mod verify;

pub use accuracy::{Accuracy, AccuracyError};
pub use attestamp_strict_der::{Malformed, Oid, Reason};
pub use failure::{Failure, Fault, PkiFailureInfo, Refusal};
pub use gen_time::{GenTimePrecision, GeneralizedTime, InstantOutOfRange, UtcInstant};
pub use policy_oid::{PolicyOid, PolicyOidError};
pub use profile::{ChainDepth, EssHash, Etsi, Grant, MAX_NONCE_LENGTH, Profile, ProfileConfig, ProfileError};
pub use query::{HashLengthMismatch, Query};
pub use request::{
    Compatibility, Extension, Extensions, HashParameters, MAX_EXTENSIONS, MAX_NESTING, MAX_REQUEST_LENGTH,
    MessageImprint, TimeStampReq,
};
pub use response::{PkiStatus, TimeStampResp};
pub use serial::{Serial, SerialPrefix};
pub use token::{CertificateError, TemplateError, TimeStampToken, TokenTemplate, UnsignedToken};
