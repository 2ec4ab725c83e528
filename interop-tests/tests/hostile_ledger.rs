//! What the start does not read of a ledger, the server reads after it, by itself (E2). What it does when it finds an altered
//! entry there is tested in `server/tests/authority/ledger.rs`: a ledger that the start does not read wholly has more than
//! 65 536 entries.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::stamping::stamp;

#[test]
fn e2_the_whole_ledger_is_read_after_each_start() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    for _ in 0..2 {
        let authority = folder.serve()?;
        let is_read = || authority.said().contains("the whole ledger was verified");
        let mut looks = 0;
        while !is_read() {
            looks += 1;
            if looks > 600 {
                bail!("nobody has read the ledger");
            }
            thread::sleep(Duration::from_millis(100));
        }
        stamp(&authority, "/tsa", 4, 5)?;
        authority.stop()?;
    }
    Ok(())
}
