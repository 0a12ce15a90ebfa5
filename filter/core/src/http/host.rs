//! The host that a request is for, and the hosts that routes match it with.
//!
//! ```text
//! authority = host [ ":" port ]                    ; `:authority` (RFC 9113 §8.3.1), or `host` (RFC 9110 §7.2)
//! host      = name [ "." ] / "[" 1*( HEXDIG / ":" / "." ) "]"
//! name      = 1*( ALPHA / DIGIT / "-" / "." / "_" )
//! port      = 1*DIGIT                              ; at most 65535
//! pattern   = host / "*." name                     ; any number of labels before the name, at least one
//! ```
//!
//! Hosts compare without port, without regard to case, and without the dot that ends an absolute name (RFC 3986 §3.2.2).

use crate::limits;
use std::borrow::Cow;
use std::fmt;

/// The host of a request in lower case, without port and closing dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host<'a>(Cow<'a, str>);

impl<'a> Host<'a> {
    /// From an authority. `None` if it is none: user information, percent-encoding and what is not ASCII included, which
    /// servers read differently.
    #[must_use]
    pub fn parse(authority: &'a [u8]) -> Option<Self> {
        let authority = str::from_utf8(authority).ok()?;
        let (host, port) = match authority.rfind(':') {
            // A colon inside brackets belongs to an IPv6 address.
            Some(colon) if !authority.ends_with(']') => authority.split_at_checked(colon)?,
            _ => (authority, ""),
        };
        // An empty port, or one that is none, is read by each server in its own way.
        if let Some(digits) = port.strip_prefix(':')
            && !(digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<u16>().is_ok())
        {
            return None;
        }
        let host = if is_address(host) { host } else { host.strip_suffix('.').unwrap_or(host) };
        if host.len() > limits::HOST_BYTES || !(is_address(host) || is_name(host)) {
            return None;
        }
        let folds = host.bytes().any(|byte| byte.is_ascii_uppercase());
        Some(Self(if folds { host.to_ascii_lowercase().into() } else { host.into() }))
    }

    /// The host.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_address(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.is_some_and(|inner| {
        !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
    })
}

/// Labels are not empty: `a..b` is a name to nobody.
fn is_name(host: &str) -> bool {
    host.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    })
}

/// What a route says of the host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host.
    Exact(String),
    /// Every host below this name, which is kept with the dot before it; not the name itself.
    Below(String),
}

/// Why a text is no [`HostPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostPatternError {
    /// A bare asterisk.
    #[error("`*` would match every host")]
    Any,
    /// A port: hosts compare without.
    #[error("hosts are compared without their port")]
    Port,
    /// Anything else.
    #[error("must be a host name, an address, or `*.` and a host name")]
    Malformed,
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        if text == "*" {
            return Err(HostPatternError::Any);
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let host = Host::parse(name.as_bytes()).ok_or(HostPatternError::Malformed)?;
        if name.contains(':') && !is_address(name) {
            return Err(HostPatternError::Port);
        }
        match below {
            true if is_address(name) => Err(HostPatternError::Malformed),
            true => Ok(Self::Below(format!(".{}", host.as_str()))),
            false => Ok(Self::Exact(host.as_str().to_owned())),
        }
    }

    /// Whether it is this host.
    #[must_use]
    pub fn matches(&self, host: &Host<'_>) -> bool {
        match self {
            Self::Exact(name) => host.as_str() == name,
            Self::Below(suffix) => host.as_str().len() > suffix.len() && host.as_str().ends_with(suffix),
        }
    }

    /// Whether every host that `other` matches is matched by this pattern too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(own), Self::Exact(other)) => own == other,
            (Self::Exact(_), Self::Below(_)) => false,
            (Self::Below(own), Self::Exact(other)) => other.len() > own.len() && other.ends_with(own),
            (Self::Below(own), Self::Below(other)) => other.ends_with(own),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_servers_could_read_two_ways_is_no_host() {
        for authority in [
            "",
            ":",
            ":80",
            "tools.example:",
            "tools.example:65536",
            "a b",
            "user@tools.example",
            "tools.example@evil.example",
            "tools%2Eexample",
            "a:b",
            "a:80:80",
            "[::1",
            "::1",
            "[]",
            "[::1]x",
            "a..b",
            ".a",
            "a..",
            "tools.example/",
            "tools.example?",
            "zo\u{eb}.example",
            "*",
        ] {
            assert_eq!(Host::parse(authority.as_bytes()), None, "{authority}");
        }
        assert_eq!(Host::parse(b"\xff"), None);
        assert_eq!(Host::parse("a".repeat(limits::HOST_BYTES + 1).as_bytes()), None);
    }

    #[test]
    fn a_host_is_compared_without_port_case_and_closing_dot() {
        for authority in
            ["tools.example", "Tools.EXAMPLE", "tools.example:443", "tools.example.", "tools.example.:8"]
        {
            assert_eq!(Host::parse(authority.as_bytes()).unwrap().as_str(), "tools.example", "{authority}");
        }
        for (authority, host) in
            [("[::1]:80", "[::1]"), ("[FE80::1]", "[fe80::1]"), ("10.0.0.1:80", "10.0.0.1")]
        {
            assert_eq!(Host::parse(authority.as_bytes()).unwrap().as_str(), host);
        }
    }

    #[test]
    fn patterns_match_whole_labels() {
        for (pattern, host, matches) in [
            ("tools.example", "tools.example", true),
            ("Tools.Example.", "tools.example", true),
            ("tools.example", "x.tools.example", false),
            ("*.tools.example", "tools.example", false),
            ("*.tools.example", "x.tools.example", true),
            ("*.tools.example", "x.y.tools.example", true),
            ("*.tools.example", "xtools.example", false),
            ("[::1]", "[::1]", true),
        ] {
            let pattern = HostPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(&Host::parse(host.as_bytes()).unwrap()), matches, "{pattern} {host}");
        }
        for (text, error) in [
            ("*", HostPatternError::Any),
            ("tools.example:443", HostPatternError::Port),
            ("[::1]:443", HostPatternError::Port),
            ("x.*.example", HostPatternError::Malformed),
            ("*", HostPatternError::Any),
            ("*.[::1]", HostPatternError::Malformed),
            ("", HostPatternError::Malformed),
            ("https://a", HostPatternError::Malformed),
        ] {
            assert_eq!(HostPattern::parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        /// What a pattern is said to cover it matches.
        #[test]
        fn what_is_covered_is_matched(a in "(\\*\\.)?[ab](\\.[ab]){0,2}", b in "(\\*\\.)?[ab](\\.[ab]){0,2}", host in "[ab](\\.[ab]){0,4}") {
            let (a, b, host) =
                (HostPattern::parse(&a).unwrap(), HostPattern::parse(&b).unwrap(), Host::parse(host.as_bytes()).unwrap());
            prop_assert!(!(a.covers(&b) && b.matches(&host)) || a.matches(&host));
        }
    }
}
