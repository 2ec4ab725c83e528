//! Prints how many signatures a second a pool makes, and what CPU time one takes.
//!
//! `cargo run --release --workspace --example raw_rate -- [MODULE.so] [--seconds N] [--threads N] [--sessions N] [ALGORITHM…]`:
//! the embedded token, or SoftHSM2 or another module whose first blank token it may initialise; the algorithms named, or all; on that
//! many threads, or on one and then on all cores. It measures the pool alone, without ASN.1, HTTP or clock, so that what a
//! server loses on the way can be told from what the token takes. The CPU time is that of all of the process's threads.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use attestamp_hsm::{
    HsmError, KeyAlgorithm, KeyId, Module, ModuleSource, Pin, Pkcs11Uri, PoolConfig, SignError, SigningPool,
    Token,
};
use rustix::time::{ClockId, clock_gettime};
use tikv_jemallocator::Jemalloc;

/// The program's: what is compared must allocate alike.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    let folder = std::env::temp_dir().join(format!("attestamp-raw-rate-{}", std::process::id()));
    let outcome = Options::read(std::env::args().skip(1)).and_then(|options| run(&options, &folder));
    if folder.exists() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    module: Option<String>,
    measure: Duration,
    threads: Vec<usize>,
    sessions: Option<NonZeroUsize>,
    algorithms: Vec<KeyAlgorithm>,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let (measure, threads, algorithms) = (Duration::from_secs(2), Vec::new(), Vec::new());
        let mut options = Self { module: None, measure, threads, sessions: None, algorithms };
        while let Some(word) = words.next() {
            match (word.as_str(), word.parse()) {
                ("--seconds", _) => {
                    let seconds = words.next().ok_or("--seconds needs a number")?;
                    options.measure = Duration::from_secs(seconds.parse::<u64>()?.max(1));
                }
                ("--threads", _) => {
                    let threads = words.next().ok_or("--threads needs a number")?;
                    options.threads.push(threads.parse::<usize>()?.max(1));
                }
                ("--sessions", _) => {
                    let sessions = words.next().ok_or("--sessions needs a number")?;
                    options.sessions = Some(sessions.parse()?);
                }
                (_, Ok(algorithm)) => options.algorithms.push(algorithm),
                // A module is named by its path.
                (path, Err(_)) if path.contains('/') => options.module = Some(word),
                (_, Err(unknown)) => return Err(unknown.into()),
            }
        }
        if options.algorithms.is_empty() {
            options.algorithms = KeyAlgorithm::ALL.to_vec();
        }
        if options.threads.is_empty() {
            options.threads = vec![1, std::thread::available_parallelism().map_or(1, usize::from)];
        }
        Ok(options)
    }
}

fn run(options: &Options, folder: &Path) -> Result<(), Box<dyn Error>> {
    let source = match &options.module {
        Some(path) => ModuleSource::Library { path: path.into() },
        None => ModuleSource::Embedded { database: folder.join("token.sql") },
    };
    let module = Module::open_or_create(&source)?;
    let (label, pin) = (format!("raw-rate-{}", std::process::id()), Pin::random()?);
    module.initialise_token(&label, &Pin::random()?, &pin)?;
    let token = module.open_token(&Pkcs11Uri::for_token(&label), pin)?;
    println!(
        "{:<18} {:<8} {:>7} {:>12} {:>12}",
        "algorithm", "dispatch", "threads", "signatures/s", "CPU-us-each"
    );
    for algorithm in &options.algorithms {
        let pool = match pool(&token, *algorithm, options.sessions) {
            Err(missing @ HsmError::MechanismMissing { .. }) => {
                println!("{missing}");
                continue;
            }
            pool => pool?,
        };
        let dispatch = format!("{:?}", pool.dispatch());
        for threads in &options.threads {
            let measured = measured(&pool, *threads, options.measure)?;
            println!("{algorithm:<18} {dispatch:<8} {threads:>7} {measured}");
        }
    }
    Ok(())
}

fn pool(
    token: &Token,
    algorithm: KeyAlgorithm,
    sessions: Option<NonZeroUsize>,
) -> Result<SigningPool, HsmError> {
    let key = token.generate(algorithm, &KeyId::random()?, "raw-rate")?;
    let default = PoolConfig::default();
    let config = PoolConfig { sessions: sessions.unwrap_or(default.sessions), ..default };
    token.signing_pool(&key.id, &key.spki_der, config)
}

/// Signatures a second and microseconds of CPU time for one, as two columns.
fn measured(pool: &SigningPool, threads: usize, measure: Duration) -> Result<String, SignError> {
    let (began, cpu_before) = (Instant::now(), cpu_time());
    let counts = std::thread::scope(|scope| {
        let running: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| count(|message| pool.sign_now(message), measure))).collect();
        let joined = running.into_iter().map(|thread| thread.join().unwrap_or(Ok(0)));
        joined.collect::<Result<Vec<_>, _>>()
    })?;
    let (elapsed, cpu) = (began.elapsed(), cpu_time().saturating_sub(cpu_before));
    let signatures = u32::try_from(counts.iter().sum::<u64>()).unwrap_or(u32::MAX).max(1);
    let rate = f64::from(signatures) / elapsed.as_secs_f64();
    let microseconds = cpu.as_secs_f64() * 1e6 / f64::from(signatures);
    Ok(format!("{rate:>12.1} {microseconds:>12.1}"))
}

/// What all threads of this process have used.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn count<T>(sign: impl Fn(&[u8]) -> Result<T, SignError>, measure: Duration) -> Result<u64, SignError> {
    let began = Instant::now();
    let mut signatures = 0_u64;
    while began.elapsed() < measure {
        sign(&signatures.to_be_bytes())?;
        signatures += 1;
    }
    Ok(signatures)
}
