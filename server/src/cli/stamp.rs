//! `attestamp stamp`: gets a timestamp for each file and writes it beside the file.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use attestamp_certs::HashAlgorithm;
use attestamp_tsa::PolicyOid;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::client::address::Address;
use crate::client::files::{FileJob, FileOutcome, Input, StampedFile, stamp_all};
use crate::client::retry::RealPause;
use crate::client::stamper::{StampOptions, Stamper};
use crate::client::tls;
use crate::client::transport::{Deadlines, Transport};
use crate::client::verification;

/// Longest time to a TCP connection; a server that is down is passed over for the next `--url` sooner than one that works.
const CONNECT_SECONDS: u64 = 10;

/// Timestamp files: writes FILE.tsr, the authority's reply, beside each FILE.
#[derive(Debug, Args)]
pub struct StampArgs {
    /// Files to stamp; `-` is the standard input and needs --output.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// URL of a timestamping authority; several are asked in this order until one answers.
    #[arg(long = "url", required = true, value_name = "URL")]
    pub urls: Vec<Address>,
    /// Hash algorithm: sha256, sha384, sha512, sha3-256, sha3-384 or sha3-512.
    #[arg(long, default_value = "sha256", value_parser = parse_hash)]
    pub hash: HashAlgorithm,
    /// Policy that the token must be issued under, as an OID.
    #[arg(long, value_name = "OID")]
    pub policy: Option<PolicyOid>,
    /// Send no nonce; the reply can then be an old one repeated.
    #[arg(long)]
    pub no_nonce: bool,
    /// Ask for a token without certificates: smaller, but whoever verifies it must have them.
    #[arg(long, conflicts_with = "ca")]
    pub no_certs: bool,
    /// Write the reply here; only with one FILE.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Overwrite files that exist.
    #[arg(long)]
    pub force: bool,
    /// How many files at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,
    /// Longest time for one request and its answer.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout_seconds: u64,
    /// How many more times to ask, with growing pauses, after failures that may pass.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retries: u32,
    /// Verify each token fully against these root certificates (PEM) before it is written.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Trust these root certificates (PEM) for https besides the system's.
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Print failures only.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
}

/// Reads a hash algorithm's name.
///
/// # Errors
/// With the names that there are.
pub fn parse_hash(name: &str) -> Result<HashAlgorithm, String> {
    HashAlgorithm::from_name(name).ok_or_else(|| {
        let names: Vec<_> = HashAlgorithm::OF_DATA.into_iter().map(HashAlgorithm::name).collect();
        format!("the names are {}", names.join(", "))
    })
}

/// Stamps the files. The exit code is non-zero if one of them has no timestamp.
///
/// # Errors
/// When the arguments do not fit together or nothing could be begun.
pub fn run(args: &StampArgs) -> anyhow::Result<ExitCode> {
    let jobs = jobs(args)?;
    let stamper = stamper(args)?;
    let mut report = Report::new(args, jobs.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let work = stamp_all(stamper, jobs, usize::from(args.jobs), args.force, |outcome| report.take(outcome));
    runtime.block_on(work);
    report.finish()
}

fn jobs(args: &StampArgs) -> anyhow::Result<Vec<FileJob>> {
    let standard_input = PathBuf::from("-");
    if args.output.is_some() && args.files.len() > 1 {
        bail!("--output takes one FILE; {} are given", args.files.len());
    }
    if args.output.is_none() && args.files.contains(&standard_input) {
        bail!("`-` (the standard input) needs --output");
    }
    let job = |file: &PathBuf| {
        let beside = || {
            let mut name = file.clone().into_os_string();
            name.push(".tsr");
            PathBuf::from(name)
        };
        let input = if *file == standard_input { Input::StandardInput } else { Input::File(file.clone()) };
        FileJob { input, output: args.output.clone().unwrap_or_else(beside) }
    };
    Ok(args.files.iter().map(job).collect())
}

fn stamper(args: &StampArgs) -> anyhow::Result<Stamper> {
    let total = Duration::from_secs(args.timeout_seconds);
    let deadlines = Deadlines { connect: Duration::from_secs(CONNECT_SECONDS).min(total), total };
    Ok(Stamper {
        transport: Transport::new(tls::client_config(args.tls_ca.as_deref())?, deadlines),
        addresses: args.urls.clone(),
        options: StampOptions {
            hash: args.hash,
            policy: args.policy.clone(),
            nonce: !args.no_nonce,
            certificates: !args.no_certs,
            retries: args.retries,
        },
        check: args.ca.as_deref().map(verification::against_roots).transpose()?,
        pause: RealPause,
    })
}

/// What is shown: a bar on a terminal where there are several files, a line per file otherwise, or JSON at the end.
struct Report<'a> {
    args: &'a StampArgs,
    jobs: Vec<FileJob>,
    bar: Option<ProgressBar>,
    entries: Vec<Option<Entry>>,
    stamped: usize,
}

