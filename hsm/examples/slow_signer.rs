//! Prints how near a pool comes to what a slow HSM allows: sessions that sleep, and more threads than those that ask.
//!
//! `cargo run --release --workspace --example slow_signer -- [SESSIONS] [MICROSECONDS] [SECONDS]`, by default 32, 5000 and 5. No
//! module is behind it, so what is missing to 100 % is the pool's and the machine's; `scripts/bench-slow-hsm.sh` has a module
//! and a server.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use attestamp_hsm::{DispatchChoice, HsmError, PoolConfig, SessionSource, SigningPool, SigningSession};

struct Slow(Duration);

impl SessionSource for Slow {
    fn connect(&self, count: NonZeroUsize) -> Result<Vec<Box<dyn SigningSession>>, HsmError> {
        Ok((0..count.get()).map(|_| -> Box<dyn SigningSession> { Box::new(Self(self.0)) }).collect())
    }
}

impl SigningSession for Slow {
    fn sign(&mut self, _message: &[u8]) -> Result<Vec<u8>, HsmError> {
        std::thread::sleep(self.0);
        Ok(vec![1; 70])
    }

    fn reopen(&mut self) -> Result<(), HsmError> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut number = |default| words.next().map_or(Ok(default), |word| word.parse::<u32>());
    let (sessions, microseconds, seconds) = (number(32)?, number(5000)?, number(5)?);
    let config = PoolConfig {
        sessions: NonZeroUsize::new(sessions.try_into()?).ok_or("one session at least")?,
        dispatch: DispatchChoice::Threads,
        ..PoolConfig::default()
    };
    let signature = Duration::from_micros(microseconds.into());
    let pool = SigningPool::with_source(Slow(signature), config)?;
    let (began, measure) = (Instant::now(), Duration::from_secs(seconds.into()));
    std::thread::scope(|scope| {
        for _ in 0..sessions.saturating_mul(2) {
            scope.spawn(|| {
                while began.elapsed() < measure {
                    let _ =
                        pool.sign_now(b"a message of as many octets as signed attributes have, or nearly so");
                }
            });
        }
    });
    let signed = u32::try_from(pool.counters().signatures)?;
    let rate = f64::from(signed) / began.elapsed().as_secs_f64();
    let possible = f64::from(sessions) / signature.as_secs_f64();
    println!("{rate:.0} signatures a second of {possible:.0}: {:.1} %", 100.0 * rate / possible);
    Ok(())
}
