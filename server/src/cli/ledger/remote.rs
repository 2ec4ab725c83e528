//! A ledger behind an address: what is served under `/ledger/`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use attestamp_ledger::TilePath;
use bytes::Bytes;
use clap::Args;
use hyper::header::RETRY_AFTER;
use hyper::{StatusCode, Uri};

use crate::cli::text::printable;
use crate::client::address::Address;
use crate::client::tls;
use crate::client::transport::{Deadlines, Transport};

const DEADLINES: Deadlines = Deadlines { connect: Duration::from_secs(10), total: Duration::from_secs(60) };
/// Longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Options of commands that ask a server.
#[derive(Debug, Args)]
pub(super) struct RemoteArgs {
    /// Ask this server, in place of the data folder
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<Address>,
    /// Trust these root certificates (PEM) for https besides the system's
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(super) tls_ca: Option<std::path::PathBuf>,
}

/// The server.
#[derive(Debug)]
pub(super) struct Remote {
    base: String,
    transport: Transport,
    runtime: tokio::runtime::Runtime,
}

/// What it answered.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The document.
    Found(Bytes),
    /// There is none (404).
    Absent(String),
    /// Not yet (503): to be asked for again after this time.
    Later(Duration),
}

impl Remote {
    /// The server of these options; `None` where they name none.
    pub(super) fn of(args: &RemoteArgs) -> anyhow::Result<Option<Self>> {
        args.url.as_ref().map(|url| Self::new(url, args.tls_ca.as_deref())).transpose()
    }

    fn new(url: &Address, tls_ca: Option<&Path>) -> anyhow::Result<Self> {
        let base = url.uri().to_string();
        // The commands name the server, and the ledger's own address is as good.
        let base = base.trim_end_matches('/');
        let base = base.strip_suffix("/ledger").unwrap_or(base).to_owned();
        let transport = Transport::new(tls::client_config(tls_ca)?, DEADLINES);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { base, transport, runtime })
    }

    /// A document below `/ledger/`.
    pub(super) fn fetch(&self, path: &str) -> anyhow::Result<Fetched> {
        let address = format!("{}/ledger/{path}", self.base);
        let uri: Uri = address.parse().with_context(|| format!("{address} is no address"))?;
        let answer = self.runtime.block_on(self.transport.fetch(&uri)).with_context(|| address.clone())?;
        match answer.status {
            StatusCode::OK => Ok(Fetched::Found(answer.body)),
            StatusCode::NOT_FOUND => Ok(Fetched::Absent(detail(&answer.body))),
            StatusCode::SERVICE_UNAVAILABLE => {
                let seconds =
                    answer.header.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                match seconds.map(Duration::from_secs) {
                    Some(pause) => Ok(Fetched::Later(pause.min(LONGEST_PAUSE))),
                    None => bail!("{address} answered {}: {}", answer.status, detail(&answer.body)),
                }
            }
            status => bail!("{address} answered {status}: {}", detail(&answer.body)),
        }
    }

    /// A document that must be there.
    pub(super) fn text(&self, path: &str) -> anyhow::Result<String> {
        match self.fetch(path)? {
            Fetched::Found(body) => String::from_utf8(body.to_vec()).context("the answer is not text"),
            Fetched::Absent(detail) => bail!("{}/ledger/{path}: {detail}", self.base),
            Fetched::Later(_) => bail!("{}/ledger/{path} is not there yet: try again soon", self.base),
        }
    }

    /// A tile or bundle; `None` if there is none such.
    pub(super) fn tile(&self, path: TilePath) -> anyhow::Result<Option<Vec<u8>>> {
        match self.fetch(&path.to_string())? {
            Fetched::Found(body) => Ok(Some(body.to_vec())),
            Fetched::Absent(_) => Ok(None),
            Fetched::Later(_) => bail!("{path} is not there yet: try again soon"),
        }
    }
}

/// What a problem document says (RFC 9457).
fn detail(body: &[u8]) -> String {
    let document: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let detail = document.as_ref().and_then(|document| document.get("detail")?.as_str());
    printable(detail.unwrap_or("no reason is given"))
}
