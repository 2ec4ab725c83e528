//! `attestamp ledger list`: which timestamps were issued in an interval, by whom, and what was known of the clock then.
//!
//! For the day on which a key or a clock turns out to have been wrong. Read from the entries themselves, from the first on: the
//! names of TSUs are those that the ledger has for their certificates, so that retired ones are named too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io::Write;
use std::time::Duration;

use attestamp_certs::UnixTime;
use attestamp_ledger::entry::{ClockAssurance, ClockVerdict};
use attestamp_ledger::{ClockEntry, Entry, EventEntry, EventKind, Hash, LedgerReader, TokenEntry};
use clap::Args;
use serde::Serialize;

use super::verify::token::policy;
use crate::cli::text::printable;
use crate::cli::verify::inputs::parse_time;
use crate::config::Config;
use crate::data_folder::Layout;
use crate::ledger::gap::{self, Gap, RecordedGap};
use crate::{clock, hex};

/// States of the clock that are remembered: a token refers to one of the last few before it, as old as its signature took.
const STATES: usize = 4096;

/// Options of `ledger list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  attestamp ledger list --from 2026-11-22T12:00:00Z --to 2026-11-22T12:30:00Z
  attestamp ledger list --from 2026-11-22 --to 2026-11-23 --tsu rsa --json")]
pub struct ListArgs {
    /// The first time in a timestamp; RFC 3339, or a date (its first second, UTC)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: UnixTime,
    /// The time before which they end
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: UnixTime,
    /// Those of one TSU, by any name that the ledger has for it, or for a key of it
    #[arg(long, value_name = "NAME")]
    tsu: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// The ledger's folder [default: that of the data folder]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<std::path::PathBuf>,
}

/// One timestamp. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    index: u64,
    /// Hexadecimal.
    serial: String,
    time: String,
    /// As the ledger names whoever has this certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    tsu: Option<String>,
    /// SHA-256.
    certificate: String,
    policy: String,
    /// SHA-256 of the token.
    token: String,
    /// In words.
    clock: String,
    /// Leaf hash of the clock's state.
    clock_state: String,
}

/// A time for which the ledger was off: what was issued then is not in the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GapRow {
    /// The entry that says so; none if it is not on record yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    /// Absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    off_from: Option<String>,
    off_to: String,
}

impl GapRow {
    pub(super) fn new(index: Option<u64>, gap: RecordedGap) -> Self {
        let off_from = Some(gap.from_microseconds).filter(|from| *from > 0).map(rfc3339);
        Self { index, off_from, off_to: rfc3339(gap.to_microseconds) }
    }
}

impl fmt::Display for GapRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.index.map_or_else(|| "not on record yet".to_owned(), |index| index.to_string());
        let from = self.off_from.as_deref().unwrap_or("a time that is not known");
        write!(
            f,
            "{index}  the ledger was off from {from} to {}: no record of what was issued then",
            self.off_to
        )
    }
}

/// What was read so far that later entries refer to.
#[derive(Debug, Default)]
struct Known {
    states: VecDeque<(Hash, String)>,
    /// Whose a certificate is: the TSU that it was started with last, else whatever is on record with it.
    names: BTreeMap<Hash, String>,
    /// Those that were started.
    started: BTreeSet<Hash>,
    /// Every name that was ever on record with a certificate, the key's as well as the TSU's.
    of_certificates: BTreeMap<Hash, BTreeSet<String>>,
    /// All that anybody had, also where another has the certificate now.
    all_names: BTreeSet<String>,
}

