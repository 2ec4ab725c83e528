//! Opening a PKCS#11 module: the token that is linked in, or any other by its path.

use std::fmt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::MechanismType;
use cryptoki::session::UserType;
use cryptoki::slot::Slot;

use crate::error::HsmError;
use crate::key::SlotId;
use crate::loaded::{Loaded, OpenSession};
use crate::pin::{Pin, PinKeeper, PinTries};
use crate::token::Token;
use crate::uri::Pkcs11Uri;

/// The length of CK_TOKEN_INFO.label.
const TOKEN_LABEL_MAXIMUM_BYTES: usize = 32;

/// Which module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleSource {
    /// The software token that is linked into the program, with its SQLite database, whose name ends in `.sql`.
    Embedded {
        /// The database.
        database: PathBuf,
    },
    /// A shared library.
    Library {
        /// Its path.
        path: PathBuf,
    },
}

/// An initialised PKCS#11 module. Clones, and further `open`s of the same module, share it.
#[derive(Debug, Clone)]
pub struct Module {
    loaded: Arc<Loaded>,
    /// Of the embedded token: which database of several this is.
    database: Option<PathBuf>,
}

/// What a token says of itself (CK_TOKEN_INFO).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Where the module sees it.
    pub slot: SlotId,
    /// Given at its initialisation.
    pub label: String,
    /// Who made it.
    pub manufacturer: String,
    /// What it is.
    pub model: String,
    /// Which one it is.
    pub serial: String,
    /// Hardware version, major.minor.
    pub hardware_version: (u8, u8),
    /// Firmware version, major.minor.
    pub firmware_version: (u8, u8),
    /// CKF_TOKEN_INITIALIZED.
    pub is_initialised: bool,
    /// CKF_LOGIN_REQUIRED.
    pub is_login_required: bool,
    /// CKF_USER_PIN_INITIALIZED.
    pub has_user_pin: bool,
    /// CKF_WRITE_PROTECTED.
    pub is_write_protected: bool,
    /// CKF_PROTECTED_AUTHENTICATION_PATH: the PIN is entered at the device.
    pub has_pin_pad: bool,
    /// CKF_ERROR_STATE: the device failed a self-test.
    pub is_in_error_state: bool,
    /// What is left of the user PIN's tries.
    pub pin_tries: PinTries,
}

/// Whether the embedded token's database is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreHealth {
    /// It is, or the module keeps its keys itself.
    Good,
    /// The database has been deleted. The token goes on signing until it is started again, and never after.
    Missing,
    /// Another file lies at the database's path.
    Exchanged,
    /// The database has been emptied.
    Empty,
    /// The database or its folder cannot be looked at.
    Unreadable,
}

impl fmt::Display for StoreHealth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Good => "the token's store is there",
            Self::Missing => "the token's database has been deleted",
            Self::Exchanged => "another file lies in the place of the token's database",
            Self::Empty => "the token's database is empty",
            Self::Unreadable => "the token's database cannot be read",
        })
    }
}

impl Module {
    /// Opens a module that exists.
    ///
    /// # Errors
    /// [`HsmError::LibraryMissing`], [`HsmError::LibraryUnusable`], [`HsmError::DatabaseMissing`],
    /// [`HsmError::DatabaseName`], or the module's own.
    pub fn open(source: &ModuleSource) -> Result<Self, HsmError> {
        match source {
            ModuleSource::Library { path } => Ok(Self { loaded: Loaded::library(path)?, database: None }),
            ModuleSource::Embedded { database } => {
                let path = database_path(database)?;
                // kryoptic would make a new, empty one, and the operator look in vain for the keys.
                if !path.exists() {
                    return Err(HsmError::DatabaseMissing { path });
                }
                Ok(Self { loaded: Loaded::embedded(&path)?, database: Some(path) })
            }
        }
    }

    /// Opens a module, and makes the embedded token's database first where there is none: its folder with mode 0700, the
    /// file with mode 0600. The new token is blank, see [`Module::initialise_token`].
    ///
    /// # Errors
    /// As [`Module::open`], and [`HsmError::DatabaseFile`].
    pub fn open_or_create(source: &ModuleSource) -> Result<Self, HsmError> {
        if let ModuleSource::Embedded { database } = source {
            create_database(&database_path(database)?)?;
        }
        Self::open(source)
    }

