//! F3, F6 and F7 before clients: an authority on the embedded token whose time servers lie, and which goes on without a
//! restart when they tell the truth again.

use std::sync::Arc;
use std::time::Duration;

use attestamp::clock::SystemTimeSource;
use attestamp::clock::fake::DangerousFakeTime;
use attestamp::clock::fake_server::{DangerousTimeServer, Manner};
use attestamp_hsm::TokenTime;
use attestamp_tsa::PkiFailureInfo;
use jiff::SignedDuration;

use crate::harness::{Fixture, query};
use crate::place::Place;
use crate::web::Web;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A data folder that asks these servers, each second.
fn place(servers: &[DangerousTimeServer], mode: &str) -> Place {
    let place = Place::new(&["default"]);
    let names: Vec<_> = servers.iter().map(|server| format!("\"{}\"", server.name())).collect();
    place.edit("# ntp-servers = []", &format!("ntp-servers = [{}]", names.join(", ")));
    place.edit("# ntp-poll-seconds = 16", "ntp-poll-seconds = 1");
    place.edit("\nmode = \"system\"", &format!("\nmode = \"{mode}\""));
    place
}

/// In mode `kernel` on a clock of the test's, which the servers have too.
fn fixture(count: usize) -> (Fixture, Vec<DangerousTimeServer>) {
    // A minute ahead: the certificates are made meanwhile, by the real clock, and must be valid.
    let now = attestamp::clock::system_time().as_secs() + 60;
    let time = Arc::new(DangerousFakeTime::synchronised_at(now));
    let servers: Vec<_> = (0..count).map(|_| DangerousTimeServer::on(&time).unwrap()).collect();
    let fixture = Fixture::on_clock(place(&servers, "kernel"), time);
    (fixture, servers)
}

fn ask(fixture: &Fixture) {
    fixture.clock.network().unwrap().ask_all();
    fixture.pass(Duration::from_millis(500));
}

#[tokio::test]
async fn f3_two_liars_of_three_are_time_not_available_and_it_resumes_by_itself() {
    let (fixture, servers) = fixture(3);
    assert_eq!(fixture.refused().await, PkiFailureInfo::TimeNotAvailable);
    assert_eq!(fixture.reasons(), ["clock-ntp-lost"]);
    ask(&fixture);
    fixture.granted(None).await;
    assert!(fixture.authority.readiness().time_assured);

    servers[0].behave(Manner::off_by(HOUR));
    servers[1].behave(Manner::off_by(-HOUR));
    ask(&fixture);
    assert_eq!(fixture.refused().await, PkiFailureInfo::TimeNotAvailable);
    let web = Web::before(&fixture);
    let answer = web.get("/readyz").await;
    assert_eq!(answer.status, 503);
    let detail = answer.json()["reasons"][0]["detail"].as_str().unwrap().to_owned();
    for server in &servers {
        assert!(detail.contains(&server.name().to_string()), "each is named: {detail}");
    }
    assert!(detail.contains("s ahead") && detail.contains("s behind"), "{detail}");

    servers[0].behave(Manner::off_by(HOUR));
    servers[1].behave(Manner::off_by(HOUR));
    ask(&fixture);
    assert_eq!(fixture.reasons(), ["clock-ntp-offset"]);
    assert_eq!(fixture.refused().await, PkiFailureInfo::TimeNotAvailable);

    servers.iter().for_each(|server| server.behave(Manner::default()));
    ask(&fixture);
    fixture.granted(None).await;
    assert_eq!(web.get("/readyz").await.status, 200);
}

/// 2 s claimed, of which the whole seconds of genTime take one: what is left stops, and a quarter warns.
#[tokio::test]
async fn f3_the_accuracy_that_is_claimed_sets_the_limits() {
    let (fixture, servers) = fixture(3);
    let say = |milliseconds| {
        let manner = Manner::off_by(SignedDuration::from_millis(milliseconds));
        servers.iter().for_each(|server| server.behave(manner.clone()));
        ask(&fixture);
    };
    say(400);
    fixture.granted(None).await;
    assert!(!fixture.warnings().contains(&"clock-ntp-offset"));
    say(600);
    fixture.granted(None).await;
    assert!(fixture.warnings().contains(&"clock-ntp-offset"));
    say(1_100);
    assert_eq!(fixture.refused().await, PkiFailureInfo::TimeNotAvailable);
}

