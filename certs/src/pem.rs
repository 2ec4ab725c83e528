//! PEM files: the certificates and revocation lists that operators and verifiers hand over, and what is written for them.
//!
//! Reading is generous about what stands around the sections (comments, `openssl -text` output), as RFC 7468 §2 allows,
//! and strict about what is in them: a private key in a file of certificates is a mistake that must not pass in silence.
//! The contents are not looked at here; a `CertificateDer` is bytes until something parses it.

use base64ct::{Base64, Encoding as _};
use rustls_pki_types::pem::{Error as PemReadError, PemObject as _, SectionKind};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};

/// Most octets of a PEM file of certificates: the trust store of an operating system has a quarter of this.
pub const MAX_CERTIFICATE_FILE_OCTETS: usize = 1 << 20;
/// Most certificates in one file: an operating system trusts about 150 roots.
pub const MAX_CERTIFICATES: usize = 512;
/// Most octets of a file of revocation lists. The largest lists in public use are of this order.
pub const MAX_CRL_FILE_OCTETS: usize = 64 << 20;
/// Most revocation lists in one file: one a CA, and chains are short.
pub const MAX_CRLS: usize = 64;

/// Columns of a line of base64 (RFC 7468 §2), as octets that it carries.
const OCTETS_PER_LINE: usize = 48;

/// What a PEM section holds, as its label says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemLabel {
    /// `CERTIFICATE`.
    Certificate,
    /// `CERTIFICATE REQUEST` (PKCS #10).
    CertificateRequest,
    /// `X509 CRL`.
    Crl,
    /// `PUBLIC KEY`: a SubjectPublicKeyInfo.
    PublicKey,
}

impl PemLabel {
    /// The label between the dashes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::CertificateRequest => "CERTIFICATE REQUEST",
            Self::Crl => "X509 CRL",
            Self::PublicKey => "PUBLIC KEY",
        }
    }
}

/// A PEM file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PemInvalid {
    /// The file is larger than its kind may be.
    #[error("the file has {found} octets and at most {limit} are read")]
    TooLarge {
        /// Octets in the file.
        found: usize,
        /// Most that are read.
        limit: usize,
    },
    /// The file has more sections than its kind may have.
    #[error("the file has more than {limit} `{}` sections", wanted.as_str())]
    TooMany {
        /// The sections looked for.
        wanted: PemLabel,
        /// Most that are read.
        limit: usize,
    },
    /// There is no section of the kind looked for.
    #[error("the file has no `-----BEGIN {}-----` section", wanted.as_str())]
    NothingFound {
        /// The sections looked for.
        wanted: PemLabel,
    },
    /// A section of another kind, a private key for instance.
    #[error("section {section} of the file is a `{found}`; only `{}` belongs here", wanted.as_str())]
    UnexpectedSection {
        /// Which section, from 1.
        section: usize,
        /// The label found.
        found: &'static str,
        /// The label that belongs here.
        wanted: PemLabel,
    },
    /// A section has no end, or is not base64.
    #[error("section {section} of the file is not PEM")]
    Malformed {
        /// Which section, from 1.
        section: usize,
        /// What the reader says.
        #[source]
        source: PemReadError,
    },
}

/// All certificates of a PEM text, in its order.
///
/// # Errors
/// [`PemInvalid`] where the text is too large, has no certificate, or has anything but certificates in it. Sections
/// with labels that nobody knows are passed over.
pub fn certificates_from_pem(text: &str) -> Result<Vec<CertificateDer<'static>>, PemInvalid> {
    let sections = sections(
        text.as_bytes(),
        PemLabel::Certificate,
        SectionKind::Certificate,
        MAX_CERTIFICATE_FILE_OCTETS,
        MAX_CERTIFICATES,
    )?;
    Ok(sections.into_iter().map(CertificateDer::from).collect())
}

