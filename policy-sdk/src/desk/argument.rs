//! Finding an argument as the filter does: what servers read in different ways is found by nobody.

use crate::ArgumentError;
use serde_json::{Map, Value};

/// The argument at a JSON pointer; none if it is absent.
pub(super) fn find<'a>(
    pointer: &str,
    arguments: &'a Map<String, Value>,
) -> Result<Option<&'a Value>, ArgumentError> {
    let rest = pointer.strip_prefix('/').ok_or(ArgumentError::NotAPointer)?;
    let segments: Option<Vec<String>> = rest.split('/').map(unescaped).collect();
    let segments = segments.ok_or(ArgumentError::NotAPointer)?;
    let Some((first, rest)) = segments.split_first() else { return Err(ArgumentError::NotAPointer) };
    let mut found = member(arguments, first)?;
    for segment in rest {
        found = match found {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(members)) => member(members, segment)?,
            Some(Value::Array(elements)) => index(segment).and_then(|index| elements.get(index)),
            Some(_) => return Err(ArgumentError::Ambiguous),
        };
    }
    Ok(found)
}

fn member<'a>(members: &'a Map<String, Value>, segment: &str) -> Result<Option<&'a Value>, ArgumentError> {
    let is_other =
        |name: &String| (name != segment && folded(name) == folded(segment)) || name == "__proto__";
    if members.keys().any(is_other) { Err(ArgumentError::Ambiguous) } else { Ok(members.get(segment)) }
}

/// As servers see a name that take no notice of letter case, in Unicode too.
fn folded(name: &str) -> String {
    let folded = name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.map(|character| if character == '\u{131}' { 'i' } else { character }).collect()
}

/// RFC 6901 §4.
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

/// RFC 6901 §4: digits without leading zeros.
fn index(segment: &str) -> Option<usize> {
    let plain = segment == "0" || !segment.starts_with('0');
    (plain && segment.bytes().all(|byte| byte.is_ascii_digit())).then(|| segment.parse().ok()).flatten()
}
