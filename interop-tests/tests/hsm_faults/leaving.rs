//! Clients that leave while their signature is made: the sessions that they had are free again when the module answers, and
//! memory is where it was.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::Request;

use crate::{Pair, QUICK, granted_and_verified, until};

/// What the TSU `single` has in the harness, and what it has here: time for a signature that hangs.
const FEW: &str = "[tsu.single]\nsign-seconds = 1\nsessions = 2\n";
const SEVERAL: &str = "[tsu.single]\nsign-seconds = 60\nsessions = 4\nqueue-length = 64\n";
const SESSIONS: usize = 4;
/// More than there are sessions: some wait in the queue when they leave.
const CLIENTS: usize = 12;
const ROUNDS: u32 = 12;
/// What an allocator may keep that does not leak: a lost request or session a round would be found by its session.
const KIBIBYTES: u64 = 16 * 1024;

#[test]
fn clients_that_leave_in_the_middle_of_a_signature_keep_no_session() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    pair.folder.edit_configuration(FEW, SEVERAL)?;
    let authority = pair.folder.serve()?;
    let request = Request::of(b"soon gone")?.encoded();
    let all_sessions = gauge(&authority, "attestamp_hsm_sessions ")?;
    let mut after_three = 0;
    for round in 0..ROUNDS {
        // All sessions can hang, and so none was lost in the round before.
        pair.faulty.rule("C_Sign stall");
        let clients =
            (0..CLIENTS).map(|_| asked(authority.address(), &request)).collect::<Result<Vec<_>>>()?;
        until("all sessions hang", || Ok(pair.faulty.stalled() == SESSIONS))
            .with_context(|| format!("round {round}: {} hang", pair.faulty.stalled()))?;
        // An answer that was not read makes the end a reset.
        drop(clients);
        until("the server knows that they are gone", || {
            Ok(gauge(&authority, "attestamp_connections ")? <= 1)
        })?;
        pair.faulty.clear();
        until("the sessions are free", || Ok(pair.faulty.stalled() == 0))?;
        until("it issues again", || Ok(reply::granted(&authority.post("/tsa/single", &request)?).is_ok()))?;
        until("nobody waits", || Ok(gauge(&authority, "attestamp_hsm_queued_signatures ")? == 0))?;
        until("every session is there", || Ok(gauge(&authority, "attestamp_hsm_sessions ")? == all_sessions))
            .with_context(|| format!("round {round}"))?;
        if round == 2 {
            after_three = authority.resident_kibibytes()?;
        }
    }
    let last = authority.resident_kibibytes()?;
    ensure!(last <= after_three + KIBIBYTES, "{after_three} KiB after three rounds, {last} after the last");
    granted_and_verified(&pair.folder, &authority, "single")
}

/// A connection with an answer that lies unread, and a request for a token.
fn asked(address: SocketAddr, request: &[u8]) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: authority\r\n\r\n")?;
    socket.peek(&mut [0])?;
    let length = request.len();
    socket.write_all(
        format!("POST /tsa/single HTTP/1.1\r\nHost: authority\r\nContent-Type: application/timestamp-query\r\nContent-Length: {length}\r\n\r\n")
            .as_bytes(),
    )?;
    socket.write_all(request)?;
    Ok(socket)
}

fn gauge(authority: &Authority, line: &str) -> Result<u64> {
    let text = String::from_utf8(authority.fetch("/metrics")?)?;
    let value = text.lines().find_map(|found| found.strip_prefix(line));
    Ok(value.with_context(|| format!("no {line}in\n{text}"))?.parse()?)
}
