//! Text for terminals: errors with their causes, and a stranger's text without what could trick its reader.

use std::error::Error;

/// The error and its causes.
pub(super) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Whether a terminal does not show it, or shows what stands beside it elsewhere: control characters, and Unicode's marks
/// and fillers without a width, or for the direction of writing.
pub(super) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether it is to be escaped wherever it stands: hidden, or white space that is not the common space.
fn is_misleading(character: char) -> bool {
    is_hidden(character) || (character.is_whitespace() && character != ' ')
}

/// Without what could move a terminal's cursor, turn text around, or fill a line so that what follows looks like the next:
/// of more spaces than one all but the first are escaped too.
pub(super) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    let mut is_after_space = false;
    for character in text.chars() {
        if is_misleading(character) || (is_after_space && character == ' ') {
            printable.extend(character.escape_unicode());
        } else {
            printable.push(character);
        }
        is_after_space = character == ' ';
    }
    printable
}

/// A stranger's text as a whole: printable, and in quotation marks that it cannot close.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", printable(&escaped))
}

/// A JSON text in which what [`printable`] escapes of single characters is escaped as JSON does it. Its own line ends stay:
/// those in strings are escaped already.
pub(super) fn printable_json(json: &str) -> String {
    let mut printable = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && is_misleading(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                printable.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            printable.push(character);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_cannot_move_the_cursor() {
        assert_eq!(printable("CN=a\u{1b}[2Jb\u{202e}c\n"), "CN=a\\u{1b}[2Jb\\u{202e}c\\u{a}");
        assert_eq!(printable("CN=Zeitstempel Zürich"), "CN=Zeitstempel Zürich");
        for hidden in "\u{9b}\u{85}\u{7f}\t\r\u{2028}\u{200b}\u{61c}\u{ad}\u{feff}\u{2066}\u{e0041}".chars() {
            assert_eq!(printable(&hidden.to_string()), hidden.escape_unicode().to_string());
        }
    }

    /// A line that is wrapped at 80 columns must not show a second one.
    #[test]
    fn a_strangers_text_cannot_fill_a_line() {
        assert_eq!(printable("a b"), "a b");
        assert_eq!(printable("a   b "), "a \\u{20}\\u{20}b ");
        for wide in ['\u{a0}', '\u{2003}', '\u{3000}', '\u{2800}', '\u{3164}'] {
            assert!(!printable(&format!("a{wide}b")).contains(wide));
        }
    }

    #[test]
    fn a_strangers_text_cannot_end_its_quotation() {
        assert_eq!(quoted("tsu default"), "\"tsu default\"");
        assert_eq!(quoted("a\" b\\\"\n"), "\"a\\\" b\\\\\\\"\\u{a}\"");
        assert_eq!(quoted(""), "\"\"");
    }

    #[test]
    fn json_reads_back_as_it_was_and_shows_nothing_hidden() {
        let text = "a\u{9b}2J\u{202e}b\n\u{7f}\u{e0041}  é\u{3000}";
        let json = serde_json::to_string_pretty(&serde_json::json!({ "key": text })).unwrap();
        let printable = printable_json(&json);
        assert!(printable.chars().all(|character| character == '\n' || !is_misleading(character)));
        assert!(printable.contains("\\u009b") && printable.contains("\\udb40\\udc41"));
        let back: serde_json::Value = serde_json::from_str(&printable).unwrap();
        assert_eq!(back["key"], text);
    }
}
