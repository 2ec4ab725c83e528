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
    /// The ledger has none such.
    Absent(String),
    /// Nothing is at the address, of a ledger or anything else.
    Nothing(String),
    /// Not yet (503): to be asked for again after this time.
    Later(Duration),
}

impl Remote {
    /// The server of these options; `None` where they name none.
    pub(super) fn of(args: &RemoteArgs) -> anyhow::Result<Option<Self>> {
        args.url.as_ref().map(|url| Self::new(url, args.tls_ca.as_deref())).transpose()
    }

    fn new(url: &Address, tls_ca: Option<&Path>) -> anyhow::Result<Self> {
        let address = url.uri().to_string();
        let path = url.uri().path();
        let server = address.strip_suffix(path).unwrap_or(&address);
        let base = format!("{server}{}", before_its_paths(path));
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
            StatusCode::NOT_FOUND if is_not_in_ledger(&answer.body) => {
                Ok(Fetched::Absent(detail(&answer.body)))
            }
            StatusCode::NOT_FOUND => Ok(Fetched::Nothing(format!(
                "there is no ledger at {}: give the address of the server, without /tsa ({})",
                self.base,
                detail(&answer.body)
            ))),
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
            Fetched::Nothing(reason) => bail!(reason),
            Fetched::Later(_) => bail!("{}/ledger/{path} is not there yet: try again soon", self.base),
        }
    }

    /// A tile or bundle; `None` if there is none such.
    pub(super) fn tile(&self, path: TilePath) -> anyhow::Result<Option<Vec<u8>>> {
        match self.fetch(&path.to_string())? {
            Fetched::Found(body) => Ok(Some(body.to_vec())),
            Fetched::Absent(_) | Fetched::Nothing(_) => Ok(None),
            Fetched::Later(_) => bail!("{path} is not there yet: try again soon"),
        }
    }
}

/// The path of the server itself: the ledger's own address is as good, and so is that which one stamps with.
fn before_its_paths(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let of_tsu = path.rsplit_once('/').and_then(|(before, _)| before.strip_suffix("/tsa"));
    path.strip_suffix("/ledger").or_else(|| path.strip_suffix("/tsa")).or(of_tsu).unwrap_or(path)
}

/// Whether it is the ledger that says so: any server answers 404 to what it does not know.
fn is_not_in_ledger(body: &[u8]) -> bool {
    member(body, "code").as_deref() == Some("not-in-ledger")
}

/// What a problem document says (RFC 9457).
fn detail(body: &[u8]) -> String {
    printable(member(body, "detail").as_deref().unwrap_or("no reason is given"))
}

fn member(body: &[u8], name: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(document.get(name)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_one_stamps_with_leads_to_the_server() {
        for path in ["", "/", "/tsa", "/tsa/", "/tsa/rsa", "/ledger", "/ledger/"] {
            assert_eq!(before_its_paths(path), "", "{path}");
        }
        for path in ["/behind", "/behind/tsa", "/behind/tsa/rsa", "/behind/ledger"] {
            assert_eq!(before_its_paths(path), "/behind", "{path}");
        }
        assert_eq!(before_its_paths("/mytsa"), "/mytsa");
        // A server of that name.
        for address in ["http://tsa", "http://ledger", "http://ledger/tsa/rsa"] {
            let remote = Remote::new(&address.parse().unwrap(), None).unwrap();
            assert_eq!(remote.base.split_once("//").unwrap().1, address[7..].split('/').next().unwrap());
        }
    }

    #[test]
    fn the_ledger_alone_says_that_something_is_not_in_it() {
        assert!(is_not_in_ledger(br#"{"code":"not-in-ledger","detail":"x"}"#));
        for other in [&br#"{"code":"not-found"}"#[..], br#"{"code":"no-ledger"}"#, b"<html>", b"", b"[1]"] {
            assert!(!is_not_in_ledger(other));
        }
    }
}
