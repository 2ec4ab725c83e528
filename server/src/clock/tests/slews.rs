//! F3: a clock that is slewed out of its bound between two questions to the time servers, or between two words of the
//! time service, and the slews of every day that are no reason to stop.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::network::{MS, Watched};
use super::*;
use crate::clock::fake_server::Manner;

/// F3 allows this much: issuance stops within it.
const AT_MOST: Duration = Duration::from_secs(2);
/// Between two questions.
const POLL: Duration = Duration::from_secs(16);
/// Root delay, dispersion and reading of the scripted servers.
const KNOWN_AT_BEST: Duration = Duration::from_millis(2);

/// Slews the clock for one poll from right after an answer, asking for the time at each sample. For how long after the
/// true offset had left the bound the time was still given; `None` if it never was given again, or never left it.
fn given_beyond_its_bound(bench: &Bench, parts_per_million: i32, bound: Duration) -> Option<Duration> {
    let before = bench.time.slewed();
    bench.time.slew(parts_per_million);
    let (mut left_at, mut last_given) = (None, None);
    let mut passed = Duration::ZERO;
    while passed < POLL {
        bench.tick();
        passed += SAMPLE_INTERVAL;
        let off_by = bench.time.slewed().saturating_sub(before).unsigned_abs();
        if off_by > bound && left_at.is_none() {
            left_at = Some(passed);
        }
        if left_at.is_some() && bench.answer() == "granted" {
            last_given = Some(passed);
        }
    }
    Some(last_given? - left_at?)
}

/// Servers asked a moment ago, and a stop beyond 40 ms.
fn watched() -> Watched {
    let watched = Watched::new(3);
    watched.bench.gate.hold_to([AccuracyClaim { accuracy: MS(80), truncation: MS(1), signing: MS(1) }]);
    assert_eq!(watched.bench.answer(), "granted");
    watched
}

#[test]
fn f3_a_slew_out_of_the_bound_right_after_a_question_stops_issuance_within_two_seconds() {
    // chrony's default `maxslewrate` is 83333.
    for parts_per_million in [4_000, 10_000, 50_000, 83_333, 100_000, -4_000, -10_000, -83_333, -100_000] {
        let watched = watched();
        let late = given_beyond_its_bound(&watched.bench, parts_per_million, MS(40));
        assert_eq!(late, None, "{parts_per_million} parts per million");
        assert_eq!(watched.bench.answer(), "clock-ntp-offset", "{parts_per_million}");
        // Back where it was, by a slew the other way, and without a question.
        watched.bench.time.slew(-parts_per_million);
        let samples = u32::try_from(POLL.as_millis() / SAMPLE_INTERVAL.as_millis()).expect("small");
        watched.bench.ticks(samples);
        assert_eq!(watched.bench.answer(), "granted", "{parts_per_million}");
    }
}

#[test]
fn f3_without_time_servers_a_slew_counts_against_the_kernels_bound_until_its_next_word() {
    for parts_per_million in [50_000, 83_333, -83_333] {
        let bench = Bench::kernel();
        let late = given_beyond_its_bound(&bench, parts_per_million, MS(500));
        assert_eq!(late, None, "{parts_per_million} parts per million");
        assert_eq!(bench.answer(), "clock-error-bound-exceeded");
        bench.time.slew(0);
        bench.ticks(10);
        assert_eq!(bench.answer(), "clock-error-bound-exceeded", "nobody has said that it is right");
        bench.time.change_kernel(|reading| reading.maxerror_microseconds = 900);
        bench.tick();
        assert_eq!(bench.answer(), "granted");
    }
}

#[test]
fn what_the_kernels_bound_grows_by_is_no_new_word_of_the_time_service() {
    let bench = Bench::kernel();
    bench.time.slew(83_333);
    for _ in 0..16 {
        // Two samples a second.
        bench.time.change_kernel(|reading| reading.maxerror_microseconds += 500);
        bench.ticks(2);
    }
    assert_eq!(bench.answer(), "clock-error-bound-exceeded");
}

#[test]
fn what_is_slewed_shows_in_the_bound_of_a_token_before_the_next_sample() {
    let bench = Bench::kernel();
    bench.time.slew(100_000);
    bench.time.advance(Duration::from_secs(1));
    let bound = bench.gate.now().expect("granted").error_bound.expect("known");
    assert!(bound >= MS(100) && bound < MS(102), "{bound:?}");
}

#[test]
fn the_slews_of_every_day_move_nothing() {
    for parts_per_million in [-500, -50, 0, 50, 500] {
        let watched = Watched::new(3);
        watched.bench.time.slew(parts_per_million);
        for _ in 0..32 {
            watched.bench.tick();
            assert_eq!(watched.bench.answer(), "granted", "{parts_per_million}");
            assert!(watched.bench.gate.snapshot().warnings.is_empty(), "{parts_per_million}");
        }
        let agreement = watched.reading().agreement.expect("a majority");
        assert!(agreement.offset_nanoseconds.abs() < 10_000, "{parts_per_million}: {agreement:?}");
        let kernel = Bench::kernel();
        kernel.time.slew(parts_per_million);
        // A thousand seconds without a word of the time service.
        kernel.ticks(2_000);
        assert_eq!(kernel.answer(), "granted", "{parts_per_million}");
    }
}

#[test]
fn a_large_error_that_a_time_service_slews_away_is_seen_to_shrink() {
    let watched = Watched::new(3);
    (0..3).for_each(|server| {
        let behind = SignedDuration::from_millis(600);
        watched.behave(server, Manner::off_by(behind));
    });
    watched.ask();
    assert_eq!(watched.bench.answer(), "clock-ntp-offset");
    watched.bench.time.slew(83_333);
    watched.bench.ticks(8);
    assert_eq!(watched.bench.answer(), "granted", "{:?}", watched.reading());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the slews, there and back: no time is given two seconds after its true offset has left the bound, and none
    /// is refused whose offset is well within it.
    #[test]
    fn invariant_f3_no_slew_takes_the_time_out_of_its_bound_unseen(
        slews in prop::collection::vec((-100_000_i32..=100_000, 1_u32..=8), 1..=4),
    ) {
        let watched = watched();
        let bench = &watched.bench;
        let before = bench.time.slewed();
        let mut outside_for = Duration::ZERO;
        for (parts_per_million, samples) in slews {
            bench.time.slew(parts_per_million);
            for _ in 0..samples {
                bench.tick();
                let off_by = bench.time.slewed().saturating_sub(before).unsigned_abs();
                outside_for = if off_by > MS(40) { outside_for + SAMPLE_INTERVAL } else { Duration::ZERO };
                let answer = bench.answer();
                prop_assert!(outside_for < AT_MOST || answer != "granted", "off by {off_by:?}");
                // The bound of 500 parts per million over a poll, once for the offset and once for what is not known.
                let surely_within = off_by + KNOWN_AT_BEST + 2 * POLL / 2_000 < MS(40);
                prop_assert!(!surely_within || answer == "granted", "off by {off_by:?}: {answer}");
            }
        }
    }
}
