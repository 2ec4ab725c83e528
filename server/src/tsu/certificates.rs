//! The certificate file of a TSU: `certs/tsu/NAME.pem`, its own certificate first, those above it after.
//!
//! The same checks for what `init` wrote, what `tsu import` is given and what a start finds.

use std::path::{Path, PathBuf};

use attestamp_certs::pem::{self, PemInvalid};
use attestamp_certs::{
    CertificateDer, ChainError, TrustAnchors, TrustAnchorsInvalid, TsuCertificate, TsuCertificateInvalid,
    UnixTime, is_self_issued, verify_chain,
};

use super::TsuError;
use crate::data_folder::Layout;

/// What is wrong with a TSU's certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not PEM.
    #[error("{} does not hold certificates", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: PemInvalid,
    },
    /// There is nothing to check the certificate against.
    #[error("{} holds only the TSU's certificate: append the certificates of the CAs that issued it", path.display())]
    NoIssuer {
        /// The file.
        path: PathBuf,
    },
    /// The first certificate is not one of a TSU.
    #[error("the first certificate in {} is not one for timestamping", path.display())]
    NotTsu {
        /// The file.
        path: PathBuf,
        /// The rule that it breaks.
        #[source]
        source: TsuCertificateInvalid,
    },
    /// The topmost certificate is not a CA's.
    #[error("the last certificate in {} is not a CA's", path.display())]
    NotCa {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: TrustAnchorsInvalid,
    },
    /// The chain does not build.
    #[error("the certificates in {} are not a chain (the TSU's own first, then the one that issued it)", path.display())]
    Chain {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ChainError,
    },
}

/// A TSU's certificate and those above it, checked.
#[derive(Debug, Clone)]
pub struct CertificateChain {
    path: PathBuf,
    leaf: TsuCertificate,
    all: Vec<CertificateDer<'static>>,
    /// Certificates from the start that are not self-issued: what tokens carry.
    without_root: usize,
    is_post_quantum: bool,
}

impl CertificateChain {
    /// Reads the chain of TSU `name`.
    pub(crate) fn load(name: &str, folder: &Layout, now: UnixTime) -> Result<Self, TsuError> {
        Self::load_from(&folder.tsu_chain(name), name, now)
    }

    /// As [`CertificateChain::load`], from another file.
    pub(crate) fn load_from(path: &Path, name: &str, now: UnixTime) -> Result<Self, TsuError> {
        match path.try_exists() {
            Ok(false) => Err(TsuError::NoCertificate { name: name.into() }),
            _ => Ok(Self::read(path, now)?),
        }
    }

    /// Reads and checks the chain in `path`: the first certificate is one of a TSU, and each is issued by the next.
    ///
    /// # Errors
    /// [`CertificatesError`].
    pub fn read(path: &Path, now: UnixTime) -> Result<Self, CertificatesError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CertificatesError::Unreadable { path: path.to_owned(), source })?;
        let all = pem::certificates_from_pem(&text)
            .map_err(|source| CertificatesError::Pem { path: path.to_owned(), source })?;
        let [first, above @ ..] = all.as_slice() else {
            return Err(CertificatesError::NoIssuer { path: path.to_owned() });
        };
        let leaf = TsuCertificate::parse(first)
            .map_err(|source| CertificatesError::NotTsu { path: path.to_owned(), source })?;
        let Some((top, between)) = above.split_last() else {
            return Err(CertificatesError::NoIssuer { path: path.to_owned() });
        };
        let chain_error = |source| CertificatesError::Chain { path: path.to_owned(), source };
        // The topmost certificate is trusted here because the operator put it there; clients decide for themselves.
        let anchors = TrustAnchors::partial(top)
            .map_err(|source| CertificatesError::NotCa { path: path.to_owned(), source })?;
        // An expired certificate must not keep the server from starting: the TSU is then not ready, and says why.
        let at = now.clamp(leaf.not_before(), leaf.not_after());
        let verified = verify_chain(first, between, &anchors, at, &[]).map_err(chain_error)?;
        let without_root = if is_self_issued(top) { all.len() - 1 } else { all.len() };
        Ok(Self { path: path.to_owned(), leaf, all, without_root, is_post_quantum: verified.is_post_quantum })
    }

    /// Where it was read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The TSU's own certificate.
    #[must_use]
    pub fn leaf(&self) -> &TsuCertificate {
        &self.leaf
    }

    /// All certificates, the TSU's own first.
    #[must_use]
    pub fn all(&self) -> &[CertificateDer<'static>] {
        &self.all
    }

    /// Whether every certificate below the topmost is signed with ML-DSA or SLH-DSA.
    #[must_use]
    pub fn is_post_quantum(&self) -> bool {
        self.is_post_quantum
    }

    /// The certificates that tokens may carry: all but a root.
    #[must_use]
    pub fn for_tokens(&self) -> &[CertificateDer<'static>] {
        self.all.get(..self.without_root).unwrap_or(&self.all)
    }
}
