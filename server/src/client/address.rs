//! The URL of an authority, checked before the first request.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use hyper::http::uri::Scheme;

/// An `http` or `https` URL with a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Uri);

/// Why a text is no such URL.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// No URL at all.
    #[error("not a URL")]
    Syntax {
        /// Why.
        source: hyper::http::uri::InvalidUri,
    },
    /// No scheme, or another than these two.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// A user or password, which would be shown in every message.
    #[error("must hold no user name or password")]
    Credentials,
}

impl Address {
    /// The URL.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether the scheme is `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == Some(&Scheme::HTTPS)
    }

    /// Host name or IP address; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, 80 or 443 where none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// Whether a request to the other URL goes to the same place: case, a port that is written or not, and an empty path
    /// make no difference.
    #[must_use]
    pub fn is_same_place_as(&self, other: &Self) -> bool {
        let place = |address: &Self| {
            let path = address.0.path_and_query().map_or("/", |path| path.as_str()).to_owned();
            (address.is_tls(), address.host().to_ascii_lowercase(), address.port(), path)
        };
        place(self) == place(other)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|source| AddressError::Syntax { source })?;
        if uri.scheme() != Some(&Scheme::HTTP) && uri.scheme() != Some(&Scheme::HTTPS) {
            return Err(AddressError::Scheme);
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(AddressError::Credentials);
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_those_of_the_url_or_its_scheme() {
        let address: Address = "https://tsa.example/tsa/rsa".parse().unwrap();
        assert_eq!((address.host(), address.port(), address.is_tls()), ("tsa.example", 443, true));
        let address: Address = "http://[::1]:3161".parse().unwrap();
        assert_eq!((address.host(), address.port(), address.is_tls()), ("::1", 3161, false));
        let address: Address = "http://tsa.example".parse().unwrap();
        assert_eq!(address.port(), 80);
    }

    #[test]
    fn one_place_has_several_spellings() {
        let same = |one: &str, other: &str| {
            one.parse::<Address>().unwrap().is_same_place_as(&other.parse::<Address>().unwrap())
        };
        assert!(same("http://tsa.example", "http://TSA.example:80/"));
        assert!(same("https://tsa.example/tsa", "https://tsa.example:443/tsa"));
        for other in [
            "https://tsa.example/",
            "http://tsa.example/tsa",
            "http://tsa.example/?a",
            "http://tsa.example:81/",
        ] {
            assert!(!same("http://tsa.example/", other), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for text in
            ["", "tsa.example", "tsa.example:3161", "/tsa", "ftp://tsa.example/", "http://", "http:// x"]
        {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        assert!(matches!("http://me:secret@tsa.example/".parse::<Address>(), Err(AddressError::Credentials)));
    }
}
