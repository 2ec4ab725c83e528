//! The command that gets the one reply that is missing of two.
//!
//! Running the same command again would stop at the reply that is there, and with `--force` would replace it. So it is
//! the command for one authority, with the options that decide what the token is; those of speed and display are left out.

use std::path::Path;

use super::StampArgs;
use crate::cli::options::shell_word;
use crate::client::address::Address;
use crate::client::files::Input;
use attestamp_certs::HashAlgorithm;
use attestamp_tsa::PolicyOid;

/// One of the two authorities: whom to ask, for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authority<'a> {
    pub(super) urls: &'a [Address],
    pub(super) policy: Option<&'a PolicyOid>,
}

impl<'a> Authority<'a> {
    /// That of `--url`.
    pub(super) fn first(args: &'a StampArgs) -> Self {
        Self { urls: &args.urls, policy: args.policy.as_ref() }
    }

    /// That of `--dual`.
    pub(super) fn dual(args: &'a StampArgs) -> Self {
        Self { urls: &args.dual_urls, policy: args.dual_policy.as_ref() }
    }
}

/// The command, as a shell takes it.
pub(super) fn command(args: &StampArgs, authority: Authority<'_>, input: &Input, output: &Path) -> String {
    let mut words = vec!["attestamp".to_owned(), "stamp".to_owned()];
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), shell_word(value)]);
    for url in authority.urls {
        option("--url", &url.to_string());
    }
    if args.hash != HashAlgorithm::Sha256 {
        option("--hash", args.hash.name());
    }
    if let Some(policy) = authority.policy {
        option("--policy", &policy.to_string());
    }
    for file in &args.ca {
        option("--ca", &file.to_string_lossy());
    }
    if let Some(file) = &args.tls_ca {
        option("--tls-ca", &file.to_string_lossy());
    }
    option("--output", &output.to_string_lossy());
    for (given, name) in
        [(args.no_nonce, "--no-nonce"), (args.no_certs, "--no-certs"), (args.force, "--force")]
    {
        if given {
            words.push(name.to_owned());
        }
    }
    match input {
        Input::StandardInput => words.push("- < FILE".to_owned()),
        Input::File(path) => {
            let path = path.to_string_lossy();
            if path.starts_with('-') {
                words.push("--".to_owned());
            }
            words.push(shell_word(&path));
        }
    }
    words.join(" ")
}
