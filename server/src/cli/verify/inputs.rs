//! What `verify` reads: bounded files, and options that are more than text.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use attestamp_certs::pem::{self, MAX_CERTIFICATE_FILE_OCTETS, MAX_CRL_FILE_OCTETS};
use attestamp_certs::{CertificateDer, HashAlgorithm, RevocationList, TrustAnchors, UnixTime};
use attestamp_tsa::verify::MAX_TOKEN_OCTETS;
use attestamp_tsa::{Compatibility, MAX_REQUEST_LENGTH, PolicyOid, TimeStampReq};

/// Octets of a stamped file that are hashed at a time.
const PIECE_OCTETS: usize = 64 * 1024;

/// What the timestamp must be for.
#[derive(Debug)]
pub(super) enum Imprint {
    /// This file, hashed with the token's algorithm.
    File(PathBuf),
    /// This hash value, where the algorithm is known of this algorithm.
    Digest(Option<HashAlgorithm>, Vec<u8>),
}

/// What the timestamp's nonce must be.
#[derive(Debug, Clone)]
pub(super) enum Nonce {
    Any,
    Absent,
    Value(Vec<u8>),
}

/// What a request asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) hash: HashAlgorithm,
    pub(super) hashed_message: Vec<u8>,
    pub(super) nonce: Nonce,
    pub(super) policy: Option<PolicyOid>,
}

/// Octets in hexadecimal; of a nonce, the content of its INTEGER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Octets(pub(super) Vec<u8>);

/// `HEX` or `algorithm:HEX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DigestOption {
    pub(super) algorithm: Option<HashAlgorithm>,
    pub(super) value: Vec<u8>,
}

/// Text that is no hexadecimal of whole octets, or names no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum OptionInvalid {
    /// Not pairs of hexadecimal digits.
    #[error("not hexadecimal: an even number of digits 0-9 and a-f is needed")]
    NotHexadecimal,
    /// No hash of this name.
    #[error("unknown hash algorithm; sha256, sha384, sha512, sha3-256, sha3-384 and sha3-512 are known")]
    UnknownHash,
    /// A hash value of another length than the hash has.
    #[error("{} has {required} octets, and {found} are given", hash.name())]
    Length {
        /// The hash named.
        hash: HashAlgorithm,
        /// Octets given.
        found: usize,
        /// Octets that it has.
        required: usize,
    },
}

impl FromStr for Octets {
    type Err = OptionInvalid;

    /// Colons between the octets, as OpenSSL prints them, and a leading `0x` are passed over.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix("0x").unwrap_or(text).replace(':', "");
        let digits = text
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<Vec<u8>>>()
            .ok_or(OptionInvalid::NotHexadecimal)?;
        let (pairs, []) = digits.as_chunks::<2>() else { return Err(OptionInvalid::NotHexadecimal) };
        if pairs.is_empty() {
            return Err(OptionInvalid::NotHexadecimal);
        }
        Ok(Self(pairs.iter().map(|[high, low]| high << 4 | low).collect()))
    }
}

impl FromStr for DigestOption {
    type Err = OptionInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((name, value)) = text.split_once(':').filter(|(name, _)| name.len() > 2) else {
            return Ok(Self { algorithm: None, value: Octets::from_str(text)?.0 });
        };
        let hash = HashAlgorithm::from_name(name).ok_or(OptionInvalid::UnknownHash)?;
        let Octets(value) = value.parse()?;
        let (found, required) = (value.len(), hash.output_length());
        if found != required {
            return Err(OptionInvalid::Length { hash, found, required });
        }
        Ok(Self { algorithm: Some(hash), value })
    }
}

