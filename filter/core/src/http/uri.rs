//! The address that a request was sent to, as its sender wrote it.
//!
//! ```text
//! address   = scheme "://" authority [ path ] [ "?" *any ] [ "#" *any ]
//! scheme    = "http" / "https"                     ; in any case (RFC 3986 §3.1)
//! authority = host [ ":" port ]                    ; as in `host.rs`
//! path      = as in `path.rs`
//! ```
//!
//! Two addresses are compared after normalisation by syntax and scheme (RFC 3986 §6.2.2 and §6.2.3), which RFC 9449 §4.3 asks for:
//! scheme and host in lower case, the usual port left out, no path is `/`, and the path in the form by which routes are found.

use super::host::Host;
use super::path::NormalPath;
use crate::limits;
use std::fmt;

/// Scheme, host and port (RFC 6454 §4).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    is_https: bool,
    host: String,
    port: u16,
}

impl Origin {
    fn parse(is_https: bool, authority: &str) -> Option<Self> {
        let host = Host::parse(authority.as_bytes())?;
        let port = match authority.rsplit_once(':') {
            // A colon inside brackets belongs to an IPv6 address.
            Some((_, port)) if !port.ends_with(']') => port.parse().ok()?,
            _ if is_https => 443,
            _ => 80,
        };
        Some(Self { is_https, host: host.as_str().to_owned(), port })
    }
}

/// An address under which clients know this gateway: an origin, and the beginning of its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalUri {
    origin: Origin,
    /// Without a slash at the end, so empty for all paths.
    path: String,
}

impl ExternalUri {
    /// Reads an address. Query and fragment are cut off. `None`: it is none, or has no one normal form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let address = Address::parse(text)?;
        let path = address.path.strip_suffix('/').unwrap_or(&address.path);
        Some(Self { path: path.to_owned(), origin: address.origin })
    }

    /// Of a request for this host, with its port, over TLS.
    #[must_use]
    pub fn of_host(authority: &[u8]) -> Option<Self> {
        let origin = Origin::parse(true, std::str::from_utf8(authority).ok()?)?;
        Some(Self { origin, path: String::new() })
    }

    /// The host, as a request's host is compared.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.origin.host
    }

    /// Whether requests come over TLS, or from this machine.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.origin.is_https || matches!(self.origin.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Whether `address` is that of a request for `path`, which came to this gateway under this address.
    #[must_use]
    pub fn is_followed_by(&self, path: &NormalPath, address: &Address) -> bool {
        self.origin == address.origin && address.path.strip_prefix(&self.path) == Some(path.as_str())
    }
}

impl fmt::Display for ExternalUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { is_https, host, port } = &self.origin;
        let (scheme, usual) = if *is_https { ("https", 443) } else { ("http", 80) };
        match *port == usual {
            true => write!(f, "{scheme}://{host}{}", self.path),
            false => write!(f, "{scheme}://{host}:{port}{}", self.path),
        }
    }
}

/// An address that a proof names: `htu` (RFC 9449 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    origin: Origin,
    path: String,
}

impl Address {
    /// Reads an address. Query and fragment are cut off. `None`: it is none, or has no one normal form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > limits::PATH_BYTES {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let is_https = match scheme {
            scheme if scheme.eq_ignore_ascii_case("https") => true,
            scheme if scheme.eq_ignore_ascii_case("http") => false,
            _ => return None,
        };
        let rest = rest.split(['?', '#']).next()?;
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at_checked(slash)?,
            None => (rest, "/"),
        };
        let path = NormalPath::normalise(path).ok()?;
        Some(Self { origin: Origin::parse(is_https, authority)?, path: path.as_str().to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn is_at(base: &str, path: &str, address: &str) -> bool {
        let path = NormalPath::normalise(path).unwrap();
        Address::parse(address)
            .is_some_and(|address| ExternalUri::parse(base).unwrap().is_followed_by(&path, &address))
    }

    #[test]
    fn an_address_of_something_else_is_not_that_of_the_request() {
        for address in [
            "",
            "/v1/a",
            "tools.example/v1/a",
            "https:/tools.example/v1/a",
            "https://tools.example",
            "https://tools.example/",
            "https://tools.example/v1/b",
            "https://tools.example/v1/a/",
            "https://tools.example/v1/A",
            "https://tools.example/v1/a/b",
            "https://tools.example/x/v1/a",
            "https://tools.example:8443/v1/a",
            "https://tools.example:80/v1/a",
            "https://tools.example:/v1/a",
            "https://tools.example:99999/v1/a",
            "https://tools.example.evil.example/v1/a",
            "https://eviltools.example/v1/a",
            "https://tools.example@evil.example/v1/a",
            "https://user@tools.example/v1/a",
            "https://tools.example\\@evil.example/v1/a",
            "http://tools.example/v1/a",
            "wss://tools.example/v1/a",
            "https://tools.example/v1%2Fa",
            "https://tools.example/v1/a;x",
            "https://tools.example/v1/../../v1/a",
            "https:// tools.example/v1/a",
            " https://tools.example/v1/a",
            "https://tools.example/v1/a ",
            "https://[tools.example]/v1/a",
        ] {
            assert!(!is_at("https://tools.example", "/v1/a", address), "{address}");
        }
        assert!(!is_at("https://tools.example/v1", "/a", "https://tools.example/v1a"));
        assert!(!is_at("https://tools.example/v1", "/a", "https://tools.example/a"));
    }

    #[test]
    fn every_spelling_of_an_address_is_that_of_the_request() {
        for address in [
            "https://tools.example/v1/a",
            "https://tools.example/v1/a?q=1",
            "https://tools.example/v1/a#f",
            "https://tools.example/v1/a?q=1#f",
            "HTTPS://Tools.EXAMPLE/v1/a",
            "https://tools.example:443/v1/a",
            "https://tools.example./v1/a",
            "https://tools.example/v1/%61",
            "https://tools.example/v1/./a",
            "https://tools.example/v1/b/../a",
        ] {
            assert!(is_at("https://tools.example", "/v1/a", address), "{address}");
            assert!(is_at("https://tools.example:443/", "/v1/a", address), "{address}");
            assert!(is_at("https://tools.example/v1", "/a", address), "{address}");
            assert!(is_at("https://tools.example/v1/", "/a", address), "{address}");
        }
        assert!(is_at("https://tools.example", "/", "https://tools.example"));
        assert!(is_at("https://[2001:DB8::1]:8443", "/a", "https://[2001:db8::1]:8443/a"));
        assert!(is_at("http://localhost:10000", "/a", "http://localhost:10000/a"));
    }

    #[test]
    fn an_address_is_shown_in_normal_form() {
        for (text, shown) in [
            ("https://Tools.example:443/", "https://tools.example"),
            ("http://tools.example:8080/a/", "http://tools.example:8080/a"),
        ] {
            assert_eq!(ExternalUri::parse(text).unwrap().to_string(), shown);
        }
    }
}