#[test]
fn metrics_count_the_servers_by_what_is_made_of_them() {
    let (fixture, servers) = fixture(4);
    servers[0].behave(Manner::off_by(HOUR));
    servers[1].behave(Manner { leap: 3, ..Manner::default() });
    // Two of four are no majority; with a minimum of three there is none either.
    ask(&fixture);
    fixture.authority.publish(&fixture.metrics);
    let text = fixture.metrics.render();
    let line =
        |state: &str, count: u32| format!("attestamp_clock_ntp_servers{{state=\"{state}\"}} {count}\n");
    for (state, count) in [("agree", 0), ("disagree", 3), ("silent", 0), ("refused", 1)] {
        assert!(text.contains(&line(state, count)), "{text}");
    }
    assert!(text.contains("attestamp_clock_ntp_offset_seconds NaN"));
    servers[1].behave(Manner::default());
    ask(&fixture);
    fixture.authority.publish(&fixture.metrics);
    let text = fixture.metrics.render();
    assert!(text.contains(&line("agree", 3)) && text.contains(&line("disagree", 1)), "{text}");
    assert!(!text.contains("attestamp_clock_ntp_bound_seconds NaN"));
}

#[tokio::test]
async fn f6_a_tokens_own_clock_warns_and_stops_nothing() {
    let fixture = Fixture::new();
    // The embedded token has none.
    fixture.authority.compare_token_clocks();
    assert!(!fixture.warnings().contains(&"token-clock"));
    let now = Duration::from_secs(fixture.clock.unverified_time().as_secs());
    let shown = TokenTime { year: 2001, month: 2, day: 3, hour: 4, minute: 5, second: 6 };
    fixture.clock.token_clocks().note("main", Some(shown), now, now);
    let readiness = fixture.authority.readiness();
    assert!(readiness.ready);
    let note = readiness.warnings.iter().find(|note| note.code == "token-clock").unwrap();
    assert!(note.detail.starts_with("token `main`: the token's own clock is"), "{note:?}");
    fixture.granted(None).await;
    fixture.authority.compare_token_clocks();
    assert!(!fixture.warnings().contains(&"token-clock"));
}

#[test]
fn check_and_status_show_each_server() {
    let source = || Arc::new(SystemTimeSource);
    let servers: Vec<_> = (0..3).map(|_| DangerousTimeServer::on_clock(source()).unwrap()).collect();
    servers[2].behave(Manner { stratum: 16, ..Manner::default() });
    let place = place(&servers, "system");
    let shown = place.run(&["status"]).succeeded();
    let row = |index: usize| {
        let name = servers[index].name().to_string();
        shown.out.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("{shown:?}"))
    };
    assert!(row(0).contains("agree") && row(1).contains("agree"), "{shown:?}");
    assert!(row(2).contains("refused") && row(2).contains("stratum 16"), "{shown:?}");
    let json: serde_json::Value =
        serde_json::from_str(&place.run(&["status", "--json"]).succeeded().out).unwrap();
    assert_eq!(json["timeServers"][0]["state"], "agree");
    assert_eq!(json["timeServers"][0]["stratum"], 2);
    assert!(json["timeServers"][0]["rootDistanceSeconds"].as_f64().unwrap() > 0.0);
    let checked = place.run(&["check"]).succeeded();
    assert!(checked.out.contains("TIME SERVER"), "{checked:?}");
    servers.iter().for_each(|server| server.behave(Manner::off_by(HOUR)));
    place.run(&["check"]).refused(&[]);
}

/// The program itself, with its own threads and the machine's clock: two of its three servers begin to lie, and stop.
#[test]
fn f3_a_running_server_stops_and_resumes_without_a_restart() {
    let source = || Arc::new(SystemTimeSource);
    let servers: Vec<_> = (0..3).map(|_| DangerousTimeServer::on_clock(source()).unwrap()).collect();
    let place = place(&servers, "system");
    let running = place.serve();
    let query = query().to_der();
    let until = |info: Option<PkiFailureInfo>| {
        let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
        while std::time::Instant::now() < deadline {
            if running.post(&place, &query).is_some_and(|found| found == info) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("never {info:?}");
    };
    until(None);
    servers[0].behave(Manner::off_by(HOUR));
    servers[1].behave(Manner::off_by(HOUR));
    until(Some(PkiFailureInfo::TimeNotAvailable));
    servers[0].behave(Manner::default());
    servers[1].behave(Manner::default());
    until(None);
}
