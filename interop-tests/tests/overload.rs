//! More clients than can be served, and clients that want nothing: who asks for what can be given gets it, the others are told
//! so, and memory stays bounded.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::connection::HttpReply;
use attestamp_interop_tests::crowd::{Crowd, raise_limit};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::stamping::{Load, stamp};
use attestamp_interop_tests::token_under_test::TokenKind;

const CROWD: u64 = 10_000;
const GOOD_CONNECTIONS: u32 = 16;
const GOOD_REQUESTS_EACH: u32 = 50;
/// What one of the crowd may cost the server at the most, in KiB: its buffers for a header, a body and an answer.
const KIBIBYTES_EACH: u64 = 48;

fn open_connections(authority: &Authority) -> Result<u64> {
    let text = String::from_utf8(authority.fetch("/metrics")?)?;
    let line = text.lines().find_map(|line| line.strip_prefix("attestamp_connections "));
    Ok(line.context("attestamp_connections")?.parse()?)
}

#[test]
fn ten_thousand_idle_and_slow_clients_leave_good_ones_served() -> Result<()> {
    let has_room = raise_limit()? >= CROWD + 1_000;
    let folder = DataFolder::with_default_tsu()?;
    // All clients of a test have one address, and none of the crowd may be sent away while it is counted.
    for (from, to) in [
        ("# connections = 10000", "connections = 12000"),
        ("# connections-per-address = 1000", "connections-per-address = 12000"),
        ("# header-seconds = 5", "header-seconds = 600"),
        ("# body-seconds = 5", "body-seconds = 600"),
        ("# idle-seconds = 75", "idle-seconds = 600"),
    ] {
        folder.edit_configuration(from, to)?;
    }
    let authority = folder.serve()?;
    stamp(&authority, "/tsa", GOOD_CONNECTIONS, GOOD_REQUESTS_EACH)?;
    let before = authority.resident_kibibytes()?;
    let mut peaks = Vec::new();
    // The first brings the allocator to its size.
    for _ in 0..3 {
        let crowd = Crowd::gather(authority.address(), CROWD)?;
        let size = u64::try_from(crowd.size())?;
        ensure!(size == CROWD || !has_room, "a crowd of {size}, and there is room for {CROWD}");
        let open = open_connections(&authority)?;
        ensure!(open >= size * 9 / 10, "{open} of {size} are open: nobody is to be sent away here");
        stamp(&authority, "/tsa", GOOD_CONNECTIONS, GOOD_REQUESTS_EACH).context("beside the crowd")?;
        let during = authority.resident_kibibytes()?;
        let each = during.saturating_sub(before) / size.max(1);
        ensure!(
            each <= KIBIBYTES_EACH,
            "{size} clients cost {each} KiB each: {before} KiB before, {during} now"
        );
        peaks.push(during);
        drop(crowd);
        // The server reads the end of each; nobody waits for a time to pass here.
        while open_connections(&authority)? > 100 {
            thread::yield_now();
        }
        stamp(&authority, "/tsa", GOOD_CONNECTIONS, GOOD_REQUESTS_EACH).context("after the crowd")?;
    }
    report(&format!(
        "{before} KiB before, {peaks:?} with {CROWD} clients, {} after",
        authority.resident_kibibytes()?
    ));
    let [_, second, third] = peaks[..] else { return Err(anyhow!("three peaks")) };
    ensure!(third <= second + second / 4, "the third crowd took {third} KiB, and the second {second}");
    ensure!(authority.connect()?.get("/readyz")?.status == 200);
    authority.stop()?;
    Ok(())
}

#[expect(clippy::print_stderr, reason = "figures for who runs it with --nocapture")]
fn report(figures: &str) {
    eprintln!("{figures}");
}

/// Sessions and places in the queue of the slow TSU.
const SESSIONS: u32 = 2;
const QUEUE: u32 = 4;

/// What a client of an overloaded TSU is told.
fn check_refusal(reply: &HttpReply) -> Result<()> {
    ensure!(reply.status == 503, "HTTP {}: {}", reply.status, String::from_utf8_lossy(&reply.body));
    let seconds: u32 = reply.header("retry-after").context("no Retry-After")?.parse()?;
    ensure!((1..=60).contains(&seconds), "Retry-After: {seconds}");
    ensure!(reply.header("content-type") == Some("application/problem+json"), "{:?}", reply.headers);
    let problem: serde_json::Value = serde_json::from_slice(&reply.body)?;
    ensure!(problem.get("status").is_some_and(|status| *status == 503), "{problem}");
    ensure!(problem.get("title").is_some_and(serde_json::Value::is_string), "{problem}");
    Ok(())
}

