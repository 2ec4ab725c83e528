//! One JSON object a line, written as the event's fields are visited: there is one such line a request.
//!
//! `tracing-subscriber`'s own JSON form, of the same names in the same order, collects the fields through `serde` and costs
//! more (`docs/benchmarks-remarks.md`). Spans are not shown; nothing here opens any.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// `{"timestamp":…,"level":…,FIELDS,"target":…}`.
#[derive(Debug)]
pub(super) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // Of the `log` crate's events tracing knows the name and the place only from their fields.
        let normalised = event.normalized_metadata();
        let metadata = normalised.as_ref().unwrap_or_else(|| event.metadata());
        line.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut line)?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(metadata.level().as_str())?;
        line.write_char('"')?;
        let mut fields = Fields { line: &mut line, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        line.write_str(",\"target\":")?;
        write_string(&mut line, metadata.target())?;
        line.write_str("}\n")
    }
}

/// Writes each field that it is shown, until one cannot be written.
struct Fields<'line, 'writer> {
    line: &'line mut Writer<'writer>,
    written: fmt::Result,
}

impl Fields<'_, '_> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.written.is_ok() && !field.name().starts_with("log.") {
            self.written = self.name(field.name()).and_then(|()| value(self.line));
        }
    }

    fn name(&mut self, name: &str) -> fmt::Result {
        self.line.write_char(',')?;
        write_string(self.line, name)?;
        self.line.write_char(':')
    }
}

impl Visit for Fields<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no infinities and nothing that is not a number.
        self.field(
            field,
            |line| if value.is_finite() { write!(line, "{value}") } else { line.write_str("null") },
        );
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |line| write!(line, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |line| write_string(line, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.field(field, |line| {
            line.write_char('"')?;
            write!(Escaped(line), "{value:?}")?;
            line.write_char('"')
        });
    }
}

fn write_string(line: &mut Writer<'_>, text: &str) -> fmt::Result {
    line.write_char('"')?;
    Escaped(line).write_str(text)?;
    line.write_char('"')
}

/// Escapes what RFC 8259 §7 does not allow within a string.
struct Escaped<'line, 'writer>(&'line mut Writer<'writer>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        // What is escaped is ASCII, one octet long, so that both sides of it are text.
        while let Some(at) = rest.bytes().position(|octet| octet < b' ' || octet == b'"' || octet == b'\\') {
            let (plain, escaped) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut characters = escaped.chars();
            match characters.next() {
                Some(quoted @ ('"' | '\\')) => write!(self.0, "\\{quoted}")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some('\r') => self.0.write_str("\\r")?,
                Some('\t') => self.0.write_str("\\t")?,
                Some(control) => write!(self.0, "\\u{:04x}", u32::from(control))?,
                None => break,
            }
            rest = characters.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written for the events of `log`, by us and by tracing-subscriber.
    fn written(log: impl Fn()) -> (String, String) {
        let [ours, theirs] = [Lines::default(), Lines::default()];
        let (our_lines, their_lines) = (ours.clone(), theirs.clone());
        let subscriber = tracing_subscriber::registry()
            .with(fmt::layer().event_format(JsonLine).with_writer(move || our_lines.clone()))
            .with(fmt::layer().json().flatten_event(true).with_writer(move || their_lines.clone()));
        tracing::subscriber::with_default(subscriber, log);
        let text =
            |lines: Lines| String::from_utf8(lines.0.lock().expect("not poisoned").clone()).expect("UTF-8");
        (text(ours), text(theirs))
    }

    fn without_time(line: &str) -> serde_json::Map<String, serde_json::Value> {
        let mut object: serde_json::Map<_, _> = serde_json::from_str(line).expect(line);
        let time = object.remove("timestamp").expect("a timestamp");
        time.as_str().expect("text").parse::<jiff::Timestamp>().expect("RFC 3339");
        object
    }

    #[test]
    fn it_says_what_the_subscribers_own_form_says() {
        let error = io::Error::other("a \"quoted\" path: C:\\x\nsecond line \u{1} \u{7f} é €");
        let (ours, theirs) = written(|| {
            let absent: Option<&str> = None;
            tracing::info!(
                id = %"9a-1", status = 200_u16, offset = -5_i64, share = 0.25, is_late = true, tsu = Some("default"), absent,
                r#type = "x", "request"
            );
            tracing::warn!(%error, debug = ?error.kind(), key = ?"a\"b", "it failed: {error}");
            tracing::error!(nothing = f64::NAN, most = u64::MAX, empty = "");
        });
        assert_eq!(ours.lines().count(), 3, "{ours}");
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            assert_eq!(without_time(ours), without_time(theirs), "{ours}\n{theirs}");
        }
        // Those who read it by eye, or with a tool that cuts, find the same order.
        let order = |line: &str| {
            line.find("\"level\"") < line.find("\"message\"") && line.find("\"id\"") < line.find("\"target\"")
        };
        assert!(ours.lines().take(1).all(order), "{ours}");
    }

    #[test]
    fn no_field_can_end_the_line_or_the_string() {
        let all: String = (0..=0x9f_u8).map(char::from).collect();
        let (ours, _) = written(|| tracing::info!(all, "x"));
        assert_eq!(ours.lines().count(), 1);
        assert_eq!(without_time(&ours).get("all").and_then(|value| value.as_str()), Some(all.as_str()));
    }
}
