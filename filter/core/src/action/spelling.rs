//! Names and addresses that a server may read as others than they are written.

use crate::denial::BodyProblem;
use serde_json::{Map, Value};

/// Checks that an object has none of these members in another letter case: some servers take it for that one.
pub(super) fn has_one_spelling(object: &Map<String, Value>, members: &[&str]) -> Result<(), BodyProblem> {
    let is_other = |name: &String| members.iter().any(|member| poses_as(name, member));
    if object.keys().any(is_other) { Err(BodyProblem::Spelling) } else { Ok(()) }
}

/// Whether a server that compares names without regard to case, as those written with Go's `encoding/json` or .NET's web
/// defaults do, reads this name as the other one, which it is not.
pub(super) fn poses_as(name: &str, other: &str) -> bool {
    let is_ascii = name.is_ascii() && other.is_ascii();
    let is_close = name.eq_ignore_ascii_case(other) || (!is_ascii && folded(name).eq(folded(other)));
    is_close && name != other
}

/// The same for fields of Protocol Buffers: their JSON has `taskId`, and readers take the field's own name for it, `task_id`, too.
pub(super) fn poses_as_field(name: &str, other: &str) -> bool {
    if !name.contains('_') && !other.contains('_') {
        return poses_as(name, other);
    }
    let plain = |text| folded(text).filter(|character| *character != '_');
    name != other && plain(name).eq(plain(other))
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    // By way of upper case: the long s (U+017F) is an S there; by way of lower case: the sign for Kelvin (U+212A) is a k there.
    name.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .map(|c| if c == 'ı' { 'i' } else { c })
}

/// Whether no server reads this URI as another one: RFC 3986 §5.2.4 and the URL standard remove dot segments, also encoded ones, and
/// the latter takes a backslash for a slash and drops tabs and line feeds.
pub(super) fn is_plain_uri(uri: &str) -> bool {
    let path = uri.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let has_odd_characters = uri.chars().any(|c| c == '\\' || c.is_whitespace() || c.is_control());
    let has_hidden_slash = path.contains("%2f") || path.contains("%5c");
    let is_dots = |segment: &str| matches!(segment.replace("%2e", ".").as_str(), "." | "..");
    !has_odd_characters && !has_hidden_slash && !path.split('/').any(is_dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_differs_in_case_alone_poses_as_the_other() {
        for (name, other) in [
            ("Name", "name"),
            ("NAME", "name"),
            ("paramſ", "params"),
            ("toKen", "token"),
            ("to\u{212a}en", "token"),
            ("ur\u{131}", "uri"),
            ("ENV", "env"),
            ("key", "\u{212a}ey"),
        ] {
            assert!(poses_as(name, other), "{name}");
        }
        for (name, other) in [("name", "name"), ("names", "name"), ("nàme", "name"), ("", "name")] {
            assert!(!poses_as(name, other), "{name}");
        }
    }

    #[test]
    fn a_field_that_differs_in_case_or_underscores_poses_as_the_other() {
        for (name, other) in [
            ("task_id", "taskId"),
            ("Task_ID", "taskId"),
            ("_taskid", "taskId"),
            ("taskID", "taskId"),
            ("taskId", "task_id"),
            ("ta\u{17f}k_id", "taskId"),
        ] {
            assert!(poses_as_field(name, other), "{name}");
        }
        for (name, other) in [("taskId", "taskId"), ("task-id", "taskId"), ("tasks_id", "taskId"), ("_", "x")]
        {
            assert!(!poses_as_field(name, other), "{name}");
        }
    }

    #[test]
    fn a_uri_that_some_servers_read_as_another_is_not_plain() {
        for uri in [
            "file:///public/../private/x",
            "file:///public/%2e%2E/private/x",
            "file:///public/.%2e/private/x",
            "file:///public/./x",
            "file:///public/..",
            "docs://public/a/../../b",
            "file:///public/..\\private",
            "file:///public/.\t./x",
            "file:///public/a%2Fb",
            "file:///public/a%5cb",
            "ticket://7 ",
            "..",
        ] {
            assert!(!is_plain_uri(uri), "{uri}");
        }
        for uri in [
            "ticket://7",
            "file:///a/b.txt",
            "urn:x:..y",
            "https://a/b?next=../c",
            "file:///a/...",
            "x://{id}",
        ] {
            assert!(is_plain_uri(uri), "{uri}");
        }
    }
}
