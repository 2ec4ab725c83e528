//! Paths of the tlog-tiles layout, below a ledger's prefix.

use std::fmt;

/// Hashes in a full tile, entries in a full bundle.
pub(crate) const TILE_WIDTH: u64 = 256;

/// What a path under the prefix leads to, `checkpoint` aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TilePath {
    /// `tile/L/N[.p/W]`
    Hashes {
        /// 0 to 63.
        level: u8,
        /// Counted from 0.
        index: u64,
        /// Hashes in it: 256, or fewer in a partial tile.
        width: u16,
    },
    /// `tile/entries/N[.p/W]`
    Entries {
        /// Counted from 0.
        index: u64,
        /// Entries in it: 256, or fewer.
        width: u16,
    },
}

impl TilePath {
    /// Reads a path such as `tile/0/x001/x234/067.p/12`; `None` if it is none, or not written in the one form.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, decimal(width).filter(|width| (1..=255).contains(width))?),
            None => (rest, TILE_WIDTH),
        };
        let index = parse_index(index)?;
        let width = u16::try_from(width).ok()?;
        if level == "entries" {
            return Some(Self::Entries { index, width });
        }
        let level = decimal(level).filter(|&level| level <= 63).and_then(|level| u8::try_from(level).ok())?;
        Some(Self::Hashes { level, index, width })
    }
}

/// A decimal number without leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let is_plain =
        text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

/// `x001/x234/067` is 1234067. The first group is not zero unless it is the only one.
fn parse_index(text: &str) -> Option<u64> {
    if text.starts_with("x000") {
        return None;
    }
    let (before, last) = text.rsplit_once('/').map_or((None, text), |(before, last)| (Some(before), last));
    let mut index = 0_u64;
    for group in before.into_iter().flat_map(|before| before.split('/')) {
        index = index.checked_mul(1000)?.checked_add(three_digits(group.strip_prefix('x')?)?)?;
    }
    index.checked_mul(1000)?.checked_add(three_digits(last)?)
}

fn three_digits(text: &str) -> Option<u64> {
    (text.len() == 3 && text.bytes().all(|octet| octet.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// The path.
impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (index, width) = match *self {
            Self::Hashes { level, index, width } => {
                write!(f, "tile/{level}/")?;
                (index, width)
            }
            Self::Entries { index, width } => {
                write!(f, "tile/entries/")?;
                (index, width)
            }
        };
        let mut groups = vec![index % 1000];
        let mut rest = index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            if place == 0 { write!(f, "{group:03}")? } else { write!(f, "x{group:03}/")? }
        }
        if u64::from(width) == TILE_WIDTH { Ok(()) } else { write!(f, ".p/{width}") }
    }
}

#[cfg(test)]
mod tests;
