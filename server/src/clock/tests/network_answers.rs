//! F3: answers that are of no use, each with its own reason, and the questions themselves.

use super::network::{MS, Watched};
use super::*;
use crate::clock::fake_server::{Form, Manner};
use crate::clock::ntp::{AnswerRefusal, Kiss, Question, Trouble};

fn trouble(watched: &Watched, server: usize) -> Option<Trouble> {
    watched.bench.gate.network().expect("servers").reports()[server].trouble
}

/// One of three misbehaves: what is said of it, and what remains.
fn one_misbehaves(manner: Manner) -> (Option<Trouble>, &'static str, &'static str) {
    let watched = Watched::with(ClockMode::Kernel, NOON, 3, |ntp| ntp.timeout = Duration::from_secs(60));
    watched.behave(0, manner);
    watched.ask();
    let standing = watched.standings()[0];
    (trouble(&watched, 0), standing, watched.bench.answer())
}

#[test]
fn f3_an_answer_without_a_time_is_refused_by_its_reason_and_takes_back_what_was_said() {
    let good = Manner::default;
    let rows = [
        (Manner { leap: 3, ..good() }, AnswerRefusal::NotSynchronised),
        (Manner { stratum: 16, ..good() }, AnswerRefusal::Stratum { found: 16 }),
        (Manner { stratum: 255, ..good() }, AnswerRefusal::Stratum { found: 255 }),
        (Manner { mode: 5, ..good() }, AnswerRefusal::Mode { found: 5 }),
        (Manner { mode: 3, ..good() }, AnswerRefusal::Mode { found: 3 }),
        (Manner { version: 2, ..good() }, AnswerRefusal::Version { found: 2 }),
        (Manner { version: 5, ..good() }, AnswerRefusal::Version { found: 5 }),
        (Manner::form(Form::NoTransmitTimestamp), AnswerRefusal::NoTime),
        (Manner::form(Form::NoReceiveTimestamp), AnswerRefusal::NoTime),
        (Manner::form(Form::ReferenceAhead), AnswerRefusal::ReferenceAhead),
        (
            Manner { root_dispersion: MS(1_000), ..good() },
            AnswerRefusal::RootDistance { found: MS(1_001) - Duration::from_nanos(7_569) },
        ),
        (Manner::kiss(*b"DENY"), AnswerRefusal::Kiss(Kiss::Deny)),
        (Manner::kiss(*b"RSTR"), AnswerRefusal::Kiss(Kiss::Restrict)),
        (Manner::kiss(*b"INIT"), AnswerRefusal::Kiss(Kiss::Other(*b"INIT"))),
        (Manner::kiss([0xff, 0, 1, 2]), AnswerRefusal::Kiss(Kiss::Other([0xff, 0, 1, 2]))),
    ];
    for (manner, refusal) in rows {
        let shown = format!("{manner:?}");
        let (trouble, standing, answer) = one_misbehaves(manner);
        match (trouble, refusal) {
            // The format of the number is coarser than the one stated.
            (
                Some(Trouble::Refused(AnswerRefusal::RootDistance { found })),
                AnswerRefusal::RootDistance { found: stated },
            ) => assert!(found.abs_diff(stated) < MS(1), "{found:?}"),
            (trouble, refusal) => assert_eq!(trouble, Some(Trouble::Refused(refusal)), "{shown}"),
        }
        assert_eq!((standing, answer), ("refused", "granted"), "{shown}");
    }
}

#[test]
fn f3_a_version_3_server_will_do() {
    assert_eq!(one_misbehaves(Manner { version: 3, ..Manner::default() }), (None, "agree", "granted"));
}

/// Not to our question: the true answer may still come, so the wait goes on to its end.
#[test]
fn f3_forged_late_short_and_long_datagrams_are_as_none() {
    for form in [
        Form::WrongOrigin,
        Form::Repeated,
        Form::Length(47),
        Form::Length(0),
        Form::Length(49),
        Form::Length(400),
    ] {
        let watched = Watched::new(1);
        watched.behave(0, Manner::form(form));
        let network = watched.bench.gate.network().expect("servers");
        // Only this server is asked, and nothing that it says would do: the time that it has does not matter.
        let source: Arc<dyn TimeSource> = Arc::<DangerousFakeTime>::clone(&watched.bench.time);
        let hasty = ntp_of(&watched, source);
        hasty.network().expect("servers").ask_all();
        hasty.refresh();
        let reports = hasty.network().expect("servers").reports();
        if form == Form::Repeated {
            // Its first answer of all was to the gate of the test.
            assert_eq!(network.reports()[0].trouble, None);
        }
        assert_eq!(reports[0].trouble, Some(Trouble::OnlyStrangers), "{form:?}");
        assert_eq!(reports[0].standing, Standing::Silent);
    }
}

/// A gate of its own on the same server that waits for 50 ms.
fn ntp_of(watched: &Watched, source: Arc<dyn TimeSource>) -> ClockGate {
    let config = watched.bench.gate.config().clone();
    let ntp = config.ntp.map(|ntp| NtpConfig { timeout: MS(50), ..ntp });
    let config = ClockConfig { ntp, ..ClockConfig::for_mode(ClockMode::Kernel) };
    ClockGate::start(config, source, Arc::new(HighWaterMark::in_memory())).expect("starts")
}

