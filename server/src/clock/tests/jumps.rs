//! F4: steps of the clock, between two samples and at a request, and how issuance recovers.

use jiff::SignedDuration;

use super::*;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[test]
fn an_hour_forward_and_an_hour_back_are_refused_at_the_very_next_request() {
    for by in [HOUR, SignedDuration::from_hours(-1)] {
        let bench = Bench::kernel();
        bench.ticks(3);
        bench.time.step(by);
        // No sample has been taken since.
        assert_eq!(bench.answer(), "clock-jumped", "{by:?}");
        bench.tick();
        assert_eq!(bench.answer(), "clock-jumped", "{by:?}");
        let jump = bench.gate.snapshot().history.last_jump.expect("recorded");
        assert_eq!(jump.by.as_secs(), by.as_secs());
    }
}

#[test]
fn a_step_at_the_limit_passes_and_beyond_it_does_not() {
    let bench = Bench::kernel();
    bench.time.step(SignedDuration::from_millis(500));
    assert_eq!(bench.answer(), "granted");
    let bench = Bench::kernel();
    bench.time.step(SignedDuration::from_micros(500_001));
    assert_eq!(bench.answer(), "clock-jumped");
}

#[test]
fn small_steps_within_a_minute_add_up() {
    let bench = Bench::kernel();
    let mut steps = 0;
    while bench.answer() == "granted" {
        steps += 1;
        assert!(steps < 10, "never noticed");
        bench.time.step(SignedDuration::from_millis(200));
        bench.ticks(8);
    }
    assert_eq!((steps, bench.answer()), (3, "clock-jumped"));
}

#[test]
fn a_step_during_a_long_suspension_is_noticed() {
    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.suspend(Duration::from_secs(3_600));
    bench.time.step(SignedDuration::from_secs(5));
    bench.gate.refresh();
    assert_eq!(bench.answer(), "clock-jumped");
}

/// Both clocks come back as they were; the step comes with the time service's correction.
#[test]
fn a_restored_snapshot_is_refused_when_its_time_is_corrected() {
    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.step(SignedDuration::from_hours(72));
    bench.tick();
    assert_eq!(bench.answer(), "clock-jumped");
}

#[test]
fn a_step_there_and_back_between_two_samples_still_unsettles() {
    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.step(HOUR);
    assert_eq!(bench.answer(), "clock-jumped");
    bench.time.step(-HOUR);
    assert_eq!(bench.answer(), "granted", "the refused hour did not raise the mark");
    bench.tick();
    assert_eq!(bench.answer(), "clock-jumped");
}

#[test]
fn kernel_mode_recovers_after_clean_samples_with_the_kernel_in_sync() {
    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.step(HOUR);
    bench.tick();
    bench.ticks(jump::SETTLE_SAMPLES - 1);
    assert_eq!(bench.answer(), "clock-jumped");
    bench.tick();
    assert_eq!(bench.answer(), "granted");
    assert!(bench.gate.snapshot().warnings.is_empty());
}

#[test]
fn kernel_mode_counts_no_sample_while_out_of_sync() {
    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.step(HOUR);
    bench.time.unsynchronise();
    bench.ticks(3 * jump::SETTLE_SAMPLES);
    assert_eq!(bench.answer(), "clock-not-synchronised");
    bench.time.set_kernel(Ok(DangerousFakeTime::synchronised_reading()));
    bench.ticks(jump::SETTLE_SAMPLES - 1);
    assert_eq!(bench.answer(), "clock-jumped");
    bench.tick();
    assert_eq!(bench.answer(), "granted");
}

#[test]
fn a_second_step_starts_the_recovery_anew() {
    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.step(HOUR);
    bench.ticks(jump::SETTLE_SAMPLES);
    bench.time.step(HOUR);
    bench.ticks(jump::SETTLE_SAMPLES);
    assert_eq!(bench.answer(), "clock-jumped");
    bench.tick();
    assert_eq!(bench.answer(), "granted");
}

#[test]
fn system_mode_recovers_after_a_steady_time_and_warns_for_an_hour() {
    let bench = Bench::system();
    bench.ticks(3);
    bench.time.step(HOUR);
    bench.tick();
    let steady = u32::try_from(jump::SETTLE_TIME.as_millis() / SAMPLE_INTERVAL.as_millis()).expect("small");
    bench.ticks(steady - 1);
    assert_eq!(bench.answer(), "clock-jumped");
    bench.tick();
    assert_eq!(bench.answer(), "granted");
    let warned = || {
        bench
            .gate
            .snapshot()
            .warnings
            .iter()
            .any(|warning| matches!(warning, ClockWarning::JumpAccepted { .. }))
    };
    assert!(warned());
    bench.time.advance(Duration::from_secs(3_600));
    bench.ticks(2);
    assert!(!warned());
}

#[test]
fn an_accepted_hour_forward_and_its_correction_leave_no_token_in_the_past() {
    let bench = Bench::system();
    bench.ticks(3);
    bench.time.step(HOUR);
    bench.ticks(30);
    assert_eq!(bench.answer(), "granted");
    bench.time.step(-HOUR);
    bench.ticks(30);
    assert_eq!(bench.answer(), "clock-behind-issued-time");
    // All but the tolerance of the hour has to pass, less the samples above.
    bench.time.advance(Duration::from_secs(3_600));
    bench.ticks(1);
    assert_eq!(bench.answer(), "granted");
}

#[test]
fn a_frozen_clock_is_refused() {
    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.freeze_realtime(true);
    bench.ticks(2);
    let answer = bench.answer();
    assert!(answer == "clock-frozen" || answer == "clock-jumped", "{answer}");
    bench.time.freeze_realtime(false);
    bench.ticks(jump::SETTLE_SAMPLES + 1);
    assert_eq!(bench.answer(), "granted");

    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.freeze_realtime(true);
    bench.time.freeze_boottime(true);
    bench.ticks(2);
    assert_eq!(bench.answer(), "clock-frozen");
    bench.time.freeze_realtime(false);
    bench.time.freeze_boottime(false);
    bench.tick();
    assert_eq!(bench.answer(), "granted");
}

#[test]
fn a_clock_frozen_since_the_last_sample_issues_nothing_after_two_seconds() {
    let bench = Bench::kernel();
    bench.ticks(3);
    bench.time.freeze_realtime(true);
    bench.time.advance(Duration::from_millis(501));
    assert_eq!(bench.answer(), "clock-jumped");
}
