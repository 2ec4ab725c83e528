//! Logging: `tracing` events, for people on a terminal and as JSON lines everywhere else.
//!
//! Fields and not prose, so that both forms hold the same. The stream is the caller's choice: `serve` logs to standard
//! output, which is its product; commands that print a result there log to standard error. Nothing here decides what
//! is logged.

mod batch;
mod json;

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use batch::BatchWriter;
use json::JsonLine;

/// The environment variable that overrides the configured filter, as `info` or `attestamp::clock=debug,info`.
pub const FILTER_VARIABLE: &str = "ATTESTAMP_LOG";

const DEFAULT_FILTER: &str = "info";

/// How to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Which events, in the syntax of `tracing-subscriber`'s `EnvFilter`. [`FILTER_VARIABLE`] overrides it.
    pub filter: String,
    /// In which form.
    pub format: LogFormat,
    /// Where to.
    pub stream: LogStream,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// [`LogFormat::Human`] if the stream is a terminal, else [`LogFormat::Json`].
    #[default]
    Automatic,
    /// One line of text.
    Human,
    /// One JSON object a line.
    Json,
}

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogStream {
    /// Standard output.
    #[default]
    StandardOutput,
    /// Standard error.
    StandardError,
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// The filter does not parse.
    #[error("the log filter {filter:?} is not valid: write it as `info` or `attestamp::clock=debug,info`")]
    Filter {
        /// The filter as configured.
        filter: String,
        /// What the parser says.
        source: ParseError,
    },
    /// There is no thread to write with.
    #[error("no thread can be started to write the log")]
    Thread(#[source] io::Error),
}

/// Writes what was logged, when dropped: to be held until the process ends.
#[derive(Debug)]
#[must_use = "what is logged after this is dropped is lost"]
pub struct LogWriter {
    _thread: batch::BatchThread,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: DEFAULT_FILTER.to_owned(), format: LogFormat::default(), stream: LogStream::default() }
    }
}

/// Sends this process's events, those of the `log` crate as well, where `config` says. The first call in a process
/// counts; a later one checks its filter and changes nothing.
///
/// # Errors
/// [`LogError`] if the filter does not parse, or there is no thread.
pub fn init(config: &LogConfig) -> Result<LogWriter, LogError> {
    let overriding = std::env::var(FILTER_VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = parse_filter(overriding.as_deref().unwrap_or(&config.filter))?;
    let subscriber = tracing_subscriber::registry().with(filter);
    let (started, terminal) = match config.stream {
        LogStream::StandardOutput => (BatchWriter::start(io::stdout()), io::stdout().is_terminal()),
        LogStream::StandardError => (BatchWriter::start(io::stderr()), io::stderr().is_terminal()),
    };
    let (writer, thread) = started.map_err(LogError::Thread)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(terminal);
    let json = match config.format {
        LogFormat::Automatic => !terminal,
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    // An error says that a subscriber is there already: the first call's, or a test's.
    let _ = if json {
        subscriber.with(lines.event_format(JsonLine)).try_init()
    } else {
        subscriber.with(lines).try_init()
    };
    Ok(LogWriter { _thread: thread })
}

/// Whether a filter parses.
///
/// # Errors
/// [`LogError::Filter`] if it does not.
pub fn check(filter: &str) -> Result<(), LogError> {
    parse_filter(filter).map(drop)
}

/// The filter, with `cryptoki` silent unless it is named: that crate logs an error for every session that a token has
/// closed by itself, and we report the CKR code with its context anyway.
fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    let directives =
        if filter.contains("cryptoki") { filter.to_owned() } else { format!("{filter},cryptoki=off") };
    EnvFilter::builder()
        .parse(directives)
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })
}

/// An error with all its causes in one line: the JSON format keeps the outermost only.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_call_neither_panics_nor_fails() {
        // Off, because the first call counts for all tests of this process.
        let filter = "off".to_owned();
        let config = LogConfig { filter, stream: LogStream::StandardError, ..LogConfig::default() };
        let _first = init(&config).expect("first");
        let _second = init(&config).expect("second");
        let _third = init(&LogConfig { format: LogFormat::Json, ..config }).expect("third");
    }

    #[test]
    fn a_bad_filter_is_an_error_that_shows_it() {
        let error = parse_filter("attestamp=loud").expect_err("no such level");
        assert!(error.to_string().contains("attestamp=loud"), "{error}");
        assert!(!error.to_string().contains("cryptoki"), "{error}");
    }

    #[test]
    fn cryptoki_is_silent_unless_named() {
        assert!(parse_filter("debug").expect("parses").to_string().contains("cryptoki=off"));
        let named = parse_filter("info,cryptoki=debug").expect("parses").to_string();
        assert!(named.contains("cryptoki=debug"), "{named}");
        assert!(!named.contains("cryptoki=off"), "{named}");
    }
}
