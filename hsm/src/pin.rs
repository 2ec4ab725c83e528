//! PINs: where they come from, and that they are never printed.
//!
//! A PIN lives in memory that is wiped when it is dropped. It is read from a file, an environment variable or a systemd
//! credential, never from a command line or a PKCS#11 URI, where other processes and logs would see it.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

/// A PIN file longer than this is some other file, given by mistake.
const PIN_LENGTH_MAXIMUM_BYTES: u64 = 1024;
/// 160 bits: more than the 128 that make guessing hopeless, and a multiple of the 5 bits of a base32 letter.
const RANDOM_PIN_BYTES: usize = 20;
/// RFC 4648 base32, in lower case: nothing that a shell or a URI would take for something else.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A user's or security officer's PIN. Wiped when dropped; `Debug` does not show it.
#[derive(Clone)]
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Takes a PIN that the caller already has.
    ///
    /// # Errors
    /// [`PinError::Empty`].
    pub fn new(text: String) -> Result<Self, PinError> {
        let text = Zeroizing::new(text);
        if text.is_empty() { Err(PinError::Empty) } else { Ok(Self(text)) }
    }

    /// Makes a PIN of 160 random bits, as 32 letters of base32.
    ///
    /// # Errors
    /// [`PinError::Random`] when the operating system gives no random bytes.
    pub fn random() -> Result<Self, PinError> {
        let mut random = Zeroizing::new([0_u8; RANDOM_PIN_BYTES]);
        getrandom::fill(random.as_mut()).map_err(PinError::Random)?;
        let mut text = Zeroizing::new(String::with_capacity(RANDOM_PIN_BYTES.div_ceil(5) * 8));
        for group in random.chunks(5) {
            let bits = group.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
            for place in (0..8).rev() {
                let index = usize::try_from((bits >> (place * 5)) & 31).unwrap_or(0);
                text.push(char::from(BASE32.get(index).copied().unwrap_or(b'a')));
            }
        }
        Ok(Self(text))
    }

    /// Writes the PIN to a new file that only its owner can read, mode 0600, with a newline after it.
    ///
    /// # Errors
    /// [`PinError::Write`]; a file that exists already is left as it is.
    pub fn write_new_file(&self, path: &Path) -> Result<(), PinError> {
        let failed = |source| PinError::Write { path: path.to_owned(), source };
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(self.0.as_bytes()).map_err(failed)?;
        file.write_all(b"\n").map_err(failed)?;
        file.sync_all().map_err(failed)
    }

    pub(crate) fn to_auth_pin(&self) -> AuthPin {
        AuthPin::new(self.0.as_str().into())
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pin(not shown)")
    }
}

/// What a token logs in with, again after each loss of its session.
#[derive(Debug)]
pub enum PinKeeper {
    /// The PIN itself, in memory for as long as the token is open: for one that was just made.
    Held(Pin),
    /// Its source: read for each login and wiped after it, so that a PIN that was changed is found.
    Source(PinSource),
}

impl PinKeeper {
    pub(crate) fn to_auth_pin(&self) -> Result<AuthPin, PinError> {
        match self {
            Self::Held(pin) => Ok(pin.to_auth_pin()),
            Self::Source(source) => Ok(source.read()?.to_auth_pin()),
        }
    }
}

impl From<Pin> for PinKeeper {
    fn from(pin: Pin) -> Self {
        Self::Held(pin)
    }
}

impl From<PinSource> for PinKeeper {
    fn from(source: PinSource) -> Self {
        Self::Source(source)
    }
}

/// Where a PIN is to be read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinSource {
    /// A file that its owner alone may read: one that group or others may read is refused, because a PIN that anybody
    /// on the machine can copy protects nothing.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
    /// A systemd credential (`LoadCredential=`), by name: the file `$CREDENTIALS_DIRECTORY/NAME`. Its mode is not
    /// checked: systemd makes it, and may give it by an access control list that looks like a group's right.
    Credential(String),
}

impl PinSource {
    /// Reads the PIN. One newline (LF or CR LF) at its end is not part of it.
    ///
    /// # Errors
    /// [`PinError`], naming the file or the variable and never the PIN.
    pub fn read(&self) -> Result<Pin, PinError> {
        match self {
            Self::File(path) => read_file(path, true),
            Self::Environment(name) => {
                let text =
                    std::env::var(name).map_err(|_| PinError::VariableMissing { name: name.clone() })?;
                trimmed(Zeroizing::new(text))
            }
            Self::Credential(name) => {
                if name.is_empty() || name.contains('/') || name == ".." {
                    return Err(PinError::CredentialName { name: name.clone() });
                }
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or(PinError::NoCredentials { name: name.clone() })?;
                read_file(&Path::new(&folder).join(name), false)
            }
        }
    }
}

