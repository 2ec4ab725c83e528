//! `curl`: HTTP as it is spoken: 100-continue, HTTP/2, chunked bodies, HTTP/1.0, media types; and the other statuses.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::tools::{CURL, Finished};

const QUERY: &str = "Content-Type: application/timestamp-query";
const WRITE_OUT: &str = "status=%{http_code} version=%{http_version} type=[%{content_type}]";

/// Posts `request.tsq` to `/tsa` with these options; the reply goes to `reply.tsr`.
fn post(client: &Client, authority: &Authority, options: &[&str]) -> Result<Finished> {
    let url = authority.url("/tsa");
    let mut arguments = vec!["-sSv", "--max-time", "60", "-w", WRITE_OUT, "-o", "reply.tsr"];
    arguments.extend_from_slice(options);
    arguments.extend_from_slice(&["--data-binary", "@request.tsq", &url]);
    CURL.run(client.folder(), &arguments)?.succeeded()
}

#[test]
fn each_way_of_sending_the_same_request_gets_a_token() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    let ways: [(&[&str], &str); 8] = [
        (&["--http1.1", "-H", QUERY], "version=1.1"),
        (&["--http1.1", "-H", QUERY, "-H", "Expect: 100-continue"], "HTTP/1.1 100 Continue"),
        (&["--http2-prior-knowledge", "-H", QUERY], "version=2"),
        (&["--http2", "-H", QUERY], "status=200"),
        (&["--http1.1", "-H", QUERY, "-H", "Transfer-Encoding: chunked"], "version=1.1"),
        (&["--http1.0", "-H", QUERY], "status=200"),
        (&["-H", "Content-Type: APPLICATION/Timestamp-Query"], "status=200"),
        (&["-H", "Content-Type: application/timestamp-query; charset=binary"], "status=200"),
    ];
    for (options, sign) in ways {
        client.query(&["-sha256", "-cert"])?;
        post(&client, &authority, options)?
            .said("status=200")?
            .said("type=[application/timestamp-reply]")?
            .said(sign)
            .with_context(|| format!("{options:?}"))?;
        client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    }
    Ok(())
}

#[test]
fn one_connection_is_kept_for_several_requests() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.query(&["-sha256"])?;
    let url = authority.url("/tsa");
    #[rustfmt::skip]
    let finished = CURL.run(client.folder(), &[
        "-sS", "--http1.1", "-w", "connects=%{num_connects};", "-H", QUERY, "--data-binary", "@request.tsq",
        "-o", "one.tsr", &url, "-o", "two.tsr", &url, "-o", "three.tsr", &url,
    ])?.succeeded()?;
    ensure!(finished.stdout == "connects=1;connects=0;connects=0;", "{finished}");
    Ok(())
}

#[test]
fn what_is_no_timestamp_request_gets_its_own_status() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let client = Client::of(&folder, &authority, "default")?;
    client.query(&["-sha256"])?;
    for media_type in ["application/json", "multipart/form-data; boundary=application/timestamp-query"] {
        post(&client, &authority, &["-H", &format!("Content-Type: {media_type}")])?.said("status=415")?;
    }
    post(&client, &authority, &["-H", QUERY, "-X", "DELETE"])?.said("status=405")?.said("< allow: ")?;
    post(&client, &authority, &["-H", QUERY, "--url", &authority.url("/tsa/nobody")])?.said("status=404")?;
    folder.write("request.tsq", vec![0x30; 100_000])?;
    post(&client, &authority, &["-H", QUERY])?.said("status=413")?;
    post(&client, &authority, &["-H", QUERY, "-H", "Transfer-Encoding: chunked"])?.said("status=413")?;
    Ok(())
}

#[test]
fn the_documents_around_the_service_are_there() -> Result<()> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    let paths = ["/", "/tsa", "/tsa/rsa/certificate.pem", "/pki/root.pem", "/healthz", "/readyz", "/metrics"];
    for path in paths {
        let finished = CURL.run(
            &folder.work(),
            &["-sS", "--fail-with-body", "-H", "Accept: text/html,*/*", &authority.url(path)],
        )?;
        ensure!(!finished.succeeded()?.stdout.is_empty(), "GET {path} is empty");
    }
    Ok(())
}
