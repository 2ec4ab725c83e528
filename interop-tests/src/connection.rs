//! A small HTTP/1.1 client that sends exactly the bytes it is given, on one connection that stays open.
//!
//! For tests that judge bytes: a real client library would tidy the request first. `curl` and `tsget` have their own tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// No reply takes this long; a test that waits longer has found a hang.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub struct HttpReply {
    /// Status code.
    pub status: u16,
    /// Header lines as they came, without their line ends.
    pub headers: Vec<String>,
    /// The body, as long as Content-Length says.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nothing listens.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream =
            TcpStream::connect(address).with_context(|| format!("could not connect to {address}"))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Posts a timestamp request and reads the reply.
    ///
    /// # Errors
    /// When no whole reply comes.
    pub fn post(&mut self, path: &str, request: &[u8]) -> Result<HttpReply> {
        self.post_as(path, "application/timestamp-query", request)
    }

    /// [`Connection::post`] under a media type.
    ///
    /// # Errors
    /// When no whole reply comes.
    pub fn post_as(&mut self, path: &str, media_type: &str, body: &[u8]) -> Result<HttpReply> {
        let mut message = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        message.extend_from_slice(body);
        self.exchange(&message)
    }

    /// Fetches a path.
    ///
    /// # Errors
    /// When no whole reply comes.
    pub fn get(&mut self, path: &str) -> Result<HttpReply> {
        let message = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.exchange(message.as_bytes())
    }

    /// Sends these bytes and reads one reply.
    ///
    /// # Errors
    /// When no whole reply comes.
    pub fn exchange(&mut self, message: &[u8]) -> Result<HttpReply> {
        self.stream.get_mut().write_all(message).context("could not send the request")?;
        let status_line = self.line()?;
        let status = status_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .with_context(|| format!("not a status line: {status_line:?}"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            headers.push(line);
        }
        let mut reply = HttpReply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").unwrap_or("0").parse().context("Content-Length")?;
        reply.body.resize(length, 0);
        self.stream.read_exact(&mut reply.body).context("the body ended early")?;
        Ok(reply)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).context("no reply")? == 0 {
            bail!("the connection was closed instead of a reply");
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

impl HttpReply {
    /// Value of the first header of this name, as it came.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}
