//! A small disk under one folder: a tmpfs in a mount namespace of its own, which ends with this and leaves nothing behind.
//!
//! Commands that shall see the disk are run through `nsenter`; the test itself reaches it through `/proc`. Root may make such a
//! namespace, and so may others where the kernel lets them have user namespaces.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::tools::{Tool, finish};

/// Of util-linux, on every Debian.
const NSENTER: Tool = Tool { name: "nsenter", package: "util-linux" };

/// Mounts the tmpfs with what the folder holds, says `ready`, and waits for the end of its input.
const KEEP: &str = r#"
set -e
mount -t tmpfs -o "size=$2k,mode=700" tmpfs "$3"
cp -a "$1/." "$3"
mount --bind "$3" "$1"
echo ready
exec cat
"#;

/// The disk. It is gone when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    keeper: Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// A disk of so many KiB over a folder, with what that holds.
    ///
    /// # Errors
    /// When this machine gives no mount namespace; the message says why.
    pub fn over(folder: &Path, kibibytes: u32) -> Result<Self> {
        let beside = folder.with_extension("disk");
        std::fs::create_dir(&beside)?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["sh", "-c", KEEP, "keep"]).arg(folder).arg(kibibytes.to_string()).arg(beside);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let keeper =
            command.spawn().context("could not run unshare: install the Debian package util-linux")?;
        let mut disk = Self { keeper, folder: folder.to_owned() };
        let mut line = String::new();
        BufReader::new(disk.keeper.stdout.take().context("stdout")?).read_line(&mut line)?;
        ensure!(
            line == "ready\n",
            "this machine does not let us mount a tmpfs: run the tests as root, or allow user namespaces \
             (sysctl kernel.unprivileged_userns_clone=1)"
        );
        Ok(disk)
    }

    /// What a command is run through to see the disk.
    #[must_use]
    pub fn entered(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![NSENTER.name.into(), "--mount".into(), "--target".into()];
        words.push(self.keeper.id().to_string().into());
        if !rustix::process::geteuid().is_root() {
            words.extend(["--user".into(), "--preserve-credentials".into()]);
        }
        words
    }

    /// A file on it, as this process can reach it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.folder.strip_prefix("/").unwrap_or(&self.folder)).join(name)
    }

    /// Writes a file until no octet is left.
    ///
    /// # Errors
    /// When writing ends for another reason.
    pub fn fill(&self, name: &str) -> Result<()> {
        let mut file = std::fs::File::create(self.file(name))?;
        let mut length = 64 << 10;
        loop {
            match std::io::Write::write(&mut file, &vec![1; length]) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull && length == 1 => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => length = 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Mounts it anew with these options: `ro` or `rw`.
    ///
    /// # Errors
    /// When that is refused, as `ro` is while a file is open for writing.
    pub fn remount(&self, options: &str) -> Result<()> {
        let mut words = self.entered().into_iter();
        let mut command = Command::new(words.next().context("a command")?);
        command.args(words).args(["mount", "-o"]).arg(format!("remount,{options}")).arg(&self.folder);
        finish(command)?.succeeded()?;
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The end of its input ends it, and the namespace with it once no server is left in there.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