    /// The tokens that are present, blank ones among them.
    ///
    /// # Errors
    /// The module's own.
    pub fn tokens(&self) -> Result<Vec<TokenInfo>, HsmError> {
        let own = self.database.as_ref().map(|database| self.loaded.slot_of(database)).transpose()?;
        let slots = self.loaded.call(Pkcs11::get_slots_with_token)?;
        let slots = slots.into_iter().filter(|slot| own.is_none_or(|own| own == SlotId(slot.id())));
        slots.map(|slot| self.token_info(slot)).collect()
    }

    /// The names of a token's mechanisms, those that PKCS#11 v3.2 knows.
    ///
    /// # Errors
    /// The module's own.
    pub fn mechanisms(&self, slot: SlotId) -> Result<Vec<String>, HsmError> {
        Ok(self.mechanism_types(slot)?.iter().map(ToString::to_string).collect())
    }

    /// Initialises a blank token: the embedded one, or the first blank one of a library.
    ///
    /// # Errors
    /// [`HsmError::TokenExists`], [`HsmError::NoBlankToken`], [`HsmError::TokenLabelLength`], or the module's own, such
    /// as CKR_PIN_LEN_RANGE.
    pub fn initialise_token(&self, label: &str, so_pin: &Pin, user_pin: &Pin) -> Result<TokenInfo, HsmError> {
        if label.is_empty() || label.len() > TOKEN_LABEL_MAXIMUM_BYTES {
            return Err(HsmError::TokenLabelLength {
                found: label.len(),
                maximum: TOKEN_LABEL_MAXIMUM_BYTES,
            });
        }
        let tokens = self.tokens()?;
        if tokens.iter().any(|token| token.is_initialised && token.label == label) {
            return Err(HsmError::TokenExists { label: label.to_owned() });
        }
        let blank = tokens.iter().find(|token| !token.is_initialised).ok_or(HsmError::NoBlankToken)?;
        let slot = Slot::try_from(blank.slot.0)?;
        self.loaded.call(|module| module.init_token(slot, &so_pin.to_auth_pin(), label))?;
        let session = self.loaded.open_session(blank.slot, true)?;
        session.call(|session| session.login(UserType::So, Some(&so_pin.to_auth_pin())))?;
        let set = session.call(|session| session.init_pin(&user_pin.to_auth_pin()));
        session.call(|session| session.logout())?;
        set?;
        drop(session);
        // SoftHSM2 gives an initialised token another slot.
        self.find_token(&Pkcs11Uri::for_token(label))
    }

    /// Logs in to the one token that matches the URI's `token`, `serial`, `manufacturer`, `model` and `slot-id`.
    ///
    /// # Errors
    /// [`HsmError::TokenMissing`], [`HsmError::TokenAmbiguous`], [`HsmError::PinRefused`], [`HsmError::PinUnreadable`], or the module's own.
    pub fn open_token(&self, wanted: &Pkcs11Uri, pin: impl Into<PinKeeper>) -> Result<Token, HsmError> {
        Token::open(self.clone(), wanted, pin.into())
    }

    /// Whether the embedded token's database is still the file that was opened. A library's store is its own matter.
    ///
    /// kryoptic keeps its database open and goes on signing when the file is deleted; the keys are lost at the next
    /// start, so whoever issues certificates should know while the token still works.
    #[must_use]
    pub fn store_health(&self) -> StoreHealth {
        let Some(database) = &self.database else { return StoreHealth::Good };
        match database.metadata() {
            Ok(metadata) if self.loaded.file_of(database) != Some((metadata.dev(), metadata.ino())) => {
                StoreHealth::Exchanged
            }
            Ok(metadata) if metadata.len() == 0 => StoreHealth::Empty,
            Ok(_) => StoreHealth::Good,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => StoreHealth::Missing,
            Err(_) => StoreHealth::Unreadable,
        }
    }

    /// Calls C_Finalize without telling anybody, as another library in the process might. For tests of recovery.
    ///
    /// # Errors
    /// The module's own.
    #[doc(hidden)]
    pub fn dangerous_finalise(&self) -> Result<(), HsmError> {
        self.loaded.dangerous_finalise()
    }

