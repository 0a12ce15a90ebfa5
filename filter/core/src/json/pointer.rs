//! JSON pointers (RFC 6901).

use core::fmt;
use serde_json::{Map, Value};

/// A pointer to a member of an object, taken apart when it is read and not each time that it is used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    text: String,
    /// The reference tokens, unescaped; never empty.
    segments: Vec<String>,
}

/// Why a text is no pointer to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// It does not begin with a slash.
    #[error("must be a JSON pointer (RFC 6901), which begins with `/`")]
    NoSlash,
    /// A tilde that is followed neither by `0` nor by `1`.
    #[error("has a `~` that is not `~0` (for a tilde) or `~1` (for a slash)")]
    Escape,
}

impl Pointer {
    /// Reads a pointer. The empty one, which points to the whole document, is none.
    ///
    /// # Errors
    /// If it does not follow RFC 6901 §3.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        let rest = text.strip_prefix('/').ok_or(PointerError::NoSlash)?;
        let segments = rest.split('/').map(unescaped).collect::<Option<_>>().ok_or(PointerError::Escape)?;
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The value that it points to in an object (RFC 6901 §4).
    #[must_use]
    pub fn find<'v>(&self, object: &'v Map<String, Value>) -> Option<&'v Value> {
        let (first, rest) = self.segments.split_first()?;
        rest.iter().try_fold(object.get(first)?, |value, segment| match value {
            Value::Object(members) => members.get(segment),
            Value::Array(elements) => elements.get(array_index(segment)?),
            _ => None,
        })
    }

    /// Its reference tokens, unescaped; there is at least one.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The pointer as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it points to, in short: a member of the object itself by its name alone.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.segments.as_slice() {
            [name] => name,
            _ => &self.text,
        }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Appends one reference token to a JSON pointer, escaped as RFC 6901 §3 asks.
#[must_use]
pub fn pointer_push(base: &str, segment: &str) -> String {
    let mut pointer = String::with_capacity(base.len() + segment.len() + 1);
    pointer.push_str(base);
    pointer.push('/');
    for character in segment.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
    pointer
}

fn unescaped(segment: &str) -> Option<String> {
    let mut parts = segment.split('~');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match part.strip_prefix('0') {
            Some(rest) => ('~', rest),
            None => ('/', part.strip_prefix('1')?),
        };
        text.push(character);
        text.push_str(rest);
    }
    Some(text)
}

/// The index of an array that a reference token stands for (RFC 6901 §4): digits without leading zeros.
#[must_use]
pub fn array_index(segment: &str) -> Option<usize> {
    let plain = segment == "0" || !segment.starts_with('0');
    (plain && segment.bytes().all(|byte| byte.is_ascii_digit())).then(|| segment.parse().ok()).flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_pointer_to_a_member_is_refused() {
        for (text, error) in [
            ("", PointerError::NoSlash),
            ("sub", PointerError::NoSlash),
            ("#/sub", PointerError::NoSlash),
            ("/~", PointerError::Escape),
            ("/a~2b", PointerError::Escape),
            ("/a~", PointerError::Escape),
            ("/~~0", PointerError::Escape),
        ] {
            assert_eq!(Pointer::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn it_finds_what_serde_json_finds() {
        let value = json!({
            "sub": "a", "": 1, "a/b": 2, "m~n": 3, "~1": 4, "list": [10, { "x": 11 }], "deep": { "er": { "": 5 } },
            "https://app/roles": ["r"], "null": null,
        });
        for text in [
            "/sub",
            "/",
            "/a~1b",
            "/m~0n",
            "/~01",
            "/list/0",
            "/list/1/x",
            "/list/01",
            "/list/-",
            "/list/2",
            "/list/+1",
            "/list/",
            "/deep/er",
            "/deep/er/",
            "/deep/no",
            "/https:~1~1app~1roles",
            "/https:~1~1app~1roles/0",
            "/null",
            "/sub/0",
            "/no",
        ] {
            let found = Pointer::parse(text).unwrap();
            assert_eq!(found.find(value.as_object().unwrap()), value.pointer(text), "{text}");
        }
    }

    #[test]
    fn a_member_of_the_object_itself_is_named_without_its_slash() {
        for (text, name) in
            [("/sub", "sub"), ("/a~1b", "a/b"), ("/realm_access/roles", "/realm_access/roles")]
        {
            assert_eq!(Pointer::parse(text).unwrap().name(), name);
        }
    }
}
