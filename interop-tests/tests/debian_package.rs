//! The Debian package: installed into a folder of the test's own, started as its unit says, stamped with, removed and purged.
//!
//! dpkg installs into the folder without changing into it, and the maintainer scripts keep to `$DPKG_ROOT`. So nothing of
//! the machine is touched; the programs by which a script would talk to the machine's own systemd are replaced by `true`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use attestamp_interop_tests::authority::Authority;
use attestamp_interop_tests::data_folder::DataFolder;
use attestamp_interop_tests::openssl_ts::Client;
use attestamp_interop_tests::program;
use attestamp_interop_tests::prometheus::repository_file;
use attestamp_interop_tests::service::{Unit, environment_file};
use attestamp_interop_tests::tools::{Finished, Tool};
use tempfile::TempDir;

const DPKG: Tool = Tool { name: "dpkg", package: "dpkg" };
const DPKG_DEB: Tool = Tool { name: "dpkg-deb", package: "dpkg" };
const SETPRIV: Tool = Tool { name: "setpriv", package: "util-linux" };
const SYSTEMD_ANALYZE: Tool = Tool { name: "systemd-analyze", package: "systemd" };

/// The package of the program under test, made once for all tests of this file.
fn package() -> Result<&'static Path> {
    static PACKAGE: OnceLock<Result<(TempDir, PathBuf), String>> = OnceLock::new();
    let made = PACKAGE.get_or_init(|| make_package().map_err(|error| format!("{error:#}")));
    made.as_ref().map(|(_folder, path)| path.as_path()).map_err(|message| anyhow!(message.clone()))
}

fn make_package() -> Result<(TempDir, PathBuf)> {
    let folder = TempDir::with_prefix("attestamp-package-")?;
    let path = folder.path().join("attestamp.deb");
    let script = repository_file("scripts/deb.sh").display().to_string();
    let make = Tool { name: "bash", package: "bash" };
    let program = program::program()?.display().to_string();
    // Compressed no harder than needed: it is unpacked once.
    make.run(folder.path(), &[&script, &program, &path.display().to_string(), "--fast"])?.succeeded()?;
    Ok((folder, path))
}

/// A folder with as much of a Debian system as dpkg and useradd need.
struct Root {
    folder: TempDir,
    stubs: TempDir,
}

impl Root {
    fn new() -> Result<Self> {
        let (folder, stubs) =
            (TempDir::with_prefix("attestamp-root-")?, TempDir::with_prefix("attestamp-stubs-")?);
        // The service's user must be able to come here.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        for path in ["etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "tmp"] {
            fs::create_dir_all(folder.path().join(path))?;
        }
        fs::write(folder.path().join("var/lib/dpkg/status"), "")?;
        fs::write(folder.path().join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
        fs::write(folder.path().join("etc/group"), "root:x:0:\n")?;
        fs::write(folder.path().join("etc/shadow"), "root:*:20000:0:99999:7:::\n")?;
        fs::write(folder.path().join("etc/gshadow"), "root:*::\n")?;
        for program in ["systemctl", "deb-systemd-invoke"] {
            symlink("/bin/true", stubs.path().join(program))?;
        }
        Ok(Self { folder, stubs })
    }

    /// A path of the installed system, in the folder.
    fn path(&self, absolute: &str) -> PathBuf {
        self.folder.path().join(absolute.trim_start_matches('/'))
    }

    fn dpkg(&self, arguments: &[&OsStr]) -> Result<Finished> {
        let root = format!("--root={}", self.folder.path().display());
        let mut all: Vec<&OsStr> = vec![
            root.as_ref(),
            "--force-script-chrootless".as_ref(),
            "--force-confold".as_ref(),
            // Nothing else is installed there.
            "--force-depends".as_ref(),
        ];
        all.extend(arguments);
        let path = format!("{}:{}", self.stubs.path().display(), std::env::var("PATH")?);
        DPKG.run_with(self.folder.path(), &all, &[("PATH", path.as_ref())])?.succeeded()
    }

    /// User and group of the service, by number.
    fn user(&self) -> Result<(u32, u32)> {
        let passwd = fs::read_to_string(self.path("/etc/passwd"))?;
        let line = passwd.lines().find(|line| line.starts_with("attestamp:")).context("no user")?;
        let mut fields = line.split(':').skip(2);
        let mut number = || fields.next().context("a short line")?.parse().context("no number");
        Ok((number()?, number()?))
    }

    fn unit(&self) -> Result<Unit> {
        Unit::read(&self.path("/usr/lib/systemd/system/attestamp.service"))
    }

