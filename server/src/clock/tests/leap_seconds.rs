//! F5: leap seconds, walked through as Linux does them, in both modes.

use attestamp_kernel_clock::KernelClockReading;
use jiff::SignedDuration;

use super::*;

/// 2027-01-01T00:00:00Z.
const MIDNIGHT: u64 = 1_798_761_600;
const DAY: u64 = 86_400;

fn bench(mode: ClockMode, leap_second: LeapSecondMode, seconds_before_midnight: u64) -> Bench {
    let config = ClockConfig { leap_second, ..ClockConfig::for_mode(mode) };
    Bench::new(config, MIDNIGHT - seconds_before_midnight)
}

fn announce(bench: &Bench, state: KernelClockState, flag: i32) {
    bench.time.change_kernel(|reading| {
        reading.state = state;
        reading.status = StatusFlags::from_bits(flag);
    });
    bench.gate.refresh();
}

fn set_state(bench: &Bench, state: KernelClockState) {
    bench.time.change_kernel(|reading: &mut KernelClockReading| reading.state = state);
}

/// Walks quarter-seconds until `end`, asking at each and sampling at every other; gives the seconds of the granted
/// answers and the codes of the refusals. `kernel` plays the kernel at each quarter.
fn walk(bench: &Bench, end: u64, kernel: impl Fn(&Bench)) -> (Vec<u64>, Vec<&'static str>) {
    let (mut granted, mut refused) = (Vec::new(), Vec::new());
    let mut quarter = 0;
    while bench.time.realtime().as_secs() < end {
        bench.time.advance(Duration::from_millis(250));
        kernel(bench);
        quarter += 1;
        if quarter % 2 == 0 {
            bench.gate.refresh();
        }
        match bench.gate.now() {
            Ok(trusted) => granted.push(trusted.instant.unix_seconds()),
            Err(refusal) => refused.push(refusal.code()),
        }
    }
    granted.dedup();
    refused.dedup();
    (granted, refused)
}

/// The kernel at the end of a day with `STA_INS`: 23:59:59 twice, then `TIME_WAIT`.
fn insert(bench: &Bench) {
    let state = bench.time.kernel().expect("readable").state;
    if bench.time.realtime().as_secs() == MIDNIGHT {
        if state == KernelClockState::InsertAnnounced {
            bench.time.step(SignedDuration::from_secs(-1));
            set_state(bench, KernelClockState::InsertInProgress);
        } else if state == KernelClockState::InsertInProgress {
            set_state(bench, KernelClockState::LeapHappened);
        }
    }
}

/// The kernel at the end of a day with `STA_DEL`: 23:59:59 is left out.
fn delete(bench: &Bench) {
    let state = bench.time.kernel().expect("readable").state;
    if bench.time.realtime().as_secs() == MIDNIGHT - 1 && state == KernelClockState::DeleteAnnounced {
        bench.time.step(SignedDuration::from_secs(1));
        set_state(bench, KernelClockState::LeapHappened);
    }
}

#[test]
fn an_inserted_second_pauses_from_23_59_59_through_00_00_01_and_is_no_jump() {
    for mode in [ClockMode::Kernel, ClockMode::System] {
        let bench = bench(mode, LeapSecondMode::Pause, 5);
        announce(&bench, KernelClockState::InsertAnnounced, StatusFlags::INSERT_LEAP_SECOND);
        assert!(bench.gate.snapshot().warnings.contains(&ClockWarning::LeapSecondAnnounced));
        let (granted, refused) = walk(&bench, MIDNIGHT + 5, insert);
        let before = MIDNIGHT - 5..MIDNIGHT - 1;
        assert_eq!(granted, before.chain(MIDNIGHT + 2..=MIDNIGHT + 5).collect::<Vec<_>>(), "{mode:?}");
        assert_eq!(refused, ["leap-second-pause"], "{mode:?}");
        let history = bench.gate.snapshot().history;
        assert_eq!(history.last_leap_second.expect("recorded").midnight.unix_seconds(), MIDNIGHT);
        assert_eq!(history.last_jump, None);
    }
}

#[test]
fn a_deleted_second_pauses_likewise() {
    let bench = bench(ClockMode::Kernel, LeapSecondMode::Pause, 5);
    announce(&bench, KernelClockState::DeleteAnnounced, StatusFlags::DELETE_LEAP_SECOND);
    let (granted, refused) = walk(&bench, MIDNIGHT + 5, delete);
    let before = MIDNIGHT - 5..MIDNIGHT - 1;
    assert_eq!(granted, before.chain(MIDNIGHT + 2..=MIDNIGHT + 5).collect::<Vec<_>>());
    assert_eq!(refused, ["leap-second-pause"]);
    assert_eq!(bench.gate.snapshot().history.last_jump, None);
}

#[test]
fn mode_stop_stays_stopped_until_an_operator_resumes() {
    let bench = bench(ClockMode::Kernel, LeapSecondMode::Stop, 5);
    announce(&bench, KernelClockState::InsertAnnounced, StatusFlags::INSERT_LEAP_SECOND);
    let (granted, refused) = walk(&bench, MIDNIGHT + 10, insert);
    assert_eq!(granted, (MIDNIGHT - 5..MIDNIGHT - 1).collect::<Vec<_>>());
    assert_eq!(refused, ["leap-second-stop"]);
    bench.gate.resume_after_leap_second();
    assert_eq!(bench.answer(), "leap-second-stop", "from the next sample on");
    bench.tick();
    assert_eq!(bench.answer(), "granted");
}

