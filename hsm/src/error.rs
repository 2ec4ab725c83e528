//! What can go wrong between us and a PKCS#11 module, with the CKR code and the C_ function kept.
//!
//! The variants are split by what an operator can do about them; [`HsmError::remedy`] says what the signing pool does.
//! Nothing here carries a PIN, a key or a signature.

use std::fmt;
use std::path::PathBuf;

use cryptoki::context::Function;
use cryptoki::error::{Error as CryptokiError, Rv, RvError};

use crate::algorithm::KeyAlgorithm;
use crate::key::KeyId;
use crate::pin::{PinError, PinTries};
use crate::uri::Pkcs11Uri;

/// A PKCS#11 return code other than CKR_OK.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ReturnCode(RvError);

impl ReturnCode {
    /// The code with this number (PKCS#11 v3.2, `pkcs11t.h`); `None` for 0, CKR_OK.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        match Rv::from(number) {
            Rv::Ok => None,
            Rv::Error(code) => Some(Self(code)),
        }
    }

    pub(crate) fn is_one_of(self, codes: &[RvError]) -> bool {
        codes.contains(&self.0)
    }
}

impl fmt::Display for ReturnCode {
    /// The standard's own name, `CKR_PIN_INCORRECT`; vendor and unknown codes as a hexadecimal number.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let RvError::VendorDefined(number) | RvError::UnknownErrorCode(number) = self.0 {
            return write!(formatter, "CKR 0x{number:X}");
        }
        formatter.write_str("CKR")?;
        for letter in format!("{:?}", self.0).chars() {
            if letter.is_ascii_uppercase() {
                formatter.write_str("_")?;
            }
            write!(formatter, "{}", letter.to_ascii_uppercase())?;
        }
        Ok(())
    }
}

impl fmt::Debug for ReturnCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The C function of the module that failed.
#[derive(Clone, Copy)]
pub struct CFunction(Function);

impl CFunction {
    /// C_Sign, for signers that have no module behind them.
    pub const SIGN: Self = Self(Function::Sign);
    /// C_Login, for signers that have no module behind them.
    pub const LOGIN: Self = Self(Function::Login);
}

impl fmt::Display for CFunction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "C_{:?}", self.0)
    }
}

impl fmt::Debug for CFunction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A call that returned something other than CKR_OK.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{function} returned {code}")]
pub struct CallFailed {
    /// What the module returned.
    pub code: ReturnCode,
    /// Which call returned it.
    pub function: CFunction,
}

impl CallFailed {
    pub(crate) fn is(&self, code: RvError) -> bool {
        self.code.0 == code
    }

    pub(crate) fn is_about_the_pin(&self) -> bool {
        self.code.is_one_of(PIN_REFUSED)
    }
}

