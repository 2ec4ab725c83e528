//! The names of the files of a bundle: a closed scheme, so that nothing in an archive can name a file elsewhere.
//!
//! A name is read into one of five kinds or into none. One that is of none is a reason to refuse an archive: unpacked, it
//! could replace a file of the auditor's. No two names of the scheme differ in case only, so that this holds where case
//! does not count. In a folder it is somebody's note, and not looked at, if it leads nowhere else.

use std::fmt;
use std::str::FromStr;

use attestamp_strict_der::Oid;

use crate::chain_kind::ChainKind;

/// Longest name of a key: a TSU's name of 40 characters, or the CKA_ID of a key in hexadecimal, or both.
pub const MAX_KEY_NAME_LENGTH: usize = 90;
/// Longest object identifier in dotted form that an archive's header has room for.
const MAX_FORMAT_LENGTH: usize = 100;
/// Longest path that an archive's header has room for.
const MAX_PATH_LENGTH: usize = 255;

/// A file of a bundle, by what is in it. Its `Display` is its path, as `keys/default.pem`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BundlePath {
    /// `README.txt`.
    Readme,
    /// `chain.pem` or `pq-chain.pem`.
    Chain(ChainKind),
    /// `keys/NAME.pem` or `keys/NAME.pq.pem`.
    Attestation {
        /// NAME.
        key: String,
        /// The chain that it is under.
        chain: ChainKind,
    },
    /// `tsu/NAME.pem`.
    Tsu {
        /// NAME.
        key: String,
    },
    /// `evidence/NAME/FORMAT`.
    Evidence {
        /// NAME.
        key: String,
        /// The format's object identifier in dotted form.
        format: String,
    },
}

impl BundlePath {
    /// The path of vendor evidence whose format has these content octets, as in
    /// [`EvidenceClaim::format`](crate::EvidenceClaim::format).
    #[must_use]
    pub fn evidence(key: &str, format: &[u8]) -> Self {
        Self::Evidence { key: key.to_owned(), format: Oid::from_checked(format).to_string() }
    }

    /// The key that the file is of.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Readme | Self::Chain(_) => None,
            Self::Attestation { key, .. } | Self::Tsu { key } | Self::Evidence { key, .. } => Some(key),
        }
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readme => out.write_str("README.txt"),
            Self::Chain(ChainKind::Classical) => out.write_str("chain.pem"),
            Self::Chain(ChainKind::PostQuantum) => out.write_str("pq-chain.pem"),
            Self::Attestation { key, chain: ChainKind::Classical } => write!(out, "keys/{key}.pem"),
            Self::Attestation { key, chain: ChainKind::PostQuantum } => write!(out, "keys/{key}.pq.pem"),
            Self::Tsu { key } => write!(out, "tsu/{key}.pem"),
            Self::Evidence { key, format } => write!(out, "evidence/{key}/{format}"),
        }
    }
}

/// A path that is none of a bundle's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "README.txt, chain.pem, pq-chain.pem, keys/NAME.pem, keys/NAME.pq.pem, tsu/NAME.pem and evidence/NAME/FORMAT are \
     the files of a bundle, where NAME has 1 to {MAX_KEY_NAME_LENGTH} lower-case letters, digits and hyphens"
)]
pub struct NoBundlePath;

impl FromStr for BundlePath {
    type Err = NoBundlePath;

    fn from_str(path: &str) -> Result<Self, NoBundlePath> {
        let parts: Vec<&str> = path.split('/').collect();
        let found = match parts.as_slice() {
            ["README.txt"] => Self::Readme,
            ["chain.pem"] => Self::Chain(ChainKind::Classical),
            ["pq-chain.pem"] => Self::Chain(ChainKind::PostQuantum),
            ["keys", file] => match file.strip_suffix(".pq.pem") {
                Some(name) => Self::Attestation { key: key_name(name)?, chain: ChainKind::PostQuantum },
                None => Self::Attestation { key: key_name(without_pem(file)?)?, chain: ChainKind::Classical },
            },
            ["tsu", file] => Self::Tsu { key: key_name(without_pem(file)?)? },
            ["evidence", name, format] => {
                Self::Evidence { key: key_name(name)?, format: dotted(format)?.to_owned() }
            }
            _ => return Err(NoBundlePath),
        };
        Ok(found)
    }
}

