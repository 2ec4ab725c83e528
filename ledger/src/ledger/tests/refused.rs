//! A ledger that is refused is left as it is, and can be looked into beside a server.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::*;
use super::damage::{Disk, FRAME};
use super::faults::{ANCHOR, LEDGER};
use super::{Folder, record};
use crate::reader::VerifyError;
use crate::storage::StoredFile;
use crate::storage::memory::{CrashKind, MemoryStorage};
use crate::testing::{TestKeys, config, token};

/// One that was set back to an older copy, with all of its files.
fn rolled_back() -> Disk {
    let disk = Disk::new();
    let before = Disk { storage: disk.storage.crash(CrashKind::Everything), keys: TestKeys::new(5) };
    let ledger = disk.open().unwrap().0;
    ledger.record(&token(100)).wait().unwrap();
    let due = ledger.due_checkpoint().unwrap();
    ledger.publish(disk.keys.sign_quickly(&due)).unwrap();
    drop(ledger);
    let anchor = disk.storage.read(Path::new(ANCHOR)).unwrap().unwrap();
    before.storage.alter(Path::new(ANCHOR), |content| *content = anchor);
    before
}

#[test]
fn e2_a_refused_opening_changes_nothing() {
    let torn = |disk: &Disk| disk.alter(3, "entries", |entries| entries[FRAME + 40] ^= 1);
    let other = |disk: &Disk| {
        disk.alter(3, "entries", |entries| entries[..FRAME].copy_from_slice(&frame_of(77)));
    };
    let without = |disk: &Disk| disk.storage.remove(&disk.file(3, "entries"));
    let unanchored = |disk: &Disk| disk.storage.remove(Path::new(ANCHOR));
    let changes: [&dyn Fn(&Disk); 4] = [&torn, &other, &without, &unanchored];
    let altered = changes.map(|change| {
        let disk = Disk::new();
        change(&disk);
        disk
    });
    for disk in altered.into_iter().chain([rolled_back()]) {
        // What an opening puts right besides: a crash may have come before the copy.
        disk.storage.remove(&disk.file(3, "start.checkpoint"));
        let before = disk.storage.contents();
        let refusal = disk.refusal();
        assert!(disk.storage.contents() == before, "{refusal:?}");
        // Nor does it by what it would have done: the same is found again.
        assert_eq!(disk.refusal().to_string(), refusal.to_string());
    }
}

#[test]
fn a_rehearsal_says_what_opening_would_and_changes_nothing() {
    let refused = rolled_back();
    let rehearse = |disk: &Disk| opening::rehearse(&disk.place(), Path::new(ANCHOR), &config(&disk.keys));
    let rehearsed = rehearse(&refused).unwrap_err();
    assert_eq!(rehearsed.to_string(), refused.refusal().to_string());

    let disk = Disk::new();
    disk.alter(3, "entries", |entries| entries[7 * FRAME + 40] ^= 1);
    disk.storage.remove(&Path::new(LEDGER).join("index/derived"));
    let before = disk.storage.contents();
    assert_eq!(rehearse(&disk).unwrap(), 31);
    assert!(disk.storage.contents() == before);
    let (_, recovery) = disk.open().unwrap();
    assert_eq!(recovery.torn.map(|torn| torn.bytes), Some(u64::try_from(FRAME).unwrap()));
}

#[test]
fn a_rehearsal_is_possible_beside_the_process_that_writes() {
    let folder = Folder::new();
    let config = LedgerConfig { segment_bytes: 8_000, ..config(&folder.keys) };
    let (ledger, _) = folder.open_with(config.clone());
    record(&ledger, 0..1);
    ledger.publish(folder.keys.sign_quickly(&ledger.due_checkpoint().unwrap())).unwrap();
    let is_done = AtomicBool::new(false);
    let (ledger, is_done) = (&ledger, &is_done);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for number in (1..).take_while(|_| !is_done.load(Ordering::Relaxed)) {
                record(ledger, number * 50..number * 50 + 50);
                while let Some(due) = ledger.due_checkpoint() {
                    ledger.publish(folder.keys.sign_quickly(&due)).unwrap();
                }
            }
        });
        let mut last = 0;
        let mut rounds = 0;
        let found = loop {
            let found = Ledger::rehearse(&folder.ledger(), &folder.anchor(), &config);
            match found {
                Ok(size) if size >= last => last = size,
                other => break Some(other),
            }
            rounds += 1;
            if rounds >= 30 && ledger.statistics().segments > 3 {
                break None;
            }
        };
        is_done.store(true, Ordering::Relaxed);
        assert!(found.is_none(), "{found:?}");
    });
}

/// The frame of the token with this number.
fn frame_of(number: u64) -> Vec<u8> {
    let (mut bytes, mut frame) = (Vec::new(), Vec::new());
    token(number).encode_into(&mut bytes);
    write_frame(&bytes, &mut frame);
    frame
}

