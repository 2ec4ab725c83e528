//! Why a certificate or a request cannot be built or finished: the caller's doing, all of it.

use attestamp_certs::SignatureAlgorithm;

use crate::certificate::CertificateInvalid;
use crate::claims::ClaimsInvalid;

/// Why a certificate cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsignedInvalid {
    /// The public key does not decode.
    #[error("the public key is not a DER SubjectPublicKeyInfo")]
    PublicKey {
        /// What is wrong with it.
        source: CertificateInvalid,
    },
    /// The key that is to sign is of another kind.
    #[error("the key that is to sign cannot sign with {}", algorithm.name())]
    SignatureAlgorithm {
        /// The algorithm asked for.
        algorithm: SignatureAlgorithm,
    },
    /// Subject and key of a certificate below the root are its issuer's.
    #[error("the subject is the issuer's own name")]
    SubjectIsIssuer,
    /// The issuer's own key (D10).
    #[error("the public key is the issuer's own; each certificate of the hierarchy has a key of its own")]
    KeyIsIssuers,
    /// The issuer may not sign certificates.
    #[error("the issuer is no CA: it needs basicConstraints CA TRUE and keyUsage keyCertSign")]
    IssuerNotAuthority,
    /// The issuer's pathLenConstraint is too small.
    #[error("the issuer allows {allowed} CAs below it, {required} are needed")]
    PathLengthExhausted {
        /// Its pathLenConstraint.
        allowed: u8,
        /// CAs that will stand below it.
        required: u8,
    },
    /// The issuer has no subjectKeyIdentifier, which RFC 5280 §4.2.1.2 demands of every CA.
    #[error("the issuer's certificate has no subjectKeyIdentifier")]
    IssuerKeyIdentifierMissing,
    /// The issuer of an attestation key is not a device.
    #[error(
        "the device certificate does not name the token: its CA must copy that extension from the certificate request"
    )]
    IssuerNotDevice,
    /// The issuer of an attestation is not an attestation key (D3).
    #[error("the issuer is no attestation key: it needs pathLenConstraint 0 and keyUsage digitalSignature")]
    IssuerNotAttestationKey,
    /// The issuer's certificate begins later.
    #[error(
        "the certificate would begin at {not_before_unix_seconds}, its issuer's begins at {issuer_unix_seconds}"
    )]
    PredatesIssuer {
        /// Begin, in seconds since 1970.
        not_before_unix_seconds: u64,
        /// The issuer's begin.
        issuer_unix_seconds: u64,
    },
    /// The issuer's certificate ends earlier.
    #[error(
        "the certificate would end at {not_after_unix_seconds}, its issuer's ends at {issuer_unix_seconds}"
    )]
    OutlivesIssuer {
        /// End, in seconds since 1970.
        not_after_unix_seconds: u64,
        /// The issuer's end.
        issuer_unix_seconds: u64,
    },
    /// The time of attestation is not within the certificate's validity.
    #[error(
        "the time of attestation is {attested_at_unix_seconds}, and the certificate would be valid from \
         {not_before_unix_seconds} to {not_after_unix_seconds}"
    )]
    AttestedOutsideValidity {
        /// The claims' time, in seconds since 1970.
        attested_at_unix_seconds: u64,
        /// Begin of the validity.
        not_before_unix_seconds: u64,
        /// Its end.
        not_after_unix_seconds: u64,
    },
    /// The claims are beyond what a verifier reads.
    #[error("the claims could not be read by anybody")]
    Claims {
        /// Why.
        source: ClaimsInvalid,
    },
    /// The claims would read as others: a year that has not four digits, a second that is no whole one.
    #[error("the claims would not be read as they are: a time or a date is out of range")]
    ClaimsChanged,
    /// The token's names are beyond what a verifier reads.
    #[error("the token's names could not be read by anybody")]
    Platform {
        /// Why.
        source: ClaimsInvalid,
    },
}

/// Why a signature could not be attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// There is no signature.
    #[error("the signature is empty")]
    SignatureEmpty,
    /// The finished certificate does not read back.
    #[error("the finished certificate does not read back")]
    NotReadable {
        /// Why.
        source: CertificateInvalid,
    },
}
