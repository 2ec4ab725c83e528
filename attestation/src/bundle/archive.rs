//! The tar archive: POSIX ustar (IEEE Std 1003.1, pax, "ustar Interchange Format"), written in one way and read in that
//! one way.
//!
//! Readers of tar differ in what they make of a header: numbers in three encodings, names in three places, extensions
//! that replace both. So a header is read, written anew from its name, length and time, and must be the same octets. The
//! archive means the same to every reader then, and no octet of it is unread. An archive that something else packed
//! is to be unpacked, and given as a folder.

use super::BundleFile;
use super::invalid::{ArchiveInvalid, BundleInvalid};
use super::limits::MAX_FILES;

/// Octets of a block: headers have one, contents are filled up to whole ones.
const BLOCK_OCTETS: usize = 512;
/// Blocks of zeros that end an archive, at least.
const END_BLOCKS: usize = 2;
/// A header's field for its own checksum, which counts as spaces.
const CHECKSUM_FIELD: std::ops::Range<usize> = 148..156;
/// What every tar of today writes into every header, and where.
const MAGIC: &[u8] = b"ustar";
const MAGIC_FIELD: std::ops::Range<usize> = 257..262;

/// An archive of these files in this order.
pub(super) fn write(files: &[BundleFile], modified_unix_seconds: u64) -> Result<Vec<u8>, BundleInvalid> {
    let mut archive = Vec::new();
    for BundleFile { path, content } in files {
        let header = header(path, content.len(), modified_unix_seconds)
            .ok_or_else(|| BundleInvalid::Path { path: path.clone() })?;
        archive.extend_from_slice(header.as_bytes());
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK_OCTETS), 0);
    }
    archive.resize(archive.len().saturating_add(END_BLOCKS.saturating_mul(BLOCK_OCTETS)), 0);
    Ok(archive)
}

/// `None` for a path that has no place in a header.
fn header(path: &str, length: usize, modified_unix_seconds: u64) -> Option<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path).ok()?;
    header.set_size(u64::try_from(length).ok()?);
    header.set_mtime(modified_unix_seconds);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    Some(header)
}

/// The files of an archive, in its order.
pub(super) fn read(archive: &[u8]) -> Result<Vec<BundleFile>, BundleInvalid> {
    let mut files = Vec::new();
    let mut input = Input { rest: archive, offset: 0 };
    loop {
        let offset = input.offset;
        let block = input.take(BLOCK_OCTETS)?;
        if is_zero(block) {
            input.end()?;
            return Ok(files);
        }
        if files.len() == MAX_FILES {
            return Err(BundleInvalid::TooManyFiles { limit: MAX_FILES });
        }
        if offset == 0 && block.get(MAGIC_FIELD) != Some(MAGIC) {
            return Err(ArchiveInvalid::NoArchive.into());
        }
        let (path, length) = read_header(block).map_err(|problem| problem.at(offset))?;
        let content = input.take(length)?.to_vec();
        input.padding(length)?;
        files.push(BundleFile { path, content });
    }
}

/// What is wrong with a header.
enum HeaderProblem {
    Checksum,
    NotAFile,
    NotPlain,
}

impl HeaderProblem {
    const fn at(self, offset: usize) -> ArchiveInvalid {
        match self {
            Self::Checksum => ArchiveInvalid::Checksum { offset },
            Self::NotAFile => ArchiveInvalid::NotAFile { offset },
            Self::NotPlain => ArchiveInvalid::HeaderNotPlain { offset },
        }
    }
}

/// A file's path and length.
fn read_header(block: &[u8]) -> Result<(String, usize), HeaderProblem> {
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, octet)| u32::from(if CHECKSUM_FIELD.contains(&at) { b' ' } else { *octet }))
        .sum();
    if header.cksum().ok() != Some(sum) {
        return Err(HeaderProblem::Checksum);
    }
    if header.entry_type() != tar::EntryType::Regular {
        return Err(HeaderProblem::NotAFile);
    }
    let not_plain = |_| HeaderProblem::NotPlain;
    let path = String::from_utf8(header.path_bytes().into_owned()).map_err(|_| HeaderProblem::NotPlain)?;
    let length =
        usize::try_from(header.entry_size().map_err(not_plain)?).map_err(|_| HeaderProblem::NotPlain)?;
    let written = self::header(&path, length, header.mtime().map_err(not_plain)?);
    if written.is_some_and(|written| written.as_bytes().as_slice() == block) {
        Ok((path, length))
    } else {
        Err(HeaderProblem::NotPlain)
    }
}

fn is_zero(octets: &[u8]) -> bool {
    octets.iter().all(|octet| *octet == 0)
}

/// What is left of an archive.
struct Input<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, octets: usize) -> Result<&'a [u8], ArchiveInvalid> {
        let Some((taken, rest)) = self.rest.split_at_checked(octets) else {
            let (offset, available) = (self.offset, self.rest.len());
            return Err(ArchiveInvalid::Truncated { offset, needed: octets, available });
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(octets);
        Ok(taken)
    }

    /// What fills the last block of a file of this length.
    fn padding(&mut self, length: usize) -> Result<(), ArchiveInvalid> {
        let offset = self.offset;
        let octets = length.next_multiple_of(BLOCK_OCTETS).saturating_sub(length);
        if is_zero(self.take(octets)?) { Ok(()) } else { Err(ArchiveInvalid::Padding { offset }) }
    }

    /// After the first block of zeros: one more at least, and nothing else.
    fn end(&mut self) -> Result<(), ArchiveInvalid> {
        let offset = self.offset;
        if !is_zero(self.take(BLOCK_OCTETS)?)
            || !is_zero(self.rest)
            || !self.rest.len().is_multiple_of(BLOCK_OCTETS)
        {
            return Err(ArchiveInvalid::AfterTheEnd { offset });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