/// Anything that failed in this crate, but for a pool's own refusals ([`crate::SignError`]).
#[derive(Debug, thiserror::Error)]
pub enum HsmError {
    /// The module returned an error that has no variant of its own.
    #[error(transparent)]
    Call(#[from] CallFailed),
    /// The binding itself failed: a function missing from the module, a value that does not convert.
    #[error("the PKCS#11 module does not behave as the binding needs")]
    Binding(#[source] CryptokiError),

    /// The PIN cannot be read from where it is kept.
    #[error("the PIN of the token {label} cannot be read")]
    PinUnreadable {
        /// The token.
        label: String,
        /// Why.
        #[source]
        source: Box<PinError>,
    },
    /// There is no file at the module's path.
    #[error("there is no PKCS#11 module at {}: install it, or correct the path", path.display())]
    LibraryMissing {
        /// The configured path.
        path: PathBuf,
    },
    /// The file is there and is not a PKCS#11 module that can be loaded.
    #[error("{} cannot be loaded as a PKCS#11 module", path.display())]
    LibraryUnusable {
        /// The configured path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: CryptokiError,
    },
    /// The embedded token's database does not exist.
    #[error("the embedded token has no database at {}: initialise it first, or correct the path", path.display())]
    DatabaseMissing {
        /// The configured path.
        path: PathBuf,
    },
    /// The embedded token's database has a name that it cannot be opened by.
    #[error("the embedded token's database {} must have a UTF-8 path that ends in .sql", path.display())]
    DatabaseName {
        /// The configured path.
        path: PathBuf,
    },
    /// The embedded token's database or its folder cannot be created or protected.
    #[error("cannot prepare the embedded token's database {}", path.display())]
    DatabaseFile {
        /// The configured path.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Some call into the module has not returned, so the module cannot be started again now.
    #[error("the PKCS#11 module is busy in a call that has not returned, and cannot be started again now")]
    ModuleBusy,
    /// The module was started again after this session was opened.
    #[error("the PKCS#11 module was started again after this session was opened")]
    SessionStale,

    /// No token matches.
    #[error("no token matches {wanted}; the module has {}", list(present))]
    TokenMissing {
        /// What was asked for.
        wanted: Box<Pkcs11Uri>,
        /// The labels of the initialised tokens that there are.
        present: Vec<String>,
    },
    /// More than one token matches.
    #[error("{found} tokens match {wanted}: add serial= or slot-id= to tell them apart")]
    TokenAmbiguous {
        /// What was asked for.
        wanted: Box<Pkcs11Uri>,
        /// How many match.
        found: usize,
    },
    /// There is no blank token to initialise.
    #[error("the module has no blank token that could be initialised")]
    NoBlankToken,
    /// A token of this label exists already.
    #[error("there is already a token with the label {label}")]
    TokenExists {
        /// The label.
        label: String,
    },
    /// A label that PKCS#11 has no room for.
    #[error("the token label has {found} bytes; it needs 1 to {maximum}")]
    TokenLabelLength {
        /// Its length in bytes.
        found: usize,
        /// What fits (CK_TOKEN_INFO.label).
        maximum: usize,
    },

    /// The token refused the PIN.
    #[error("the token {label} refused the PIN: {tries}")]
    PinRefused {
        /// The token's label.
        label: String,
        /// What the token says about further tries.
        tries: PinTries,
        /// The call that failed.
        #[source]
        source: CallFailed,
    },

    /// No private key matches.
    #[error("the token {label} has no private key {wanted}")]
    KeyMissing {
        /// The token's label.
        label: String,
        /// What was asked for.
        wanted: Box<KeyQuery>,
    },
    /// More than one private key matches.
    #[error("the token {label} has {found} private keys that match {wanted}: name one by its id")]
    KeyAmbiguous {
        /// The token's label.
        label: String,
        /// What was asked for.
        wanted: Box<KeyQuery>,
        /// How many match.
        found: usize,
    },
    /// A key with this id exists already.
    #[error("the token {label} already has a key with the id {id}")]
    KeyExists {
        /// The token's label.
        label: String,
        /// The id, CKA_ID.
        id: KeyId,
    },
    /// The token made a key that it would give away; it was destroyed again.
    #[error("the token {label} does not keep the key {id} sensitive, non-extractable and for signing only")]
    KeyUnprotected {
        /// The token's label.
        label: String,
        /// The id, CKA_ID.
        id: KeyId,
    },
    /// The token lacks a mechanism.
    #[error("the token {label} does not have the mechanism {mechanism}, which {algorithm} needs")]
    MechanismMissing {
        /// The token's label.
        label: String,
        /// The mechanism's name.
        mechanism: &'static str,
        /// What it was wanted for.
        algorithm: KeyAlgorithm,
    },
    /// The key is of a kind that we do not sign with.
    #[error("the key {id} is of a kind that is not supported")]
    KeyUnsupported {
        /// The id, CKA_ID.
        id: KeyId,
    },
    /// The public half can be had neither from CKA_PUBLIC_KEY_INFO nor from a public key object.
    #[error("the public key of {id} cannot be read from the token")]
    PublicKeyUnreadable {
        /// The id, CKA_ID.
        id: KeyId,
    },
    /// Under this id there is now another key than the expected one.
    #[error("the key {id} in the token is not the expected one: its public key differs")]
    KeyReplaced {
        /// The id, CKA_ID.
        id: KeyId,
    },
    /// A signature made with the key does not verify under its public key.
    #[error("the test signature of the key {id} does not verify under the expected public key")]
    TestSignatureInvalid {
        /// The id, CKA_ID.
        id: KeyId,
    },
    /// A signature that was made for a request does not verify.
    #[error("a signature that the module made does not verify")]
    SignatureInvalid,
    /// The module returned something that is no signature of this kind.
    #[error(
        "a {algorithm} signature of {found} bytes came back; {expected} were expected, and none of them void"
    )]
    SignatureForm {
        /// The key's algorithm.
        algorithm: KeyAlgorithm,
        /// How long such a signature is in PKCS#11's form, in bytes.
        expected: usize,
        /// How long this one was, in bytes.
        found: usize,
    },
    /// The signing session panicked.
    #[error("the signing session panicked")]
    Panicked,
    /// The operating system has no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
    /// The operating system started no thread.
    #[error("cannot start a thread of the signing pool")]
    Thread(#[source] std::io::Error),
}

/// What a key was looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyQuery {
    /// By CKA_ID alone.
    Id(KeyId),
    /// By the `id` and `object` of a PKCS#11 URI.
    Uri(Pkcs11Uri),
}

impl fmt::Display for KeyQuery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(formatter, "with the id {id}"),
            Self::Uri(uri) => write!(formatter, "{uri}"),
        }
    }
}

