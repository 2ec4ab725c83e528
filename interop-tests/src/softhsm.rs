//! A token of SoftHSM2, the second PKCS#11 module, in a test's own folder.

use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::data_folder::DataFolder;
use crate::tools::SOFTHSM2_UTIL;

/// The user PIN of every token made here.
pub const PIN: &str = "softhsm-user-pin";
/// The label of every token made here.
pub const LABEL: &str = "interop";
/// Where the module finds its tokens.
pub const CONFIGURATION_VARIABLE: &str = "SOFTHSM2_CONF";

/// The token, and where it lies.
#[derive(Debug)]
pub struct SoftHsm {
    configuration: PathBuf,
    tokens: PathBuf,
    pin: PathBuf,
}

impl SoftHsm {
    /// Makes a token in the folder `work/tokens` of a data folder, and lets every command on that folder find it.
    ///
    /// # Errors
    /// When SoftHSM2 is not installed, or does not make the token.
    pub fn create(folder: &mut DataFolder) -> Result<Self> {
        let tokens = folder.work().join("tokens");
        std::fs::create_dir(&tokens)?;
        let configuration = folder.write(
            "softhsm2.conf",
            format!(
                "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
                tokens.display()
            ),
        )?;
        initialise(folder, &configuration, LABEL)?;
        folder.set_variable(CONFIGURATION_VARIABLE, configuration.as_os_str());
        let pin = folder.write("pin", PIN)?;
        std::fs::set_permissions(&pin, Permissions::from_mode(0o600))?;
        Ok(Self { configuration, tokens, pin })
    }

    /// Makes a further token beside it, with the same PIN.
    ///
    /// # Errors
    /// When SoftHSM2 does not make it.
    pub fn add(&self, folder: &DataFolder, label: &str) -> Result<()> {
        initialise(folder, &self.configuration, label)
    }

    /// The module.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn module() -> Result<&'static Path> {
        ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"]
            .map(Path::new)
            .into_iter()
            .find(|path| path.is_file())
            .context("libsofthsm2.so is not installed: install the Debian package softhsm2")
    }

    /// The options that `attestamp init` needs to use the token.
    ///
    /// # Errors
    /// When the module is not installed.
    pub fn init_options(&self) -> Result<[OsString; 6]> {
        Ok([
            "--module".into(),
            Self::module()?.into(),
            "--token-uri".into(),
            format!("pkcs11:token={LABEL}").into(),
            "--pin-file".into(),
            self.pin.as_os_str().to_owned(),
        ])
    }

    /// The folder with the token's files.
    #[must_use]
    pub fn tokens(&self) -> &Path {
        &self.tokens
    }

    /// What [`CONFIGURATION_VARIABLE`] must say.
    #[must_use]
    pub fn configuration(&self) -> &Path {
        &self.configuration
    }
}

fn initialise(folder: &DataFolder, configuration: &Path, label: &str) -> Result<()> {
    let variable: (&str, &OsStr) = (CONFIGURATION_VARIABLE, configuration.as_os_str());
    #[rustfmt::skip]
    SOFTHSM2_UTIL.run_with(&folder.work(), &[
        "--init-token", "--free", "--label", label, "--so-pin", "softhsm-so-pin", "--pin", PIN,
    ], &[variable])?.succeeded()?;
    Ok(())
}
