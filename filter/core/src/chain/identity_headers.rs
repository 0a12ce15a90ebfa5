//! The identities of a token as header values and log fields: made once, used with every request of the token.

use super::hops::Identity;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sfv::{ListSerializer, RefBareItem, StringRef, key_ref};

/// The values of the headers that tell the upstream who acts for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The principal's subject, see [`encode_identifier`].
    pub principal: String,
    /// The subject of the agent that acts now, likewise; `None` without a delegation.
    pub agent: Option<String>,
    /// How many hops there are.
    pub depth: String,
    /// Principal, then the hops, oldest first, as a structured-field list (RFC 9651 §3.1): each member is the subject, a
    /// String or, outside ASCII, a Display String, with its issuer as the parameter `iss`.
    pub chain: String,
}

impl IdentityHeaders {
    /// Of a principal and the hops, oldest first.
    #[must_use]
    pub fn new(principal: &Identity, hops: &[Identity]) -> Self {
        let mut chain = ListSerializer::new();
        for identity in std::iter::once(principal).chain(hops) {
            let _ = chain
                .bare_item(structured(&identity.subject))
                .parameter(key_ref("iss"), structured(&identity.issuer));
        }
        Self {
            principal: encode_identifier(&principal.subject),
            agent: hops.last().map(|agent| encode_identifier(&agent.subject)),
            depth: hops.len().to_string(),
            chain: chain.finish().unwrap_or_default(),
        }
    }
}

/// An identifier as a header value: percent-encoded UTF-8. Every byte outside visible ASCII and the percent sign
/// itself are encoded, so that two identifiers never look the same.
#[must_use]
pub fn encode_identifier(identifier: &str) -> String {
    const OPAQUE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    utf8_percent_encode(identifier, OPAQUE).to_string()
}

fn structured(text: &str) -> RefBareItem<'_> {
    match StringRef::from_str(text) {
        Ok(ascii) => RefBareItem::String(ascii),
        Err(_) => RefBareItem::DisplayString(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_identifiers_never_encode_to_the_same_value() {
        assert_eq!(encode_identifier("user:alice"), "user:alice");
        assert_eq!(encode_identifier("a b"), "a%20b");
        assert_eq!(encode_identifier("a%20b"), "a%2520b");
        assert_eq!(encode_identifier("Zoë\r\n"), "Zo%C3%AB%0D%0A");
    }
}
