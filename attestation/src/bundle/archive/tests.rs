use std::io::Write as _;
use std::process::{Command, Stdio};

use super::*;
use crate::bundle::Bundle;

/// 2026-02-03T04:05:06Z.
const MODIFIED: u64 = 1_770_091_506;

fn file(path: &str, content: &[u8]) -> BundleFile {
    BundleFile { path: path.to_owned(), content: content.to_vec() }
}

fn files() -> Vec<BundleFile> {
    let long = format!("evidence/{}/2.25.195043139723147967458054985970204369001.4.1", "a".repeat(90));
    vec![
        file("README.txt", b""),
        file("chain.pem", &[b'x'; 512]),
        file("keys/default.pem", b"an attestation\n"),
        file(&long, &[0, 0xff]),
    ]
}

fn reason(archive: &[u8]) -> ArchiveInvalid {
    let error = read(archive).unwrap_err();
    let BundleInvalid::Archive(reason) = error else { panic!("{error}") };
    reason
}

/// A header with one field changed and its checksum made anew.
fn changed(archive: &[u8], at: usize, octets: &[u8]) -> Vec<u8> {
    let mut archive = archive.to_vec();
    archive[at..at + octets.len()].copy_from_slice(octets);
    let mut header = tar::Header::from_byte_slice(&archive[..512]).clone();
    header.set_cksum();
    archive[..512].copy_from_slice(header.as_bytes());
    archive
}

#[test]
fn what_is_written_reads_back_octet_for_octet() {
    let archive = write(&files(), MODIFIED).unwrap();
    // Four headers, 0 + 1 + 1 + 1 blocks of content, two blocks of zeros.
    assert_eq!(archive.len(), (4 + 3 + 2) * BLOCK_OCTETS);
    assert_eq!(read(&archive).unwrap(), files());
    assert_eq!(read(&[0; 1024]).unwrap(), []);
}

#[test]
fn the_same_files_in_another_order_give_the_same_archive() {
    let archive = Bundle::to_tar(&files(), MODIFIED).unwrap();
    let mut reversed = files();
    reversed.reverse();
    assert_eq!(Bundle::to_tar(&reversed, MODIFIED).unwrap(), archive);
    assert_ne!(Bundle::to_tar(&files(), MODIFIED + 1).unwrap(), archive);
    assert_eq!(read(&archive).unwrap(), files());
}

