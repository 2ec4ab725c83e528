//! The commands that stamp and verify a file, as the page and `serve` print them.
//!
//! They are for a shell: addresses have passed [`PublicUrl`](super::PublicUrl), and a TSU's name and a root's path are
//! made of letters, digits, `.`, `-`, `_` and `/`.

use super::tsu_view::{Kind, TsuView};

/// What to call the files: `FILE.tsr`, or `FILE.NAME.tsr` where that one is another TSU's.
#[derive(Debug, Clone)]
pub(crate) struct Commands<'a> {
    /// Scheme, host and port, and a path without slash at its end.
    pub(crate) url: &'a str,
    /// The TSU that is asked.
    pub(crate) tsu: &'a TsuView,
    /// What comes between `FILE` and `.tsr`, with its dot.
    pub(crate) suffix: &'a str,
}

impl Commands<'_> {
    /// Makes the request and sends it.
    pub(crate) fn stamp(&self) -> [String; 2] {
        let Self { url, tsu, suffix } = self;
        [
            "openssl ts -query -data FILE -sha256 -cert -out FILE.tsq".to_owned(),
            format!(
                "curl -sSf -H 'Content-Type: application/timestamp-query' --data-binary @FILE.tsq -o FILE{suffix}.tsr \
                 {url}/{}",
                tsu.path()
            ),
        ]
    }

    /// Fetches the root, which is then to be kept.
    pub(crate) fn fetch_root(&self) -> String {
        let Self { url, tsu, .. } = self;
        format!("curl -sSf -o {} {url}/{}", tsu.root_file(), tsu.root)
    }

    /// Verifies with what everybody has; for classical keys alone.
    pub(crate) fn openssl_ts(&self) -> String {
        let Self { tsu, suffix, .. } = self;
        format!("openssl ts -verify -data FILE -in FILE{suffix}.tsr -CAfile {}", tsu.root_file())
    }

    /// Verifies with this program.
    pub(crate) fn attestamp(&self) -> String {
        let Self { tsu, suffix, .. } = self;
        format!("attestamp verify FILE{suffix}.tsr --data FILE --ca {}", tsu.root_file())
    }

    /// Verifies signature and chain with OpenSSL 3.5 or later. `cms` knows nothing of timestamps, so the last two show
    /// the hash in the timestamp and the file's, for the reader to compare.
    pub(crate) fn openssl_cms(&self) -> [String; 4] {
        let Self { tsu, suffix, .. } = self;
        [
            format!("openssl ts -reply -in FILE{suffix}.tsr -token_out -out FILE{suffix}.tst"),
            format!(
                "openssl cms -verify -cades -purpose timestampsign -in FILE{suffix}.tst -inform DER -CAfile {} -out \
                 FILE{suffix}.tstinfo",
                tsu.root_file()
            ),
            format!("openssl asn1parse -in FILE{suffix}.tstinfo -inform DER"),
            "openssl dgst -sha256 FILE".to_owned(),
        ]
    }
}

/// Of each kind the first TSU, with the suffix of its files: those that the reader is shown the commands of. The default
/// TSU's come first.
pub(crate) fn shown(tsus: &[TsuView]) -> Vec<(&TsuView, String)> {
    let mut shown: Vec<(&TsuView, String)> = Vec::new();
    for tsu in tsus {
        if shown.iter().all(|(other, _)| other.kind != tsu.kind) {
            let suffix = if shown.is_empty() { String::new() } else { format!(".{}", tsu.summary.name) };
            shown.push((tsu, suffix));
        }
    }
    shown
}

/// Stamps with a classical and a post-quantum TSU at once, if there are both.
pub(crate) fn dual(url: &str, tsus: &[TsuView]) -> Option<String> {
    let classical = tsus.iter().find(|tsu| tsu.kind == Kind::Classical)?;
    let post_quantum = tsus.iter().find(|tsu| tsu.summary.post_quantum)?;
    Some(format!(
        "attestamp stamp --url {url}/{} --dual {url}/{} FILE",
        classical.path(),
        post_quantum.path()
    ))
}
