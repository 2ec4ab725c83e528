//! A timestamp as files, with all that a verifier wants beside it: request, reply, token, certificate and root.
//!
//! Every verifier is given the same files, whether the running server made the token or a test forged it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::authority::Authority;
use crate::data_folder::DataFolder;
use crate::program;
use crate::reply::{self, Granted};
use crate::request::{self, Request};
use crate::verifiers::Verdict;

/// What the tests stamp, in the file `data`.
pub const DATA: &[u8] = b"what is to be stamped\n";

/// A timestamp of [`DATA`]. Its files lie in one folder and bear its name.
#[derive(Debug, Clone)]
pub struct Stamped {
    folder: PathBuf,
    name: String,
}

/// What its files hold.
#[derive(Debug, Clone)]
pub struct Parts {
    /// TimeStampReq
    pub request: Vec<u8>,
    /// TimeStampResp
    pub reply: Vec<u8>,
    /// The signer's certificate, PEM.
    pub certificate: Vec<u8>,
    /// The root, PEM.
    pub root: Vec<u8>,
}

impl Stamped {
    /// Asks a TSU of the running server for a token with its certificates. `root` is the path of its root's certificate.
    ///
    /// # Errors
    /// When it is not granted.
    pub fn by(folder: &DataFolder, authority: &Authority, tsu: &str, root: &str) -> Result<Self> {
        let request = Request { cert_req: request::cert_req(), ..Request::of(DATA)? }.encoded();
        let reply = authority.post(&format!("/tsa/{tsu}"), &request)?;
        let parts = Parts {
            reply: reply::body(&reply)?.to_vec(),
            request,
            certificate: authority.fetch(&format!("/tsa/{tsu}/certificate.pem"))?,
            root: authority.fetch(root)?,
        };
        Self::of_parts(&folder.work(), tsu, &parts).with_context(|| format!("TSU {tsu}"))
    }

    /// Writes the files.
    ///
    /// # Errors
    /// When they cannot be written, or the reply grants nothing.
    pub fn of_parts(folder: &Path, name: &str, parts: &Parts) -> Result<Self> {
        let stamped = Self { folder: folder.to_owned(), name: name.to_owned() };
        std::fs::write(folder.join("data"), DATA)?;
        stamped.write("tsq", &parts.request)?;
        stamped.write("tsr", &parts.reply)?;
        stamped.write("token", &reply::granted_der(&parts.reply)?.token)?;
        stamped.write("pem", &parts.certificate)?;
        stamped.write("root.pem", &parts.root)?;
        Ok(stamped)
    }

    /// Where its files lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Name of the file of the TimeStampReq.
    #[must_use]
    pub fn request(&self) -> String {
        self.file("tsq")
    }

    /// Name of the file of the TimeStampResp.
    #[must_use]
    pub fn reply(&self) -> String {
        self.file("tsr")
    }

    /// Name of the file of the bare token.
    #[must_use]
    pub fn token(&self) -> String {
        self.file("token")
    }

    /// Name of the file of the signer's certificate.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.file("pem")
    }

    /// Name of the file of the root.
    #[must_use]
    pub fn root(&self) -> String {
        self.file("root.pem")
    }

    /// The reply, taken apart.
    ///
    /// # Errors
    /// When its file is gone.
    pub fn granted(&self) -> Result<Granted> {
        reply::granted_der(&std::fs::read(self.folder.join(self.reply()))?)
    }

    /// `attestamp verify REPLY --data data --ca ROOT OPTIONS`
    ///
    /// # Errors
    /// When the program could not be run, or could not judge.
    pub fn own_verdict(&self, options: &[&str]) -> Result<Verdict> {
        let (reply, root) = (self.reply(), self.root());
        let arguments = [&["verify", &reply, "--data", "data", "--ca", &root], options].concat();
        let finished = program::run(&self.folder, &arguments)?.did_not_say("panicked")?;
        match finished.status.code() {
            Some(0) => Ok(Verdict::Accepted),
            Some(1) => Ok(Verdict::Refused(format!("{}{}", finished.stdout, finished.stderr))),
            _ => anyhow::bail!("attestamp verify could not judge: {finished}"),
        }
    }

    /// Writes another file of its name, and gives that.
    pub(crate) fn write(&self, ending: &str, content: &[u8]) -> Result<String> {
        let name = self.file(ending);
        let path = self.folder.join(&name);
        std::fs::write(&path, content).with_context(|| format!("could not write {}", path.display()))?;
        Ok(name)
    }

    fn file(&self, ending: &str) -> String {
        format!("{}.{ending}", self.name)
    }
}
