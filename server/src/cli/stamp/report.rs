//! What `stamp` shows: a bar on a terminal where there are several files, a line per reply otherwise, or JSON at the end.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use attestamp_certs::Digest;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::StampArgs;
use super::missing::{self, Authority};
use crate::client::files::{AskedFile, FileError, FileJob, FileOutcome};
use crate::client::stamper::Stamped;

/// Takes the outcomes as they come, and sums up.
pub(super) struct Report<'a> {
    args: &'a StampArgs,
    jobs: Vec<FileJob>,
    bar: Option<ProgressBar>,
    entries: Vec<Option<Entry>>,
    stamped: usize,
}

/// One file in the JSON document.
#[derive(Debug, Serialize)]
struct Entry {
    file: String,
    #[serde(flatten)]
    first: ReplyEntry,
    /// The second authority's reply (`--dual`).
    #[serde(skip_serializing_if = "Option::is_none")]
    dual: Option<ReplyEntry>,
}

#[derive(Debug, Serialize)]
struct ReplyEntry {
    output: String,
    #[serde(flatten)]
    result: ReplyResult,
}

#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum ReplyResult {
    Stamped {
        url: String,
        time: String,
        serial: String,
        policy: String,
        hash: &'static str,
        imprint: String,
        /// Whether signature and chain were verified (`--ca`).
        verified: bool,
        /// What it is signed with, where that was verified.
        #[serde(skip_serializing_if = "Option::is_none")]
        signature_algorithm: Option<&'static str>,
        failed_attempts: Vec<String>,
    },
    Failed {
        error: String,
    },
}

impl<'a> Report<'a> {
    pub(super) fn new(args: &'a StampArgs, jobs: Vec<FileJob>) -> Self {
        let wanted = jobs.len() > 1 && !args.quiet && io::stderr().is_terminal();
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files, {per_sec}, {eta} left").ok();
        let bar = wanted.then(|| {
            let bar = ProgressBar::new(u64::try_from(jobs.len()).unwrap_or(u64::MAX));
            style.map_or(bar.clone(), |style| bar.with_style(style))
        });
        let entries = jobs.iter().map(|_| None).collect();
        Self { args, jobs, bar, entries, stamped: 0 }
    }

    pub(super) fn take(&mut self, outcome: FileOutcome) {
        let Some(job) = self.jobs.get(outcome.position).cloned() else { return };
        let (first, dual) = match outcome.result {
            Ok(file) => {
                self.stamped += usize::from(file.is_stamped());
                self.show(&job, &file);
                let entry = |reply| self.reply_result(&file.imprint, reply);
                (entry(&file.first), file.dual.as_ref().map(entry))
            }
            Err(error) => {
                let error = with_causes(&error);
                self.complain(format_args!("{}: {error}", job.input));
                let failed = || ReplyResult::Failed { error: error.clone() };
                (failed(), job.dual_output.as_ref().map(|_| failed()))
            }
        };
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        if let Some(slot) = self.entries.get_mut(outcome.position) {
            let entry = |output: &Path, result| ReplyEntry { output: output.display().to_string(), result };
            let dual = job.dual_output.as_deref().zip(dual).map(|(output, result)| entry(output, result));
            *slot = Some(Entry { file: job.input.to_string(), first: entry(&job.output, first), dual });
        }
    }

    fn show(&self, job: &FileJob, file: &AskedFile) {
        let Some((dual_output, dual)) = job.dual_output.as_deref().zip(file.dual.as_ref()) else {
            match &file.first {
                Ok(stamped) => self.show_stamped(job, &job.output, stamped),
                Err(error) => self.complain(format_args!("{}: {}", job.input, with_causes(error))),
            }
            return;
        };
        for (output, reply) in [(job.output.as_path(), &file.first), (dual_output, dual)] {
            match reply {
                Ok(stamped) => self.show_stamped(job, output, stamped),
                Err(error) => self.show_missing(job, output, error),
            }
        }
        let (kept, lost, authority) = match (&file.first, dual) {
            (Ok(_), Err(_)) => (job.output.as_path(), dual_output, Authority::dual(self.args)),
            (Err(_), Ok(_)) => (dual_output, job.output.as_path(), Authority::first(self.args)),
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => return,
        };
        let command = missing::command(self.args, authority, &job.input, lost);
        self.complain(format_args!(
            "{}: {} is kept; get the other with: {command}",
            job.input,
            kept.display()
        ));
    }

    fn show_stamped(&self, job: &FileJob, output: &Path, stamped: &Stamped) {
        for attempt in &stamped.failed_attempts {
            self.complain(format_args!("{}: stamped after a failure: {attempt}", job.input));
        }
        if self.bar.is_none() && !self.args.quiet && !self.args.json {
            let checked = stamped
                .verified
                .map(|algorithm| format!(", verified ({})", algorithm.name()))
                .unwrap_or_default();
            let (output, time, address) = (output.display(), &stamped.time, &stamped.address);
            // A closed standard output is no reason not to stamp the other files.
            let _closed = writeln!(io::stdout(), "{output}: {time} from {address}{checked}");
        }
    }

    /// With `--force` an earlier reply may stand there: it must not pass for this one.
    fn show_missing(&self, job: &FileJob, output: &Path, error: &FileError) {
        let state = if output.symlink_metadata().is_ok() { "stays as it was" } else { "is not written" };
        let output = output.display();
        self.complain(format_args!("{}: {output} {state}: {}", job.input, with_causes(error)));
    }

    fn reply_result(&self, imprint: &Digest, reply: &Result<Stamped, FileError>) -> ReplyResult {
        match reply {
            Err(error) => ReplyResult::Failed { error: with_causes(error) },
            Ok(stamped) => ReplyResult::Stamped {
                url: stamped.address.to_string(),
                time: stamped.time.clone(),
                serial: stamped.serial.clone(),
                policy: stamped.policy.clone(),
                hash: self.args.hash.name(),
                imprint: imprint.as_ref().iter().map(|octet| format!("{octet:02x}")).collect(),
                verified: stamped.verified.is_some(),
                signature_algorithm: stamped.verified.map(|algorithm| algorithm.name()),
                failed_attempts: stamped.failed_attempts.iter().map(ToString::to_string).collect(),
            },
        }
    }

    fn complain(&self, text: fmt::Arguments<'_>) {
        let write = || {
            let _closed = writeln!(io::stderr(), "{text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    pub(super) fn finish(self) -> anyhow::Result<ExitCode> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let (stamped, failed) = (self.stamped, self.jobs.len() - self.stamped);
        if self.args.json {
            let files: Vec<Entry> = self.entries.into_iter().flatten().collect();
            let document = serde_json::json!({ "files": files, "stamped": stamped, "failed": failed });
            writeln!(io::stdout(), "{document:#}").context("cannot write to the standard output")?;
        } else if self.jobs.len() > 1 && (!self.args.quiet || failed > 0) {
            writeln!(io::stderr(), "{stamped} of {} files stamped, {failed} failed", self.jobs.len())?;
        }
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn with_causes(error: &FileError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
