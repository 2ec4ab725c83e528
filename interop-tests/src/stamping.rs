//! Many tokens over many connections: a fixed number, or until the server is gone.

use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};

use crate::authority::Authority;
use crate::reply::{self, Granted};
use crate::request::{Request, integer};

/// Asks for `each` tokens on each of so many connections at once. All must be granted.
///
/// # Errors
/// When one is not.
pub fn stamp(authority: &Authority, path: &str, connections: u32, each: u32) -> Result<Vec<Granted>> {
    let workers = (0..connections)
        .map(|worker| {
            let (mut connection, path) = (authority.connect()?, path.to_owned());
            Ok(thread::spawn(move || {
                (0..each)
                    .map(|number| reply::granted(&connection.post(&path, &request(worker, number)?)?))
                    .collect::<Result<Vec<_>>>()
            }))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.join().map_err(|_| anyhow!("a worker panicked"))??);
    }
    Ok(all)
}

/// Connections that ask for one token after another until the server is gone.
#[derive(Debug)]
pub struct Load {
    workers: Vec<JoinHandle<Result<()>>>,
    tokens: Receiver<Granted>,
}

impl Load {
    /// Begins.
    ///
    /// # Errors
    /// When nothing listens.
    pub fn start(authority: &Authority, path: &str, connections: u32) -> Result<Self> {
        let (sender, tokens) = channel();
        let workers = (0..connections)
            .map(|worker| {
                let (mut connection, path) = (authority.connect()?, path.to_owned());
                let sender = sender.clone();
                Ok(thread::spawn(move || {
                    // A reply that came whole must be a token.
                    for number in 0.. {
                        let Ok(reply) = connection.post(&path, &request(worker, number)?) else { break };
                        sender.send(reply::granted(&reply)?).context("nobody listens")?;
                    }
                    Ok(())
                }))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { workers, tokens })
    }

    /// Waits for so many further tokens.
    #[must_use]
    pub fn take(&self, number: usize) -> Vec<Granted> {
        self.tokens.iter().take(number).collect()
    }

    /// All further tokens until the server is gone.
    ///
    /// # Errors
    /// When a reply was something else than a token.
    pub fn rest(self) -> Result<Vec<Granted>> {
        let rest = self.tokens.iter().collect();
        for worker in self.workers {
            worker.join().map_err(|_| anyhow!("a worker panicked"))??;
        }
        Ok(rest)
    }
}

/// Each with a nonce of its own: shortest as it stands.
fn request(worker: u32, number: u32) -> Result<Vec<u8>> {
    let nonce = (0x0100_0000_0000_0000 | u64::from(worker) << 32 | u64::from(number)).to_be_bytes();
    Ok(Request { nonce: integer(&nonce), ..Request::of(&nonce)? }.encoded())
}
