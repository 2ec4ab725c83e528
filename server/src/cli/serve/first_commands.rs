//! The commands that `serve` prints for whoever tries it: they stamp a file and verify the stamp, as they stand.
//!
//! Those of the default TSU come first and are the shortest there are: three lines where everybody's tools verify its
//! key. A TSU of another kind follows with what can verify that.

use std::io::Write;

use crate::http::commands::{Commands, dual, shown};
use crate::http::tsu_view::{Kind, TsuView};

pub(super) fn print_commands(out: &mut impl Write, tsus: &[TsuView], url: &str) -> std::io::Result<()> {
    for (at, (tsu, suffix)) in shown(tsus).into_iter().enumerate() {
        let commands = Commands { url, tsu, suffix: &suffix };
        let [query, post] = commands.stamp();
        if at == 0 {
            writeln!(out, "\nTo stamp FILE and verify the stamp, in another terminal:\n\n  {query}")?;
        } else {
            let summary = &tsu.summary;
            writeln!(out, "\nThe same request to the TSU {} ({}):\n", summary.name, summary.algorithm)?;
        }
        writeln!(out, "  {post}")?;
        match tsu.kind {
            Kind::Classical => {
                writeln!(out, "  {} && {}", commands.fetch_root(), commands.openssl_ts())?;
            }
            Kind::EdDsa | Kind::PostQuantum => {
                writeln!(out, "  {} && {}", commands.fetch_root(), commands.attestamp())?;
                let [token, verify, ..] = commands.openssl_cms();
                writeln!(
                    out,
                    "\nor, with OpenSSL 3.5 or later, which does not compare the file's hash:\n\n  {token}\n  {verify}"
                )?;
            }
        }
    }
    if let Some(command) = dual(url, tsus) {
        writeln!(out, "\nBoth timestamps at once, as FILE.tsr and FILE.dual.tsr:\n\n  {command}")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::TsuSummary;

    fn tsu(name: &str, default: bool, kind: Kind, root: &str) -> TsuView {
        let summary = TsuSummary {
            name: name.to_owned(),
            default,
            algorithm: "an algorithm".to_owned(),
            post_quantum: kind == Kind::PostQuantum,
            nested_tsu: None,
            policies: Vec::new(),
            accepted_hashes: Vec::new(),
            accuracy_seconds: 1.0,
            not_before: String::new(),
            not_after: String::new(),
            key_not_after: String::new(),
            certificate_serial: String::new(),
            ready: true,
            signers: Vec::new(),
        };
        TsuView { summary, kind, root: root.to_owned(), assurance: None }
    }

    fn printed(tsus: &[TsuView]) -> String {
        let mut out = Vec::new();
        print_commands(&mut out, tsus, "http://[::1]:3161").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_of_key_has_the_commands_that_verify_it() {
        let tsus = [
            tsu("default", true, Kind::Classical, "pki/root.pem"),
            tsu("rsa", false, Kind::Classical, "pki/root.pem"),
            tsu("pq", false, Kind::PostQuantum, "pki/pq-root.pem"),
        ];
        let text = printed(&tsus);
        assert_eq!(text.matches("openssl ts -verify").count(), 1, "{text}");
        assert!(text.contains("-o FILE.pq.tsr http://[::1]:3161/tsa/pq\n"), "{text}");
        assert!(text.contains("attestamp verify FILE.pq.tsr --data FILE --ca pq-root.pem\n"), "{text}");
        assert!(text.contains("--dual http://[::1]:3161/tsa/pq FILE\n"), "{text}");
        assert_eq!(text.matches("openssl ts -query").count(), 1, "{text}");
        assert!(!text.contains("rsa"), "the first of a kind is enough: {text}");
    }

    #[test]
    fn a_post_quantum_default_is_not_given_to_openssl_ts() {
        let text = printed(&[tsu("pq", true, Kind::PostQuantum, "tsa/pq/chain.pem")]);
        assert!(!text.contains("openssl ts -verify") && !text.contains("--dual"), "{text}");
        assert!(text.contains("-o FILE.tsr http://[::1]:3161/tsa\n"), "{text}");
        assert!(text.contains("http://[::1]:3161/tsa/pq/chain.pem && attestamp verify FILE.tsr"), "{text}");
    }
}