/// An instant in RFC 3339, or a date, which is its first second in UTC.
pub(in crate::cli) fn parse_time(text: &str) -> Result<UnixTime, String> {
    let instant = match text.parse::<jiff::civil::Date>() {
        Ok(date) if !text.contains(['T', 't', ' ']) => {
            date.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
        }
        Ok(_) | Err(_) => text.parse::<jiff::Timestamp>(),
    };
    instant
        .ok()
        .and_then(|instant| u64::try_from(instant.as_second()).ok())
        .map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
        .ok_or_else(|| "not a time after 1970 in the form 2026-02-03T04:05:06Z or 2026-02-03".to_owned())
}

/// The octets of a response or token; one more than is accepted, so that the verifier names the excess.
pub(in crate::cli) fn read_timestamp(path: &Path) -> anyhow::Result<Vec<u8>> {
    read_bounded(path, MAX_TOKEN_OCTETS)
        .with_context(|| format!("cannot read the timestamp {}", path.display()))
}

pub(super) fn read_query(path: &Path) -> anyhow::Result<Asked> {
    let context = || format!("cannot use the request {}", path.display());
    let der = read_bounded(path, MAX_REQUEST_LENGTH).with_context(context)?;
    let compatibility = Compatibility { explicit_cert_req_false: true };
    let request = TimeStampReq::decode_with(&der, compatibility).with_context(context)?;
    let imprint = request.message_imprint();
    let hash = HashAlgorithm::from_oid_content(imprint.hash_algorithm().content())
        .context("its hash algorithm is unknown or too weak")
        .with_context(context)?;
    Ok(Asked {
        hash,
        hashed_message: imprint.hashed_message().to_vec(),
        nonce: request.nonce().map_or(Nonce::Absent, |nonce| Nonce::Value(nonce.to_vec())),
        policy: request.req_policy().map(PolicyOid::from_oid),
    })
}

pub(in crate::cli) fn read_anchors(paths: &[PathBuf]) -> anyhow::Result<TrustAnchors> {
    let certificates = read_certificates(paths)?;
    TrustAnchors::from_certificates(certificates).context("cannot use the certificates of --ca")
}

pub(in crate::cli) fn read_certificates(paths: &[PathBuf]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let mut certificates = Vec::new();
    for path in paths {
        let context = || format!("cannot read certificates from {}", path.display());
        let octets = read_bounded(path, MAX_CERTIFICATE_FILE_OCTETS).with_context(context)?;
        let text = String::from_utf8_lossy(&octets);
        certificates.extend(pem::certificates_from_pem(&text).with_context(context)?);
    }
    Ok(certificates)
}

pub(super) fn read_crls(paths: &[PathBuf]) -> anyhow::Result<Vec<RevocationList>> {
    let mut lists = Vec::new();
    for path in paths {
        let context = || format!("cannot use the revocation list {}", path.display());
        let octets = read_bounded(path, MAX_CRL_FILE_OCTETS).with_context(context)?;
        for list in pem::crls_from_pem_or_der(&octets).with_context(context)? {
            lists.push(RevocationList::parse(&list).with_context(context)?);
        }
    }
    Ok(lists)
}

/// The hash value of a file of any size.
pub(super) fn hash_file(path: &Path, algorithm: HashAlgorithm) -> io::Result<Vec<u8>> {
    if path == Path::new("-") {
        return hash_stream(io::stdin().lock(), algorithm);
    }
    hash_stream(File::open(path)?, algorithm)
}

fn hash_stream(mut stream: impl Read, algorithm: HashAlgorithm) -> io::Result<Vec<u8>> {
    let mut hasher = algorithm.hasher();
    let mut piece = vec![0; PIECE_OCTETS];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(hasher.finish().as_ref().to_vec()),
            Ok(length) => hasher.update(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The octets of a file that is not longer than this.
pub(in crate::cli) fn read_bounded(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut octets = Vec::new();
    let with_one_more = u64::try_from(limit)?.saturating_add(1);
    file.take(with_one_more).read_to_end(&mut octets)?;
    if octets.len() > limit {
        bail!("the file has more than {limit} octets");
    }
    Ok(octets)
}
