//! The CPU time of a local server, as Linux counts it: which process listens on a port, and what it has used.
//!
//! Read from `/proc`, so nothing has to be built into the server. The kernel shows the sockets of another user's
//! processes only to root; then the caller is told, and can name the process itself. Time is counted in ticks
//! (10 ms on most machines): right for a run of seconds, not for one of a hundred requests.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

/// A process's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessId(pub u32);

/// Why the CPU time of a process is not known.
#[derive(Debug, thiserror::Error)]
pub enum CpuTimeError {
    /// `/proc` did not give the file.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file has not the fields of proc(5).
    #[error("{path} is not as proc(5) says")]
    Unexpected {
        /// The file.
        path: String,
    },
    /// Nobody listens on this port here.
    #[error("nothing listens on port {port} of this machine")]
    NoListener {
        /// The port.
        port: u16,
    },
    /// Somebody listens, but the process is hidden.
    #[error("the process that listens on port {port} belongs to another user: name it with --pid")]
    Hidden {
        /// The port.
        port: u16,
    },
}

/// CPU time used by all threads of a process, in user and kernel mode.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(process: ProcessId) -> Result<Duration, CpuTimeError> {
    let path = format!("/proc/{}/stat", process.0);
    let stat = read(&path)?;
    let ticks = ticks_of(&stat).ok_or(CpuTimeError::Unexpected { path })?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(per_second);
    Ok(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
}

/// The process that listens on `port` of a loopback `address`, or of all addresses.
///
/// # Errors
/// When there is none, or it cannot be seen.
pub fn listener(address: IpAddr, port: u16) -> Result<ProcessId, CpuTimeError> {
    let mut sockets = Vec::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if Path::new(path).exists() {
            sockets.extend(
                read(path)?.lines().filter_map(|line| Some(listening_inode(line, address, port)?.to_owned())),
            );
        }
    }
    if sockets.is_empty() {
        return Err(CpuTimeError::NoListener { port });
    }
    let links: Vec<String> = sockets.iter().map(|inode| format!("socket:[{inode}]")).collect();
    processes()?.find(|process| holds_one_of(*process, &links)).ok_or(CpuTimeError::Hidden { port })
}

fn read(path: &str) -> Result<String, CpuTimeError> {
    fs::read_to_string(path).map_err(|source| CpuTimeError::Unreadable { path: path.to_owned(), source })
}

/// Fields 14 (utime) and 15 (stime) of `/proc/PID/stat`, counted after the program's name, which may hold anything.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

/// The inode of a line of `/proc/net/tcp` or `tcp6`, if it is a socket that listens where it is asked.
fn listening_inode(line: &str, address: IpAddr, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let (local_address, local_port) = local.split_once(':')?;
    if u16::from_str_radix(local_port, 16).ok()? != port {
        return None;
    }
    let listening_on = proc_address(local_address)?.to_canonical();
    let reached = listening_on == address.to_canonical() || listening_on.is_unspecified();
    reached.then(|| fields.nth(5)).flatten()
}

/// An address of `/proc/net/tcp`: each 32-bit word of it in the machine's byte order.
fn proc_address(text: &str) -> Option<IpAddr> {
    let mut octets = Vec::new();
    for start in (0..text.len()).step_by(8) {
        let word = u32::from_str_radix(text.get(start..start.checked_add(8)?)?, 16).ok()?;
        octets.extend(word.to_ne_bytes());
    }
    let four: Result<[u8; 4], _> = octets.as_slice().try_into();
    let sixteen: Result<[u8; 16], _> = octets.as_slice().try_into();
    let four = four.ok().map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    four.or_else(|| sixteen.ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets))))
}

fn processes() -> Result<impl Iterator<Item = ProcessId>, CpuTimeError> {
    let entries = fs::read_dir("/proc")
        .map_err(|source| CpuTimeError::Unreadable { path: "/proc".to_owned(), source })?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(ProcessId)))
}

fn holds_one_of(process: ProcessId, links: &[String]) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", process.0)) else { return false };
    entries.flatten().any(|entry| {
        let target = fs::read_link(entry.path());
        target.is_ok_and(|target| links.iter().any(|link| target.as_os_str() == link.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_listener_of_a_port_is_found() {
        for bind in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let Ok(socket) = TcpListener::bind(bind) else { continue };
            let bound = socket.local_addr().unwrap();
            let asked: IpAddr = if bound.ip() == IpAddr::V6(Ipv6Addr::LOCALHOST) {
                Ipv6Addr::LOCALHOST.into()
            } else {
                Ipv4Addr::LOCALHOST.into()
            };
            assert_eq!(listener(asked, bound.port()).unwrap(), ProcessId(std::process::id()), "{bind}");
        }
    }

    #[test]
    fn a_port_without_listener_is_said() {
        let nobody = crate::client::test_server::Nobody::new();
        let found = listener(Ipv4Addr::LOCALHOST.into(), nobody.address.port());
        assert!(matches!(found, Err(CpuTimeError::NoListener { .. })), "{found:?}");
    }

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "42 (a ) (b) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 1 0 100";
        assert_eq!(ticks_of(stat), Some(200));
    }

    #[test]
    fn ones_own_time_is_known_and_a_missing_process_is_not() {
        cpu_time(ProcessId(std::process::id())).unwrap();
        assert!(matches!(cpu_time(ProcessId(u32::MAX)), Err(CpuTimeError::Unreadable { .. })));
    }
}
