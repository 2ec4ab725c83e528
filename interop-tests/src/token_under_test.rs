//! Both tokens that the tests have, behind one form: the embedded one and SoftHSM2, with `pkcs11-tool` to reach into them.
//!
//! The embedded token is opened by `pkcs11-tool` as a shared library of its own, beside the program. Nothing here may
//! reach into a token while the program runs: the embedded one has one writer at a time.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::data_folder::DataFolder;
use crate::program;
use crate::softhsm::{self, SoftHsm};
use crate::tools::{Finished, PKCS11_TOOL};

/// Which token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// The one that is part of the program.
    Embedded,
    /// SoftHSM2.
    SoftHsm2,
}

/// A data folder whose keys are in a token, and what `pkcs11-tool` needs to open that.
#[derive(Debug)]
pub struct TokenUnderTest {
    /// The data folder.
    pub folder: DataFolder,
    label: &'static str,
    module: PathBuf,
    pin: String,
    variable: (&'static str, OsString),
}

/// A private key in the words of `pkcs11-tool`.
#[derive(Debug)]
pub struct ListedKey {
    usage: Vec<String>,
    access: Vec<String>,
    /// CKA_UNIQUE_ID, if the token has it.
    pub unique_id: Option<String>,
}

impl ListedKey {
    /// The nine flags that `pkcs11-tool` of opensc 0.23 has words for, by CKA_ number: not CKA_SIGN_RECOVER.
    #[must_use]
    pub fn flags(&self) -> BTreeMap<u32, bool> {
        let usage = [(0x105, "decrypt"), (0x107, "unwrap"), (0x108, "sign"), (0x10c, "derive")];
        let access = [
            (0x103, "sensitive"),
            (0x162, "extractable"),
            (0x163, "local"),
            (0x164, "never extractable"),
            (0x165, "always sensitive"),
        ];
        let of = |words: &[String], word| words.iter().any(|found| found == word);
        let usage = usage.map(|(flag, word)| (flag, of(&self.usage, word)));
        let access = access.map(|(flag, word)| (flag, of(&self.access, word)));
        usage.into_iter().chain(access).collect()
    }
}

impl TokenKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Embedded, Self::SoftHsm2];

    /// Runs `attestamp init` with these options on a token of this kind.
    ///
    /// # Errors
    /// When it fails.
    pub fn initialised_with(self, options: &[&str]) -> Result<TokenUnderTest> {
        match self {
            Self::Embedded => {
                let folder = DataFolder::initialised_with(options)?;
                let token = folder.path().join("token");
                let pin = std::fs::read_to_string(token.join("pin")).context("the embedded token's PIN")?;
                Ok(TokenUnderTest {
                    label: "attestamp",
                    module: program::embedded_module()?.to_owned(),
                    pin: pin.trim_end().to_owned(),
                    variable: ("KRYOPTIC_CONF", token.join("token.sql").into()),
                    folder,
                })
            }
            Self::SoftHsm2 => {
                let mut folder = DataFolder::empty()?;
                let token = SoftHsm::create(&mut folder)?;
                let mut arguments: Vec<OsString> = ["init", "--clock", "system"].map(Into::into).to_vec();
                arguments.extend(options.iter().map(Into::into));
                arguments.extend(token.init_options()?);
                folder.run(&arguments)?.succeeded()?;
                Ok(TokenUnderTest {
                    label: softhsm::LABEL,
                    module: SoftHsm::module()?.to_owned(),
                    pin: softhsm::PIN.to_owned(),
                    variable: (softhsm::CONFIGURATION_VARIABLE, token.configuration().into()),
                    folder,
                })
            }
        }
    }
}

impl TokenUnderTest {
    /// The token's label.
    #[must_use]
    pub fn label(&self) -> &str {
        self.label
    }

    /// `pkcs11-tool --module … --login … ARGUMENTS`, in the test's own folder.
    ///
    /// # Errors
    /// When it could not be run.
    pub fn pkcs11_tool(&self, arguments: &[&str]) -> Result<Finished> {
        let module = self.module.to_string_lossy();
        #[rustfmt::skip]
        let mut all = vec![
            "--module", &module, "--token-label", self.label, "--login", "--pin", &self.pin,
        ];
        all.extend_from_slice(arguments);
        let (name, value) = &self.variable;
        let variable: (&str, &OsStr) = (name, value);
        PKCS11_TOOL.run_with(&self.folder.work(), &all, &[variable])
    }

    /// What `pkcs11-tool` says of the private key with a label.
    ///
    /// # Errors
    /// When there is not exactly one.
    pub fn listed(&self, label: &str) -> Result<ListedKey> {
        let listed = self.pkcs11_tool(&["--list-objects", "--type", "privkey"])?.succeeded()?;
        let line = format!("label:      {label}\n");
        let mut objects = listed.stdout.split("Private Key Object").filter(|object| object.contains(&line));
        let (Some(object), None) = (objects.next(), objects.next()) else {
            bail!("not one private key with the label {label}: {listed}");
        };
        let line = |name: &str| object.lines().find_map(|line| line.trim().strip_prefix(name));
        let words = |name: &str| {
            let words = line(name).unwrap_or_default().split(',');
            words.map(|word| word.trim().to_owned()).collect()
        };
        Ok(ListedKey {
            usage: words("Usage:"),
            access: words("Access:"),
            unique_id: line("Unique ID:").map(|id| id.trim().to_owned()),
        })
    }
}
