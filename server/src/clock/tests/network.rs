//! F3, F5 and F7: a clock that time servers are asked about, with servers that lie, drift, jump and fall silent.
//!
//! The clock and the servers are scripted and the questions are asked when a test says so; what waits for real time is
//! the answer of a server on the loopback. A server that is silent is a port where nobody listens, which costs no wait.

use jiff::SignedDuration;

use super::*;
use crate::clock::fake_server::{DangerousTimeServer, Form, Manner};

pub(super) const MS: fn(u64) -> Duration = Duration::from_millis;

/// A gate on a scripted clock with scripted servers, held to an accuracy of a second: a warning from 250 ms, a stop
/// from 500 ms.
pub(super) struct Watched {
    pub(super) bench: Bench,
    pub(super) servers: Vec<DangerousTimeServer>,
}

impl Watched {
    pub(super) fn new(count: usize) -> Self {
        Self::with(ClockMode::Kernel, NOON, count, |_| {})
    }

    pub(super) fn with(mode: ClockMode, unix_seconds: u64, count: usize, change: fn(&mut NtpConfig)) -> Self {
        let time = Arc::new(DangerousFakeTime::synchronised_at(unix_seconds));
        let servers: Vec<_> =
            (0..count).map(|_| DangerousTimeServer::on(&time).expect("a loopback")).collect();
        let mut ntp = NtpConfig {
            servers: servers.iter().map(DangerousTimeServer::name).collect(),
            minimum: count / 2 + 1,
            poll: Duration::from_secs(16),
            timeout: Duration::from_secs(60),
            lost_after: Duration::from_secs(64),
            lost: LostMode::Stop,
        };
        change(&mut ntp);
        let config = ClockConfig { ntp: Some(ntp), ..ClockConfig::for_mode(mode) };
        let gate = start(config, &time).expect("starts");
        gate.hold_to([AccuracyClaim { accuracy: MS(1_000), truncation: MS(1), signing: MS(10) }]);
        let watched = Self { bench: Bench { time, gate }, servers };
        watched.ask();
        watched
    }

    /// One question to each server, and the sample after it.
    pub(super) fn ask(&self) {
        self.bench.gate.network().expect("servers").ask_all();
        self.bench.tick();
    }

    pub(super) fn behave(&self, server: usize, manner: Manner) {
        self.servers[server].behave(manner);
    }

    fn lie(&self, server: usize, milliseconds: i64) {
        self.behave(server, Manner::off_by(SignedDuration::from_millis(milliseconds)));
    }

    pub(super) fn silence(&mut self, server: usize) {
        // Its port is closed when it is gone; the others keep their numbers.
        let other = DangerousTimeServer::on(&self.bench.time).expect("a loopback");
        drop(std::mem::replace(&mut self.servers[server], other));
    }

    pub(super) fn reading(&self) -> NetworkReading {
        self.bench.gate.snapshot().network.expect("servers")
    }

    pub(super) fn standings(&self) -> Vec<&'static str> {
        let reports = self.bench.gate.network().expect("servers").reports();
        reports.iter().map(|report| report.standing.name()).collect()
    }

    pub(super) fn questions(&self) -> usize {
        self.servers.iter().map(|server| server.questions().len()).sum()
    }

    fn warnings(&self) -> Vec<&'static str> {
        self.bench.gate.snapshot().warnings.iter().map(ClockWarning::code).collect()
    }
}

#[test]
fn f3_three_that_agree_bound_the_error_and_are_recorded() {
    let watched = Watched::new(3);
    let trusted = watched.bench.gate.now().expect("granted");
    // Half the root delay of 2 ms and the dispersion of 1 ms; the drift since is half a second's.
    let bound = trusted.error_bound.expect("known");
    assert!(bound >= MS(2) && bound < MS(3), "{bound:?}");
    let reading = watched.reading();
    assert_eq!((reading.agreeing, reading.answered, reading.asked, reading.required), (3, 3, 3, 2));
    let agreement = reading.agreement.expect("a majority");
    assert!(agreement.offset_nanoseconds.abs() < 10_000, "{agreement:?}");
    assert!((2_000_000..3_000_000).contains(&agreement.bound_nanoseconds), "{agreement:?}");
    assert_eq!(watched.bench.gate.config().assurance(), "kernel and network");
}

