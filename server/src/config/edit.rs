//! Changes to `attestamp.toml` that commands make, with the operator's own comments and order kept.

use toml_edit::{DocumentMut, Item, Table, value};

/// Why the file could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file is not TOML.
    #[error("attestamp.toml is not TOML")]
    Syntax(#[from] toml_edit::TomlError),
    /// There is no such table.
    #[error("there is no [tsu.{tsu}] in attestamp.toml")]
    UnknownTsu {
        /// The name looked for.
        tsu: Box<str>,
    },
}

/// The text with `table` (one or more whole tables) added at its end.
#[must_use]
pub fn with_table(text: &str, table: &str) -> String {
    let separator = if text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{separator}{table}")
}

/// The text with `retired = true` in `[tsu.NAME]`.
///
/// # Errors
/// [`EditError`] if the text is not TOML or has no such table.
pub fn with_retired(text: &str, tsu: &str) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    let table = document
        .get_mut("tsu")
        .and_then(|tsus| tsus.get_mut(tsu))
        .and_then(Item::as_table_like_mut)
        .ok_or_else(|| EditError::UnknownTsu { tsu: tsu.into() })?;
    table.insert("retired", value(true));
    Ok(document.to_string())
}

/// The text with these keys in `[ledger]`, which is added if there is none; its other keys and comments stay.
///
/// # Errors
/// [`EditError::Syntax`] if the text is not TOML.
pub fn with_ledger(text: &str, settings: &[(&str, &str)]) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse()?;
    let table = document.entry("ledger").or_insert(Item::Table(Table::new()));
    if let Some(table) = table.as_table_like_mut() {
        table.insert("enabled", value(true));
        for (key, setting) in settings {
            table.insert(key, value(*setting));
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retiring_keeps_comments_and_the_other_tables() {
        let text = "# mine\n[tsu.a]\nkey = \"x\" # why\n\n[tsu.b]\nkey = \"y\"\n";
        let edited = with_retired(text, "a").unwrap();
        assert_eq!(edited, "# mine\n[tsu.a]\nkey = \"x\" # why\nretired = true\n\n[tsu.b]\nkey = \"y\"\n");
    }

    #[test]
    fn retiring_an_unknown_tsu_is_refused() {
        assert!(matches!(with_retired("[tsu.a]\n", "b"), Err(EditError::UnknownTsu { .. })));
        assert!(matches!(with_retired("[tsu.a\n", "a"), Err(EditError::Syntax(_))));
    }

    #[test]
    fn the_settings_of_a_ledger_replace_its_own_and_leave_the_rest() {
        let text = "[ledger] # mine\nenabled = false\ncheckpoint-seconds = 5\norigin = \"old\"\n";
        let edited = with_ledger(text, &[("origin", "new"), ("token", "main")]).unwrap();
        assert_eq!(
            edited,
            "[ledger] # mine\nenabled = true\ncheckpoint-seconds = 5\norigin = \"new\"\ntoken = \"main\"\n"
        );
        assert_eq!(
            with_ledger("", &[("origin", "o")]).unwrap(),
            "[ledger]\nenabled = true\norigin = \"o\"\n"
        );
    }

    #[test]
    fn a_table_is_added_on_a_line_of_its_own() {
        assert_eq!(with_table("a = 1", "[b]\n"), "a = 1\n[b]\n");
    }
}
