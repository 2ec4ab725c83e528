//! `tsget`, OpenSSL's own HTTP client: sends `Expect: 100-continue` and takes one exact media type alone.

use anyhow::{Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::tools::TSGET;

#[test]
fn fetches_tokens_that_openssl_verifies() -> Result<()> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    for path in ["/", "/tsa", "/tsa/default"] {
        client.query(&["-sha256", "-cert"])?;
        let finished = TSGET
            .run(client.folder(), &["-h", &authority.url(path), "-v", "-o", "reply.tsr", "request.tsq"])?;
        ensure!(
            !finished.stderr.contains("Curl/Easy.pm"),
            "tsget's Perl module is not installed: install the Debian package libwww-curl-perl\n{finished}"
        );
        finished.succeeded()?.said("reply.tsr written.")?;
        client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    }
    Ok(())
}

#[test]
fn several_requests_go_over_one_run() -> Result<()> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "rsa")?;
    let names = ["one", "two", "three"];
    for name in names {
        let request = client.query(&["-sha384", "-cert"])?;
        folder.write(&format!("{name}.tsq"), request)?;
    }
    TSGET
        .run(client.folder(), &["-h", &authority.url("/tsa/rsa"), "one.tsq", "two.tsq", "three.tsq"])?
        .succeeded()?;
    for name in names {
        std::fs::copy(client.folder().join(format!("{name}.tsr")), client.folder().join("reply.tsr"))?;
        let request = format!("{name}.tsq");
        client.verify(&["-queryfile", &request])?.succeeded()?.said("Verification: OK")?;
    }
    Ok(())
}
