//! A reader of ledgers that is not ours finds every token that a client got, and both it and `attestamp ledger verify` find
//! every octet that was altered (E1, E3, E6).

#![expect(clippy::indexing_slicing, reason = "files of known form, made by this test; a panic fails it")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::c2sp_reader;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::ledger_reader::{self, check_entry, hexadecimal};
use attestamp_interop_tests::program;
use attestamp_interop_tests::reply::Granted;
use attestamp_interop_tests::stamping::stamp;
use attestamp_interop_tests::token_under_test::TokenKind;
use attestamp_interop_tests::tools::OPENSSL;

const CONNECTIONS: u32 = 16;

/// With a checkpoint each second.
fn folder_of(kind: TokenKind) -> Result<DataFolder> {
    let folder = kind.initialised_with(&["--tsu", "default:p-256"])?.folder;
    folder.edit_configuration("# checkpoint-seconds = 10", "checkpoint-seconds = 1")?;
    Ok(folder)
}

fn keys_of(folder: &DataFolder) -> Result<PathBuf> {
    folder.write("keys.txt", folder.run(&["ledger", "keys"])?.succeeded()?.stdout)
}

/// Waits until a checkpoint includes this token, by asking for its proof.
fn prove(folder: &DataFolder, authority: &Authority, token: &Granted, name: &str) -> Result<PathBuf> {
    let file = folder.write(&format!("{name}.token"), &token.token)?;
    let proof = folder.work().join(format!("{name}.tlog-proof"));
    let (file, output) = (file.display().to_string(), proof.display().to_string());
    folder.run(&["ledger", "prove", &file, "-o", &output, "--url", &authority.url("")])?.succeeded()?;
    Ok(proof)
}

fn certificate(folder: &DataFolder, authority: &Authority) -> Result<Vec<u8>> {
    folder.write("tsu.pem", authority.fetch("/tsa/default/certificate.pem")?)?;
    let arguments = ["x509", "-in", "tsu.pem", "-outform", "DER", "-out", "tsu.der"];
    OPENSSL.run(&folder.work(), &arguments)?.succeeded()?;
    Ok(std::fs::read(folder.work().join("tsu.der"))?)
}

#[test]
fn every_token_is_found_by_a_reader_that_is_not_ours() -> Result<()> {
    for kind in TokenKind::ALL {
        let folder = folder_of(kind)?;
        let keys = keys_of(&folder)?;
        // SoftHSM2 has no ML-DSA.
        let expected_keys = if kind == TokenKind::Embedded { 2 } else { 1 };
        ensure!(std::fs::read_to_string(&keys)?.lines().count() == expected_keys, "{kind:?}");
        let authority = folder.serve()?;
        let mut tokens = stamp(&authority, "/tsa", 1, 1)?;
        prove(&folder, &authority, tokens.last().context("a token")?, "first")?;
        let early = folder.write("early", authority.fetch("/ledger/checkpoint")?)?;
        tokens.extend(stamp(&authority, "/tsa", CONNECTIONS, 40)?);
        // It is issued after all others, and so has the highest index.
        tokens.extend(stamp(&authority, "/tsa", 1, 1)?);
        let last = tokens.last().context("a token")?;
        let proof = prove(&folder, &authority, last, "last")?;

        let ledger = ledger_reader::tree(&authority.url("/ledger"), &keys, &[&early])?;
        let certificate = certificate(&folder, &authority)?;
        ensure!(ledger.of_kind("token").count() == tokens.len(), "tokens on record that nobody got");
        for token in &tokens {
            ledger.check_token(token, &certificate)?;
        }
        // 642 tokens: two full tiles, a partial one, and a level above.
        ensure!(ledger.levels == 2, "{} levels", ledger.levels);
        ensure!(
            ledger.of_kind("event").any(|event| event["event"] == 1),
            "no event says that the server started"
        );

        let entry = ledger_reader::run_proof(&proof, &keys)?.succeeded()?.stdout;
        check_entry(&serde_json::from_str(&entry)?, last, &certificate)?;
        // And what is left after the stop continues what was there before.
        authority.stop()?;
        let exported = folder.work().join("exported").display().to_string();
        folder.run(&["ledger", "export-tiles", &exported])?.succeeded()?;
        let after = ledger_reader::tree(&exported, &keys, &[&early])?;
        let vkeys = std::fs::read_to_string(&keys)?;
        let ed25519 = vkeys.lines().next().context("a key")?;
        let exported = Path::new(&exported);
        c2sp_reader::run(exported, ed25519, &early, &proof)?
            .succeeded()?
            .said("consistent: ")?
            .said("included: ")?
            .said("proved from tiles: ")?;
        flip(&exported.join("tile/0/000"), 100)?;
        c2sp_reader::run(exported, ed25519, &early, &proof)?.failed()?.said("Error: ")?;
        ensure!(after.of_kind("event").any(|event| event["event"] == 2), "no event says that it stopped");
    }
    Ok(())
}

