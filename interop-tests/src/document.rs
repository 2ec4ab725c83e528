//! Commands that the documents print, run as they stand there.
//!
//! A block of commands has a mark in the line before it, `<!-- commands: MARK -->`. It is run in `bash`, which stops at the
//! first command that fails, with the program under test as `attestamp`. What variables a block expects is the document's
//! to say, and the test's to set.

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::program;
use crate::tools::{Finished, Tool};
use crate::verifiers;

const BASH: Tool = Tool { name: "bash", package: "bash" };

/// Which openssl a block's `openssl` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Openssl {
    /// The machine's.
    OfMachine,
    /// 3.5 or later.
    Modern,
}

/// A document.
#[derive(Debug, Clone, Copy)]
pub struct Document {
    /// Its path in the repository, for messages.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

impl Document {
    /// The block of commands with this mark.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn commands(&self, mark: &str) -> Result<&'static str> {
        let begin = format!("<!-- commands: {mark} -->\n```sh\n");
        let mut blocks = self.text.split(&begin).skip(1);
        let block = blocks.next().and_then(|after| after.split_once("\n```\n"));
        match (block, blocks.next()) {
            (Some((block, _)), None) => Ok(block),
            (_, more) => {
                let number = if more.is_some() { "several blocks" } else { "no block" };
                anyhow::bail!("{} has {number} of commands marked {mark:?}", self.path)
            }
        }
    }

    /// Runs the blocks with these marks in a folder, one after the other in one shell.
    ///
    /// # Errors
    /// When there is no such block, or a program is missing. What the commands do is no error here.
    pub fn run(
        &self,
        folder: &Path,
        marks: &[&str],
        openssl: Openssl,
        variables: &[(&str, &OsStr)],
    ) -> Result<Finished> {
        let blocks: Result<Vec<_>> = marks.iter().map(|mark| self.commands(mark)).collect();
        let commands = blocks?.join("\n");
        let programs = TempDir::with_prefix("attestamp-programs-")?;
        symlink(program::program()?, programs.path().join("attestamp"))?;
        if openssl == Openssl::Modern {
            symlink(verifiers::file("openssl/openssl")?, programs.path().join("openssl"))?;
        }
        let of_machine = std::env::var_os("PATH").context("there is no PATH")?;
        let folders = std::iter::once(programs.path().to_owned()).chain(std::env::split_paths(&of_machine));
        let path = std::env::join_paths(folders)?;
        let variables: Vec<_> =
            std::iter::once(("PATH", path.as_os_str())).chain(variables.iter().copied()).collect();
        BASH.run_with(folder, &["-euo", "pipefail", "-c", &commands], &variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_by_its_mark() {
        let text = "a\n<!-- commands: one -->\n```sh\nls\ntrue\n```\nb\n<!-- commands: two -->\n```sh\n```\n";
        let document = Document { path: "docs/a.md", text };
        assert_eq!(document.commands("one").unwrap(), "ls\ntrue");
        assert!(document.commands("three").unwrap_err().to_string().contains("no block"));
        let twice = Document { path: "docs/a.md", text: String::leak(format!("{text}{text}")) };
        assert!(twice.commands("one").unwrap_err().to_string().contains("several"));
    }
}
