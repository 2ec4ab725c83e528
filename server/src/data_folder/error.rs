//! Why a data folder cannot be used. Each is one sentence that says what to do: they are read by somebody whose server
//! did not start.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Holder;

/// Why a data folder cannot be used.
#[derive(Debug, Error)]
pub enum DataFolderError {
    /// Nothing is at the path.
    #[error("there is no data folder at {}: make one with `attestamp init --data {}`", path.display(), path.display())]
    Absent {
        /// The folder asked for.
        path: PathBuf,
    },
    /// A file or a device is at the path.
    #[error("{} is not a folder: name a folder with --data", path.display())]
    NotAFolder {
        /// The path asked for.
        path: PathBuf,
    },
    /// The folder has no `attestamp.toml` and nothing of ours.
    #[error(
        "{} is not a data folder of attestamp (it has no attestamp.toml): make one with `attestamp init --data DIR`, \
         or name another with --data",
        path.display()
    )]
    NotInitialised {
        /// The folder asked for.
        path: PathBuf,
    },
    /// An `init` did not come to its end here.
    #[error(
        "an earlier `attestamp init` stopped halfway in {}: remove the folder and run `attestamp init` again",
        path.display()
    )]
    Unfinished {
        /// The folder asked for.
        path: PathBuf,
    },
    /// The configuration of a folder with keys or certificates in it is gone.
    #[error(
        "{} has keys or certificates but no attestamp.toml: restore that file from a backup, and remove nothing here",
        path.display()
    )]
    ConfigurationLost {
        /// The folder asked for.
        path: PathBuf,
    },
    /// `init` was asked to make a folder that is complete already.
    #[error("{} is initialised already: run `attestamp serve`, or name another folder with --data", path.display())]
    AlreadyInitialised {
        /// The folder asked for.
        path: PathBuf,
    },
    /// `init` was asked to use a folder with somebody else's files in it.
    #[error("{} has other files in it: name an empty or a new folder with --data", path.display())]
    NotEmpty {
        /// The folder asked for.
        path: PathBuf,
    },
    /// Every local user can reach the keys.
    #[error(
        "{} is open to every user of this machine (mode {mode:03o}): run `chmod -R go-rwx {}`",
        path.display(),
        path.display()
    )]
    OpenToOthers {
        /// The folder asked for.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process has the folder's lock.
    #[error("{} is in use by {}: stop it first, or name another folder with --data", path.display(), holder_words(*holder))]
    InUse {
        /// The folder asked for.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// Reading failed.
    #[error("cannot read {}: check that it belongs to the user who runs attestamp", path.display())]
    Unreadable {
        /// What could not be read.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Writing failed.
    #[error("cannot write {}: check that it belongs to the user who runs attestamp and that the disk is not full", path.display())]
    Unwritable {
        /// What could not be written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

fn holder_words(holder: Holder) -> String {
    match holder.process_id {
        Some(process_id) => format!("process {process_id}"),
        None => "another process".to_owned(),
    }
}
