//! Text from outside on one line of a log: nothing in it begins another line, steers a terminal, or is not to be seen.

use std::fmt::Write as _;

/// Line and paragraph separators, control characters, and those that change the direction of text or have no width
/// (UAX #9, Unicode category Cf): with them one record can look like two, or like another.
const fn is_unprintable(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Whether all of a text can be seen, on one line, as what it is.
#[must_use]
pub fn is_printable(text: &str) -> bool {
    !text.contains(is_unprintable)
}

/// The text with a space for each such character.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect()
}

/// The text with a space for each such character but the ends of its lines.
#[must_use]
pub fn lines(text: &str) -> String {
    text.split('\n').map(one_line).collect::<Vec<_>>().join("\n")
}

/// JSON with each such character escaped (RFC 8259 §7); in JSON without white space they stand in strings only.
#[must_use]
pub fn json(json: String) -> String {
    if json.is_ascii() && !json.contains('\u{7f}') {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if is_unprintable(character) {
            // Writing to a string does not fail.
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                write!(escaped, "\\u{unit:04x}").ok();
            });
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// A text from outside for a message: on one line, and at most `most` bytes of it.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    let cut = text.get(..end).unwrap_or_default();
    let dots = if end < text.len() { "…" } else { "" };
    format!("{}{dots}", one_line(cut))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::Value;

    const NASTY: &str = "a\n\u{7f}\u{85}\u{2028}\u{2029}\u{202e}\u{200b}\u{feff}\u{e0041}é\u{1f600}";

    #[test]
    fn what_would_break_a_line_or_hide_is_escaped_and_reads_back_the_same() {
        let written = json(Value::from(NASTY).to_string());
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), NASTY);
        assert!(!written.chars().any(is_unprintable), "{written}");
        assert!(written.contains("é\u{1f600}") && written.contains("\\u2028"), "{written}");
    }

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(one_line(NASTY), "a         é\u{1f600}");
        assert_eq!(shortened("ab\ncd", 3), "ab …");
        assert_eq!(shortened("é", 1), "…");
        assert_eq!(shortened("é", 2), "é");
    }
}