/// The tiles were computed from what was there before: they are not at fault.
#[test]
fn e6_an_altered_entry_is_said_to_be_one_and_not_taken_for_a_wrong_tile() {
    for (segment, place, leaf) in [(1, 3, 3), (2, 0, 12), (3, 0, 24), (3, 4, 28)] {
        let disk = Disk::new();
        let frame = place * FRAME..(place + 1) * FRAME;
        disk.alter(segment, "entries", |entries| entries[frame].copy_from_slice(&frame_of(77)));
        let found = disk.verified();
        let Err(VerifyError::Damaged(damage)) = &found else { panic!("{found:?}") };
        assert_eq!(*damage, Damage::Altered { segment, from: leaf, size: leaf + 1 });
        let said = damage.to_string();
        assert!(said.contains("put back") && !said.contains("index/derived"), "{said}");
    }
    // After the last checkpoint nobody has signed for them: that is what is said of them.
    let disk = Disk::new();
    disk.alter(3, "entries", |entries| entries[5 * FRAME..6 * FRAME].copy_from_slice(&frame_of(77)));
    assert_eq!(disk.verified().unwrap().after_checkpoint, 3);
}

#[test]
fn tiles_that_were_cut_off_are_the_tiles_fault() {
    let disk = Disk::new();
    disk.storage.alter(&Path::new(LEDGER).join("tiles/0"), |tiles| tiles.truncate(20 * 32));
    let found = disk.verified();
    assert!(matches!(found, Err(VerifyError::Read(ReadError::Damaged(Damage::Derived)))), "{found:?}");
}

/// What the documents say to do: the segment's file alone comes from the back-up.
#[test]
fn entries_that_were_altered_are_put_back_from_an_older_copy() {
    let disk = Disk::new();
    let back_up = disk.storage.read(&disk.file(1, "entries")).unwrap().unwrap();
    let ledger = disk.open().unwrap().0;
    ledger.record(&token(100)).wait().unwrap();
    let due = ledger.due_checkpoint().unwrap();
    ledger.publish(disk.keys.sign_quickly(&due)).unwrap();
    drop(ledger);
    disk.alter(1, "entries", |entries| entries[..FRAME].copy_from_slice(&frame_of(77)));
    assert!(disk.verified().is_err());
    disk.alter(1, "entries", |entries| *entries = back_up);
    assert_eq!(disk.verified().unwrap().size, 33);
    assert_eq!(disk.open().unwrap().1.size, 33);
}

/// A storage in which something happens right before a file is read for the first time.
struct Meanwhile {
    storage: MemoryStorage,
    file: PathBuf,
    happens: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl Storage for Meanwhile {
    fn create_folder(&self, _folder: &Path) -> std::io::Result<()> {
        panic!("{self:?}")
    }
    fn open(&self, file: &Path) -> std::io::Result<Arc<dyn StoredFile>> {
        self.storage.open(file)
    }
    fn open_or_create(&self, _file: &Path) -> std::io::Result<Arc<dyn StoredFile>> {
        panic!("{self:?}")
    }
    fn read(&self, file: &Path) -> std::io::Result<Option<Vec<u8>>> {
        let happens = (file == self.file).then(|| lock(&self.happens).take()).flatten();
        happens.into_iter().for_each(|happens| happens());
        self.storage.read(file)
    }
    fn replace(&self, _file: &Path, _content: &[u8]) -> std::io::Result<()> {
        panic!("{self:?}")
    }
    fn names(&self, folder: &Path) -> std::io::Result<Vec<String>> {
        self.storage.names(folder)
    }
}

/// The server ends a segment after all of it was read that was there, or publishes after the history was read.
#[test]
fn what_a_server_does_during_a_rehearsal_is_not_taken_for_damage() {
    for (file, is_published) in
        [("segments/00000002/start", false), ("segments/00000001/start.checkpoint", true)]
    {
        let disk = Disk { storage: MemoryStorage::default(), keys: TestKeys::new(5) };
        let ledger = disk.open().unwrap().0;
        record(&ledger, 0..2);
        ledger.publish(disk.keys.sign_quickly(&ledger.due_checkpoint().unwrap())).unwrap();
        let of_server = TestKeys::new(5);
        let happens = move || {
            (2..20).for_each(|number| assert_eq!(record(&ledger, number..number + 1), [number]));
            while let Some(due) = ledger.due_checkpoint().filter(|_| is_published) {
                ledger.publish(of_server.sign_quickly(&due)).unwrap();
            }
        };
        let happens: Box<dyn FnOnce() + Send> = Box::new(happens);
        let storage = Meanwhile {
            storage: disk.storage.clone(),
            file: Path::new(LEDGER).join(file),
            happens: Mutex::new(Some(happens)),
        };
        let place = Place::new(Arc::new(storage), Path::new(LEDGER));
        let rehearsed = opening::rehearse(&place, Path::new(ANCHOR), &config(&disk.keys));
        assert!(matches!(rehearsed, Ok(20)), "{file}: {rehearsed:?}");
    }
}
