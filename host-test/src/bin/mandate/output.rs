//! What every command prints the same way: results on standard output, everything else on standard error.

use anyhow::{Context as _, Result};
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use serde::Serialize;
use std::io::Write as _;
use std::path::Path;

/// A step of long work, for people.
pub fn progress(step: &str) {
    eprintln!("mandate: {step}");
}

/// A result for programs.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// A result for people. A reader that went away (`| head`) is no error.
pub fn line(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// How wide a table gets that is not shown on a terminal.
const WIDTH_WITHOUT_TERMINAL: u16 = 140;

/// A table with these headings; it fits itself to the terminal.
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    if !table.is_tty() {
        table.set_width(WIDTH_WITHOUT_TERMINAL);
    }
    table.set_header(headings.iter().map(|h| Cell::new(h).add_attribute(Attribute::Bold)));
    table
}

/// A cell that says yes or no. Colours are shown on a terminal only.
pub fn verdict(good: bool, text: &str) -> Cell {
    Cell::new(text).fg(if good { Color::Green } else { Color::Red })
}

/// A cell with a number.
pub fn number(text: &str) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A size, for people.
pub fn size(bytes: usize) -> String {
    format!("{} KB", bytes.div_ceil(1000))
}

/// The text of a file, or of standard input for `-`.
pub fn read(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        return std::io::read_to_string(std::io::stdin()).context("standard input");
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// A token of the command line: itself, or for `-` what standard input holds. A scheme before it is left out, so that a header's
/// value can be given.
pub fn token(token: &str) -> Result<String> {
    let text = if token == "-" { read("-".as_ref())? } else { token.to_owned() };
    let text = text.trim();
    let text = text
        .strip_prefix("authorization:")
        .or_else(|| text.strip_prefix("Authorization:"))
        .unwrap_or(text)
        .trim();
    let (scheme, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let is_scheme = ["bearer", "dpop"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let text = if is_scheme { rest.trim() } else { text };
    anyhow::ensure!(!text.is_empty(), "the token is empty");
    Ok(text.to_owned())
}

/// The host's clock, in seconds since the Unix epoch.
pub fn now() -> Result<u64> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs())
}

/// An error with its causes, from the outside in. A cause that the error before it quotes already is not said again.
pub fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_quoted_is_not_said_twice() {
        let missing = || std::io::Error::other("no such file");
        let quoted = anyhow::Error::new(missing()).context("key.json: no such file");
        assert_eq!(chain(&quoted), "key.json: no such file");
        let plain = anyhow::Error::new(missing()).context("key.json");
        assert_eq!(chain(&plain), "key.json: no such file");
    }
}
