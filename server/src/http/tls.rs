//! TLS of a listener: certificate and key from PEM files, taken anew without dropping a connection.
//!
//! TLS protects nothing that a token needs, since tokens are signed; it keeps hashes and habits private. rustls on ring,
//! TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. This key is not the HSM's: it is a file, zeroised by rustls once parsed.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPaths {
    /// PEM: the server's certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM: the private key, PKCS#8, PKCS#1 or SEC 1.
    pub key: PathBuf,
}

/// Why a TLS identity cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate file cannot be read or is not PEM.
    #[error("cannot read the TLS certificates in {}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the PEM reader says.
        #[source]
        source: pem::Error,
    },
    /// The certificate file holds no certificate.
    #[error("{} holds no certificate; it needs the server's, then its intermediates, as PEM", .path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key file cannot be read or holds no key.
    #[error("cannot read the TLS key in {}; it needs one unencrypted private key as PEM", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What the PEM reader says.
        #[source]
        source: pem::Error,
    },
    /// rustls does not take this pair, as when the key is another certificate's.
    #[error("TLS certificate {} and key {} cannot be used together", .certificate.display(), .key.display())]
    Pair {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
}

/// The TLS identity of a listener.
#[derive(Debug)]
pub struct Tls {
    paths: TlsPaths,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file cannot be read, or certificate and key do not belong together.
    pub fn load(paths: TlsPaths) -> Result<Arc<Self>, TlsError> {
        let config = ArcSwap::from(server_config(&paths)?);
        Ok(Arc::new(Self { paths, config }))
    }

    /// Reads the files again. New connections use what is found; open ones keep what they have.
    ///
    /// # Errors
    /// As [`Self::load`]; the identity in use then stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.config.store(server_config(&self.paths)?);
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

fn server_config(paths: &TlsPaths) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |source| TlsError::Certificate { path: paths.certificate.clone(), source };
    let chain = CertificateDer::pem_file_iter(&paths.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: paths.certificate.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(&paths.key)
        .map_err(|source| TlsError::Key { path: paths.key.clone(), source })?;
    let unusable =
        |source| TlsError::Pair { certificate: paths.certificate.clone(), key: paths.key.clone(), source };
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn identity(folder: &std::path::Path, name: &str) -> TlsPaths {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let paths = TlsPaths {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        fs::write(&paths.certificate, made.cert.pem()).unwrap();
        fs::write(&paths.key, made.signing_key.serialize_pem()).unwrap();
        paths
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (identity(folder.path(), "one"), identity(folder.path(), "two"));
        let mixed = TlsPaths { certificate: one.certificate, key: two.key };
        assert!(matches!(Tls::load(mixed), Err(TlsError::Pair { .. })));
    }

    #[test]
    fn files_that_hold_nothing_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let paths = identity(folder.path(), "one");
        fs::write(&paths.certificate, "").unwrap();
        assert!(matches!(Tls::load(paths.clone()), Err(TlsError::NoCertificate { .. })));
        let missing = TlsPaths { certificate: folder.path().join("none"), ..paths };
        let message = Tls::load(missing).unwrap_err().to_string();
        assert!(message.contains("none"), "{message}");
    }

    #[test]
    fn a_failed_reload_keeps_the_identity_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let paths = identity(folder.path(), "one");
        let tls = Tls::load(paths.clone()).unwrap();
        let before = tls.config.load_full();
        fs::write(&paths.key, "no key").unwrap();
        assert!(matches!(tls.reload(), Err(TlsError::Key { .. })));
        assert!(Arc::ptr_eq(&before, &tls.config.load_full()));
        identity(folder.path(), "one");
        tls.reload().unwrap();
        assert!(!Arc::ptr_eq(&before, &tls.config.load_full()));
    }
}
