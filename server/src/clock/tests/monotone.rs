//! Property: whatever happens to the clock, the process and the machine, no instant issued lies before an earlier one
//! by more than the tolerance (F4), and no instant is issued on an old verdict (F1).

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

/// What may happen.
#[derive(Debug, Clone)]
enum Action {
    Advance { milliseconds: u64 },
    Suspend { seconds: u64 },
    Step { milliseconds: i64 },
    Refresh,
    RenewMark,
    Ask,
    FreezeRealtime(bool),
    Synchronised(bool),
    LeapState(i32),
    Kill,
    Shutdown,
    Reboot,
}

/// An instant that was issued, and when.
#[derive(Debug, Clone, Copy)]
struct Issued {
    instant: Duration,
    /// Age of the latest sample by CLOCK_BOOTTIME.
    verdict_age: Duration,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0_u64..3_000).prop_map(|milliseconds| Action::Advance { milliseconds }),
        1 => (0_u64..20_000).prop_map(|seconds| Action::Suspend { seconds }),
        2 => (-20_000_i64..20_000).prop_map(|milliseconds| Action::Step { milliseconds }),
        2 => (-400_i64..400).prop_map(|milliseconds| Action::Step { milliseconds }),
        6 => Just(Action::Refresh),
        3 => Just(Action::RenewMark),
        8 => Just(Action::Ask),
        1 => any::<bool>().prop_map(Action::FreezeRealtime),
        1 => any::<bool>().prop_map(Action::Synchronised),
        1 => (0..7).prop_map(Action::LeapState),
        1 => Just(Action::Kill),
        1 => Just(Action::Shutdown),
        1 => Just(Action::Reboot),
    ]
}

fn play(config: &ClockConfig, actions: &[Action]) -> Vec<Issued> {
    let folder = tempfile::tempdir().expect("tempdir");
    let path = folder.path().join("clock-mark.json");
    // Two seconds before a midnight, so that leap seconds are met as well.
    let time = Arc::new(DangerousFakeTime::synchronised_at(1_798_761_598));
    let begin = || {
        let mark = Arc::new(HighWaterMark::open(&path, time.as_ref()).expect("opens"));
        let source: Arc<dyn TimeSource> = Arc::<DangerousFakeTime>::clone(&time);
        ClockGate::start(config.clone(), source, Arc::clone(&mark)).ok().map(|gate| (gate, mark))
    };
    let mut process = begin();
    let mut issued = Vec::new();
    for action in actions {
        let gate = process.as_ref().map(|(gate, _)| gate);
        match *action {
            Action::Advance { milliseconds } => time.advance(Duration::from_millis(milliseconds)),
            Action::Suspend { seconds } => time.advance(Duration::from_secs(seconds)),
            Action::Step { milliseconds } => time.step(SignedDuration::from_millis(milliseconds)),
            Action::Refresh => gate.into_iter().for_each(ClockGate::refresh),
            Action::RenewMark => gate.into_iter().for_each(ClockGate::renew_mark),
            Action::Ask => {
                if let Some(gate) = gate
                    && let Ok(trusted) = gate.now()
                {
                    let instant =
                        Duration::new(trusted.instant.unix_seconds(), trusted.instant.nanoseconds());
                    issued.push(Issued { instant, verdict_age: gate.snapshot().sample_age });
                }
            }
            Action::FreezeRealtime(frozen) => time.freeze_realtime(frozen),
            Action::Synchronised(true) => time.set_kernel(Ok(DangerousFakeTime::synchronised_reading())),
            Action::Synchronised(false) => time.unsynchronise(),
            Action::LeapState(state) => {
                time.change_kernel(|reading| reading.state = KernelClockState::from_return_value(state));
            }
            Action::Kill => process = begin(),
            Action::Shutdown => {
                if let Some((_, mark)) = &process {
                    mark.close().expect("written");
                }
                process = begin();
            }
            Action::Reboot => {
                time.reboot();
                process = begin();
            }
        }
    }
    issued
}

fn invariant_never_back_beyond_the_tolerance(
    issued: &[Issued],
    tolerance: Duration,
) -> Result<(), TestCaseError> {
    let mut latest = Duration::ZERO;
    for one in issued {
        prop_assert!(one.instant + tolerance >= latest, "{:?} after {latest:?}", one.instant);
        latest = latest.max(one.instant);
    }
    Ok(())
}

fn invariant_never_on_an_old_verdict(issued: &[Issued]) -> Result<(), TestCaseError> {
    for one in issued {
        // The snapshot is a reading or two later than the instant.
        prop_assert!(one.verdict_age <= VERDICT_MAX_AGE + Duration::from_micros(1), "{one:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn issued_instants_never_go_back_beyond_the_tolerance(
        assured: bool,
        stop: bool,
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mode = if assured { ClockMode::Kernel } else { ClockMode::System };
        let leap_second = if stop { LeapSecondMode::Stop } else { LeapSecondMode::Pause };
        let config = ClockConfig { leap_second, ..ClockConfig::for_mode(mode) };
        let issued = play(&config, &actions);
        invariant_never_back_beyond_the_tolerance(&issued, config.backward_tolerance)?;
        invariant_never_on_an_old_verdict(&issued)?;
    }
}
