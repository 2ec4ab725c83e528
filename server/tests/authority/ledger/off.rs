//! The ledger switched off by the operator: said, marked, on record afterwards, and what was there is served (E8).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use attestamp::authority::LedgerState;
use attestamp::clock::fake::DangerousFakeTime;
use attestamp::clock::system_time;
use attestamp::ledger::served::{LedgerAnswer, LedgerRequest};
use attestamp_certs::UnixTime;
use attestamp_ledger::{Entry, EventKind, Hash, TilePath};

use super::{assert_holds, entries, events};
use crate::harness::Fixture;
use crate::place::Place;
use crate::web::Web;

#[tokio::test]
async fn the_operator_may_switch_it_off_and_that_is_said_too() {
    let place = Place::new(&["default"]);
    place.edit("# enabled = true", "enabled = false");
    let fixture = Fixture::on(place);
    let before = fixture.entries().len();
    fixture.granted(None).await;
    assert_eq!(fixture.entries().len(), before);
    let readiness = fixture.authority.readiness();
    assert_eq!(readiness.notes.iter().map(|note| note.code).collect::<Vec<_>>(), ["ledger-off"]);
    assert_eq!((readiness.ready, readiness.ledger), (true, LedgerState::Off));
    assert_eq!(fixture.ledger_warnings(), [""; 0]);
    let page = String::from_utf8(Web::before(&fixture).get("/").await.body).unwrap();
    assert!(page.contains("switched the ledger off"), "{page}");
}

/// E8: a time without a record does not look like a pause.
#[tokio::test]
async fn e8_a_time_for_which_it_was_off_is_on_record() {
    let place = Place::new(&["default"]);
    let mark = place.layout().ledger_off_file();
    let fixture = Fixture::on(place);
    fixture.granted(None).await;
    let stop = |fixture: Fixture| {
        let Fixture { place, authority, .. } = fixture;
        drop(authority);
        place
    };
    let place = stop(fixture);
    assert!(!mark.exists());
    place.edit("# enabled = true", "enabled = false");
    let fixture = Fixture::on(place);
    let marked = fs::read_to_string(&mark).expect("before the first token");
    fixture.granted(None).await;
    let place = stop(fixture);
    // It is off since its first start without it, however many there are.
    let later = Arc::new(DangerousFakeTime::synchronised_at(system_time().as_secs() + 100));
    let fixture = Fixture::on_clock(place, later);
    assert_eq!(fs::read_to_string(&mark).unwrap(), marked);
    let place = stop(fixture);
    place.run(&["ledger", "status"]).succeeded().says("not on record yet  the ledger was off from 2");
    place.edit("enabled = false", "enabled = true");

    let later = Arc::new(DangerousFakeTime::synchronised_at(system_time().as_secs() + 200));
    let fixture = Fixture::on_clock(place, later);
    assert!(!mark.exists());
    let interruptions = |fixture: &Fixture| -> Vec<String> {
        let said = fixture.entries().into_iter().filter_map(|entry| match entry {
            Entry::Event(event) if event.kind == EventKind::Interrupted => Some(event.detail.into()),
            _ => None,
        });
        said.collect()
    };
    let said = interruptions(&fixture);
    let [interruption] = &said[..] else { panic!("{said:?}") };
    let from: u64 = marked.lines().nth(1).unwrap().parse().unwrap();
    let to = fixture.clock.unverified_time().as_secs();
    let time = |seconds| attestamp::clock::rfc3339(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
    let expected = format!("the ledger was off from {} to {}", time(from), time(to));
    assert!(interruption.starts_with(&expected), "{interruption}, and not {expected}");
    fixture.checkpoint();
    fixture.granted(None).await;
    let place = stop(fixture);
    for command in [&["ledger", "status"][..], &["ledger", "list", "--from=2020-01-01", "--to=2100-01-01"]] {
        place.run(command).succeeded().says(&expected);
    }
    let before = ["ledger", "list", "--from=2020-01-01", "--to=2020-01-02"];
    assert_eq!(place.run(&before).succeeded().out, "0 timestamps\n");

    // A crash came between the record and the end of the mark: the same again, and nothing longer.
    fs::write(&mark, format!("{}{from} {to}\n", marked.lines().next().unwrap().to_owned() + "\n")).unwrap();
    let fixture = Fixture::on(place);
    assert_eq!(interruptions(&fixture), [interruption.clone(), interruption.clone()]);
    assert!(!mark.exists());
    assert_holds(&fixture.place);
}

/// What is on record stays provable, and is not written to.
#[tokio::test]
async fn what_was_recorded_is_served_while_it_is_off() {
    let fixture = Fixture::new();
    let token = fixture.granted(None).await;
    fixture.checkpoint();
    let ask = async |fixture: &Fixture, request| fixture.authority.ledger_file(request).await;
    let tile = TilePath::parse("tile/0/000.p/1").unwrap();
    let requests = || [LedgerRequest::Checkpoint, LedgerRequest::Keys, LedgerRequest::Tile(tile)];
    let mut before = Vec::new();
    for request in requests() {
        before.push(ask(&fixture, request).await);
    }
    let proof = fixture.proof(&token.serial).await;
    assert!(matches!(proof, LedgerAnswer::Found(_)));
    let Fixture { place, authority, .. } = fixture;
    drop(authority);
    place.edit("# enabled = true", "enabled = false");
    let files = |place: &Place| hashes(&place.layout().ledger());
    let unchanged = files(&place);
    let fixture = Fixture::on(place);
    for (request, before) in requests().into_iter().zip(before) {
        assert_eq!(ask(&fixture, request).await, before);
    }
    assert_eq!(fixture.proof(&token.serial).await, proof);
    let unrecorded = fixture.granted(None).await;
    for _ in 0..2 {
        assert_eq!(fixture.proof(&unrecorded.serial).await, LedgerAnswer::Unknown);
    }
    assert_eq!(files(&fixture.place), unchanged);
}

/// Every file below a folder, with the hash of what it holds.
fn hashes(folder: &Path) -> Vec<(PathBuf, Hash)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(hashes(&entry.path())),
            false => files.push((entry.path(), Hash::of(&fs::read(entry.path()).unwrap()))),
        }
    }
    files.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    files
}

#[tokio::test]
async fn e8_without_a_mark_nothing_is_issued_beside_a_ledger() {
    let place = Place::new(&["default"]);
    fs::create_dir(place.layout().ledger_off_file()).unwrap();
    place.edit("# enabled = true", "enabled = false");
    let refused = format!("{:#}", anyhow::Error::from(place.start().unwrap_err()));
    assert!(refused.contains("since when the ledger is off"), "{refused}");
}

/// What is done to keys while it is off is on no record either.
#[tokio::test]
async fn e8_a_command_leaves_the_mark_too() {
    let place = Place::new(&["default"]);
    place.edit("# enabled = true", "enabled = false");
    place.run(&["tsu", "new", "second"]).succeeded();
    assert!(place.layout().ledger_off_file().exists());
    place.edit("enabled = false", "enabled = true");
    place.run(&["tsu", "new", "third"]).succeeded();
    assert!(!place.layout().ledger_off_file().exists());
    assert_eq!(events(&entries(&place), EventKind::Interrupted).len(), 1);
}
