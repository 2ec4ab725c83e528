//! The time servers as `check` and `status` show them: each is asked now, once more where no majority answers.

use std::io::Write;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::{
    ClockConfig, ClockGate, ClockMode, HighWaterMark, Network, ServerReport, SystemTimeSource,
};

/// A server in JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServerRow {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_distance_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stratum: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_age_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl ServerRow {
    fn of(report: &ServerReport) -> Self {
        Self {
            name: report.name.to_string(),
            state: report.standing.name(),
            offset_seconds: report.offset.map(|offset| offset.offset_seconds()),
            bound_seconds: report.offset.map(|offset| offset.bound().as_secs_f64()),
            root_distance_seconds: report.answer.map(|answer| answer.root_distance().as_secs_f64()),
            stratum: report.answer.map(|answer| answer.stratum),
            answer_age_seconds: report.answer_age.map(|age| age.as_secs_f64()),
            problem: report.trouble.map(|trouble| trouble.to_string()),
        }
    }
}

/// Asks the servers of a gate whose ticker does not run.
pub(super) fn ask(clock: &ClockGate) {
    let Some(network) = clock.network() else { return };
    for _ in 0..2 {
        network.ask_all();
        clock.refresh();
        if clock.snapshot().network.is_some_and(|reading| reading.agreement.is_some()) {
            break;
        }
    }
}

/// What the configured servers say of this machine's clock, for a command that needs no verdict on it.
pub(super) fn asked(config: &ClockConfig) -> anyhow::Result<Vec<ServerRow>> {
    if config.ntp.is_none() {
        return Ok(Vec::new());
    }
    let config = ClockConfig { mode: ClockMode::System, ..config.clone() };
    let mark = Arc::new(HighWaterMark::in_memory());
    let clock = ClockGate::start(config, Arc::new(SystemTimeSource), mark)?;
    ask(&clock);
    Ok(clock.network().map(|network| rows(network)).unwrap_or_default())
}

/// The servers of a gate.
pub(super) fn rows(network: &Network) -> Vec<ServerRow> {
    network.reports().iter().map(ServerRow::of).collect()
}

/// The servers as a table; nothing where there are none. An offset is positive where our clock is behind.
pub(super) fn print_table(out: &mut impl Write, rows: &[ServerRow]) -> std::io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let head = ["TIME SERVER", "STATE", "OFFSET", "BOUND", "ROOT DISTANCE", "STRATUM", "LAST ANSWER"];
    let mut lines = vec![head.map(str::to_owned)];
    let seconds = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.digits$} s"))
    };
    for row in rows {
        let last = match &row.problem {
            Some(problem) => problem.clone(),
            None => row.answer_age_seconds.map_or_else(|| "-".to_owned(), |age| format!("{age:.1} s ago")),
        };
        lines.push([
            row.name.clone(),
            row.state.to_owned(),
            seconds(row.offset_seconds, 6),
            seconds(row.bound_seconds, 6),
            seconds(row.root_distance_seconds, 6),
            row.stratum.map_or_else(|| "-".to_owned(), |stratum| stratum.to_string()),
            last,
        ]);
    }
    let mut widths = [0; 7];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
