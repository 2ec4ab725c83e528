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
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ROUNDS: u32 = 8;
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
        let clients = (0..CLIENTS)
            .map(|number| asked(authority.address(), &request, number % 2 == 0))
            .collect::<Result<Vec<_>>>()?;
        until("all sessions hang", || Ok(pair.faulty.stalled() == SESSIONS))
            .with_context(|| format!("round {round}: {} hang", pair.faulty.stalled()))?;
        // An answer that was not read makes the end a reset.
        drop(clients);
        // Over HTTP/2 that is seen at once, and the request is dropped; over HTTP/1 when the answer is written.
        until("the server knows that those over HTTP/2 are gone", || {
            Ok(gauge(&authority, "attestamp_connections ")? <= 1 + u64::try_from(CLIENTS / 2)?)
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

/// A connection with octets of the server's that lie unread, and a request for a token.
fn asked(address: SocketAddr, request: &[u8], is_http2: bool) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.write_all(if is_http2 { PREFACE } else { b"GET /healthz HTTP/1.1\r\nHost: authority\r\n\r\n" })?;
    socket.peek(&mut [0])?;
    if is_http2 {
        // `POST http://t/tsa/single` in HPACK by hand (RFC 7541, static table, no Huffman).
        let (path, media_type) = (b"/tsa/single", b"application/timestamp-query");
        let mut fields = vec![0x83, 0x86, 0x01, 1, b't', 0x04, u8::try_from(path.len())?];
        fields.extend_from_slice(path);
        fields.extend_from_slice(&[0x0f, 0x10, u8::try_from(media_type.len())?]);
        fields.extend_from_slice(media_type);
        socket.write_all(&frame(HEADERS, END_HEADERS, &fields)?)?;
        socket.write_all(&frame(DATA, END_STREAM, request)?)?;
    } else {
        let length = request.len();
        socket.write_all(
            format!("POST /tsa/single HTTP/1.1\r\nHost: authority\r\nContent-Type: application/timestamp-query\r\nContent-Length: {length}\r\n\r\n")
                .as_bytes(),
        )?;
        socket.write_all(request)?;
    }
    Ok(socket)
}

/// A frame of stream 1 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Result<Vec<u8>> {
    Ok([&[0, 0, u8::try_from(payload.len())?, kind, flags, 0, 0, 0, 1], payload].concat())
}

fn gauge(authority: &Authority, line: &str) -> Result<u64> {
    let text = String::from_utf8(authority.fetch("/metrics")?)?;
    let value = text.lines().find_map(|found| found.strip_prefix(line));
    Ok(value.with_context(|| format!("no {line}in\n{text}"))?.parse()?)
}