/// Runs it.
pub(super) fn run(layout: &Layout, args: &ListArgs) -> anyhow::Result<()> {
    if args.from >= args.to {
        anyhow::bail!("--from must be before --to");
    }
    let folder = args.folder.clone().unwrap_or_else(|| layout.ledger());
    let reader = LedgerReader::open(&folder)?;
    // A copy of another ledger has nothing to do with the data folder.
    let is_own = args.folder.is_none();
    let unrecorded = if is_own { gap::marked(layout)? } else { Vec::new() };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (listed, mut names) = match print(&reader, args, &unrecorded, &mut out) {
        Err(error) if error.downcast_ref().is_some_and(is_broken_pipe) => return Ok(()),
        printed => printed?,
    };
    if is_own {
        // Not needed to list: a configuration that is wrong keeps nobody from that.
        names.extend(Config::load(layout).into_iter().flat_map(|config| config.tsus.into_keys()));
    }
    match &args.tsu {
        Some(tsu) if listed == 0 && !names.contains(tsu) => {
            let known: Vec<_> = names.iter().map(|name| printable(name)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let place = if is_own { "in the ledger or in attestamp.toml" } else { "in this ledger" };
            anyhow::bail!("no TSU `{tsu}` is known {place}; those are: {known}")
        }
        Some(_) | None => Ok(()),
    }
}

fn is_broken_pipe(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// Prints what is asked for; how many timestamps there were, and the names of TSUs that the ledger has.
fn print(
    reader: &LedgerReader,
    args: &ListArgs,
    unrecorded: &[Gap],
    out: &mut impl Write,
) -> anyhow::Result<(u64, BTreeSet<String>)> {
    let interval = microseconds(args.from)..microseconds(args.to);
    let print_gap = |index: Option<u64>, gap: RecordedGap, out: &mut dyn Write| -> anyhow::Result<()> {
        let is_in = gap.from_microseconds < interval.end && gap.to_microseconds >= interval.start;
        if !is_in {
            return Ok(());
        }
        let row = GapRow::new(index, gap);
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&row)?)?;
        } else {
            writeln!(out, "{row}")?;
        }
        Ok(())
    };
    let mut known = Known::default();
    let ever = match &args.tsu {
        Some(_) => Known::names_of(reader)?,
        None => Known::default(),
    };
    let mut listed = 0_u64;
    for entry in reader.entries(0) {
        let (index, entry) = entry?;
        let token = match entry {
            Entry::Clock(state) => {
                known.remember(state);
                continue;
            }
            Entry::Event(event) => {
                if let Some(gap) = RecordedGap::of(&event) {
                    print_gap(Some(index), gap, out)?;
                }
                known.learn(event);
                continue;
            }
            Entry::Token(token) => token,
        };
        if !interval.contains(&token.gen_time_microseconds) {
            continue;
        }
        let row = known.row(index, &token);
        if args.tsu.as_ref().is_some_and(|tsu| !known.is_of(&token, tsu) && !ever.is_of(&token, tsu)) {
            continue;
        }
        listed += 1;
        if args.json {
            writeln!(out, "{}", serde_json::to_string(&row)?)?;
        } else {
            // A stranger's ledger may have any name in it.
            let tsu = printable(row.tsu.as_deref().unwrap_or("?"));
            writeln!(
                out,
                "{}  {}  0x{}  {tsu}  {}  clock: {}  certificate: {}",
                row.index, row.time, row.serial, row.policy, row.clock, row.certificate
            )?;
        }
    }
    for gap in unrecorded {
        print_gap(None, gap.until(clock::system_time()), out)?;
    }
    if !args.json {
        writeln!(out, "{listed} timestamps")?;
    }
    out.flush()?;
    Ok((listed, known.all_names))
}

impl Known {
    /// The names that certificates have anywhere in the ledger, also after what was issued with them.
    fn names_of(reader: &LedgerReader) -> anyhow::Result<Self> {
        let mut known = Self::default();
        for entry in reader.entries(0) {
            if let (_, Entry::Event(event)) = entry? {
                known.learn(event);
            }
        }
        Ok(known)
    }

    /// Whether the token's certificate was ever on record under this name.
    fn is_of(&self, token: &TokenEntry, name: &str) -> bool {
        self.of_certificates.get(&token.certificate_hash).is_some_and(|names| names.contains(name))
    }

    fn remember(&mut self, state: ClockEntry) {
        let words = in_words(&state);
        let leaf = Hash::of_leaf(&Entry::Clock(state).encode());
        if self.states.len() == STATES {
            self.states.pop_front();
        }
        self.states.push_back((leaf, words));
    }

    fn learn(&mut self, event: EventEntry) {
        match event.kind {
            EventKind::TsuStarted | EventKind::CertificateInstalled => {
                self.all_names.insert(event.subject.to_string());
                self.of_certificates.entry(event.digest).or_default().insert(event.subject.to_string());
                let is_start = event.kind == EventKind::TsuStarted;
                // A certificate that is installed, or brought along by another command, has a key's name there.
                if is_start || !self.started.contains(&event.digest) {
                    self.names.insert(event.digest, event.subject.into());
                }
                if is_start {
                    self.started.insert(event.digest);
                }
            }
            EventKind::TsuEnded => {
                self.of_certificates.entry(event.digest).or_default().insert(event.subject.to_string());
                self.all_names.insert(event.subject.into());
            }
            EventKind::Started
            | EventKind::Stopped
            | EventKind::Configured
            | EventKind::KeyCreated
            | EventKind::KeyRetired
            | EventKind::Approved
            | EventKind::Repaired
            | EventKind::ClockChanged
            | EventKind::Interrupted => {}
        }
    }

    fn row(&self, index: u64, token: &TokenEntry) -> Row {
        let state = self.states.iter().rev().find(|(leaf, _)| *leaf == token.clock_state);
        Row {
            index,
            serial: hex::encode(&token.serial),
            time: rfc3339(token.gen_time_microseconds),
            tsu: self.names.get(&token.certificate_hash).cloned(),
            certificate: token.certificate_hash.to_string(),
            policy: policy(&token.policy),
            token: token.token_hash.to_string(),
            clock: state.map_or_else(|| "unknown".to_owned(), |(_, words)| words.clone()),
            clock_state: token.clock_state.to_string(),
        }
    }
}

