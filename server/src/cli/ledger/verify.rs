//! `attestamp ledger verify`: judges a whole ledger, two checkpoints, or the proof for one timestamp, for somebody who trusts
//! nobody but the keys that they have.
//!
//! The judging is `attestamp_ledger`'s; here are the files, the options and the words. Three ends, so that scripts need not
//! read text: 0, it holds; 1, it does not; 2, it could not be judged, because a file or an option is not usable.

pub(super) mod token;

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use attestamp_ledger::checkpoint::CheckpointError;
use attestamp_ledger::ledger::ReadError;
use attestamp_ledger::reader::{Verified, VerifyError};
use attestamp_ledger::{Checkpoint, LedgerReader, Proof, SignedCheckpoint};
use attestamp_tsa::verify::UnverifiedToken;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::remote::{Remote, RemoteArgs};
use super::tiles::check_consistency;
use super::trust::{Trust, TrustArgs, data_folder_or, read_text};
use crate::cli::text::{printable, sentence};
use crate::cli::verify::inputs::{read_certificates, read_timestamp};
use crate::config::Config;
use crate::data_folder::Layout;
use token::Facts;

/// Exit code of what does not hold.
const DOES_NOT_HOLD: u8 = 1;
/// Exit code where nothing could be judged.
const NOT_JUDGED: u8 = 2;

/// Options of `ledger verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  attestamp ledger verify                                                  the ledger of the data folder
  attestamp ledger verify --folder ledger-until-1800000000 --keys keys.txt --origin tsa.example.org/ledger
  attestamp ledger verify --from before.txt --to now.txt --url https://tsa.example.org --keys keys.txt
  attestamp ledger verify --proof FILE.tlog-proof --token FILE.tsr --keys keys.txt

