//! `attestamp ledger prove`: the proof that a timestamp is on record, from the data folder or from the server that issued it.
//!
//! A proof needs a checkpoint that is younger than the timestamp: where there is none yet, this waits for it and says so.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use attestamp_ledger::ledger::ProofOutcome;
use attestamp_ledger::{Entry, LedgerReader, Proof};
use attestamp_tsa::verify::UnverifiedToken;
use clap::Args;

use super::remote::{Fetched, Remote, RemoteArgs};
use super::trust::{Trust, TrustArgs, data_folder_or};
use super::verify::token::{Facts, check_entry};
use crate::cli::verify::inputs::read_timestamp;
use crate::client::output;
use crate::config::Config;
use crate::hex;

/// Between two looks at a data folder.
const PAUSE: Duration = Duration::from_millis(200);

/// Options of `ledger prove`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  attestamp ledger prove FILE.tsr
  attestamp ledger prove FILE.tsr --url https://tsa.example.org -o FILE.tlog-proof
  attestamp ledger verify --proof FILE.tlog-proof --token FILE.tsr --keys keys.txt")]
pub struct ProveArgs {
    /// The timestamp, a response or the bare token; or the stamped file, beside which FILE.tsr is
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File to write [default: the timestamp's name with .tlog-proof]
    #[arg(long, short, value_name = "FILE.tlog-proof")]
    output: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(long)]
    force: bool,
    /// Wait for the next checkpoint so long at the most
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait_seconds: u64,
    #[command(flatten)]
    remote: RemoteArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// Runs it.
pub(super) fn run(data: Option<&Path>, args: &ProveArgs) -> anyhow::Result<()> {
    let (path, timestamp) = timestamp(&args.file)?;
    let token = UnverifiedToken::parse(&timestamp).with_context(|| path.display().to_string())?;
    let output = args.output.clone().unwrap_or_else(|| path.with_extension("tlog-proof"));
    // Before a server is asked in vain.
    output::check_free(&output, args.force)?;
    let facts = Facts::of(&token, &[]);
    let serial = hex::encode(facts.serial);
    let proof = match Remote::of(&args.remote)? {
        Some(remote) => from_server(&remote, &serial, args)?,
        None => from_folder(data, facts.serial, args)?,
    };
    let entry =
        Entry::decode(&proof.entry).context("the proof is for something that is no entry of a ledger")?;
    if let Err(difference) = check_entry(&entry, &facts) {
        bail!("the proof is for another timestamp: {difference}");
    }
    // With keys at hand it is verified before it is written; without, that is for whoever has them.
    if args.trust.keys.is_some() || args.remote.url.is_none() {
        let trust = Trust::of(data, &args.trust)?;
        proof.verify(&trust.origin, &trust.keys).context("the proof that was made does not hold")?;
    }
    output::write(&output, proof.to_text().as_bytes(), args.force)?;
    writeln!(std::io::stdout(), "wrote {}: entry {} of the ledger", output.display(), proof.index)?;
    Ok(())
}

/// The timestamp of these options: the file itself, or the one beside it.
fn timestamp(file: &Path) -> anyhow::Result<(PathBuf, Vec<u8>)> {
    let mut beside = OsString::from(file);
    beside.push(".tsr");
    let beside = PathBuf::from(beside);
    let is_timestamp =
        |path: &Path| read_timestamp(path).ok().filter(|octets| UnverifiedToken::parse(octets).is_ok());
    match is_timestamp(file) {
        Some(octets) => Ok((file.to_owned(), octets)),
        None if beside.exists() => Ok((beside.clone(), read_timestamp(&beside)?)),
        None => Ok((file.to_owned(), read_timestamp(file)?)),
    }
}

fn from_server(remote: &Remote, serial: &str, args: &ProveArgs) -> anyhow::Result<Proof> {
    let patience = Patience::new(args);
    loop {
        match remote.fetch(&format!("proof/0x{serial}"))? {
            Fetched::Found(body) => {
                let text = std::str::from_utf8(&body).context("the proof is not text")?;
                return Ok(Proof::parse(text)?);
            }
            Fetched::Absent(detail) => bail!("no timestamp 0x{serial} is on record there: {detail}"),
            Fetched::Nothing(reason) => bail!(reason),
            Fetched::Later(pause) => patience.wait(pause)?,
        }
    }
}

fn from_folder(data: Option<&Path>, serial: &[u8], args: &ProveArgs) -> anyhow::Result<Proof> {
    let layout = data_folder_or(data, "give the server's address with --url")?;
    let config = Config::load(&layout)?;
    let patience = Patience::new(args);
    loop {
        let reader = LedgerReader::open(&layout.ledger())?;
        match reader.prove(serial)? {
            ProofOutcome::Proved(proof) => return Ok(proof),
            ProofOutcome::Unknown => bail!("no timestamp 0x{} is on record here", hex::encode(serial)),
            ProofOutcome::Awaiting { .. } if layout.holder()?.is_none() => {
                // Nobody else will make the checkpoint.
                let mut tokens = crate::tokens::Tokens::default();
                super::restricted(|| {
                    crate::ledger::offline::record_unless_served(&layout, &config, &mut tokens, Vec::new())
                })?;
            }
            ProofOutcome::Awaiting { .. } => {}
        }
        patience.wait(PAUSE)?;
    }
}

/// How long to wait, and whether that was said.
struct Patience {
    until: Instant,
    seconds: u64,
    is_told: std::cell::Cell<bool>,
}

impl Patience {
    fn new(args: &ProveArgs) -> Self {
        let seconds = args.wait_seconds;
        Self { until: Instant::now() + Duration::from_secs(seconds), seconds, is_told: false.into() }
    }

    fn wait(&self, pause: Duration) -> anyhow::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!(
                "the timestamp is on record, and no checkpoint that includes it came within {} s",
                self.seconds
            );
        }
        if !self.is_told.replace(true) {
            writeln!(std::io::stderr(), "on record; waiting for the next checkpoint, which includes it")?;
        }
        std::thread::sleep(pause.min(left));
        Ok(())
    }
}
