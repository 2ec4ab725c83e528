//! A segment that has ended is not read at the start, but after it: an entry that was altered there is found by the server
//! itself, which then says so and issues nothing more (E2).

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::reply::{self, failure};
use attestamp_interop_tests::request::Request;
use attestamp_interop_tests::stamping::stamp;

fn flip(file: &Path, offset: usize) -> Result<()> {
    let mut octets = std::fs::read(file)?;
    *octets.get_mut(offset).context("the file is shorter")? ^= 0x10;
    Ok(std::fs::write(file, octets)?)
}

#[test]
fn e2_an_entry_altered_in_a_segment_that_has_ended_is_found_after_the_start() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    folder.edit_configuration("# segment-mebibytes = 1024", "segment-mebibytes = 1")?;
    let segments = folder.path().join("ledger/segments");
    let authority = folder.serve()?;
    for _ in 0..200 {
        if segments.join("00000002").is_dir() {
            break;
        }
        stamp(&authority, "/tsa", 16, 25)?;
    }
    ensure!(segments.join("00000002").is_dir(), "the first segment never ended");
    authority.stop()?;
    folder.run(&["ledger", "verify"])?.succeeded()?;

    flip(&segments.join("00000001/entries"), 2500)?;
    let authority = folder.serve()?;
    // Nobody asks for it: it is the server's own doing.
    for _ in 0..600 {
        let reply = authority.connect()?.get("/readyz")?;
        let text = String::from_utf8(reply.body)?;
        if text.contains("ledger-altered") {
            ensure!(reply.status == 503, "{} {text}", reply.status);
            let request = Request::of(b"after it")?.encoded();
            return reply::rejected(&authority.post("/tsa", &request)?, failure::SYSTEM_FAILURE);
        }
        thread::sleep(Duration::from_millis(100));
    }
    bail!("the altered entry was never found")
}
