//! Prints how long the check of a finished token takes: what a server does before it releases one.
//!
//! `cargo run --release -p attestamp-tsa --example self_check_cost -- REPLY.tsr…`, replies that carry their certificates.
#![expect(clippy::print_stdout, reason = "a program whose result is what it prints")]

use std::error::Error;
use std::time::{Duration, Instant};

use attestamp_tsa::verify::UnverifiedToken;

const MEASURE: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args().skip(1) {
        let reply = std::fs::read(&path)?;
        let algorithm = UnverifiedToken::parse(&reply)?.verify_signature(&[])?.signature_algorithm;
        let (began, mut checks) = (Instant::now(), 0_u32);
        while began.elapsed() < MEASURE {
            std::hint::black_box(UnverifiedToken::parse(&reply)?.verify_signature(&[])?);
            checks += 1;
        }
        let each = began.elapsed().as_secs_f64() * 1e6 / f64::from(checks.max(1));
        println!("{each:>8.1} us a check, {checks} checks: {algorithm:?}, {path}");
    }
    Ok(())
}
