//! `[clock]`: what the clock is held to, and the time servers that it is checked against.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::file::{ClockAssurance, ClockSection, LeapSecond, NtpLost};
use super::{ConfigError, value};
use crate::clock::{ClockConfig, ClockMode, LeapSecondMode, LostMode, NtpConfig, ServerName};

/// More servers tell nothing that these do not.
const SERVERS_AT_MOST: usize = 16;
/// Seconds. Beyond the highest an answer says little any more; the lowest is for a server of one's own.
const POLL: RangeInclusive<u32> = 1..=1024;
/// Milliseconds. The bound on an answer's error is half the time that it took.
const TIMEOUT: RangeInclusive<u32> = 10..=5_000;
const DEFAULT_POLL_SECONDS: u32 = 16;
const DEFAULT_TIMEOUT_MILLISECONDS: u32 = 1_000;
/// So that a lost datagram, and a second one, take no server away.
const DEFAULT_LOST_POLLS: u32 = 4;
/// A token's clock shows whole seconds.
const DEFAULT_TOKEN_DIFFERENCE_SECONDS: u32 = 5;

/// The clock's part of the configuration.
pub(super) fn check(section: &ClockSection) -> Result<ClockConfig, ConfigError> {
    let mode = match section.mode {
        ClockAssurance::System => ClockMode::System,
        ClockAssurance::Kernel => ClockMode::Kernel,
    };
    let default = ClockConfig::for_mode(mode);
    let milliseconds =
        |set: Option<u32>, default| set.map_or(default, |number| Duration::from_millis(number.into()));
    Ok(ClockConfig {
        leap_second: match section.leap_second {
            LeapSecond::Pause => LeapSecondMode::Pause,
            LeapSecond::Stop => LeapSecondMode::Stop,
        },
        error_budget: milliseconds(section.max_error_milliseconds, default.error_budget),
        jump_limit: milliseconds(section.max_jump_milliseconds, default.jump_limit),
        ntp: ntp(section)?,
        token_difference: Duration::from_secs(
            section.max_token_difference_seconds.unwrap_or(DEFAULT_TOKEN_DIFFERENCE_SECONDS).into(),
        ),
        ..default
    })
}

fn ntp(section: &ClockSection) -> Result<Option<NtpConfig>, ConfigError> {
    let mut servers: Vec<ServerName> = Vec::new();
    for text in &section.ntp_servers {
        let server: ServerName =
            text.parse().map_err(|error| value("clock.ntp-servers", format!("`{text}`: {error}")))?;
        if servers.contains(&server) {
            return Err(value(
                "clock.ntp-servers",
                format!("`{text}` is named twice: one server is one voice"),
            ));
        }
        servers.push(server);
    }
    if servers.len() > SERVERS_AT_MOST {
        return Err(value("clock.ntp-servers", format!("at most {SERVERS_AT_MOST} servers")));
    }
    let minimum = section.ntp_minimum.unwrap_or(servers.len() / 2 + 1);
    let poll_seconds =
        within("clock.ntp-poll-seconds", section.ntp_poll_seconds.unwrap_or(DEFAULT_POLL_SECONDS), &POLL)?;
    let timeout_milliseconds = within(
        "clock.ntp-timeout-milliseconds",
        section.ntp_timeout_milliseconds.unwrap_or(DEFAULT_TIMEOUT_MILLISECONDS),
        &TIMEOUT,
    )?;
    let lost_seconds =
        section.ntp_lost_seconds.unwrap_or(poll_seconds.saturating_mul(DEFAULT_LOST_POLLS).max(10));
    if servers.is_empty() {
        return Ok(None);
    }
    if minimum == 0 || minimum > servers.len() {
        let problem = format!("must be 1 to {}, the number of ntp-servers", servers.len());
        return Err(value("clock.ntp-minimum", problem));
    }
    if lost_seconds < poll_seconds.saturating_mul(2) {
        let problem = "must be at least twice ntp-poll-seconds, or one lost answer stops everything";
        return Err(value("clock.ntp-lost-seconds", problem));
    }
    Ok(Some(NtpConfig {
        servers,
        minimum,
        poll: Duration::from_secs(poll_seconds.into()),
        timeout: Duration::from_millis(timeout_milliseconds.into()),
        lost_after: Duration::from_secs(lost_seconds.into()),
        lost: match section.ntp_lost {
            NtpLost::Stop => LostMode::Stop,
            NtpLost::Warn => LostMode::Warn,
        },
    }))
}

fn within(key: &str, number: u32, range: &RangeInclusive<u32>) -> Result<u32, ConfigError> {
    if range.contains(&number) {
        return Ok(number);
    }
    Err(value(key, format!("must be {} to {}", range.start(), range.end())))
}