fn read_file(path: &Path, check_mode: bool) -> Result<Pin, PinError> {
    let failed = |source| PinError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    // Of the open file, so that it cannot be exchanged between the check and the reading.
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if check_mode && mode & 0o077 != 0 {
        return Err(PinError::Readable { path: path.to_owned(), mode });
    }
    let mut text =
        Zeroizing::new(String::with_capacity(usize::try_from(PIN_LENGTH_MAXIMUM_BYTES).unwrap_or(0) + 1));
    let length = file.take(PIN_LENGTH_MAXIMUM_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if u64::try_from(length).unwrap_or(u64::MAX) > PIN_LENGTH_MAXIMUM_BYTES {
        return Err(PinError::TooLong { path: path.to_owned(), maximum_bytes: PIN_LENGTH_MAXIMUM_BYTES });
    }
    trimmed(text)
}

fn trimmed(mut text: Zeroizing<String>) -> Result<Pin, PinError> {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err(PinError::Empty) } else { Ok(Pin(text)) }
}

/// Why there is no PIN.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// There is nothing in it.
    #[error("the PIN is empty")]
    Empty,
    /// The file cannot be read.
    #[error("cannot read the PIN file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the PIN file {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Somebody else than the owner may read the file.
    #[error("the PIN file {} has mode {mode:04o}: others than its owner may read it; run chmod 600 on it", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode, the lowest nine bits.
        mode: u32,
    },
    /// The file is too long to hold a PIN.
    #[error("the PIN file {} is longer than {maximum_bytes} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        maximum_bytes: u64,
    },
    /// The environment variable is not set, or is no UTF-8.
    #[error("the environment variable {name}, which should hold the PIN, is not set")]
    VariableMissing {
        /// Its name.
        name: String,
    },
    /// The process was started without systemd credentials.
    #[error("the PIN should be in the systemd credential {name}, but CREDENTIALS_DIRECTORY is not set")]
    NoCredentials {
        /// The credential's name.
        name: String,
    },
    /// The name would lead out of the credentials' folder.
    #[error("{name:?} is no name of a systemd credential")]
    CredentialName {
        /// The name.
        name: String,
    },
    /// The operating system has no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] getrandom::Error),
}

/// What the token's flags say about further tries of the user's PIN (CK_TOKEN_INFO.flags).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinTries {
    /// The token does not say, or many are left.
    Unknown,
    /// CKF_USER_PIN_COUNT_LOW: at least one wrong PIN since the last right one.
    CountLow,
    /// CKF_USER_PIN_FINAL_TRY: the next wrong PIN locks it.
    FinalTry,
    /// CKF_USER_PIN_LOCKED, or the login said so: the security officer has to set a new PIN.
    Locked,
    /// CKR_PIN_EXPIRED or CKR_USER_PIN_NOT_INITIALIZED: a PIN has to be set first.
    NotSet,
}

impl fmt::Display for PinTries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unknown => "check it; it is not tried again by itself",
            Self::CountLow => "check it; wrong PINs were tried and the token counts them",
            Self::FinalTry => "check it; ONE more wrong PIN locks the token",
            Self::Locked => "it is LOCKED, the security officer has to set a new one",
            Self::NotSet => "it has expired or was never set, the security officer has to set one",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Pin, PinError, PinSource};
    use std::os::unix::fs::PermissionsExt;

    fn file_with(text: &str, mode: u32) -> (tempfile::TempDir, PinSource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, PinSource::File(path))
    }

    #[test]
    fn one_newline_is_not_part_of_the_pin_and_spaces_are() {
        for (text, expected) in
            [("1234", "1234"), ("1234\n", "1234"), ("1234\r\n", "1234"), (" 1 \n\n", " 1 \n")]
        {
            let (_folder, source) = file_with(text, 0o600);
            assert_eq!(source.read().unwrap().0.as_str(), expected);
        }
    }

    #[test]
    fn a_pin_file_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o644, 0o660] {
            let (_folder, source) = file_with("1234", mode);
            assert!(matches!(source.read(), Err(PinError::Readable { mode: found, .. }) if found == mode));
        }
    }

    #[test]
    fn empty_and_overlong_pins_are_refused() {
        let (_folder, source) = file_with("\n", 0o600);
        assert!(matches!(source.read(), Err(PinError::Empty)));
        let (_folder, source) = file_with(&"x".repeat(1025), 0o600);
        assert!(matches!(source.read(), Err(PinError::TooLong { .. })));
    }

    #[test]
    fn a_missing_variable_and_a_credential_name_with_a_path_are_named() {
        let missing = PinSource::Environment("ATTESTAMP_NO_SUCH_VARIABLE".to_owned()).read().unwrap_err();
        assert!(missing.to_string().contains("ATTESTAMP_NO_SUCH_VARIABLE"));
        let path = PinSource::Credential("../secret".to_owned()).read();
        assert!(matches!(path, Err(PinError::CredentialName { .. })));
    }

    #[test]
    fn random_pins_are_long_differ_and_are_never_shown() {
        let (one, other) = (Pin::random().unwrap(), Pin::random().unwrap());
        assert_eq!(one.0.len(), 32);
        assert_ne!(one.0.as_str(), other.0.as_str());
        assert!(!format!("{one:?}").contains(one.0.as_str()));
    }

    #[test]
    fn a_written_pin_file_reads_back_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("user.pin");
        let pin = Pin::random().unwrap();
        pin.write_new_file(&path).unwrap();
        assert_eq!(PinSource::File(path.clone()).read().unwrap().0.as_str(), pin.0.as_str());
        assert!(matches!(pin.write_new_file(&path), Err(PinError::Write { .. })));
    }
}
