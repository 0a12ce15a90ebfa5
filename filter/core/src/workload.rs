//! Ids of workloads (draft-ietf-wimse-identifier §4): a trust domain, and a workload in it. An id of the scheme `spiffe` is one of
//! SPIFFE; one of the scheme `wimse` has the wider grammar of a URI, in its one normal form (RFC 3986 §6.2.2).
//!
//! ```text
//! id           = spiffe-id / wimse-id              ; spiffe-id: see `spiffe.rs`
//! wimse-id     = "wimse://" trust-domain path      ; no user, port, query or fragment (§4.1)
//! trust-domain = 1*255( %x61-7A / DIGIT / "." / "-" / "_" )
//! path         = 1*( "/" segment )
//! segment      = 1*( unreserved / "%" 2( DIGIT / %x41-46 ) / sub-delims / ":" / "@" )   ; neither "." nor "..", no
//!                                                  ; encoded character that may stand plain
//! ```

use crate::spiffe;

/// What an id begins with that has no scheme of its runtime (§4.4).
const WIMSE: &str = "wimse://";

/// Longest id, in bytes (§4.1).
const ID_BYTES: usize = 2048;

/// Whether `text` is a trust domain with its scheme, and without a path: `wimse://prod.example` (§4.6).
#[must_use]
pub fn is_trust_domain(text: &str) -> bool {
    spiffe::is_trust_domain(text) || text.strip_prefix(WIMSE).is_some_and(spiffe::is_name)
}

/// The trust domain of a workload's id with its scheme; `None` for what is no id, in the one spelling that it has.
#[must_use]
pub fn trust_domain(id: &str) -> Option<&str> {
    let Some(name_and_path) = id.strip_prefix(WIMSE).filter(|_| id.len() <= ID_BYTES) else {
        return spiffe::trust_domain(id);
    };
    let (name, path) = name_and_path.split_once('/')?;
    let is_id = spiffe::is_name(name) && path.split('/').all(is_segment);
    is_id.then(|| id.get(..WIMSE.len().saturating_add(name.len()))).flatten()
}

fn is_segment(segment: &str) -> bool {
    if matches!(segment, "" | "." | "..") {
        return false;
    }
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let holds = match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|digit| match digit {
                    Some(digit @ b'0'..=b'9') => Some(digit.wrapping_sub(b'0')),
                    Some(digit @ b'A'..=b'F') => Some(digit.wrapping_sub(b'A').wrapping_add(10)),
                    _ => None,
                });
                matches!(digits, [Some(high), Some(low)] if !is_plain(high << 4 | low))
            }
            byte => is_plain(byte),
        };
        if !holds {
            return false;
        }
    }
    true
}

/// `pchar` without what is encoded (RFC 3986 §3.3).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_of_a_workload_has_no_trust_domain() {
        let long = format!("wimse://td/{}", "a".repeat(ID_BYTES));
        for id in [
            "",
            "td/a",
            "https://td/a",
            "WIMSE://td/a",
            "wimse:td/a",
            "wimse:/td/a",
            "wimse://td",
            "wimse://td/",
            "wimse:///a",
            "wimse://TD/a",
            "wimse://td:443/a",
            "wimse://u@td/a",
            "wimse://[::1]/a",
            "wimse://td/a/",
            "wimse://td//a",
            "wimse://td/.",
            "wimse://td/../a",
            "wimse://td/a%2fb",
            "wimse://td/a%2",
            "wimse://td/a%",
            "wimse://td/a%GG",
            "wimse://td/%61",
            "wimse://td/%2E%2E/a",
            "wimse://td/%3A",
            "wimse://td/a?b",
            "wimse://td/a#b",
            "wimse://td/a b",
            "wimse://td/a\\b",
            "wimse://td/é",
            "spiffe://td/a:b",
            &long,
        ] {
            assert_eq!(trust_domain(id), None, "{id}");
        }
    }

    #[test]
    fn a_workload_is_in_its_trust_domain_and_in_no_other() {
        for (id, domain) in [
            ("spiffe://td/a", "spiffe://td"),
            ("wimse://td/a", "wimse://td"),
            ("wimse://prod.example/service/payment/instance/1234", "wimse://prod.example"),
            ("wimse://td/a:b@c;d=e,f~(g)", "wimse://td"),
            ("wimse://td/a%2Fb%C3%A9", "wimse://td"),
        ] {
            assert_eq!(trust_domain(id), Some(domain), "{id}");
        }
    }

    #[test]
    fn a_trust_domain_has_no_path() {
        assert!(is_trust_domain("spiffe://prod.example") && is_trust_domain("wimse://prod.example"));
        for text in ["prod.example", "wimse://", "wimse://td/", "wimse://td/a", "wimse://Td", "https://td"] {
            assert!(!is_trust_domain(text), "{text}");
        }
    }
}
