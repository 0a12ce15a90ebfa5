//! SPIFFE ids: a trust domain, and a workload in it (SPIFFE-ID §2).
//!
//! ```text
//! spiffe id    = "spiffe://" trust-domain path
//! trust-domain = 1*255( %x61-7A / DIGIT / "." / "-" / "_" )
//! path         = 1*( "/" segment )
//! segment      = 1*( ALPHA / DIGIT / "." / "-" / "_" )       ; neither "." nor ".."
//! ```

/// What a SPIFFE id begins with.
pub const SCHEME: &str = "spiffe://";

/// Longest trust domain, in bytes (SPIFFE-ID §2.1).
const TRUST_DOMAIN_BYTES: usize = 255;
/// Longest SPIFFE id, in bytes (SPIFFE-ID §2.3).
const ID_BYTES: usize = 2048;

/// Whether `text` is a trust domain with its scheme, and without a path: `spiffe://prod.example`.
#[must_use]
pub fn is_trust_domain(text: &str) -> bool {
    text.strip_prefix(SCHEME).is_some_and(is_name)
}

/// The trust domain of a workload's id with its scheme, `spiffe://prod.example` of `spiffe://prod.example/ns/a/sa/b`; `None` for
/// what is no such id, in the one spelling that it has.
#[must_use]
pub fn trust_domain(id: &str) -> Option<&str> {
    let name_and_path = id.strip_prefix(SCHEME).filter(|_| id.len() <= ID_BYTES)?;
    let (name, path) = name_and_path.split_once('/')?;
    let is_id = is_name(name) && path.split('/').all(is_segment);
    is_id.then(|| id.get(..SCHEME.len().saturating_add(name.len()))).flatten()
}

/// Whether `name` is a trust domain without a scheme.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    !name.is_empty() && name.len() <= TRUST_DOMAIN_BYTES && name.bytes().all(plain)
}

fn is_segment(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(segment, "" | "." | "..") && segment.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_of_a_workload_has_no_trust_domain() {
        let long = format!("spiffe://td/{}", "a".repeat(ID_BYTES));
        let long_domain = format!("spiffe://{}/a", "d".repeat(TRUST_DOMAIN_BYTES + 1));
        for id in [
            "",
            "td/a",
            "https://td/a",
            "SPIFFE://td/a",
            "spiffe:/td/a",
            "spiffe://td",
            "spiffe://td/",
            "spiffe:///a",
            "spiffe://TD/a",
            "spiffe://td:443/a",
            "spiffe://u@td/a",
            "spiffe://td/a/",
            "spiffe://td//a",
            "spiffe://td/.",
            "spiffe://td/../a",
            "spiffe://td/a%2fb",
            "spiffe://td/a?b",
            "spiffe://td/a#b",
            "spiffe://td/a b",
            "spiffe://td/é",
            &long,
            &long_domain,
        ] {
            assert_eq!(trust_domain(id), None, "{id}");
        }
    }

    #[test]
    fn a_workload_is_in_its_trust_domain_and_in_no_other() {
        for (id, domain) in [
            ("spiffe://td/a", "spiffe://td"),
            ("spiffe://prod.example/ns/a/sa/B-1_2.x", "spiffe://prod.example"),
            ("spiffe://td/...", "spiffe://td"),
        ] {
            assert_eq!(trust_domain(id), Some(domain), "{id}");
        }
    }

    #[test]
    fn a_trust_domain_has_no_path() {
        assert!(is_trust_domain("spiffe://prod.example"));
        for text in
            ["prod.example", "spiffe://", "spiffe://td/", "spiffe://td/a", "spiffe://Td", "https://td"]
        {
            assert!(!is_trust_domain(text), "{text}");
        }
    }
}
