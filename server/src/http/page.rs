//! The page that a browser gets from `/`: what this is, its TSUs, and the commands that stamp and verify a file.
//!
//! One document and one style sheet, no scripts, nothing from elsewhere. Whatever is not a literal here is escaped, and
//! the address in the commands has passed [`PublicUrl`].

use std::fmt::{self, Write};

use attestamp_attestation::Assurance;
use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, VARY,
        X_CONTENT_TYPE_OPTIONS,
    },
};

use super::{
    commands::{self, Commands},
    origin::PublicUrl,
    reply::{Reply, reply},
    tsu_view::{Kind, TsuView},
};
use crate::authority::{LedgerState, Readiness};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const CSS: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const STYLE: &str = include_str!("page.css");

/// Only our own style sheet; no frames, no forms.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// Said of the keys that are not [`Kind::Classical`].
const ONLY_CMS: &str =
    "<p>No version of <code>openssl ts -verify</code> takes this key; the commands below do.</p>\n";

const FIXED: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (VARY, HeaderValue::from_static("Accept, Host")),
];

/// The page.
pub(crate) fn page(tsus: &[TsuView], readiness: &Readiness, url: &PublicUrl) -> Response<Reply> {
    let mut html = String::with_capacity(8 * 1024);
    // Writing into a String does not fail.
    let _ = write_page(&mut html, tsus, readiness, url);
    let mut response = reply(StatusCode::OK, HTML, Bytes::from(html));
    response.headers_mut().extend(FIXED.map(|(name, value)| (Some(name), value)));
    response
}

/// The style sheet.
pub(crate) fn style() -> Response<Reply> {
    let mut response = reply(StatusCode::OK, CSS, Bytes::from_static(STYLE.as_bytes()));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response
}

