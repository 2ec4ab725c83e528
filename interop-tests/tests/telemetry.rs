//! Traces over OTLP: what a collector gets, and what happens to requests when there is none.

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::collector::{Collector, spans};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::Request;
use serde_json::Value;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn traced_to(endpoint: &str, further: &str) -> Result<DataFolder> {
    let folder = DataFolder::with_default_tsu()?;
    let lines = format!("[telemetry]\notlp-endpoint = \"{endpoint}\"\n{further}");
    folder.edit_configuration("[telemetry]\n", &lines)?;
    Ok(folder)
}

/// Posts a request as a client that traces its own doings would, and that says more than it is asked.
fn post_traced(authority: &Authority, path: &str, body: &[u8], flags: &str) -> Result<u16> {
    let mut message = format!(
        "POST {path} HTTP/1.1\r\nHost: secret-host\r\nUser-Agent: secret-agent\r\nContent-Type: application/timestamp-query\r\n\
         traceparent: 00-{TRACE}-{PARENT}-{flags}\r\ntracestate: vendor=secret-state\r\nbaggage: secret=baggage\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    Ok(authority.connect()?.exchange(&message)?.status)
}

fn named<'a>(spans: &'a [Value], name: &str) -> Result<&'a Value> {
    spans.iter().find(|span| span["name"] == name).with_context(|| format!("no span {name}: {spans:#?}"))
}

#[test]
fn a_request_is_a_span_with_its_steps_under_the_callers() -> Result<()> {
    let collector = Collector::start("200 OK")?;
    let folder = traced_to(&collector.url(), "service-name = \"tsa-of-the-test\"\n")?;
    let authority = folder.serve()?;
    let request = Request::of(b"traced")?.encoded();
    ensure!(post_traced(&authority, "/tsa/default", &request, "01")? == 200);
    ensure!(post_traced(&authority, "/tsa/secret-name", &request, "01")? == 404);
    // Probes are not traced.
    authority.fetch("/metrics")?;
    authority.fetch("/readyz")?;
    // What waits is sent at the end, before the process is gone.
    authority.stop()?;
    let messages = collector.messages();
    let first = messages.first().context("nothing reached the collector")?;
    ensure!(first.header.starts_with("post /v1/traces http/1.1"), "{}", first.header);
    ensure!(first.header.contains("content-type: application/x-protobuf"), "{}", first.header);
    let spans = spans(&folder.work(), &messages)?;
    let stamps: Vec<_> = spans.iter().filter(|span| span["name"] == "stamp").collect();
    ensure!(stamps.len() == 2, "a request is one span: {spans:#?}");
    let granted = stamps.iter().find(|span| span["attributes"]["attestamp.outcome"] == "granted");
    let granted = granted.context("no granted request")?;
    ensure!(granted["trace"] == TRACE && granted["parent"] == PARENT, "{granted}");
    ensure!(granted["attributes"]["http.response.status_code"] == 200, "{granted}");
    ensure!(granted["attributes"]["attestamp.tsu"] == "default", "{granted}");
    ensure!(granted["resource"]["service.name"] == "tsa-of-the-test", "{granted}");
    for step in ["decide", "sign", "ledger"] {
        let span = named(&spans, step)?;
        ensure!(span["trace"] == TRACE && span["parent"] == granted["span"], "{span}");
        let within = |key: &str| span[key].as_u64().zip(granted[key].as_u64()).context("no times");
        let ((start, from), (end, until)) = (within("start")?, within("end")?);
        ensure!(
            from <= start && start <= end && end <= until,
            "{step} is not within its request: {spans:#?}"
        );
    }
    // No word of the client's.
    let text = serde_json::to_string(&spans)?;
    ensure!(!text.contains("secret"), "{text}");
    ensure!(spans.iter().all(|span| span["state"] == "" && span["events"] == 0), "{text}");
    Ok(())
}

#[test]
fn the_caller_decides_for_its_requests_and_the_ratio_for_the_others() -> Result<()> {
    let collector = Collector::start("200 OK")?;
    let folder = traced_to(&collector.url(), "sample-ratio = 0.0\n")?;
    let authority = folder.serve()?;
    let request = Request::of(b"traced")?.encoded();
    ensure!(post_traced(&authority, "/tsa", &request, "00")? == 200);
    reply::granted(&authority.post("/tsa", &request)?)?;
    ensure!(post_traced(&authority, "/tsa", &request, "01")? == 200);
    authority.stop()?;
    let spans = spans(&folder.work(), &collector.messages())?;
    ensure!(spans.iter().filter(|span| span["name"] == "stamp").count() == 1, "{spans:#?}");
    Ok(())
}

#[test]
fn a_collector_that_refuses_or_is_away_costs_no_request() -> Result<()> {
    let refusing = Collector::start("500 Internal Server Error")?;
    // A port that nobody listens on: the listener is gone when the server starts.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    for endpoint in [refusing.url(), format!("http://{nobody}")] {
        let folder = traced_to(&endpoint, "")?;
        let authority = folder.serve()?;
        let mut connection = authority.connect()?;
        let request = Request::of(b"traced")?.encoded();
        // More than are sent at once, so that the exporter has met its fate while requests go on.
        for _ in 0..600 {
            reply::granted(&connection.post("/tsa", &request)?)?;
        }
        drop(connection);
        let said = authority.stop()?;
        // Once, however often it fails.
        ensure!(said.matches("the collector takes no traces").count() == 1, "{said}");
    }
    ensure!(!refusing.messages().is_empty(), "nothing was sent");
    Ok(())
}

#[test]
fn an_address_that_is_none_is_refused_at_the_start() -> Result<()> {
    let folder = traced_to("collector:4318", "")?;
    folder.serve_refused()?.failed()?.said("telemetry.otlp-endpoint")?.said("http://127.0.0.1:4318")?;
    Ok(())
}
