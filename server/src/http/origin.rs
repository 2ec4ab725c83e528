//! Where this server is reached: the address that the page prints into commands.
//!
//! Taken from the configuration, else from the request's `Host`. Either ends up in a shell command and in HTML, so only
//! plain host characters pass; what does not pass is replaced and never repaired.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use hyper::{
    header::{HOST, HeaderValue},
    http::request::Parts,
};
use thiserror::Error;

/// Longest host with port: a DNS name has 253 octets at most.
const AUTHORITY_BYTES: usize = 260;

/// The URL under which clients reach this server, without a slash at its end: scheme, host, optional port and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// A public URL that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PublicUrlInvalid {
    /// Neither `http://` nor `https://`.
    #[error("a public URL starts with http:// or https://")]
    Scheme,
    /// The host or port is missing or has characters that a host has not.
    #[error(
        "the host of a public URL is a DNS name, an IPv4 address or an [IPv6 address], with an optional port"
    )]
    Host,
    /// The path has other characters than letters, digits, `/`, `.`, `-`, `_` and `~`.
    #[error("the path of a public URL has only letters, digits and / . - _ ~ (no query, no escapes)")]
    Path,
}

impl FromStr for PublicUrl {
    type Err = PublicUrlInvalid;

    fn from_str(text: &str) -> Result<Self, PublicUrlInvalid> {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .ok_or(PublicUrlInvalid::Scheme)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !is_plain_authority(authority) {
            return Err(PublicUrlInvalid::Host);
        }
        if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_~".contains(&byte)) {
            return Err(PublicUrlInvalid::Path);
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl PublicUrl {
    /// What the client typed to get here; `fallback` (host and port) if that is missing or not plain.
    pub(crate) fn of_request(request: &Parts, tls: bool, fallback: &str) -> Self {
        let named = request.uri.authority().map(|authority| authority.as_str());
        let host = named.or_else(|| request.headers.get(HOST).map(HeaderValue::to_str)?.ok());
        let authority = host.filter(|host| is_plain_authority(host)).unwrap_or(fallback);
        Self(format!("{}://{authority}", if tls { "https" } else { "http" }))
    }
}

/// `host [ ":" port ]` without user information, escapes or anything else that HTML or a shell would read.
fn is_plain_authority(text: &str) -> bool {
    if text.len() > AUTHORITY_BYTES {
        return false;
    }
    let (host_is_plain, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
        None => {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_plain_host(host), port)
        }
    };
    host_is_plain && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_plain_host(host: &str) -> bool {
    !host.is_empty()
        && !host.starts_with('-')
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_hosts_pass() {
        for host in [
            "localhost",
            "127.0.0.1:3161",
            "tsa.example.org",
            "tsa.example.org:443",
            "[::1]:3161",
            "[2001:db8::1]",
        ] {
            assert!(is_plain_authority(host), "{host}");
        }
    }

    #[test]
    fn what_html_or_a_shell_would_read_does_not_pass() {
        for host in [
            "",
            ":80",
            "a:b",
            "a:99999",
            "a:+80",
            "user@host",
            "<script>",
            "a\"b",
            "a$(id)",
            "a;id",
            "a b",
            "[::1",
            "[x]:1",
            "[::1]80",
            "-o",
            "a:80:80",
            "höst",
        ] {
            assert!(!is_plain_authority(host), "{host}");
        }
    }

    #[test]
    fn a_request_without_a_plain_host_gets_the_fallback() {
        let url = |host: &'static str| {
            let request = hyper::Request::builder().uri("/").header(HOST, host).body(()).unwrap();
            PublicUrl::of_request(&request.into_parts().0, false, "127.0.0.1:1").to_string()
        };
        assert_eq!(url("tsa.example.org"), "http://tsa.example.org");
        assert_eq!(url("evil\"><script>"), "http://127.0.0.1:1");
    }

    #[test]
    fn public_urls_are_checked() {
        let parse = |text: &str| text.parse::<PublicUrl>().map(|url| url.to_string());
        assert_eq!(parse("https://tsa.example.org/"), Ok("https://tsa.example.org".to_owned()));
        assert_eq!(parse("http://h:1/time/stamp"), Ok("http://h:1/time/stamp".to_owned()));
        assert_eq!(parse("ftp://h"), Err(PublicUrlInvalid::Scheme));
        assert_eq!(parse("https:///x"), Err(PublicUrlInvalid::Host));
        assert_eq!(parse("https://h/?q"), Err(PublicUrlInvalid::Path));
        assert_eq!(parse("https://h/'"), Err(PublicUrlInvalid::Path));
    }
}
