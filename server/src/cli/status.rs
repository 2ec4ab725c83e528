//! `attestamp status`: what runs, and what expires when, from the data folder alone.
//!
//! Time servers, where there are any, are asked as the server would ask them. Keys are not touched, so that it can run beside a server and without a PIN; whether the server could issue now is
//! asked of the server itself, at `/readyz`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use attestamp_certs::UnixTime;
use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::config::signers::SignerConfig;
use crate::config::{Config, TsuConfig};
use crate::data_folder::Layout;
use crate::tsu::{CertificateChain, key_not_after};

/// Options of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is known of a data folder.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    folder: String,
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listening: Option<String>,
    clock_mode: &'static str,
    /// The time servers, asked for this answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    time_servers: Vec<super::time_servers::ServerRow>,
    tsus: Vec<TsuRow>,
}

/// One TSU of the configuration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TsuRow {
    name: String,
    state: &'static str,
    policies: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issues_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Its standbys: further keys, or the same key in further tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    standbys: Vec<StandbyRow>,
}

/// One standby.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StandbyRow {
    name: String,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issues_until: Option<String>,
}

/// Runs it.
///
/// # Errors
/// The folder or its configuration cannot be read.
pub fn run(data: Option<&Path>, args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let layout = Layout::existing(&super::data_path(data)?)?;
    let config = Config::load(&layout)?;
    let now = clock::system_time();
    let holder = layout.holder()?;
    let listening = holder.and_then(|_| std::fs::read_to_string(layout.listening_file()).ok());
    let status = Status {
        folder: layout.root().display().to_string(),
        running: holder.is_some(),
        process_id: holder.and_then(|holder| holder.process_id),
        listening: listening.map(|address| address.trim().to_owned()),
        clock_mode: config.clock.assurance(),
        time_servers: super::time_servers::asked(&config.clock)?,
        tsus: config.tsus.iter().map(|(name, tsu)| row(&layout, name, tsu, now)).collect(),
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&status)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "data folder  {}", status.folder)?;
    match (status.running, status.process_id, &status.listening) {
        (false, ..) => writeln!(out, "server       not running")?,
        (true, id, Some(address)) => {
            let id = id.map_or_else(|| "?".to_owned(), |id| id.to_string());
            writeln!(
                out,
                "server       process {id}, listening on {address}; GET /readyz says whether it could issue"
            )?;
        }
        (true, ..) => writeln!(out, "server       a process has the folder and does not listen (yet)")?,
    }
    let assurance = if config.clock.mode.is_assured() { "" } else { " (the time is NOT assured)" };
    writeln!(out, "clock        {}{assurance}\n", status.clock_mode)?;
    super::time_servers::print_table(&mut out, &status.time_servers)?;
    if !status.time_servers.is_empty() {
        writeln!(out)?;
    }
    print_table(&mut out, &status.tsus)?;
    Ok(ExitCode::SUCCESS)
}

/// What is known of a TSU from its configuration and certificate.
pub(super) fn row(layout: &Layout, name: &str, tsu: &TsuConfig, now: UnixTime) -> TsuRow {
    let chain = CertificateChain::read(&layout.tsu_chain(name), now).ok();
    let leaf = chain.as_ref().map(CertificateChain::leaf);
    let state = match leaf {
        _ if tsu.retired => "retired",
        None if layout.tsu_chain(name).exists() => "certificate wrong",
        None => "no certificate",
        Some(leaf) if now > key_not_after(leaf) => "expired",
        Some(leaf) if now < leaf.not_before() => "not yet valid",
        Some(_) => "active",
    };
    TsuRow {
        name: name.to_owned(),
        state,
        policies: tsu.profile.policies().map(ToString::to_string).collect(),
        issues_until: leaf.filter(|_| !tsu.retired).map(|leaf| clock::rfc3339(key_not_after(leaf))),
        certificate_not_after: leaf.map(|leaf| clock::rfc3339(leaf.not_after())),
        subject: leaf.map(|leaf| leaf.subject().to_owned()),
        standbys: tsu.signers.all.iter().skip(1).map(|signer| standby(layout, name, signer, now)).collect(),
    }
}

fn standby(layout: &Layout, tsu: &str, signer: &SignerConfig, now: UnixTime) -> StandbyRow {
    let path = signer.certificate.clone().unwrap_or_else(|| layout.tsu_chain(tsu));
    let chain = CertificateChain::read(&path, now).ok();
    let issues_until = chain.map(|chain| clock::rfc3339(key_not_after(chain.leaf())));
    StandbyRow { name: signer.label.clone(), token: signer.token.clone(), issues_until }
}

/// The rows as a table.
pub(super) fn print_table(out: &mut impl Write, rows: &[TsuRow]) -> std::io::Result<()> {
    let mut lines =
        vec![["TSU", "STATE", "ISSUES UNTIL", "CERTIFICATE UNTIL", "POLICIES"].map(str::to_owned)];
    for row in rows {
        lines.push([
            row.name.clone(),
            row.state.to_owned(),
            row.issues_until.clone().unwrap_or_else(|| "-".to_owned()),
            row.certificate_not_after.clone().unwrap_or_else(|| "-".to_owned()),
            row.policies.join(" "),
        ]);
        for standby in &row.standbys {
            let until = standby.issues_until.as_deref();
            lines.push([
                format!("  {}", standby.name),
                "standby".to_owned(),
                until.unwrap_or("certificate wrong").to_owned(),
                String::new(),
                String::new(),
            ]);
        }
    }
    let mut widths = [0; 5];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.len().max(*width);
        }
    }
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
