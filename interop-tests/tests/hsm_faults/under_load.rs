//! Fail-over while sixteen connections ask without a pause: no request is lost to a fault that comes or goes, and none of
//! another TSU waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::Request;

use crate::{Pair, QUICK, metric, until};

/// Connections that ask for tokens of the TSU that fails over, and of the one beside it.
const CLIENTS: u64 = 16;
const CLIENTS_BESIDE: u64 = 4;

/// Clients that ask for one token after another until they are told to end.
struct Clients {
    granted: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Clients {
    fn start(authority: &Authority, tsu: &str, number: u64) -> Result<Self> {
        let (granted, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let threads = (0..number)
            .map(|client| {
                let (mut connection, path) = (authority.connect()?, format!("/tsa/{tsu}"));
                let (granted, stop) = (Arc::clone(&granted), Arc::clone(&stop));
                Ok(thread::spawn(move || -> Result<()> {
                    let request = Request::of(&client.to_be_bytes())?.encoded();
                    while !stop.load(Ordering::Relaxed) {
                        reply::granted(&connection.post(&path, &request)?).with_context(|| path.clone())?;
                        granted.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                }))
            })
            .collect::<Result<_>>()?;
        Ok(Self { granted, stop, threads })
    }

    /// Waits for so many further tokens. A client that got no token has ended.
    fn wait_for(&self, further: u64) -> Result<()> {
        let enough = self.granted.load(Ordering::Relaxed) + further;
        until("the clients have their tokens", || {
            ensure!(self.threads.iter().all(|thread| !thread.is_finished()), "a client got no token");
            Ok(self.granted.load(Ordering::Relaxed) >= enough)
        })
    }

    /// Ends them. Every request of each must have been granted.
    fn end(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(())
    }
}

#[test]
fn faults_that_come_and_go_under_load_cost_no_request() -> Result<()> {
    let pair = Pair::create(QUICK)?;
    let authority = pair.folder.serve()?;
    let first = Clients::start(&authority, "first", CLIENTS)?;
    let beside = Clients::start(&authority, "default", CLIENTS_BESIDE)?;
    let outcome = come_and_go(&pair, &first, &beside);
    // What a client was told comes first: it is why the wait for it ended.
    first.end()?;
    beside.end()?;
    outcome?;
    ensure!(metric(&authority, "attestamp_signer_failovers_total", "hsm")? > 0, "nothing failed over");
    authority.stop()?;
    pair.folder.run(&["ledger", "verify"])?.succeeded()?;
    Ok(())
}

fn come_and_go(pair: &Pair, first: &Clients, beside: &Clients) -> Result<()> {
    first.wait_for(4 * CLIENTS)?;
    for fault in ["C_Sign return=0x30", "C_Sign return=0xB3", "* return=0x32", "C_Sign stall"] {
        for _ in 0..2 {
            pair.faulty.rule(fault);
            if fault.ends_with("stall") {
                until("a call hangs", || Ok(pair.faulty.stalled() > 0)).context(fault)?;
            }
            // More than were in flight when it came: on both TSUs tokens are made while it lasts.
            first.wait_for(4 * CLIENTS).context(fault)?;
            beside.wait_for(4 * CLIENTS_BESIDE).context(fault)?;
            ensure!(!fault.ends_with("stall") || pair.faulty.stalled() > 0, "the call hangs no more");
            let before = pair.faulty.calls("C_Sign");
            pair.faulty.clear();
            // Not only the pool's own probes: as many as there are clients.
            until("it signs again", || Ok(pair.faulty.calls("C_Sign") > before + CLIENTS)).context(fault)?;
            first.wait_for(CLIENTS).context(fault)?;
        }
    }
    Ok(())
}
