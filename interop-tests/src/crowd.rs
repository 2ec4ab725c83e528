//! Ten thousand clients that want nothing, or take for ever: sockets of this process that are held open.
//!
//! Each kind sends a beginning that the server must wait on. Nothing is sent after that, so the crowd costs no processor time.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that this process needs for other things.
const SPARE: u64 = 500;
/// Descriptors for the largest crowd, here and in the server.
const ENOUGH: u64 = 16_384;

/// What the server gets from one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idler {
    /// No octet.
    Silent,
    /// The beginning of a header.
    SlowHeader,
    /// A header, and the beginning of its body.
    SlowBody,
    /// Whole requests, whose answers are not read.
    SlowReader,
}

/// The crowd. It leaves when it is dropped.
#[derive(Debug)]
pub struct Crowd {
    sockets: Vec<TcpStream>,
}

impl Crowd {
    /// `wanted` sockets at the most: fewer where this process may not have so many open. Of a hundred of them, ten are of each
    /// slow kind, and the others silent.
    ///
    /// # Errors
    /// When the server takes one of them not.
    pub fn gather(address: SocketAddr, wanted: u64) -> Result<Self> {
        let number = wanted.min(raise_limit()?.saturating_sub(SPARE));
        let sockets = (0..number)
            .map(|number| {
                let idler = match number % 100 {
                    0..10 => Idler::SlowHeader,
                    10..20 => Idler::SlowBody,
                    20..30 => Idler::SlowReader,
                    _ => Idler::Silent,
                };
                join(address, idler).with_context(|| format!("client {number} of the crowd"))
            })
            .collect::<Result<_>>()?;
        Ok(Self { sockets })
    }

    /// How many there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.sockets.len()
    }
}

fn join(address: SocketAddr, idler: Idler) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    match idler {
        Idler::Silent => {}
        Idler::SlowHeader => socket.write_all(b"POST /tsa HTTP/1.1\r\nHost: authority\r\nX-Slow: ")?,
        Idler::SlowBody => socket.write_all(
            b"POST /tsa HTTP/1.1\r\nHost: authority\r\nContent-Type: application/timestamp-query\r\nContent-Length: 100\r\n\r\n0",
        )?,
        Idler::SlowReader => {
            socket.write_all(&b"GET /metrics HTTP/1.1\r\nHost: authority\r\n\r\n".repeat(20))?;
        }
    }
    Ok(socket)
}

/// As many descriptors as this process, and a server that it starts, may have: enough for the largest crowd where that may be
/// asked for.
///
/// # Errors
/// When the limit cannot be set.
pub fn raise_limit() -> Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.map(|maximum| maximum.max(ENOUGH));
    // Without the privilege the hard limit stays.
    if setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() {
        return Ok(maximum.unwrap_or(u64::MAX));
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
