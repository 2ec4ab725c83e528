//! Why a bundle was not read. Nothing of it was believed yet, and nothing can be said of its keys.

use attestamp_certs::SignatureAlgorithm;
use attestamp_certs::pem::PemInvalid;
use attestamp_certs::tsu_certificate::TsuCertificateInvalid;

use super::NoBundlePath;
use crate::certificate::CertificateInvalid;
use crate::chain_kind::ChainKind;

/// Why a bundle was not read, or could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleInvalid {
    /// Too long.
    #[error("{length} octets, at most {limit} are read")]
    TooLong {
        /// Octets given.
        length: usize,
        /// Octets read.
        limit: usize,
    },
    /// A file of it is too long.
    #[error("{path} has {length} octets, at most {limit} are read")]
    FileTooLong {
        /// Its path.
        path: String,
        /// Octets given.
        length: usize,
        /// Octets read.
        limit: usize,
    },
    /// Too many files.
    #[error("more than {limit} files")]
    TooManyFiles {
        /// Files read.
        limit: usize,
    },
    /// Too many keys.
    #[error("more than {limit} keys: give the folder that the bundle was unpacked in, with fewer of them")]
    TooManyKeys {
        /// Keys read.
        limit: usize,
    },
    /// Not a tar archive as attestamp writes it.
    #[error("the tar archive is not read")]
    Archive(#[from] ArchiveInvalid),
    /// A path that leads elsewhere, or has characters that no bundle needs.
    #[error(
        "a file is named {path:?}: only relative names of printable ASCII, without `.` and `..`, are read"
    )]
    Path {
        /// The path.
        path: String,
    },
    /// A file of an archive that is none of a bundle's: unpacked, it could take the place of one of the auditor's.
    #[error("{path} is none of a bundle's files; do not unpack an archive that has it")]
    NotOfABundle {
        /// The path.
        path: String,
        /// Those that are.
        #[source]
        source: NoBundlePath,
    },
    /// Two files of one name.
    #[error("two files are named {path}")]
    Duplicate {
        /// Their path.
        path: String,
    },
    /// A file that is not PEM.
    #[error("{path} is not read")]
    Pem {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: PemInvalid,
    },
    /// PEM with something around it, which another reader could take for more certificates.
    #[error(
        "{path} has more in it than its certificates: text, other line ends, or sections of another kind"
    )]
    PemNotPlain {
        /// The file.
        path: String,
    },
    /// A single PEM file with something else than certificates in it, or with certificates in another form.
    #[error(
        "the PEM file has sections of another kind than CERTIFICATE, or other lines in them than of 64 characters: another \
         reader could take them for the attestation"
    )]
    SectionsNotPlain,
    /// Another number of certificates than belongs there.
    #[error("{path} has {found} certificates, {} belong there", range(*least, *most))]
    CertificateCount {
        /// The file.
        path: String,
        /// Certificates found.
        found: usize,
        /// Fewest.
        least: usize,
        /// Most.
        most: usize,
    },
    /// A certificate of an attestation or of its chain that is not one.
    #[error("certificate {number} of {path} is not read")]
    Certificate {
        /// The file.
        path: String,
        /// Which one of the file, from 1.
        number: usize,
        /// What is wrong.
        #[source]
        source: CertificateInvalid,
    },
    /// A TSU's certificate that is not one.
    #[error("{path} does not begin with a TSU's certificate")]
    TsuCertificate {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: TsuCertificateInvalid,
    },
    /// An attestation in the file of the other chain.
    #[error("{path} is the place of an attestation of the {chain} chain, and this one is signed with {}", found.name())]
    OtherChain {
        /// The file.
        path: String,
        /// The chain that belongs there.
        chain: ChainKind,
        /// How it is signed.
        found: SignatureAlgorithm,
    },
}

impl BundleInvalid {
    /// Whether nothing of the certificates was found wrong: the bundle is damaged, packed by something else, or of a kind
    /// that a newer program may know.
    #[must_use]
    pub const fn is_unjudgeable(&self) -> bool {
        match self {
            Self::TooLong { .. }
            | Self::FileTooLong { .. }
            | Self::TooManyFiles { .. }
            | Self::TooManyKeys { .. }
            | Self::Archive(_)
            | Self::Path { .. }
            | Self::Pem { .. }
            | Self::PemNotPlain { .. }
            | Self::SectionsNotPlain => true,
            Self::Certificate { source, .. } => {
                matches!(source, CertificateInvalid::SignatureAlgorithm { .. })
            }
            Self::NotOfABundle { .. }
            | Self::Duplicate { .. }
            | Self::CertificateCount { .. }
            | Self::TsuCertificate { .. }
            | Self::OtherChain { .. } => false,
        }
    }
}

/// Why a tar archive was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveInvalid {
    /// Something else: an attestation in DER, a compressed archive.
    #[error(
        "it is none: give the archive as it was fetched, the folder that it was unpacked in, or an attestation in PEM with \
         its chain behind it"
    )]
    NoArchive,
    /// It ends too early.
    #[error(
        "{needed} octets are needed at octet {offset}, and {available} are left: fetch the archive again"
    )]
    Truncated {
        /// Where in the archive.
        offset: usize,
        /// Octets needed.
        needed: usize,
        /// Octets left.
        available: usize,
    },
    /// A header's checksum is wrong.
    #[error("the checksum of the header at octet {offset} is wrong: fetch the archive again")]
    Checksum {
        /// Where in the archive.
        offset: usize,
    },
    /// A link, a folder, a device, or an extension.
    #[error(
        "the member at octet {offset} is no regular file: unpack the archive in an empty folder and give the folder"
    )]
    NotAFile {
        /// Where in the archive.
        offset: usize,
    },
    /// A header that says the same in other octets than attestamp's.
    #[error(
        "the header at octet {offset} is not as attestamp writes it: unpack the archive in an empty folder and give the \
         folder"
    )]
    HeaderNotPlain {
        /// Where in the archive.
        offset: usize,
    },
    /// What fills a file's last block is not zero.
    #[error("the file that ends before octet {offset} is followed by something else than zeros")]
    Padding {
        /// Where in the archive.
        offset: usize,
    },
    /// Something follows the end.
    #[error("something follows the end of the archive at octet {offset}")]
    AfterTheEnd {
        /// Where in the archive.
        offset: usize,
    },
}

fn range(least: usize, most: usize) -> String {
    if least == most { format!("exactly {least}") } else { format!("{least} to {most}") }
}
