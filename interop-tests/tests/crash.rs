//! `kill -9` and restart ten times under load: no serial number repeats, and the data folder opens again each time.

use std::collections::HashSet;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::connection::Connection;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::Request;

const RESTARTS: usize = 10;
const CONNECTIONS: usize = 4;
const TOKENS_BEFORE_THE_KILL: usize = 100;

/// Asks for tokens until the server is gone.
fn stamp_until_gone(mut connection: Connection, serials: &Sender<Vec<u8>>) -> Result<()> {
    let request = Request::of(b"under load")?.encoded();
    while let Ok(reply) = connection.post("/tsa", &request) {
        serials.send(reply::granted(&reply)?.serial).context("nobody listens")?;
    }
    Ok(())
}

#[test]
fn ten_kills_under_load_repeat_no_serial() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let mut seen = HashSet::new();
    for _ in 0..RESTARTS {
        let authority = folder.serve()?;
        let (sender, serials) = channel();
        let workers = (0..CONNECTIONS)
            .map(|_| {
                let (connection, sender) = (authority.connect()?, sender.clone());
                Ok(thread::spawn(move || stamp_until_gone(connection, &sender)))
            })
            .collect::<Result<Vec<_>>>()?;
        drop(sender);
        let mut of_this_run: Vec<Vec<u8>> = serials.iter().take(TOKENS_BEFORE_THE_KILL).collect();
        authority.kill()?;
        of_this_run.extend(serials);
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        ensure!(of_this_run.len() >= TOKENS_BEFORE_THE_KILL, "only {} tokens", of_this_run.len());
        for serial in of_this_run {
            ensure!(seen.insert(serial.clone()), "serial {serial:02x?} twice");
        }
    }
    // And what it issues after all that still verifies.
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    Ok(())
}

#[test]
fn a_second_process_on_one_data_folder_is_refused() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let refused = folder.serve_refused()?.failed()?.did_not_say("panicked")?;
    ensure!(
        refused.stderr.contains(&*folder.path().to_string_lossy()),
        "it should name the folder: {refused}"
    );
    authority.post("/tsa", &Request::of(b"the first goes on")?.encoded()).and_then(|r| reply::granted(&r))?;
    Ok(())
}
