//! Reads an exported ledger with `signed_note` and `tlog_tiles`, other people's implementation of C2SP, and nothing of ours:
//! `attestamp-c2sp-reader FOLDER VKEY OLDER-CHECKPOINT PROOF`.
//!
//! The note is verified with the Ed25519 key (the crate knows no other), the proof file's path and the consistency of the two
//! checkpoints are checked, the latter with hashes that the crate takes from the tiles and authenticates against the root.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error as TlogError, Hash, Tile, TileHashReader, TileReader, check_record, check_tree,
    prove_record, prove_tree, record_hash,
};

/// Tiles of C2SP: 256 hashes wide. The crate's paths have the height in them, as those of the Go checksum database.
const HEIGHT: u8 = 8;

struct Folder(PathBuf);

impl TileReader for Folder {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, TlogError> {
        let read = |tile: &Tile| {
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            fs::read(self.0.join(&path)).map_err(|error| TlogError::InvalidInput(format!("{path}: {error}")))
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn checkpoint(note: &[u8], vkey: &str) -> Result<Checkpoint, Box<dyn Error>> {
    let note = Note::from_bytes(note)?;
    let known = VerifierList::new(vec![Box::new(StandardVerifier::new(vkey)?)]);
    let (verified, _) = note.verify(&known)?;
    if verified.len() != 1 {
        return Err("not signed by the key".into());
    }
    Checkpoint::from_bytes(note.text()).map_err(|error| format!("{error}").into())
}

fn base64(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let value = |octet: u8| -> Result<u32, Box<dyn Error>> {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let place = alphabet.iter().position(|known| *known == octet).ok_or("base64")?;
        Ok(u32::try_from(place)?)
    };
    let (mut octets, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for octet in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | value(octet)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 0xFF)?);
        }
    }
    Ok(octets)
}

fn main() -> Result<(), Box<dyn Error>> {
    let [folder, vkey, older, proof] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "usage")?;
    let source = Folder(folder.into());
    let now = checkpoint(&fs::read(source.0.join("checkpoint"))?, &vkey)?;
    let hashes = TileHashReader::new(now.size(), *now.hash(), &source);

    let before = checkpoint(&fs::read(older)?, &vkey)?;
    let path = prove_tree(now.size(), before.size(), &hashes)?;
    check_tree(&path, now.size(), *now.hash(), before.size(), *before.hash())?;
    println!("consistent: {} entries continue {}", now.size(), before.size());

    let text = fs::read_to_string(proof)?;
    let (head, note) = text.split_once("\n\n").ok_or("not a proof")?;
    let mut lines = head.lines();
    if lines.next() != Some("c2sp.org/tlog-proof@v1") {
        return Err("not a proof".into());
    }
    let entry = base64(lines.next().and_then(|line| line.strip_prefix("extra ")).ok_or("no entry")?)?;
    let index: u64 = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or("no index")?.parse()?;
    let path = lines.map(Hash::parse_hash).collect::<Result<Vec<_>, _>>()?;
    let signed = checkpoint(note.as_bytes(), &vkey)?;
    check_record(&path, signed.size(), *signed.hash(), index, record_hash(&entry))?;
    println!("included: entry {index} of {}", signed.size());

    // And the path that the crate makes from the tiles leads to the same root.
    let path = prove_record(now.size(), index, &hashes)?;
    check_record(&path, now.size(), *now.hash(), index, record_hash(&entry))?;
    println!("proved from tiles: entry {index} of {}", now.size());
    Ok(())
}