/// Tokens and refusals of so many clients with so many requests each.
fn overload(authority: &Authority, path: &str, clients: u32, each: u32) -> Result<(u32, u32)> {
    let workers = (0..clients)
        .map(|_| {
            let (mut connection, path) = (authority.connect()?, path.to_owned());
            Ok(thread::spawn(move || -> Result<(u32, u32)> {
                let request = Request::of(b"too many")?.encoded();
                let (mut tokens, mut refusals) = (0, 0);
                for _ in 0..each {
                    let reply = connection.post(&path, &request)?;
                    if reply.status == 200 {
                        reply::granted(&reply)?;
                        tokens += 1;
                    } else {
                        check_refusal(&reply)?;
                        refusals += 1;
                    }
                }
                Ok((tokens, refusals))
            }))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut sums = (0, 0);
    for worker in workers {
        let (tokens, refusals) = worker.join().map_err(|_| anyhow!("a client panicked"))??;
        sums = (sums.0 + tokens, sums.1 + refusals);
    }
    Ok(sums)
}

/// The metrics are brought up to date every few seconds.
fn is_counted(authority: &Authority, refusals: u32) -> Result<()> {
    let mut busy = None;
    for _ in 0..300 {
        let metrics = String::from_utf8(authority.fetch("/metrics")?)?;
        let found = metrics.lines().find_map(|line| line.strip_prefix("attestamp_hsm_busy_total "));
        busy = found.map(str::to_owned);
        if busy.as_deref() == Some(refusals.to_string().as_str()) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Err(anyhow!("{refusals} were refused, and {busy:?} counted"))
}

#[test]
fn past_its_queue_a_slow_tsu_refuses_and_the_one_beside_it_does_not() -> Result<()> {
    // The embedded token has at least one session for each processor. Four times as many clients as there is room for.
    let processors = u32::try_from(thread::available_parallelism()?.get())?;
    let clients = 4 * (SESSIONS.max(processors) + QUEUE);
    for (kind, slow, dispatch) in [
        (TokenKind::Embedded, "slow:slh-dsa-sha2-128f", "threads"),
        // On the threads that serve requests, as the embedded token does with all but the slowest keys.
        (TokenKind::Embedded, "slow:rsa-4096", "inline"),
        (TokenKind::SoftHsm2, "slow:rsa-4096", "threads"),
    ] {
        let folder = kind.initialised_with(&["--tsu", "default:p-256", "--tsu", slow])?.folder;
        folder.edit_configuration(
            "[tsu.slow]\n",
            &format!(
                "[tsu.slow]\nsessions = {SESSIONS}\nqueue-length = {QUEUE}\ndispatch = \"{dispatch}\"\n"
            ),
        )?;
        let authority = folder.serve()?;
        // As many as there is room for: none is refused.
        let (tokens, refusals) = overload(&authority, "/tsa/slow", SESSIONS, 10)?;
        ensure!((tokens, refusals) == (SESSIONS * 10, 0), "{kind:?}: {refusals} refused without need");
        // Every answer of the other TSU must be a token, all the while.
        let beside = Load::start(&authority, "/tsa/default", 4)?;
        let (tokens, refusals) = overload(&authority, "/tsa/slow", clients, 20)?;
        report(&format!("{kind:?}, {dispatch}: {tokens} tokens and {refusals} refusals"));
        ensure!(tokens > 0, "{kind:?}: no token under overload");
        ensure!(refusals > 0, "{kind:?}: {clients} clients, {QUEUE} places, and none refused");
        ensure!(!beside.take(1).is_empty(), "{kind:?}: no token of the TSU beside it");
        is_counted(&authority, refusals)?;
        // And afterwards it is as before.
        let (tokens, refusals) = overload(&authority, "/tsa/slow", SESSIONS, 10)?;
        ensure!((tokens, refusals) == (SESSIONS * 10, 0), "{kind:?}: {refusals} refused afterwards");
        authority.stop()?;
        beside.rest()?;
        folder.run(&["ledger", "verify"])?.succeeded()?;
    }
    Ok(())
}
