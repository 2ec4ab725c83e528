//! The page that a browser gets from `/`: what this is, its TSUs, and the commands that stamp and verify a file.
//!
//! One document and one style sheet, no scripts, nothing from elsewhere. Whatever is not a literal here is escaped, and
//! the address in the commands has passed [`PublicUrl`].

use std::fmt::{self, Write};

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, VARY,
        X_CONTENT_TYPE_OPTIONS,
    },
};

use super::{
    origin::PublicUrl,
    reply::{Reply, reply},
};
use crate::authority::{Readiness, TsuSummary};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const CSS: HeaderValue = HeaderValue::from_static("text/css; charset=utf-8");
const STYLE: &str = include_str!("page.css");

/// Only our own style sheet; no frames, no forms.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const FIXED: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (VARY, HeaderValue::from_static("Accept, Host")),
];

/// The page. `has_root` says whether `/pki/root.pem` is there; the default TSU's chain serves otherwise.
pub(crate) fn page(
    tsus: &[TsuSummary],
    readiness: &Readiness,
    url: &PublicUrl,
    has_root: bool,
) -> Response<Reply> {
    let mut html = String::with_capacity(8 * 1024);
    // Writing into a String does not fail.
    let _ = write_page(&mut html, tsus, readiness, url, has_root);
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

fn write_page(
    html: &mut String,
    tsus: &[TsuSummary],
    readiness: &Readiness,
    url: &PublicUrl,
    has_root: bool,
) -> fmt::Result {
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
    write_commands(html, tsus, url, has_root)?;
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
    let notes = readiness.reasons.iter().chain(&readiness.warnings);
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

fn write_tsus(html: &mut String, tsus: &[TsuSummary]) -> fmt::Result {
    html.push_str("<h2>Timestamping units</h2>\n");
    if tsus.is_empty() {
        html.push_str("<p>None is configured.</p>\n");
        return Ok(());
    }
    html.push_str(
        "<div class=\"scroll\"><table>\n<tr><th>Name</th><th>Algorithm</th><th>Policy</th><th>Accuracy</th>\
         <th>Issues until</th><th>Chain</th></tr>\n",
    );
    for tsu in tsus {
        let name = Escaped(&tsu.name);
        let default = if tsu.default { " (answers at /)" } else { "" };
        write!(html, "<tr><td>{name}{default}</td><td>{}</td><td>", Escaped(&tsu.algorithm))?;
        for (at, policy) in tsu.policies.iter().enumerate() {
            write!(html, "{}{}", if at == 0 { "" } else { "<br>" }, Escaped(policy))?;
        }
        writeln!(
            html,
            "</td><td>{} s</td><td>{}</td><td><a href=\"tsa/{name}/chain.pem\">PEM</a></td></tr>",
            tsu.accuracy_seconds,
            Escaped(&tsu.key_not_after)
        )?;
    }
    html.push_str("</table></div>\n");
    Ok(())
}

fn write_commands(html: &mut String, tsus: &[TsuSummary], url: &PublicUrl, has_root: bool) -> fmt::Result {
    let default = tsus.iter().find(|tsu| tsu.default).or_else(|| tsus.first());
    let root = match default {
        Some(tsu) if !has_root => format!("tsa/{}/chain.pem", tsu.name),
        Some(_) | None => "pki/root.pem".to_owned(),
    };
    let (url, root) = (url.to_string(), Escaped(&root));
    let url = Escaped(&url);
    write!(
        html,
        "<h2>Stamp a file</h2>\n<p>Make a request that holds the file's hash, and send it:</p>\n\
         <pre>openssl ts -query -data FILE -sha256 -cert -out FILE.tsq\n\
         curl -sSf -H 'Content-Type: application/timestamp-query' --data-binary @FILE.tsq -o FILE.tsr {url}/tsa</pre>\n\
         <h2>Verify it</h2>\n<p>Fetch the <a href=\"{root}\">root certificate</a> once, over a way that you trust, and \
         keep it:</p>\n<pre>curl -sSf -o root.pem {url}/{root}\n\
         openssl ts -verify -data FILE -in FILE.tsr -CAfile root.pem</pre>\n"
    )
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
    use crate::authority::ReadinessNote;

    fn tsu(name: &str) -> TsuSummary {
        TsuSummary {
            name: name.to_owned(),
            default: true,
            algorithm: "p-256".to_owned(),
            post_quantum: false,
            nested_tsu: None,
            policies: vec!["1.2.3".to_owned(), "1.2.4".to_owned()],
            accepted_hashes: vec!["sha256".to_owned()],
            accuracy_seconds: 1.0,
            not_before: "2026-01-01T00:00:00Z".to_owned(),
            not_after: "2031-01-01T00:00:00Z".to_owned(),
            key_not_after: "2027-01-01T00:00:00Z".to_owned(),
            certificate_serial: "01".to_owned(),
            ready: true,
        }
    }

    fn html(tsus: &[TsuSummary], time_assured: bool, has_root: bool) -> String {
        let note = ReadinessNote { tsu: None, code: "x", detail: "a <b> & \"c\"".to_owned() };
        let readiness = Readiness { ready: true, time_assured, reasons: Vec::new(), warnings: vec![note] };
        let mut html = String::new();
        write_page(&mut html, tsus, &readiness, &"https://tsa.example.org".parse().unwrap(), has_root)
            .unwrap();
        html
    }

    #[test]
    fn unassured_time_is_said_plainly() {
        assert!(html(&[tsu("default")], false, true).contains("The time is not assured."));
        assert!(!html(&[tsu("default")], true, true).contains("not assured"));
    }

    #[test]
    fn what_is_not_ours_is_escaped() {
        let html = html(&[tsu("<script>alert('x')</script>")], true, false);
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
    }

    #[test]
    fn the_commands_carry_the_address_and_a_root_that_exists() {
        let with_root = html(&[tsu("default")], true, true);
        assert!(with_root.contains("-o FILE.tsr https://tsa.example.org/tsa</pre>"));
        assert!(with_root.contains("https://tsa.example.org/pki/root.pem"));
        let without = html(&[tsu("default")], true, false);
        assert!(without.contains("https://tsa.example.org/tsa/default/chain.pem"));
        assert!(!without.contains("pki/root.pem"));
    }

    #[test]
    fn elements_are_closed() {
        let html = html(&[tsu("a"), tsu("b")], false, true);
        for element in ["html", "head", "body", "table", "tr", "td", "ul", "li", "pre", "footer", "div"] {
            let opened =
                html.matches(&format!("<{element}>")).count() + html.matches(&format!("<{element} ")).count();
            assert_eq!(opened, html.matches(&format!("</{element}>")).count(), "{element}");
        }
    }
}
