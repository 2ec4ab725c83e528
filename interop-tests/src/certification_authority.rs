//! Somebody else's certification authority, made and run by `openssl ca`.
//!
//! It signs the requests of TSUs with the extensions that RFC 3161 §2.3 wants, and for as long as a test says.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::data_folder::DataFolder;
use crate::tools::{Finished, OPENSSL, Tool};

const CONFIGURATION: &str = "\
[ca]
default_ca = tests
[tests]
dir = .
database = ./index.txt
serial = ./serial
new_certs_dir = .
certificate = ./external-root.pem
private_key = ./external-root.key
default_md = sha256
default_days = 30
policy = any_subject
unique_subject = no
email_in_dn = no
[any_subject]
countryName = optional
organizationName = optional
organizationIdentifier = optional
commonName = supplied
[tsu]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsu_usage_not_critical]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tls_server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[req]
distinguished_name = name
prompt = no
[name]
C = AT
O = External Trust
CN = External Root
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
";

/// An external root that signs TSU certificates directly. Its files lie in the test's folder.
#[derive(Debug)]
pub struct ExternalCa {
    folder: PathBuf,
    openssl: Tool,
}

impl ExternalCa {
    /// Makes a P-256 root, valid for thirty days.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn create(folder: &DataFolder) -> Result<Self> {
        Self::with_key(folder, OPENSSL, &["ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha256"])
    }

    /// Makes a root with a key that this OpenSSL knows: the value of its option `-newkey`, and further options.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn with_key(folder: &DataFolder, openssl: Tool, key: &[&str]) -> Result<Self> {
        folder.write("ca.cnf", CONFIGURATION)?;
        folder.write("index.txt", "")?;
        folder.write("serial", "1001\n")?;
        let ca = Self { folder: folder.work(), openssl };
        #[rustfmt::skip]
        let arguments = [&["req", "-x509", "-newkey"], key, &[
            "-nodes", "-days", "30", "-config", "ca.cnf", "-extensions", "root",
            "-keyout", "external-root.key", "-out", "external-root.pem",
        ]].concat();
        openssl.run(&ca.folder, &arguments)?.succeeded()?;
        Ok(ca)
    }

    /// The root's certificate, PEM.
    ///
    /// # Errors
    /// When the file is gone.
    pub fn root_pem(&self) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.folder.join("external-root.pem"))?)
    }

    /// Signs `csr` with a section of extensions (`tsu` is the right one) and gives the chain to import: the certificate,
    /// then the root.
    ///
    /// # Errors
    /// When openssl refuses.
    pub fn sign(&self, csr: &Path, extensions: &str, options: &[&str]) -> Result<PathBuf> {
        self.try_sign(csr, extensions, options)?.succeeded()?;
        let mut chain = std::fs::read(self.folder.join("signed.pem"))?;
        chain.extend(self.root_pem()?);
        let path = self.folder.join("signed-chain.pem");
        std::fs::write(&path, chain)?;
        Ok(path)
    }

    fn try_sign(&self, csr: &Path, extensions: &str, options: &[&str]) -> Result<Finished> {
        let csr = csr.to_string_lossy();
        #[rustfmt::skip]
        let mut arguments = vec![
            "ca", "-config", "ca.cnf", "-batch", "-notext", "-extensions", extensions,
            "-in", &csr, "-out", "signed.pem",
        ];
        arguments.extend_from_slice(options);
        self.openssl.run(&self.folder, &arguments)
    }
}