fn write_page(html: &mut String, tsus: &[TsuView], readiness: &Readiness, url: &PublicUrl) -> fmt::Result {
    html.push_str(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>attestamp: timestamping authority</title>\n\
         <link rel=\"stylesheet\" href=\"page.css\">\n</head>\n<body>\n\
         <h1>Timestamping authority</h1>\n\
         <p>This server signs the time at which it saw the hash of a file (RFC 3161). It never sees the file.</p>\n",
    );
    write_state(html, readiness)?;
    write_tsus(html, tsus)?;
    write_commands(html, tsus, url)?;
    write_custody(html, tsus)?;
    write_ledger(html, readiness.ledger, url)?;
    write!(
        html,
        "<footer><a href=\"tsa\">TSUs as JSON</a> · <a href=\"readyz\">readiness</a> · \
         <a href=\"metrics\">metrics</a> · attestamp {}</footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn write_state(html: &mut String, readiness: &Readiness) -> fmt::Result {
    if readiness.time_assured {
        html.push_str(
            "<p>The time is assured: the clock is checked against a bound, and stamping stops past it.</p>\n",
        );
    } else {
        html.push_str(
            "<p class=\"notice\"><strong>The time is not assured.</strong> It is the system's own time, which nothing \
             checks. Use these tokens for trials only.</p>\n",
        );
    }
    if !readiness.ready {
        html.push_str("<p class=\"notice\"><strong>Some TSU cannot issue tokens now.</strong></p>\n");
    }
    let notes = readiness.reasons.iter().chain(&readiness.warnings).chain(&readiness.notes);
    let mut open = false;
    for note in notes {
        html.push_str(if open { "<li>" } else { "<ul>\n<li>" });
        open = true;
        if let Some(tsu) = &note.tsu {
            write!(html, "{}: ", Escaped(tsu))?;
        }
        writeln!(html, "{}</li>", Escaped(&note.detail))?;
    }
    html.push_str(if open { "</ul>\n" } else { "" });
    Ok(())
}

fn write_tsus(html: &mut String, tsus: &[TsuView]) -> fmt::Result {
    html.push_str("<h2>Timestamping units</h2>\n");
    if tsus.is_empty() {
        html.push_str("<p>None is configured.</p>\n");
        return Ok(());
    }
    html.push_str(
        "<div class=\"scroll\"><table>\n<tr><th>Name</th><th>Algorithm</th><th>Policy</th><th>Accuracy</th>\
         <th>Issues until</th><th>Certificates</th></tr>\n",
    );
    for tsu in tsus {
        let summary = &tsu.summary;
        let name = Escaped(&summary.name);
        let default = if summary.default { "<br>answers at /" } else { "" };
        let strength = if summary.post_quantum { "<br>post-quantum" } else { "" };
        write!(html, "<tr><td>{name}{default}</td><td>{}{strength}", Escaped(&summary.algorithm))?;
        if let Some(nested) = &summary.nested_tsu {
            write!(html, "<br>with a token of {}", Escaped(nested))?;
        }
        html.push_str("</td><td>");
        for (at, policy) in summary.policies.iter().enumerate() {
            write!(html, "{}{}", if at == 0 { "" } else { "<br>" }, Escaped(policy))?;
        }
        write!(
            html,
            "</td><td>{} s</td><td>{}</td><td><a href=\"{}\">chain</a>, <a href=\"{}\">root</a>",
            summary.accuracy_seconds,
            Escaped(summary.key_not_after.split('T').next().unwrap_or_default()),
            Escaped(&tsu.chain()),
            Escaped(&tsu.root)
        )?;
        if let Some(attestation) = tsu.attestation() {
            write!(html, ", <a href=\"{}\">attestation</a>", Escaped(&attestation))?;
        }
        html.push_str("</td></tr>\n");
    }
    html.push_str("</table></div>\n");
    Ok(())
}

/// Where the keys are, on whose word, and how to check it.
fn write_custody(html: &mut String, tsus: &[TsuView]) -> fmt::Result {
    html.push_str("<h2>Where the keys are</h2>\n");
    let of = |assurance| tsus.iter().filter(|tsu| tsu.assurance == Some(assurance)).count();
    let (by_host, by_device) = (of(Assurance::HostAsserted), of(Assurance::DeviceSigned));
    if by_host + by_device == 0 {
        html.push_str("<p>No key is attested: nothing here says where the keys are.</p>\n");
        return Ok(());
    }
    html.push_str(
        "<p>The keys are attested: an <a href=\"attestation/bundle.tar\">archive of attestations</a> says of each in which \
         token it is, whether it was generated there, whether it can leave it, and what it may be used for. ",
    );
    html.push_str(match (by_host, by_device) {
        (0, _) => "The device itself signed that (<em>deviceSigned</em>).</p>\n",
        (_, 0) => {
            "All of it is the word of this server (<em>hostAsserted</em>), which could have made the token sign anything. \
             It does not hold against somebody who controls the server.</p>\n"
        }
        (_, _) => {
            "Some of it the device itself signed (<em>deviceSigned</em>); the rest is the word of this server \
             (<em>hostAsserted</em>) and does not hold against somebody who controls it.</p>\n"
        }
    });
    html.push_str(
        "<p>Check it with the device root that the operator gave you by another way:</p>\n\
         <pre><code>attestamp attest verify attestation-bundle.tar --root device-root.pem</code></pre>\n",
    );
    Ok(())
}

/// What is on record, and how to check it. That there is none stands among the notes.
fn write_ledger(html: &mut String, ledger: LedgerState, url: &PublicUrl) -> fmt::Result {
    match ledger {
        LedgerState::Kept => {}
        LedgerState::Off | LedgerState::Absent => return Ok(()),
    }
    html.push_str(
        "<h2>What was issued</h2>\n<p>Every timestamp is on record before it leaves, in a ledger that can only grow: its \
         <a href=\"ledger/checkpoint\">checkpoint</a>, signed with these <a href=\"ledger/keys\">keys</a>. The record says \
         when and by whom, and not what was stamped. Get the proof for a timestamp, and with the keys that you had by a way \
         that you trust check it, offline:</p>\n",
    );
    let prove = format!("attestamp ledger prove FILE.tsr --url {url}");
    let verify = "attestamp ledger verify --proof FILE.tlog-proof --token FILE.tsr --keys keys.txt";
    write_pre(html, &[prove, verify.to_owned()])
}

fn write_commands(html: &mut String, tsus: &[TsuView], url: &PublicUrl) -> fmt::Result {
    let url = url.to_string();
    for (at, (tsu, suffix)) in commands::shown(tsus).into_iter().enumerate() {
        let (name, algorithm) = (Escaped(&tsu.summary.name), Escaped(&tsu.summary.algorithm));
        if at == 0 {
            html.push_str("<h2>Stamp a file</h2>\n");
        } else {
            writeln!(html, "<h2>With the TSU {name} ({algorithm})</h2>")?;
        }
        match tsu.kind {
            Kind::Classical => {}
            Kind::EdDsa => html.push_str(ONLY_CMS),
            Kind::PostQuantum => {
                if tsu.summary.post_quantum {
                    html.push_str("<p>For timestamps that must outlast quantum computers.</p>\n");
                }
                html.push_str(ONLY_CMS);
            }
        }
        write_stamp_and_verify(html, &Commands { url: &url, tsu, suffix: &suffix })?;
    }
    if let Some(command) = commands::dual(&url, tsus) {
        html.push_str(
            "<h2>Both at once</h2>\n<p>A timestamp that every tool verifies, and one that lasts, as FILE.tsr and \
             FILE.dual.tsr:</p>\n",
        );
        write_pre(html, &[command])?;
    }
    Ok(())
}

fn write_stamp_and_verify(html: &mut String, commands: &Commands<'_>) -> fmt::Result {
    let root = Escaped(&commands.tsu.root);
    html.push_str("<p>Make a request that holds the file's hash, and send it:</p>\n");
    write_pre(html, &commands.stamp())?;
    writeln!(
        html,
        "<p>Fetch the <a href=\"{root}\">root certificate</a> once, over a way that you trust, and keep it. Then \
         verify:</p>"
    )?;
    match commands.tsu.kind {
        Kind::Classical => write_pre(html, &[commands.fetch_root(), commands.openssl_ts()]),
        Kind::EdDsa | Kind::PostQuantum => {
            write_pre(html, &[commands.fetch_root(), commands.attestamp()])?;
            html.push_str(
                "<p>Or with OpenSSL 3.5 or later. It verifies signature and certificates, but not that the timestamp \
                 is for this file: the last two commands show both hashes, which must be the same.</p>\n",
            );
            write_pre(html, &commands.openssl_cms())
        }
    }
}

fn write_pre(html: &mut String, lines: &[String]) -> fmt::Result {
    html.push_str("<pre>");
    for (at, line) in lines.iter().enumerate() {
        // Each is a block of its own, within which a line break at its end shows nothing, but is copied.
        let end = if at + 1 == lines.len() { "" } else { "\n" };
        write!(html, "<code>{}{end}</code>", Escaped(line))?;
    }
    html.push_str("</pre>\n");
    Ok(())
}

/// Text as HTML, in elements and in quoted attributes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\'' => formatter.write_str("&#39;")?,
                plain => formatter.write_char(plain)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{ReadinessNote, TsuSummary};

    fn tsu(name: &str, algorithm: &str, kind: Kind, root: &str) -> TsuView {
        let summary = TsuSummary {
            name: name.to_owned(),
            default: false,
            algorithm: algorithm.to_owned(),
            post_quantum: kind == Kind::PostQuantum,
            nested_tsu: None,
            policies: vec!["1.2.3".to_owned(), "1.2.4".to_owned()],
            accepted_hashes: vec!["sha256".to_owned()],
            accuracy_seconds: 1.0,
            not_before: "2026-01-01T00:00:00Z".to_owned(),
            not_after: "2031-01-01T00:00:00Z".to_owned(),
            key_not_after: "2027-01-01T00:00:00Z".to_owned(),
            certificate_serial: "01".to_owned(),
            ready: true,
            signers: Vec::new(),
        };
        TsuView { summary, kind, root: root.to_owned(), assurance: None }
    }

    fn classical() -> TsuView {
        let mut tsu = tsu("default", "p-256", Kind::Classical, "pki/root.pem");
        tsu.summary.default = true;
        tsu
    }

    fn post_quantum() -> TsuView {
        tsu("pq", "ml-dsa-65", Kind::PostQuantum, "pki/pq-root.pem")
    }

    fn html(tsus: &[TsuView], time_assured: bool) -> String {
        let note = ReadinessNote { tsu: None, code: "x", detail: "a <b> & \"c\"".to_owned() };
        let readiness = Readiness {
            ready: true,
            time_assured,
            reasons: Vec::new(),
            warnings: vec![note],
            notes: Vec::new(),
            ledger: LedgerState::Kept,
        };
        let mut html = String::new();
        write_page(&mut html, tsus, &readiness, &"https://tsa.example.org".parse().unwrap()).unwrap();
        html
    }

    #[test]
    fn unassured_time_is_said_plainly() {
        assert!(html(&[classical()], false).contains("The time is not assured."));
        assert!(!html(&[classical()], true).contains("not assured"));
    }

    #[test]
    fn it_says_on_whose_word_the_keys_are_attested() {
        let with = |assurances: &[Option<Assurance>]| {
            let tsus: Vec<_> =
                assurances.iter().map(|assurance| TsuView { assurance: *assurance, ..classical() }).collect();
            html(&tsus, true)
        };
        let (host, device) = (Some(Assurance::HostAsserted), Some(Assurance::DeviceSigned));
        assert!(with(&[None]).contains("No key is attested"));
        assert!(!with(&[None]).contains("attestation/keys/"));
        let asserted = with(&[host, None]);
        assert!(asserted.contains("hostAsserted") && !asserted.contains("deviceSigned"), "{asserted}");
        assert!(asserted.contains("<a href=\"attestation/keys/default\">attestation</a>"), "{asserted}");
        let signed = with(&[device]);
        assert!(signed.contains("deviceSigned") && !signed.contains("hostAsserted"), "{signed}");
        let both = with(&[host, device]);
        assert!(both.contains("deviceSigned") && both.contains("hostAsserted"), "{both}");
    }

    #[test]
    fn what_is_not_ours_is_escaped() {
        let odd = tsu("<script>alert('x')</script>", "p-256", Kind::Classical, "\"><script>");
        let html = html(&[odd], true);
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
    }

    #[test]
    fn the_commands_carry_the_address_and_the_root() {
        let html = html(&[classical()], true);
        assert!(html.contains("-o FILE.tsr https://tsa.example.org/tsa</code></pre>"), "{html}");
        assert!(html.contains("-o root.pem https://tsa.example.org/pki/root.pem\n</code>"), "{html}");
        assert!(
            html.contains("openssl ts -verify -data FILE -in FILE.tsr -CAfile root.pem</code></pre>"),
            "{html}"
        );
        assert!(!html.contains("openssl cms") && !html.contains("--dual"), "{html}");
    }

    #[test]
    fn a_post_quantum_tsu_has_commands_that_can_verify_it() {
        let mut hybrid = classical();
        hybrid.summary.nested_tsu = Some("pq".to_owned());
        let both = html(&[hybrid, post_quantum()], true);
        assert!(both.contains("p-256<br>with a token of pq</td>"), "{both}");
        assert!(both.contains("ml-dsa-65<br>post-quantum"), "{both}");
        assert!(both.contains("-o FILE.pq.tsr https://tsa.example.org/tsa/pq</code></pre>"), "{both}");
        assert!(both.contains("https://tsa.example.org/pki/pq-root.pem"), "{both}");
        assert!(both.contains("attestamp verify FILE.pq.tsr --data FILE --ca pq-root.pem"), "{both}");
        assert!(both.contains(
            "openssl cms -verify -cades -purpose timestampsign -in FILE.pq.tst -inform DER -CAfile pq-root.pem"
        ));
        assert!(
            both.contains("--url https://tsa.example.org/tsa --dual https://tsa.example.org/tsa/pq FILE"),
            "{both}"
        );
        assert_eq!(both.matches("openssl ts -verify -data").count(), 1, "of the classical one alone: {both}");
        let alone = html(&[post_quantum()], true);
        assert!(alone.contains("-o FILE.tsr ") && !alone.contains("openssl ts -verify -data"), "{alone}");
    }

    #[test]
    fn ed25519_is_no_business_of_openssl_ts_either() {
        let html = html(&[tsu("ed", "ed25519", Kind::EdDsa, "pki/root.pem")], true);
        assert!(html.contains("openssl cms -verify") && !html.contains("openssl ts -verify -data"), "{html}");
        assert!(!html.contains("quantum"), "{html}");
    }

    #[test]
    fn elements_are_closed() {
        let html = html(&[classical(), post_quantum(), classical()], false);
        for element in [
            "html", "head", "body", "table", "tr", "td", "ul", "li", "pre", "footer", "div", "p", "h2",
            "code", "a", "em",
        ] {
            let opened =
                html.matches(&format!("<{element}>")).count() + html.matches(&format!("<{element} ")).count();
            assert_eq!(opened, html.matches(&format!("</{element}>")).count(), "{element}");
        }
    }
}
