//! A data folder, made by the command that operators use.

use std::fs::{self, DirBuilder};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use attestamp::authority::{Authority, AuthorityError};
use attestamp::cli::Cli;
use attestamp::clock::fake::DangerousFakeTime;
use attestamp::clock::{ClockGate, HighWaterMark, TimeSource, system_time};
use attestamp::config::Config;
use attestamp::crl;
use attestamp::data_folder::Layout;
use attestamp::hierarchy::{Maker, Organization, TsuLife};
use attestamp::metrics::Metrics;
use attestamp::serial::SerialSource;
use attestamp::tokens::log_in;
use attestamp_certs::{UnixTime, pem};
use attestamp_tsa::{PkiFailureInfo, TimeStampResp};
use clap::Parser as _;

/// A data folder. It stays until the next run of the tests: the embedded token knows every database that this process
/// has opened, and opens no further one when one of them is gone.
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    /// With these TSUs: on P-256, unless the name brings its algorithm (`pq:ml-dsa-65`).
    pub(crate) fn new(tsus: &[&str]) -> Self {
        let place = Self { root: new_folder() };
        let with_algorithm = |name: &&str| {
            if name.contains(':') { format!("--tsu={name}") } else { format!("--tsu={name}:p-256") }
        };
        let tsus: Vec<_> = tsus.iter().map(with_algorithm).collect();
        let mut arguments =
            vec!["attestamp", "--data", place.root().to_str().unwrap(), "init", "--clock=system"];
        arguments.extend(tsus.iter().map(String::as_str));
        Cli::try_parse_from(arguments).unwrap().run().unwrap();
        place
    }

    /// The same folder elsewhere: a token that this process has never logged in to.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self { root: new_folder() };
        copy_folder(self.root(), copy.root());
        copy
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::existing(self.root()).unwrap()
    }

    pub(crate) fn config(&self) -> Config {
        Config::load(&self.layout()).unwrap()
    }

    /// Replaces the first `from` in the configuration.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.layout().config_file();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "attestamp.toml has no {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// The authority on a clock that the test moves, which is right and synchronised.
    pub(crate) fn start(&self) -> Result<Authority, AuthorityError> {
        self.start_at(Arc::new(DangerousFakeTime::synchronised_at(system_time().as_secs())))
    }

    pub(crate) fn start_at(&self, time: Arc<dyn TimeSource>) -> Result<Authority, AuthorityError> {
        let mark = Arc::new(HighWaterMark::in_memory());
        self.start_on(Arc::new(ClockGate::start(self.config().clock, time, mark).unwrap()))
    }

    pub(crate) fn start_on(&self, clock: Arc<ClockGate>) -> Result<Authority, AuthorityError> {
        self.start_with(clock, Arc::default())
    }

    pub(crate) fn start_with(
        &self,
        clock: Arc<ClockGate>,
        metrics: Arc<Metrics>,
    ) -> Result<Authority, AuthorityError> {
        Authority::start(self.layout(), self.config(), clock, SerialSource::new().unwrap(), metrics)
    }

    /// Issues a new certificate for the key that the TSU has, in place of its old one, valid from `now`.
    pub(crate) fn renew_certificate(&self, tsu: &str, now: UnixTime) {
        let (layout, config) = (self.layout(), self.config());
        let token = log_in("main", &config.tokens["main"]).unwrap();
        let organization =
            Organization { country: "ZZ".to_owned(), name: "attestamp test".to_owned(), identifier: None };
        let maker = Maker {
            layout: &layout,
            token: &token,
            token_name: "main",
            organization: &organization,
            public_url: None,
            now,
        };
        let ca = crl::authority(&layout, "tsa-ca", &config.authorities["tsa-ca"], &token).unwrap();
        let root = fs::read_to_string(layout.ca_certificate("root")).unwrap();
        let above = pem::certificates_from_pem(&root).unwrap();
        let key = token.find_uri(&config.tsus[tsu].key).unwrap();
        let life = TsuLife { certificate_days: 1000, key_usage_days: 100 };
        maker.tsu_certificate(tsu, &key, &ca, &above, life).unwrap();
    }

    /// The program as a server on this folder, which ends when the value is dropped.
    pub(crate) fn serve(&self) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attestamp"));
        command.arg("--data").arg(self.root()).args(["serve", "--listen=127.0.0.1:0"]);
        Server(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Runs the program on this folder.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        attestamp(&[&["--data", self.root().to_str().unwrap()], arguments].concat())
    }
}

/// A server of its own process.
pub(crate) struct Server(Child);

impl Server {
    /// What a timestamp request is refused for, `None` inside if it is granted; `None` as long as nobody answers.
    pub(crate) fn post(&self, place: &Place, query: &[u8]) -> Option<Option<PkiFailureInfo>> {
        let address = fs::read_to_string(place.layout().listening_file()).ok()?;
        let mut socket = TcpStream::connect(address.trim()).ok()?;
        let kind = "Content-Type: application/timestamp-query";
        let head = format!(
            "POST / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{kind}\r\nContent-Length: {}\r\n\r\n",
            query.len()
        );
        socket.write_all(&[head.as_bytes(), query].concat()).ok()?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let reply = TimeStampResp::decode(&answer[end + 4..]).ok()?;
        Some(reply.failure_info)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Finished {
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// These words on standard output.
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.out.contains(words), "no {words:?} in {self:?}");
        self
    }

    /// Exit code 1 and all of these words, and not a panic.
    pub(crate) fn refused(self, words: &[&str]) -> Self {
        self.failed(1, words)
    }

    /// Exit code 2, for options that are wrong by themselves, and all of these words.
    pub(crate) fn misused(self, words: &[&str]) -> Self {
        self.failed(2, words)
    }

    fn failed(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.error.contains("panicked"), "{self:?}");
        for word in words {
            assert!(self.error.contains(word), "{word} is not in {self:?}");
        }
        self
    }
}

/// Runs the program.
pub(crate) fn attestamp(arguments: &[&str]) -> Finished {
    finish(Command::new(env!("CARGO_BIN_EXE_attestamp")).args(arguments))
}

/// Runs OpenSSL, which must be content.
pub(crate) fn openssl(arguments: &[&str]) -> Finished {
    finish(Command::new("openssl").args(arguments)).succeeded()
}

fn finish(command: &mut Command) -> Finished {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    Finished { code: status.code(), out: text(stdout), error: text(stderr) }
}

/// A new empty folder below one of this process's own. The first call removes those of processes that have ended.
fn new_folder() -> PathBuf {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base = BASE.get_or_init(|| {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authority");
        fs::create_dir_all(&all).unwrap();
        for entry in fs::read_dir(&all).unwrap().flatten() {
            if !Path::new("/proc").join(entry.file_name()).exists() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        all.join(std::process::id().to_string())
    });
    let folder = base.join(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    folder
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}
