//! What can go wrong when certificates are made.

use std::path::PathBuf;

use attestamp_certs::{
    AttachError, CertificateInvalid, CrlInvalid, CsrInvalid, IssuerInvalid, SignatureInvalid, SubjectInvalid,
    UrlInvalid, ValidityInvalid,
};
use attestamp_hsm::HsmError;

/// Why a certificate, a request or a CRL is not made.
#[derive(Debug, thiserror::Error)]
pub enum HierarchyError {
    /// The token refuses.
    #[error("the token refuses")]
    Hsm(#[from] HsmError),
    /// The token's signature does not verify with its own public key.
    #[error("the token's signature does not verify with its public key: nothing was issued")]
    Signature(#[from] SignatureInvalid),
    /// A name breaks a rule.
    #[error("the name in the certificate is not allowed")]
    Subject(#[from] SubjectInvalid),
    /// The public URL cannot stand in a certificate.
    #[error("the public URL cannot stand in a certificate")]
    Url(#[from] UrlInvalid),
    /// A validity that ends before it begins, or too late for X.509.
    #[error("the validity is not possible")]
    Validity(#[from] ValidityInvalid),
    /// The issuer's certificate is not fit to issue.
    #[error("the issuer's certificate is not that of a CA")]
    Issuer(#[from] IssuerInvalid),
    /// Certificate and key of a CA do not belong together.
    #[error("the CA's certificate is for another key than the one in the token")]
    KeyMismatch,
    /// The certificate cannot be built.
    #[error("the certificate cannot be built")]
    Certificate(#[from] CertificateInvalid),
    /// The request cannot be built.
    #[error("the certificate request cannot be built")]
    Csr(#[from] CsrInvalid),
    /// The CRL cannot be built.
    #[error("the CRL cannot be built")]
    Crl(#[from] CrlInvalid),
    /// The signature cannot be attached.
    #[error("the signature cannot be attached")]
    Attach(#[from] AttachError),
    /// No random bytes.
    #[error("the operating system gives no random bytes")]
    Random {
        /// Why.
        source: getrandom::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
