//! A message for a key that the configuration does not know: with the nearest one that it does.

/// The parser's message, and for an unknown key a guess at what was meant.
pub(super) fn explain(error: &toml::de::Error) -> String {
    let message = error.to_string();
    let message = message.trim_end();
    match suggestion(error.message()) {
        Some(known) => format!("{message}\ndid you mean `{known}`?"),
        None => message.to_owned(),
    }
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