/// Tiles of level 2 begin with the 65 536th leaf.
#[test]
fn a_tree_with_three_levels_of_tiles_is_read_by_another_reader() -> Result<()> {
    let folder = folder_of(TokenKind::Embedded)?;
    let keys = keys_of(&folder)?;
    let authority = folder.serve()?;
    let url = authority.url("/tsa");
    let load = ["bench", &url, "--requests", "65600", "--warm-up", "0", "--connections", "64"];
    program::run(&folder.work(), &load)?.succeeded()?;
    let early = folder.write("early", authority.fetch("/ledger/checkpoint")?)?;
    let tokens = stamp(&authority, "/tsa", 1, 1)?;
    let token = tokens.last().context("a token")?;
    let proof = prove(&folder, &authority, token, "last")?;
    let ledger = ledger_reader::tree(&authority.url("/ledger"), &keys, &[&early])?;
    ensure!(ledger.levels == 3 && ledger.entries.len() > 65_536, "{} levels", ledger.levels);
    let certificate = certificate(&folder, &authority)?;
    ledger.check_token(token, &certificate)?;
    let entry = ledger_reader::run_proof(&proof, &keys)?.succeeded()?.stdout;
    check_entry(&serde_json::from_str(&entry)?, token, &certificate)?;
    authority.stop()?;
    folder.run(&["ledger", "verify"])?.succeeded()?.said("holds: the ledger")?;
    Ok(())
}

/// Changes one bit of a file.
fn flip(file: &Path, offset: usize) -> Result<()> {
    let mut octets = std::fs::read(file)?;
    *octets.get_mut(offset).with_context(|| format!("{} is shorter", file.display()))? ^= 0x04;
    Ok(std::fs::write(file, octets)?)
}

/// Changes one character of a line; the last but some where the place is beyond the end, so that base64 keeps its form.
fn alter_line(file: &Path, number: usize, place: usize) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line = &mut lines[number];
    let at = place.min(line.len().saturating_sub(8));
    let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
    line.replace_range(at..=at, other);
    Ok(std::fs::write(file, lines.join("\n") + "\n")?)
}

/// One leaf less than was signed for, of which the source has all tiles.
fn alter_size(checkpoint: &Path) -> Result<()> {
    let text = std::fs::read_to_string(checkpoint)?;
    let size = text.lines().nth(1).context("no size")?;
    let other = size.parse::<u64>()? - 1;
    Ok(std::fs::write(checkpoint, text.replacen(&format!("\n{size}\n"), &format!("\n{other}\n"), 1))?)
}

fn copy_of(folder: &Path, name: &Path) -> Result<PathBuf> {
    let status = std::process::Command::new("cp").arg("-a").args([folder, name]).status()?;
    ensure!(status.success(), "cp: {status}");
    Ok(name.to_owned())
}

