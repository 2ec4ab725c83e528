//! A collector of traces of the test's own: a small HTTP server on the loopback that keeps what is posted to it.
//!
//! It answers as it is told, so that a test can have one that is broken. The bodies are read by OpenTelemetry's own
//! definitions, in Python.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::verifiers;

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/read_traces.py");

/// The collector. Its threads end with the test's process.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    messages: Receiver<Message>,
}

/// One message: the request's line and header, and its body.
#[derive(Debug, Clone)]
pub struct Message {
    /// Line and header as they came, in lower case.
    pub header: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Collector {
    /// Starts one that answers every message with this status, as `200 OK`.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(status: &'static str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (sender, messages) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                thread::spawn(move || serve(stream, status, &sender));
            }
        });
        Ok(Self { address, messages })
    }

    /// Its address, as `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// When none can come any more.
    pub fn next(&self) -> Result<Message> {
        self.messages.recv().context("the collector has ended")
    }

    /// Every message that is here already.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.messages.try_iter().collect()
    }
}

/// Until the other side closes. What is not HTTP ends the connection, and the test finds nothing.
fn serve(stream: TcpStream, status: &str, messages: &Sender<Message>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut header = String::new();
        while !header.ends_with("\r\n\r\n") {
            if reader.read_line(&mut header).ok()? == 0 {
                return None;
            }
        }
        let header = header.to_ascii_lowercase();
        let length = header.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length?];
        reader.read_exact(&mut body).ok()?;
        messages.send(Message { header, body }).ok()?;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

/// The spans of these messages, as OpenTelemetry's definitions read them.
///
/// # Errors
/// When a body is not what it should be.
pub fn spans(folder: &Path, messages: &[Message]) -> Result<Vec<Value>> {
    let mut arguments = vec![READER.to_owned()];
    for (number, message) in messages.iter().enumerate() {
        let name = format!("spans-{number}");
        std::fs::write(folder.join(&name), &message.body)?;
        arguments.push(name);
    }
    let read = verifiers::tool("python/bin/python")?.run(folder, &arguments)?.succeeded()?;
    read.stdout.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
