//! Tests of the whole gate on a scripted clock: the rows of F1, F2 and F8 here, steps (F4), leap seconds (F5),
//! restarts (F4) and the property that time does not go backwards each in their own file.

use std::sync::Arc;
use std::time::Duration;

use attestamp_kernel_clock::{KernelClockState, StatusFlags};

use super::fake::DangerousFakeTime;
use super::source::KernelUnreadable;
use super::*;

mod jumps;
mod leap_seconds;
mod monotone;
mod network;
mod network_answers;
mod restarts;
mod slews;

/// 2026-11-22T12:47:03Z.
const NOON: u64 = 1_795_351_623;

/// A gate on a scripted clock.
struct Bench {
    time: Arc<DangerousFakeTime>,
    gate: ClockGate,
}

impl Bench {
    fn new(config: ClockConfig, unix_seconds: u64) -> Self {
        let time = Arc::new(DangerousFakeTime::synchronised_at(unix_seconds));
        let gate = start(config, &time).expect("starts");
        Self { time, gate }
    }

    fn kernel() -> Self {
        Self::new(ClockConfig::for_mode(ClockMode::Kernel), NOON)
    }

    fn system() -> Self {
        Self::new(ClockConfig::for_mode(ClockMode::System), NOON)
    }

    /// Lets the time of one sample pass and takes it.
    fn tick(&self) {
        self.time.advance(SAMPLE_INTERVAL);
        self.gate.refresh();
    }

    fn ticks(&self, count: u32) {
        for _ in 0..count {
            self.tick();
        }
    }

    /// The code of the refusal that a request gets now; `granted` if it gets none.
    fn answer(&self) -> &'static str {
        self.gate.now().map_or_else(|refusal| refusal.code(), |_| "granted")
    }
}

fn start(config: ClockConfig, time: &Arc<DangerousFakeTime>) -> Result<ClockGate, ClockStartError> {
    let source: Arc<dyn TimeSource> = Arc::<DangerousFakeTime>::clone(time);
    ClockGate::start(config, source, Arc::new(HighWaterMark::in_memory()))
}

#[test]
fn a_synchronised_clock_gives_an_assured_time_with_its_bound() {
    let bench = Bench::kernel();
    let trusted = bench.gate.now().expect("granted");
    assert_eq!(trusted.instant.unix_seconds(), NOON);
    assert!(trusted.assured);
    let bound = trusted.error_bound.expect("known");
    assert!(bound >= Duration::from_millis(1) && bound < Duration::from_millis(2), "{bound:?}");
    let snapshot = bench.gate.snapshot();
    assert!(snapshot.assured && snapshot.refusals.is_empty() && snapshot.warnings.is_empty(), "{snapshot:?}");
}

#[test]
fn the_bound_grows_by_500_parts_per_million_until_the_next_sample() {
    let bench = Bench::kernel();
    bench.time.advance(Duration::from_secs(1));
    let bound = bench.gate.now().expect("granted").error_bound.expect("known");
    assert!(bound >= Duration::from_micros(1_500) && bound < Duration::from_micros(1_510), "{bound:?}");
}

#[test]
fn f1_a_verdict_older_than_two_seconds_is_a_refusal_and_a_new_one_ends_it() {
    let bench = Bench::kernel();
    bench.time.advance(VERDICT_MAX_AGE - Duration::from_millis(1));
    assert_eq!(bench.answer(), "granted");
    bench.time.advance(Duration::from_millis(1));
    assert_eq!(bench.answer(), "clock-verdict-stale");
    assert!(!bench.gate.snapshot().assured);
    bench.gate.refresh();
    assert_eq!(bench.answer(), "granted");
    assert_eq!(bench.gate.snapshot().refusals_total, 1);
}

#[test]
fn f1_a_suspended_machine_gets_no_token_before_a_new_verdict() {
    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.suspend(Duration::from_secs(8 * 3_600));
    assert_eq!(bench.answer(), "clock-verdict-stale");
    bench.gate.refresh();
    assert_eq!(bench.answer(), "granted", "a suspension is no step");
}

#[test]
fn f2_each_condition_of_the_kernel_refuses_by_its_name_and_ends_with_it() {
    type Change = fn(&mut attestamp_kernel_clock::KernelClockReading);
    let conditions: [(Change, &str); 6] = [
        (|reading| reading.state = KernelClockState::NotSynchronised, "clock-not-synchronised"),
        (|reading| reading.status = StatusFlags::from_bits(0x40), "clock-not-synchronised"),
        (|reading| reading.status = StatusFlags::from_bits(0x1000), "clock-hardware"),
        (|reading| reading.maxerror_microseconds = 500_001, "clock-error-bound-exceeded"),
        (|reading| reading.maxerror_microseconds = -1, "clock-error-bound-exceeded"),
        (|reading| reading.state = KernelClockState::Unknown(6), "clock-leap-state-unknown"),
    ];
    for (change, code) in conditions {
        let bench = Bench::kernel();
        bench.time.change_kernel(change);
        bench.tick();
        assert_eq!(bench.answer(), code);
        assert_eq!(bench.gate.snapshot().refusals.first().map(ClockRefusal::code), Some(code));
        bench.time.set_kernel(Ok(DangerousFakeTime::synchronised_reading()));
        bench.tick();
        assert_eq!(bench.answer(), "granted", "after {code}");
    }
}

