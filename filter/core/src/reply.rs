//! A decision as HTTP: what the upstream gets, or what the client is told.

use crate::claims::SignedToken;
use crate::config::Config;
use crate::decision::{Decision, Denial, Outcome, Permit};
use crate::policy::Obligation;
use crate::reason::Challenge;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use sfv::{ListSerializer, RefBareItem, StringRef, key_ref};

/// Every header with this prefix is ours: what a client sends under it is removed, on every route.
pub const RESERVED_PREFIX: &str = "x-mandate-";

/// Headers by which a client asks some servers to take the request for another one than was authorised.
const OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Whether a client may not send this header. Every separator counts as a dash: CGI and its heirs show a server
/// `x_mandate_principal`, `x.mandate.principal` and `x-mandate-principal` under one name (RFC 3875 §4.1.18).
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    let same = |(a, b): (u8, u8)| a.to_ascii_lowercase() == b || (b == b'-' && !a.is_ascii_alphanumeric());
    let begins_with = |with: &str| name.len() >= with.len() && name.bytes().zip(with.bytes()).all(same);
    begins_with(RESERVED_PREFIX) || OVERRIDES.iter().any(|o| name.len() == o.len() && begins_with(o))
}

/// What to do with the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Let it go on, changed like this.
    Forward(Forward),
    /// Answer it here.
    Answer(Answer),
}

/// Changes to a request that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forward {
    /// The path to send, where normalisation changed it: what was authorised is what the upstream gets.
    pub path: Option<String>,
    /// Headers to remove.
    pub remove: Vec<&'static str>,
    /// Headers to set.
    pub set: Vec<(String, String)>,
}

/// An answer to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body: `application/problem+json`.
    pub body: Vec<u8>,
}

impl Reply {
    /// The reply that carries out `decision`. `config` is `None` while there is no valid configuration.
    #[must_use]
    pub fn new(decision: &Decision, config: Option<&Config>) -> Self {
        match (decision.outcome(), config) {
            (Outcome::Allow(permit), Some(config)) => Self::Forward(forward(decision, permit, config)),
            (Outcome::Allow(_), None) => {
                Self::Answer(answer(decision, &crate::reason::Reason::ConfigInvalid.into(), None))
            }
            (Outcome::Deny(denial), config) => Self::Answer(answer(decision, denial, config)),
        }
    }
}

fn forward(decision: &Decision, permit: &Permit, config: &Config) -> Forward {
    let mut forward = Forward::default();
    if let Some(path) = decision.path().filter(|path| path.changed()) {
        forward.path = Some(path.to_header());
    }
    if !config.upstream.forward_token {
        // Also on anonymous routes: nobody checked that credential, so nobody should be handed it as if.
        forward.remove.push("authorization");
    }
    if config.upstream.identity_headers {
        let mut set =
            |name: &str, value: String| forward.set.push((format!("{RESERVED_PREFIX}{name}"), value));
        set("decision", decision.id().to_owned());
        if let Some(chain) = permit.chain() {
            set("principal", encode_identifier(&chain.principal().subject));
            if let Some(agent) = chain.agent() {
                set("agent", encode_identifier(&agent.subject));
            }
            set("depth", chain.depth().to_string());
            set("chain", encode_chain(chain.token()));
        }
    }
    for obligation in permit.obligations() {
        if let Obligation::Header { name, value } = obligation {
            forward.set.push((format!("{RESERVED_PREFIX}ext-{name}"), value.clone()));
        }
    }
    forward
}

/// An identifier as a header value: percent-encoded UTF-8. Every byte outside visible ASCII and the percent sign
/// itself are encoded, so that two identifiers never look the same.
#[must_use]
pub fn encode_identifier(identifier: &str) -> String {
    const OPAQUE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    utf8_percent_encode(identifier, OPAQUE).to_string()
}

/// Principal, then the hops, oldest first, as a structured-field list (RFC 9651 §3.1): each member is the subject, a
/// String or, outside ASCII, a Display String, with its issuer as the parameter `iss`.
#[must_use]
pub fn encode_chain(token: &SignedToken) -> String {
    let mut list = ListSerializer::new();
    for identity in token.identities() {
        let _ = list
            .bare_item(structured(&identity.subject))
            .parameter(key_ref("iss"), structured(&identity.issuer));
    }
    list.finish().unwrap_or_default()
}

fn structured(text: &str) -> RefBareItem<'_> {
    match StringRef::from_str(text) {
        Ok(ascii) => RefBareItem::String(ascii),
        Err(_) => RefBareItem::DisplayString(text),
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_code: Option<&'a str>,
    decision: &'a str,
}

fn answer(decision: &Decision, denial: &Denial, config: Option<&Config>) -> Answer {
    let reason = denial.reason;
    let policy = denial.policy.as_ref();
    let problem = Problem {
        r#type: "about:blank",
        title: reason.title(),
        status: reason.status(),
        code: reason.code(),
        detail: reason.detail(),
        policy: policy.map(|(name, _)| name.as_str()),
        policy_code: policy.and_then(|(_, code)| code.as_deref()),
        decision: decision.id(),
    };
    let mut headers = vec![("content-type", "application/problem+json".to_owned())];
    // A denial is for this request at this moment (RFC 9111 §5.2.2.5).
    headers.push(("cache-control", "no-store".to_owned()));
    if let Some(challenge) = challenge(reason.challenge(), decision, config) {
        headers.push(("www-authenticate", challenge));
    }
    // Serialising a struct of strings and a number does not fail; an empty body would still deny.
    Answer { status: reason.status(), headers, body: serde_json::to_vec(&problem).unwrap_or_default() }
}

/// RFC 6750 §3 and RFC 9728 §5.1. The values need no escaping: error codes are ours, scope tokens and the metadata
/// URL were checked with the configuration to hold neither quotes nor backslashes.
fn challenge(challenge: Challenge, decision: &Decision, config: Option<&Config>) -> Option<String> {
    let mut parameters = Vec::new();
    match challenge {
        Challenge::None => return None,
        Challenge::Bare => {}
        Challenge::Error(error) => parameters.push(format!("error=\"{error}\"")),
        Challenge::Scope => parameters.push("error=\"insufficient_scope\"".to_owned()),
    }
    let route = decision.route().and_then(|index| config?.routes.get(index));
    if let (Challenge::Scope | Challenge::Bare, Some(route)) = (challenge, route)
        && !route.scopes.is_empty()
    {
        parameters.push(format!("scope=\"{}\"", route.scopes.join(" ")));
    }
    if let Some(url) = config.and_then(|c| c.resource_metadata.as_deref()) {
        parameters.push(format!("resource_metadata=\"{url}\""));
    }
    Some(if parameters.is_empty() {
        "Bearer".to_owned()
    } else {
        format!("Bearer {}", parameters.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_only_looks_different_is_reserved_too() {
        for name in [
            "x-mandate-principal",
            "X-Mandate-Chain",
            "x_mandate_principal",
            "x-mandate_x",
            "x-mandate-",
            "x.mandate!chain",
            "X-HTTP-Method-Override",
            "x_original_url",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "x-mandat",
            "x-mandate",
            "y-mandate-principal",
            "x-mandates-a",
            "authorization",
            "x-http-methods",
            "x-original-url-2",
            "",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn two_identifiers_never_encode_to_the_same_value() {
        assert_eq!(encode_identifier("user:alice"), "user:alice");
        assert_eq!(encode_identifier("a b"), "a%20b");
        assert_eq!(encode_identifier("a%20b"), "a%2520b");
        assert_eq!(encode_identifier("Zoë\r\n"), "Zo%C3%AB%0D%0A");
    }
}