    /// A command of the unit as systemd would run it: its user, its environment and nothing of ours, its words. Only the
    /// paths are those of the folder.
    fn command(&self, setting: &str) -> Result<Command> {
        let unit = self.unit()?;
        let path = unit.one("EnvironmentFile")?.trim_start_matches('-');
        let environment: BTreeMap<String, String> = environment_file(&self.path(path))?;
        let words = unit.command(setting, &environment)?;
        let here = |word: &String| {
            let is_ours = ["/usr/", "/var/"].iter().any(|prefix| word.starts_with(prefix));
            if is_ours { self.path(word).display().to_string() } else { word.clone() }
        };
        let (user, group) = self.user()?;
        let mut command = Command::new(SETPRIV.name);
        command.args([format!("--reuid={user}"), format!("--regid={group}")]).arg("--clear-groups");
        command.args(["--no-new-privs", "--bounding-set=-all"]).args(words.iter().map(here));
        command.env_clear().envs(&environment).env("PATH", "/usr/bin:/bin").current_dir("/");
        // What the first start runs is in the folder too.
        command.env("ATTESTAMP_PROGRAM", self.path("/usr/bin/attestamp"));
        Ok(command)
    }

    fn run(&self, setting: &str) -> Result<std::process::Output> {
        let output = self.command(setting)?.output().context("could not run setpriv")?;
        Ok(output)
    }

    /// As `systemctl start` would.
    fn start(&self) -> Result<Authority> {
        for setting in ["ExecCondition", "ExecStartPre"] {
            let output = self.run(setting)?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(output.status.success(), "{setting} failed: {said}");
        }
        Authority::of_command(self.command("ExecStart")?)
    }

    /// Sets a variable of the environment file, as an administrator would.
    fn set(&self, name: &str, value: &str) -> Result<()> {
        let path = self.path("/etc/default/attestamp");
        let text = fs::read_to_string(&path)?;
        let lines = text.lines().map(|line| {
            if line.starts_with(&format!("{name}=")) { format!("{name}={value}") } else { line.to_owned() }
        });
        fs::write(&path, lines.map(|line| line + "\n").collect::<String>())?;
        Ok(())
    }
}

/// Installing changes owners, which only root may.
#[expect(clippy::print_stderr, reason = "a test that was skipped says so")]
fn is_root(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("{test}: skipped, since only root can install a package");
    }
    is_root
}

#[test]
fn the_package_holds_what_it_should_and_depends_on_what_it_needs() -> Result<()> {
    let folder = TempDir::new()?;
    let path = package()?.display().to_string();
    let contents = DPKG_DEB.run(folder.path(), &["-c", &path])?.succeeded()?;
    for file in [
        "./usr/bin/attestamp",
        "./usr/lib/systemd/system/attestamp.service",
        "./usr/lib/attestamp/first-start",
        "./etc/default/attestamp",
        "./usr/share/man/man1/attestamp.1.gz",
        "./usr/share/man/man1/attestamp-tsu-new.1.gz",
        "./usr/share/bash-completion/completions/attestamp",
        "./usr/share/doc/attestamp/docs/operations.md",
        "./usr/share/doc/attestamp/docs/prometheus-alerts.yml",
        "./usr/share/doc/attestamp/docs/grafana-dashboard.json",
        "./usr/share/doc/attestamp/copyright",
    ] {
        ensure!(contents.stdout.lines().any(|line| line.ends_with(file)), "no {file}: {contents}");
    }
    let depends = DPKG_DEB.run(folder.path(), &["-f", &path, "Depends"])?.succeeded()?;
    ensure!(depends.stdout.contains("libc6 (>= ") && depends.stdout.contains("passwd"), "{depends}");
    // OpenSSL is linked in, and nothing else of the machine is.
    ensure!(!depends.stdout.contains("libssl"), "{depends}");
    let conffiles = DPKG_DEB.run(folder.path(), &["-I", &path, "conffiles"])?.succeeded()?;
    ensure!(conffiles.stdout.trim() == "/etc/default/attestamp", "{conffiles}");
    Ok(())
}

