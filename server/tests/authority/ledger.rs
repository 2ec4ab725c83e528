//! The ledger behind the request path: on record before it leaves, and nothing leaves that is not (E4, E5, E8, F7).

mod off;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use attestamp::authority::{AuthorityError, LedgerState};
use attestamp::ledger::keys;
use attestamp::ledger::served::{LedgerAnswer, LedgerRequest};
use attestamp_ledger::entry::ClockVerdict;
use attestamp_ledger::{Entry, EventKind, Hash, LedgerReader, Proof, TokenEntry};
use attestamp_tsa::{PkiFailureInfo, TimeStampResp};

use crate::harness::{Fixture, PATIENCE, granted, query, until};
use crate::place::Place;
use crate::web::Web;

impl Fixture {
    fn entries(&self) -> Vec<Entry> {
        entries(&self.place)
    }

    /// Makes checkpoints until none is due.
    fn checkpoint(&self) -> usize {
        let ledger = self.authority.ledger().unwrap();
        let made = || ledger.checkpoint(self.clock.unverified_time()).unwrap();
        std::iter::repeat_with(made).take_while(|made| *made > 0).sum()
    }

    /// The warnings that are about the ledger.
    fn ledger_warnings(&self) -> Vec<&'static str> {
        let about = |code: &&str| code.contains("ledger") || code.contains("checkpoint");
        self.warnings().into_iter().filter(about).collect()
    }

    async fn proof(&self, serial: &[u8]) -> LedgerAnswer {
        self.authority.ledger_file(LedgerRequest::Proof(serial.to_vec())).await
    }
}

fn entries(place: &Place) -> Vec<Entry> {
    let reader = LedgerReader::open(&place.layout().ledger()).unwrap();
    reader.entries(0).map(|entry| entry.unwrap().1).collect()
}

fn tokens(entries: &[Entry]) -> Vec<&TokenEntry> {
    entries
        .iter()
        .filter_map(|entry| if let Entry::Token(token) = entry { Some(token) } else { None })
        .collect()
}

fn events(entries: &[Entry], kind: EventKind) -> Vec<(String, Hash)> {
    let of_kind = entries.iter().filter_map(|entry| match entry {
        Entry::Event(event) if event.kind == kind => Some((event.subject.to_string(), event.digest)),
        _ => None,
    });
    of_kind.collect()
}

/// The whole ledger must hold.
fn assert_holds(place: &Place) {
    let layout = place.layout();
    let config = place.config();
    let kept = config.ledger.config().unwrap();
    let reader = LedgerReader::open(&layout.ledger()).unwrap();
    reader.verify(&kept.origin, &keys::read(&layout).unwrap(), &[], &mut |_, _| {}).unwrap();
}

