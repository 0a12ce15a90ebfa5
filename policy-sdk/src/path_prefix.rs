//! Prefixes of paths.

use serde::Deserialize;
use std::fmt;

/// A path prefix that is compared by whole segments and case-sensitively, as the `path_prefix` of a route is. A trailing
/// slash has no meaning. Use it as a type in settings: a prefix that cannot match any path is an error there.
///
/// `/v1/production` and `/v1/production/` both match `/v1/production`, `/v1/production/` and `/v1/production/orders`; neither
/// matches `/v1/productions`. `/` matches every path. `str::starts_with` cannot express this.
///
/// ```
/// use mandate_policy::{PathPrefix, Request};
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     path_prefix: PathPrefix,
/// }
///
/// # use mandate_policy::{Policy, Problem, Verdict, testing::{configure, json}};
/// # #[derive(Debug)]
/// # struct Guard(PathPrefix);
/// # impl Policy for Guard {
/// #     const SUMMARY: &'static str = "";
/// #     type Settings = Settings;
/// #     fn new(settings: Settings) -> Result<Self, Vec<Problem>> { Ok(Self(settings.path_prefix)) }
/// #     fn check(&self, request: &Request) -> Verdict {
/// #         if self.0.matches(&request.path()) { Verdict::deny("guarded", "") } else { Verdict::abstain() }
/// #     }
/// # }
/// let guard: Guard = configure(json!({ "path_prefix": "/v1/production/" })).unwrap();
/// let verdict = |path| guard.check(&Request::builder().path(path).build());
/// assert_eq!(verdict("/v1/production"), Verdict::deny("guarded", ""));
/// assert_eq!(verdict("/v1/productions"), Verdict::abstain());
/// let problems = configure::<Guard>(json!({ "path_prefix": "production" })).unwrap_err();
/// assert_eq!(problems, [Problem::at("/path_prefix", "must begin with `/`")]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct PathPrefix {
    /// Without the slash at its end.
    prefix: String,
}

/// Why a string is not a valid prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathPrefixError {
    /// It does not begin with a slash.
    NotAbsolute,
    /// It is not in normal form, so it would not match any path.
    NotNormal,
}

impl PathPrefix {
    /// The prefix without a trailing slash: an empty string for `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.prefix
    }

    /// Whether a path is equal to the prefix or below it. The path must be in normal form, as
    /// [`Request::path`](crate::Request::path) is.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.below(path).is_some()
    }

    /// The rest of the path after the prefix and a slash, if the path is equal to the prefix or below it. For the prefix
    /// `/v1/production` it is `orders/7` for `/v1/production/orders/7`, and empty for `/v1/production` and `/v1/production/`.
    #[must_use]
    pub fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.prefix.as_str())?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }
}

impl TryFrom<String> for PathPrefix {
    type Error = PathPrefixError;

    fn try_from(mut prefix: String) -> Result<Self, PathPrefixError> {
        if !prefix.starts_with('/') {
            return Err(PathPrefixError::NotAbsolute);
        }
        if prefix.ends_with('/') {
            prefix.pop();
        }
        // Behind the first slash, which is all that there is of `/`.
        if prefix.split('/').skip(1).all(is_normal) {
            Ok(Self { prefix })
        } else {
            Err(PathPrefixError::NotNormal)
        }
    }
}

/// Whether a segment can be one of a path in the filter's normal form.
///
/// ```text
/// segment = 1*( pchar / triplet )      ; RFC 3986 §3.3, neither `.` nor `..`, without `;`
/// triplet = "%" 2( DIGIT / "A"-"F" )   ; of UTF-8, where the character cannot stand plain and is not refused; no last space
/// ```
fn is_normal(segment: &str) -> bool {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, rest @ ..] => {
                let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low)) else { return false };
                let byte = high << 4 | low;
                if is_plain(byte) || byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b';') {
                    return false;
                }
                decoded.push(byte);
                rest
            }
            [byte, rest @ ..] if is_plain(*byte) => {
                decoded.push(*byte);
                rest
            }
            _ => return false,
        }
    }
    !matches!(segment, "" | "." | "..") && !decoded.ends_with(b" ") && std::str::from_utf8(&decoded).is_ok()
}

/// `pchar` without triplets and without `;`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

impl fmt::Display for PathPrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAbsolute => "must begin with `/`",
            Self::NotNormal => {
                "must be a path in normal form, or it matches nothing: no empty segment, `.` or `..`, no `?`, `#` or `;`, \
                 and percent-encoded with upper-case digits only what cannot stand plain"
            }
        })
    }
}

impl std::error::Error for PathPrefixError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> PathPrefix {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn a_prefix_is_whole_segments() {
        for written in ["/v1/production", "/v1/production/"] {
            let prefix = prefix(written);
            for path in [
                "/v1/productions",
                "/v1/production-like/x",
                "/v1/prod",
                "/v1",
                "/",
                "/V1/production",
                "/x/v1/production",
            ] {
                assert!(!prefix.matches(path), "{written} {path}");
            }
            for (path, below) in [
                ("/v1/production", ""),
                ("/v1/production/", ""),
                ("/v1/production/orders", "orders"),
                ("/v1/production/orders/7", "orders/7"),
                ("/v1/production//", "/"),
            ] {
                assert_eq!(prefix.below(path), Some(below), "{written} {path}");
            }
        }
    }

    #[test]
    fn the_root_is_a_prefix_of_everything() {
        for (path, below) in [("/", ""), ("/v1", "v1"), ("/v1/", "v1/")] {
            assert_eq!(prefix("/").below(path), Some(below), "{path}");
        }
    }

    #[test]
    fn a_prefix_that_can_match_nothing_is_refused() {
        for text in ["", "v1", "v1/", "*", "https://tools.example/v1"] {
            assert_eq!(PathPrefix::try_from(text.to_owned()), Err(PathPrefixError::NotAbsolute), "{text}");
        }
        for text in [
            "//", "/v1//", "/v1//x", "/./", "/v1/.", "/v1/../x", "/v1?", "/v1?x", "/v1#x", "/v1;x", "/v 1",
            "/v\\1", "/é", "/v1%", "/v1%2", "/%zz", "/%c3%a9", "/%41", "/%2E%2E", "/%3A", "/%2F", "/%5C",
            "/%3B", "/%00", "/%7F", "/%FF", "/%C3", "/a%20",
        ] {
            assert_eq!(PathPrefix::try_from(text.to_owned()), Err(PathPrefixError::NotNormal), "{text}");
        }
        for text in ["/", "/v1", "/v1/", "/a.b/c..d", "/~u/a:b@c", "/caf%C3%A9", "/a%20b/%25", "/%7B%7D/x"] {
            assert_eq!(prefix(text).below(text.trim_end_matches('/')), Some(""), "{text}");
        }
    }
}