/// The judge of the format is the tar that auditors have.
#[test]
fn another_tar_lists_the_same_names_and_lengths() {
    let archive = write(&files(), MODIFIED).unwrap();
    let mut tar = Command::new("tar")
        .args(["--list", "--verbose", "--utc", "--full-time", "--file=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(&archive).unwrap();
    let output = tar.wait_with_output().unwrap();
    assert!(output.status.success());
    let listed = String::from_utf8(output.stdout).unwrap();
    let listed: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(listed.len(), files().len());
    for (listed, file) in listed.iter().zip(files()) {
        let length = file.content.len().to_string();
        assert_eq!(listed, &["-rw-r--r--", "0/0", &length, "2026-02-03", "04:05:06", &file.path]);
    }
}

/// Any flipped bit is refused, or changes one bit of one content.
#[test]
fn no_bit_of_an_archive_is_unread() {
    let files = [file("README.txt", b"r"), file("keys/default.pem", b"an attestation\n")];
    let archive = write(&files, MODIFIED).unwrap();
    let mut accepted = 0;
    for bit in 0..archive.len() * 8 {
        let mut flipped = archive.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(found) = read(&flipped) else { continue };
        accepted += 1;
        assert_eq!(found.len(), files.len());
        let (mut paths, mut differences) = (Vec::new(), 0);
        for (found, file) in found.iter().zip(&files) {
            paths.push(found.path == file.path);
            differences += u32::from(found.content != file.content);
        }
        assert_eq!((paths, differences), (vec![true, true], 1), "bit {bit}");
    }
    // The contents' own bits.
    assert_eq!(accepted, (1 + 15) * 8);
}

#[test]
fn an_archive_that_ends_early_is_refused_wherever_it_ends() {
    let archive = write(&files(), MODIFIED).unwrap();
    for length in 0..archive.len() {
        let reason = reason(&archive[..length]);
        assert!(matches!(reason, ArchiveInvalid::Truncated { .. }), "{length}: {reason}");
    }
}

#[test]
fn after_the_end_are_only_whole_blocks_of_zeros() {
    let archive = write(&files(), MODIFIED).unwrap();
    assert_eq!(read(&[&archive[..], &[0; 8 * 512]].concat()).unwrap(), files());
    let offset = archive.len() - 512;
    for rest in [&[0; 511][..], &[1; 512], b"x", &archive] {
        let archive = [&archive[..], rest].concat();
        assert_eq!(reason(&archive), ArchiveInvalid::AfterTheEnd { offset });
    }
    let mut archive = archive;
    archive[offset + 100] = 1;
    assert_eq!(reason(&archive), ArchiveInvalid::AfterTheEnd { offset });
}

#[test]
fn only_regular_files_are_read() {
    let archive = write(&[file("chain.pem", b"x")], MODIFIED).unwrap();
    // Links, devices, folders, FIFOs, contiguous and sparse files, GNU's long names, extended headers.
    for kind in *b"123456 7SLKxgV" {
        if kind == b' ' {
            continue;
        }
        let archive = changed(&archive, 156, &[kind]);
        assert_eq!(reason(&archive), ArchiveInvalid::NotAFile { offset: 0 }, "{}", char::from(kind));
    }
    assert_eq!(reason(&changed(&archive, 156, &[0])), ArchiveInvalid::HeaderNotPlain { offset: 0 });
}

#[test]
fn a_header_that_says_the_same_in_other_octets_is_refused() {
    let archive = write(&[file("chain.pem", b"x")], MODIFIED).unwrap();
    let base_256 = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for (at, octets) in [
        (0, &b"./chain.pem"[..]),
        (0, b"/chain.pem"),
        (0, b"../chain.pem"),
        (0, b"chain.pem\0x"),
        (0, b"chain.pem\xff"),
        (100, b"0000755"),
        (108, b"0000001"),
        (124, b"          1\0"),
        (124, &base_256),
        (157, b"elsewhere"),
        (257, b"ustar  \0"),
        (265, b"root"),
        (345, b"prefix"),
        (500, b"x"),
    ] {
        let archive = changed(&archive, at, octets);
        assert_eq!(reason(&archive), ArchiveInvalid::HeaderNotPlain { offset: 0 }, "{at}");
    }
    // What the test changes is what decides.
    assert!(read(&changed(&archive, 0, b"chain.pem")).is_ok());
}

#[test]
fn a_wrong_checksum_is_named() {
    let mut archive = write(&[file("chain.pem", b"x")], MODIFIED).unwrap();
    archive[0] = b'd';
    assert_eq!(reason(&archive), ArchiveInvalid::Checksum { offset: 0 });
}

#[test]
fn what_is_no_archive_is_not_called_a_damaged_one() {
    let mut archive = write(&[file("chain.pem", b"x")], MODIFIED).unwrap();
    let (der, compressed) = ([&[0x30, 0x82, 0x04, 0x00][..], &[0; 1024]].concat(), [0x1f; 600]);
    for other in [&der[..], &compressed] {
        assert_eq!(reason(other), ArchiveInvalid::NoArchive);
    }
    archive[257] ^= 1;
    assert_eq!(reason(&archive), ArchiveInvalid::NoArchive);
}

#[test]
fn files_are_counted() {
    let many: Vec<BundleFile> = (0..=MAX_FILES).map(|number| file(&format!("{number}"), b"")).collect();
    let archive = write(&many, MODIFIED).unwrap();
    assert!(matches!(read(&archive), Err(BundleInvalid::TooManyFiles { limit: MAX_FILES })));
    assert_eq!(read(&write(&many[1..], MODIFIED).unwrap()).unwrap().len(), MAX_FILES);
}

#[test]
fn a_path_without_a_place_in_a_header_is_not_written() {
    for path in ["", "/a", "a/../b", &"a".repeat(101), "a\0b"] {
        let error = write(&[file(path, b"")], MODIFIED).unwrap_err();
        assert!(matches!(error, BundleInvalid::Path { .. }), "{path:?}: {error}");
    }
}