/// CRC-32 of zlib, bit by bit.
fn crc_32(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(
            crc ^ u32::from(*octet),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}

/// One bit of the first entry, with a checksum that is right again: what somebody does who means it.
fn alter_entry_with_its_checksum(segment: &Path) -> Result<()> {
    let mut octets = std::fs::read(segment)?;
    let end = 2 + usize::from(u16::from_be_bytes([octets[0], octets[1]]));
    ensure!(
        crc_32(&octets[..end]).to_be_bytes() == octets[end..end + 4],
        "the document has another checksum"
    );
    octets[end - 1] ^= 0x01;
    let checksum = crc_32(&octets[..end]);
    octets[end..end + 4].copy_from_slice(&checksum.to_be_bytes());
    Ok(std::fs::write(segment, octets)?)
}

/// Where the note's lines are: origin, size, root, an empty one, and a line for each key.
const ROOT_LINE: usize = 2;
const ED25519_LINE: usize = 4;
const ML_DSA_LINE: usize = 5;

type Alteration = (&'static str, fn(&Path) -> Result<()>);

/// In the layout that is served.
const SERVED: [Alteration; 7] = [
    ("a bit of an entry", |folder| flip(&folder.join("tile/entries/000"), 40)),
    ("a bit of a leaf's hash", |folder| flip(&folder.join("tile/0/000"), 4000)),
    ("a bit of a hash of level 1", |folder| flip(&folder.join("tile/1/000.p/1"), 5)),
    ("the size", |folder| alter_size(&folder.join("checkpoint"))),
    ("the root", |folder| alter_line(&folder.join("checkpoint"), ROOT_LINE, 3)),
    ("the Ed25519 signature", |folder| alter_line(&folder.join("checkpoint"), ED25519_LINE, usize::MAX)),
    ("the ML-DSA-44 signature", |folder| alter_line(&folder.join("checkpoint"), ML_DSA_LINE, usize::MAX)),
];

/// In the files on disk.
const STORED: [Alteration; 9] = [
    ("a bit of an entry", |folder| flip(&folder.join("segments/00000001/entries"), 20)),
    ("a bit of an entry, with its checksum", |folder| {
        alter_entry_with_its_checksum(&folder.join("segments/00000001/entries"))
    }),
    ("a bit of a kept checkpoint", |folder| flip(&folder.join("segments/00000001/checkpoints"), 90)),
    ("a bit of a leaf's hash", |folder| flip(&folder.join("tiles/0"), 4000)),
    ("a bit of a hash of level 1", |folder| flip(&folder.join("tiles/1"), 5)),
    ("the size", |folder| alter_size(&folder.join("checkpoint"))),
    ("the root", |folder| alter_line(&folder.join("checkpoint"), ROOT_LINE, 3)),
    ("the Ed25519 signature", |folder| alter_line(&folder.join("checkpoint"), ED25519_LINE, usize::MAX)),
    ("the ML-DSA-44 signature", |folder| alter_line(&folder.join("checkpoint"), ML_DSA_LINE, usize::MAX)),
];

#[test]
fn every_altered_octet_is_found_by_both_readers() -> Result<()> {
    let folder = folder_of(TokenKind::Embedded)?;
    let keys = keys_of(&folder)?;
    let authority = folder.serve()?;
    stamp(&authority, "/tsa", CONNECTIONS, 20)?;
    authority.stop()?;
    let exported = folder.work().join("exported");
    folder.run(&["ledger", "export-tiles", &exported.display().to_string()])?.succeeded()?;
    ledger_reader::tree(&exported.display().to_string(), &keys, &[])?;
    for (number, (what, alter)) in SERVED.into_iter().enumerate() {
        let copy = copy_of(&exported, &folder.work().join(format!("served-{number}")))?;
        alter(&copy).context(what)?;
        let finished = ledger_reader::run_tree(&copy.display().to_string(), &keys, &[])?;
        ensure!(finished.status.code() == Some(1), "the reader took {what}: {finished}");
        finished.said("refused: ").context(what)?;
    }

    let ledger = folder.path().join("ledger");
    let verify = |ledger: &Path| {
        let (ledger, keys) = (ledger.display().to_string(), keys.display().to_string());
        folder.run(&["ledger", "verify", "--folder", &ledger, "--keys", &keys])
    };
    verify(&ledger)?.succeeded()?.said("holds: the ledger")?;
    for (number, (what, alter)) in STORED.into_iter().enumerate() {
        let copy = copy_of(&ledger, &folder.work().join(format!("stored-{number}")))?;
        alter(&copy).context(what)?;
        let finished = verify(&copy)?;
        ensure!(finished.status.code() == Some(1), "ledger verify took {what}: {finished}");
        finished.said("does not hold: ")?.did_not_say("panicked")?;
    }
    Ok(())
}

/// Where the lines of a proof are: its version, the entry, the index, and the first hash of the path.
const PROOF_LINES: [(&str, usize, usize); 4] = [
    ("the entry", 1, 20),
    ("the index", 2, 6),
    ("the path", 3, 5),
    ("the last of the signatures", usize::MAX, usize::MAX),
];

#[test]
fn an_altered_proof_is_found_by_both_readers() -> Result<()> {
    let folder = folder_of(TokenKind::Embedded)?;
    let keys = keys_of(&folder)?;
    let authority = folder.serve()?;
    let tokens = stamp(&authority, "/tsa", 4, 5)?;
    let token = tokens.last().context("a token")?;
    let proof = prove(&folder, &authority, token, "token")?;
    let text = std::fs::read_to_string(&proof)?;
    let token_file = folder.work().join("token.token").display().to_string();
    let verify = |proof: &Path| {
        let (proof, keys) = (proof.display().to_string(), keys.display().to_string());
        folder.run(&["ledger", "verify", "--proof", &proof, "--token", &token_file, "--keys", &keys])
    };
    ledger_reader::run_proof(&proof, &keys)?
        .succeeded()?
        .said(&hexadecimal(&<sha2::Sha256 as sha2::Digest>::digest(&token.token)))?;
    verify(&proof)?.succeeded()?;
    for (what, line, place) in PROOF_LINES {
        let altered = folder.write("altered.tlog-proof", &text)?;
        alter_line(&altered, line.min(text.lines().count() - 1), place)?;
        let (theirs, ours) = (ledger_reader::run_proof(&altered, &keys)?, verify(&altered)?);
        ensure!(theirs.status.code() == Some(1), "the reader took {what}: {theirs}");
        ensure!(ours.status.code() == Some(1), "ledger verify took {what}: {ours}");
    }
    Ok(())
}
