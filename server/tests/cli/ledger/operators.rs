//! What operators and auditors run into: a ledger that was altered or set back, an address with a path, exports for others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::super::{PROGRAM, errors, run};
use super::{Place, done, ended};

/// Every file below a folder, with its content.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push((path.display().to_string(), fs::read(&path).unwrap())),
            }
        }
    }
    files.sort_unstable();
    files
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// Another SHA-256 in the last entry of a timestamp, and the frame's checksum put right.
fn alter(data: &Path) {
    let path = data.join("ledger/segments/00000001/entries");
    let mut octets = fs::read(&path).unwrap();
    let (mut place, mut last) = (0, None);
    while let Some(&[high, low, _, kind]) = octets.get(place..).and_then(|rest| rest.first_chunk()) {
        let length = usize::from(u16::from_be_bytes([high, low])) + 6;
        if length == 6 {
            break;
        }
        if kind == 1 {
            last = Some(place..place + length);
        }
        place += length;
    }
    let frame = octets.get_mut(last.unwrap()).unwrap();
    let (content, checksum) = frame.split_last_chunk_mut().unwrap();
    *content.get_mut(10).unwrap() ^= 1;
    *checksum = crc32(content).to_be_bytes();
    fs::write(&path, octets).unwrap();
}

/// The checksum of zlib.
fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |sum, &octet| {
        (0..8).fold(sum ^ u32::from(octet), |sum, _| sum >> 1 ^ (0xEDB8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[test]
fn e2_check_refuses_what_serve_refuses_and_nothing_is_changed() {
    let mut place = Place::new();
    place.stamp("FIRST");
    // Beside the server, which writes meanwhile.
    done(run(&place.data, &["check"]));
    place.stop();
    let (ledger, older, newer) =
        (place.data.join("ledger"), place.work.join("older"), place.work.join("newer"));
    copy(&ledger, &older);
    place.serve();
    place.stamp("SECOND");
    place.stop();
    done(run(&place.data, &["check"]));
    assert!(done(place.ledger(&["status"])).contains(": fits, "));
    fs::rename(&ledger, &newer).unwrap();
    copy(&older, &ledger);
    let before = contents(&ledger);
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    for _ in 0..2 {
        ended(&run(&place.data, &["check"]), 1, "it was rolled back");
        ended(&run(&place.data, &serve), 1, "it was rolled back");
        assert!(contents(&ledger) == before);
        ended(&place.ledger(&["verify"]), 1, "it was rolled back");
    }
    assert!(done(place.ledger(&["status"])).contains("DOES NOT FIT"));
    fs::remove_dir_all(&ledger).unwrap();
    ended(&run(&place.data, &["check"]), 1, "there is no ledger in");
    fs::rename(&newer, &ledger).unwrap();
    let anchor = place.data.join("state/ledger-anchor");
    let kept = fs::read(&anchor).unwrap();
    fs::remove_file(&anchor).unwrap();
    ended(&run(&place.data, &["check"]), 1, "is missing");
    assert!(done(place.ledger(&["status"])).contains("MISSING"));
    fs::write(&anchor, kept).unwrap();
    alter(&place.data);
    ended(&run(&place.data, &["check"]), 1, "it was altered");
}

#[test]
fn e2_two_checkpoints_of_a_folder_are_compared_with_its_entries() {
    let mut place = Place::new();
    let keep = |place: &Place, name: &str| {
        fs::write(place.path(name), done(place.ledger(&["checkpoint"]))).unwrap();
        place.path(name)
    };
    let before = keep(&place, "before");
    place.stamp("FILE");
    place.stop();
    let after = keep(&place, "after");
    let verify = ["verify", "--from", &before, "--to", &after];
    assert!(done(place.ledger(&verify)).contains("every entry was read and hashed"));
    alter(&place.data);
    let output = place.ledger(&verify);
    ended(&output, 1, "one of the leaves");
    assert!(!super::text(&output).contains("index/derived"));
}

#[test]
fn the_address_that_one_stamps_with_is_enough_for_a_proof() {
    let mut place = Place::new();
    place.stamp("FILE");
    let url = place.url();
    let prove = |url: &str| place.user(&["ledger", "prove", "FILE", "--force", "--url", url]);
    done(prove(&format!("{url}/tsa")));
    done(prove(&format!("{url}/tsa/default")));
    for path in ["/nowhere", "/tsa/default/chain.pem"] {
        let output = prove(&format!("{url}{path}"));
        ended(&output, 1, "there is no ledger at");
        assert!(!errors(&output).contains("is on record there"), "{}", errors(&output));
    }
    place.stop();
}

#[test]
fn exports_are_for_others_and_not_in_the_ledger() {
    let mut place = Place::new();
    place.stamp("FILE");
    place.stop();
    let ledger = place.data.join("ledger");
    let before = contents(&ledger);
    std::os::unix::fs::symlink(&ledger, place.work.join("link")).unwrap();
    for folder in [ledger.clone(), ledger.join("tiles"), ledger.join("new/er"), place.work.join("link")] {
        let export = ["export-tiles", folder.to_str().unwrap(), "--force"];
        ended(&place.ledger(&export), 1, "is in the ledger itself");
    }
    assert!(contents(&ledger) == before && !ledger.join("new").exists());

    let with_umask = |umask: &str, args: &[&str]| {
        let script = format!("umask {umask}; exec \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh", PROGRAM, "--data"]).arg(&place.data).arg("ledger").args(args);
        done(shell.output().unwrap());
    };
    let mode = |path: &str| fs::metadata(place.path(path)).unwrap().permissions().mode() & 0o777;
    for (umask, of_folder, of_file) in [("022", 0o755, 0o644), ("027", 0o750, 0o640)] {
        with_umask(umask, &["export-tiles", &place.path(&format!("tiles-{umask}"))]);
        for folder in ["", "/tile", "/tile/0"] {
            assert_eq!(mode(&format!("tiles-{umask}{folder}")), of_folder);
        }
        assert_eq!(mode(&format!("tiles-{umask}/checkpoint")), of_file);
        let files = contents(Path::new(&place.path(&format!("tiles-{umask}"))));
        let modes = files.iter().map(|(path, _)| fs::metadata(path).unwrap().permissions().mode() & 0o777);
        assert!(modes.clone().all(|mode| mode == of_file), "{modes:?}");
        let (proof, archive) = (format!("proof-{umask}"), format!("archive-{umask}"));
        with_umask(umask, &["prove", &place.path("FILE.tsr"), "-o", &place.path(&proof)]);
        with_umask(umask, &["export", "1", "-o", &place.path(&archive)]);
        assert_eq!((mode(&proof), mode(&archive)), (of_file, of_file));
    }
}

#[test]
fn an_auditor_is_told_which_option_is_missing() {
    let mut place = Place::new();
    place.stamp("FILE");
    place.stop();
    for (args, option) in [
        (&["prove", "FILE"][..], "--url"),
        (&["checkpoint"], "--url"),
        (&["verify"], "--keys"),
        (&["verify", "--folder", "."], "--keys"),
    ] {
        let output = place.user(&[&["ledger"], args].concat());
        let said = errors(&output);
        assert!(!output.status.success() && said.contains(option), "{args:?}: {said}");
        assert!(!said.contains("attestamp init"), "{args:?}: {said}");
    }
    let output = place.user(&["ledger", "verify", "--keys", "nowhere", "--folder", "."]);
    assert!(!errors(&output).contains("backup"), "{}", errors(&output));
    ended(&output, 2, "--keys is a file of verifier keys");
    // The ledger before has another name.
    done(place.ledger(&["init", "--new", "--ledger-origin", "tsa.example.org/new"]));
    let mut old = fs::read_dir(&place.data).unwrap().map(|entry| entry.unwrap().path());
    let old = old.find(|path| path.to_str().unwrap().contains("ledger-until-")).unwrap();
    let verify = ["verify", "--folder", old.to_str().unwrap()];
    let output = place.ledger(&verify);
    ended(&output, 1, "give --origin");
    let said = super::text(&output);
    let origin = said.trim().rsplit(' ').next().unwrap();
    done(place.ledger(&[&verify[..], &["--origin", origin]].concat()));
}