Exit code: 0 it holds, 1 it does not, 2 it could not be judged.")]
pub struct VerifyArgs {
    /// The proof for one timestamp
    #[arg(long, value_name = "FILE.tlog-proof", requires = "token", conflicts_with_all = ["from", "to", "folder", "url"])]
    proof: Option<PathBuf>,
    /// The timestamp that the proof is for, a response or the bare token
    #[arg(long, value_name = "FILE.tsr", requires = "proof")]
    token: Option<PathBuf>,
    /// The TSU's certificate in PEM, for a timestamp that carries none: it is compared with the record
    #[arg(long, value_name = "FILE", requires = "proof")]
    tsu_certificate: Vec<PathBuf>,
    /// The older of two checkpoints: the ledger must have continued it
    #[arg(long, value_name = "CHECKPOINT", requires = "to")]
    from: Option<PathBuf>,
    /// The newer of two checkpoints
    #[arg(long, value_name = "CHECKPOINT", requires = "from")]
    to: Option<PathBuf>,
    /// The ledger's folder, or an exported segment's [default: that of the data folder]
    #[arg(long, value_name = "FOLDER", conflicts_with = "url")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

/// What was found: in either case what to print.
enum Verdict {
    Holds(Vec<String>),
    DoesNotHold(String),
}

/// Judges it and prints the verdict.
pub(super) fn run(data: Option<&Path>, args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let judged = match (&args.proof, &args.token, &args.from, &args.to) {
        (Some(proof), Some(token), _, _) => one_token(data, args, proof, token),
        (_, _, Some(from), Some(to)) => two_checkpoints(data, args, from, to),
        (_, _, _, _) => whole(data, args),
    };
    let mut out = std::io::stdout().lock();
    let (code, printed) = match judged {
        Ok(Verdict::Holds(lines)) => {
            let lines = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
            (ExitCode::SUCCESS, lines)
        }
        Ok(Verdict::DoesNotHold(reason)) => {
            (ExitCode::from(DOES_NOT_HOLD), writeln!(out, "does not hold: {}", printable(&reason)))
        }
        Err(error) => {
            let error = printable(&format!("{error:#}"));
            writeln!(std::io::stderr(), "attestamp: it could not be judged: {error}")?;
            (ExitCode::from(NOT_JUDGED), Ok(()))
        }
    };
    match printed.and_then(|()| out.flush()) {
        // `ledger verify … | head`: the verdict is the exit code's, whoever stops reading.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(code),
    }
}

/// One timestamp, offline.
fn one_token(data: Option<&Path>, args: &VerifyArgs, proof: &Path, token: &Path) -> anyhow::Result<Verdict> {
    let trust = Trust::of(data, &args.trust)?;
    let certificates = read_certificates(&args.tsu_certificate)?;
    let timestamp = read_timestamp(token)?;
    let token = UnverifiedToken::parse(&timestamp).with_context(|| token.display().to_string())?;
    let proof = match Proof::parse(&read_text(proof)?) {
        Ok(proof) => proof,
        Err(error) => return Ok(Verdict::DoesNotHold(sentence(&error))),
    };
    let proved = match proof.verify(&trust.origin, &trust.keys) {
        Ok(proved) => proved,
        Err(error) => return Ok(Verdict::DoesNotHold(sentence(&error))),
    };
    let facts = Facts::of(&token, &certificates);
    let entry = match token::check_entry(&proved.entry, &facts) {
        Ok(entry) => entry,
        Err(difference) => return Ok(Verdict::DoesNotHold(difference.to_string())),
    };
    let mut lines = vec![format!("holds: the timestamp is on record in {}", trust.origin)];
    lines.extend(token::lines(proved.index, entry, &facts));
    lines.push(format!("checkpoint   {} entries", proved.checkpoint.checkpoint().size));
    lines.push(format!("signed by    {}", trust.signers(&proved.checkpoint)));
    lines.push(
        "This says that it is on record, not that it is valid: `attestamp verify` judges that.".to_owned(),
    );
    Ok(Verdict::Holds(lines))
}

/// That the ledger of one checkpoint was continued by that of the other.
fn two_checkpoints(
    data: Option<&Path>,
    args: &VerifyArgs,
    from: &Path,
    to: &Path,
) -> anyhow::Result<Verdict> {
    let trust = Trust::of(data, &args.trust)?;
    let (from_note, to_note) = (read_text(from)?, read_text(to)?);
    let verify = |note: &str| SignedCheckpoint::verify(note, &trust.origin, &trust.keys);
    let (older, newer) = match (verify(&from_note), verify(&to_note)) {
        (Ok(older), Ok(newer)) => (older, newer),
        (Err(error), _) => return Ok(Verdict::DoesNotHold(unsigned(from, &error))),
        (_, Err(error)) => return Ok(Verdict::DoesNotHold(unsigned(to, &error))),
    };
    let (first, last) = (older.checkpoint(), newer.checkpoint());
    if first.size > last.size {
        return Ok(Verdict::DoesNotHold(format!(
            "{} is of {} entries and {} of {}: no ledger becomes shorter. If the first is the older one, the ledger was \
             rolled back; if it is the newer one, give them in the other order",
            from.display(),
            first.size,
            to.display(),
            last.size
        )));
    }
    let compared = match Remote::of(&args.remote)? {
        Some(remote) => match check_consistency(|path| remote.tile(path), first, last)? {
            Ok(()) => "hashes alone, as the server gave them; the entries themselves were not read",
            Err(error) => return Ok(Verdict::DoesNotHold(sentence(&error))),
        },
        // Tiles that are stored say nothing of the entries beside them: those are read, and all of them.
        None => match read_all(data, args, &trust, &[first, last])? {
            Ok(_) => "every entry was read and hashed",
            Err(reason) => return Ok(Verdict::DoesNotHold(reason)),
        },
    };
    Ok(Verdict::Holds(vec![
        format!("holds: {} was continued, and nothing in it was changed or taken out", trust.origin),
        format!("from         {} entries, signed by {}", first.size, trust.signers(&older)),
        format!("to           {} entries, signed by {}", last.size, trust.signers(&newer)),
        format!("compared     {compared}"),
    ]))
}

fn unsigned(path: &Path, error: &CheckpointError) -> String {
    format!("{}: {}", path.display(), sentence(error))
}

/// A whole ledger, every octet of it.
fn whole(data: Option<&Path>, args: &VerifyArgs) -> anyhow::Result<Verdict> {
    if args.remote.url.is_some() {
        bail!("a whole ledger is verified where it is, or from a copy: give its folder with --folder");
    }
    let trust = Trust::of(data, &args.trust)?;
    let verified = match read_all(data, args, &trust, &[])? {
        Ok(verified) => verified,
        Err(reason) => return Ok(Verdict::DoesNotHold(reason)),
    };
    let Some(checkpoint) = &verified.checkpoint else {
        bail!(
            "nobody has signed for the {} entries yet: a server signs a checkpoint a few seconds after its start",
            verified.after_checkpoint
        );
    };
    let mut lines = vec![format!("holds: the ledger {}", trust.origin)];
    lines.push(format!("entries      {}", verified.size));
    lines.push(format!(
        "younger      {} of them than the last checkpoint, and not signed for yet",
        verified.after_checkpoint
    ));
    lines.push(format!("segments     {}", verified.segments));
    lines.push(format!("signed by    {}", trust.signers(checkpoint)));
    Ok(Verdict::Holds(lines))
}

/// Reads every octet of a ledger, of which these checkpoints must be beginnings; why it does not hold, if not.
fn read_all(
    data: Option<&Path>,
    args: &VerifyArgs,
    trust: &Trust,
    checkpoints: &[&Checkpoint],
) -> anyhow::Result<Result<Verified, String>> {
    let reader = open(data, args)?;
    if let (Some(_), None, Ok(Some(last))) = (&args.folder, &args.trust.origin, reader.checkpoint()) {
        let found = &last.checkpoint().origin;
        if **found != *trust.origin {
            return Ok(Err(format!(
                "it is a ledger of the name {found}, and not {}: if that is the one you mean, give --origin {found}",
                trust.origin
            )));
        }
    }
    let mut required: Vec<Checkpoint> = checkpoints.iter().copied().cloned().collect();
    if args.folder.is_none() {
        // What was signed for last must be in it: a ledger that was set back holds by itself.
        match anchor(data, trust)? {
            Ok(anchor) => required.extend(anchor),
            Err(error) => return Ok(Err(format!("the anchor: {}", sentence(&error)))),
        }
    }
    let bar = progress_bar();
    let mut told = 0;
    let verified = reader.verify(&trust.origin, &trust.keys, &required, &mut |done, all| {
        bar.set_length(all);
        if done > told {
            bar.inc(done - told);
            told = done;
        }
    });
    bar.finish_and_clear();
    match verified {
        Ok(verified) => Ok(Ok(verified)),
        Err(VerifyError::Read(error @ ReadError::Storage(_))) => Err(error.into()),
        Err(error) => Ok(Err(sentence(&error))),
    }
}

/// The data folder's anchor; `None` if there is none.
fn anchor(data: Option<&Path>, trust: &Trust) -> anyhow::Result<Result<Option<Checkpoint>, CheckpointError>> {
    let layout = Layout::existing(&crate::cli::data_path(data)?)?;
    let config = Config::load(&layout)?;
    let Some(path) = config.ledger.config().map(|kept| &kept.anchor_file).filter(|path| path.exists()) else {
        return Ok(Ok(None));
    };
    let verified = SignedCheckpoint::verify(&read_text(path)?, &trust.origin, &trust.keys);
    Ok(verified.map(|signed| Some(signed.checkpoint().clone())))
}

fn open(data: Option<&Path>, args: &VerifyArgs) -> anyhow::Result<LedgerReader> {
    let folder = match &args.folder {
        Some(folder) => folder.clone(),
        None => data_folder_or(data, "give the ledger's folder with --folder")?.ledger(),
    };
    LedgerReader::open(&folder).with_context(|| folder.display().to_string())
}

fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let form = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    bar
}
