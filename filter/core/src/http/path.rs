//! The request path in one normal form, and the prefixes that routes match it with.
//!
//! ```text
//! target   = path [ "?" query ]                  ; the `:path` pseudo header, at most `limits::PATH_BYTES`
//! path     = "/" [ segment *( "/" segment ) ]     ; `#` nowhere
//! segment  = *pchar                               ; RFC 3986 §3.3
//! pchar    = unreserved / triplet / sub-delims / ":" / "@"   ; except ";"
//! triplet  = "%" HEXDIG HEXDIG                    ; except %2F, %5C, %3B, %00 to %1F and %7F; together UTF-8
//! query    = *( %x21-22 / %x24-7E )               ; carried as it came
//! ```
//!
//! The normal form decodes every character that may stand plain in a segment and writes the other triplets with upper-case
//! digits (RFC 3986 §6.2.2), merges duplicate slashes, and then removes dot segments (RFC 3986 §5.2.4). RFC 3986 §2.2 would
//! keep an encoded sub-delimiter apart from the plain one; servers decode a path before they route by it, so a rule on
//! `/message:send` must hold for `/message%3Asend` too. What proxy and upstream could read differently is refused rather than
//! guessed: encoded slashes, backslashes and control characters, triplets that are no UTF-8, a segment that ends in white
//! space, a step above the root, path parameters (`/admin;x`, `/..;/`).

mod prefix;

pub use prefix::PathPrefix;

use crate::denial::PathError;
use crate::limits;
use core::fmt;

/// A request path in normal form, with its query as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NormalPath {
    path: String,
    query: Option<String>,
    changed: bool,
    /// Whether a server that takes no notice of case may read it as another path, see [`fold`].
    folds: bool,
}

impl NormalPath {
    /// Normalises a `:path` pseudo header.
    ///
    /// Normalising a normal form gives the same form again.
    ///
    /// # Errors
    /// See [`PathError`]; a path that is refused must be denied.
    pub fn normalise(raw: impl AsRef<[u8]>) -> Result<Self, PathError> {
        normalise(raw.as_ref())
    }

    /// The path alone, beginning with `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// What followed the first `?`, untouched.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Whether a server that takes no notice of case may read it as another path, see [`fold`].
    #[must_use]
    pub(crate) const fn folds(&self) -> bool {
        self.folds
    }

    /// Whether [`NormalPath::to_header`] differs from what came, so that the upstream must be sent the former.
    #[must_use]
    pub const fn changed(&self) -> bool {
        self.changed
    }