/// The revocation lists of a file: all of a PEM text, or the one of a DER file (as distribution points serve it).
///
/// # Errors
/// [`PemInvalid`] where the file is too large, has no list, or has anything but lists in it.
pub fn crls_from_pem_or_der(file: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, PemInvalid> {
    if file.first() == Some(&0x30) && file.len() <= MAX_CRL_FILE_OCTETS {
        return Ok(vec![CertificateRevocationListDer::from(file.to_vec())]);
    }
    let sections = sections(file, PemLabel::Crl, SectionKind::Crl, MAX_CRL_FILE_OCTETS, MAX_CRLS)?;
    Ok(sections.into_iter().map(CertificateRevocationListDer::from).collect())
}

/// A PEM section of this label around `der`, with a newline at its end (RFC 7468).
#[must_use]
pub fn to_pem(label: PemLabel, der: &[u8]) -> String {
    let label = label.as_str();
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(OCTETS_PER_LINE) {
        text.push_str(&Base64::encode_string(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn sections(
    file: &[u8],
    wanted: PemLabel,
    kind: SectionKind,
    octets_limit: usize,
    limit: usize,
) -> Result<Vec<Vec<u8>>, PemInvalid> {
    if file.len() > octets_limit {
        return Err(PemInvalid::TooLarge { found: file.len(), limit: octets_limit });
    }
    let mut found = Vec::new();
    for (index, section) in <(SectionKind, Vec<u8>)>::pem_slice_iter(file).enumerate() {
        let section_number = index.saturating_add(1);
        let (section_kind, der) =
            section.map_err(|source| PemInvalid::Malformed { section: section_number, source })?;
        if section_kind != kind {
            let label = section_label(section_kind);
            return Err(PemInvalid::UnexpectedSection { section: section_number, found: label, wanted });
        }
        if found.len() == limit {
            return Err(PemInvalid::TooMany { wanted, limit });
        }
        found.push(der);
    }
    if found.is_empty() { Err(PemInvalid::NothingFound { wanted }) } else { Ok(found) }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's list may grow; a new label is no certificate"
)]
const fn section_label(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Certificate => "CERTIFICATE",
        SectionKind::PublicKey => "PUBLIC KEY",
        SectionKind::RsaPrivateKey => "RSA PRIVATE KEY",
        SectionKind::PrivateKey => "PRIVATE KEY",
        SectionKind::EcPrivateKey => "EC PRIVATE KEY",
        SectionKind::Crl => "X509 CRL",
        SectionKind::Csr => "CERTIFICATE REQUEST",
        _ => "section of another kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_certificates() -> String {
        let text_before = "subject=CN = somebody\n";
        let first = to_pem(PemLabel::Certificate, &[0x30, 1, 1]);
        let second = to_pem(PemLabel::Certificate, &[0x30; 100]);
        format!("{text_before}{first}\n# a comment\n{second}")
    }

    #[test]
    fn certificates_come_back_in_order() {
        let found = certificates_from_pem(&two_certificates()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].as_ref(), [0x30, 1, 1]);
        assert_eq!(found[1].as_ref(), [0x30; 100]);
    }

    #[test]
    fn windows_line_ends_are_read() {
        let text = two_certificates().replace('\n', "\r\n");
        assert_eq!(certificates_from_pem(&text).unwrap().len(), 2);
    }

    #[test]
    fn lines_have_64_columns() {
        let text = to_pem(PemLabel::CertificateRequest, &[7; 96]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.first(), Some(&"-----BEGIN CERTIFICATE REQUEST-----"));
        assert_eq!(lines[1].len(), 64);
        assert_eq!(lines[2].len(), 64);
        assert_eq!(lines[3], "-----END CERTIFICATE REQUEST-----");
    }

    #[test]
    fn a_private_key_among_certificates_is_refused_with_its_place() {
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let error = certificates_from_pem(&format!("{}{key}", two_certificates())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "section 3 of the file is a `PRIVATE KEY`; only `CERTIFICATE` belongs here"
        );
    }

    #[test]
    fn a_file_without_certificates_says_so() {
        for text in ["", "no PEM at all", "-----BEGIN NOBODY KNOWS-----\nAAAA\n-----END NOBODY KNOWS-----\n"]
        {
            let error = certificates_from_pem(text).unwrap_err();
            assert!(
                matches!(error, PemInvalid::NothingFound { wanted: PemLabel::Certificate }),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn broken_sections_are_named() {
        for body in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            let error = certificates_from_pem(body).unwrap_err();
            assert!(matches!(error, PemInvalid::Malformed { section: 1, .. }), "{body}: {error}");
        }
    }

    #[test]
    fn size_and_count_are_bounded() {
        let large = "x".repeat(MAX_CERTIFICATE_FILE_OCTETS + 1);
        assert!(matches!(certificates_from_pem(&large), Err(PemInvalid::TooLarge { .. })));
        let many = to_pem(PemLabel::Certificate, &[0x30, 0]).repeat(MAX_CERTIFICATES + 1);
        assert!(matches!(certificates_from_pem(&many), Err(PemInvalid::TooMany { .. })));
    }

    #[test]
    fn revocation_lists_come_as_pem_or_der() {
        let der = [0x30, 2, 5, 0];
        assert_eq!(crls_from_pem_or_der(&der).unwrap()[0].as_ref(), der);
        let pem = to_pem(PemLabel::Crl, &der);
        assert_eq!(crls_from_pem_or_der(pem.as_bytes()).unwrap()[0].as_ref(), der);
        assert!(crls_from_pem_or_der(b"").is_err());
    }
}