/// What the signing pool does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// This request alone fails.
    FailRequest,
    /// The session is gone: open another and try the request once more.
    ReopenSession,
    /// Start again from the module: log in, find the key, check it, open sessions.
    Recover,
    /// Trying again would do harm (a PIN would be locked) or sign with the wrong key: stop until a person has looked.
    StayDown,
}

/// The session or its operation is void; a new session is enough.
const SESSION_LOST: &[RvError] = &[
    RvError::SessionHandleInvalid,
    RvError::SessionClosed,
    RvError::OperationActive,
    RvError::OperationNotInitialized,
];
/// Says nothing about the module's health.
const REQUESTS_OWN: &[RvError] =
    &[RvError::DataInvalid, RvError::DataLenRange, RvError::FunctionCanceled, RvError::FunctionRejected];
/// Each further try may cost a try of the PIN's, or cannot help.
const PIN_REFUSED: &[RvError] = &[
    RvError::PinIncorrect,
    RvError::PinInvalid,
    RvError::PinLenRange,
    RvError::PinExpired,
    RvError::PinLocked,
    RvError::UserPinNotInitialized,
];

impl HsmError {
    /// What the signing pool does about this error.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Call(call) if call.code.is_one_of(SESSION_LOST) => Remedy::ReopenSession,
            Self::Call(call) if call.code.is_one_of(REQUESTS_OWN) => Remedy::FailRequest,
            Self::Call(call) if call.code.is_one_of(PIN_REFUSED) => Remedy::StayDown,
            Self::PinRefused { .. }
            | Self::KeyReplaced { .. }
            | Self::KeyAmbiguous { .. }
            | Self::TokenAmbiguous { .. } => Remedy::StayDown,
            Self::Call(_)
            | Self::PinUnreadable { .. }
            | Self::Binding(_)
            | Self::LibraryMissing { .. }
            | Self::LibraryUnusable { .. }
            | Self::DatabaseMissing { .. }
            | Self::DatabaseName { .. }
            | Self::DatabaseFile { .. }
            | Self::ModuleBusy
            | Self::SessionStale
            | Self::TokenMissing { .. }
            | Self::NoBlankToken
            | Self::TokenExists { .. }
            | Self::TokenLabelLength { .. }
            | Self::KeyMissing { .. }
            | Self::KeyExists { .. }
            | Self::KeyUnprotected { .. }
            | Self::MechanismMissing { .. }
            | Self::KeyUnsupported { .. }
            | Self::PublicKeyUnreadable { .. }
            // No harm in another attempt: each begins with the key and a signature that must verify.
            | Self::TestSignatureInvalid { .. }
            | Self::SignatureInvalid
            | Self::SignatureForm { .. }
            | Self::Panicked
            | Self::Random(_)
            | Self::Thread(_) => Remedy::Recover,
        }
    }

    /// Whether the module said that it is not initialised (CKR_CRYPTOKI_NOT_INITIALIZED).
    pub(crate) fn is_not_initialised(&self) -> bool {
        self.is_call(RvError::CryptokiNotInitialized)
    }

    pub(crate) fn is_call(&self, code: RvError) -> bool {
        matches!(self, Self::Call(call) if call.is(code))
    }
}

impl From<CryptokiError> for HsmError {
    fn from(error: CryptokiError) -> Self {
        if let CryptokiError::Pkcs11(code, function) = error {
            Self::Call(CallFailed { code: ReturnCode(code), function: CFunction(function) })
        } else {
            Self::Binding(error)
        }
    }
}

fn list(labels: &[String]) -> String {
    if labels.is_empty() {
        "no initialised token".to_owned()
    } else {
        format!("the tokens {}", labels.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{CFunction, CallFailed, HsmError, Remedy, ReturnCode};

    #[test]
    fn a_failed_call_names_its_code_and_its_function_as_the_standard_does() {
        let failed = CallFailed { code: ReturnCode::from_number(0xA0).unwrap(), function: CFunction::LOGIN };
        assert_eq!(failed.to_string(), "C_Login returned CKR_PIN_INCORRECT");
        let vendor = ReturnCode::from_number(0x8000_0001).unwrap();
        assert_eq!(vendor.to_string(), "CKR 0x80000001");
        assert_eq!(ReturnCode::from_number(0), None);
    }

    #[test]
    fn a_refused_pin_is_never_tried_again() {
        for number in [0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0x102] {
            let failed =
                CallFailed { code: ReturnCode::from_number(number).unwrap(), function: CFunction::LOGIN };
            assert_eq!(HsmError::Call(failed).remedy(), Remedy::StayDown, "{failed}");
        }
    }
}