#[test]
fn f3_a_silent_server_is_waited_for_no_longer_than_configured() {
    let watched = Watched::new(1);
    watched.behave(0, Manner::form(Form::Silent));
    let source: Arc<dyn TimeSource> = Arc::<DangerousFakeTime>::clone(&watched.bench.time);
    let hasty = ntp_of(&watched, source);
    hasty.network().expect("servers").ask_all();
    hasty.refresh();
    assert_eq!(hasty.network().expect("servers").reports()[0].trouble, Some(Trouble::Silent));
    assert_eq!(hasty.now().expect_err("refused").code(), "clock-ntp-lost");
}

#[test]
fn f3_a_forged_datagram_before_the_true_one_and_the_true_one_twice_do_no_harm() {
    for form in [Form::ForgedFirst, Form::Twice] {
        assert_eq!(one_misbehaves(Manner::form(form)), (None, "agree", "granted"), "{form:?}");
    }
}

/// The answer takes 400 ms and the question nothing: the offset is wrong by half of that, and the bound says so.
#[test]
fn f3_an_answer_that_is_late_on_one_way_only_is_within_its_bound() {
    let watched = Watched::new(1);
    watched.behave(0, Manner { way_back: MS(400), ..Manner::default() });
    watched.ask();
    let agreement = watched.reading().agreement.expect("a majority");
    assert!((-201_000_000..-199_000_000).contains(&agreement.offset_nanoseconds), "{agreement:?}");
    assert!(agreement.bound_nanoseconds > agreement.offset_nanoseconds.unsigned_abs(), "{agreement:?}");
    // Together they are 402 ms: a warning. With 600 ms of delay it is a stop.
    assert_eq!(watched.bench.answer(), "granted");
    watched.behave(0, Manner { way_back: MS(600), ..Manner::default() });
    watched.ask();
    assert_eq!(watched.bench.answer(), "clock-ntp-offset");
}

#[test]
fn rate_halves_the_questions_each_time_and_leaves_what_was_said() {
    let watched = Watched::new(1);
    watched.behave(0, Manner::kiss(*b"RATE"));
    watched.ask();
    assert_eq!(watched.bench.answer(), "granted", "a kiss takes back nothing");
    assert_eq!(trouble(&watched, 0), Some(Trouble::Refused(AnswerRefusal::Kiss(Kiss::Rate))));
    let poll = || watched.bench.gate.network().expect("servers").poll_of(0);
    assert_eq!(poll(), Duration::from_secs(32));
    (0..8).for_each(|_| watched.ask());
    assert_eq!(poll(), Duration::from_secs(1_024));
}

#[test]
fn deny_and_rstr_end_the_questions() {
    for code in [*b"DENY", *b"RSTR"] {
        let watched = Watched::new(3);
        watched.behave(0, Manner::kiss(code));
        watched.ask();
        let asked = watched.servers[0].questions().len();
        watched.behave(0, Manner::default());
        watched.ask();
        assert_eq!(watched.servers[0].questions().len(), asked);
        assert_eq!(watched.standings(), ["refused", "agree", "agree"]);
        assert_eq!(watched.bench.answer(), "granted");
    }
}

#[test]
fn one_server_under_two_names_is_one_voice() {
    let time = Arc::new(DangerousFakeTime::synchronised_at(NOON));
    let server = fake_server::DangerousTimeServer::on(&time).expect("a loopback");
    let other_name = ServerName { host: "localhost".into(), port: server.name().port };
    let ntp = NtpConfig {
        servers: vec![server.name(), other_name],
        minimum: 2,
        poll: Duration::from_secs(16),
        timeout: Duration::from_secs(60),
        lost_after: Duration::from_secs(64),
        lost: LostMode::Stop,
    };
    let config = ClockConfig { ntp: Some(ntp), ..ClockConfig::for_mode(ClockMode::Kernel) };
    let bench = Bench { gate: start(config, &time).expect("starts"), time };
    let network = bench.gate.network().expect("servers");
    // `localhost` may be ::1 first, where nobody listens: the next question goes to the next address.
    network.ask_all();
    network.ask_all();
    bench.tick();
    assert_eq!(bench.answer(), "clock-ntp-lost");
    assert_eq!(network.reports()[1].trouble, Some(Trouble::SameAddress));
}

#[test]
fn a_question_tells_nothing_of_our_clock_and_no_two_are_alike() {
    let watched = Watched::new(1);
    (0..4).for_each(|_| watched.ask());
    let questions = watched.servers[0].questions();
    let mut transmit: Vec<_> = questions.iter().map(|question| question[40..].to_vec()).collect();
    assert!(
        questions
            .iter()
            .all(|question| question.len() == 48 && question[0] == 0x23 && question[1..40] == [0; 39])
    );
    transmit.sort();
    transmit.dedup();
    assert_eq!(transmit.len(), questions.len());
}

proptest::proptest! {
    /// Whatever comes: an answer or a reason, and an answer only to our own question.
    #[test]
    fn invariant_no_datagram_breaks_the_reader(
        mut datagram in proptest::collection::vec(proptest::num::u8::ANY, 0..100),
        random in proptest::num::u64::ANY,
        is_ours in proptest::bool::ANY,
        received in 0_u64..20_000_000_000,
    ) {
        let question = Question::new(Duration::from_secs(NOON), random.to_be_bytes()).expect("made");
        if is_ours && datagram.len() >= 32 {
            datagram[24..32].copy_from_slice(&random.to_be_bytes());
        }
        if let Ok(answer) = question.read(&datagram, Duration::from_secs(received)) {
            proptest::prop_assert!(datagram.len() == 48 && datagram[24..32] == random.to_be_bytes());
            proptest::prop_assert!(answer.bound() >= answer.root_distance());
            proptest::prop_assert!((1..16).contains(&answer.stratum));
        }
    }
}