/// What was known of the clock.
fn in_words(state: &ClockEntry) -> String {
    let verdict = match state.verdict {
        ClockVerdict::Passed => "good",
        ClockVerdict::Warned => "good, with a warning",
        ClockVerdict::Refused => "refused",
    };
    let assurance = match state.assurance {
        ClockAssurance::Unassured => "not assured",
        ClockAssurance::Kernel => "assured by the kernel",
        ClockAssurance::KernelAndNetwork => "assured by the kernel and time servers",
    };
    let mut words = format!("{verdict}, {assurance}");
    if let Some(kernel) = &state.kernel {
        words.push_str(&format!(", error at most {} us", kernel.maximum_error_microseconds));
    }
    if let Some(network) = state.network.filter(|network| network.bound_nanoseconds == u64::MAX) {
        words.push_str(&format!(", no majority of {} time servers agrees", network.asked));
    } else if let Some(network) = &state.network {
        let (offset, bound) = (network.offset_nanoseconds / 1000, network.bound_nanoseconds / 1000);
        words.push_str(&format!(
            ", {} of {} time servers agree on {offset} us (within {bound} us)",
            network.agreeing, network.asked
        ));
    }
    if !state.reason.is_empty() {
        words.push_str(": ");
        words.push_str(&printable(&state.reason));
    }
    words
}

fn microseconds(time: UnixTime) -> u64 {
    time.as_secs().saturating_mul(1_000_000)
}

/// RFC 3339 in UTC, with as many digits as the time has.
pub(in crate::cli) fn rfc3339(microseconds: u64) -> String {
    match i64::try_from(microseconds).map(jiff::Timestamp::from_microsecond) {
        Ok(Ok(time)) => time.to_string(),
        Ok(Err(_)) | Err(_) => format!("{microseconds} us after 1970"),
    }
}

/// As [`rfc3339`], of whole seconds.
pub(super) fn rfc3339_seconds(seconds: u64) -> String {
    clock::rfc3339(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use attestamp_ledger::entry::KernelState;

    fn state() -> ClockEntry {
        ClockEntry {
            time_microseconds: 1,
            boot_microseconds: 1,
            verdict: ClockVerdict::Warned,
            assurance: ClockAssurance::Kernel,
            kernel: Some(KernelState {
                state: 0,
                status: 1,
                maximum_error_microseconds: 1500,
                estimated_error_microseconds: 10,
                offset_nanoseconds: 5,
            }),
            network: None,
            reason: "a leap second\u{1b} is announced".into(),
        }
    }

    #[test]
    fn a_state_is_said_in_words() {
        assert_eq!(
            in_words(&state()),
            "good, with a warning, assured by the kernel, error at most 1500 us: a leap second\\u{1b} is announced"
        );
    }

    #[test]
    fn times_have_the_digits_that_they_need() {
        assert_eq!(rfc3339(1_795_351_634_000_000), "2026-11-22T12:47:14Z");
        assert_eq!(rfc3339(1_795_351_634_250_000), "2026-11-22T12:47:14.25Z");
        assert_eq!(rfc3339(u64::MAX), "18446744073709551615 us after 1970");
    }

    /// A standby key's certificate is on record under the key's name too, before or after.
    #[test]
    fn a_certificate_has_every_name_that_it_ever_had() {
        let (certificate, other) = (Hash::of(b"certificate"), Hash::of(b"other"));
        let event = |kind, subject: &str, digest| EventEntry {
            time_microseconds: 1,
            kind,
            subject: subject.into(),
            digest,
            detail: Box::default(),
        };
        let token = |certificate_hash| TokenEntry {
            token_hash: Hash::of(b"token"),
            serial: [1].into(),
            gen_time_microseconds: 1,
            certificate_hash,
            policy: [0x2a, 3, 4].into(),
            clock_state: Hash::of(b"clock"),
        };
        let mut events = [
            event(EventKind::TsuStarted, "rsa", certificate),
            event(EventKind::CertificateInstalled, "rsa-standby", certificate),
        ];
        for _ in 0..2 {
            let mut known = Known::default();
            events.clone().into_iter().for_each(|event| known.learn(event));
            assert!(
                known.is_of(&token(certificate), "rsa") && known.is_of(&token(certificate), "rsa-standby")
            );
            assert!(!known.is_of(&token(other), "rsa") && !known.is_of(&token(certificate), "ecdsa"));
            assert_eq!(known.row(1, &token(certificate)).tsu.as_deref(), Some("rsa"));
            events.reverse();
        }
    }

    #[test]
    fn no_more_states_are_remembered_than_tokens_refer_to() {
        let mut known = Known::default();
        for time_microseconds in 0..5000 {
            known.remember(ClockEntry { time_microseconds, ..state() });
        }
        assert_eq!(known.states.len(), STATES);
        let last = Hash::of_leaf(&Entry::Clock(ClockEntry { time_microseconds: 4999, ..state() }).encode());
        assert!(known.states.iter().any(|(leaf, _)| *leaf == last));
    }
}
