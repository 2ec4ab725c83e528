//! The process itself, under the names that Prometheus's own client libraries use: memory, files, processor time, start.
//!
//! Read from `/proc` when the other metrics are brought up to date, never at a request. A number that the kernel does not
//! give stays what it was, and NaN if it never was anything.

use std::fmt::{self, Write};
use std::fs;

use super::Gauge;
use super::render::header;

/// What the kernel says of this process.
#[derive(Debug, Default)]
pub struct ProcessMetrics {
    cpu_seconds: Gauge,
    open_files: Gauge,
    maximum_files: Gauge,
    virtual_memory: Gauge,
    resident_memory: Gauge,
    threads: Gauge,
    start_time: Gauge,
}

impl ProcessMetrics {
    /// Asks the kernel.
    pub fn refresh(&self) {
        if let Ok(stat) = fs::read_to_string("/proc/self/stat") {
            self.set_from_stat(&stat);
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            // The folder that is being read is one of them.
            self.open_files.set(number(entries.count().saturating_sub(1)));
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        self.maximum_files.set(limit.map_or(f64::INFINITY, double));
    }

    fn set_from_stat(&self, stat: &str) {
        let Some(fields) = Fields::of(stat) else { return };
        let ticks = double(rustix::param::clock_ticks_per_second().max(1));
        let page = number(rustix::param::page_size());
        self.cpu_seconds.set(double(fields.cpu_ticks) / ticks);
        self.threads.set(double(fields.threads));
        self.virtual_memory.set(double(fields.virtual_octets));
        self.resident_memory.set(double(fields.resident_pages) * page);
        // Once: it does not change when the clock is set.
        if self.start_time.value().is_nan() {
            self.start_time.set(boot_seconds() + double(fields.start_ticks) / ticks);
        }
    }
}

/// What we want of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Fields {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_octets: u64,
    resident_pages: u64,
}

impl Fields {
    /// Counted after the program's name, which may hold anything: proc(5) numbers its fields from 1, and the first one
    /// after the name is the third.
    fn of(stat: &str) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let field = |proc_number: usize| fields.get(proc_number.checked_sub(3)?)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.checked_add(field(15)?)?,
            threads: field(20)?,
            start_ticks: field(22)?,
            virtual_octets: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the machine was started: `/proc/stat` has it too, and is hidden from a service with `ProcSubset=pid`.
fn boot_seconds() -> f64 {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let since = double(u64::try_from(since.tv_sec).unwrap_or(0));
    double(crate::clock::unix_time().0) - since
}

/// Exact up to 2^53, which none of these reaches.
fn double(number: u64) -> f64 {
    std::time::Duration::from_secs(number).as_secs_f64()
}

fn number(count: usize) -> f64 {
    double(u64::try_from(count).unwrap_or(u64::MAX))
}

pub(super) fn write(text: &mut String, process: &ProcessMetrics) -> fmt::Result {
    let families = [
        ("process_cpu_seconds_total", "counter", "User and system processor time.", &process.cpu_seconds),
        ("process_open_fds", "gauge", "Open file descriptors.", &process.open_files),
        ("process_max_fds", "gauge", "File descriptors that may be open.", &process.maximum_files),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory.", &process.virtual_memory),
        ("process_resident_memory_bytes", "gauge", "Resident memory.", &process.resident_memory),
        ("process_threads", "gauge", "Threads.", &process.threads),
        ("process_start_time_seconds", "gauge", "Start of the process, Unix time.", &process.start_time),
    ];
    for (name, kind, help, value) in families {
        header(text, name, kind, help)?;
        writeln!(text, "{name} {}", Number(value.value()))?;
    }
    Ok(())
}

/// Prometheus spells infinity its own way.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == f64::INFINITY { formatter.write_str("+Inf") } else { write!(formatter, "{}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_proc_5() {
        let stat = "42 (a ) (b) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 9 0 777 123456 321 18446744073709551615";
        let expected = Fields {
            cpu_ticks: 200,
            threads: 9,
            start_ticks: 777,
            virtual_octets: 123_456,
            resident_pages: 321,
        };
        assert_eq!(Fields::of(stat), Some(expected));
        assert_eq!(Fields::of("42 (a) S 1 2"), None);
    }

    #[test]
    fn this_process_has_memory_files_and_a_start() {
        let process = ProcessMetrics::default();
        process.refresh();
        for gauge in [
            &process.resident_memory,
            &process.virtual_memory,
            &process.open_files,
            &process.maximum_files,
            &process.threads,
            &process.start_time,
        ] {
            assert!(gauge.value() > 0.0, "{process:?}");
        }
        assert!(process.cpu_seconds.value() >= 0.0);
        assert!(process.open_files.value() <= process.maximum_files.value());
    }

    #[test]
    fn no_limit_is_infinity_as_prometheus_spells_it() {
        let process = ProcessMetrics::default();
        process.maximum_files.set(f64::INFINITY);
        let mut text = String::new();
        write(&mut text, &process).unwrap();
        assert!(text.contains("process_max_fds +Inf\n"), "{text}");
    }
}
