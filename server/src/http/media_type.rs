//! Media types in requests: `Content-Type` parsed properly (RFC 9110 §8.3.1), and what `Accept` prefers (§12.5.1).
//!
//! Substring search is what lets `multipart/form-data; boundary=application/timestamp-query` pass elsewhere. Values are
//! only compared, never kept.

use hyper::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};

/// RFC 3161 §3.4.
pub(crate) const TIMESTAMP_QUERY: &str = "application/timestamp-query";

/// Whether there is exactly one `Content-Type` field and it is `application/timestamp-query`, with any parameters.
pub(crate) fn is_timestamp_query(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => names_timestamp_query(value),
        (_, Some(_)) | (None, None) => false,
    }
}

/// Whether the body came as it is: no content coding, or `identity`.
pub(crate) fn is_unencoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn names_timestamp_query(value: &HeaderValue) -> bool {
    // What nearly every client sends, without the parser.
    if value.as_bytes() == TIMESTAMP_QUERY.as_bytes() {
        return true;
    }
    let Ok(text) = value.to_str() else { return false };
    let Some(essence) = text.get(..TIMESTAMP_QUERY.len()) else { return false };
    let Some(parameters) = text.get(TIMESTAMP_QUERY.len()..) else { return false };
    essence.eq_ignore_ascii_case(TIMESTAMP_QUERY) && are_parameters(parameters)
}

/// `*( OWS ";" OWS [ token "=" ( token / quoted-string ) ] )`
fn are_parameters(text: &str) -> bool {
    let mut rest = text.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let Some(after) = rest.strip_prefix(';') else { return false };
        rest = after.trim_start_matches([' ', '\t']);
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let Some((name, value)) = rest.split_once('=') else { return false };
        if !is_token(name) {
            return false;
        }
        let end = match value.strip_prefix('"') {
            Some(quoted) => quoted_string_length(quoted).map(|length| length + 1),
            None => Some(value.find([';', ' ', '\t']).unwrap_or(value.len()))
                .filter(|end| value.get(..*end).is_some_and(is_token)),
        };
        let Some(after) = end.and_then(|end| value.get(end..)) else { return false };
        rest = after.trim_start_matches([' ', '\t']);
    }
    true
}

/// Length up to and with the closing quote.
fn quoted_string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether `Accept` wants JSON rather than HTML. Without the field, or with `*/*`, HTML.
pub(crate) fn prefers_json(headers: &HeaderMap) -> bool {
    prefers(headers, "application/json", "text/html")
}

/// Whether `Accept` wants a certificate in DER rather than PEM. Without the field, or with `*/*`, PEM.
pub(crate) fn prefers_der(headers: &HeaderMap) -> bool {
    prefers(headers, "application/pkix-cert", "application/x-pem-file")
}

/// Whether `Accept` wants `other` rather than `usual`.
fn prefers(headers: &HeaderMap, other: &str, usual: &str) -> bool {
    let main_type = |essence: &'_ str| essence.split_once('/').map_or("", |(main, _)| main).to_owned();
    let (other_main, usual_main) = (main_type(other), main_type(usual));
    let mut wanted = Quality::default();
    let mut default = Quality::default();
    for value in headers.get_all(ACCEPT) {
        let Ok(text) = value.to_str() else { continue };
        for range in text.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let Some(essence) = parts.next() else { continue };
            let thousandths = parts.find_map(quality_parameter).unwrap_or(1000);
            wanted.consider(essence, &other_main, other, thousandths);
            default.consider(essence, &usual_main, usual, thousandths);
        }
    }
    wanted.thousandths > default.thousandths
}

/// The quality of one media type: that of the most specific range.
#[derive(Default)]
struct Quality {
    specificity: u8,
    thousandths: u16,
}

impl Quality {
    fn consider(&mut self, range: &str, main_type: &str, essence: &str, thousandths: u16) {
        let specificity = if range.eq_ignore_ascii_case(essence) {
            3
        } else if range.strip_suffix("/*").is_some_and(|main| main.eq_ignore_ascii_case(main_type)) {
            2
        } else if range == "*/*" {
            1
        } else {
            return;
        };
        if specificity > self.specificity {
            *self = Self { specificity, thousandths };
        }
    }
}

fn quality_parameter(parameter: &str) -> Option<u16> {
    let value = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?;
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    let mut thousandths = 0;
    for (place, digit) in [100, 10, 1].into_iter().zip(fraction.bytes()) {
        thousandths += place * u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    Some((whole * 1000 + thousandths).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_types(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_media_type_is_parsed() {
        for accepted in [
            "application/timestamp-query",
            "Application/TimeStamp-Query",
            "application/timestamp-query; charset=utf-8",
            "application/timestamp-query;charset=\"a;\\\"b\" ; x=y",
            "application/timestamp-query;",
            "application/timestamp-query ; ;",
        ] {
            assert!(is_timestamp_query(&content_types(&[accepted])), "{accepted}");
        }
        for refused in [
            "",
            "application/timestamp-reply",
            "application/timestamp-query2",
            "application/timestamp-query, application/timestamp-query",
            "application/timestamp-query x",
            "application/timestamp-query; charset",
            "application/timestamp-query; =x",
            "application/timestamp-query; a=\"open",
            "application/timestamp-query; a=b c",
            "multipart/form-data; boundary=application/timestamp-query",
            "text/plain",
        ] {
            assert!(!is_timestamp_query(&content_types(&[refused])), "{refused}");
        }
    }

    #[test]
    fn a_missing_or_doubled_content_type_is_refused() {
        assert!(!is_timestamp_query(&content_types(&[])));
        assert!(!is_timestamp_query(&content_types(&[TIMESTAMP_QUERY, TIMESTAMP_QUERY])));
    }

    #[test]
    fn accept_decides_between_json_and_html() {
        for (accept, json) in [
            ("application/json", true),
            ("application/json, text/html;q=0.5", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("*/*", false),
            ("application/*;q=0.3, text/html;q=0.2", true),
            ("application/json;q=0", false),
            ("application/json;q=0.5, */*;q=0.9", false),
            (";;,,;q=", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(prefers_json(&headers), json, "{accept}");
        }
        assert!(!prefers_json(&HeaderMap::new()));
    }

    #[test]
    fn content_codings_are_seen() {
        let mut headers = HeaderMap::new();
        assert!(is_unencoded(&headers));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("Identity"));
        assert!(is_unencoded(&headers));
        headers.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_unencoded(&headers));
    }
}
