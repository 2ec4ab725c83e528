//! `openssl ts` as a client and verifier, with its files in a folder of the test.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::authority::Authority;
use crate::data_folder::DataFolder;
use crate::tools::{Finished, OPENSSL};

/// A folder with a file to stamp (`data`), the root (`root.pem`) and a chain (`chain.pem`) as the authority serves them.
#[derive(Debug)]
pub struct Client {
    folder: PathBuf,
    tsu: String,
}

impl Client {
    /// Fetches the certificates of a TSU, over HTTP.
    ///
    /// # Errors
    /// When they are not there.
    pub fn of(folder: &DataFolder, authority: &Authority, tsu: &str) -> Result<Self> {
        let root = authority.fetch("/pki/root.pem")?;
        Self::with_root(folder, authority, tsu, &root)
    }

    /// [`Client::of`] where the root is somebody else's.
    ///
    /// # Errors
    /// When the chain is not there.
    pub fn with_root(folder: &DataFolder, authority: &Authority, tsu: &str, root: &[u8]) -> Result<Self> {
        folder.write("data", b"what is to be stamped\n")?;
        folder.write("root.pem", root)?;
        folder.write("chain.pem", authority.fetch(&format!("/tsa/{tsu}/chain.pem"))?)?;
        Ok(Self { folder: folder.work(), tsu: tsu.to_owned() })
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `openssl ts -query -data data OPTIONS`, as the file `request.tsq`, and its bytes.
    ///
    /// # Errors
    /// When openssl fails.
    pub fn query(&self, options: &[&str]) -> Result<Vec<u8>> {
        let mut arguments = vec!["ts", "-query", "-data", "data", "-out", "request.tsq"];
        arguments.extend_from_slice(options);
        OPENSSL.run(&self.folder, &arguments)?.succeeded()?;
        Ok(std::fs::read(self.folder.join("request.tsq"))?)
    }

    /// Queries, posts to the TSU, and writes `reply.tsr`.
    ///
    /// # Errors
    /// When openssl or the exchange fails.
    pub fn stamp(&self, authority: &Authority, options: &[&str]) -> Result<()> {
        let request = self.query(options)?;
        let reply = authority.post(&format!("/tsa/{}", self.tsu), &request)?;
        std::fs::write(self.folder.join("reply.tsr"), crate::reply::body(&reply)?)?;
        Ok(())
    }

    /// `openssl ts -verify -in reply.tsr -CAfile root.pem ARGUMENTS`
    ///
    /// # Errors
    /// When openssl could not be run; what it found is in the result.
    pub fn verify(&self, arguments: &[&str]) -> Result<Finished> {
        let mut all: Vec<OsString> =
            ["ts", "-verify", "-in", "reply.tsr", "-CAfile", "root.pem"].map(Into::into).to_vec();
        all.extend(arguments.iter().map(Into::into));
        OPENSSL.run(&self.folder, &all)
    }

    /// `openssl ts -reply -in reply.tsr -text`
    ///
    /// # Errors
    /// When openssl could not be run.
    pub fn reply_text(&self) -> Result<Finished> {
        OPENSSL.run(&self.folder, &["ts", "-reply", "-in", "reply.tsr", "-text"])
    }
}
