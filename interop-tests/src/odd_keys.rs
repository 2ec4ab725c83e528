//! Keys that break the default policy of an auditor (D6), made in a token by `pkcs11-tool` as an operator's mistake would
//! make them, and a TSU that uses one.
//!
//! What the two tokens make of it, measured with opensc 0.23: kryoptic refuses none of them, and gives a key exactly the
//! uses that were asked for. SoftHSM2 gives every key whose template does not say otherwise (`pkcs11-tool` never does)
//! CKA_DECRYPT, CKA_UNWRAP and CKA_SIGN_RECOVER too, so that all of these may decrypt there. Neither makes a key that is
//! not sensitive: without `--sensitive` both set the flag themselves.

use anyhow::{Context, Result, ensure};

use crate::certification_authority::ExternalCa;
use crate::token_under_test::TokenUnderTest;
use crate::tools::OPENSSL;

/// What is wrong with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddKey {
    /// It was made outside, by openssl: never CKA_LOCAL, CKA_ALWAYS_SENSITIVE or CKA_NEVER_EXTRACTABLE. P-256.
    Imported,
    /// CKA_EXTRACTABLE. P-256.
    Extractable,
    /// CKA_DECRYPT. RSA-2048.
    Decrypting,
    /// CKA_DERIVE. P-256.
    Deriving,
}

impl OddKey {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Imported, Self::Extractable, Self::Decrypting, Self::Deriving];

    /// Its CKA_ID, in hexadecimal.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Imported => "a1",
            Self::Extractable => "b1",
            Self::Decrypting => "c1",
            Self::Deriving => "d1",
        }
    }

    /// Its CKA_LABEL.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Extractable => "extractable",
            Self::Decrypting => "decrypting",
            Self::Deriving => "deriving",
        }
    }

    /// The attribute that breaks D6.
    #[must_use]
    pub const fn fault(self) -> &'static str {
        match self {
            Self::Imported => "CKA_LOCAL",
            Self::Extractable => "CKA_EXTRACTABLE",
            Self::Decrypting => "CKA_DECRYPT",
            Self::Deriving => "CKA_DERIVE",
        }
    }

    /// Makes the key in a token.
    ///
    /// # Errors
    /// When a tool fails.
    pub fn make(self, token: &TokenUnderTest) -> Result<()> {
        let generate = |key_type, options: &[&str]| {
            #[rustfmt::skip]
            let common = [
                "--keypairgen", "--key-type", key_type, "--id", self.id(), "--label", self.label(),
                "--sensitive", "--usage-sign",
            ];
            token.pkcs11_tool(&[&common, options].concat())?.succeeded()?.said("Key pair generated")
        };
        match self {
            Self::Imported => import(token, self.id(), self.label())?,
            Self::Extractable => drop(generate("EC:prime256v1", &["--extractable"])?),
            Self::Decrypting => drop(generate("rsa:2048", &["--usage-decrypt"])?),
            Self::Deriving => drop(generate("EC:prime256v1", &["--usage-derive"])?),
        }
        Ok(())
    }

    /// Makes the key and has a TSU use it: changes its `key` in the configuration, and gets it a certificate of the
    /// external CA. The data folder must be one of `init --external-ca`.
    ///
    /// # Errors
    /// When a tool or the program fails.
    pub fn make_for_tsu(self, token: &TokenUnderTest, ca: &ExternalCa, tsu: &str) -> Result<()> {
        self.make(token)?;
        let uri = format!("pkcs11:token={};id=%{}", token.label(), self.id().to_uppercase());
        use_key(token, tsu, &uri)?;
        let csr = token.folder.run(&["tsu", "csr", tsu])?.succeeded()?.stdout;
        let csr = token.folder.write(&format!("{tsu}.csr"), csr)?;
        let chain = ca.sign(&csr, "tsu", &[])?;
        let arguments = ["tsu".as_ref(), "import".as_ref(), tsu.as_ref(), chain.as_os_str()];
        token.folder.run(&arguments)?.succeeded()?;
        Ok(())
    }
}

/// Writes a new key of openssl's into the token, with its public half.
fn import(token: &TokenUnderTest, id: &str, label: &str) -> Result<()> {
    let folder = token.folder.work();
    for arguments in [
        "ecparam -name prime256v1 -genkey -noout -outform DER -out imported.key",
        "ec -inform DER -in imported.key -pubout -outform DER -out imported.pub",
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        OPENSSL.run(&folder, &arguments)?.succeeded()?;
    }
    for (file, kind, options) in [
        ("imported.key", "privkey", ["--usage-sign", "--sensitive"].as_slice()),
        ("imported.pub", "pubkey", &["--usage-sign"]),
    ] {
        let common = ["--write-object", file, "--type", kind, "--id", id, "--label", label];
        token.pkcs11_tool(&[&common, options].concat())?.succeeded()?.said("Created")?;
    }
    Ok(())
}

/// Replaces the `key` of a TSU's section.
fn use_key(token: &TokenUnderTest, tsu: &str, uri: &str) -> Result<()> {
    let path = token.folder.path().join("attestamp.toml");
    let text = std::fs::read_to_string(&path)?;
    let section = format!("[tsu.{tsu}]\n");
    let start = text.find(&section).with_context(|| format!("no {section:?} in the configuration"))?;
    let (before, after) = text.split_at(start + section.len());
    let mut replaced = 0;
    let mut in_section = true;
    let changed: Vec<String> = after
        .lines()
        .map(|line| {
            in_section &= !line.starts_with('[');
            if in_section && line.starts_with("key = ") {
                replaced += 1;
                format!("key = \"{uri}\"")
            } else {
                line.to_owned()
            }
        })
        .collect();
    ensure!(replaced == 1, "{replaced} keys in the section {section:?}");
    std::fs::write(&path, format!("{before}{}\n", changed.join("\n")))?;
    Ok(())
}