#[test]
fn f3_nothing_is_issued_before_the_servers_have_spoken() {
    let time = Arc::new(DangerousFakeTime::synchronised_at(NOON));
    let server = DangerousTimeServer::on(&time).expect("a loopback");
    let ntp = NtpConfig {
        servers: vec![server.name()],
        minimum: 1,
        poll: Duration::from_secs(16),
        timeout: Duration::from_secs(60),
        lost_after: Duration::from_secs(64),
        lost: LostMode::Stop,
    };
    let config = ClockConfig { ntp: Some(ntp), ..ClockConfig::for_mode(ClockMode::Kernel) };
    let bench = Bench { gate: start(config, &time).expect("starts"), time };
    assert_eq!(bench.answer(), "clock-ntp-lost");
    bench.gate.network().expect("servers").ask_all();
    bench.tick();
    assert_eq!(bench.answer(), "granted");
}

#[test]
fn f3_one_liar_among_three_is_outvoted_and_named() {
    let watched = Watched::new(3);
    watched.lie(1, 3_600_000);
    watched.ask();
    assert_eq!(watched.bench.answer(), "granted");
    assert_eq!(watched.standings(), ["agree", "disagree", "agree"]);
    let reports = watched.bench.gate.network().expect("servers").reports();
    let words = reports[1].words();
    assert!(words.starts_with(&format!("{} says our clock is 36", watched.servers[1].name())), "{words}");
}

#[test]
fn f3_two_liars_of_three_stop_issuance_whether_they_agree_or_not_and_it_resumes() {
    let watched = Watched::new(3);
    for (second, code) in [(900_000, "clock-ntp-offset"), (-900_000, "clock-ntp-disagreement")] {
        watched.lie(0, 900_000);
        watched.lie(1, second);
        watched.ask();
        assert_eq!(watched.bench.answer(), code);
        assert!(!watched.bench.gate.snapshot().assured);
        watched.lie(0, 0);
        watched.lie(1, 0);
        watched.ask();
        assert_eq!(watched.bench.answer(), "granted");
    }
}

#[test]
fn f3_two_against_two_of_four_is_no_majority_and_three_against_one_is() {
    let watched = Watched::new(4);
    watched.lie(0, 60_000);
    watched.ask();
    assert_eq!(watched.bench.answer(), "granted");
    watched.lie(1, 60_000);
    watched.ask();
    assert_eq!(watched.bench.answer(), "clock-ntp-disagreement");
    let reading = watched.reading();
    assert_eq!((reading.agreement, reading.answered, reading.required), (None, 4, 3));
    assert_eq!(watched.standings(), ["disagree"; 4]);
}

#[test]
fn f3_a_quarter_of_the_accuracy_warns_and_half_stops() {
    let watched = Watched::new(3);
    let all_lie = |milliseconds| {
        (0..3).for_each(|server| watched.lie(server, milliseconds));
        watched.ask();
        (watched.bench.answer(), watched.warnings())
    };
    // The bound is a little over 2 ms.
    assert_eq!(all_lie(240), ("granted", vec![]));
    assert_eq!(all_lie(-249), ("granted", vec!["clock-ntp-offset"]));
    assert_eq!(all_lie(490), ("granted", vec!["clock-ntp-offset"]));
    assert!(watched.bench.gate.now().expect("granted").error_bound.expect("known") > MS(490));
    assert_eq!(all_lie(-499), ("clock-ntp-offset", vec![]));
    assert_eq!(all_lie(0), ("granted", vec![]));
}

#[test]
fn f3_a_slow_drift_warns_before_it_stops() {
    let watched = Watched::new(3);
    let since = watched.bench.time.clocks().boottime;
    watched.servers.iter().for_each(|server| server.drift(2_000, since));
    let mut seen = Vec::new();
    for _ in 0..300 {
        watched.bench.ticks(2);
        watched.ask();
        let warned = watched.warnings().contains(&"clock-ntp-offset");
        seen.push(if warned { "warned" } else { watched.bench.answer() });
        seen.dedup();
    }
    assert_eq!(seen, ["granted", "warned", "clock-ntp-offset"]);
}