/// One file in the JSON document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    file: String,
    output: String,
    #[serde(flatten)]
    result: EntryResult,
}

#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum EntryResult {
    Stamped {
        url: String,
        time: String,
        serial: String,
        policy: String,
        hash: &'static str,
        imprint: String,
        /// Whether signature and chain were verified (`--ca`).
        verified: bool,
        failed_attempts: Vec<String>,
    },
    Failed {
        error: String,
    },
}

impl<'a> Report<'a> {
    fn new(args: &'a StampArgs, jobs: Vec<FileJob>) -> Self {
        let wanted = jobs.len() > 1 && !args.quiet && io::stderr().is_terminal();
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files, {per_sec}, {eta} left").ok();
        let bar = wanted.then(|| {
            let bar = ProgressBar::new(u64::try_from(jobs.len()).unwrap_or(u64::MAX));
            style.map_or(bar.clone(), |style| bar.with_style(style))
        });
        let entries = jobs.iter().map(|_| None).collect();
        Self { args, jobs, bar, entries, stamped: 0 }
    }

    fn take(&mut self, outcome: FileOutcome) {
        let Some(job) = self.jobs.get(outcome.position).cloned() else { return };
        let result = match outcome.result {
            Ok(file) => {
                self.stamped += 1;
                self.show_stamped(&job, &file);
                self.stamped_entry(&file)
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                self.complain(&format!("{}: {error}", job.input));
                EntryResult::Failed { error }
            }
        };
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        if let Some(slot) = self.entries.get_mut(outcome.position) {
            *slot =
                Some(Entry { file: job.input.to_string(), output: job.output.display().to_string(), result });
        }
    }

    fn show_stamped(&self, job: &FileJob, file: &StampedFile) {
        for attempt in &file.stamped.failed_attempts {
            self.complain(&format!("{}: stamped after a failure: {attempt}", job.input));
        }
        if self.bar.is_none() && !self.args.quiet && !self.args.json {
            let checked = if self.args.ca.is_some() { ", verified" } else { "" };
            let (output, time, address) = (job.output.display(), &file.stamped.time, &file.stamped.address);
            // A closed standard output is no reason not to stamp the other files.
            let _closed = writeln!(io::stdout(), "{output}: {time} from {address}{checked}");
        }
    }

    fn stamped_entry(&self, file: &StampedFile) -> EntryResult {
        let stamped = &file.stamped;
        EntryResult::Stamped {
            url: stamped.address.to_string(),
            time: stamped.time.clone(),
            serial: stamped.serial.clone(),
            policy: stamped.policy.clone(),
            hash: self.args.hash.name(),
            imprint: file.imprint.as_ref().iter().map(|octet| format!("{octet:02x}")).collect(),
            verified: self.args.ca.is_some(),
            failed_attempts: stamped.failed_attempts.iter().map(ToString::to_string).collect(),
        }
    }

    fn complain(&self, text: &str) {
        let write = || {
            let _closed = writeln!(io::stderr(), "{text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn finish(self) -> anyhow::Result<ExitCode> {
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

#[cfg(test)]
mod tests;
