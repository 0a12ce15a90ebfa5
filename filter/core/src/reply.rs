//! A decision as HTTP: what the upstream gets, or what the client is told.

use crate::config::Config;
use crate::decision::{Decision, Denial, Outcome, Permit};
use crate::policy::Obligation;
use crate::reason::Challenge;
use serde::Serialize;
use std::borrow::Cow;

/// Every header with this prefix is ours: what a client sends under it is removed, on every route.
pub const RESERVED_PREFIX: &str = "x-mandate-";

/// How many there are beside those that policies ask for.
const IDENTITY_HEADERS: usize = 5;

/// Headers by which a client asks some servers to take the request for another one than was authorised.
const OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Whether a client may not send this header. Every separator counts as a dash: CGI and its heirs show a server
/// `x_mandate_principal`, `x.mandate.principal` and `x-mandate-principal` under one name (RFC 3875 §4.1.18).
#[must_use]
pub fn is_reserved(name: impl AsRef<[u8]>) -> bool {
    let name = name.as_ref();
    // All of them begin like this, and none is shorter: few others do, or are not.
    let may_be = matches!(name, [b'x' | b'X', separator, ..] if !separator.is_ascii_alphanumeric());
    if !may_be || name.len() < RESERVED_PREFIX.len() {
        return false;
    }
    let same = |(a, b): (&u8, u8)| a.to_ascii_lowercase() == b || (b == b'-' && !a.is_ascii_alphanumeric());
    let begins_with = |with: &str| name.len() >= with.len() && name.iter().zip(with.bytes()).all(same);
    begins_with(RESERVED_PREFIX) || OVERRIDES.iter().any(|o| name.len() == o.len() && begins_with(o))
}

/// What to do with the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Let it go on, changed like this.
    Forward(Forward<'a>),
    /// Answer it here.
    Answer(Answer),
}

/// Changes to a request that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forward<'a> {
    /// The path to send, where normalisation changed it: what was authorised is what the upstream gets.
    pub path: Option<String>,
    /// A header to remove.
    pub remove: Option<&'static str>,
    /// Headers to add: reserved ones, each once.
    pub add: Vec<(Cow<'a, str>, &'a str)>,
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

impl<'a> Reply<'a> {
    /// The reply that carries out `decision`. `config` is `None` while there is no valid configuration.
    #[must_use]
    pub fn new(decision: &'a Decision, config: Option<&'a Config>) -> Self {
        match (decision.outcome(), config) {
            (Outcome::Allow(permit), Some(config)) => Self::Forward(forward(decision, permit, config)),
            (Outcome::Allow(_), None) => {
                Self::Answer(answer(decision, &crate::reason::Reason::ConfigInvalid.into(), None))
            }
            (Outcome::Deny(denial), config) => Self::Answer(answer(decision, denial, config)),
        }
    }
}

fn forward<'a>(decision: &'a Decision, permit: &'a Permit, config: &Config) -> Forward<'a> {
    let mut forward = Forward::default();
    if let Some(path) = decision.path().filter(|path| path.changed()) {
        forward.path = Some(path.to_header());
    }
    if !config.upstream.forward_token {
        // Also on anonymous routes: nobody checked that credential, so nobody should be handed it as if.
        forward.remove = Some("authorization");
    }
    if config.upstream.identity_headers {
        forward.add.reserve(IDENTITY_HEADERS + permit.obligations().len());
        let mut set = |name: &'static str, value: &'a str| forward.add.push((Cow::Borrowed(name), value));
        set("x-mandate-decision", decision.id());
        if let Some(chain) = permit.chain() {
            let labels = chain.token().labels();
            set("x-mandate-principal", &labels.principal);
            if let Some(agent) = &labels.agent {
                set("x-mandate-agent", agent);
            }
            set("x-mandate-depth", &labels.depth);
            set("x-mandate-chain", &labels.chain);
        }
    }
    for obligation in permit.obligations() {
        if let Obligation::Header { name, value } = obligation {
            let name = format!("{RESERVED_PREFIX}ext-{name}");
            // Two policies may ask for the same, which is one header; two values would have been a conflict.
            if !forward.add.iter().any(|(known, _)| *known == name) {
                forward.add.push((Cow::Owned(name), value));
            }
        }
    }
    forward
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
}
