//! What a verifier trusts: the roots of a `--ca` file.
//!
//! A file may hold roots and intermediates together, as `openssl -CAfile` takes it: a certificate whose issuer is its
//! subject is a root and trusted, any other helps to find a path and is trusted for nothing. Of a root, webpki keeps
//! subject, key and name constraints (RFC 5280 §6.1.1); its validity and path length are kept here, because
//! `openssl verify` looks at them and an operator who compares the two must get one verdict.

use der::{Decode as _, Encode as _};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use crate::pem::{PemInvalid, certificates_from_pem};

/// The roots that a verifier trusts, and the intermediates that came with them.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    webpki: Vec<TrustAnchor<'static>>,
    // In step with `webpki`.
    facts: Vec<AnchorFacts>,
    intermediates: Vec<CertificateDer<'static>>,
}

/// What webpki does not keep of a root.
#[derive(Debug, Clone)]
pub(super) struct AnchorFacts {
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    pub(super) path_length: Option<u8>,
    pub(super) subject: String,
    pub(super) subject_der: Vec<u8>,
    pub(super) spki_der: Vec<u8>,
    pub(super) key_usage: Option<KeyUsage>,
}

/// Why a file of trusted certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustAnchorsInvalid {
    /// Not PEM, or not of certificates.
    #[error("the trusted certificates cannot be read")]
    Pem {
        /// What is wrong with the PEM.
        #[source]
        source: PemInvalid,
    },
    /// A certificate that cannot be parsed.
    #[error("trusted certificate {certificate} is malformed")]
    Malformed {
        /// Which certificate, from 1.
        certificate: usize,
        /// What the parser says.
        #[source]
        source: der::Error,
    },
    /// A root that webpki cannot use.
    #[error("trusted certificate {certificate} cannot serve as a root")]
    Unusable {
        /// Which certificate, from 1.
        certificate: usize,
        /// What webpki says.
        #[source]
        source: webpki::Error,
    },
    /// A self-issued certificate that is not a CA's.
    #[error(
        "trusted certificate {certificate} is self-issued and not a CA's (basicConstraints CA:TRUE is missing)"
    )]
    NotAuthority {
        /// Which certificate, from 1.
        certificate: usize,
    },
    /// No certificate is self-issued.
    #[error("none of the {found} trusted certificates is a root (issued by its own subject)")]
    NoRoot {
        /// How many certificates there were.
        found: usize,
    },
}

/// Whether a certificate names its own subject as issuer, as a root does.
#[must_use]
pub fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    Certificate::from_der(certificate).is_ok_and(|certificate| {
        let tbs = certificate.tbs_certificate();
        tbs.issuer() == tbs.subject()
    })
}

impl TrustAnchors {
    /// The roots of a PEM text.
    ///
    /// # Errors
    /// [`TrustAnchorsInvalid`] where the text is not PEM, or has no root.
    pub fn from_pem(text: &str) -> Result<Self, TrustAnchorsInvalid> {
        let certificates =
            certificates_from_pem(text).map_err(|source| TrustAnchorsInvalid::Pem { source })?;
        Self::from_certificates(certificates)
    }

    /// The self-issued ones of `certificates` as roots, the others as intermediates.
    ///
    /// # Errors
    /// [`TrustAnchorsInvalid`] where one cannot be parsed or used, or none is a root.
    pub fn from_certificates(
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, TrustAnchorsInvalid> {
        let found = certificates.len();
        let mut anchors = Self { webpki: Vec::new(), facts: Vec::new(), intermediates: Vec::new() };
        for (index, der) in certificates.into_iter().enumerate() {
            anchors.add(index.saturating_add(1), der)?;
        }
        if anchors.webpki.is_empty() { Err(TrustAnchorsInvalid::NoRoot { found }) } else { Ok(anchors) }
    }

    /// One CA that is trusted as it is, whether it is a root or not: for a chain whose root is not at hand.
    ///
    /// # Errors
    /// [`TrustAnchorsInvalid`] where it cannot be parsed or is not a CA's.
    pub fn partial(authority: &CertificateDer<'_>) -> Result<Self, TrustAnchorsInvalid> {
        let mut anchors = Self { webpki: Vec::new(), facts: Vec::new(), intermediates: Vec::new() };
        anchors.trust(1, &authority.clone().into_owned())?;
        Ok(anchors)
    }

    fn add(&mut self, number: usize, der: CertificateDer<'static>) -> Result<(), TrustAnchorsInvalid> {
        if is_self_issued(&der) {
            return self.trust(number, &der);
        }
        Certificate::from_der(&der)
            .map_err(|source| TrustAnchorsInvalid::Malformed { certificate: number, source })?;
        self.intermediates.push(der);
        Ok(())
    }

    fn trust(&mut self, number: usize, der: &CertificateDer<'static>) -> Result<(), TrustAnchorsInvalid> {
        let malformed = |source| TrustAnchorsInvalid::Malformed { certificate: number, source };
        let certificate = Certificate::from_der(der).map_err(malformed)?;
        let tbs = certificate.tbs_certificate();
        let constraints = tbs.get_extension::<BasicConstraints>().map_err(malformed)?;
        let Some((_, BasicConstraints { ca: true, path_len_constraint })) = constraints else {
            return Err(TrustAnchorsInvalid::NotAuthority { certificate: number });
        };
        let anchor = webpki::anchor_from_trusted_cert(der)
            .map_err(|source| TrustAnchorsInvalid::Unusable { certificate: number, source })?
            .to_owned();
        self.webpki.push(anchor);
        self.facts.push(AnchorFacts {
            not_before: UnixTime::since_unix_epoch(tbs.validity().not_before.to_unix_duration()),
            not_after: UnixTime::since_unix_epoch(tbs.validity().not_after.to_unix_duration()),
            path_length: path_len_constraint,
            subject: tbs.subject().to_string(),
            subject_der: tbs.subject().to_der().map_err(malformed)?,
            spki_der: tbs.subject_public_key_info().to_der().map_err(malformed)?,
            key_usage: tbs.get_extension::<KeyUsage>().map_err(malformed)?.map(|(_, usage)| usage),
        });
        Ok(())
    }

    /// How many roots there are.
    #[must_use]
    pub fn root_count(&self) -> usize {
        self.webpki.len()
    }

    /// The certificates that came with the roots and are none.
    #[must_use]
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }

    /// Name and SubjectPublicKeyInfo of each root.
    pub(super) fn issuers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.facts.iter().map(|facts| (facts.subject_der.as_slice(), facts.spki_der.as_slice()))
    }

    pub(super) fn webpki(&self) -> &[TrustAnchor<'static>] {
        &self.webpki
    }

    /// The facts of the root at which a path of webpki ends. By identity: two roots may differ in their validity alone.
    pub(super) fn facts(&self, anchor: &TrustAnchor<'_>) -> Option<&AnchorFacts> {
        let position = self.webpki.iter().position(|candidate| std::ptr::addr_eq(candidate, anchor))?;
        self.facts.get(position)
    }
}