fn found(answer: LedgerAnswer) -> String {
    match answer {
        LedgerAnswer::Found(content) => String::from_utf8(content.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_on_record_when_its_reply_is_there_and_provable_after_the_next_checkpoint() {
    let fixture = Fixture::new();
    let reply = granted(fixture.stamp(None, query().to_der()).await);
    let verified = fixture.verified(&reply);
    let entries = fixture.entries();
    let [entry] = tokens(&entries)[..] else { panic!("{entries:?}") };
    let der = TimeStampResp::decode(&reply).unwrap().token.unwrap();
    assert_eq!(entry.token_hash, Hash::of(der));
    assert_eq!(&*entry.serial, verified.serial);
    assert_eq!(entry.gen_time_microseconds, verified.gen_time.unix_microseconds());
    assert_eq!(entry.certificate_hash, Hash::of(verified.certificate.der()));
    assert_eq!(&*entry.policy, verified.policy.oid().content());
    // F7: the state of the clock that it refers to is there, and before it.
    let place_of = |wanted: &dyn Fn(&Entry) -> bool| entries.iter().position(wanted).unwrap();
    let state = place_of(&|entry| Hash::of_leaf(&entry.encode()) == tokens(&entries)[0].clock_state);
    assert!(matches!(&entries[state], Entry::Clock(state) if state.verdict != ClockVerdict::Refused));
    assert!(state < place_of(&|entry| matches!(entry, Entry::Token(_))));
    // E6: not provable yet, and then offline with nothing but the keys.
    assert!(matches!(fixture.proof(&verified.serial).await, LedgerAnswer::Awaiting { .. }));
    assert!(fixture.checkpoint() > 0);
    let proof = Proof::parse(&found(fixture.proof(&verified.serial).await)).unwrap();
    let keys = keys::read(&fixture.place.layout()).unwrap();
    let origin = fixture.place.config().ledger.config().unwrap().origin.clone();
    let proved = proof.verify(&origin, &keys).unwrap();
    assert_eq!(proved.entry, Entry::Token(entry.clone()));
    // E3: each key has signed, that of ML-DSA with its time.
    let signers = proved.checkpoint.signers(&keys);
    assert_eq!(signers.len(), 2);
    assert_eq!(signers.iter().filter(|(_, time)| time.is_some()).count(), 1);
    assert_eq!(fixture.proof(&[1, 2, 3]).await, LedgerAnswer::Unknown);
    assert_holds(&fixture.place);
}

#[tokio::test]
async fn what_changes_the_meaning_of_tokens_is_on_record() {
    let fixture = Fixture::new();
    let first = fixture.authority.running().tsu("default").unwrap().signers()[0].certificate_hash();
    let config = fixture.place.config().digest;
    fixture.renew_certificate();
    fixture.reload().unwrap();
    let second = fixture.authority.running().tsu("default").unwrap().signers()[0].certificate_hash();
    assert_ne!(first, second);
    fixture.granted(None).await;
    let ledger = Arc::clone(fixture.authority.ledger().unwrap());
    ledger.close(fixture.clock.unverified_time());
    let entries = fixture.entries();
    let default = |hash| ("default".to_owned(), hash);
    assert_eq!(events(&entries, EventKind::TsuStarted), [default(first), default(second)]);
    assert_eq!(events(&entries, EventKind::TsuEnded), [default(first)]);
    assert_eq!(events(&entries, EventKind::CertificateInstalled), [default(first), default(second)]);
    assert_eq!(events(&entries, EventKind::Started).len(), 1);
    assert_eq!(events(&entries, EventKind::Stopped).len(), 1);
    let configured = events(&entries, EventKind::Configured);
    assert!(configured.iter().all(|(file, digest)| file == "attestamp.toml" && *digest == config));
    // `init`, the start and the reload.
    assert_eq!(configured.len(), 3);
    assert!(events(&entries, EventKind::KeyCreated).iter().any(|(label, _)| label == "attestamp ledger"));
    // At the end everything is signed for.
    let statistics = ledger.statistics();
    assert_eq!(statistics.size, statistics.checkpoint_size);
    assert_holds(&fixture.place);
}

#[tokio::test]
async fn the_clock_is_on_record_once_a_sample_at_a_change_and_once_a_minute() {
    let fixture = Fixture::new();
    let ledger = Arc::clone(fixture.authority.ledger().unwrap());
    let states = || {
        ledger.record_events(Vec::new()).unwrap();
        let entries = fixture.entries();
        entries
            .iter()
            .filter_map(|entry| if let Entry::Clock(state) = entry { Some(state.verdict) } else { None })
            .collect::<Vec<_>>()
    };
    fixture.granted(None).await;
    let begun = states().len();
    for _ in 0..3 {
        fixture.granted(None).await;
    }
    assert_eq!(states().len(), begun, "the same sample");
    fixture.pass(Duration::from_millis(500));
    ledger.note_clock(&fixture.clock);
    assert_eq!(states().len(), begun, "nobody asked for a token, and nothing changed");
    for _ in 0..3 {
        fixture.granted(None).await;
    }
    assert_eq!(states().len(), begun + 1, "a new sample, for its first token");
    for _ in 0..60 {
        fixture.pass(Duration::from_secs(1));
        ledger.note_clock(&fixture.clock);
    }
    fixture.checkpoint();
    assert_eq!(states().len(), begun + 2, "a minute");
    // Somebody sets the clock: refused, on record, and an event.
    fixture.time.step(jiff::SignedDuration::from_secs(3600));
    fixture.clock.refresh();
    assert_eq!(fixture.refused().await, PkiFailureInfo::TimeNotAvailable);
    ledger.note_clock(&fixture.clock);
    ledger.note_clock(&fixture.clock);
    fixture.checkpoint();
    let states = states();
    assert_eq!(states.len(), begun + 3);
    assert_eq!(states.last(), Some(&ClockVerdict::Refused));
    assert_eq!(events(&fixture.entries(), EventKind::ClockChanged).len(), 1);
    assert_holds(&fixture.place);
}

#[tokio::test]
async fn a_nested_token_is_on_record_too() {
    let place = Place::new(&["default", "pq:ml-dsa-65"]);
    place.edit("# nested-tsu = \"pq\"", "nested-tsu = \"pq\"");
    let fixture = Fixture::on(place);
    granted(fixture.stamp(None, query().to_der()).await);
    let entries = fixture.entries();
    let tokens = tokens(&entries);
    let certificate = |name| fixture.authority.running().tsu(name).unwrap().signers()[0].certificate_hash();
    let hashes: Vec<_> = tokens.iter().map(|token| token.certificate_hash).collect();
    assert_eq!(hashes, [certificate("pq"), certificate("default")]);
    fixture.checkpoint();
    for token in tokens {
        assert!(matches!(fixture.proof(&token.serial).await, LedgerAnswer::Found(_)));
    }
    assert_holds(&fixture.place);
}

#[tokio::test]
async fn a_key_that_does_not_sign_leaves_tokens_and_lets_proofs_wait() {
    let place = Place::new(&["default"]);
    place.edit("# checkpoint-seconds = 10", "checkpoint-seconds = 1");
    let fixture = Fixture::on(place);
    assert!(fixture.checkpoint() > 0);
    assert_eq!(fixture.ledger_warnings(), [""; 0]);
    let config = fixture.place.config();
    let token = attestamp::tokens::log_in("main", &config.tokens["main"]).unwrap();
    let key = token.find_uri(config.ledger.config().unwrap().pq_key.as_ref().unwrap()).unwrap();
    token.destroy(&key.id).unwrap();
    let ledger = Arc::clone(fixture.authority.ledger().unwrap());
    ledger.dangerous_lose_signers();
    let issued = fixture.granted(None).await;
    let now = fixture.clock.unverified_time();
    let failed = ledger.checkpoint(now).unwrap_err();
    assert!(failed.to_string().contains("ledger.pq-key"), "{failed}");
    assert!(matches!(fixture.proof(&issued.serial).await, LedgerAnswer::Awaiting { .. }));
    until(|| fixture.warnings().contains(&"checkpoint-overdue")).await;
    assert!(fixture.authority.readiness().ready);
    fixture.granted(None).await;
}

#[tokio::test]
async fn two_authorities_do_not_share_a_ledger() {
    let fixture = Fixture::new();
    let refused = fixture.place.start().unwrap_err();
    assert!(matches!(refused, AuthorityError::Ledger(_)), "{refused:?}");
    assert!(format!("{:#}", anyhow::Error::from(refused)).contains("only one may write to it"));
    fixture.granted(None).await;
}

#[tokio::test]
async fn after_a_restart_it_goes_on() {
    let fixture = Fixture::new();
    let token = fixture.granted(None).await;
    let Fixture { place, authority, .. } = fixture;
    drop(authority);
    let fixture = Fixture::on(place);
    fixture.granted(None).await;
    fixture.checkpoint();
    assert!(matches!(fixture.proof(&token.serial).await, LedgerAnswer::Found(_)));
    let entries = fixture.entries();
    assert_eq!((tokens(&entries).len(), events(&entries, EventKind::Started).len()), (2, 2));
    assert_holds(&fixture.place);
}

#[tokio::test]
async fn a_ledger_that_was_set_back_is_refused_with_the_reason() {
    let fixture = Fixture::new();
    fixture.granted(None).await;
    fixture.checkpoint();
    let Fixture { place, authority, .. } = fixture;
    drop(authority);
    let layout = place.layout();
    let copy = place.root().join("copy");
    copy_folder(&layout.ledger(), &copy);
    let fixture = Fixture::on(place);
    fixture.granted(None).await;
    fixture.checkpoint();
    let Fixture { place, authority, .. } = fixture;
    drop(authority);
    fs::remove_dir_all(layout.ledger()).unwrap();
    fs::rename(&copy, layout.ledger()).unwrap();
    let refused = format!("{:#}", anyhow::Error::from(place.start().unwrap_err()));
    assert!(refused.contains("rolled back") && refused.contains("docs/ledger.md"), "{refused}");
    place.run(&["serve", "--listen=127.0.0.1:0"]).refused(&["rolled back"]);
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_folder_from_before_runs_without_and_says_so() {
    let place = Place::new(&["default"]);
    without_ledger(&place);
    let fixture = Fixture::on(place);
    fixture.granted(None).await;
    assert_eq!(fixture.ledger_warnings(), ["no-ledger"]);
    assert_eq!(fixture.authority.readiness().ledger, LedgerState::Absent);
    assert!(!fixture.place.layout().ledger().exists());
    let web = Web::before(&fixture);
    assert_eq!(web.get("/ledger/checkpoint").await.status, 404);
    let page = web.get("/").await;
    let page = String::from_utf8(page.body).unwrap();
    assert!(page.contains("attestamp ledger init") && !page.contains("ledger/checkpoint"), "{page}");
}

/// The configuration as versions before the ledger wrote it.
fn without_ledger(place: &Place) {
    let path = place.layout().config_file();
    let text = fs::read_to_string(&path).unwrap();
    let begin = text.find("\n# The record of every token issued").unwrap();
    let end = begin + text[begin..].find("\n# The keys that attest others").unwrap();
    fs::write(&path, format!("{}{}", &text[..begin], &text[end..])).unwrap();
    fs::remove_dir_all(place.layout().ledger()).unwrap();
    fs::remove_file(place.layout().state().join("ledger-anchor")).unwrap();
    fs::remove_dir_all(place.root().join("certs/ledger")).unwrap();
}

#[tokio::test]
async fn how_it_is_kept_is_not_changed_by_a_reload() {
    let fixture = Fixture::new();
    fixture.place.edit("# checkpoint-seconds = 10", "checkpoint-seconds = 5");
    let refused = format!("{:#}", fixture.reload().unwrap_err());
    assert!(refused.contains("restart the server"), "{refused}");
    fixture.granted(None).await;
}

#[tokio::test]
async fn the_keys_on_disk_must_have_those_that_sign() {
    let place = Place::new(&["default"]);
    let path = place.layout().ledger_keys();
    let keys = fs::read_to_string(&path).unwrap();
    assert_eq!(keys.lines().count(), 2);
    fs::write(&path, keys.lines().next().unwrap()).unwrap();
    let refused = format!("{:#}", anyhow::Error::from(place.start().unwrap_err()));
    assert!(refused.contains("lacks the verifier key"), "{refused}");
    place.run(&["check"]).refused(&["lacks the verifier key"]);
    fs::remove_file(&path).unwrap();
    let refused = format!("{:#}", anyhow::Error::from(place.start().unwrap_err()));
    assert!(refused.contains("restore that file"), "{refused}");
    fs::write(&path, &keys).unwrap();
    place.start().unwrap();
}

/// E5: a disk that does not answer is no reason to let a client wait: it is told within the accuracy, and `/readyz` says why.
#[tokio::test]
async fn e5_a_disk_that_hangs_is_told_to_clients_and_goes_on_by_itself() {
    let fixture = Fixture::new();
    fixture.granted(None).await;
    let ledger = Arc::clone(fixture.authority.ledger().unwrap());
    let stall = ledger.dangerous_stall();
    let refused = tokio::time::timeout(PATIENCE, fixture.refused()).await.expect("the client waits");
    assert_eq!(refused, PkiFailureInfo::SystemFailure);
    until(|| fixture.reasons().contains(&"ledger-unwritable")).await;
    let readiness = fixture.authority.readiness();
    assert!(readiness.reasons[0].detail.contains("has not answered for"), "{:?}", readiness.reasons);
    // Nothing is signed any more that could not go on record.
    assert!(ledger.check_open().is_err());
    assert_eq!(fixture.refused().await, PkiFailureInfo::SystemFailure);
    drop(stall);
    until(|| fixture.reasons().is_empty()).await;
    fixture.granted(None).await;
    // The token that was signed and not released is on record: never the other way round.
    assert_eq!(tokens(&fixture.entries()).len(), 3);
    assert_holds(&fixture.place);
}

#[tokio::test]
async fn nobody_else_may_write_to_it() {
    let place = Place::new(&["default"]);
    let folder = place.layout().ledger();
    let set = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o770, 0o702] {
        set(mode);
        let refused = format!("{:#}", anyhow::Error::from(place.start().unwrap_err()));
        assert!(refused.contains("chmod go-w"), "{refused}");
        place.run(&["check"]).refused(&["can be written by other users"]);
    }
    set(0o755);
    place.run(&["check"]).succeeded();
    place.start().unwrap();
}

/// What the start does not read is read after it: an altered entry ends issuing and signing.
#[tokio::test]
async fn e2_a_ledger_that_is_found_altered_issues_and_signs_nothing_more() {
    let fixture = Fixture::new();
    fixture.granted(None).await;
    fixture.checkpoint();
    let ledger = fixture.authority.ledger().unwrap();
    ledger.verify(&AtomicBool::new(false));
    assert_eq!(ledger.altered(), None);
    fixture.granted(None).await;

    let path = fixture.place.layout().ledger().join("segments/00000001/entries");
    let mut octets = fs::read(&path).unwrap();
    octets[10] ^= 1;
    fs::write(&path, octets).unwrap();
    ledger.verify(&AtomicBool::new(false));
    assert!(ledger.altered().is_some());
    assert!(fixture.reasons().contains(&"ledger-altered"));
    assert_eq!(fixture.refused().await, PkiFailureInfo::SystemFailure);
    assert!(ledger.checkpoint(fixture.clock.unverified_time()).is_err());
}
