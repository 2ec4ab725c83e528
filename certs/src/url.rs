//! The address of a published CRL or CA certificate, as certificates carry it.
//!
//! Only the form is checked, which is what IA5String and RFC 3986 allow; nothing is fetched.

/// An absolute `http://` or `https://` address in ASCII. RFC 5280 §8 advises `http://` for CRLs: fetching one over TLS may
/// need that same CRL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicUrl<'a>(&'a str);

impl<'a> PublicUrl<'a> {
    /// Checks an address.
    ///
    /// # Errors
    /// Another scheme, no host, or a character that must be percent-encoded.
    pub fn new(url: &'a str) -> Result<Self, UrlInvalid> {
        let rest = ["http://", "https://"].into_iter().find_map(|scheme| url.strip_prefix(scheme));
        let host = rest.ok_or(UrlInvalid::Scheme)?.split('/').next().unwrap_or_default();
        if host.is_empty() {
            return Err(UrlInvalid::HostMissing);
        }
        let forbidden = |octet: u8| !octet.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&octet);
        match url.bytes().position(forbidden) {
            Some(position) => Err(UrlInvalid::Character { position }),
            None => Ok(Self(url)),
        }
    }

    /// The address.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// Why some text is no address for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlInvalid {
    /// Neither `http://` nor `https://`.
    #[error("the address must begin with http:// or https://")]
    Scheme,
    /// Nothing between the scheme and the path.
    #[error("the address names no host")]
    HostMissing,
    /// A character that RFC 3986 §2 leaves out.
    #[error("octet {position} of the address must be percent-encoded")]
    Character {
        /// Counted from 0.
        position: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_web_addresses_in_ascii() {
        assert_eq!(PublicUrl::new("http://tsa.example/pki/root.crl").unwrap().as_str().len(), 31);
        assert!(PublicUrl::new("https://[::1]:3161/a?b=c%20d").is_ok());
        for (url, error) in [
            ("ldap://tsa.example/", UrlInvalid::Scheme),
            ("tsa.example/root.crl", UrlInvalid::Scheme),
            ("http:///root.crl", UrlInvalid::HostMissing),
            ("http://a b", UrlInvalid::Character { position: 8 }),
            ("http://ä.example", UrlInvalid::Character { position: 7 }),
        ] {
            assert_eq!(PublicUrl::new(url), Err(error), "{url}");
        }
    }
}
