//! JSON pointers (RFC 6901).

/// Joins names and indices to a JSON pointer (RFC 6901) and escapes each of them, so that a name from the request cannot
/// refer to another value.
///
/// ```
/// assert_eq!(mandate_policy::pointer(["models", "a/b"]), "/models/a~1b");
/// ```
pub fn pointer<T: AsRef<str>>(tokens: impl IntoIterator<Item = T>) -> String {
    let mut pointer = String::new();
    for token in tokens {
        pointer.push('/');
        for character in token.as_ref().chars() {
            match character {
                // RFC 6901 §3.
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                other => pointer.push(other),
            }
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::pointer;
    use serde_json::json;

    #[test]
    fn a_name_cannot_point_elsewhere() {
        let claims = json!({ "roles": { "guest": false, "guest/../admin": true, "~1": 1, "": 2 } });
        for (name, value) in claims["roles"].as_object().unwrap() {
            assert_eq!(claims.pointer(&pointer(["roles", name])), Some(value), "{name}");
        }
        assert_eq!(claims.pointer(&pointer(["roles/guest"])), None);
    }

    #[test]
    fn nothing_points_at_the_whole() {
        assert_eq!(pointer::<&str>([]), "");
    }
}
