//! The identities of a token as header values and log fields: made once, used with every request of the token.

use super::hops::{Delegated, Identity};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sfv::{ListSerializer, RefBareItem, StringRef, key_ref};

/// The values of the headers that tell the upstream who acts for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The principal's subject, see [`encode_identifier`].
    pub principal: String,
    /// The subject of the agent that acts now, likewise; `None` without one.
    pub agent: Option<String>,
    /// How many hops count.
    pub depth: String,
    /// Principal, then the hops, oldest first, as a structured-field list (RFC 9651 §3.1): each member is the subject, a
    /// String or, outside ASCII, a Display String, with its issuer as the parameter `iss`. A hop has the parameters
    /// `sub_profile` and `client_id` too, where its issuer says them.
    pub chain: String,
}

impl IdentityHeaders {
    /// Of a principal, and who acts for it.
    #[must_use]
    pub fn new(principal: &Identity, delegated: &Delegated) -> Self {
        let mut chain = ListSerializer::new();
        let _ = chain
            .bare_item(structured(&principal.subject))
            .parameter(key_ref("iss"), structured(&principal.issuer));
        for hop in &delegated.hops {
            let mut member = chain
                .bare_item(structured(&hop.identity.subject))
                .parameter(key_ref("iss"), structured(&hop.identity.issuer));
            if let Some(sub_profile) = &hop.sub_profile {
                member = member.parameter(key_ref("sub_profile"), structured(sub_profile));
            }
            if let Some(client_id) = &hop.client_id {
                let _ = member.parameter(key_ref("client_id"), structured(client_id));
            }
        }
        Self {
            principal: encode_identifier(&principal.subject),
            agent: delegated.agent(principal).map(|agent| encode_identifier(&agent.subject)),
            depth: delegated.depth.to_string(),
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
