//! `attestamp stamp`: gets a timestamp for each file, or two of two authorities, and writes it beside the file.
//!
//! Two timestamps of the same data are independent of each other: each is judged alone, and neither is of the other. That
//! is what lets one of them fall, when its algorithm does, without the other.

mod missing;
mod report;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use attestamp_certs::HashAlgorithm;
use attestamp_tsa::PolicyOid;
use clap::Args;

use crate::client::address::Address;
use crate::client::files::{FileJob, Input, Stampers, stamp_all};
use crate::client::retry::RealPause;
use crate::client::stamper::{StampOptions, Stamper};
use crate::client::tls;
use crate::client::transport::{Deadlines, Transport};
use crate::client::verification;
use report::Report;

/// Longest time to a TCP connection; a server that is down is passed over for the next `--url` sooner than one that works.
const CONNECT_SECONDS: u64 = 10;

/// What the help says of two timestamps.
const ABOUT_DUAL: &str = "\
Two timestamps: --dual asks a second authority for every file, of the same hash and with a nonce of its own, and writes \
FILE.dual.tsr beside FILE.tsr. It is for a classical timestamp that every tool verifies together with a post-quantum \
one that lasts:

  attestamp stamp --url http://127.0.0.1:3161/tsa --dual http://127.0.0.1:3161/tsa/pq FILE

A file counts as stamped when both are written. If one authority fails, the other's reply is kept, and the message says \
how to get the missing one.";

/// Timestamp files: writes FILE.tsr, the authority's reply, beside each FILE.
#[derive(Debug, Args)]
#[command(after_help = ABOUT_DUAL)]
pub struct StampArgs {
    /// Files to stamp; `-` is the standard input and needs --output.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// URL of a timestamping authority; several are asked in this order until one answers.
    #[arg(long = "url", required = true, value_name = "URL")]
    pub urls: Vec<Address>,
    /// URL of a second authority, whose reply is wanted besides and goes to FILE.dual.tsr; several are asked in this
    /// order until one answers.
    #[arg(long = "dual", value_name = "URL")]
    pub dual_urls: Vec<Address>,
    /// Hash algorithm: sha256, sha384, sha512, sha3-256, sha3-384 or sha3-512.
    #[arg(long, default_value = "sha256", value_parser = parse_hash)]
    pub hash: HashAlgorithm,
    /// Policy that the token of --url must be issued under, as an OID.
    #[arg(long, value_name = "OID")]
    pub policy: Option<PolicyOid>,
    /// Policy that the token of --dual must be issued under; --policy does not count for it.
    #[arg(long, value_name = "OID", requires = "dual_urls")]
    pub dual_policy: Option<PolicyOid>,
    /// Send no nonce; the reply can then be an old one repeated.
    #[arg(long)]
    pub no_nonce: bool,
    /// Ask for a token without certificates: smaller, but whoever verifies it must have them.
    #[arg(long, conflicts_with = "ca")]
    pub no_certs: bool,
    /// Write the reply here, and the second beside it with `.dual` before the extension; only with one FILE.
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
    /// Verify each token fully against these root certificates (PEM) before it is written; may be given several times,
    /// for the roots of both authorities.
    #[arg(long, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
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

/// Stamps the files. The exit code is non-zero if one of them lacks a timestamp.
///
/// # Errors
/// When the arguments do not fit together or nothing could be begun.
pub fn run(args: &StampArgs) -> anyhow::Result<ExitCode> {
    let jobs = jobs(args)?;
    let stampers = stampers(args)?;
    let mut report = Report::new(args, jobs.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let work = stamp_all(stampers, jobs, usize::from(args.jobs), args.force, |outcome| report.take(outcome));
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
    let wants_dual = !args.dual_urls.is_empty();
    let job = |file: &PathBuf| {
        let beside = || {
            let mut name = file.clone().into_os_string();
            name.push(".tsr");
            PathBuf::from(name)
        };
        let input = if *file == standard_input { Input::StandardInput } else { Input::File(file.clone()) };
        let output = args.output.clone().unwrap_or_else(beside);
        let dual_output = wants_dual.then(|| dual_of(&output));
        FileJob { input, output, dual_output }
    };
    let jobs: Vec<_> = args.files.iter().map(job).collect();
    if wants_dual {
        check_distinct(&jobs)?;
    }
    Ok(jobs)
}

/// Where the second reply goes: `FILE.tsr` becomes `FILE.dual.tsr`.
fn dual_of(output: &Path) -> PathBuf {
    let mut name = output.file_stem().unwrap_or_default().to_owned();
    name.push(".dual");
    if let Some(extension) = output.extension() {
        name.push(".");
        name.push(extension);
    }
    output.with_file_name(name)
}

/// `a` and `a.dual` would both have their replies in `a.dual.tsr`.
fn check_distinct(jobs: &[FileJob]) -> anyhow::Result<()> {
    let mut taken = BTreeMap::new();
    for job in jobs {
        for output in std::iter::once(&job.output).chain(&job.dual_output) {
            if let Some(before) = taken.insert(output, &job.input) {
                bail!(
                    "{} would hold a reply for {before} and one for {}: stamp them one after the other, with --output",
                    output.display(),
                    job.input
                );
            }
        }
    }
    Ok(())
}

fn stampers(args: &StampArgs) -> anyhow::Result<Stampers> {
    let again = args.dual_urls.iter().find(|dual| args.urls.iter().any(|url| url.is_same_place_as(dual)));
    if let Some(again) = again {
        bail!("--dual {again} is a --url too: two timestamps of one authority are worth one; name another");
    }
    let total = Duration::from_secs(args.timeout_seconds);
    let deadlines = Deadlines { connect: Duration::from_secs(CONNECT_SECONDS).min(total), total };
    let first = Stamper {
        transport: Transport::new(tls::client_config(args.tls_ca.as_deref())?, deadlines),
        addresses: args.urls.clone(),
        options: StampOptions {
            hash: args.hash,
            policy: args.policy.clone(),
            nonce: !args.no_nonce,
            certificates: !args.no_certs,
            retries: args.retries,
        },
        check: (!args.ca.is_empty()).then(|| verification::against_roots(&args.ca)).transpose()?,
        pause: RealPause,
    };
    let dual = (!args.dual_urls.is_empty()).then(|| Stamper {
        addresses: args.dual_urls.clone(),
        options: StampOptions { policy: args.dual_policy.clone(), ..first.options.clone() },
        ..first.clone()
    });
    Ok(Stampers { first, dual })
}

#[cfg(test)]
mod tests;
