//! Values of options that several commands take, checked while the command line is read.
//!
//! A value that is wrong is found before a key is made or a folder touched, and the message names the option.

use std::net::SocketAddr;

use attestamp_certs::{Subject, SubjectFields, SubjectInvalid};
use attestamp_tsa::{PolicyOid, PolicyOidError};

use crate::config::nearest::ADDRESS_FORM;
use crate::config::{ORIGIN_FORM, is_ledger_origin};
use crate::http::{PublicUrl, PublicUrlInvalid};

/// Values that every rule of [`Subject`] allows, to check one attribute at a time.
const SAMPLE: SubjectFields<'_> =
    SubjectFields { country: "FI", organization: "A", organization_identifier: None, common_name: "A" };

/// `--country`
pub(super) fn country(text: &str) -> Result<String, SubjectInvalid> {
    Subject::new(SubjectFields { country: text, ..SAMPLE }).map(|_| text.to_owned())
}

/// `--organization`
pub(super) fn organization(text: &str) -> Result<String, SubjectInvalid> {
    Subject::new(SubjectFields { organization: text, ..SAMPLE }).map(|_| text.to_owned())
}

/// `--organization-identifier`
pub(super) fn organization_identifier(text: &str) -> Result<String, SubjectInvalid> {
    Subject::new(SubjectFields { organization_identifier: Some(text), ..SAMPLE }).map(|_| text.to_owned())
}

/// `--policy` of one TSU.
pub(super) fn policy(text: &str) -> Result<String, PolicyOidError> {
    text.parse::<PolicyOid>().map(|_| text.to_owned())
}

/// `--policy` of `init`, below which each TSU has its own.
pub(super) fn policy_root(text: &str) -> Result<String, PolicyOidError> {
    format!("{text}.1").parse::<PolicyOid>().map(|_| text.to_owned())
}

/// `--public-url`, without a slash at its end.
pub(super) fn public_url(text: &str) -> Result<String, PublicUrlInvalid> {
    text.parse::<PublicUrl>().map(|url| url.to_string())
}

/// `--ledger-origin`
pub(super) fn ledger_origin(text: &str) -> Result<String, String> {
    match is_ledger_origin(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("a ledger's name has {ORIGIN_FORM}")),
    }
}

/// `--listen`
pub(super) fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| ADDRESS_FORM)
}

/// Text as a POSIX shell takes it for one word, for the commands that we print.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:,@%=".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_certificates_and_configuration_would_refuse_is_refused_here() {
        assert!(country("Germany").is_err());
        assert!(country("de").is_err());
        assert!(country("DE").is_ok());
        assert!(organization("").is_err());
        assert!(organization(&"x".repeat(65)).is_err());
        assert!(organization("Bundesdrückerei 日本").is_ok());
        assert!(organization_identifier("\n").is_err());
        assert!(policy("9.9.9").is_err());
        assert!(policy("2.999.1").is_ok());
        assert!(policy_root("1.2.x").is_err());
        assert!(policy_root("1").is_ok());
        assert!(public_url("tsa.example.org").is_err());
        assert!(public_url("http://tsa.example.org/?x").is_err());
        assert_eq!(public_url("http://tsa.example.org/").unwrap(), "http://tsa.example.org");
        assert!(listen("localhost:3161").is_err());
        assert!(listen("[::1]:0").is_ok());
    }

    #[test]
    fn a_shell_takes_a_word_as_it_is() {
        assert_eq!(shell_word("/srv/tsa-1"), "/srv/tsa-1");
        assert_eq!(shell_word("my data"), "'my data'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