#[test]
fn resuming_within_the_window_has_no_effect() {
    let bench = bench(ClockMode::Kernel, LeapSecondMode::Stop, 5);
    announce(&bench, KernelClockState::InsertAnnounced, StatusFlags::INSERT_LEAP_SECOND);
    walk(&bench, MIDNIGHT, insert);
    bench.gate.resume_after_leap_second();
    let (granted, refused) = walk(&bench, MIDNIGHT + 10, insert);
    assert_eq!((granted, refused), (vec![], vec!["leap-second-stop"]));
}

#[test]
fn the_window_begins_between_two_samples() {
    let bench = bench(ClockMode::Kernel, LeapSecondMode::Pause, 2);
    announce(&bench, KernelClockState::InsertAnnounced, StatusFlags::INSERT_LEAP_SECOND);
    bench.time.advance(Duration::from_millis(999));
    assert_eq!(bench.answer(), "granted");
    bench.time.advance(Duration::from_millis(1));
    assert_eq!(bench.answer(), "leap-second-pause", "no sample was taken in 23:59:59");
}

#[test]
fn the_flags_alone_announce_where_the_state_is_hidden() {
    let bench = bench(ClockMode::System, LeapSecondMode::Pause, 5);
    let flags = StatusFlags::UNSYNCHRONISED | StatusFlags::INSERT_LEAP_SECOND;
    announce(&bench, KernelClockState::NotSynchronised, flags);
    let (_, refused) = walk(&bench, MIDNIGHT, |_| {});
    assert_eq!(refused, ["leap-second-pause"]);
}

#[test]
fn an_ordinary_midnight_does_not_pause() {
    for state in [KernelClockState::Ok, KernelClockState::NotSynchronised] {
        let bench = bench(ClockMode::System, LeapSecondMode::Stop, 5);
        set_state(&bench, state);
        let (granted, refused) = walk(&bench, MIDNIGHT + 5, |_| {});
        assert_eq!(granted, (MIDNIGHT - 5..=MIDNIGHT + 5).collect::<Vec<_>>());
        assert!(refused.is_empty(), "{refused:?}");
    }
}

/// ntpd and chronyd may leave the announcement standing for long after the leap second.
#[test]
fn a_leap_second_behind_us_does_not_pause_at_the_next_midnight() {
    let bench = bench(ClockMode::Kernel, LeapSecondMode::Stop, 5);
    announce(&bench, KernelClockState::InsertAnnounced, StatusFlags::INSERT_LEAP_SECOND);
    walk(&bench, MIDNIGHT + 5, insert);
    bench.gate.resume_after_leap_second();
    bench.tick();
    assert_eq!(bench.time.kernel().expect("readable").state, KernelClockState::LeapHappened);
    bench.time.advance(Duration::from_secs(DAY - 10));
    bench.gate.refresh();
    let (granted, refused) = walk(&bench, MIDNIGHT + DAY + 3, |_| {});
    assert!(granted.contains(&(MIDNIGHT + DAY)), "{granted:?}");
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn a_start_long_after_a_leap_second_runs_and_a_start_within_its_window_pauses() {
    let later = bench(ClockMode::Kernel, LeapSecondMode::Pause, 3_600);
    set_state(&later, KernelClockState::LeapHappened);
    later.tick();
    assert_eq!(later.answer(), "granted");

    let time = Arc::new(DangerousFakeTime::synchronised_at(MIDNIGHT));
    time.change_kernel(|reading| reading.state = KernelClockState::LeapHappened);
    let gate = start(ClockConfig::for_mode(ClockMode::Kernel), &time).expect("starts");
    assert_eq!(gate.now().map_err(|refusal| refusal.code()), Err("leap-second-pause"));
}

#[test]
fn a_machine_suspended_over_the_leap_second_records_it_and_mode_stop_stops() {
    let bench = bench(ClockMode::Kernel, LeapSecondMode::Stop, 60);
    announce(&bench, KernelClockState::InsertAnnounced, StatusFlags::INSERT_LEAP_SECOND);
    bench.time.advance(Duration::from_secs(7_200));
    set_state(&bench, KernelClockState::LeapHappened);
    bench.gate.refresh();
    assert_eq!(bench.answer(), "leap-second-stop");
    let record = bench.gate.snapshot().history.last_leap_second.expect("recorded");
    assert_eq!(record.midnight.unix_seconds(), MIDNIGHT);
}

/// A count of seconds since 1970 has no 23:59:60: whatever it says, the second of the minute is at most 59.
#[test]
fn no_instant_can_be_written_with_second_60() {
    let bench = bench(ClockMode::System, LeapSecondMode::Pause, 3);
    let mut texts = Vec::new();
    while bench.time.realtime().as_secs() < MIDNIGHT + 3 {
        bench.time.advance(Duration::from_millis(100));
        bench.gate.refresh();
        let instant = bench.gate.now().expect("granted, as nothing is announced").instant;
        let text = attestamp_tsa::GeneralizedTime::from_instant(instant);
        texts.push(String::from_utf8(text.as_ref().to_vec()).expect("ASCII"));
    }
    assert!(texts.iter().any(|text| text.starts_with("20261231235959")));
    assert!(texts.iter().all(|text| &text[12..14] <= "59"), "{texts:?}");
}
