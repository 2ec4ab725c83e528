//! TLS of the client: which authorities vouch for a server.
//!
//! The system's own roots, and those of `--tls-ca` beside them: a TSA inside a company is reached without changing the
//! machine. There is no switch that turns the check off; the timestamp's own signature would still be good, but the
//! address of the server would mean nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The file with additional roots cannot be read or is not PEM.
    #[error("cannot read certificates from {}", path.display())]
    UnreadableRoots {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: rustls_pki_types::pem::Error,
    },
    /// The file has no certificate.
    #[error("{} holds no certificate in PEM", path.display())]
    NoRoots {
        /// The file.
        path: PathBuf,
    },
    /// A certificate of the file cannot serve as a root.
    #[error("certificate {position} of {} cannot be a trust anchor", path.display())]
    UnusableRoot {
        /// The file.
        path: PathBuf,
        /// Which certificate, from 1.
        position: usize,
        /// Why.
        source: rustls::Error,
    },
    /// The cryptographic provider has none of the protocol versions asked for.
    #[error("TLS cannot be set up")]
    Provider {
        /// Why.
        source: rustls::Error,
    },
}

/// A client configuration that trusts the system's roots and those in `additional_roots` (PEM).
///
/// A machine without roots of its own is no error: plain `http` and `additional_roots` need none.
///
/// # Errors
/// When the file of additional roots is unreadable, empty or unusable.
pub fn client_config(additional_roots: Option<&Path>) -> Result<ClientConfig, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = additional_roots {
        add_roots(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsSetupError::Provider { source })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsSetupError> {
    let unreadable = |source| TlsSetupError::UnreadableRoots { path: path.to_owned(), source };
    let mut position = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        position += 1;
        roots.add(certificate.map_err(unreadable)?).map_err(|source| TlsSetupError::UnusableRoot {
            path: path.to_owned(),
            position,
            source,
        })?;
    }
    if position == 0 {
        return Err(TlsSetupError::NoRoots { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not a certificate\n").unwrap();
        let error = client_config(Some(file.path())).unwrap_err();
        assert!(matches!(error, TlsSetupError::NoRoots { .. }), "{error:?}");
        assert!(error.to_string().contains(&file.path().display().to_string()));
    }

    #[test]
    fn a_missing_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = client_config(Some(&folder.path().join("missing.pem"))).unwrap_err();
        assert!(matches!(error, TlsSetupError::UnreadableRoots { .. }), "{error:?}");
    }

    #[test]
    fn a_root_of_ones_own_is_taken() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate.pem()).unwrap();
        client_config(Some(file.path())).unwrap();
    }
}
