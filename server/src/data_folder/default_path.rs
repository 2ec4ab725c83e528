//! Which folder is the data folder when several things could name it: `--data`, `$ATTESTAMP_DATA`, the XDG state
//! folder, and `/var/lib/attestamp` for root without a home (a service manager, a container).
//!
//! The environment is a value, so that the order can be tested; [`PathChoice::of_this_process`] reads the real one.

use std::ffi::OsString;
use std::path::PathBuf;

use thiserror::Error;

/// What may name the data folder, in falling order of precedence. Empty variables count as unset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathChoice {
    /// `--data`.
    pub argument: Option<PathBuf>,
    /// `$ATTESTAMP_DATA`.
    pub attestamp_data: Option<OsString>,
    /// `$XDG_STATE_HOME`; ignored unless absolute, as the XDG specification says.
    pub xdg_state_home: Option<OsString>,
    /// `$HOME`.
    pub home: Option<OsString>,
    /// Whether the process runs as root.
    pub is_root: bool,
}

/// Nothing names a data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no data folder is named and $HOME is not set: name one with --data DIR or $ATTESTAMP_DATA")]
pub struct NoDefaultPath;

impl PathChoice {
    /// The choice of this process, with the value of its `--data`.
    #[must_use]
    pub fn of_this_process(argument: Option<PathBuf>) -> Self {
        Self {
            argument,
            attestamp_data: std::env::var_os("ATTESTAMP_DATA"),
            xdg_state_home: std::env::var_os("XDG_STATE_HOME"),
            home: std::env::var_os("HOME"),
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    /// The data folder.
    ///
    /// # Errors
    /// [`NoDefaultPath`] if nothing names one.
    pub fn resolve(self) -> Result<PathBuf, NoDefaultPath> {
        let set = |value: Option<OsString>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = self.argument {
            return Ok(path);
        }
        if let Some(path) = set(self.attestamp_data) {
            return Ok(path);
        }
        if let Some(state) = set(self.xdg_state_home).filter(|path| path.is_absolute()) {
            return Ok(state.join("attestamp"));
        }
        match set(self.home) {
            // `/` is the home that service managers give to what has none.
            Some(home) if !(self.is_root && home.parent().is_none()) => {
                Ok(home.join(".local/state/attestamp"))
            }
            _ if self.is_root => Ok(PathBuf::from("/var/lib/attestamp")),
            _ => Err(NoDefaultPath),
        }
    }
}