fn without_pem(file: &str) -> Result<&str, NoBundlePath> {
    file.strip_suffix(".pem").ok_or(NoBundlePath)
}

fn key_name(name: &str) -> Result<String, NoBundlePath> {
    let fits = (1..=MAX_KEY_NAME_LENGTH).contains(&name.len())
        && !name.starts_with('-')
        && name.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-');
    if fits { Ok(name.to_owned()) } else { Err(NoBundlePath) }
}

/// An object identifier as it is displayed: arcs in decimal without leading zeros.
fn dotted(format: &str) -> Result<&str, NoBundlePath> {
    let is_arc = |arc: &str| {
        let digits = !arc.is_empty() && arc.bytes().all(|octet| octet.is_ascii_digit());
        digits && (arc == "0" || !arc.starts_with('0'))
    };
    let fits = format.len() <= MAX_FORMAT_LENGTH && format.contains('.') && format.split('.').all(is_arc);
    if fits { Ok(format) } else { Err(NoBundlePath) }
}

/// Whether a path stays below the folder that it is unpacked in, and can be printed.
pub(super) fn is_plain(path: &str) -> bool {
    let is_plain_part = |part: &str| !matches!(part, "" | "." | "..");
    path.len() <= MAX_PATH_LENGTH
        && path.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'\\')
        && path.split('/').all(is_plain_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oid;

    #[test]
    fn every_kind_reads_back() {
        let longest = "a".repeat(MAX_KEY_NAME_LENGTH);
        let evidence = BundlePath::evidence("default", &oid::YUBIHSM2_EVIDENCE);
        assert_eq!(evidence.to_string(), "evidence/default/2.25.195043139723147967458054985970204369001.4.1");
        for path in [
            BundlePath::Readme,
            BundlePath::Chain(ChainKind::Classical),
            BundlePath::Chain(ChainKind::PostQuantum),
            BundlePath::Attestation { key: "default".to_owned(), chain: ChainKind::Classical },
            BundlePath::Attestation { key: longest.clone(), chain: ChainKind::PostQuantum },
            BundlePath::Tsu { key: longest },
            evidence,
        ] {
            let text = path.to_string();
            assert!(is_plain(&text), "{text}");
            assert_eq!(text.parse(), Ok(path));
        }
    }

    #[test]
    fn other_names_are_none_of_a_bundles() {
        let too_long = format!("keys/{}.pem", "a".repeat(MAX_KEY_NAME_LENGTH + 1));
        for path in [
            "",
            "readme.txt",
            "Chain.pem",
            "keys",
            "keys/",
            "keys/.pem",
            "keys/-a.pem",
            "keys/A.pem",
            "keys/a.b.pem",
            "keys/a.pem/b",
            "keys/.pq.pem",
            "/keys/a.pem",
            "./keys/a.pem",
            "keys//a.pem",
            "keys/../a.pem",
            "tsu/a.pq.pem",
            "evidence/a",
            "evidence/a/1",
            "evidence/a/1.02",
            "evidence/a/1..2",
            "evidence/a/1.2.",
            "evidence/a/1.x",
            &too_long,
        ] {
            assert_eq!(path.parse::<BundlePath>(), Err(NoBundlePath), "{path}");
        }
    }

    #[test]
    fn paths_that_lead_elsewhere_or_cannot_be_printed_are_not_plain() {
        for path in ["", "/a", "a/", "a//b", "./a", "a/../b", "..", "a\\b", "a b", "a\nb", "\u{e4}"] {
            assert!(!is_plain(path), "{path}");
        }
        assert!(!is_plain(&"a".repeat(MAX_PATH_LENGTH + 1)));
        for path in ["notes.txt", "keys/A.pem", "a/b/c/..d"] {
            assert!(is_plain(path), "{path}");
        }
    }
}