#[test]
fn it_installs_and_stamps_and_what_was_made_survives_upgrade_removal_and_purge() -> Result<()> {
    if !is_root("it_installs_and_stamps_and_what_was_made_survives_upgrade_removal_and_purge") {
        return Ok(());
    }
    let work = DataFolder::empty()?;
    let package = package()?;
    let root = Root::new()?;
    let install = || root.dpkg(&["--install".as_ref(), package.as_os_str()]);
    install()?.said("/etc/default/attestamp changes that")?;

    let (user, group) = root.user()?;
    let data = root.path("/var/lib/attestamp");
    let made = fs::metadata(&data)?;
    ensure!((made.uid(), made.gid()) == (user, group) && made.mode() & 0o7777 == 0o700, "{made:?}");
    ensure!(fs::read_dir(&data)?.next().is_none(), "installing makes no keys");
    let enabled = root.path("/etc/systemd/system/multi-user.target.wants/attestamp.service");
    ensure!(fs::symlink_metadata(&enabled).is_ok(), "it is not enabled");
    verify_unit(&root)?;

    // The port that the test gives is the only thing that differs from what users get.
    root.set("ATTESTAMP_OPTIONS", "--listen 127.0.0.1:0")?;
    let authority = root.start()?;
    let configuration = fs::read_to_string(data.join("attestamp.toml"))?;
    ensure!(configuration.contains("listen = \"127.0.0.1:3161\""), "{configuration}");
    ensure!(fs::metadata(data.join("token/token.sql"))?.uid() == user, "the keys are another user's");
    let client = Client::of(&work, &authority, "default")?;
    client.stamp(&authority, &["-sha256", "-cert"])?;
    client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
    let reload = root.run("ExecReload")?;
    ensure!(reload.status.success(), "{}", String::from_utf8_lossy(&reload.stderr));
    authority.stop()?;

    // An upgrade keeps what the administrator wrote, and the next start makes nothing anew.
    install()?;
    let stamps_again = || -> Result<()> {
        let root_certificate = fs::read(client.folder().join("root.pem"))?;
        let authority = root.start()?;
        let client = Client::with_root(&work, &authority, "default", &root_certificate)?;
        client.stamp(&authority, &["-sha256", "-cert"])?;
        client.verify(&["-queryfile", "request.tsq"])?.succeeded()?.said("Verification: OK")?;
        authority.stop()?;
        Ok(())
    };
    stamps_again()?;

    for removal in ["--remove", "--purge"] {
        let removed = root.dpkg(&[removal.as_ref(), "attestamp".as_ref()])?;
        ensure!(!root.path("/usr/bin/attestamp").exists(), "{removed}");
        for kept in
            ["attestamp.toml", "token/token.sql", "token/pin", "certs/ca/root.pem", "certs/tsu/default.pem"]
        {
            ensure!(data.join(kept).exists(), "{removal} deleted {kept}: {removed}");
        }
        ensure!(root.user()? == (user, group), "{removal} deleted the user that owns the keys");
    }
    ensure!(!root.path("/etc/default/attestamp").exists(), "purging keeps the conffile");
    install()?;
    root.set("ATTESTAMP_OPTIONS", "--listen 127.0.0.1:0")?;
    stamps_again()
}

#[test]
fn the_first_start_makes_nothing_where_the_administrator_says_so() -> Result<()> {
    if !is_root("the_first_start_makes_nothing_where_the_administrator_says_so") {
        return Ok(());
    }
    let package = package()?;
    let root = Root::new()?;
    root.dpkg(&["--install".as_ref(), package.as_os_str()])?;
    root.set("ATTESTAMP_FIRST_START", "nothing")?;
    let wanted = root.run("ExecCondition")?;
    // 1 to 254: systemd skips the unit, which is no failure.
    ensure!(wanted.status.code() == Some(1), "{wanted:?}");
    ensure!(String::from_utf8_lossy(&wanted.stdout).contains("attestamp --data"), "{wanted:?}");
    root.set("ATTESTAMP_FIRST_START", "perhaps")?;
    ensure!(root.run("ExecCondition")?.status.code() == Some(255));
    ensure!(fs::read_dir(root.path("/var/lib/attestamp"))?.next().is_none(), "something was made");
    Ok(())
}

/// systemd's own reader has nothing to say against the installed unit. Skipped where systemd is not there.
fn verify_unit(root: &Root) -> Result<()> {
    // With the programs where they were installed, and the machine's own units around it.
    let unit = fs::read_to_string(root.path("/usr/lib/systemd/system/attestamp.service"))?;
    let here = format!("={}/usr/", root.folder.path().display());
    fs::write(root.path("/tmp/attestamp.service"), unit.replace("=/usr/", &here))?;
    let path = root.path("/tmp/attestamp.service").display().to_string();
    let arguments = ["--man=no", "verify", path.as_str()];
    let Ok(verified) = SYSTEMD_ANALYZE.run(root.folder.path(), &arguments) else { return Ok(()) };
    let about_us = |line: &&str| line.contains("attestamp.service");
    let said = verified.stderr.lines().find(about_us);
    ensure!(said.is_none(), "{verified}");
    Ok(())
}