    pub(crate) fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// Whether signing with copies of the key in memory is quicker and as safe: on the embedded token.
    pub(crate) fn prefers_session_copies(&self) -> bool {
        self.database.is_some()
    }

    pub(crate) fn open_session(&self, slot: SlotId, writable: bool) -> Result<OpenSession, HsmError> {
        self.loaded.open_session(slot, writable)
    }

    pub(crate) fn mechanism_types(&self, slot: SlotId) -> Result<Vec<MechanismType>, HsmError> {
        let slot = Slot::try_from(slot.0)?;
        self.loaded.call(|module| module.get_mechanism_list(slot))
    }

    pub(crate) fn find_token(&self, wanted: &Pkcs11Uri) -> Result<TokenInfo, HsmError> {
        let tokens = self.tokens()?;
        let mut matching = tokens.iter().filter(|token| token.matches(wanted));
        match (matching.next(), matching.count()) {
            (Some(token), 0) => Ok(token.clone()),
            (Some(_), more) => {
                Err(HsmError::TokenAmbiguous { wanted: Box::new(wanted.clone()), found: more + 1 })
            }
            (None, _) => {
                let initialised = tokens.into_iter().filter(|token| token.is_initialised);
                let present = initialised.map(|token| token.label).collect();
                Err(HsmError::TokenMissing { wanted: Box::new(wanted.clone()), present })
            }
        }
    }

    fn token_info(&self, slot: Slot) -> Result<TokenInfo, HsmError> {
        let info = self.loaded.call(|module| module.get_token_info(slot))?;
        let pin_tries = if info.user_pin_locked() {
            PinTries::Locked
        } else if info.user_pin_final_try() {
            PinTries::FinalTry
        } else if info.user_pin_count_low() {
            PinTries::CountLow
        } else {
            PinTries::Unknown
        };
        Ok(TokenInfo {
            slot: SlotId(slot.id()),
            label: info.label().to_owned(),
            manufacturer: info.manufacturer_id().to_owned(),
            model: info.model().to_owned(),
            serial: info.serial_number().to_owned(),
            hardware_version: (info.hardware_version().major(), info.hardware_version().minor()),
            firmware_version: (info.firmware_version().major(), info.firmware_version().minor()),
            is_initialised: info.token_initialized(),
            is_login_required: info.login_required(),
            has_user_pin: info.user_pin_initialized(),
            is_write_protected: info.write_protected(),
            has_pin_pad: info.protected_authentication_path(),
            is_in_error_state: info.error_state(),
            pin_tries,
        })
    }
}

impl TokenInfo {
    /// The URI that names this token: label, manufacturer, model and serial number, as `p11tool` prints it.
    #[must_use]
    pub fn uri(&self) -> Pkcs11Uri {
        Pkcs11Uri {
            token: Some(self.label.clone()),
            serial: Some(self.serial.clone()),
            manufacturer: Some(self.manufacturer.clone()),
            model: Some(self.model.clone()),
            ..Pkcs11Uri::default()
        }
    }

    fn matches(&self, wanted: &Pkcs11Uri) -> bool {
        let agrees =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        self.is_initialised
            && agrees(&wanted.token, &self.label)
            && agrees(&wanted.serial, &self.serial)
            && agrees(&wanted.manufacturer, &self.manufacturer)
            && agrees(&wanted.model, &self.model)
            && wanted.slot_id.is_none_or(|slot| slot == self.slot)
    }
}

/// Absolute, because kryoptic tells databases apart by the path that it was given, and named as kryoptic needs it.
fn database_path(database: &Path) -> Result<PathBuf, HsmError> {
    let wrong_name = || HsmError::DatabaseName { path: database.to_owned() };
    let absolute = std::path::absolute(database).map_err(|_| wrong_name())?;
    let resolved = absolute.canonicalize().unwrap_or(absolute);
    let text = resolved.to_str().ok_or_else(wrong_name)?;
    if text.ends_with(".sql") && !text.contains('\0') { Ok(resolved) } else { Err(wrong_name()) }
}

/// Makes an empty file, which SQLite takes for an empty database and whose mode it keeps and gives to its journals.
fn create_database(path: &Path) -> Result<(), HsmError> {
    let failed = |source| HsmError::DatabaseFile { path: path.to_owned(), source };
    if let Some(folder) = path.parent()
        && !folder.exists()
    {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}
