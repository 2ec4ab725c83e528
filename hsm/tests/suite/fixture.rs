//! A fresh token for each test, in a process of its own.
//!
//! A PKCS#11 library is initialised once for a process, reads its configuration then, and one test here shuts it down
//! under everybody's feet; so each test starts itself again as a child process, with the environment that it needs.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use attestamp_faulty_control::{FaultyModule, embedded_module};
use attestamp_hsm::{Module, ModuleSource, Pin, Pkcs11Uri, PoolConfig, Token};

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// Name of the module that fails on command.
const FAULTY: &str = "faulty";
const CHILD: &str = "ATTESTAMP_HSM_TEST_FOLDER";
pub(crate) const LABEL: &str = "suite";
pub(crate) const SO_PIN: &str = "so-pin-12345678";
pub(crate) const USER_PIN: &str = "user-pin-12345678";

/// Which token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Embedded,
    SoftHsm,
    /// SoftHSM2 behind a module that fails on command.
    FaultySoftHsm,
    /// The embedded token as a module of its own, behind one that fails on command.
    FaultyEmbedded,
}

/// An initialised token, and where it keeps its files.
pub(crate) struct Fixture {
    kind: Kind,
    pub(crate) folder: PathBuf,
    pub(crate) source: ModuleSource,
    pub(crate) module: Module,
    pub(crate) token: Token,
}

/// Runs one test in a process of its own with a token of its own.
pub(crate) fn run(name: &str, test: fn(&Fixture)) {
    run_on(if env!("CARGO_CRATE_NAME") == "softhsm" { Kind::SoftHsm } else { Kind::Embedded }, name, test);
}

/// As [`run`], on a token of this kind.
pub(crate) fn run_on(kind: Kind, name: &str, test: fn(&Fixture)) {
    if let Some(folder) = std::env::var_os(CHILD) {
        test(&Fixture::new(kind, Path::new(&folder)));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    if kind != Kind::Embedded {
        assert!(Path::new(SOFTHSM).exists(), "there is no {SOFTHSM}: install the Debian package softhsm2");
        let tokens = folder.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(folder.path().join("softhsm2.conf"), text).unwrap();
    }
    match kind {
        Kind::FaultySoftHsm => drop(FaultyModule::before(Path::new(SOFTHSM), folder.path(), FAULTY, &[])),
        Kind::FaultyEmbedded => drop(FaultyModule::before(embedded_module(), folder.path(), FAULTY, &[])),
        Kind::Embedded | Kind::SoftHsm => {}
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, folder.path())
        .env("SOFTHSM2_CONF", folder.path().join("softhsm2.conf"))
        .env("KRYOPTIC_CONF", folder.path().join("token.sql"))
        .env("ATTESTAMP_HSM_TEST_PIN", USER_PIN)
        .env("CREDENTIALS_DIRECTORY", folder.path())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} failed in its own process, {}:\n{out}\n{err}", output.status);
    assert!(out.contains("1 passed"), "{name} is not the name of a test:\n{out}");
}

impl Fixture {
    fn new(kind: Kind, folder: &Path) -> Self {
        let source = match kind {
            Kind::Embedded => ModuleSource::Embedded { database: folder.join("store/token.sql") },
            Kind::SoftHsm => ModuleSource::Library { path: SOFTHSM.into() },
            Kind::FaultySoftHsm | Kind::FaultyEmbedded => {
                ModuleSource::Library { path: folder.join(FAULTY).with_extension("so") }
            }
        };
        let module = Module::open_or_create(&source).unwrap();
        module.initialise_token(LABEL, &pin(SO_PIN), &pin(USER_PIN)).unwrap();
        let token = module.open_token(&Pkcs11Uri::for_token(LABEL), pin(USER_PIN)).unwrap();
        Self { kind, folder: folder.to_owned(), source, module, token }
    }

    /// The module that fails on command, of a fixture that has one.
    pub(crate) fn faulty(&self) -> FaultyModule {
        let ModuleSource::Library { path } = &self.source else { panic!("not a module of its own") };
        FaultyModule::at(path)
    }

    /// A second module that fails on command in this process, in front of the kind of module that the first is not.
    pub(crate) fn beside(&self) -> Self {
        let (kind, real) = match self.kind {
            Kind::FaultySoftHsm => (Kind::FaultyEmbedded, embedded_module()),
            Kind::FaultyEmbedded => (Kind::FaultySoftHsm, Path::new(SOFTHSM)),
            Kind::Embedded | Kind::SoftHsm => panic!("a fixture with a module that fails on command"),
        };
        let folder = self.folder.join("beside");
        std::fs::create_dir(&folder).unwrap();
        drop(FaultyModule::before(real, &folder, FAULTY, &[]));
        Self::new(kind, &folder)
    }
}

pub(crate) fn pin(text: &str) -> Pin {
    Pin::new(text.to_owned()).unwrap()
}

/// Quick recovery, so that tests are quick.
pub(crate) fn quick() -> PoolConfig {
    PoolConfig {
        sessions: 4.try_into().unwrap(),
        backoff_minimum: Duration::from_millis(5),
        backoff_maximum: Duration::from_millis(50),
        ..PoolConfig::default()
    }
}

/// Far longer than anything takes: a test that waits for it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Asserts on the verdict of OpenSSL.
pub(crate) fn assert_openssl_verifies(
    folder: &Path,
    spki_der: &[u8],
    digest: Option<&str>,
    message: &[u8],
    signature: &[u8],
) {
    let (verifies, said) = openssl_verifies(folder, spki_der, digest, message, signature);
    assert!(verifies, "{said}");
}

/// The verdict of OpenSSL, and what it said.
pub(crate) fn openssl_verifies(
    folder: &Path,
    spki_der: &[u8],
    digest: Option<&str>,
    message: &[u8],
    signature: &[u8],
) -> (bool, String) {
    for (name, bytes) in [("key.der", spki_der), ("message", message), ("signature", signature)] {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(folder)
        .args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der"]);
    openssl.args(["-rawin", "-in", "message", "-sigfile", "signature"]);
    openssl.args(digest.into_iter().flat_map(|digest| ["-digest", digest]));
    let output = openssl.output().expect("the program openssl should be installed: it checks our signatures");
    let said = String::from_utf8_lossy(&output.stdout);
    let verifies = output.status.success() && said.contains("Signature Verified Successfully");
    (verifies, format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}