    /// The value for the `:path` pseudo header.
    #[must_use]
    pub fn to_header(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match &self.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// A path as servers read it that take no notice of case, and files of whose systems may end in dots: decoded, in lower case
/// (with the letters outside ASCII that some take for `i` and `s`), each segment without the dots at its end and without a
/// stream of a file behind `::`.
#[must_use]
pub(crate) fn fold(path: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let mut folded = String::with_capacity(decoded.len());
    for (position, segment) in decoded.split('/').enumerate() {
        if position > 0 {
            folded.push('/');
        }
        let segment = segment.split_once("::").map_or(segment, |(name, _)| name);
        for character in segment.trim_end_matches('.').chars() {
            match character {
                '\u{130}' | '\u{131}' => folded.push('i'),
                '\u{17f}' => folded.push('s'),
                other => folded.extend(other.to_lowercase()),
            }
        }
    }
    folded
}

/// Whether [`fold`] may change the path.
pub(crate) fn may_fold(path: &str) -> bool {
    let followers = path.bytes().skip(1).chain([b'/']);
    path.bytes()
        .zip(followers)
        .any(|pair| matches!(pair, (b'A'..=b'Z' | b'%', _) | (b'.', b'/') | (b':', b':')))
}

fn normalise(raw: &[u8]) -> Result<NormalPath, PathError> {
    if raw.len() > limits::PATH_BYTES {
        return Err(PathError::TooLong { bytes: raw.len() });
    }
    if raw.first() != Some(&b'/') {
        return Err(PathError::NotAbsolute);
    }
    if let Some(at) = raw.iter().position(|&byte| byte == b'#') {
        return Err(PathError::Fragment { at });
    }
    let question = raw.iter().position(|&byte| byte == b'?').unwrap_or(raw.len());
    let (raw_path, rest) = raw.split_at_checked(question).unwrap_or((raw, &[]));
    let path = match std::str::from_utf8(raw_path) {
        // As most paths are.
        Ok(path) if is_surely_normal(raw_path) => path.to_owned(),
        _ => without_dot_segments(&decode(raw_path)?)?,
    };
    let query = match rest.split_first() {
        None => None,
        Some((_, query)) => Some(checked_query(query, question + 1)?),
    };
    let changed = path.as_bytes() != raw_path;
    let folds = may_fold(&path);
    Ok(NormalPath { path, query, changed, folds })
}

/// Whether a path that begins with a slash is in normal form, at a glance: nothing in it is encoded or refused, no segment is
/// empty, and none begins with a dot.
fn is_surely_normal(path: &[u8]) -> bool {
    let followers = path.iter().skip(1).copied();
    let mut pairs = path.iter().copied().zip(followers);
    path.iter().all(|byte| *byte == b'/' || is_plain_pchar(*byte))
        && !pairs.any(|pair| matches!(pair, (b'/', b'/' | b'.')))
}

/// Decodes what may stand plain, writes the other triplets in upper case, and refuses what no path may hold.
fn decode(path: &[u8]) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len());
    // Everything decoded, as a server sees it before it routes, and where each byte came from.
    let (mut seen, mut places) = (Vec::with_capacity(path.len()), Vec::with_capacity(path.len()));
    let mut bytes = path.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        places.push(at);
        if is_plain_pchar(byte) || byte == b'/' {
            out.push(char::from(byte));
            seen.push(byte);
            continue;
        }
        if byte == b';' {
            return Err(PathError::Parameter { at });
        }
        if byte != b'%' {
            return Err(PathError::ForbiddenByte { byte, at });
        }
        let mut digit = || bytes.next().and_then(|(_, digit)| hex_value(digit));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(PathError::BadTriplet { at });
        };
        let byte = high << 4 | low;
        seen.push(byte);
        match byte {
            b'/' | b'\\' | 0x00..=0x1F | 0x7F => return Err(PathError::AmbiguousTriplet { byte, at }),
            b';' => return Err(PathError::Parameter { at }),
            byte if is_plain_pchar(byte) => out.push(char::from(byte)),
            _ => out.extend(['%', hex_digit(high), hex_digit(low)]),
        }
    }
    let place = |position: usize| places.get(position).copied().unwrap_or(path.len());
    let seen =
        str::from_utf8(&seen).map_err(|error| PathError::NotUtf8 { at: place(error.valid_up_to()) })?;
    let mut before = None;
    for (position, character) in seen.char_indices().chain([(seen.len(), '/')]) {
        if character == '/' && before.is_some_and(char::is_whitespace) {
            return Err(PathError::TrailingSpace { at: place(position) });
        }
        before = Some(character);
    }
    Ok(out)
}

/// Merges slashes and removes dot segments, in that order: `/a//../b` is `/b`, as it is to all who merge.
fn without_dot_segments(path: &str) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len());
    // A path that ends in a slash or a dot segment names a directory and keeps its slash.
    let mut directory = true;
    for segment in path.split('/') {
        directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => out.truncate(out.rfind('/').ok_or(PathError::AboveRoot)?),
            name => {
                out.push('/');
                out.push_str(name);
            }
        }
    }
    if directory {
        out.push('/');
    }
    Ok(out)
}

fn checked_query(query: &[u8], offset: usize) -> Result<String, PathError> {
    let mut out = String::with_capacity(query.len());
    for (at, &byte) in query.iter().enumerate() {
        if !byte.is_ascii_graphic() {
            return Err(PathError::ForbiddenByte { byte, at: offset + at });
        }
        out.push(char::from(byte));
    }
    Ok(out)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `pchar` without triplets.
const fn is_plain_pchar(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The glance takes nothing for normal that the long way would change or refuse.
        #[test]
        fn what_looks_normal_is_normal(path in "/[a./%;~2f-]{0,12}") {
            if is_surely_normal(path.as_bytes()) {
                prop_assert_eq!(without_dot_segments(&decode(path.as_bytes()).unwrap()).unwrap(), path);
            }
        }
    }

    #[test]
    fn a_usual_path_looks_normal() {
        for path in ["/", "/v1/tickets/42", "/v1/", "/a.b/c..d"] {
            assert!(is_surely_normal(path.as_bytes()), "{path}");
        }
        for path in ["//", "/a//b", "/.", "/a/../b", "/%41", "/a;b", "/a b"] {
            assert!(!is_surely_normal(path.as_bytes()), "{path}");
        }
    }
}
