//! `/metrics` as others read it, and what we ship to be used with it: the dashboard and the alerts.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::prometheus::{Exposition, names_in, promtool, repository_file, yaml};
use attestamp_interop_tests::reply;
use attestamp_interop_tests::request::Request;
use serde_json::Value;

#[test]
fn the_exposition_keeps_to_the_format_and_its_series_stay() -> Result<()> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    let before = authority.fetch("/metrics")?;
    let request = Request::of(b"counted")?.encoded();
    reply::granted(&authority.post("/tsa", &request)?)?;
    reply::granted(&authority.post("/tsa/rsa", &request)?)?;
    authority.post("/tsa", b"\x30\x00")?;
    authority.post("/tsa/nobody", &request)?;
    authority.connect()?.get("/a-path-that-a-client-made-up")?;
    let after = authority.fetch("/metrics")?;
    let read = Exposition::read_all(&folder.work(), &[&before, &after])?;
    let [before, after] = &read[..] else { anyhow::bail!("two were read") };
    // No client makes a series, and their order does not change.
    ensure!(before.series() == after.series(), "{:?}\n{:?}", before.series(), after.series());
    for (tsu, granted) in [("default", 1.0), ("rsa", 1.0), ("pq", 0.0)] {
        let labels = [("tsu", tsu), ("outcome", "granted")];
        ensure!(after.value("attestamp_stamps_total", &labels)? == granted, "{tsu}");
    }
    let malformed = [("tsu", "default"), ("failure_info", "badDataFormat")];
    ensure!(after.value("attestamp_rejections_total", &malformed)? == 1.0);
    let unknown = [("route", "stamp"), ("status", "404")];
    ensure!(after.value("attestamp_requests_total", &unknown)? == 1.0);
    Ok(())
}

#[test]
fn what_an_operator_asks_first_is_there() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let read = Exposition::read_all(&folder.work(), &[&authority.fetch("/metrics")?])?;
    let metrics = read.first().context("one was read")?;
    ensure!(metrics.value("attestamp_ready", &[])? == 1.0);
    ensure!(metrics.value("attestamp_readiness_warnings", &[("code", "clock-unassured")])? == 1.0);
    ensure!(metrics.value("attestamp_hsm_sessions", &[])? >= 1.0);
    ensure!(metrics.value("attestamp_clock_sample_age_seconds", &[])? < 2.0);
    // An `openssl`-independent truth: everything ends after it began.
    let start = metrics.value("process_start_time_seconds", &[])?;
    for (name, labels) in [
        ("attestamp_key_expiry_seconds", &[("tsu", "default")][..]),
        ("attestamp_certificate_expiry_seconds", &[("tsu", "default")]),
        ("attestamp_ca_certificate_expiry_seconds", &[("ca", "root")]),
        ("attestamp_ca_certificate_expiry_seconds", &[("ca", "tsa-ca")]),
        ("attestamp_crl_expiry_seconds", &[("ca", "tsa-ca")]),
        ("attestamp_attestation_chain_expiry_seconds", &[("chain", "classical")]),
    ] {
        ensure!(metrics.value(name, labels)? > start, "{name} {labels:?}");
    }
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"] {
        ensure!(metrics.value(name, &[])? > 0.0, "{name}");
    }
    Ok(())
}

#[test]
fn promtool_has_nothing_to_say_against_the_metrics() -> Result<()> {
    let folder = DataFolder::with_default_tsu()?;
    let authority = folder.serve()?;
    let path = folder.write("metrics.txt", authority.fetch("/metrics")?)?;
    // It reads standard input alone.
    let tool = attestamp_interop_tests::verifiers::file("promtool/promtool")?;
    let command = format!("exec '{}' check metrics < '{}'", tool.display(), path.display());
    let shell = attestamp_interop_tests::tools::Tool { name: "sh", package: "dash" };
    let checked = shell.run(&folder.work(), &["-c", &command])?.succeeded()?;
    ensure!(checked.stderr.is_empty() && checked.stdout.is_empty(), "{checked}");
    Ok(())
}

/// Each metric must be one that the server has; gives how many were looked at.
fn check_names<'a>(of: &str, queries: impl Iterator<Item = &'a str>) -> Result<usize> {
    let folder = DataFolder::initialised()?;
    let authority = folder.serve()?;
    let read = Exposition::read_all(&folder.work(), &[&authority.fetch("/metrics")?])?;
    let known = read.first().context("one was read")?.names();
    let named: BTreeSet<String> = queries.flat_map(names_in).collect();
    for name in &named {
        ensure!(known.contains(name), "{of} names {name}, which is not on /metrics: {known:#?}");
    }
    Ok(named.len())
}

#[test]
fn the_dashboard_names_metrics_that_exist() -> Result<()> {
    let text = std::fs::read_to_string(repository_file("docs/grafana-dashboard.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    ensure!(dashboard["schemaVersion"].as_u64() >= Some(41), "an old schema");
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let rows: Vec<_> = panels.iter().filter(|panel| panel["type"] == "row").collect();
    let titles: Vec<_> = rows.iter().filter_map(|row| row["title"].as_str()).collect();
    ensure!(
        titles == ["Issuing", "Refusals", "Latency", "HSM", "Clock", "Ledger", "Expiry", "Process"],
        "{titles:?}"
    );
    let identifiers: BTreeSet<_> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    ensure!(identifiers.len() == panels.len(), "two panels share a number");
    let mut queries = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().filter(|targets| !targets.is_empty());
        for target in targets.with_context(|| format!("no query: {}", panel["title"]))? {
            ensure!(target["datasource"]["uid"] == "${datasource}", "{} has a fixed source", panel["title"]);
            queries.push(target["expr"].as_str().context("no expression")?);
        }
    }
    let variables = dashboard["templating"]["list"].as_array().context("no variables")?;
    queries.extend(variables.iter().filter_map(|variable| variable["definition"].as_str()));
    let looked_at = check_names("the dashboard", queries.into_iter())?;
    ensure!(looked_at > 40, "only {looked_at} metrics");
    Ok(())
}

#[test]
fn the_alerts_name_metrics_that_exist_and_runbooks_that_are_there() -> Result<()> {
    let path = repository_file("docs/prometheus-alerts.yml");
    let folder = DataFolder::empty()?;
    let path_text = path.to_str().context("not UTF-8")?;
    promtool(&folder.work(), &["check", "rules", "--lint-fatal", path_text])?.succeeded()?.said("SUCCESS")?;
    let alerts = yaml(&path)?;
    let rules = alerts["groups"][0]["rules"].as_array().context("no rules")?.clone();
    let sections = anchors(&std::fs::read_to_string(repository_file("docs/operations.md"))?);
    for rule in &rules {
        let url = rule["annotations"]["runbook_url"].as_str().context("no runbook")?;
        let anchor =
            url.strip_prefix("docs/operations.md#").with_context(|| format!("{url} leads elsewhere"))?;
        // A code of /readyz, each of which has its section: tests/operations.rs.
        let is_code = anchor == "{{ $labels.code }}";
        ensure!(
            is_code || sections.contains(anchor),
            "{}: no section {anchor} in {sections:#?}",
            rule["alert"]
        );
    }
    let looked_at = check_names("an alert", rules.iter().filter_map(|rule| rule["expr"].as_str()))?;
    ensure!(looked_at > 15, "only {looked_at} metrics");
    Ok(())
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(markdown: &str) -> BTreeSet<String> {
    let headings = markdown.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let text = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.chars()
            .filter(|character| character.is_alphanumeric() || matches!(character, '-' | '_'))
            .collect()
    };
    headings.map(anchor).collect()
}
