//! A ledger that is not the one that was signed for is not gone on with: the server says which, and what to do, and changes
//! nothing (E2; docs/ledger.md, "A ledger that is refused").

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::stamping::stamp;

fn copy(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("-aT").args([from, to]).status()?;
    ensure!(status.success(), "cp {}: {status}", from.display());
    Ok(())
}

/// Issues tokens and stops in order, with a checkpoint of all.
fn issue(folder: &DataFolder, each: u32) -> Result<()> {
    let authority = folder.serve()?;
    stamp(&authority, "/tsa", 4, each)?;
    authority.stop()?;
    Ok(())
}

/// All files of a ledger that are not derived from others, and what they hold.
fn content(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path == folder.join("tiles") || path == folder.join("index") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.clone(), std::fs::read(path)?);
            }
        }
    }
    Ok(files)
}

/// Names of the files that differ.
fn differences(one: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    let names: BTreeSet<&PathBuf> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}

fn flip(file: &Path, offset: usize) -> Result<()> {
    let mut octets = std::fs::read(file)?;
    *octets.get_mut(offset).context("the file is shorter")? ^= 0x10;
    Ok(std::fs::write(file, octets)?)
}

type Damage = (&'static str, fn(&Path) -> Result<()>, &'static [&'static str]);

/// What is done to `ledger/` and to the anchor in a data folder, and what the server must say.
const DAMAGES: [Damage; 8] = [
    (
        "an older copy in place",
        |data| {
            std::fs::remove_dir_all(data.join("ledger"))?;
            copy(&data.with_file_name("work").join("older"), &data.join("ledger"))
        },
        &["rolled back", "restore the newer one"],
    ),
    (
        "another ledger in place",
        |data| {
            std::fs::remove_dir_all(data.join("ledger"))?;
            copy(&data.with_file_name("work").join("other"), &data.join("ledger"))
        },
        &["ledger"],
    ),
    (
        "an end cut off",
        |data| {
            let entries = data.join("ledger/segments/00000001/entries");
            let file = std::fs::OpenOptions::new().write(true).open(entries)?;
            Ok(file.set_len(3000)?)
        },
        &["ledger", "restore"],
    ),
    (
        "an octet in the middle",
        |data| flip(&data.join("ledger/segments/00000001/entries"), 2500),
        &["damaged", "restore it from a back-up"],
    ),
    (
        "an octet of a kept checkpoint",
        |data| flip(&data.join("ledger/segments/00000001/checkpoints"), 60),
        &["damaged", "restore it from a back-up"],
    ),
    (
        "the anchor removed",
        |data| Ok(std::fs::remove_file(data.join("state/ledger-anchor"))?),
        &["is missing", "compare the ledger with a checkpoint kept elsewhere"],
    ),
    (
        "the anchor altered",
        |data| flip(&data.join("state/ledger-anchor"), 3),
        &["is not a checkpoint", "restore the file from a back-up"],
    ),
    (
        "the segments removed",
        |data| Ok(std::fs::remove_dir_all(data.join("ledger/segments"))?),
        &["ledger", "restore"],
    ),
];

#[test]
fn a_ledger_that_is_another_is_refused_and_left_as_it_is() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let (ledger, anchor) = (folder.path().join("ledger"), folder.path().join("state/ledger-anchor"));
    issue(&folder, 10)?;
    copy(&ledger, &folder.work().join("older"))?;
    issue(&folder, 10)?;
    copy(&ledger, &folder.work().join("right"))?;
    copy(&anchor, &folder.work().join("right-anchor"))?;
    let other = DataFolder::with_default_tsu()?;
    issue(&other, 30)?;
    copy(&other.path().join("ledger"), &folder.work().join("other"))?;

    for (what, damage, words) in DAMAGES {
        damage(&folder.path()).context(what)?;
        let before = content(&ledger)?;
        let mut refused = folder.serve_refused().context(what)?.failed()?.did_not_say("panicked")?;
        for said in words.iter().chain(&["docs/ledger.md", "A ledger that is refused"]) {
            refused = refused.said(said).context(what)?;
        }
        let changed = differences(&before, &content(&ledger)?);
        ensure!(changed.is_empty(), "refused for {what}, and changed {changed:?}");
        std::fs::remove_dir_all(&ledger)?;
        copy(&folder.work().join("right"), &ledger)?;
        copy(&folder.work().join("right-anchor"), &anchor)?;
    }
    issue(&folder, 1)?;
    folder.run(&["ledger", "verify"])?.succeeded()?;
    Ok(())
}

#[test]
fn two_servers_do_not_write_one_ledger() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    issue(&folder, 1)?;
    // A second data folder, so that its own lock is free, with the ledger of the first.
    let second = DataFolder::empty()?;
    copy(&folder.path(), &second.path())?;
    std::fs::remove_dir_all(second.path().join("ledger"))?;
    std::os::unix::fs::symlink(folder.path().join("ledger"), second.path().join("ledger"))?;
    let authority = folder.serve()?;
    stamp(&authority, "/tsa", 1, 1)?;
    let refused = second.serve_refused()?.failed()?.did_not_say("panicked")?;
    refused.said("another process has the ledger")?.said("only one may write to it")?;
    stamp(&authority, "/tsa", 4, 5)?;
    authority.stop()?;
    folder.run(&["ledger", "verify"])?.succeeded()?;
    Ok(())
}
