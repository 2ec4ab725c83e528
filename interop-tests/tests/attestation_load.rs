//! Fresh attestations while the server is busy: every timestamp is granted, every attestation has its auditor's nonce,
//! and who asks for too many is told when to come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, ensure};
use attestamp_interop_tests::attestation::Claimed;
use attestamp_interop_tests::auditor::at;
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::connection::{Connection, HttpReply};
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::token_under_test::{TokenKind, TokenUnderTest};

const CONNECTIONS: usize = 4;
const ATTESTATIONS: u8 = 24;
const OF_ADDRESS: &str = "# attestations-per-minute-per-address = 10\n";
const BUDGET: &str = "# fresh-per-minute = 120\n";

/// A token whose server lets all clients together ask for so many attestations in a minute.
fn with_budget(kind: TokenKind, per_minute: u32) -> Result<TokenUnderTest> {
    let token = kind.initialised_with(&["--tsu", "default:p-256"])?;
    token.folder.edit_configuration(BUDGET, &format!("fresh-per-minute = {per_minute}\n"))?;
    // All clients of a test have one address.
    token.folder.edit_configuration(OF_ADDRESS, "attestations-per-minute-per-address = 0\n")?;
    Ok(token)
}

/// Clients that stamp until they are told to stop.
struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Result<usize>>>,
}

impl Load {
    fn begin(authority: &Authority) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let clients = (0..CONNECTIONS)
            .map(|_| {
                let (connection, is_over) = (authority.connect()?, Arc::clone(&is_over));
                Ok(thread::spawn(move || stamp_until(&is_over, connection)))
            })
            .collect::<Result<_>>()?;
        Ok(Self { is_over, clients })
    }

    /// How many timestamps were granted to each; any other answer is an error.
    fn end(self) -> Result<Vec<usize>> {
        self.is_over.store(true, Ordering::Relaxed);
        let ends =
            self.clients.into_iter().map(|client| client.join().map_err(|_| anyhow!("a client panicked"))?);
        ends.collect()
    }
}

fn stamp_until(is_over: &AtomicBool, mut connection: Connection) -> Result<usize> {
    let mut granted: usize = 0;
    loop {
        let request = Request::of(&granted.to_le_bytes())?.encoded();
        reply::granted(&connection.post("/tsa", &request)?)?;
        granted += 1;
        if is_over.load(Ordering::Relaxed) {
            return Ok(granted);
        }
    }
}

fn ask(connection: &mut Connection, nonce: &[u8], chain: &str) -> Result<HttpReply> {
    let nonce: String = nonce.iter().map(|octet| format!("{octet:02x}")).collect();
    let message = format!(
        "GET /attestation/keys/default?nonce={nonce}&chain={chain} HTTP/1.1\r\nHost: authority\r\nAccept: \
         application/pkix-cert\r\n\r\n"
    );
    connection.exchange(message.as_bytes())
}

#[test]
fn fresh_attestations_and_timestamps_at_once() -> Result<()> {
    for kind in TokenKind::ALL {
        let token = with_budget(kind, 1_000_000)?;
        let authority = token.folder.serve()?;
        let chains: &[&str] = if kind == TokenKind::Embedded { &["classical", "pq"] } else { &["classical"] };
        let load = Load::begin(&authority)?;
        let auditors = (0..2_u8).map(|auditor| {
            let mut connection = authority.connect()?;
            Ok(thread::spawn(move || -> Result<()> {
                for number in 0..ATTESTATIONS {
                    for chain in chains {
                        let nonce = [auditor, number, chain.len().try_into()?].repeat(8);
                        let reply = ask(&mut connection, &nonce, chain)?;
                        ensure!(reply.status == 200, "{}: {reply:?}", String::from_utf8_lossy(&reply.body));
                        let claimed = Claimed::of_der(&reply.body)?;
                        ensure!(
                            claimed.nonce.as_deref() == Some(&nonce[..]),
                            "{claimed:?}, not {nonce:02x?}"
                        );
                        ensure!(reply.header("cache-control") == Some("no-store"), "{:?}", reply.headers);
                    }
                }
                Ok(())
            }))
        });
        let auditors = auditors.collect::<Result<Vec<_>>>()?;
        let asked: Result<Vec<()>> = auditors
            .into_iter()
            .map(|auditor| auditor.join().map_err(|_| anyhow!("an auditor panicked"))?)
            .collect();
        let granted = load.end()?;
        asked?;
        ensure!(granted.iter().all(|granted| *granted > 1), "{granted:?} timestamps");
    }
    Ok(())
}

#[test]
fn the_budget_is_of_all_clients_together() -> Result<()> {
    let token = with_budget(TokenKind::Embedded, 1)?;
    let authority = token.folder.serve()?;
    let load = Load::begin(&authority)?;
    // A request may cost more than the budget if nobody else has asked: two chains, two minutes.
    authority.fetch(&format!("/attestation/bundle.tar?nonce={}", "aa".repeat(16)))?;
    for path in ["/attestation/keys/default", "/attestation/bundle.tar"] {
        let refused = authority.connect()?.get(&format!("{path}?nonce={}", "bb".repeat(16)))?;
        ensure!(refused.status == 429, "{path} answers {}", refused.status);
        let wait: u32 = refused.header("retry-after").context("no Retry-After")?.parse()?;
        ensure!((1..=240).contains(&wait), "Retry-After: {wait}");
        let problem: serde_json::Value = serde_json::from_slice(&refused.body)?;
        ensure!(at(&problem, "/status") == 429, "{problem}");
        // What is stored costs nothing, and neither does a question that is refused for its form.
        authority.fetch(path)?;
        let wrong = authority.connect()?.get(&format!("{path}?nonce=00"))?;
        ensure!(wrong.status == 400, "{path}?nonce=00 answers {}", wrong.status);
    }
    load.end()?;
    Ok(())
}

#[test]
fn a_budget_of_nothing_allows_none() -> Result<()> {
    let token = with_budget(TokenKind::Embedded, 0)?;
    let authority = token.folder.serve()?;
    let refused =
        authority.connect()?.get(&format!("/attestation/keys/default?nonce={}", "aa".repeat(16)))?;
    ensure!(refused.status >= 400 && refused.status != 429, "{refused:?}");
    authority.fetch("/attestation/keys/default")?;
    Ok(())
}
