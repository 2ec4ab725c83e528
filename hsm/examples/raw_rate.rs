//! Prints how many signatures a second a pool makes, for each algorithm, on one and on two threads.
//!
//! `cargo run --release -p attestamp-hsm --example raw_rate [-- MODULE.so]`: the embedded token, or SoftHSM2 or another
//! module whose first blank token it may initialise. It measures the pool alone, without ASN.1, HTTP or clock, so that
//! what a server loses on the way can be told from what the token takes.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use attestamp_hsm::{
    HsmError, KeyAlgorithm, KeyId, Module, ModuleSource, Pin, Pkcs11Uri, PoolConfig, SignError,
};

const MEASURE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("attestamp-raw-rate-{}", std::process::id()));
    let source = match std::env::args_os().nth(1) {
        Some(path) => ModuleSource::Library { path: path.into() },
        None => ModuleSource::Embedded { database: folder.join("token.sql") },
    };
    let module = Module::open_or_create(&source)?;
    let (label, pin) = (format!("raw-rate-{}", std::process::id()), Pin::random()?);
    module.initialise_token(&label, &Pin::random()?, &pin)?;
    let token = module.open_token(&Pkcs11Uri::for_token(&label), pin)?;
    println!("{:<10} {:<8} {:>10} {:>10}", "algorithm", "dispatch", "1 thread", "2 threads");
    for algorithm in KeyAlgorithm::ALL {
        let key = match token.generate(algorithm, &KeyId::random()?, "raw-rate") {
            Err(missing @ HsmError::MechanismMissing { .. }) => {
                println!("{missing}");
                continue;
            }
            key => key?,
        };
        let pool = token.signing_pool(&key.id, &key.spki_der, PoolConfig::default())?;
        let mut rates = Vec::new();
        for threads in [1, 2] {
            let counts = std::thread::scope(|scope| {
                let running: Vec<_> =
                    (0..threads).map(|_| scope.spawn(|| count(|message| pool.sign_now(message)))).collect();
                running
                    .into_iter()
                    .map(|thread| thread.join().unwrap_or(Ok(0)))
                    .collect::<Result<Vec<_>, _>>()
            })?;
            rates.push(counts.iter().sum::<u64>() / MEASURE.as_secs());
        }
        let dispatch = format!("{:?}", pool.dispatch());
        let rates: Vec<_> = rates.iter().map(|rate| format!("{rate:>10}")).collect();
        println!("{algorithm:<10} {dispatch:<8} {}", rates.join(" "));
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

fn count(sign: impl Fn(&[u8]) -> Result<Vec<u8>, SignError>) -> Result<u64, SignError> {
    let began = Instant::now();
    let mut signatures = 0_u64;
    while began.elapsed() < MEASURE {
        sign(&signatures.to_be_bytes())?;
        signatures += 1;
    }
    Ok(signatures)
}