/// The step is too small for the check of steps, and no server is asked in between.
#[test]
fn a_step_of_the_clock_shows_at_the_next_sample_without_a_question() {
    let watched = Watched::new(3);
    watched.bench.gate.hold_to([AccuracyClaim { accuracy: MS(500), truncation: MS(1), signing: MS(10) }]);
    let questions = watched.questions();
    watched.bench.time.step(SignedDuration::from_millis(300));
    watched.bench.tick();
    assert_eq!(watched.bench.answer(), "clock-ntp-offset");
    assert!(watched.reading().agreement.expect("a majority").offset_nanoseconds < -299_000_000);
    watched.bench.time.step(SignedDuration::from_millis(-300));
    watched.bench.ticks(2);
    assert_eq!(watched.bench.answer(), "granted");
    assert_eq!(watched.questions(), questions);
}

#[test]
fn one_lost_answer_takes_nothing_away_and_four_do() {
    let mut watched = Watched::new(3);
    (0..3).for_each(|server| watched.silence(server));
    watched.ask();
    assert_eq!(watched.bench.answer(), "granted");
    assert_eq!(watched.standings(), ["agree"; 3]);
    // 500 parts per million of a minute.
    watched.bench.ticks(120);
    let bound = watched.reading().agreement.expect("a majority").bound_nanoseconds;
    assert!((32_000_000..33_000_000).contains(&bound), "{bound}");
    assert_eq!(watched.bench.answer(), "granted");
    watched.bench.ticks(10);
    assert_eq!(watched.bench.answer(), "clock-ntp-lost");
    assert_eq!(watched.standings(), ["silent"; 3]);
}

#[test]
fn lost_servers_warn_where_the_operator_wants_that_and_in_mode_system() {
    for (mode, assured) in [(ClockMode::Kernel, true), (ClockMode::System, false)] {
        let mut watched = Watched::with(mode, NOON, 3, |ntp| ntp.lost = LostMode::Warn);
        (0..3).for_each(|server| watched.silence(server));
        watched.ask();
        watched.bench.ticks(130);
        assert_eq!(watched.bench.answer(), "granted");
        assert!(watched.warnings().contains(&"clock-ntp-lost"), "{:?}", watched.warnings());
        assert_eq!(watched.bench.gate.snapshot().assured, assured);
    }
}

#[test]
fn mode_system_refuses_a_clock_that_is_known_to_be_wrong_and_no_other() {
    let watched = Watched::with(ClockMode::System, NOON, 3, |_| {});
    (0..3).for_each(|server| watched.lie(server, 600));
    watched.ask();
    assert_eq!(watched.bench.answer(), "clock-ntp-offset");
    watched.lie(0, -600);
    watched.lie(1, 0);
    watched.ask();
    assert_eq!(watched.bench.answer(), "granted");
    assert!(watched.warnings().contains(&"clock-ntp-disagreement"));
    // Known badly, but not known to be wrong.
    (0..3).for_each(|server| {
        watched.behave(server, Manner { root_dispersion: MS(700), ..Manner::default() });
    });
    watched.ask();
    assert_eq!(watched.bench.answer(), "granted");
    assert!(watched.warnings().contains(&"clock-ntp-offset"));
}

#[test]
fn after_a_suspension_old_answers_count_no_more() {
    let watched = Watched::new(3);
    // For a second as for an hour: how long it was is a guess of the firmware's.
    for seconds in [1, 3_600] {
        watched.bench.time.suspend(Duration::from_secs(seconds));
        watched.bench.gate.refresh();
        assert_eq!(watched.bench.answer(), "clock-ntp-lost");
        watched.ask();
        assert_eq!(watched.bench.answer(), "granted");
    }
}

/// A virtual machine comes back with both its clocks as they were, and the servers an hour on.
#[test]
fn a_restored_snapshot_is_refused_at_the_first_answers_even_if_nobody_sets_the_clock() {
    let watched = Watched::new(3);
    (0..3).for_each(|server| watched.lie(server, 3_600_000));
    watched.ask();
    assert_eq!(watched.bench.answer(), "clock-ntp-offset");
}

