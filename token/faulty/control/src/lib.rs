//! For tests: puts the faulty module (`token/faulty`) in front of a real one, and tells it how to fail.
//!
//! The module is built where it is missing (a moment when it is fresh) and copied into the test's folder, because what it
//! wraps and where it listens follow from its own path, and because two copies in one process are two modules. A test
//! that is told something it did not expect has failed, so everything here panics instead of returning errors.
#![expect(clippy::panic, clippy::unwrap_used, reason = "used by tests alone, which fail by panicking")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A copy of the faulty module in front of a real one.
#[derive(Debug, Clone)]
pub struct FaultyModule {
    library: PathBuf,
}

impl FaultyModule {
    /// Puts one in front of the module at `real`, in this folder and under this name, with commands to begin with.
    ///
    /// # Panics
    /// When it does not build or cannot be copied.
    #[must_use]
    pub fn before(real: &Path, folder: &Path, name: &str, commands: &[&str]) -> Self {
        let library = folder.join(format!("{name}.so"));
        std::fs::copy(built(), &library).unwrap();
        let module = Self { library };
        module.begin_with(real, commands);
        module
    }

    /// One that another process or an earlier run of this one has put there.
    #[must_use]
    pub fn at(library: &Path) -> Self {
        Self { library: library.to_owned() }
    }

    /// What it does when it is loaded the next time, by another process.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn begin_with(&self, real: &Path, commands: &[&str]) {
        let text = format!("{}\n{}\n", real.display(), commands.join("\n"));
        std::fs::write(self.library.with_extension("conf"), text).unwrap();
    }

    /// Path of the module.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.library
    }

    /// Gives it a rule: `C_Sign return=0x30 count=1`. See `token/faulty/src/control.rs`.
    ///
    /// # Panics
    /// When it is not loaded, or does not understand.
    pub fn rule(&self, rule: &str) {
        self.tell(&format!("rule {rule}"));
    }

    /// Gives it a command that it must understand.
    ///
    /// # Panics
    /// When it is not loaded, or does not understand.
    pub fn tell(&self, command: &str) {
        let answer = self.ask(command);
        assert_eq!(answer, "ok", "{command}");
    }

    /// No rules any more, and every stall ends.
    pub fn clear(&self) {
        self.tell("clear");
    }

    /// How many sessions are open.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.ask("sessions").parse().unwrap()
    }

    /// How often a function was called.
    #[must_use]
    pub fn calls(&self, function: &str) -> u64 {
        self.ask(&format!("calls {function}")).parse().unwrap()
    }

    /// How many calls hang.
    #[must_use]
    pub fn stalled(&self) -> usize {
        self.ask("stalled").parse().unwrap()
    }

    /// Waits until so many calls hang.
    pub fn wait_stalled(&self, calls: usize) {
        self.tell(&format!("wait-stalled {calls}"));
    }

    /// Sends one command and gives the answer.
    ///
    /// # Panics
    /// When the module is not loaded.
    #[must_use]
    pub fn ask(&self, command: &str) -> String {
        let socket = self.library.with_extension("sock");
        let mut stream = UnixStream::connect(&socket)
            .unwrap_or_else(|error| panic!("nothing listens at {}: {error}", socket.display()));
        writeln!(stream, "{command}").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

/// The library as cargo has built it.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| build("attestamp-faulty").join("libattestamp_faulty.so"))
}

/// The embedded token as a module of its own, to put a faulty one in front of.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn embedded_module() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    // The whole workspace: a selection of packages would build the token anew, with other features.
    BUILT.get_or_init(|| build("").join("libattestamp_module.so"))
}

/// Builds a package's library, or all, and gives the folder that it is in.
fn build(package: &str) -> PathBuf {
    // target/PROFILE/deps/test-HASH
    let this_test = std::env::current_exe().unwrap();
    let profile_folder = this_test.parent().and_then(Path::parent).unwrap();
    let profile = profile_folder.file_name().and_then(OsStr::to_str).unwrap_or("debug");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--locked", "--lib"]);
    if package.is_empty() {
        cargo.arg("--workspace");
    } else {
        cargo.args(["-p", package]);
    }
    cargo.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
    cargo.arg("--target-dir").arg(profile_folder.parent().unwrap());
    // What cargo set for this test is not for the build.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "LD_LIBRARY_PATH"
        {
            cargo.env_remove(&variable);
        }
    }
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "{package} does not build: {}", String::from_utf8_lossy(&built.stderr));
    profile_folder.to_owned()
}
