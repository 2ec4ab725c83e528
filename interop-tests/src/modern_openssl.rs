//! OpenSSL 3.5 or later: the first that knows ML-DSA and SLH-DSA.
//!
//! `openssl ts -verify` verifies no such token in any version; `openssl cms -verify -cades` does. What that checks is the
//! signature, the ESS attribute and the chain, and it hands out the TSTInfo for the caller to look at.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::stamped::Stamped;
use crate::tools::{Finished, Tool};
use crate::verifiers::{self, Verdict};

/// The program.
///
/// # Errors
/// When it is not unpacked.
pub fn tool() -> Result<Tool> {
    verifiers::tool("openssl/openssl")
}

/// Runs it in a folder to its end.
///
/// # Errors
/// When it is not unpacked or could not be started.
pub fn run<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Result<Finished> {
    tool()?.run(folder, arguments)
}

/// `openssl cms -verify -cades -purpose timestampsign` of a bare token; where it accepts, its content must be `tst_info`.
///
/// # Errors
/// When openssl could not be run, or accepts and gives another content.
pub fn cms_verify(folder: &Path, token: &str, ca_file: &str, tst_info: &[u8]) -> Result<Verdict> {
    #[rustfmt::skip]
    let finished = run(folder, &[
        "cms", "-verify", "-cades", "-binary", "-purpose", "timestampsign", "-CAfile", ca_file,
        "-inform", "DER", "-in", token, "-out", "verified.tst",
    ])?;
    if !finished.status.success() {
        return Ok(Verdict::Refused(reason(&finished)));
    }
    let finished = finished.said("CAdES Verification successful")?;
    let content = std::fs::read(folder.join("verified.tst"))?;
    ensure!(content == tst_info, "accepted, with another content than the TSTInfo: {finished}");
    Ok(Verdict::Accepted)
}

/// [`cms_verify`] of the token of a timestamp.
///
/// # Errors
/// As [`cms_verify`].
pub fn cms_verdict(stamped: &Stamped) -> Result<Verdict> {
    cms_verify(stamped.folder(), &stamped.token(), &stamped.root(), &stamped.granted()?.tst_info)
}

/// `openssl ts -verify` of a reply against its request.
///
/// # Errors
/// When openssl could not be run.
pub fn ts_verdict(openssl: Tool, stamped: &Stamped) -> Result<Verdict> {
    #[rustfmt::skip]
    let finished = openssl.run(stamped.folder(), &[
        "ts", "-verify", "-in", &stamped.reply(), "-queryfile", &stamped.request(), "-CAfile", &stamped.root(),
    ])?;
    // The exit code alone proves nothing.
    if finished.status.success() && finished.stdout.contains("Verification: OK") {
        return Ok(Verdict::Accepted);
    }
    Ok(Verdict::Refused(reason(&finished)))
}

/// Its lines of error, in one.
fn reason(finished: &Finished) -> String {
    finished.stderr.lines().filter(|line| !line.starts_with("Using conf")).collect::<Vec<_>>().join(" | ")
}