#[test]
fn f3_the_limits_follow_what_is_claimed() {
    let watched = Watched::new(3);
    (0..3).for_each(|server| watched.lie(server, 100));
    watched.ask();
    assert_eq!(watched.bench.answer(), "granted");
    let claim = AccuracyClaim { accuracy: MS(150), truncation: MS(1), signing: MS(10) };
    watched.bench.gate.hold_to([claim]);
    assert_eq!(watched.bench.answer(), "clock-ntp-offset");
    watched.bench.gate.hold_to([]);
    assert_eq!(watched.bench.answer(), "granted");
}

#[test]
fn f7_the_number_of_the_sample_in_force_only_grows() {
    let watched = Watched::new(1);
    let before = watched.bench.gate.sample_number();
    watched.bench.tick();
    assert_eq!(watched.bench.gate.sample_number(), before + 1);
    assert_eq!(watched.bench.gate.snapshot().samples_total, before + 1);
}

/// 2026-12-31T23:59:54Z: the kernel knows of no leap second, and the servers do.
#[test]
fn f5_a_leap_second_that_only_the_servers_announce_pauses_at_the_end_of_the_month() {
    const MIDNIGHT: u64 = 1_798_761_600;
    for (announcing, month_ends, pauses) in
        [(3, true, true), (2, true, true), (1, true, false), (3, false, false)]
    {
        let midnight = if month_ends { MIDNIGHT } else { MIDNIGHT - 86_400 };
        let watched = Watched::with(ClockMode::Kernel, midnight - 6, 3, |_| {});
        for server in 0..announcing {
            watched.behave(server, Manner { leap: 1, ..Manner::default() });
        }
        watched.ask();
        assert_eq!(watched.warnings().contains(&"leap-second-announced"), pauses);
        let mut refused = Vec::new();
        while watched.bench.time.realtime().as_secs() < midnight + 4 {
            watched.bench.time.advance(MS(250));
            if watched.bench.time.realtime().subsec_millis().is_multiple_of(500) {
                watched.bench.gate.refresh();
            }
            if let Err(refusal) = watched.bench.gate.now() {
                refused.push((watched.bench.time.realtime().as_secs(), refusal.code()));
            }
        }
        if !pauses {
            assert_eq!(refused, []);
            continue;
        }
        let paused: Vec<_> =
            refused.iter().filter(|(_, code)| *code == "leap-second-pause").map(|(s, _)| *s).collect();
        assert_eq!((paused.first(), paused.last()), (Some(&(midnight - 1)), Some(&(midnight + 1))));
        // What was said before the leap second is not carried over it.
        assert_eq!(watched.bench.answer(), "clock-ntp-lost");
        (0..3).for_each(|server| watched.lie(server, 0));
        watched.ask();
        assert_eq!(watched.bench.answer(), "granted");
    }
}

#[test]
fn doubt_makes_questions_come_at_once_and_issuance_resume_without_help() {
    let watched = Watched::with(ClockMode::Kernel, NOON, 3, |ntp| ntp.poll = Duration::from_secs(1_024));
    let Watched { bench: Bench { time, gate }, servers } = watched;
    let gate = Arc::new(gate);
    let ticker = ClockTicker::start(&gate, MS(1)).expect("threads");
    let until = |what: &dyn Fn() -> bool| {
        while !what() {
            // The gate's ticker takes a sample each millisecond; the scripted clock must not stand still.
            time.advance(Duration::from_micros(100));
            std::thread::yield_now();
        }
    };
    let code = || gate.now().map_or_else(|refusal| refusal.code(), |_| "granted");
    until(&|| servers.iter().all(|server| server.questions().len() >= 2));
    until(&|| code() == "granted");
    // Too small for the check of steps; doubt for that of servers, who then change their mind.
    gate.hold_to([AccuracyClaim { accuracy: MS(500), truncation: MS(1), signing: MS(10) }]);
    let asked = servers[0].questions().len();
    time.step(SignedDuration::from_millis(300));
    until(&|| code() == "clock-ntp-offset");
    servers.iter().for_each(|server| server.behave(Manner::form(Form::Good)));
    until(&|| servers[0].questions().len() > asked);
    time.step(SignedDuration::from_millis(-300));
    until(&|| code() == "granted");
    ticker.stop();
}
