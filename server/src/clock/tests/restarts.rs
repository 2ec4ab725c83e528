//! F4 across restarts: the mark that one process leaves to the next, after a clean end, a crash and a reboot.

use std::path::Path;

use jiff::SignedDuration;

use super::*;

struct Restarts {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    time: Arc<DangerousFakeTime>,
}

impl Restarts {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("clock-mark.json");
        Self { _folder: folder, path, time: Arc::new(DangerousFakeTime::synchronised_at(NOON)) }
    }

    fn process(&self) -> Process {
        let mark = Arc::new(open(&self.path, &self.time).expect("opens"));
        let source: Arc<dyn TimeSource> = Arc::<DangerousFakeTime>::clone(&self.time);
        let config = ClockConfig::for_mode(ClockMode::System);
        let gate = ClockGate::start(config, source, Arc::clone(&mark)).expect("starts");
        Process { gate, mark }
    }
}

struct Process {
    gate: ClockGate,
    mark: Arc<HighWaterMark>,
}

impl Process {
    fn answer(&self) -> &'static str {
        self.gate.now().map_or_else(|refusal| refusal.code(), |_| "granted")
    }
}

fn open(path: &Path, time: &DangerousFakeTime) -> Result<HighWaterMark, HighWaterError> {
    HighWaterMark::open(path, time)
}

#[test]
fn a_first_start_issues_at_once_and_again_after_a_clean_end() {
    let restarts = Restarts::new();
    let first = restarts.process();
    assert_eq!(first.answer(), "granted");
    first.mark.close().expect("written");
    assert_eq!(first.answer(), "clock-mark-not-stored", "nothing after the end");
    drop(first);
    assert_eq!(restarts.process().answer(), "granted");
}

#[test]
fn a_killed_process_starts_again_without_waiting() {
    let restarts = Restarts::new();
    for _ in 0..10 {
        assert_eq!(restarts.process().answer(), "granted");
        restarts.time.advance(Duration::from_millis(20));
    }
}

#[test]
fn a_clock_set_back_while_the_process_was_down_is_refused_until_it_has_caught_up() {
    for clean in [true, false] {
        let restarts = Restarts::new();
        let first = restarts.process();
        assert_eq!(first.answer(), "granted");
        if clean {
            first.mark.close().expect("written");
        }
        drop(first);
        restarts.time.step(SignedDuration::from_secs(-3_600));
        let second = restarts.process();
        assert_eq!(second.answer(), "clock-behind-issued-time", "clean: {clean}");
        assert!(second.gate.snapshot().refusals.iter().any(|refusal| matches!(
            refusal,
            ClockRefusal::BehindHighWaterMark { behind, .. } if behind.as_secs() >= 3_599
        )));
        restarts.time.advance(Duration::from_secs(3_601));
        second.gate.refresh();
        assert_eq!(second.answer(), "granted", "clean: {clean}");
    }
}

#[test]
fn a_refusal_outlives_several_restarts() {
    let restarts = Restarts::new();
    assert_eq!(restarts.process().answer(), "granted");
    restarts.time.step(SignedDuration::from_secs(-3_600));
    for _ in 0..3 {
        assert_eq!(restarts.process().answer(), "clock-behind-issued-time");
        restarts.time.advance(Duration::from_secs(1));
    }
    let last = restarts.process();
    last.mark.close().expect("written");
    assert_eq!(restarts.process().answer(), "clock-behind-issued-time");
}

/// In another boot nothing is known but the lease, so its end has to pass.
#[test]
fn after_a_power_cut_the_lease_has_to_pass() {
    let restarts = Restarts::new();
    assert_eq!(restarts.process().answer(), "granted");
    restarts.time.reboot();
    restarts.time.advance(Duration::from_secs(1));
    let second = restarts.process();
    assert_eq!(second.answer(), "clock-behind-issued-time");
    restarts.time.advance(Duration::from_secs(9));
    second.gate.refresh();
    assert_eq!(second.answer(), "granted");
}

#[test]
fn the_lease_is_renewed_before_it_ends_and_bounds_what_is_issued() {
    let restarts = Restarts::new();
    let process = restarts.process();
    for _ in 0..60 {
        restarts.time.advance(SAMPLE_INTERVAL);
        process.gate.refresh();
        process.gate.renew_mark();
        assert_eq!(process.answer(), "granted");
    }
}

#[test]
fn a_folder_that_cannot_be_written_stops_issuance_when_the_lease_ends() {
    let restarts = Restarts::new();
    let process = restarts.process();
    // A folder in the file's place fails for root as well, whom permissions would not stop.
    std::fs::remove_file(&restarts.path).expect("removed");
    std::fs::create_dir(&restarts.path).expect("made");
    let mut granted = 0;
    for _ in 0..40 {
        restarts.time.advance(SAMPLE_INTERVAL);
        process.gate.refresh();
        process.gate.renew_mark();
        if process.answer() == "granted" {
            granted += 1;
        }
    }
    assert!((1..=20).contains(&granted), "ten seconds of lease, not {granted} samples");
    assert_eq!(process.answer(), "clock-mark-not-stored");
    std::fs::remove_dir(&restarts.path).expect("removed");
    restarts.time.advance(SAMPLE_INTERVAL);
    process.gate.refresh();
    assert_eq!(process.answer(), "granted");
}

#[test]
fn a_refused_forward_step_does_not_reach_the_file() {
    let restarts = Restarts::new();
    let process = restarts.process();
    assert_eq!(process.answer(), "granted");
    restarts.time.step(SignedDuration::from_secs(3_600));
    process.gate.refresh();
    process.gate.renew_mark();
    assert_eq!(process.answer(), "clock-jumped");
    drop(process);
    restarts.time.step(SignedDuration::from_secs(-3_600));
    assert_eq!(restarts.process().answer(), "granted");
}

#[test]
fn a_damaged_or_foreign_mark_is_named_and_not_forgotten() {
    let restarts = Restarts::new();
    for bytes in [b"".as_slice(), b"{", b"{\"version\":1}"] {
        std::fs::write(&restarts.path, bytes).expect("written");
        let error = open(&restarts.path, &restarts.time).expect_err("damaged");
        assert!(matches!(error, HighWaterError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("remove the file"), "{error}");
    }
    std::fs::write(&restarts.path, b"{\"version\":2,\"new\":true}").expect("written");
    let error = open(&restarts.path, &restarts.time).expect_err("later format");
    assert!(matches!(error, HighWaterError::UnknownVersion { found: 2, known: 1, .. }), "{error:?}");
}
