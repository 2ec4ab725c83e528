//! PKCS#11: modules, tokens, keys and signatures. The only folder that links `cryptoki`.
//!
//! [`Module`] is a PKCS#11 library, either the software token that is linked in or any other by its path; [`Token`] is a
//! logged-in token in it; [`SigningPool`] signs with one key from many threads, and comes back by itself when sessions,
//! module or token are lost. What is signed, and whether it may be, is nobody's concern here: no HTTP, no CMS, no X.509.
//!
//! `cryptoki` logs each mechanism that it has no name for as an error, through the `log` crate, whenever a token lists
//! its mechanisms: a program should silence the target [`NOISY_LOG_TARGET`].

mod algorithm;
mod error;
mod key;
mod loaded;
mod module;
mod pin;
mod pool;
mod signature;
mod spki;
mod token;
mod uri;

pub use algorithm::{KeyAlgorithm, KeyAlgorithmUnknown, SignatureScheme};
pub use error::{CFunction, CallFailed, HsmError, KeyQuery, Remedy, ReturnCode};
pub use key::{Date, KeyAttributes, KeyId, KeyIdInvalid, KeyInfo, SlotId};
pub use module::{Module, ModuleSource, StoreHealth, TokenInfo};
pub use pin::{Pin, PinError, PinKeeper, PinSource, PinTries};
pub use pool::{
    Dispatch, DispatchChoice, PoolConfig, PoolCounters, PoolState, SessionSource, SignError, Signature,
    SigningPool, SigningSession,
};
pub use token::{Token, TokenTime};
pub use uri::{ObjectType, Pkcs11Uri, UriError};

/// The target of `log` records that say nothing to an operator: mechanisms that the binding has no name for.
pub const NOISY_LOG_TARGET: &str = "cryptoki::mechanism";
