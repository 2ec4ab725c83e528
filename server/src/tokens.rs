//! The PKCS#11 tokens that the configuration names: each opened and logged in to once, and kept over a reload.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use attestamp_hsm::{HsmError, Module, ModuleSource, PinError, Token};

use crate::config::TokenConfig;

/// Why a token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The configuration has no such token.
    #[error("there is no [token.{name}] in attestamp.toml")]
    Unknown {
        /// The name looked for.
        name: Box<str>,
    },
    /// The PIN cannot be read.
    #[error("cannot read the PIN of token `{name}`")]
    Pin {
        /// The token's name in the configuration.
        name: Box<str>,
        /// Why.
        #[source]
        source: PinError,
    },
    /// The embedded token's database is gone, and the keys with it.
    #[error(
        "token `{name}` has no database at {}: restore it from a backup; without one its keys are lost",
        path.display()
    )]
    DatabaseMissing {
        /// The token's name in the configuration.
        name: Box<str>,
        /// Where the database should be.
        path: PathBuf,
    },
    /// The embedded token's database is not one of a token that was initialised.
    #[error(
        "the database {} of token `{name}` is not usable: restore it from a backup if it is damaged",
        path.display()
    )]
    Database {
        /// The token's name in the configuration.
        name: Box<str>,
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: HsmError,
    },
    /// The module does not come back from a call.
    #[error(
        "token `{name}` did not answer within {SILENCE_SECONDS} s: see to the HSM and the network before it; the call ends when \
         the module returns"
    )]
    Silent {
        /// The token's name in the configuration.
        name: Box<str>,
    },
    /// The module or the token refuses.
    #[error("cannot open token `{name}`")]
    Open {
        /// The token's name in the configuration.
        name: Box<str>,
        /// Why.
        #[source]
        source: HsmError,
    },
}

/// How long a token may take over what is not a signature: a slow login over a network takes a few seconds.
const SILENCE_SECONDS: u64 = 20;

const SILENCE: Duration = Duration::from_secs(SILENCE_SECONDS);

/// The open tokens, by their names in the configuration.
#[derive(Debug, Default)]
pub struct Tokens {
    open: BTreeMap<String, (TokenConfig, Arc<Token>)>,
    /// The call that each token has not come back from.
    away: BTreeMap<String, (TokenConfig, JoinHandle<()>)>,
}

impl Tokens {
    /// The token of that name, opened now if it was not yet.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open(
        &mut self,
        configs: &BTreeMap<String, TokenConfig>,
        name: &str,
    ) -> Result<Arc<Token>, TokenError> {
        let config = configs.get(name).ok_or_else(|| TokenError::Unknown { name: name.into() })?;
        if let Some((known, token)) = self.open.get(name)
            && known == config
        {
            return Ok(Arc::clone(token));
        }
        let (wanted, settings) = (name.to_owned(), config.clone());
        let token = Arc::new(self.call(name, config, SILENCE, move || log_in(&wanted, &settings))??);
        self.open.insert(name.to_owned(), (config.clone(), Arc::clone(&token)));
        Ok(token)
    }

    /// Does something that may hang in the module of an open token, on a thread of its own, and waits no longer than for a
    /// token that is well. While a call has not come back there is no other one: it would hang too, and so would its thread.
    ///
    /// # Errors
    /// [`TokenError::Silent`]; [`TokenError::Unknown`] if the token is not open.
    pub(crate) fn ask<T: Send + 'static>(
        &mut self,
        name: &str,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TokenError> {
        let (config, _) = self.open.get(name).ok_or_else(|| TokenError::Unknown { name: name.into() })?;
        let config = config.clone();
        self.call(name, &config, SILENCE, what)
    }

    /// Whether a call to this token has not come back.
    pub(crate) fn hangs(&self, name: &str) -> bool {
        self.away.get(name).is_some_and(|(_, call)| !call.is_finished())
    }

    fn call<T: Send + 'static>(
        &mut self,
        name: &str,
        config: &TokenConfig,
        patience: Duration,
        what: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, TokenError> {
        let silent = || TokenError::Silent { name: name.into() };
        self.away.retain(|_, (_, call)| !call.is_finished());
        // Another module under the same name has nothing to do with the one that hangs.
        if self.away.get(name).is_some_and(|(hanging, _)| hanging == config) {
            return Err(silent());
        }
        let (answer, answered) = mpsc::channel();
        let thread = std::thread::Builder::new().name("token-call".to_owned());
        // Who waited may be gone: the answer is dropped.
        let call = thread.spawn(move || drop(answer.send(what()))).map_err(|_| silent())?;
        answered.recv_timeout(patience).map_err(|_| {
            self.away.insert(name.to_owned(), (config.clone(), call));
            silent()
        })
    }

    /// The tokens that are open.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Token>)> {
        self.open.iter().map(|(name, (_, token))| (name.as_str(), token))
    }
}

/// Opens one token and logs in.
///
/// # Errors
/// [`TokenError`].
pub fn log_in(name: &str, config: &TokenConfig) -> Result<Token, TokenError> {
    let pin = config.pin.read().map_err(|source| TokenError::Pin { name: name.into(), source })?;
    let database = match &config.module {
        ModuleSource::Embedded { database } => Some(database.clone()),
        ModuleSource::Library { .. } => None,
    };
    if let Some(path) = database.clone().filter(|path| !path.exists()) {
        return Err(TokenError::DatabaseMissing { name: name.into(), path });
    }
    Module::open(&config.module).and_then(|module| module.open_token(&config.uri, pin)).map_err(|source| {
        let name = name.into();
        // SQLite's own errors come as CKR codes, and an empty database is a token that was never initialised.
        let damaged = matches!(source, HsmError::Call(_) | HsmError::TokenMissing { .. });
        match database.filter(|_| damaged) {
            Some(path) => TokenError::Database { name, path, source },
            None => TokenError::Open { name, source },
        }
    })
}

#[cfg(test)]
mod tests {
    use attestamp_hsm::{PinSource, Pkcs11Uri};

    use super::*;

    fn config(path: &str) -> TokenConfig {
        TokenConfig {
            module: ModuleSource::Library { path: path.into() },
            uri: Pkcs11Uri::for_token("hsm"),
            pin: PinSource::File("pin".into()),
        }
    }

    #[test]
    fn a_token_that_hangs_is_not_called_again_until_it_has_come_back() {
        let (mut tokens, hanging) = (Tokens::default(), config("hsm.so"));
        let (release, released) = mpsc::channel::<()>();
        let hang = move || {
            let _ = released.recv();
        };
        let silent = tokens.call("hsm", &hanging, Duration::from_millis(1), hang);
        assert!(matches!(silent, Err(TokenError::Silent { .. })));
        assert!(tokens.hangs("hsm"));
        let called = tokens.call("hsm", &hanging, SILENCE, || panic!("no second call"));
        assert!(matches!(called, Err(TokenError::Silent { .. })));
        // What does not hang, and what has taken its place.
        assert_eq!(tokens.call("main", &hanging, SILENCE, || 1).unwrap(), 1);
        assert_eq!(tokens.call("hsm", &config("other.so"), SILENCE, || 2).unwrap(), 2);
        drop(release);
        while tokens.hangs("hsm") {
            std::thread::yield_now();
        }
        assert_eq!(tokens.call("hsm", &hanging, SILENCE, || 3).unwrap(), 3);
    }
}
