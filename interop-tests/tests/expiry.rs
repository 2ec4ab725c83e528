//! A token outlives its TSU's certificate: what verifies at `-attime`, and that nothing is issued any more (A1.9).
//!
//! The certificate is an external CA's and ends shortly after the first token. Its end is a point in time that the test
//! has to live through; everything else is asserted on what the tools and the server say.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::certification_authority::ExternalCa;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::reply::{self, failure};
use attestamp_interop_tests::request::Request;
use jiff::Timestamp;

/// Enough for an import, a start and a stamp on a slow machine.
const VALIDITY: Duration = Duration::from_secs(40);

#[expect(clippy::disallowed_methods, reason = "the CA's clock")]
fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// UTCTime of X.509, as `openssl ca` takes it.
fn utc_time(since_epoch: Duration) -> Result<String> {
    let seconds = i64::try_from(since_epoch.as_secs())?;
    Ok(Timestamp::from_second(seconds)?.strftime("%y%m%d%H%M%SZ").to_string())
}

#[test]
fn after_the_certificates_end_old_tokens_verify_at_their_time_and_no_new_ones_come() -> Result<()> {
    let folder = DataFolder::initialised_with(&["--external-ca", "--tsu", "default:p-256"])?;
    let ca = ExternalCa::create(&folder)?;
    let csr = folder.run(&["tsu", "csr", "default"])?.succeeded()?.stdout;
    let csr = folder.write("default.csr", csr)?;
    let start = now()?;
    let end = start + VALIDITY;
    let chain = ca.sign(&csr, "tsu", &["-startdate", &utc_time(start)?, "-enddate", &utc_time(end)?])?;
    folder.run(&["tsu".as_ref(), "import".as_ref(), "default".as_ref(), chain.as_os_str()])?.succeeded()?;
    let authority = folder.serve()?;
    let client = Client::with_root(&folder, &authority, "default", &ca.root_pem()?)?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    let granted = reply::granted_der(&std::fs::read(client.folder().join("reply.tsr"))?)?;
    let gen_time = reply::unix_seconds(&granted.gen_time)?.to_string();
    client.verify(&["-data", "data"])?.succeeded()?.said("Verification: OK")?;

    // notAfter is inclusive: the second after it is the first outside.
    thread::sleep((end + Duration::from_secs(2)).saturating_sub(now()?));

    client.verify(&["-data", "data"])?.failed()?.said("certificate has expired")?;
    client.verify(&["-data", "data", "-attime", &gen_time])?.succeeded()?.said("Verification: OK")?;
    reply::rejected(&authority.post("/tsa", &Request::of(b"too late")?.encoded())?, failure::SYSTEM_FAILURE)?;
    let readiness = authority.connect()?.get("/readyz")?;
    ensure!(readiness.status == 503, "/readyz answers {}", readiness.status);
    let readiness: serde_json::Value = serde_json::from_slice(&readiness.body).context("/readyz")?;
    ensure!(readiness.to_string().contains("expired"), "/readyz gives another reason: {readiness}");
    // Nor does it start again, where no TSU could issue.
    authority.stop()?;
    for refused in [folder.serve_refused()?, folder.run(&["check"])?] {
        refused.failed()?.did_not_say("panicked")?.said("may not be used after")?;
    }
    Ok(())
}