#[test]
fn f2_the_budget_itself_is_within_the_budget() {
    let bench = Bench::kernel();
    bench.time.change_kernel(|reading| reading.maxerror_microseconds = 500_000);
    bench.tick();
    assert_eq!(bench.answer(), "granted");
}

#[test]
fn f2_an_error_of_adjtimex_refuses_and_keeps_its_number() {
    let bench = Bench::kernel();
    bench.time.set_kernel(Err(KernelUnreadable { errno: 1 }));
    bench.tick();
    let refusal = bench.gate.now().expect_err("refused");
    assert_eq!(refusal.code(), "clock-kernel-unreadable");
    let source = std::error::Error::source(&refusal).expect("source").to_string();
    assert!(source.contains("errno 1"), "{source}");
}

#[test]
fn sentences_for_operators_name_direction_and_size() {
    let by = jiff::SignedDuration::new(-3_600, -4);
    let sentence = ClockRefusal::Jumped { by, limit: Duration::from_secs(1) }.to_string();
    assert!(sentence.starts_with("the clock was stepped 3600s back, more than 1s"), "{sentence}");
    let behind = Duration::new(2, 500_000_007);
    let sentence = ClockRefusal::BehindHighWaterMark { behind, tolerance: Duration::ZERO }.to_string();
    assert!(sentence.starts_with("the clock is 2.5s behind"), "{sentence}");
}

#[test]
fn f2_chrony_without_rtcsync_is_named() {
    let folder = tempfile::tempdir().expect("tempdir");
    let socket = folder.path().join("chronyd.sock");
    let paths = [socket.to_str().expect("text")];
    let reading = attestamp_kernel_clock::KernelClockReading {
        status: StatusFlags::from_bits(0x40),
        ..DangerousFakeTime::synchronised_reading()
    };
    let sentence =
        || kernel::refusal_of(&Ok(reading), Duration::from_secs(1), &paths).expect("refused").to_string();
    assert!(sentence().contains("start a time service"), "{}", sentence());
    std::fs::write(&socket, b"").expect("written");
    assert!(sentence().contains("add `rtcsync` to chrony.conf"), "{}", sentence());
}

#[test]
fn f8_kernel_mode_does_not_start_without_assurance_and_says_why() {
    let time = Arc::new(DangerousFakeTime::synchronised_at(NOON));
    time.unsynchronise();
    let error = start(ClockConfig::for_mode(ClockMode::Kernel), &time).expect_err("refused");
    let ClockStartError::NotAssured { refusal } = error;
    assert_eq!(refusal.code(), "clock-not-synchronised");
    assert_eq!(ClockMode::suited_to(time.as_ref()), ClockMode::System);
    time.set_kernel(Ok(DangerousFakeTime::synchronised_reading()));
    assert_eq!(ClockMode::suited_to(time.as_ref()), ClockMode::Kernel);
}

#[test]
fn f8_system_mode_runs_on_any_clock_and_is_never_called_assured() {
    let bench = Bench::system();
    bench.time.unsynchronise();
    bench.tick();
    let trusted = bench.gate.now().expect("granted");
    assert!(!trusted.assured);
    assert_eq!(trusted.error_bound, None);
    bench.time.set_kernel(Err(KernelUnreadable { errno: 38 }));
    bench.tick();
    assert_eq!(bench.answer(), "granted");
    let snapshot = bench.gate.snapshot();
    assert!(!snapshot.assured);
    assert_eq!(snapshot.warnings, [ClockWarning::Unassured]);
}

#[test]
fn accuracy_is_checked_against_the_budget_where_there_is_one() {
    let (second, none) = (Duration::from_secs(1), Duration::ZERO);
    let kernel = Bench::kernel();
    assert_eq!(kernel.gate.check_accuracy(second, none, none), Ok(AccuracyBasis::Assured));
    assert!(kernel.gate.check_accuracy(Duration::from_millis(499), none, none).is_err());
    let system = Bench::system();
    assert_eq!(
        system.gate.check_accuracy(Duration::from_millis(1), none, none),
        Ok(AccuracyBasis::Unassured)
    );
}

#[test]
fn a_clock_beyond_what_a_token_can_state_refuses() {
    let bench = Bench::new(ClockConfig::for_mode(ClockMode::System), 253_402_300_800);
    assert_eq!(bench.answer(), "clock-out-of-range");
}

#[test]
fn the_real_clock_starts_in_system_mode_and_its_ticker_stops() {
    let config = ClockConfig::for_mode(ClockMode::System);
    let gate = ClockGate::start(config, Arc::new(SystemTimeSource), Arc::new(HighWaterMark::in_memory()));
    let gate = Arc::new(gate.expect("starts"));
    let ticker = ClockTicker::start(&gate, Duration::from_millis(1)).expect("threads");
    while gate.snapshot().samples_total < 3 {
        std::thread::yield_now();
    }
    ticker.stop();
    let samples_total = gate.snapshot().samples_total;
    assert!(samples_total >= 3);
    assert_eq!(Arc::strong_count(&gate), 1, "the threads have ended");
}

#[test]
fn threads_that_ask_at_once_are_all_granted() {
    let bench = Bench::kernel();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    assert_eq!(bench.answer(), "granted");
                }
            });
        }
    });
}
