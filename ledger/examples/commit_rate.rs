//! What recording costs: `cargo run --release --example commit_rate -- FOLDER CLIENTS RECORDS WORK`
//!
//! Each of CLIENTS threads computes for WORK microseconds, as a signature does, records a token, waits until it is durable,
//! and begins again, RECORDS times in all. It prints records and commits a second, the CPU time of the committing thread
//! and of the clients beside their work for each record, and how long records waited. FOLDER must not exist; it is left.
//! Linux alone: CPU times are from `/proc`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a tool"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use attestamp_ledger::ledger::{CommitObserver, RecordError};
use attestamp_ledger::{Hash, Ledger, LedgerConfig, TokenEntry};

#[derive(Debug, Default)]
struct Commits {
    commits: AtomicU64,
    nanoseconds: AtomicU64,
}

impl CommitObserver for Commits {
    fn committed(&self, _entries: usize, _bytes: usize, duration: Duration) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(duration.as_nanos()).unwrap(), Ordering::Relaxed);
    }
    fn failed(&self, error: &RecordError) {
        println!("failed: {error}");
    }
    fn resumed(&self) {}
}

/// CPU time of this process' threads with this name, or of all.
fn cpu_nanoseconds(name: Option<&str>) -> u64 {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        let is_meant = name.is_none_or(|name| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|found| found.trim_end() == name)
        });
        if is_meant {
            let times = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            sum += times.split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    sum
}

fn token(number: u64) -> TokenEntry {
    let hash = Hash::of(&number.to_be_bytes());
    TokenEntry {
        token_hash: hash,
        serial: hash.0[..16].iter().map(|octet| octet & 0x7F | 0x10).collect(),
        gen_time_microseconds: 1_795_305_600_000_000 + number,
        certificate_hash: hash,
        policy: [0x2B, 6, 1, 4, 1, 2, 3].into(),
        clock_state: hash,
    }
}

fn client(ledger: &Ledger, next: &AtomicU64, records: u64, hashes: u64) -> (Vec<Duration>, u64) {
    let mut waits = Vec::new();
    let own_cpu = || {
        let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        times.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let before = own_cpu();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= records {
            return (waits, own_cpu() - before);
        }
        let mut hash = Hash::of(b"");
        for _ in 0..hashes {
            hash = Hash::of(&hash.0);
        }
        std::hint::black_box(hash);
        let token = token(number);
        let recorded = Instant::now();
        ledger.record(&token).wait().unwrap();
        waits.push(recorded.elapsed());
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, clients, records, work] = arguments.as_slice() else {
        println!("commit_rate FOLDER CLIENTS RECORDS WORK_MICROSECONDS");
        return;
    };
    let folder = Path::new(folder);
    let [clients, records, work] = [clients, records, work].map(|it| it.parse::<u64>().expect("a number"));
    let commits = Arc::new(Commits::default());
    let config = LedgerConfig {
        origin: "tsa.example/ledger".into(),
        keys: Vec::new(),
        segment_bytes: 1 << 30,
        segment_monthly: true,
        retry: Duration::from_secs(1),
        begin: true,
        observer: commits.clone(),
    };
    std::fs::create_dir(folder).expect("a folder that does not exist");
    let (ledger, _) = Ledger::open(&folder.join("ledger"), &folder.join("anchor"), config).unwrap();
    let next = AtomicU64::new(0);
    // Work is measured in hashes, so that a thread that waits for its turn does not count it as done.
    let hash_nanoseconds = {
        let started = Instant::now();
        let mut hash = Hash::of(b"");
        for _ in 0..1_000_000 {
            hash = Hash::of(&hash.0);
        }
        std::hint::black_box(hash);
        u64::try_from(started.elapsed().as_nanos()).unwrap() / 1_000_000
    };
    let hashes = work * 1000 / hash_nanoseconds;
    let started = Instant::now();
    let (ledger, next) = (&ledger, &next);
    let results: Vec<(Vec<Duration>, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..clients).map(|_| scope.spawn(move || client(ledger, next, records, hashes))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let seconds = started.elapsed().as_secs_f64();
    let mut waits: Vec<Duration> = results.iter().flat_map(|(waits, _)| waits.clone()).collect();
    waits.sort_unstable();
    let clients_nanoseconds: u64 = results.iter().map(|(_, cpu)| cpu).sum();
    let clients_nanoseconds = clients_nanoseconds.saturating_sub(records * hashes * hash_nanoseconds);
    let committed = commits.commits.load(Ordering::Relaxed);
    let per_record = |nanoseconds: u64| nanoseconds / records;
    println!(
        "{} records/s, {:.0} commits/s, {:.1} records a commit",
        records * 1000 / u64::try_from(started.elapsed().as_millis().max(1)).unwrap_or(1),
        f64::from(u32::try_from(committed).unwrap()) / seconds,
        f64::from(u32::try_from(records).unwrap()) / f64::from(u32::try_from(committed).unwrap())
    );
    println!(
        "CPU: {} ns a record in the committing thread, {} ns in the clients beside their work; write and sync {} us",
        per_record(cpu_nanoseconds(Some("ledger"))),
        per_record(clients_nanoseconds),
        commits.nanoseconds.load(Ordering::Relaxed) / committed / 1000
    );
    println!(
        "waits: p50 {} us, p99 {} us, max {} us",
        waits[waits.len() / 2].as_micros(),
        waits[waits.len() * 99 / 100].as_micros(),
        waits[waits.len() - 1].as_micros()
    );
}
