//! A message for a file that does not parse: one line, with the place, and for an unknown key the nearest one known.
//!
//! The file's own text is never shown: somebody may have written a PIN into it.

/// How to write an address to listen on.
pub(crate) const ADDRESS_FORM: &str = "must be an IP address and a port, as 127.0.0.1:3161 or [::]:3161";

/// Line, column and reason, and for an unknown key a guess at what was meant.
pub(crate) fn explain(error: &toml::de::Error, text: &str) -> String {
    let message = error.message();
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let column = before.get(line_start..).unwrap_or_default().chars().count().saturating_add(1);
    let line = before.matches('\n').count().saturating_add(1);
    let key = text.get(line_start..).unwrap_or_default().trim_start();
    let reason = match suggestion(message) {
        Some(known) => format!("{message}; did you mean `{known}`?"),
        None if key.starts_with("pin") && message.starts_with("invalid type") => {
            "the value must be a text in quotes; the PIN itself does not belong in this file".to_owned()
        }
        None => in_plain_words(message),
    };
    format!("line {line}, column {column}: {}", reason.trim_end().replace('\n', "; "))
}

/// The parser's message without the names of Rust's types.
fn in_plain_words(message: &str) -> String {
    if message == "invalid socket address syntax" {
        return ADDRESS_FORM.to_owned();
    }
    message
        .replace("expected usize", "expected a whole number, 0 or more")
        .replace("expected u32", "expected a whole number, 0 or more")
        .replace("expected u8", "expected a whole number from 0 to 255")
        .replace("expected path string", "expected a path in quotes")
        .replace("expected socket address", "expected an address and port in quotes, as \"127.0.0.1:3161\"")
}

/// The known name nearest to the unknown one in serde's "unknown field `x`, expected one of `a`, `b`".
fn suggestion(message: &str) -> Option<&str> {
    let rest =
        message.strip_prefix("unknown field `").or_else(|| message.strip_prefix("unknown variant `"))?;
    let (unknown, expected) = rest.split_once('`')?;
    expected
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().div_ceil(2))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn the_nearest_known_key_is_named() {
        let message = "unknown field `lisen`, expected one of `listen`, `public-url`, `tls-key`";
        assert_eq!(suggestion(message), Some("listen"));
    }

    #[test]
    fn a_key_like_no_other_gets_no_suggestion() {
        assert_eq!(suggestion("unknown field `zzzzzzzz`, expected `listen` or `tls-key`"), None);
        assert_eq!(suggestion("invalid type: integer `3`, expected a string"), None);
    }
}
