//! The real router in front of an authority, and a client that asks once.

use std::net::SocketAddr;
use std::sync::Arc;

use attestamp::http::{Bound, HttpLimits, ListenerConfig, ServeConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Fixture, PATIENCE};

/// A server that lives as long as the test's runtime.
pub(crate) struct Web(SocketAddr);

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) header: String,
    pub(crate) body: Vec<u8>,
}

impl Web {
    /// To be called in a runtime.
    pub(crate) fn before(fixture: &Fixture) -> Self {
        let listener = ListenerConfig { address: "127.0.0.1:0".parse().unwrap(), tls: None };
        let limits = HttpLimits::default();
        let bound = Bound::bind(ServeConfig { listeners: vec![listener], limits, public_url: None }).unwrap();
        let address = bound.local_addresses().next().unwrap();
        let (backend, metrics) = (Arc::clone(&fixture.authority), Arc::clone(&fixture.metrics));
        tokio::spawn(bound.serve(backend, metrics, std::future::pending()));
        Self(address)
    }

    pub(crate) async fn post(&self, path: &str, body: &[u8]) -> Answer {
        let kind = "Content-Type: application/timestamp-query";
        let head = format!("POST {path} HTTP/1.1\r\n{kind}\r\nContent-Length: {}\r\n", body.len());
        self.ask(&head, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\n"), &[]).await
    }

    async fn ask(&self, head: &str, body: &[u8]) -> Answer {
        let exchange = async {
            let mut socket = TcpStream::connect(self.0).await.unwrap();
            let head = format!("{head}Host: t\r\nConnection: close\r\n\r\n");
            socket.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
            let mut answer = Vec::new();
            socket.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("no answer in time");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let header = String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase();
        let status = header.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, header, body: answer[end + 4..].to_vec() }
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}
