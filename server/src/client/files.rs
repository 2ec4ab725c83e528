//! Stamps files, several at a time: reads and hashes each, gets its token or its two tokens, writes the replies.
//!
//! A file that fails does not stop the others, and of two replies for a file the failure of one does not stop the other:
//! both are of the same hash value and neither is of the other. Files are read in pieces, never whole, on the runtime's
//! blocking threads.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use attestamp_certs::{Digest, HashAlgorithm};
use tokio::sync::mpsc;

use super::output::{self, OutputError};
use super::retry::{Pause, RealPause};
use super::stamper::{NotStamped, Stamped, Stamper};

/// How much of a file is in memory at a time.
const PIECE_OCTETS: usize = 128 * 1024;

/// One file to be stamped.
#[derive(Debug, Clone)]
pub struct FileJob {
    /// What is stamped.
    pub input: Input,
    /// Where the reply goes.
    pub output: PathBuf,
    /// Where the second authority's reply goes, if one is asked.
    pub dual_output: Option<PathBuf>,
}

/// Who is asked for each file.
#[derive(Debug, Clone)]
pub struct Stampers<P = RealPause> {
    /// For the reply that goes to [`FileJob::output`].
    pub first: Stamper<P>,
    /// For the reply that goes to [`FileJob::dual_output`].
    pub dual: Option<Stamper<P>>,
}

/// What is stamped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// The standard input.
    StandardInput,
}

impl std::fmt::Display for Input {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::StandardInput => formatter.write_str("standard input"),
        }
    }
}

/// What became of the job at `position`.
#[derive(Debug)]
pub struct FileOutcome {
    /// Which of the jobs.
    pub position: usize,
    /// What was got for it, or why nobody was asked.
    pub result: Result<AskedFile, FileError>,
}

/// A file for which the authorities were asked.
#[derive(Debug)]
pub struct AskedFile {
    /// The file's hash value.
    pub imprint: Digest,
    /// The token, which is written, or why there is none.
    pub first: Result<Stamped, FileError>,
    /// The same of the second authority, if one was asked.
    pub dual: Option<Result<Stamped, FileError>>,
}

impl AskedFile {
    /// Whether every reply that was asked for is written.
    #[must_use]
    pub fn is_stamped(&self) -> bool {
        self.first.is_ok() && self.dual.as_ref().is_none_or(Result::is_ok)
    }
}

/// Why a file, or one of its authorities, gave no reply.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read it")]
    Read {
        /// Why.
        source: io::Error,
    },
    /// The reply's file cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// No authority gave a token.
    #[error(transparent)]
    NotStamped(#[from] NotStamped),
    /// A thread of the program itself was lost.
    #[error("the work on it was broken off")]
    BrokenOff {
        /// Why.
        source: tokio::task::JoinError,
    },
}

/// Stamps all `jobs`, `parallel` at a time, and reports each as it is done.
pub async fn stamp_all<P: Pause + Clone + Send + Sync + 'static>(
    stampers: Stampers<P>,
    jobs: Vec<FileJob>,
    parallel: usize,
    overwrite: bool,
    mut done: impl FnMut(FileOutcome),
) {
    let jobs: Arc<[FileJob]> = jobs.into();
    let next = Arc::new(AtomicUsize::new(0));
    let (results, mut outcomes) = mpsc::channel(parallel.max(1));
    for _ in 0..parallel.clamp(1, jobs.len().max(1)) {
        let (stampers, jobs, next, results) =
            (stampers.clone(), Arc::clone(&jobs), Arc::clone(&next), results.clone());
        tokio::spawn(async move {
            loop {
                let position = next.fetch_add(1, Ordering::Relaxed);
                let Some(job) = jobs.get(position) else { return };
                let result = stamp_one(&stampers, job, overwrite).await;
                if results.send(FileOutcome { position, result }).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(results);
    while let Some(outcome) = outcomes.recv().await {
        done(outcome);
    }
}

async fn stamp_one<P: Pause>(
    stampers: &Stampers<P>,
    job: &FileJob,
    overwrite: bool,
) -> Result<AskedFile, FileError> {
    // Both before anybody is asked: half a pair that nobody wanted would be left otherwise.
    for output in std::iter::once(&job.output).chain(&job.dual_output) {
        output::check_free(output, overwrite)?;
    }
    let (hash, input) = (stampers.first.options.hash, job.input.clone());
    let imprint = blocking(move || digest(hash, &input).map_err(|source| FileError::Read { source })).await?;
    let first = get_reply(&stampers.first, imprint, &job.output, overwrite);
    let dual = async {
        match stampers.dual.as_ref().zip(job.dual_output.as_ref()) {
            Some((stamper, output)) => Some(get_reply(stamper, imprint, output, overwrite).await),
            None => None,
        }
    };
    let (first, dual) = tokio::join!(first, dual);
    Ok(AskedFile { imprint, first, dual })
}

/// Written as soon as it is there: it does not wait for the other authority.
async fn get_reply<P: Pause>(
    stamper: &Stamper<P>,
    imprint: Digest,
    output: &Path,
    overwrite: bool,
) -> Result<Stamped, FileError> {
    let stamped = stamper.stamp(imprint).await?;
    let (path, reply) = (output.to_owned(), stamped.reply.clone());
    blocking(move || Ok(output::write(&path, &reply, overwrite)?)).await?;
    Ok(stamped)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    tokio::task::spawn_blocking(work).await.map_err(|source| FileError::BrokenOff { source })?
}

fn digest(hash: HashAlgorithm, input: &Input) -> io::Result<Digest> {
    match input {
        Input::File(path) => digest_file(hash, path),
        Input::StandardInput => digest_stream(hash, io::stdin().lock()),
    }
}

fn digest_file(hash: HashAlgorithm, path: &Path) -> io::Result<Digest> {
    digest_stream(hash, File::open(path)?)
}

fn digest_stream(hash: HashAlgorithm, mut stream: impl Read) -> io::Result<Digest> {
    let mut hasher = hash.hasher();
    let mut piece = vec![0; PIECE_OCTETS];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => hasher.update(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
